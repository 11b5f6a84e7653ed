//! The key in the operating system's keychain: Secret Service, Apple's keychain, or the Windows credential manager.
//!
//! Never trusts a keychain to answer. Each use runs on a thread of its own, which is left behind when it hangs; uses are rare. The
//! item's name is random and lies in the data directory, so that the directory may move and a restored copy finds its item.

use std::{
    fs, io,
    path::Path,
    sync::{Arc, mpsc},
    time::Duration,
};

use zeroize::Zeroizing;

use super::{Kept, KeyFault, KeyStorage, KeyStorageKind, PATIENCE};
use crate::data_dir::replace_private;

/// The file that names the item.
const NAME_FILE: &str = "keychain";

/// Named secrets, as every keychain has them. Blocking.
pub(super) trait Vault: Send + Sync + 'static {
    fn get(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeyFault>;
    fn set(&self, name: &str, secret: &[u8]) -> Result<(), KeyFault>;
    fn remove(&self, name: &str) -> Result<(), KeyFault>;
}

/// One item of the keychain.
pub struct Keychain {
    os: Os,
    name: String,
}

/// The operating system's keychain and how long to wait for it.
#[derive(Clone)]
pub(super) struct Os {
    pub(super) vault: Arc<dyn Vault>,
    pub(super) patience: Duration,
}

impl Os {
    /// The one of this platform. Not touched before its first use.
    pub(super) fn real() -> Self {
        Self { vault: platform::open(), patience: PATIENCE }
    }
}

impl std::fmt::Debug for Keychain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keychain").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Keychain {
    /// The item that this directory names, if it names one.
    pub(super) fn named_in(directory: &Path, os: &Os) -> Result<Option<Self>, KeyFault> {
        match fs::read_to_string(directory.join(NAME_FILE)) {
            Ok(name) => Ok(Some(Self { os: os.clone(), name: name.trim().to_owned() })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(_unreadable) => Err(KeyFault::Unavailable),
        }
    }

    /// A keychain that wrote, read and deleted, and from now on is named by this directory.
    pub(super) fn probe(directory: &Path, os: &Os) -> Result<Self, KeyFault> {
        let keychain = Self { os: os.clone(), name: random_name()? };
        keychain.try_out()?;
        keychain.name_in(directory)?;
        Ok(keychain)
    }

    fn try_out(&self) -> Result<(), KeyFault> {
        let name = format!("{}-probe", self.name);
        self.patiently(move |vault| {
            let secret = b"0k-sync probe";
            vault.set(&name, secret)?;
            let read = vault.get(&name);
            vault.remove(&name)?;
            if read?.is_some_and(|read| read[..] == secret[..]) { Ok(()) } else { Err(KeyFault::Unavailable) }
        })
    }

    fn name_in(&self, directory: &Path) -> Result<(), KeyFault> {
        replace_private(&directory.join(NAME_FILE), self.name.as_bytes()).map_err(|error| KeyFault::of_io(&error))
    }

    fn patiently<T: Send + 'static>(
        &self,
        job: impl FnOnce(&dyn Vault) -> Result<T, KeyFault> + Send + 'static,
    ) -> Result<T, KeyFault> {
        let (answer, answered) = mpsc::sync_channel(1);
        let vault = Arc::clone(&self.os.vault);
        std::thread::Builder::new()
            .name("zerok-keychain".to_owned())
            .spawn(move || drop(answer.send(job(vault.as_ref()))))
            .map_err(|_no_thread| KeyFault::Unavailable)?;
        answered.recv_timeout(self.os.patience).unwrap_or(Err(KeyFault::Locked))
    }
}

impl KeyStorage for Keychain {
    fn kind(&self) -> KeyStorageKind {
        KeyStorageKind::Keychain
    }

    fn load(&self) -> Result<Option<Kept>, KeyFault> {
        let name = self.name.clone();
        let item = self.patiently(move |vault| vault.get(&name))?;
        item.map(|item| Kept::decode(&item)).transpose()
    }

    fn store(&self, kept: &Kept) -> Result<(), KeyFault> {
        let (name, item) = (self.name.clone(), kept.encode());
        self.patiently(move |vault| vault.set(&name, &item))
    }

    fn delete(&self) -> Result<(), KeyFault> {
        let name = self.name.clone();
        self.patiently(move |vault| vault.remove(&name))
    }
}

fn random_name() -> Result<String, KeyFault> {
    use std::fmt::Write as _;
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_no_entropy| KeyFault::Unavailable)?;
    Ok(bytes.iter().fold(String::new(), |mut name, byte| {
        // Writing to a string cannot fail.
        let _infallible = write!(name, "{byte:02x}");
        name
    }))
}

#[cfg(all(
    feature = "keychain",
    any(target_os = "linux", target_os = "freebsd", target_os = "macos", target_os = "ios", windows)
))]
mod platform {
    use std::sync::{Arc, Mutex};

    use keyring_core::{CredentialStore, Entry, Error};
    use zeroize::Zeroizing;

    use super::{KeyFault, Vault};

    #[cfg(target_os = "macos")]
    use apple_native_keyring_store::keychain::Store;
    #[cfg(target_os = "ios")]
    use apple_native_keyring_store::protected::Store;
    #[cfg(windows)]
    use windows_native_keyring_store::Store;
    #[cfg(any(target_os = "linux", target_os = "freebsd"))]
    use zbus_secret_service_keyring_store::Store;

    const SERVICE: &str = "0k-sync";

    /// A copied item would let a cloned store pass for the original. Some keychains never copy items and know no such setting.
    const THIS_DEVICE_ONLY: &[(&str, &str)] = if cfg!(target_os = "ios") {
        &[("access-policy", "after-first-unlock-this-device-only")]
    } else if cfg!(windows) {
        &[("persistence", "local")]
    } else {
        &[]
    };

    /// Opened at first use, since that may already hang.
    #[derive(Default)]
    struct Platform(Mutex<Option<Arc<CredentialStore>>>);

    pub(super) fn open() -> Arc<dyn Vault> {
        Arc::new(Platform::default())
    }

    impl Platform {
        fn entry(&self, name: &str) -> Result<Entry, KeyFault> {
            let mut opened = self.0.lock().map_err(|_poisoned| KeyFault::Unavailable)?;
            let store = match &*opened {
                Some(store) => Arc::clone(store),
                None => opened.insert(Store::new().map_err(|error| missing(&error))?).clone(),
            };
            drop(opened);
            let modifiers = THIS_DEVICE_ONLY.iter().copied().collect();
            store.build(SERVICE, name, Some(&modifiers)).map_err(|error| fault(&error))
        }
    }

    impl Vault for Platform {
        fn get(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeyFault> {
            match self.entry(name)?.get_secret() {
                Ok(secret) => Ok(Some(Zeroizing::new(secret))),
                Err(Error::NoEntry) => Ok(None),
                Err(error) => Err(fault(&error)),
            }
        }

        fn set(&self, name: &str, secret: &[u8]) -> Result<(), KeyFault> {
            self.entry(name)?.set_secret(secret).map_err(|error| fault(&error))
        }

        fn remove(&self, name: &str) -> Result<(), KeyFault> {
            match self.entry(name)?.delete_credential() {
                Ok(()) | Err(Error::NoEntry) => Ok(()),
                Err(error) => Err(fault(&error)),
            }
        }
    }

    /// Without the service nothing can be locked either.
    fn missing(error: &Error) -> KeyFault {
        tracing::debug!(%error, "no keychain");
        KeyFault::Missing
    }

    /// A keychain tells "locked" from "broken" unreliably. What is lost for good is told by a missing item alone, so anything else
    /// counts as a state that may pass.
    fn fault(error: &Error) -> KeyFault {
        tracing::debug!(%error, "keychain");
        match error {
            Error::BadDataFormat(..) | Error::BadEncoding(_) | Error::Ambiguous(_) => KeyFault::Damaged,
            _ => KeyFault::Locked,
        }
    }
}

#[cfg(not(all(
    feature = "keychain",
    any(target_os = "linux", target_os = "freebsd", target_os = "macos", target_os = "ios", windows)
)))]
mod platform {
    use std::sync::Arc;

    use zeroize::Zeroizing;

    use super::{KeyFault, Vault};

    struct Absent;

    pub(super) fn open() -> Arc<dyn Vault> {
        Arc::new(Absent)
    }

    impl Vault for Absent {
        fn get(&self, _name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeyFault> {
            Err(KeyFault::Missing)
        }

        fn set(&self, _name: &str, _secret: &[u8]) -> Result<(), KeyFault> {
            Err(KeyFault::Missing)
        }

        fn remove(&self, _name: &str) -> Result<(), KeyFault> {
            Err(KeyFault::Missing)
        }
    }
}
