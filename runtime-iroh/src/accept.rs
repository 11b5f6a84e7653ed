//! Accepting links over iroh, and the route that leads to them.
//!
//! A connection becomes a link when its device has opened the one stream, which it does with its first bytes. Until then it is pending.
//! Early data is taken: a first flight is safe to repeat, and the machine answers it with nothing that a repetition could use.
//!
//! Limits: `PENDING` connections without a stream, each for `OPEN`; from half of that on an address must prove that it receives
//! what is sent to it, beyond it connections are refused.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use iroh::{
    Endpoint,
    endpoint::{Incoming, IncomingAddr},
};
use tokio::{task::JoinSet, time::timeout};
use zerok_core::{address::IrohRoute, ids::TransportId, machine::Origin};
use zerok_tokio::{
    link::{Acceptor, BoxFuture, Opened},
    tcp,
};

use crate::{
    endpoint::{IrohFault, Nat, Options, Side, bind},
    failure,
    stream::LinkStream,
};

/// Most connections without a stream.
const PENDING: usize = 1024;
/// How long a connection may take to open its stream.
const OPEN: Duration = Duration::from_secs(10);
/// How long to wait for the iroh relay before the route is told without it.
const ONLINE: Duration = Duration::from_secs(5);

/// Accepts links over iroh.
#[derive(Debug)]
pub struct IrohAcceptor {
    handle: IrohHandle,
    pending: JoinSet<Option<Opened>>,
}

/// Speaks for an acceptor that has been handed over.
#[derive(Debug, Clone)]
pub struct IrohHandle {
    endpoint: Endpoint,
    nat: Nat,
}

impl IrohAcceptor {
    /// Listens.
    ///
    /// # Errors
    /// When the options make no sense or the sockets cannot be bound.
    pub async fn bind(options: &Options) -> Result<Self, IrohFault> {
        let endpoint = bind(options, Side::Accept).await?;
        Ok(Self { handle: IrohHandle { endpoint, nat: options.nat.clone() }, pending: JoinSet::new() })
    }

    /// What speaks for this acceptor once a server has taken it.
    pub fn handle(&self) -> IrohHandle {
        self.handle.clone()
    }

    /// The route that leads here; see [`IrohHandle::route`].
    pub async fn route(&self) -> IrohRoute {
        self.handle.route().await
    }

    fn begin(&mut self, incoming: Incoming) {
        if self.pending.len() >= PENDING {
            return incoming.refuse();
        }
        if self.pending.len() >= PENDING / 2 && !incoming.remote_addr_validated() {
            // Fails only for an address that is validated.
            let _retried = incoming.retry();
            return;
        }
        let endpoint = self.handle.endpoint.clone();
        self.pending.spawn(async move { timeout(OPEN, open(incoming, endpoint)).await.ok().flatten() });
    }
}

impl Acceptor for IrohAcceptor {
    fn accept(&mut self) -> BoxFuture<'_, Option<Opened>> {
        Box::pin(async {
            let endpoint = self.handle.endpoint.clone();
            loop {
                tokio::select! {
                    Some(ended) = self.pending.join_next() => {
                        if let Ok(Some(opened)) = ended {
                            return Some(opened);
                        }
                    }
                    incoming = endpoint.accept() => self.begin(incoming?),
                }
            }
        })
    }
}

/// Waits for the device's stream.
async fn open(incoming: Incoming, endpoint: Endpoint) -> Option<Opened> {
    let origin = origin(&incoming.remote_addr());
    let transport = TransportId(*endpoint.id().as_bytes());
    let connection = incoming.accept().ok()?.into_0rtt();
    let streams = connection.accept_bi().await.ok()?;
    // iroh manages the paths of a connection, the direct one behind a relay included, once somebody has waited for its handshake.
    tokio::spawn(async move {
        if let Err(error) = connection.handshake_completed().await {
            // Not the error itself, which may quote the peer.
            tracing::debug!(reason = ?failure::of_connecting(&error), "handshake of an accepted link failed");
        }
    });
    Some(Opened { io: Box::new(LinkStream::new(streams, endpoint)), transport, origin })
}

/// Whom to charge: the address prefix, or the first bytes of the endpoint's key where a relay hides the address.
fn origin(address: &IncomingAddr) -> Origin {
    match address {
        IncomingAddr::Ip(address) => tcp::origin(address.ip()),
        IncomingAddr::Relay { endpoint_id, .. } => {
            // Neither 4 nor 6, which mark address prefixes.
            let mut prefix = [b'i'; 8];
            prefix[1..].copy_from_slice(&endpoint_id.as_bytes()[..7]);
            Origin(prefix)
        }
        _ => Origin([b'?'; 8]),
    }
}

impl IrohHandle {
    /// Endpoint id, the addresses of every socket and interface, and the iroh relay if there is one. For a relay's printed address.
    pub async fn route(&self) -> IrohRoute {
        if self.nat != Nat::Direct {
            // Without the network, or the iroh relay, the direct addresses still help.
            let _online = timeout(ONLINE, self.endpoint.online()).await;
        }
        let address = self.endpoint.addr();
        let sockets = self.endpoint.bound_sockets();
        let direct: BTreeSet<SocketAddr> =
            address.ip_addrs().copied().chain(sockets).filter(|address| dialable(*address)).collect();
        IrohRoute {
            endpoint: *self.endpoint.id().as_bytes(),
            direct: direct.iter().map(ToString::to_string).collect(),
            relay: address.relay_urls().next().map(ToString::to_string),
        }
    }

    /// Where it listens.
    pub fn sockets(&self) -> Vec<SocketAddr> {
        self.endpoint.bound_sockets()
    }

    /// The network changed or the process was resumed. Harmless when it was not.
    pub async fn network_changed(&self) {
        self.endpoint.network_change().await;
    }

    /// Closes every link in good order and ends the acceptor.
    pub async fn close(&self) {
        self.endpoint.close().await;
    }
}

/// Whether another host could use the address: not "any", and not one that needs a local interface's name.
fn dialable(address: SocketAddr) -> bool {
    let link_local = matches!(address, SocketAddr::V6(v6) if v6.ip().is_unicast_link_local());
    !address.ip().is_unspecified() && address.port() != 0 && !link_local
}

#[cfg(test)]
mod tests;
