//! The 0k-Sync relay: keeps sealed blobs for a while and hands them to a group's other devices.
//!
//! A relay reads nothing it keeps. The protocol lives in `zerok-core`; here is what surrounds it: a store, links, a process.
//!
//! ```no_run
//! # async fn example() -> Result<(), zerok_relay::ServeError> {
//! let server = zerok_relay::serve(zerok_relay::Config::new("relay-data")).await?;
//! println!("{}", server.address());
//! server.shutdown().await;
//! # Ok(()) }
//! ```
//!
//! # Layout
//! - [`server`]: a running relay. [`machines`]: its machines as tasks. [`bus`]: announcements between them.
//! - [`store`]: the SQLite store. [`identity`]: the keys. [`config`]: `relay.toml`. [`check`]: looking without serving.
//! - [`listen`]: what stands in the way of listening. [`http`]: health and metrics. [`advertise`]: which addresses to print.
//!   [`pseudonym`]: names for logs.

#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![allow(rustdoc::private_intra_doc_links, reason = "the layout names the private modules too")]

mod advertise;
mod bus;
pub mod check;
pub mod config;
mod http;
pub mod identity;
#[cfg(feature = "iroh")]
mod iroh;
pub mod listen;
mod machines;
mod pseudonym;
pub mod server;
pub mod store;

pub use self::{
    config::Config,
    server::{Ending, ServeError, Server, serve},
};
