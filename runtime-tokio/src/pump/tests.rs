use tokio::io::{DuplexStream, duplex};
use zerok_core::{
    error::{CloseReason, LocalReason},
    ids::TransportId,
    machine::Origin,
};

use super::*;

const LINK: LinkId = LinkId(7);

struct World {
    links: Links,
    inputs: mpsc::Receiver<LinkInput>,
}

fn world() -> World {
    let (sender, inputs) = mpsc::channel(4);
    World { links: Links::new(sender), inputs }
}

impl World {
    fn accept(&mut self, room: usize) -> DuplexStream {
        let (here, there) = duplex(room);
        let opened = Opened { io: Box::new(here), transport: TransportId::TCP, origin: Origin([4; 8]) };
        let said = self.links.accepted(LINK, opened);
        assert_eq!(said, LinkInput::Opened { link: LINK, transport: TransportId::TCP, origin: Origin([4; 8]) });
        there
    }

    fn transmit(&mut self, bytes: impl Into<Bytes>) {
        self.links.perform(LinkOutput::Transmit { link: LINK, bytes: bytes.into() });
    }

    fn close(&mut self) {
        self.links.perform(LinkOutput::Close { link: LINK, reason: CloseReason::Local(LocalReason::Done) });
    }

    async fn hear(&mut self) -> LinkInput {
        let input = self.inputs.recv().await.unwrap();
        self.links.observe(&input);
        input
    }

    /// Hears everything up to the link's last word: bytes read, bytes reported written, how it ended.
    async fn hear_out(&mut self) -> (Vec<u8>, usize, LinkFailure) {
        let (mut read, mut written) = (Vec::new(), 0);
        loop {
            match self.hear().await {
                LinkInput::Bytes { bytes, .. } => read.extend_from_slice(&bytes),
                LinkInput::Written { len, .. } => written += len,
                LinkInput::Closed { cause, .. } => {
                    assert!(self.links.is_empty());
                    return (read, written, cause);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// Whether the link stays silent from here on.
    async fn is_silent(&mut self) -> bool {
        timeout(Duration::from_secs(60), self.inputs.recv()).await.is_err()
    }
}

#[tokio::test(start_paused = true)]
async fn d4_bytes_arrive_in_order_and_the_peers_end_is_the_last_word() {
    let mut world = world();
    let mut peer = world.accept(64);
    let sent: Vec<u8> = (0..100_000u32).map(|n| n as u8).collect();
    let expected = sent.clone();
    let sending = tokio::spawn(async move {
        peer.write_all(&sent).await.unwrap();
        peer.shutdown().await.unwrap();
        peer
    });
    assert_eq!(world.hear_out().await, (expected, 0, LinkFailure::Eof));
    sending.await.unwrap();
    assert!(world.is_silent().await);
}

#[tokio::test(start_paused = true)]
async fn d5_a_peer_that_never_reads_is_still_read_from() {
    let mut world = world();
    let mut peer = world.accept(16);
    world.transmit(vec![1; 1000]);
    peer.write_all(b"still here, still talking, much longer than the pipe").await.unwrap();
    let mut read = Vec::new();
    while read.len() < 52 {
        if let LinkInput::Bytes { bytes, .. } = world.hear().await {
            read.extend_from_slice(&bytes);
        }
    }
    assert_eq!(read, b"still here, still talking, much longer than the pipe");
}

#[tokio::test(start_paused = true)]
async fn d5_many_peers_that_never_read_do_not_use_up_the_machines_channel() {
    let mut world = world();
    let mut silent = Vec::new();
    for number in 0..50 {
        let (here, there) = duplex(1);
        let opened = Opened { io: Box::new(here), transport: TransportId::TCP, origin: Origin::default() };
        let link = LinkId(100 + number);
        let _announced = world.links.accepted(link, opened);
        world.links.perform(LinkOutput::Transmit { link, bytes: Bytes::from_static(b"never read") });
        silent.push(there);
    }
    let mut peer = world.accept(16);
    peer.write_all(b"heard").await.unwrap();
    loop {
        if let LinkInput::Bytes { link, bytes } = world.hear().await {
            assert_eq!((link, &bytes[..]), (LINK, &b"heard"[..]));
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn d4_what_is_reported_written_sums_up_to_what_was_transmitted() {
    let mut world = world();
    let mut peer = world.accept(100);
    for len in 1..200usize {
        world.transmit(vec![len as u8; len]);
    }
    world.close();
    let reading = tokio::spawn(async move {
        let mut read = Vec::new();
        peer.read_to_end(&mut read).await.unwrap();
        read
    });
    let (_, written, cause) = world.hear_out().await;
    let expected: Vec<u8> = (1..200usize).flat_map(|len| vec![len as u8; len]).collect();
    assert_eq!((written, cause), (expected.len(), LinkFailure::Local));
    assert_eq!(reading.await.unwrap(), expected, "a close flushes first");
    assert!(world.is_silent().await, "exactly one Closed");
}

#[tokio::test(start_paused = true)]
async fn a_close_towards_a_peer_that_never_reads_ends_all_the_same() {
    let mut world = world();
    let _peer = world.accept(16);
    world.transmit(vec![1; 1000]);
    world.close();
    world.close();
    let (_, written, cause) = world.hear_out().await;
    assert_eq!((written, cause), (16, LinkFailure::Local));
    world.transmit(vec![1; 10]);
    assert!(world.is_silent().await, "a link that has ended is ignored");
}

#[tokio::test(start_paused = true)]
async fn reading_stops_and_resumes_when_asked() {
    let mut world = world();
    let mut peer = world.accept(1024);
    world.links.perform(LinkOutput::SetReading { link: LINK, on: false });
    peer.write_all(b"later").await.unwrap();
    assert!(world.is_silent().await);
    world.links.perform(LinkOutput::SetReading { link: LINK, on: true });
    assert_eq!(world.hear().await, LinkInput::Bytes { link: LINK, bytes: Bytes::from_static(b"later") });
}

#[tokio::test(start_paused = true)]
async fn what_the_peer_said_before_it_stopped_reading_is_still_heard() {
    let mut world = world();
    let (here, mut peer) = duplex(1024);
    peer.write_all(b"go away").await.unwrap();
    let opened = Opened { io: Box::new(DeafWriter(here)), transport: TransportId::TCP, origin: Origin::default() };
    let _announced = world.links.accepted(LINK, opened);
    world.transmit(b"hello".to_vec());
    assert_eq!(world.hear_out().await, (b"go away".to_vec(), 0, LinkFailure::Reset));
    drop(peer);
}

#[tokio::test(start_paused = true)]
async fn d4_a_failed_dial_ends_in_one_open_failed_and_a_closed_one_too() {
    let mut world = world();
    world.links.dial(LINK, Box::pin(async { Err(LinkFailure::Refused) }));
    assert_eq!(world.hear().await, LinkInput::OpenFailed { link: LINK, cause: LinkFailure::Refused });
    world.links.dial(LINK, Box::pin(std::future::pending()));
    world.close();
    assert_eq!(world.hear().await, LinkInput::OpenFailed { link: LINK, cause: LinkFailure::Local });
    assert!(world.is_silent().await);
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_goes_away_flushes_what_it_had_sent() {
    let mut world = world();
    let mut peer = world.accept(16);
    world.transmit(vec![9; 500]);
    drop(world);
    let mut read = Vec::new();
    peer.read_to_end(&mut read).await.unwrap();
    assert_eq!(read, vec![9; 500]);
}

/// Reads from a pipe and fails every write.
struct DeafWriter(DuplexStream);

impl tokio::io::AsyncRead for DeafWriter {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl tokio::io::AsyncWrite for DeafWriter {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        _: &[u8],
    ) -> std::task::Poll<io::Result<usize>> {
        std::task::Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
}
