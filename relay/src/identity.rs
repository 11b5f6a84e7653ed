//! Who this relay is: two secrets in its data directory, made once.
//!
//! The static key is what clients pin; the iroh secret names the endpoint. Both are files of 32 bytes, readable by their owner only,
//! written before anything listens and never replaced: a relay that lost its key is another relay, and must not pass for this one.
//! A file of another length is refused, not repaired.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use thiserror::Error;
use zeroize::Zeroizing;
use zerok_core::seal::keys::LinkSecret;
use zerok_tokio::data_dir::{DataDir, replace_private};

const LINK: &str = "relay.key";
const IROH: &str = "iroh.key";

/// Why the secrets cannot be had.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// A key file is not 32 bytes long.
    #[error(
        "{path} holds {len} bytes, not a key of 32; restore it from a backup, or move it away and hand out the relay's new address",
        path = .path.display()
    )]
    NoKey {
        /// Which file.
        path: PathBuf,
        /// How long it is.
        len: usize,
    },
    /// The database of a relay is there, but not its key.
    #[error(
        "{path} is missing although this directory has been a relay's; restore it, or move the directory away to start another relay",
        path = .path.display()
    )]
    Lost {
        /// Which file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// No randomness to be had.
    #[error("the operating system gives no randomness: {0}")]
    Random(#[from] getrandom::Error),
}

/// The relay's secrets.
pub struct Identity {
    /// Its static key, which clients pin.
    pub link: LinkSecret,
    /// Its iroh endpoint's key.
    pub iroh: Zeroizing<[u8; 32]>,
}

impl Identity {
    /// Reads the secrets from a locked data directory; makes them in a new one.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn load(dir: &DataDir) -> Result<Self, IdentityError> {
        Ok(Self { link: LinkSecret::new(*load(dir.path(), LINK)?), iroh: load(dir.path(), IROH)? })
    }

    /// Whether the directory holds an identity, without making one.
    pub fn exists(dir: &Path) -> bool {
        dir.join(LINK).exists()
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity(..)")
    }
}

fn load(dir: &Path, name: &str) -> Result<Zeroizing<[u8; 32]>, IdentityError> {
    let path = dir.join(name);
    match fs::read(&path) {
        Ok(bytes) => {
            let bytes = Zeroizing::new(bytes);
            let key = <[u8; 32]>::try_from(&bytes[..]).map_err(|_| IdentityError::NoKey { path, len: bytes.len() })?;
            Ok(Zeroizing::new(key))
        }
        // The endpoint's key came later than the first relays; without the pinned one nothing works.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if name == LINK && dir.join(crate::store::FILE).exists() {
                return Err(IdentityError::Lost { path });
            }
            let mut key = Zeroizing::new([0; 32]);
            getrandom::fill(&mut key[..])?;
            replace_private(&path, &key[..]).map_err(|source| IdentityError::Io { path, source })?;
            Ok(key)
        }
        Err(source) => Err(IdentityError::Io { path, source }),
    }
}

#[cfg(test)]
mod tests;
