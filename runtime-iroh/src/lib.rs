//! Dials and accepts 0k-Sync links over iroh: QUIC between keys, through NATs where asked.
//!
//! One bidirectional stream per link, opened by the device, under ALPN [`ALPN`]. The transport's identity, which enters the link's own
//! handshake, is the relay's endpoint key; iroh's encryption is not relied upon, only its reach.
//!
//! Offline by default: no DNS, no third party, no port mapping. See [`Nat`].
//!
//! # Layout
//! - [`dial`]: [`IrohDialer`], which binds when it is first needed. [`accept`]: [`IrohAcceptor`] and the route to it.
//! - `endpoint`: how an endpoint is set up. `stream`: one link's bytes, early data included. `silence`: whether anybody is there.
//!   `failure`: errors in a machine's words.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod accept;
pub mod dial;
mod endpoint;
mod failure;
mod silence;
mod stream;

pub use self::{
    accept::{IrohAcceptor, IrohHandle},
    dial::IrohDialer,
    endpoint::{ALPN, IrohFault, Nat, Options},
};
