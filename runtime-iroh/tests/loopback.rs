//! Links over real sockets on the loopback interface.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail like the test itself")]

use std::{
    io::ErrorKind,
    net::{SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use zerok_core::{
    address::{IrohRoute, RelayAddress},
    ids::{RelayKey, TransportId},
    machine::{LinkFailure, Origin},
};
use zerok_iroh::{IrohAcceptor, IrohDialer, IrohHandle, Nat, Options};
use zerok_tokio::link::{Acceptor, Dialer, Opened};

fn loopback(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

fn options(secret: u8) -> Options {
    Options::new(&[secret; 32]).bind(loopback(0))
}

fn to(route: IrohRoute) -> RelayAddress {
    RelayAddress { key: RelayKey([9; 32]), tcp: Vec::new(), iroh: Some(route) }
}

/// A relay that sends everything back and closes when its peer does.
struct Echo {
    handle: IrohHandle,
    address: RelayAddress,
    links: tokio::sync::mpsc::UnboundedReceiver<(TransportId, Origin)>,
}

async fn echo(options: Options) -> Echo {
    let mut acceptor = IrohAcceptor::bind(&options).await.unwrap();
    let address = to(acceptor.route().await);
    let handle = acceptor.handle();
    let (seen, links) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(mut opened) = acceptor.accept().await {
            let _unheard = seen.send((opened.transport, opened.origin));
            tokio::spawn(async move {
                let mut buffer = vec![0; 64 * 1024];
                while let Ok(len @ 1..) = opened.io.read(&mut buffer).await {
                    opened.io.write_all(&buffer[..len]).await.unwrap();
                }
                let _peer_gone = opened.io.shutdown().await;
            });
        }
    });
    Echo { handle, address, links }
}

async fn says_back(link: &mut Opened, said: &[u8]) {
    link.io.write_all(said).await.unwrap();
    let mut heard = vec![0; said.len()];
    link.io.read_exact(&mut heard).await.unwrap();
    assert_eq!(heard, said);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_carries_bytes_both_ways_and_ends_in_good_order() {
    let mut echo = echo(options(1)).await;
    let dialer = IrohDialer::new(options(2));
    let mut link = dialer.dial(&echo.address).await.unwrap();
    says_back(&mut link, b"first flight").await;

    // Both sides name the relay's endpoint, so both handshakes have one prologue; a dialled link is charged to nobody.
    let id = TransportId(echo.address.iroh.as_ref().unwrap().endpoint);
    assert_eq!((link.transport, link.origin), (id, Origin::default()));
    let origin = Origin([4, 127, 0, 0, 0, 0, 0, 0]);
    assert_eq!(echo.links.recv().await, Some((id, origin)));

    let large: Vec<u8> = (0..3_000_000_u32).map(|at| at as u8).collect();
    let (mut read, mut write) = tokio::io::split(link.io);
    let expected = large.clone();
    let writer = tokio::spawn(async move {
        write.write_all(&large).await.unwrap();
        write.shutdown().await.unwrap();
    });
    let mut heard = Vec::new();
    read.read_to_end(&mut heard).await.unwrap();
    assert!(heard == expected);
    writer.await.unwrap();
    dialer.close().await;
    echo.handle.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_relay_is_dialled_again_and_again() {
    let echo = echo(options(1)).await;
    let dialer = IrohDialer::new(options(2));
    for round in 0..5 {
        let mut link = dialer.dial(&echo.address).await.unwrap();
        says_back(&mut link, &[round; 300]).await;
        says_back(&mut link, &[round; 200]).await;
        link.io.shutdown().await.unwrap();
    }
    dialer.close().await;
    echo.handle.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_early_data_may_carry_waits_for_the_handshake() {
    let echo = echo(options(1)).await;
    let dialer = IrohDialer::new(options(2));
    for _ in 0..3 {
        let link = dialer.dial(&echo.address).await.unwrap();
        let (mut read, mut write) = tokio::io::split(link.io);
        let writer = tokio::spawn(async move {
            write.write_all(&vec![5; 200_000]).await.unwrap();
            write.shutdown().await.unwrap();
        });
        let mut heard = Vec::new();
        read.read_to_end(&mut heard).await.unwrap();
        assert!(heard == vec![5; 200_000]);
        writer.await.unwrap();
    }
    dialer.close().await;
    echo.handle.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_never_answers_fails_within_the_dialler_s_patience() {
    let silent = UdpSocket::bind(loopback(0)).unwrap();
    let id = IrohAcceptor::bind(&options(1)).await.unwrap().route().await.endpoint;
    let direct = vec![silent.local_addr().unwrap().to_string()];
    let mut took = Vec::new();
    for patience in [Duration::from_millis(100), Duration::from_secs(2)] {
        let dialer = IrohDialer::new(options(2).patience(patience));
        let before = Instant::now();
        let failed = dialer.dial(&to(IrohRoute { endpoint: id, direct: direct.clone(), relay: None })).await;
        assert_eq!(failed.err(), Some(LinkFailure::TimedOut));
        assert!(before.elapsed() >= patience);
        took.push(before.elapsed());
    }
    assert!(took[0] < took[1], "the shorter patience ends sooner: {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_else_at_the_address_is_refused() {
    let echo = echo(options(1)).await;
    let mut route = echo.address.iroh.clone().unwrap();
    route.endpoint = IrohAcceptor::bind(&options(3)).await.unwrap().route().await.endpoint;
    let dialer = IrohDialer::new(options(2).patience(Duration::from_secs(2)));
    let failed = dialer.dial(&to(route)).await.err();
    assert!(matches!(failed, Some(LinkFailure::Refused | LinkFailure::TimedOut)), "{failed:?}");
}

#[tokio::test]
async fn an_address_without_a_usable_route_is_told_apart_at_once() {
    let dialer = IrohDialer::new(options(2));
    let nowhere = RelayAddress { key: RelayKey([9; 32]), tcp: vec!["localhost:1".into()], iroh: None };
    let by_id_alone = to(IrohRoute { endpoint: [0; 32], direct: Vec::new(), relay: None });
    let garbled = to(IrohRoute { endpoint: [0; 32], direct: vec!["over there".into()], relay: Some("::".into()) });
    for target in [nowhere, by_id_alone, garbled] {
        assert_eq!(dialer.dial(&target).await.err(), Some(LinkFailure::NoTransport), "{target:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_change_harms_neither_links_nor_later_dials() {
    let echo = echo(options(1)).await;
    let dialer = IrohDialer::new(options(2));
    // Nothing is bound yet.
    dialer.network_changed().await;
    let mut link = dialer.dial(&echo.address).await.unwrap();
    says_back(&mut link, b"before").await;
    dialer.network_changed().await;
    echo.handle.network_changed().await;
    says_back(&mut link, b"after").await;
    let mut link = dialer.dial(&echo.address).await.unwrap();
    says_back(&mut link, b"afresh").await;
    dialer.close().await;
    echo.handle.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_acceptor_ends_and_its_links_with_it() {
    let mut acceptor = IrohAcceptor::bind(&options(1)).await.unwrap();
    let address = to(acceptor.route().await);
    let dialer = IrohDialer::new(options(2));
    let hello = async {
        let mut link = dialer.dial(&address).await.unwrap();
        link.io.write_all(b"hello").await.unwrap();
        link
    };
    let (mut link, accepted) = tokio::join!(hello, acceptor.accept());
    acceptor.handle().close().await;
    assert!(acceptor.accept().await.is_none());
    let mut byte = [0];
    assert!(matches!(link.io.read(&mut byte).await, Err(_) | Ok(0)));
    drop(accepted);
    dialer.close().await;
}

#[tokio::test]
async fn the_route_names_every_address_and_no_third_party() {
    let route = IrohAcceptor::bind(&options(1)).await.unwrap().route().await;
    assert_eq!(route.direct.len(), 1);
    assert!(route.direct[0].starts_with("127.0.0.1:"));
    assert_eq!(route.relay, None);

    let everywhere = IrohAcceptor::bind(&Options::new(&[1; 32])).await.unwrap().route().await;
    assert!(!everywhere.direct.is_empty());
    assert!(everywhere.direct.iter().all(|text| !text.starts_with("0.0.0.0") && !text.starts_with("[::]")));
    assert_eq!(everywhere.endpoint, route.endpoint);
}

#[tokio::test]
async fn options_that_make_no_sense_are_refused() {
    let malformed = Options::new(&[1; 32]).nat(Nat::Relay("not a url".into()));
    assert!(matches!(IrohAcceptor::bind(&malformed).await, Err(zerok_iroh::IrohFault::RelayUrl)));
}

/// A relay that can be killed: it has a runtime of its own, which stops between two instructions and closes nothing in good order.
struct Mortal {
    runtime: tokio::runtime::Runtime,
    address: RelayAddress,
}

async fn mortal(options: Options) -> Mortal {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let echo = runtime.spawn(echo(options)).await.unwrap();
    Mortal { address: echo.address.clone(), runtime }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_was_killed_and_restarted_is_missed_at_once_by_a_link_that_sends_and_soon_by_a_quiet_one() {
    let relay = mortal(options(1)).await;
    let dialer = IrohDialer::new(options(2));
    let mut sending = dialer.dial(&relay.address).await.unwrap();
    let mut quiet = dialer.dial(&relay.address).await.unwrap();
    says_back(&mut sending, b"hello").await;
    says_back(&mut quiet, b"hello").await;
    let direct = relay.address.iroh.as_ref().unwrap().direct[0].parse().unwrap();
    relay.runtime.shutdown_background();
    while UdpSocket::bind(direct).is_err() {
        tokio::task::yield_now().await;
    }
    // It answers what it does not know with packets that anybody could have sent.
    let again = mortal(Options::new(&[1; 32]).bind(direct)).await;

    sending.io.write_all(b"is anybody there?").await.unwrap();
    let unheard = sending.io.read(&mut [0]).await.unwrap_err();
    assert_eq!((unheard.kind(), unheard.to_string()), (ErrorKind::TimedOut, SILENCE.to_owned()));
    assert_eq!(quiet.io.read(&mut [0]).await.unwrap_err().kind(), ErrorKind::TimedOut);

    let mut link = dialer.dial(&again.address).await.unwrap();
    says_back(&mut link, b"there again").await;
    dialer.close().await;
    again.runtime.shutdown_background();
}

/// What a link says that has sent in vain.
const SILENCE: &str = "nothing that was sent is acknowledged";
