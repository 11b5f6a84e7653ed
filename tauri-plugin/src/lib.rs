//! Zero-knowledge sync for local-first Tauri apps: the plugin `sync`.
//!
//! ```no_run
//! # fn example(context: tauri::Context) -> tauri::Result<()> {
//! # let builder = tauri::Builder::default();
//! builder.plugin(tauri_plugin_sync::init()).run(context)
//! # }
//! ```
//!
//! From Rust, [`SyncExt::sync`] gives the same [`SyncState`] that the commands use:
//!
//! ```no_run
//! # async fn example(app: tauri::AppHandle) -> Result<(), tauri_plugin_sync::Error> {
//! use tauri_plugin_sync::SyncExt as _;
//!
//! let sync = app.sync();
//! sync.enable().await?;
//! let pushed = sync.push("milk", None).await?;
//! println!("on the relay: {}", pushed.blob_id);
//! # Ok(()) }
//! ```
//!
//! Owns no rule of the protocol. What it adds to `zerok_tokio::SyncClient` is what a Tauri app needs: one client for all windows,
//! opened when there is something to open; platform signals as one [`Trigger`]; bytes, errors and events in the shapes that cross to a
//! web view. Nothing is stored before [`SyncState::enable`], and nothing here ever waits for the network on the main thread.
//!
//! # Layout
//! - [`config`]: `plugins.sync` and the [`Builder`] over it. [`plugin`]: how both become a Tauri plugin. `commands`: its commands.
//! - [`state`]: the one client and what may be asked of it. `slot`: when it is open. [`lifecycle`]: what platform signals do.
//! - [`shapes`]: what crosses to a page as JSON. `binary`: what crosses as bytes. [`events`]: what pages are told. [`error`]: refusals.
//! - `qr`: the picture of an invite. `names`: what a device is called.

#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![allow(rustdoc::private_intra_doc_links, reason = "the layout names the private modules too")]

mod binary;
mod commands;
pub mod config;
pub mod error;
pub mod events;
pub mod lifecycle;
mod names;
pub mod plugin;
mod qr;
pub mod shapes;
mod slot;
pub mod state;

pub use self::{
    config::{Builder, Config, KeyStorage},
    error::Error,
    events::SyncEvent,
    lifecycle::Trigger,
    plugin::{SyncExt, init},
    shapes::{Invite, PushResult, Status as ConnectionStatus},
    state::SyncState,
};

/// What a pull answers in Rust; pages get the same as `PullResult`.
pub use zerok_core::client::command::Pulled as PullResult;

/// What reaches relays, for apps that bring a transport of their own.
pub use zerok_tokio::link::Dialer;
