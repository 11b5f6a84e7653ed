//! Links over iroh, on the loopback interface.

use std::{net::SocketAddr, sync::Arc};

use zerok_core::{
    address::{IrohRoute, RelayAddress},
    ids::RelayKey,
};
use zerok_iroh::{IrohAcceptor, IrohDialer, Options};
use zerok_tokio::link::{Acceptor, Dialer};

use crate::bench::{Bench, Transport};

struct Iroh;

impl Transport for Iroh {
    // Each is a new QUIC stream with a handshake of its own.
    const RECONNECTS: usize = 200;

    async fn listen() -> (Box<dyn Acceptor>, RelayAddress, Arc<dyn Dialer>) {
        let acceptor = IrohAcceptor::bind(&options()).await.unwrap();
        let address = to(acceptor.route().await);
        (Box::new(acceptor), address, Arc::new(IrohDialer::new(options())))
    }

    fn nowhere() -> RelayAddress {
        to(IrohRoute { endpoint: [0; 32], direct: Vec::new(), relay: None })
    }
}

fn options() -> Options {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).unwrap();
    Options::new(&secret).bind(SocketAddr::from(([127, 0, 0, 1], 0)))
}

fn to(route: IrohRoute) -> RelayAddress {
    RelayAddress { key: RelayKey([9; 32]), tcp: Vec::new(), iroh: Some(route) }
}

zerok_testkit::driver_suite!(Bench<Iroh>);
