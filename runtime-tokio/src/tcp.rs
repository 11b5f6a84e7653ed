//! Links over TCP.
//!
//! Never sees a name or a key: the relay's identity on TCP is [`TransportId::TCP`]. Delay-free sending is always on, because the
//! pump already writes whole frames. Keepalive is the machines' affair.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use zerok_core::{
    address::RelayAddress,
    ids::TransportId,
    machine::{LinkFailure, Origin},
};

use crate::{
    dial::first_of,
    link::{Acceptor, BoxFuture, Dialer, Opened},
};

/// How long the addresses may take to answer.
const CONNECT: Duration = Duration::from_secs(10);
/// Pause after a failed accept, which is mostly "too many open files": spinning would not help.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Dials a relay's TCP addresses, each a little after the one before; the first to answer wins.
#[derive(Debug, Clone, Copy, Default)]
pub struct TcpDialer;

impl Dialer for TcpDialer {
    fn dial(&self, target: &RelayAddress) -> BoxFuture<'static, Result<Opened, LinkFailure>> {
        let hosts = target.tcp.clone();
        Box::pin(async move {
            if hosts.is_empty() {
                return Err(LinkFailure::NoTransport);
            }
            match tokio::time::timeout(CONNECT, connect(hosts)).await {
                Ok(connected) => connected,
                Err(_elapsed) => Err(LinkFailure::TimedOut),
            }
        })
    }
}

async fn connect(hosts: Vec<String>) -> Result<Opened, LinkFailure> {
    let mut attempts: Vec<BoxFuture<'static, Result<Opened, LinkFailure>>> = Vec::new();
    for host in hosts {
        for address in resolve(&host).await.into_iter().flatten() {
            attempts.push(Box::pin(async move {
                let stream = TcpStream::connect(address).await.map_err(|error| failure_of(&error))?;
                Ok(opened(stream, Origin::default()))
            }));
        }
    }
    first_of(attempts).await.map_err(|failure| match failure {
        LinkFailure::NoTransport => LinkFailure::Unreachable,
        other => other,
    })
}

/// Addresses of a `host:port`, families taking turns so that a broken one costs one head start only.
async fn resolve(host: &str) -> io::Result<Vec<SocketAddr>> {
    let (v6, v4): (Vec<_>, Vec<_>) = tokio::net::lookup_host(host).await?.partition(SocketAddr::is_ipv6);
    let (mut v6, mut v4) = (v6.into_iter(), v4.into_iter());
    let mut turns = Vec::new();
    loop {
        let pair = [v6.next(), v4.next()];
        if pair.iter().all(Option::is_none) {
            return Ok(turns);
        }
        turns.extend(pair.into_iter().flatten());
    }
}

/// Accepts TCP links.
#[derive(Debug)]
pub struct TcpAcceptor {
    listener: TcpListener,
}

impl TcpAcceptor {
    /// Listens.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(address).await? })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the operating system will not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Acceptor for TcpAcceptor {
    fn accept(&mut self) -> BoxFuture<'_, Option<Opened>> {
        Box::pin(async {
            loop {
                match self.listener.accept().await {
                    Ok((stream, peer)) => return Some(opened(stream, origin(peer.ip()))),
                    Err(error) => {
                        tracing::warn!(%error, "accept failed");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        })
    }
}

/// Whom to charge for an address: its IPv4 /24 or IPv6 /48, which is what one subscriber gets.
pub fn origin(address: IpAddr) -> Origin {
    let mut prefix = [0; 8];
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            prefix[0] = 4;
            prefix[1..4].copy_from_slice(&v4.octets()[..3]);
        }
        IpAddr::V6(v6) => {
            prefix[0] = 6;
            prefix[1..7].copy_from_slice(&v6.octets()[..6]);
        }
    }
    Origin(prefix)
}

/// How an IO error looks to a machine.
pub fn failure_of(error: &io::Error) -> LinkFailure {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::ConnectionRefused | Kind::PermissionDenied => LinkFailure::Refused,
        Kind::TimedOut => LinkFailure::TimedOut,
        Kind::UnexpectedEof => LinkFailure::Eof,
        Kind::NotFound
        | Kind::AddrNotAvailable
        | Kind::HostUnreachable
        | Kind::NetworkUnreachable
        | Kind::NetworkDown => LinkFailure::Unreachable,
        _ => LinkFailure::Reset,
    }
}

fn opened(stream: TcpStream, origin: Origin) -> Opened {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "nodelay refused");
    }
    Opened { io: Box::new(stream), transport: TransportId::TCP, origin }
}

#[cfg(test)]
mod tests;
