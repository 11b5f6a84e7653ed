//! Drives the 0k-Sync core on tokio over any byte stream.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use zerok_tokio::{Options, SyncClient, SyncError, tcp::TcpDialer};
//! # async fn example() -> Result<(), SyncError> {
//! let client = SyncClient::open(Options::new("data", "laptop", Arc::new(TcpDialer))).await?;
//! client.enable().await?;
//! match client.push("milk", None).await {
//!     Ok(pushed) => println!("the relay holds {}", pushed.blob_id),
//!     Err(error) if error.blob_id().is_some() => println!("queued: {error}"),
//!     Err(error) => return Err(error),
//! }
//! client.close().await;
//! # Ok(()) }
//! ```
//!
//! # Layout
//! - [`client`]: [`SyncClient`], one device as an application meets it. `client_driver`: what surrounds its machine.
//! - [`link`]: what a transport supplies, a [`link::Dialer`] or an [`link::Acceptor`]. [`tcp`]: the one that is always there.
//!   [`dial`]: several at once.
//! - [`pump`]: bytes between one link and its machine. [`driver`]: the task that owns a machine, for clients and relays.
//! - [`clock`]: time that counts while the machine sleeps.
//! - [`store`]: the client's SQLite store and the worker thread. [`secrets`]: its key. [`data_dir`]: the directory of both.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod client;
pub mod clock;
pub mod data_dir;
pub mod dial;
pub mod driver;
pub mod link;
pub mod pump;
pub mod secrets;
pub mod store;
pub mod tcp;

mod client_driver;

pub use client::{Info, Invitation, Joined, Options, Pushed, SyncClient, SyncError};
pub use dial::FirstOf;
