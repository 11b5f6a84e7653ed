//! Directory, key and store: can this device be opened at all?

use zerok_core::{error::Code, machine::StoreFailure};
use zerok_tokio::{
    SyncClient, SyncError,
    data_dir::{DataDir, DataDirFault},
    secrets::{self, KeyFault, KeyStorageChoice},
};

use super::{
    redact::Redact,
    report::{Check, State},
};
use crate::device::Setting;

/// What there is to stand on.
pub(crate) enum Ground {
    /// The device is open.
    Open(SyncClient),
    /// It is not, for a reason that was noted.
    Closed,
}

/// Opens the device if there is one, and notes what stands in the way.
pub(crate) async fn open(setting: &Setting, redact: &Redact, checks: &mut Vec<Check>) -> Ground {
    if !setting.exists() {
        let place = redact.path(&setting.data);
        checks.push(Check::problem("directory", Code::NotEnabled, format!("There is no device in {place}.")));
        checks.push(key_place(setting.key_storage).await);
        return Ground::Closed;
    }
    match SyncClient::open(setting.options("", None)).await {
        Ok(client) => {
            let info = client.info();
            checks.push(Check::fine("directory", format!("{} is ours alone.", redact.path(&info.data_dir))));
            checks.push(Check::fine("key", format!("The key lies in the {}.", info.key_storage.name())));
            for aside in &info.kept_aside {
                let message = format!("A damaged database was set aside: {}.", redact.path(aside));
                let advice =
                    "What the relay did not have is in it. Keep it until all devices are complete, then remove it.";
                checks.push(Check::odd("store", State::Warning, message, advice));
            }
            Ground::Open(client)
        }
        Err(error) => {
            checks.push(fault(&error));
            Ground::Closed
        }
    }
}

/// Why a device cannot be opened.
pub(crate) fn fault(error: &SyncError) -> Check {
    let code = error.code();
    match error {
        SyncError::Directory(DataDirFault::InUse) => {
            Check::problem("directory", code, "Another process has the data directory open.")
        }
        SyncError::Directory(DataDirFault::Foreign) => {
            Check::problem("directory", code, "The data directory belongs to another user.")
        }
        SyncError::Directory(DataDirFault::Io(error)) => {
            Check::problem("directory", code, format!("The data directory cannot be used: {}.", error.kind()))
        }
        SyncError::Key(fault) => key_fault(*fault),
        SyncError::Store(StoreFailure::TooNew) => {
            Check::problem("store", code, "A newer version of this program wrote the database.")
        }
        SyncError::Store(StoreFailure::Corrupt) => {
            Check::problem("store", code, "The database was damaged. It was set aside, so the next start begins anew.")
        }
        _ => Check::of_code("store", code),
    }
}

/// Why a key cannot be had: gone, locked, missing keychain, and so on are different things to a person.
fn key_fault(fault: KeyFault) -> Check {
    match fault {
        KeyFault::Lost => Check::problem("key", Code::KeyLost, "Data is here, but its key is gone."),
        KeyFault::Locked => {
            Check::problem("key", Code::KeychainLocked, "The keychain is locked, denies access, or does not answer.")
        }
        KeyFault::Missing => {
            let advice = "Log in to a session that has a keychain, or let a new device use --key-storage file.";
            let message = "There is no keychain in this session.";
            Check { advice: Some(advice.to_owned()), ..Check::problem("key", Code::KeychainLocked, message) }
        }
        KeyFault::Damaged => Check::problem("key", Code::KeyLost, "What is stored as the key is none."),
        KeyFault::Full => Check::problem("key", Code::StorageFull, "The disk has no room for the key."),
        KeyFault::Unavailable => {
            Check::problem("key", Code::StorageFailed, "The key's place cannot be read or written.")
        }
    }
}

/// Where a new device would keep its key: tried out in a directory of its own, which goes again.
async fn key_place(choice: KeyStorageChoice) -> Check {
    if choice == KeyStorageChoice::Keychain && !cfg!(feature = "keychain") {
        let message = "A keychain is asked for, and this build of the program can use none.";
        return Check::problem("key", Code::KeychainLocked, message);
    }
    let tried = tokio::task::spawn_blocking(move || try_key_place(choice)).await;
    match tried {
        Ok(Ok(kind)) => Check::fine("key", format!("A new device would keep its key in the {kind}.")),
        Ok(Err(check)) => check,
        Err(_panicked) => Check::of_code("key", Code::StorageFailed),
    }
}

fn try_key_place(choice: KeyStorageChoice) -> Result<&'static str, Check> {
    let trial = std::env::temp_dir().join(format!("zerok-doctor-{}", std::process::id()));
    let directory = DataDir::lock(&trial).map_err(|error| fault(&SyncError::Directory(error)))?;
    let found = secrets::find(&trial, choice, false).map_err(key_fault);
    let kind = found.and_then(|found| {
        let kind = found.place.kind().name();
        found.place.delete().map_err(key_fault).map(|()| kind)
    });
    drop(directory);
    // Nothing of value is in it.
    let _left_behind = std::fs::remove_dir_all(&trial);
    kind
}
