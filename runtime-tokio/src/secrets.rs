//! Where the store key lies: in the operating system's keychain, or else in a private file, and which of the two is always told.
//!
//! One 32-byte key seals the rest, which lies in the database. Beside it stands the counter that tells a restored database. Both are
//! one item of 41 bytes, so that they change together: version ‖ key ‖ counter.
//!
//! Invariants: no key is ever made where data is already (D13: a lost key is said, never replaced). A keychain is used only after it
//! wrote, read and deleted; one that hangs counts as locked after [`PATIENCE`]. Once chosen, the place stays: a keychain that is
//! locked later never leads to a file.
//!
//! ```text
//!   key file there ───────────────────────────► file
//!   keychain item named ──► found ────────────► keychain
//!                      ├──► missing, data ────► KeyLost
//!                      ├──► missing, no data ─► new key, keychain
//!                      └──► locked, hangs ────► Locked
//!   neither ──► data ─────────────────────────► KeyLost
//!          └──► no data ──► probe passed ─────► new key, keychain
//!                      └──► probe failed ─────► new key, file (Locked or Missing if a keychain was demanded)
//! ```

mod file;
mod keychain;

use std::{fmt, io, path::Path, time::Duration};

use thiserror::Error;
use zeroize::Zeroizing;

use self::keychain::Os;
pub use self::{file::KeyFile, keychain::Keychain};

/// How long a keychain may take. One that asks its user meanwhile is found unlocked by the next attempt.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Which place to use when there is no key yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyStorageChoice {
    /// The keychain if it works, else a file.
    #[default]
    Auto,
    /// The keychain, or fail.
    Keychain,
    /// A file.
    File,
}

/// Where a key lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyStorageKind {
    /// In the operating system's keychain.
    Keychain,
    /// In a private file of the data directory.
    File,
}

impl KeyStorageKind {
    /// The name applications see.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Keychain => "keychain",
            Self::File => "file",
        }
    }
}

/// Why a key cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyFault {
    /// Data is there and its key is not.
    #[error("the key of this data is gone")]
    Lost,
    /// The keychain is locked, denies access or does not answer.
    #[error("the keychain is locked or does not answer")]
    Locked,
    /// There is no keychain here: none is built in, or no service runs in this session. It may be there in another one.
    #[error("there is no keychain in this session")]
    Missing,
    /// What lies there is no key of ours.
    #[error("what is stored as key is none")]
    Damaged,
    /// There is no room for it. What lay there still does.
    #[error("there is no room for the key")]
    Full,
    /// The place cannot be read or written.
    #[error("the key's place cannot be read or written")]
    Unavailable,
}

impl KeyFault {
    /// A full disk passes, and what lay there still does: files are replaced by ones that were written before.
    fn of_io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Unavailable,
        }
    }
}

/// The key and the counter beside it.
pub struct Kept {
    /// Seals vault and ledger at rest.
    pub key: Zeroizing<[u8; 32]>,
    /// See [`zerok_core::client::store::ClientOp::Reserve`].
    pub reserved: u64,
}

impl Kept {
    const VERSION: u8 = 1;

    fn fresh() -> Result<Self, KeyFault> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(&mut key[..]).map_err(|_no_entropy| KeyFault::Unavailable)?;
        Ok(Self { key, reserved: 0 })
    }

    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut item = Zeroizing::new(Vec::with_capacity(41));
        item.push(Self::VERSION);
        item.extend_from_slice(&self.key[..]);
        item.extend_from_slice(&self.reserved.to_le_bytes());
        item
    }

    fn decode(item: &[u8]) -> Result<Self, KeyFault> {
        let (version, rest) = item.split_first().ok_or(KeyFault::Damaged)?;
        let (key, counter) = rest.split_first_chunk().ok_or(KeyFault::Damaged)?;
        let counter = counter.try_into().map_err(|_length| KeyFault::Damaged)?;
        if *version != Self::VERSION {
            return Err(KeyFault::Damaged);
        }
        Ok(Self { key: Zeroizing::new(*key), reserved: u64::from_le_bytes(counter) })
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("reserved", &self.reserved).finish_non_exhaustive()
    }
}

/// A place for one key. Blocking, but never for longer than [`PATIENCE`].
pub trait KeyStorage: fmt::Debug + Send + 'static {
    /// Which kind of place.
    fn kind(&self) -> KeyStorageKind;
    /// What lies there.
    ///
    /// # Errors
    /// [`KeyFault`]; nothing there is no fault.
    fn load(&self) -> Result<Option<Kept>, KeyFault>;
    /// Puts it there, durably.
    ///
    /// # Errors
    /// [`KeyFault`].
    fn store(&self, kept: &Kept) -> Result<(), KeyFault>;
    /// Removes it.
    ///
    /// # Errors
    /// [`KeyFault`]; nothing there is no fault.
    fn delete(&self) -> Result<(), KeyFault>;

    /// Changes the counter beside the key.
    ///
    /// # Errors
    /// [`KeyFault::Lost`] when the key is gone meanwhile.
    fn reserve(&self, counter: u64) -> Result<(), KeyFault> {
        let mut kept = self.load()?.ok_or(KeyFault::Lost)?;
        kept.reserved = counter;
        self.store(&kept)
    }
}

/// A key and its place.
#[derive(Debug)]
pub struct Found {
    /// Where.
    pub place: Box<dyn KeyStorage>,
    /// What.
    pub kept: Kept,
}

/// Finds the key of a data directory, or makes one for an empty directory. `data` says whether it holds any data. Blocks.
///
/// # Errors
/// [`KeyFault`].
pub fn find(directory: &Path, choice: KeyStorageChoice, data: bool) -> Result<Found, KeyFault> {
    find_with(&Os::real(), directory, choice, data)
}

fn find_with(os: &Os, directory: &Path, choice: KeyStorageChoice, data: bool) -> Result<Found, KeyFault> {
    let file = KeyFile::new(directory);
    if let Some(kept) = file.load()? {
        return Ok(Found { place: Box::new(file), kept });
    }
    if let Some(keychain) = Keychain::named_in(directory, os)? {
        return match keychain.load()? {
            Some(kept) => Ok(Found { place: Box::new(keychain), kept }),
            None if data => Err(KeyFault::Lost),
            None => make(Box::new(keychain)),
        };
    }
    if data {
        return Err(KeyFault::Lost);
    }
    match choice {
        KeyStorageChoice::File => make(Box::new(file)),
        KeyStorageChoice::Keychain => make(Box::new(Keychain::probe(directory, os)?)),
        KeyStorageChoice::Auto => match Keychain::probe(directory, os) {
            Ok(keychain) => make(Box::new(keychain)),
            Err(fault) => {
                tracing::warn!(%fault, "no usable keychain, the store key goes into a private file");
                make(Box::new(file))
            }
        },
    }
}

fn make(place: Box<dyn KeyStorage>) -> Result<Found, KeyFault> {
    let kept = Kept::fresh()?;
    place.store(&kept)?;
    Ok(Found { place, kept })
}

#[cfg(test)]
mod tests;
