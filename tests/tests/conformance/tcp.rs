//! Links over TCP, on the loopback interface.

use std::{net::TcpListener, sync::Arc};

use zerok_core::{address::RelayAddress, ids::RelayKey};
use zerok_tokio::{
    link::{Acceptor, Dialer},
    tcp::{TcpAcceptor, TcpDialer},
};

use crate::bench::{Bench, Transport};

struct Tcp;

impl Transport for Tcp {
    const RECONNECTS: usize = 10_000;

    async fn listen() -> (Box<dyn Acceptor>, RelayAddress, Arc<dyn Dialer>) {
        let acceptor = TcpAcceptor::bind("127.0.0.1:0").await.unwrap();
        let address = to(acceptor.local_addr().unwrap().to_string());
        (Box::new(acceptor), address, Arc::new(TcpDialer))
    }

    fn nowhere() -> RelayAddress {
        // A port that was free a moment ago.
        to(TcpListener::bind("127.0.0.1:0").and_then(|closed| closed.local_addr()).unwrap().to_string())
    }
}

/// A key at which a handshake may begin; nobody holds it.
fn to(host: String) -> RelayAddress {
    RelayAddress { key: RelayKey([9; 32]), tcp: vec![host], iroh: None }
}

zerok_testkit::driver_suite!(Bench<Tcp>);
