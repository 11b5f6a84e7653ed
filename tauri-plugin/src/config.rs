//! What may be set: `plugins.sync` of the Tauri configuration, and the [`Builder`] over it.
//!
//! A key that is not known fails at start, and so does a value that cannot be meant: better than syncing with half of what was wanted.

use std::{path::PathBuf, sync::Arc, time::Duration};

use serde::Deserialize;
use tauri::{AppHandle, Runtime};
use thiserror::Error;
use zerok_core::{
    address::{AddressFault, RelayAddress},
    limits::{MAX_NAME, MAX_PAYLOAD},
};
use zerok_tokio::{link::Dialer, secrets::KeyStorageChoice};

use crate::events::SyncEvent;

/// Beside the app's own files, in a directory of its own: everything in it is made private.
const DIRECTORY: &str = "sync";

/// `plugins.sync`. Every key may be left out.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Config {
    /// The relay's address as it prints it, for a device that knows none from pairing.
    pub relay: Option<String>,
    /// Enables when the app starts, so that the page need not.
    pub auto_enable: bool,
    /// Where the data lies: absolute, or within the app's data directory.
    pub data_dir: PathBuf,
    /// This device's name within its group; the machine's if absent.
    pub device_name: Option<String>,
    /// Where the store key lies when there is none yet.
    pub key_storage: KeyStorage,
    /// The longest that pausing or closing may take, milliseconds.
    pub flush_budget_ms: u64,
    /// How long a push waits for the relay before it answers `pending`, milliseconds.
    pub push_timeout_ms: u64,
    /// The largest payload of one push, bytes; at most 960 KiB.
    pub max_blob_bytes: usize,
    /// The most payload that one pull returns, bytes. One blob comes in any case.
    pub pull_page_bytes: u32,
    /// The scheme of invite links.
    pub scheme: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            relay: None,
            auto_enable: false,
            data_dir: PathBuf::from(DIRECTORY),
            device_name: None,
            key_storage: KeyStorage::Auto,
            flush_budget_ms: 500,
            push_timeout_ms: 10_000,
            max_blob_bytes: MAX_PAYLOAD,
            pull_page_bytes: 1 << 20,
            scheme: "zerok".to_owned(),
        }
    }
}

/// Where a new device puts the key of its store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum KeyStorage {
    /// The keychain if it proves to work, else a private file.
    #[default]
    Auto,
    /// The keychain, or fail.
    Keychain,
    /// A private file.
    File,
}

impl From<KeyStorage> for KeyStorageChoice {
    fn from(storage: KeyStorage) -> Self {
        match storage {
            KeyStorage::Auto => Self::Auto,
            KeyStorage::Keychain => Self::Keychain,
            KeyStorage::File => Self::File,
        }
    }
}

/// Why a configuration cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigFault {
    /// The relay's address does not parse.
    #[error("plugins.sync.relay is no relay address: {0}")]
    Relay(#[from] AddressFault),
    /// More than a record can hold.
    #[error("plugins.sync.maxBlobBytes is {0}, and at most {MAX_PAYLOAD} are possible")]
    MaxBlob(usize),
    /// Not the scheme of a URL.
    #[error("plugins.sync.scheme is `{0}`: small letters, digits, `+`, `-` and `.`, beginning with a letter")]
    Scheme(String),
    /// Not the name of a device.
    #[error("plugins.sync.deviceName must have 1 to {MAX_NAME} bytes and no control characters")]
    DeviceName,
}

impl Config {
    /// Checks what types cannot, and reads the relay's address.
    pub(crate) fn check(&self) -> Result<Option<RelayAddress>, ConfigFault> {
        if self.max_blob_bytes > MAX_PAYLOAD {
            return Err(ConfigFault::MaxBlob(self.max_blob_bytes));
        }
        let inner = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || "+-.".contains(char);
        if !self.scheme.starts_with(|char: char| char.is_ascii_lowercase()) || !self.scheme.chars().all(inner) {
            return Err(ConfigFault::Scheme(self.scheme.clone()));
        }
        if let Some(name) = &self.device_name
            && (name.trim().is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control))
        {
            return Err(ConfigFault::DeviceName);
        }
        Ok(self.relay.as_deref().map(str::parse).transpose()?)
    }
}

type Edit = Box<dyn FnOnce(&mut Config) + Send>;
pub(crate) type Listener<R> = Box<dyn Fn(&AppHandle<R>, &SyncEvent) + Send + Sync>;

/// Sets the plugin up from Rust. What is set here wins over `plugins.sync`.
///
/// ```no_run
/// # fn example(builder: tauri::Builder<tauri::Wry>) -> tauri::Builder<tauri::Wry> {
/// builder.plugin(
///     tauri_plugin_sync::Builder::new()
///         .scheme("notes")
///         .on_event(|_app, event| println!("{}", event.name()))
///         .build(),
/// )
/// # }
/// ```
#[must_use]
pub struct Builder<R: Runtime> {
    pub(crate) edits: Vec<Edit>,
    pub(crate) listener: Option<Listener<R>>,
    pub(crate) dialer: Option<Arc<dyn Dialer>>,
    pub(crate) start_afresh: bool,
}

impl<R: Runtime> std::fmt::Debug for Builder<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("edits", &self.edits.len()).finish_non_exhaustive()
    }
}

impl<R: Runtime> Default for Builder<R> {
    fn default() -> Self {
        Self { edits: Vec::new(), listener: None, dialer: None, start_afresh: false }
    }
}

impl<R: Runtime> Builder<R> {
    /// As `plugins.sync` says.
    pub fn new() -> Self {
        Self::default()
    }

    /// The relay for a device that knows none from pairing, by its address.
    pub fn relay(self, address: impl Into<String>) -> Self {
        let address = address.into();
        self.edit(|config| config.relay = Some(address))
    }

    /// Enables when the app starts.
    pub fn auto_enable(self, wanted: bool) -> Self {
        self.edit(move |config| config.auto_enable = wanted)
    }

    /// Where the data lies: absolute, or within the app's data directory.
    pub fn data_dir(self, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        self.edit(|config| config.data_dir = path)
    }

    /// This device's name within its group.
    pub fn device_name(self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.edit(|config| config.device_name = Some(name))
    }

    /// Where the store key lies when there is none yet.
    pub fn key_storage(self, storage: KeyStorage) -> Self {
        self.edit(move |config| config.key_storage = storage)
    }

    /// The longest that pausing or closing may take.
    pub fn flush_budget(self, budget: Duration) -> Self {
        self.edit(move |config| config.flush_budget_ms = millis(budget))
    }

    /// How long a push waits for the relay before it answers `pending`.
    pub fn push_timeout(self, timeout: Duration) -> Self {
        self.edit(move |config| config.push_timeout_ms = millis(timeout))
    }

    /// The largest payload of one push, bytes.
    pub fn max_blob(self, bytes: usize) -> Self {
        self.edit(move |config| config.max_blob_bytes = bytes)
    }

    /// The most payload that one pull returns, bytes.
    pub fn pull_page(self, bytes: u32) -> Self {
        self.edit(move |config| config.pull_page_bytes = bytes)
    }

    /// The scheme of invite links.
    pub fn scheme(self, scheme: impl Into<String>) -> Self {
        let scheme = scheme.into();
        self.edit(|config| config.scheme = scheme)
    }

    /// Hears every event before the pages do. Runs on the runtime: it must not block.
    pub fn on_event(mut self, listener: impl Fn(&AppHandle<R>, &SyncEvent) + Send + Sync + 'static) -> Self {
        self.listener = Some(Box::new(listener));
        self
    }

    /// How relays are reached, in place of TCP and iroh.
    pub fn dialer(mut self, dialer: Arc<dyn Dialer>) -> Self {
        self.dialer = Some(dialer);
        self
    }

    /// Begins anew, as another device, where a damaged database was set aside.
    pub fn start_afresh(mut self, wanted: bool) -> Self {
        self.start_afresh = wanted;
        self
    }

    fn edit(mut self, edit: impl FnOnce(&mut Config) + Send + 'static) -> Self {
        self.edits.push(Box::new(edit));
        self
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
