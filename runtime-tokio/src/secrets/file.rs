//! The key in a private file, for machines without a keychain.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::{Kept, KeyFault, KeyStorage, KeyStorageKind};
use crate::data_dir::{replace_private, sync_parent};

/// The file `store.key` of a data directory.
#[derive(Debug)]
pub struct KeyFile {
    path: PathBuf,
}

impl KeyFile {
    /// The key file of this directory, there or not.
    pub fn new(directory: &Path) -> Self {
        Self { path: directory.join("store.key") }
    }
}

impl KeyStorage for KeyFile {
    fn kind(&self) -> KeyStorageKind {
        KeyStorageKind::File
    }

    fn load(&self) -> Result<Option<Kept>, KeyFault> {
        match fs::read(&self.path) {
            Ok(item) => Kept::decode(&Zeroizing::new(item)).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(unreadable) => Err(KeyFault::of_io(&unreadable)),
        }
    }

    fn store(&self, kept: &Kept) -> Result<(), KeyFault> {
        replace_private(&self.path, &kept.encode()).map_err(|error| KeyFault::of_io(&error))
    }

    fn delete(&self) -> Result<(), KeyFault> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(KeyFault::Unavailable),
            _gone => sync_parent(&self.path).map_err(|_io| KeyFault::Unavailable),
        }
    }
}
