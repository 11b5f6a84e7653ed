//! Drives the 0k-Sync core on tokio over any byte stream.
//!
//! # Layout
//! - [`link`]: what a transport supplies, a [`link::Dialer`] or an [`link::Acceptor`]. [`tcp`]: the one that is always there.
//! - [`pump`]: bytes between one link and its machine. [`driver`]: the task that owns a machine, for clients and relays.
//! - [`clock`]: time that counts while the machine sleeps.
//! - [`store`]: the client's SQLite store and the worker thread. [`secrets`]: its key. [`data_dir`]: the directory of both.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod clock;
pub mod data_dir;
pub mod driver;
pub mod link;
pub mod pump;
pub mod secrets;
pub mod store;
pub mod tcp;
