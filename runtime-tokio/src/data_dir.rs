//! A directory that belongs to one client: private, and locked while it is in use.
//!
//! Invariant: nothing in it is ever readable by other users, whatever the umask and whatever was there before (D14). The lock is the
//! operating system's, so the death of a process frees it (D10).

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
};

use thiserror::Error;

const LOCK: &str = "lock";

/// A locked data directory. Dropping it unlocks.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

/// Why a directory cannot be used.
#[derive(Debug, Error)]
pub enum DataDirFault {
    /// Another process, or another client in this one, has it open.
    #[error("another process uses the data directory")]
    InUse,
    /// It belongs to another user, who could read and replace what is in it.
    #[error("the data directory belongs to another user")]
    Foreign,
    /// It cannot be made, made private or locked.
    #[error("the data directory cannot be used: {0}")]
    Io(#[from] io::Error),
}

impl DataDir {
    /// Creates the directory if there is none, makes it private and locks it.
    ///
    /// # Errors
    /// [`DataDirFault`].
    pub fn lock(path: &Path) -> Result<Self, DataDirFault> {
        fs::create_dir_all(path)?;
        refuse_foreign(path)?;
        permit_owner(path, 0o700)?;
        let lock = private_options().create(true).truncate(false).open(path.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(DataDirFault::InUse),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                permit_owner(&entry.path(), 0o600)?;
            }
        }
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Makes sure that a file is there and that only its owner may use it. An existing one keeps its content.
///
/// # Errors
/// The operating system's.
pub fn create_private(path: &Path) -> io::Result<()> {
    let file = private_options().create(true).truncate(false).open(path)?;
    permit_owner(path, 0o600)?;
    file.sync_all()?;
    sync_parent(path)
}

/// Replaces a private file's content so that a crash leaves the old or the new.
///
/// # Errors
/// The operating system's.
pub fn replace_private(path: &Path, content: &[u8]) -> io::Result<()> {
    use io::Write as _;
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = PathBuf::from(fresh);
    let mut file = private_options().create(true).truncate(true).open(&fresh)?;
    permit_owner(&fresh, 0o600)?;
    file.write_all(content)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&fresh, path)?;
    sync_parent(path)
}

/// A new name is durable once its directory is.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if cfg!(unix) => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}

fn private_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(unix)]
fn refuse_foreign(path: &Path) -> Result<(), DataDirFault> {
    use std::os::unix::fs::MetadataExt as _;
    let owner = fs::metadata(path)?.uid();
    if owner == rustix::process::geteuid().as_raw() { Ok(()) } else { Err(DataDirFault::Foreign) }
}

#[cfg(unix)]
fn permit_owner(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

/// Elsewhere the user's profile directory is private by inheritance.
#[cfg(not(unix))]
fn refuse_foreign(_path: &Path) -> Result<(), DataDirFault> {
    Ok(())
}

#[cfg(not(unix))]
fn permit_owner(_path: &Path, _mode: u32) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests;
