//! Early data, accepted and rejected, over the loopback interface.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinHandle,
};
use zerok_tokio::link::Acceptor;

use super::*;
use crate::{accept::IrohAcceptor, stream::EARLY};

fn options(secret: u8, port: u16) -> Options {
    Options::new(&[secret; 32]).bind(([127, 0, 0, 1], port).into())
}

/// A relay that sends everything back, and the way to it.
struct Echo {
    endpoint: crate::accept::IrohHandle,
    target: EndpointAddr,
    task: JoinHandle<()>,
}

impl Echo {
    async fn start(port: u16) -> Self {
        let mut acceptor = IrohAcceptor::bind(&options(1, port)).await.unwrap();
        let route = acceptor.route().await;
        let target = IrohDialer::new(options(2, 0)).shared.target(&route).unwrap();
        let endpoint = acceptor.handle();
        let task = tokio::spawn(async move {
            while let Some(opened) = acceptor.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = tokio::io::split(opened.io);
                    let _peer_gone = tokio::io::copy(&mut read, &mut write).await;
                    let _peer_gone = write.shutdown().await;
                });
            }
        });
        Self { endpoint, target, task }
    }

    fn port(&self) -> u16 {
        self.target.ip_addrs().next().map(SocketAddr::port).unwrap()
    }

    /// Ends it, until its port is free again.
    async fn stop(self) {
        let port = self.port();
        self.endpoint.close().await;
        self.task.await.unwrap();
        drop(self.endpoint);
        while std::net::UdpSocket::bind(("127.0.0.1", port)).is_err() {
            tokio::task::yield_now().await;
        }
    }
}

async fn says_back(stream: &mut LinkStream, said: &[u8]) {
    let (mut read, mut write) = tokio::io::split(stream);
    let mut heard = vec![0; said.len()];
    let (written, read) = tokio::join!(write.write_all(said), read.read_exact(&mut heard));
    written.unwrap();
    read.unwrap();
    assert!(heard == said);
}

/// Dials until there is a ticket: it arrives a little after the handshake, and is used once.
async fn early(dialer: &IrohDialer, target: &EndpointAddr) -> LinkStream {
    loop {
        let mut stream = dialer.shared.stream(target.clone()).await.unwrap();
        if stream.is_early() {
            return stream;
        }
        says_back(&mut stream, b"a ticket, please").await;
        stream.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_dial_writes_before_the_handshake_is_done_and_is_heard() {
    let echo = Echo::start(0).await;
    let dialer = IrohDialer::new(options(2, 0));
    let mut first = dialer.shared.stream(echo.target.clone()).await.unwrap();
    assert!(!first.is_early(), "no ticket yet");
    says_back(&mut first, b"hello").await;

    let mut second = early(&dialer, &echo.target).await;
    says_back(&mut second, b"first flight").await;
    assert!(second.was_early(), "the relay took the early bytes");
    says_back(&mut second, &[3; 5000]).await;
    second.shutdown().await.unwrap();
    assert!(!second.is_early() && second.was_early());
    dialer.close().await;
    echo.stop().await;
}

/// A relay restarted with the same key at the same address, and a stream to it whose ticket the relay cannot know.
async fn after_restart() -> (Echo, IrohDialer, LinkStream) {
    loop {
        let first = Echo::start(0).await;
        let port = first.port();
        let dialer = IrohDialer::new(options(2, 0));
        let mut stream = dialer.shared.stream(first.target.clone()).await.unwrap();
        says_back(&mut stream, b"a ticket, please").await;
        drop(stream);
        first.stop().await;

        let second = Echo::start(port).await;
        let mut stream = dialer.shared.stream(second.target.clone()).await.unwrap();
        if stream.is_early() {
            return (second, dialer, stream);
        }
        // The handshake was over before the stream was open, so nothing is early; the link works all the same.
        says_back(&mut stream, &[1; 2 * EARLY]).await;
        assert!(!stream.was_early());
        dialer.close().await;
        second.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn early_bytes_that_a_restarted_relay_rejects_go_out_again_on_a_new_stream() {
    for len in [1, 300, EARLY, EARLY + 1, 500_000] {
        let (relay, dialer, mut stream) = after_restart().await;
        says_back(&mut stream, &vec![9; len]).await;
        assert!(!stream.was_early(), "it went out again");
        says_back(&mut stream, b"and the link goes on").await;
        stream.shutdown().await.unwrap();
        dialer.close().await;
        relay.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_early_data_may_carry_waits_for_the_handshake() {
    let echo = Echo::start(0).await;
    let dialer = IrohDialer::new(options(2, 0));
    for len in [EARLY - 1, EARLY, EARLY + 1, 10 * EARLY] {
        let mut stream = early(&dialer, &echo.target).await;
        says_back(&mut stream, &vec![5; len]).await;
        stream.shutdown().await.unwrap();
    }
    dialer.close().await;
    echo.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_alone_learns_that_its_early_bytes_were_rejected() {
    let (relay, dialer, mut stream) = after_restart().await;
    // Nobody reads until everything is written and acknowledged.
    stream.write_all(&[1; 3 * EARLY]).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).await.unwrap();
    assert!(heard == [1; 3 * EARLY]);
    dialer.close().await;
    relay.stop().await;
}
