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
pub mod store;

use tauri::{Builder, Manager as _, Runtime};
use tauri_plugin_sync::{Builder as Sync, Config};

use crate::store::Notes;

/// Where a relay may be named for a device that knows none, without building anew.
const RELAY: &str = "ZEROK_NOTES_RELAY";

/// Runs the app until its last window is closed.
///
/// # Errors
/// When the configuration makes no sense or there is no display.
#[cfg_attr(mobile, tauri::mobile_entry_point)]
pub fn run() -> tauri::Result<()> {
    app(Builder::default(), std::env::var(RELAY).ok()).run(tauri::generate_context!())
}

/// The app, on any runtime.
pub fn app<R: Runtime>(builder: Builder<R>, relay: Option<String>) -> Builder<R> {
    builder
        .plugin(tauri_plugin_deep_link::init())
        .plugin(sync(relay))
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
fn sync<R: Runtime>(relay: Option<String>) -> tauri::plugin::TauriPlugin<R, Option<Config>> {
    match relay {
        Some(address) => Sync::new().relay(address).build(),
        None => tauri_plugin_sync::init(),
    }
}
