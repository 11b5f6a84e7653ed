//! What a transport supplies: byte streams, dialled or accepted.
//!
//! A transport knows nothing of the protocol. It names the peer's identity on it, which enters the handshake, and whom to charge
//! for abuse; trust comes from the handshake alone.

use std::{future::Future, pin::Pin};

use tokio::io::{AsyncRead, AsyncWrite};
use zerok_core::{
    address::RelayAddress,
    ids::TransportId,
    machine::{LinkFailure, Origin},
};

/// A future that may move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A byte stream in both directions.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// A transport connection that is up.
pub struct Opened {
    /// The bytes. Shutting it down must flush; dropping it ends the connection.
    pub io: Box<dyn Io>,
    /// The relay's identity on this transport, the same on both sides.
    pub transport: TransportId,
    /// Whom to charge; zeros for a dialled link.
    pub origin: Origin,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened")
            .field("transport", &self.transport)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// Reaches relays over one kind of transport, or several.
pub trait Dialer: Send + Sync + 'static {
    /// Dials. Dropping the future gives up. Answers [`LinkFailure::NoTransport`] at once when the address offers nothing it can use.
    fn dial(&self, target: &RelayAddress) -> BoxFuture<'static, Result<Opened, LinkFailure>>;

    /// The network changed or the process was resumed: addresses and paths may be stale.
    fn network_changed(&self) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// Accepts links over one kind of transport.
pub trait Acceptor: Send + 'static {
    /// The next link, or `None` when there will be none any more. Dropping the future loses nothing.
    fn accept(&mut self) -> BoxFuture<'_, Option<Opened>>;
}
