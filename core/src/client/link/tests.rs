//! A relay that takes nothing: what waits for credit stays within bounds.

use super::*;
use crate::{
    channel::{ChannelKind, Responder},
    client::ClientConfig,
    ids::MailboxId,
    limits::{ClientLimits, MAX_MAILBOX_MESSAGE},
    rng::Seed,
    seal::{keys::LinkSecret, padding::Padding, rest::StoreKey},
};

/// A client on a live link of which the relay takes nothing.
fn linked() -> Client {
    let mut draw = Seed::new([1; 32]).draw("link");
    let (own, secret) = (LinkSecret::generate(&mut draw), LinkSecret::generate(&mut draw));
    let (kind, relay) = (ChannelKind::Noise, RelayKey(secret.public().0));
    let (mut initiator, bytes) =
        Initiator::new(kind, &own, relay, TransportId::TCP, &[], &mut draw).expect("message 1");
    let mut responder = Responder::new(kind, &secret, TransportId::TCP, &mut draw);
    assert!(responder.receive(bytes).expect("message 1").is_some());
    let (_, bytes) = responder.respond(&[]).expect("message 2");
    let (_, channel) = initiator.receive(bytes).expect("message 2").expect("it is whole");
    let config = ClientConfig {
        store_key: StoreKey::new([1; 32]),
        kind,
        limits: ClientLimits { window: 256, ..ClientLimits::default() },
        padding: Padding::Padme,
    };
    let mut client = Client::new(config, Seed::new([2; 32]), Time(0));
    client.out.clear();
    client.link = Some(Link {
        id: LinkId(1),
        purpose: Purpose::Member,
        relay,
        phase: LinkPhase::Live { channel: Box::new(channel), since: Time(0) },
        unwritten: 0,
        queue: VecDeque::new(),
        ack: None,
        closing: false,
        pulling: None,
        caught_up: true,
        welcomed: true,
        had_page: true,
        behind: false,
    });
    client
}

#[test]
fn acknowledgements_that_nobody_takes_wait_as_one_place_and_not_as_a_queue() {
    let mut client = linked();
    for cursor in (1..=10_000).map(Cursor) {
        client.transmit(LinkId(1), &ToRelay::Ack { cursor });
    }
    let (sent, link) = (client.out.len(), client.link.as_ref().expect("a link"));
    assert!(sent < 64, "{sent} frames: a window of them");
    assert_eq!((link.queue.len(), link.ack), (0, Some(Cursor(10_000))), "the newest is the one that waits");
    client.link_written(link.unwritten);
    assert_eq!(client.out.len(), sent + 1);
    assert_eq!(client.link.as_ref().expect("a link").ack, None);
}

#[test]
fn a_relay_that_takes_nothing_and_provokes_answers_is_closed() {
    let mut client = linked();
    while client.link.as_ref().is_some_and(|link| link.queued() <= MAX_QUEUED) {
        client.close_flooded();
        assert!(client.link.is_some());
        let body = Bytes::from(vec![0; MAX_MAILBOX_MESSAGE]);
        client.transmit(LinkId(1), &ToRelay::MailboxSend { id: MailboxId([0; 16]), body });
    }
    client.close_flooded();
    assert!(client.link.is_none());
    let closed = |out: &ClientOutput| {
        matches!(out, ClientOutput::Link(LinkOutput::Close { reason: CloseReason::Timeout(Wait::Stall), .. }))
    };
    assert!(client.out.iter().any(closed));
}
