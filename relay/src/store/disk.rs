//! How much room the disk has: pushes are refused while a reserve is still free.
//!
//! SQLite needs room even to delete: the write-ahead log grows, and a checkpoint extends the database. So appends stop at a reserve
//! and everything else goes on in it (G9).

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

/// An answer is believed for this long: at any likely rate of writing far less than the reserve.
const FRESH: Duration = Duration::from_millis(500);

/// The file system under the database.
#[derive(Debug)]
pub(super) struct Disk {
    dir: PathBuf,
    reserve: u64,
    last: Option<(Instant, bool)>,
}

impl Disk {
    /// Watches the file system of `dir`.
    pub(super) fn new(dir: PathBuf, reserve: u64) -> Self {
        Self { dir, reserve, last: None }
    }

    /// Whether the reserve is reached. Where the system does not tell, the disk is taken to have room.
    pub(super) fn is_low(&mut self) -> bool {
        if self.reserve == 0 {
            return false;
        }
        match self.last {
            Some((at, low)) if at.elapsed() < FRESH => low,
            _ => {
                let low = free_bytes(&self.dir).is_some_and(|free| free < self.reserve);
                self.last = Some((Instant::now(), low));
                low
            }
        }
    }
}

/// Bytes that this user may still write on the file system of `dir`.
#[cfg(unix)]
pub fn free_bytes(dir: &std::path::Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(dir).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Bytes that this user may still write on the file system of `dir`.
#[cfg(not(unix))]
pub fn free_bytes(_dir: &std::path::Path) -> Option<u64> {
    None
}
