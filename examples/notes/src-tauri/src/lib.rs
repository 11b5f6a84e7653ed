//! Notes that are on every device of yours: what a Tauri app needs to sync, and no more.
//!
//! The app's own database is the truth ([`store`]). A change is saved there first and shown at once; then the page pushes it, and marks
//! what became of that. What other devices pushed is applied by the same database, the newest change winning.
//!
//! ```text
//!  page ── save_note ──► database ──► page shows it
//!   │                                      │
//!   └── sync.push(note, key = revision) ◄──┘
//!         ├─ done ───── mark_synced     ☁️✓
//!         └─ pending ── mark_queued     ☁️⏳ … later the event blob-synced ── mark_synced
//! ```
//! Everything about syncing is the plugin's; this crate sets it up and nothing else.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod commands;
mod instance;
pub mod store;

use tauri::{Builder, Manager as _, Runtime};
use tauri_plugin_sync::Builder as Sync;

use crate::store::Notes;

/// Where a relay may be named for a device that knows none, without building anew.
const RELAY: &str = "ZEROK_NOTES_RELAY";
/// Makes an instance a device of its own beside others on one machine, and says what it is called.
const NAME: &str = "ZEROK_NOTES_NAME";

/// What may be said about one instance of the app from outside.
#[derive(Debug, Clone, Default)]
pub struct Setting {
    /// The relay to use where none is known from pairing.
    pub relay: Option<String>,
    /// What this device is called; the machine's name if absent.
    pub name: Option<String>,
}

/// Runs the app until its last window is closed.
///
/// # Errors
/// When the configuration makes no sense or there is no display.
#[cfg_attr(mobile, tauri::mobile_entry_point)]
pub fn run() -> tauri::Result<()> {
    let setting = Setting { relay: std::env::var(RELAY).ok(), name: std::env::var(NAME).ok() };
    let app = app(instance::only_one(Builder::default(), &setting), &setting).build(tauri::generate_context!())?;
    instance::announce(&app, &setting);
    app.run(|_, _| {});
    Ok(())
}

/// The app, on any runtime.
pub fn app<R: Runtime>(builder: Builder<R>, setting: &Setting) -> Builder<R> {
    builder
        .plugin(tauri_plugin_deep_link::init())
        .plugin(sync(setting))
        .invoke_handler(tauri::generate_handler![
            commands::list_notes,
            commands::save_note,
            commands::delete_note,
            commands::unsent_notes,
            commands::apply_remote,
            commands::mark_all_unsent,
            commands::mark_reissued,
            commands::mark_queued,
            commands::mark_synced,
        ])
        .setup(|app| {
            let directory = app.path().app_data_dir()?;
            app.manage(Notes::open(&directory)?);
            Ok(())
        })
}

/// `plugins.sync` says the rest.
fn sync<R: Runtime>(setting: &Setting) -> tauri::plugin::TauriPlugin<R, Option<tauri_plugin_sync::Config>> {
    let mut sync = Sync::new();
    if let Some(address) = &setting.relay {
        sync = sync.relay(address);
    }
    if let Some(name) = &setting.name {
        sync = sync.device_name(name);
    }
    sync.build()
}
