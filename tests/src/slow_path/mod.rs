//! A path of fifty milliseconds on one machine: a device, a proxy that holds everything for a while, and a relay, each in a network
//! namespace of its own.
//!
//! For what only real sockets show: how many round trips something costs. Needs root and iproute2; [`Namespaces::new`] answers `None`
//! where they are missing, and whoever asked says that it checked nothing. The kernel's own delay (netem) is not used, because many
//! kernels lack it.
//!
//! # Layout
//! `namespaces`: the places and the cables between them. `proxy`: what holds bytes and datagrams.

mod namespaces;
mod proxy;

pub use self::{
    namespaces::{Namespaces, Place},
    proxy::{Proxy, serve},
};

/// Where the proxy is reached by devices.
pub const NEAR: &str = "10.99.1.1";
/// Where the relay is reached by the proxy.
pub const FAR: &str = "10.99.2.2";
