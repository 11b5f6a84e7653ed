//! How an endpoint is set up, on either side.
//!
//! Quiet unless asked: without [`Nat::N0`] or [`Nat::Relay`] an endpoint speaks to the addresses it is given and to nobody else.
//!
//! Limits: a link is one stream, so a peer may open one and no datagrams; what a link buffers in either direction is bounded here,
//! because a machine's own window ends where QUIC has taken the bytes.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use iroh::{
    Endpoint, RelayMode, RelayUrl, SecretKey,
    endpoint::{BindError, Builder, PortmapperConfig, QuicTransportConfig, VarInt, presets},
};
use noq_proto::congestion::CubicConfig;
use thiserror::Error;

/// A peer that was killed says nothing: after this long without a packet the link is over. iroh's own heartbeat goes out after 5 quiet
/// seconds, is repeated until it is acknowledged, and gives the timer its whole length once more: a quiet link notices after 11 seconds
/// at the latest. A link that sends notices sooner, see `silence`.
const IDLE_MILLIS: u32 = 6_000;

/// The protocol's name in iroh's handshake.
pub const ALPN: &[u8] = b"0k-sync/1";

/// Bytes a link may have received and not read, and sent and not seen acknowledged. Fills a path of 1 MiB per round trip.
const WINDOW: u32 = 1 << 20;

/// What a path is taken to need for a round trip until it is known. QUIC spreads packets over it: at its own default of 333 ms the second
/// packet, which is the first flight, left 27 ms after the first, and the answer again. Repeats a first packet needlessly only where a
/// round trip takes three times as long.
const UNKNOWN_TRIP: Duration = Duration::from_millis(100);

/// Bytes that may be under way before anything is acknowledged: 32 packets. With 10 each flight of a handshake
/// is spread over a tenth of a round trip.
const FIRST_WINDOW: u64 = 32 * 1200;

/// How long a dialled relay may take to answer, unless set otherwise.
const PATIENCE: Duration = Duration::from_secs(10);

/// How an endpoint is found and reached behind address translation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Nat {
    /// By its own addresses only. Contacts nobody else. A dialler still goes through the iroh relay that a relay's address names.
    #[default]
    Direct,
    /// By the public relays and lookup service of n0.
    N0,
    /// By one iroh relay, given by its URL.
    Relay(String),
}

/// What an endpoint is made of.
#[derive(Debug, Clone)]
pub struct Options {
    secret: SecretKey,
    /// How it is reached.
    pub nat: Nat,
    /// Where it listens; every interface and any port when empty.
    pub bind: Vec<SocketAddr>,
    /// How long a dialled relay may take to answer.
    pub patience: Duration,
}

impl Options {
    /// An endpoint with this Ed25519 secret, which makes its id: stable for a relay, fresh for a device that wants none.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self { secret: SecretKey::from_bytes(secret), nat: Nat::Direct, bind: Vec::new(), patience: PATIENCE }
    }

    /// How it is reached.
    #[must_use]
    pub fn nat(mut self, nat: Nat) -> Self {
        self.nat = nat;
        self
    }

    /// How long a dialled relay may take to answer: ten seconds unless set.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Also listens here, and no longer everywhere.
    #[must_use]
    pub fn bind(mut self, address: SocketAddr) -> Self {
        self.bind.push(address);
        self
    }
}

/// Why there is no endpoint.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IrohFault {
    /// The iroh relay's URL does not parse.
    #[error("the iroh relay's URL is malformed")]
    RelayUrl,
    /// An address cannot be listened on.
    #[error("an address cannot be used to listen on")]
    BindAddress,
    /// The operating system gives no socket at an address.
    #[error("no socket: {0}")]
    Socket(#[source] io::Error),
    /// The endpoint does not come up for another reason.
    #[error("the endpoint does not come up: {0}")]
    Bind(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What the endpoint will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Dial,
    Accept,
}

pub(crate) async fn bind(options: &Options, side: Side) -> Result<Endpoint, IrohFault> {
    let mut builder = builder(&options.nat, side)?
        .secret_key(options.secret.clone())
        .transport_config(transport(side))
        .portmapper_config(PortmapperConfig::Disabled);
    if side == Side::Accept {
        builder = builder.alpns(vec![ALPN.to_vec()]);
    }
    if !options.bind.is_empty() {
        builder = builder.clear_ip_transports();
        for address in &options.bind {
            builder = builder.bind_addr(*address).map_err(|_| IrohFault::BindAddress)?;
        }
    }
    builder.bind().await.map_err(|error| match error {
        BindError::Sockets { source, .. } | BindError::CreateQuicEndpoint { source, .. } => IrohFault::Socket(source),
        other => IrohFault::Bind(Box::new(other)),
    })
}

fn builder(nat: &Nat, side: Side) -> Result<Builder, IrohFault> {
    Ok(match nat {
        Nat::Direct => {
            let relays = match side {
                Side::Accept => RelayMode::Disabled,
                // Knows no relay and asks none, yet can follow an address to the one it names.
                Side::Dial => RelayMode::custom([]),
            };
            Endpoint::builder(presets::Minimal).relay_mode(relays)
        }
        Nat::N0 => Endpoint::builder(presets::N0),
        Nat::Relay(url) => {
            let url: RelayUrl = url.parse().map_err(|_| IrohFault::RelayUrl)?;
            Endpoint::builder(presets::Minimal).relay_mode(RelayMode::custom([url]))
        }
    })
}

fn transport(side: Side) -> QuicTransportConfig {
    // A device accepts no stream at all: the relay never opens one.
    let streams = VarInt::from_u32(u32::from(side == Side::Accept));
    let mut congestion = CubicConfig::default();
    congestion.initial_window(FIRST_WINDOW);
    QuicTransportConfig::builder()
        .max_concurrent_bidi_streams(streams)
        .max_idle_timeout(Some(VarInt::from_u32(IDLE_MILLIS).into()))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .initial_rtt(UNKNOWN_TRIP)
        .congestion_controller_factory(Arc::new(congestion))
        .datagram_receive_buffer_size(None)
        .stream_receive_window(VarInt::from_u32(WINDOW))
        .receive_window(VarInt::from_u32(WINDOW))
        .send_window(u64::from(WINDOW))
        // Probing for larger packets doubles the bytes of a connect and gains a link of small messages nothing.
        .mtu_discovery_config(None)
        .build()
}
