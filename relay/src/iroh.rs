//! The relay's iroh endpoint, from its configuration.

use std::net::{Ipv4Addr, SocketAddr};

use zerok_iroh::{IrohAcceptor, IrohFault, Options};

use crate::{
    config::{Iroh, Nat, PORT},
    listen::{ListenFault, Listener},
    server::ServeError,
};

/// Listens. The port must outlive restarts, because it is part of the printed address: by default it is TCP's, over UDP.
pub(crate) async fn bind(iroh: &Iroh, tcp: Option<SocketAddr>, secret: &[u8; 32]) -> Result<IrohAcceptor, ServeError> {
    let nat = match &iroh.nat {
        Nat::Direct => zerok_iroh::Nat::Direct,
        Nat::N0 => zerok_iroh::Nat::N0,
        Nat::Relay(url) => zerok_iroh::Nat::Relay(url.clone()),
    };
    let address = iroh.bind.or(tcp).unwrap_or_else(|| SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT)));
    let bound = IrohAcceptor::bind(&Options::new(secret).nat(nat).bind(address)).await;
    bound.map_err(|fault| match fault {
        IrohFault::Socket(cause) => ListenFault { listener: Listener::Iroh, address, cause }.into(),
        fault => fault.into(),
    })
}
