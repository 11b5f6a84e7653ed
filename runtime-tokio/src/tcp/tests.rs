use tokio::io::{AsyncReadExt, AsyncWriteExt};
use zerok_core::ids::RelayKey;

use super::*;

fn relay(tcp: &[String]) -> RelayAddress {
    RelayAddress { key: RelayKey([9; 32]), tcp: tcp.to_vec(), iroh: None }
}

async fn listen() -> (TcpAcceptor, String) {
    let acceptor = TcpAcceptor::bind("127.0.0.1:0").await.unwrap();
    let address = acceptor.local_addr().unwrap().to_string();
    (acceptor, address)
}

/// A port of this machine where nobody listens.
async fn closed() -> String {
    listen().await.1
}

#[tokio::test]
async fn bytes_pass_in_both_directions_and_the_ends_know_what_they_are() {
    let (mut acceptor, address) = listen().await;
    let (dialled, accepted) = tokio::join!(TcpDialer.dial(&relay(&[address])), acceptor.accept());
    let (mut here, mut there) = (dialled.unwrap(), accepted.unwrap());
    assert_eq!((here.transport, here.origin), (TransportId::TCP, Origin::default()));
    assert_eq!((there.transport, there.origin), (TransportId::TCP, origin("127.0.0.9".parse().unwrap())));
    let mut read = [0; 4];
    here.io.write_all(b"ping").await.unwrap();
    there.io.read_exact(&mut read).await.unwrap();
    there.io.write_all(&read).await.unwrap();
    here.io.read_exact(&mut read).await.unwrap();
    assert_eq!(&read, b"ping");
}

#[tokio::test]
async fn a_dead_address_does_not_hide_a_live_one() {
    let (mut acceptor, address) = listen().await;
    let target = relay(&["no-such-host.invalid:1".to_owned(), closed().await, address]);
    let (dialled, _accepted) = tokio::join!(TcpDialer.dial(&target), acceptor.accept());
    assert!(dialled.is_ok());
}

#[tokio::test]
async fn failures_are_named() {
    let dial = |tcp: Vec<String>| async move { TcpDialer.dial(&relay(&tcp)).await.map(drop) };
    assert_eq!(dial(Vec::new()).await, Err(LinkFailure::NoTransport));
    assert_eq!(dial(vec![closed().await]).await, Err(LinkFailure::Refused));
    assert_eq!(dial(vec!["no-such-host.invalid:1".to_owned()]).await, Err(LinkFailure::Unreachable));
}

#[test]
fn a_link_is_charged_to_its_subscribers_prefix() {
    let of = |address: &str| origin(address.parse().unwrap());
    assert_eq!(of("203.0.113.7"), Origin([4, 203, 0, 113, 0, 0, 0, 0]));
    assert_eq!(of("::ffff:203.0.113.200"), of("203.0.113.7"));
    assert_eq!(of("2001:db8:aaaa:1::1"), Origin([6, 0x20, 0x01, 0x0d, 0xb8, 0xaa, 0xaa, 0]));
    assert_eq!(of("2001:db8:aaaa:ffff::2"), of("2001:db8:aaaa:1::1"));
    assert_ne!(of("2001:db8:aaab::1"), of("2001:db8:aaaa::1"));
}
