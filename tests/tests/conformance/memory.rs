//! Links that are two pipes in memory: a transport without a kernel, and with little room.

use std::sync::Arc;

use tokio::{
    io::{DuplexStream, duplex},
    sync::mpsc,
};
use zerok_core::{
    address::RelayAddress,
    ids::{RelayKey, TransportId},
    machine::{LinkFailure, Origin},
};
use zerok_tokio::link::{Acceptor, BoxFuture, Dialer, Opened};

use crate::bench::{Bench, Transport};

/// What a pipe holds.
const ROOM: usize = 4096;

struct Memory;

struct Pipes(mpsc::UnboundedSender<DuplexStream>);

struct Waiting(mpsc::UnboundedReceiver<DuplexStream>);

fn opened(io: DuplexStream) -> Opened {
    Opened { io: Box::new(io), transport: TransportId::TCP, origin: Origin::default() }
}

impl Dialer for Pipes {
    fn dial(&self, target: &RelayAddress) -> BoxFuture<'static, Result<Opened, LinkFailure>> {
        let (here, there) = duplex(ROOM);
        let known = *target == address("here") && self.0.send(there).is_ok();
        Box::pin(std::future::ready(if known { Ok(opened(here)) } else { Err(LinkFailure::Unreachable) }))
    }
}

impl Acceptor for Waiting {
    fn accept(&mut self) -> BoxFuture<'_, Option<Opened>> {
        Box::pin(async { self.0.recv().await.map(opened) })
    }
}

impl Transport for Memory {
    const RECONNECTS: usize = 10_000;

    async fn listen() -> (Box<dyn Acceptor>, RelayAddress, Arc<dyn Dialer>) {
        let (send, receive) = mpsc::unbounded_channel();
        (Box::new(Waiting(receive)), address("here"), Arc::new(Pipes(send)))
    }

    fn nowhere() -> RelayAddress {
        address("nowhere")
    }
}

fn address(place: &str) -> RelayAddress {
    RelayAddress { key: RelayKey([9; 32]), tcp: vec![format!("{place}:1")], iroh: None }
}

zerok_testkit::driver_suite!(Bench<Memory>);
