//! Dialling a relay over iroh.
//!
//! Binds no socket before the first address with a way over iroh, so an app on TCP alone never does. Keeps tickets in memory: a second
//! dial of the same relay sends its first flight with the first packet.
//!
//! A dial with a ticket succeeds before anybody has answered; a relay that is gone then shows as silence on the link, and the ticket is
//! used up.

use std::{net::SocketAddr, sync::Arc};

use iroh::{
    Endpoint, EndpointAddr, EndpointId, RelayUrl,
    endpoint::{ConnectOptions, Connection, ConnectionState},
};
use tokio::{sync::OnceCell, time::timeout};
use zerok_core::{
    address::{IrohRoute, RelayAddress},
    ids::TransportId,
    machine::{LinkFailure, Origin},
};
use zerok_tokio::link::{BoxFuture, Dialer, Opened};

use crate::{
    endpoint::{ALPN, Nat, Options, Side, bind},
    failure,
    silence::{Silence, Traffic},
    stream::LinkStream,
};

/// Dials relays over iroh. Clones share an endpoint.
#[derive(Debug, Clone)]
pub struct IrohDialer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: Options,
    endpoint: OnceCell<Endpoint>,
}

impl IrohDialer {
    /// A dialler that binds when it first has something to dial.
    pub fn new(options: Options) -> Self {
        Self { shared: Arc::new(Shared { options, endpoint: OnceCell::new() }) }
    }

    /// Closes every link in good order. Nothing can be dialled afterwards.
    pub async fn close(&self) {
        if let Some(endpoint) = self.shared.endpoint.get() {
            endpoint.close().await;
        }
    }
}

impl Dialer for IrohDialer {
    fn dial(&self, target: &RelayAddress) -> BoxFuture<'static, Result<Opened, LinkFailure>> {
        let target = target.iroh.as_ref().and_then(|route| self.shared.target(route));
        let shared = self.shared.clone();
        Box::pin(async move {
            let target = target.ok_or(LinkFailure::NoTransport)?;
            timeout(shared.options.patience, shared.connect(target)).await.unwrap_or(Err(LinkFailure::TimedOut))
        })
    }

    fn network_changed(&self) -> BoxFuture<'static, ()> {
        let shared = self.shared.clone();
        Box::pin(async move {
            if let Some(endpoint) = shared.endpoint.get() {
                endpoint.network_change().await;
            }
        })
    }
}

impl Shared {
    /// Where a route leads, if it leads anywhere. Addresses that do not parse are left out: a newer relay may know more kinds.
    fn target(&self, route: &IrohRoute) -> Option<EndpointAddr> {
        let mut target = EndpointAddr::new(EndpointId::from_bytes(&route.endpoint).ok()?);
        for address in route.direct.iter().filter_map(|text| text.parse::<SocketAddr>().ok()) {
            target = target.with_ip_addr(address);
        }
        if let Some(url) = route.relay.as_ref().and_then(|url| url.parse::<RelayUrl>().ok()) {
            target = target.with_relay_url(url);
        }
        // Only the lookup service finds an endpoint by its id alone.
        (!target.is_empty() || self.options.nat == Nat::N0).then_some(target)
    }

    async fn connect(&self, target: EndpointAddr) -> Result<Opened, LinkFailure> {
        let transport = TransportId(*target.id.as_bytes());
        let stream = self.stream(target).await?;
        Ok(Opened { io: Box::new(stream), transport, origin: Origin::default() })
    }

    async fn stream(&self, target: EndpointAddr) -> Result<LinkStream, LinkFailure> {
        let bound = self.endpoint.get_or_try_init(|| bind(&self.options, Side::Dial)).await;
        let endpoint = bound.map_err(|error| {
            tracing::warn!(%error, "no iroh endpoint");
            LinkFailure::Unreachable
        })?;
        let connecting = endpoint.connect_with_opts(target, ALPN, ConnectOptions::new()).await;
        match connecting.map_err(|error| failure::of_start(&error))?.into_0rtt() {
            Ok(connection) => {
                let streams = connection.open_bi().await.map_err(|error| failure::of_connection(&error))?;
                let silence = silence(connection.clone());
                if streams.1.is_0rtt() {
                    return Ok(LinkStream::early(streams, connection, endpoint.clone()).watched(silence));
                }
                // The handshake was done before the stream: whatever became of early data, there is none on it.
                connection.handshake_completed().await.map_err(|error| failure::of_connecting(&error))?;
                Ok(LinkStream::new(streams, endpoint.clone()).watched(silence))
            }
            Err(connecting) => {
                let connection = connecting.await.map_err(|error| failure::of_connecting(&error))?;
                let streams = connection.open_bi().await.map_err(|error| failure::of_connection(&error))?;
                Ok(LinkStream::new(streams, endpoint.clone()).watched(silence(connection)))
            }
        }
    }
}

/// Watches a connection. Holds it no longer than the stream does, which has a hold of its own.
fn silence<State>(connection: Connection<State>) -> Silence
where
    State: ConnectionState + 'static,
    Connection<State>: Send + Sync,
{
    Silence::new(move || Traffic::from(&connection.stats()))
}

#[cfg(test)]
mod tests;
