//! How a link begins, lasts and ends.

use bytes::Bytes;

use super::world::*;
use crate::{
    error::{CloseReason, Incompatible, LocalReason, Misbehaviour, Wait},
    ids::{Cursor, Digest, LinkId, Tag},
    limits::{CHANNEL_AGE, HANDSHAKE, INVITE_TTL, MAX_SECOND_FLIGHT, RelayLimits},
    machine::{LinkInput, Machine, StoreFailure},
    relay::{io::RelayInput, store::RelayQuery},
    seal::keys::prove,
    time::Duration,
    wire::{
        codec,
        message::{Pull, Request, ToDevice, ToRelay, WireCode},
    },
};

#[test]
fn from_dialling_to_the_first_page_is_one_round_trip() {
    let mut world = World::new();
    let laptop = world.founder();
    let mut first = world.join(0, &laptop, 0);
    world.say(&mut first, &push(&["milk", "eggs"]));

    let phone = world.member_of(&laptop);
    let mut peer = world.dial(0, &phone, 0);
    assert_eq!(world.wire(&peer).transmits, 1, "one flight there, one flight back");
    let (welcome, page) = world.welcome(&mut peer);
    assert_eq!((welcome.head, welcome.floor, welcome.own), (Cursor(2), Cursor(0), None));
    assert_eq!(page.entries, [(Cursor(1), blob("milk")), (Cursor(2), blob("eggs"))]);
    assert!(!page.more && !page.reset);
}

#[test]
fn the_welcome_names_what_this_link_stored_last() {
    let mut world = World::new();
    let laptop = world.founder();
    let mut peer = world.join(0, &laptop, 0);
    world.say(&mut peer, &push(&["milk", "eggs"]));
    world.hang_up(&peer);
    let mut again = world.dial(0, &laptop, 2);
    let (welcome, page) = world.welcome(&mut again);
    assert_eq!(welcome.own, Some((Cursor(2), Digest::of(b"eggs"))));
    assert_eq!(page.entries, []);
}

#[test]
fn a_group_nobody_knows_has_head_zero_and_costs_no_disk() {
    let mut world = World::new();
    let laptop = world.founder();
    let mut peer = world.join(0, &laptop, 0);
    world.advance(Duration::from_secs(6));
    assert_eq!(world.hear(&mut peer), []);
    assert_eq!(world.store.group_count(), 0);
}

#[test]
fn c3_a_replayed_first_message_changes_nothing() {
    let mut world = World::new();
    let laptop = world.founder();
    let peer = world.dial(0, &laptop, 0);
    let recording = peer.first_flight.clone();
    world.hang_up(&peer);
    let ops = world.nodes[0].ops.len();

    let replay = world.open(0, ORIGIN);
    world.bytes(0, replay, recording);
    assert_eq!(world.nodes[0].links[&replay].transmits, 1, "a replay earns one message 2");
    world.bytes(0, replay, Bytes::from_static(&[32, 0, 1, 2, 3]));
    world.advance(HANDSHAKE * 2);
    assert_eq!(world.nodes[0].links[&replay].closed, Some(CloseReason::Timeout(Wait::Handshake)));
    assert_eq!(world.nodes[0].ops.len(), ops, "no operation was emitted on its behalf");
    assert_eq!(world.stats(0).handshakes_ok, 0);
    assert_eq!(world.stats(0).groups, 0);
}

#[test]
fn g8_nothing_is_done_for_a_peer_before_its_first_frame() {
    let mut world = World::new();
    let laptop = world.founder();
    let phone = world.member_of(&laptop);
    let mut writer = world.join(0, &laptop, 0);
    let mut peer = world.dial(0, &phone, 0);
    world.welcome(&mut peer);
    world.advance(Duration::from_secs(6));
    assert_eq!(world.store.acked(&laptop.group.id, &phone.keys.link().public()), None);

    world.say(&mut writer, &push(&["milk"]));
    assert_eq!(world.hear(&mut peer), [], "a provisional link is not told of news");
    world.say(&mut peer, &ToRelay::Ack { cursor: Cursor(0) });
    let nudge = [news(1, "milk", false)];
    assert_eq!(world.hear(&mut peer), nudge, "what came between the page and the proof is not missed");
    world.advance(Duration::from_secs(6));
    assert_eq!(world.store.acked(&laptop.group.id, &phone.keys.link().public()), Some(Cursor(0)));
}

#[test]
fn a_wrong_proof_and_an_unknown_group_meet_the_same_answer() {
    let mut world = World::new();
    let laptop = world.founder();
    let mut peer = world.join(0, &laptop, 0);
    world.say(&mut peer, &push(&["milk"]));
    let stranger = world.founder();
    let pull = Pull::default();

    let mut known = stranger.hello();
    (known.group, known.access, known.genesis) = (laptop.group.id, laptop.group.access, laptop.group.genesis);
    let mut unknown = stranger.hello();
    unknown.genesis = [1; 32];
    let mut elsewhere = stranger.hello();
    let (relay, link) = (crate::ids::RelayKey([3; 32]), stranger.keys.link().public());
    elsewhere.proof = prove(&stranger.group.epoch, &relay, &stranger.group.id, &link);
    let mut chained = stranger.hello();
    chained.chain = vec![(stranger.group.access, chained.proof)];

    let loads = world.nodes[0].queries.len();
    let mut sizes = Vec::new();
    for hello in [known, unknown, elsewhere, chained] {
        let payload = codec::encode_first_flight(&hello, &pull);
        let mut peer = world.dial_with(0, stranger.keys.link(), &payload, ORIGIN);
        sizes.push(world.wire(&peer).bytes.len());
        let heard = world.hear(&mut peer);
        assert_eq!(peer.payload.as_deref(), Some(&[][..]));
        assert_eq!(heard, [error(WireCode::NotMember, Request::Link)]);
        assert_eq!(world.closed(&peer), Some(CloseReason::PeerMisbehaved(Misbehaviour::Proof)));
    }
    assert!(sizes.windows(2).all(|pair| pair[0] == pair[1]), "{sizes:?}");
    assert_eq!(world.nodes[0].queries.len(), loads, "the store is not asked for any of them");
    assert_eq!(world.stats(0).refused[&WireCode::NotMember], 4);
}

#[test]
fn c4_a_hello_is_worth_nothing_on_another_devices_link() {
    let mut world = World::new();
    let laptop = world.founder();
    let thief = world.founder();
    let payload = codec::encode_first_flight(&laptop.hello(), &Pull::default());
    let mut peer = world.dial_with(0, thief.keys.link(), &payload, ORIGIN);
    assert_eq!(world.hear(&mut peer), [error(WireCode::NotMember, Request::Link)]);
}

#[test]
fn c11_a_silent_peer_has_ten_seconds_in_all_at_every_step() {
    let mut world = World::new();
    let laptop = world.founder();
    let silent = world.open(0, ORIGIN);
    let trickle = world.open(0, ORIGIN);
    let provisional = world.dial(0, &laptop, 0);
    for second in 0..9 {
        world.advance(Duration::from_secs(1));
        world.bytes(0, trickle, provisional.first_flight.slice(second..second + 1));
    }
    assert_eq!(world.stats(0).half_open, 3);
    world.advance(Duration::from_millis(999));
    assert_eq!(world.stats(0).half_open, 3);
    world.advance(Duration::from_millis(1));
    for link in [silent, trickle, provisional.link] {
        assert_eq!(world.nodes[0].links[&link].closed, Some(CloseReason::Timeout(Wait::Handshake)));
    }
    assert_eq!((world.stats(0).half_open, world.stats(0).handshakes_failed), (0, 3));
}

#[test]
fn a_relay_that_cannot_open_message_1_says_so_and_closes() {
    let mut world = World::new();
    let link = world.open(0, ORIGIN);
    let mut garbage = b"0k\x01\x00".to_vec();
    garbage.extend_from_slice(&[96, 0]);
    garbage.extend_from_slice(&[5; 96]);
    world.bytes(0, link, garbage.into());
    let wire = &world.nodes[0].links[&link];
    assert_eq!(wire.closed, Some(CloseReason::PeerIncompatible(Incompatible::CannotOpen)));
    assert_eq!(wire.bytes, [2, 0, 0xff, 2]);

    let link = world.open(0, ORIGIN);
    world.bytes(0, link, Bytes::from_static(b"0k\x09\x00"));
    let wire = &world.nodes[0].links[&link];
    assert_eq!(wire.closed, Some(CloseReason::PeerIncompatible(Incompatible::Version)));
    assert_eq!(wire.bytes, [2, 0, 0xff, 1]);
}

#[test]
fn links_that_come_before_the_store_is_open_are_answered_when_it_is() {
    let mut world = World::unopened(1, &limits());
    let laptop = world.founder();
    let mut peer = world.dial(0, &laptop, 0);
    world.input(0, RelayInput::WallClock(WALL));
    assert_eq!(world.wire(&peer).transmits, 0);
    world.store_answers();
    assert_eq!(world.welcome(&mut peer).0.head, Cursor(0));
}

#[test]
fn a_link_that_ended_before_the_store_was_open_leaves_nothing_behind() {
    let mut world = World::unopened(1, &limits());
    let laptop = world.founder();
    world.closes_late = true;
    let peer = world.dial(0, &laptop, 0);
    world.advance(HANDSHAKE);
    assert_eq!(world.closed(&peer), Some(CloseReason::Timeout(Wait::Handshake)));
    world.input(0, RelayInput::WallClock(WALL));
    world.store_answers();
    world.hang_up(&peer);
    assert_eq!((world.stats(0).groups, world.stats(0).links, world.stats(0).half_open), (0, 0, 0));
}

#[test]
fn the_first_page_stays_within_the_second_flight() {
    let mut world = World::new();
    let laptop = world.founder();
    let mut writer = world.join(0, &laptop, 0);
    let large = "x".repeat(1000);
    let many: Vec<_> = (0..100).map(|n| format!("{n}{large}")).collect();
    world.say(&mut writer, &push(&many.iter().map(String::as_str).collect::<Vec<_>>()));
    let phone = world.member_of(&laptop);
    let mut peer = world.dial(0, &phone, 0);
    let (welcome, page) = world.welcome(&mut peer);
    assert!(peer.payload.as_ref().unwrap().len() <= MAX_SECOND_FLIGHT);
    assert_eq!(welcome.head, Cursor(100));
    assert!(page.entries.len() > 50 && page.entries.len() < 100 && page.more);
}

#[test]
fn a_blob_too_large_for_the_second_flight_leaves_its_page_empty_with_more_to_come() {
    let mut world = World::new();
    let laptop = world.founder();
    let mut writer = world.join(0, &laptop, 0);
    world.say(&mut writer, &push(&[&"x".repeat(100_000)]));
    let phone = world.member_of(&laptop);
    let mut peer = world.dial(0, &phone, 0);
    let (_, first) = world.welcome(&mut peer);
    assert_eq!((first.entries.len(), first.more), (0, true));
    world.say(&mut peer, &ToRelay::Pull(Pull { after: Cursor(0), tag: Tag::default(), max_bytes: 1 }));
    let heard = world.hear(&mut peer);
    let [ToDevice::Page(second)] = &heard[..] else { panic!("{heard:?}") };
    assert_eq!(
        (second.entries.len(), second.more),
        (1, false),
        "outside the first flight a page holds one blob at least"
    );
}

#[test]
fn garbage_and_messages_out_of_turn_close_their_link_only() {
    let mut world = World::new();
    let laptop = world.founder();
    let mut other = world.join(0, &laptop, 0);
    type Case = (Vec<u8>, Misbehaviour, WireCode);
    let cases: Vec<Case> = vec![
        (vec![200], Misbehaviour::BadMessage, WireCode::BadMessage),
        (vec![4, 4], Misbehaviour::BadMessage, WireCode::BadMessage),
        (codec::encode(&ToRelay::Hello(Box::new(laptop.hello()))), Misbehaviour::OutOfState, WireCode::OutOfState),
        (codec::encode(&ToRelay::MailboxClaim { id: mailbox(1) }), Misbehaviour::OutOfState, WireCode::OutOfState),
        (codec::encode(&ToRelay::Rotate), Misbehaviour::OutOfState, WireCode::OutOfState),
        (codec::encode(&ToRelay::Forget), Misbehaviour::OutOfState, WireCode::OutOfState),
    ];
    let faults = cases.len() as u64;
    for (bytes, fault, code) in cases {
        let mut peer = world.join(0, &laptop, 0);
        world.say_bytes(&mut peer, &bytes);
        assert_eq!(world.hear(&mut peer), [error(code, Request::Link)]);
        assert_eq!(world.closed(&peer), Some(CloseReason::PeerMisbehaved(fault)));
    }
    let peer = world.join(0, &laptop, 0);
    world.bytes(0, peer.link, Bytes::from_static(&[20, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]));
    assert_eq!(world.closed(&peer), Some(CloseReason::PeerMisbehaved(Misbehaviour::BadFrame)));
    assert_eq!(world.stats(0).misbehaved, faults + 1);
    world.say(&mut other, &ToRelay::Ping);
    assert_eq!(world.hear(&mut other), [ToDevice::Pong]);
}

#[test]
fn bytes_between_the_two_flights_close_the_link() {
    let mut world = World::new();
    let laptop = world.founder();
    world.store_waits = true;
    let peer = world.dial(0, &laptop, 0);
    world.bytes(0, peer.link, Bytes::from_static(&[1]));
    assert_eq!(world.closed(&peer), Some(CloseReason::PeerMisbehaved(Misbehaviour::OutOfState)));
    world.store_answers();
    assert_eq!(world.stats(0).links, 0);
}

#[test]
fn g7_a_peer_that_never_reads_is_closed_at_the_stall_timeout() {
    let mut world = World::new();
    let laptop = world.founder();
    let mut writer = world.join(0, &laptop, 0);
    let phone = world.member_of(&laptop);
    let mut peer = world.join(0, &phone, 0);
    world.wire(&peer).stuck = true;
    world.say(&mut writer, &push(&["milk"]));
    world.advance(limits().stall - Duration::from_millis(1));
    assert_eq!(world.closed(&peer), None);
    world.advance(Duration::from_millis(1));
    assert_eq!(world.closed(&peer), Some(CloseReason::Timeout(Wait::Stall)));
    assert_eq!(world.closed(&writer), None);
    assert_eq!(world.hear(&mut peer).first(), Some(&news(1, "milk", true)));
}

#[test]
fn a_peer_that_reads_slowly_is_not_stalled() {
    let mut world = World::new();
    let laptop = world.founder();
    let mut writer = world.join(0, &laptop, 0);
    let phone = world.member_of(&laptop);
    let peer = world.join(0, &phone, 0);
    world.wire(&peer).stuck = true;
    for n in 0..20 {
        world.say(&mut writer, &push(&[&n.to_string()]));
        world.advance(limits().stall / 2);
        world.wire(&peer).unwritten -= 1;
        world.input(0, RelayInput::Link(LinkInput::Written { link: peer.link, len: 1 }));
    }
    assert_eq!(world.closed(&peer), None);
}

#[test]
fn a_link_without_any_message_is_dismissed_when_it_is_idle() {
    let idle = Duration::from_secs(60);
    let mut world = World::with(1, RelayLimits { idle, ..limits() });
    let laptop = world.founder();
    let mut peer = world.join(0, &laptop, 0);
    world.advance(idle - Duration::from_secs(1));
    world.say(&mut peer, &ToRelay::Ping);
    world.advance(idle - Duration::from_secs(1));
    assert_eq!(world.hear(&mut peer), [ToDevice::Pong]);
    world.advance(Duration::from_secs(1));
    assert_eq!(world.hear(&mut peer), [ToDevice::Bye { retry_after: 0 }]);
    assert_eq!(world.closed(&peer), Some(CloseReason::Timeout(Wait::Idle)));
}

#[test]
fn c8_an_old_channel_ends_with_a_goodbye() {
    let mut world = World::new();
    let laptop = world.founder();
    let mut peer = world.join(0, &laptop, 0);
    world.advance(CHANNEL_AGE - Duration::from_secs(1));
    assert_eq!(world.closed(&peer), None);
    world.advance(Duration::from_secs(1));
    assert_eq!(world.hear(&mut peer), [ToDevice::Bye { retry_after: 0 }]);
    assert_eq!(world.closed(&peer), Some(CloseReason::Local(LocalReason::Spent)));
}

#[test]
fn a_peer_that_says_goodbye_is_let_go() {
    let mut world = World::new();
    let laptop = world.founder();
    let mut peer = world.join(0, &laptop, 0);
    world.say(&mut peer, &ToRelay::Bye);
    assert_eq!(world.closed(&peer), Some(CloseReason::Local(LocalReason::Dismissed)));
    assert_eq!((world.stats(0).links, world.stats(0).groups), (0, 0));
}

#[test]
fn g16_a_draining_relay_finishes_what_is_under_way_and_stops() {
    let mut world = World::new();
    let laptop = world.founder();
    let mut busy = world.join(0, &laptop, 0);
    let mut idle = world.join(0, &laptop, 0);
    let half = world.open(0, ORIGIN);
    world.store_waits = true;
    world.say(&mut busy, &push(&["milk"]));
    world.input(0, RelayInput::Drain);
    let retry_after = limits().drain_retry.as_millis() as u32;
    assert_eq!(world.hear(&mut idle), [ToDevice::Bye { retry_after }]);
    assert_eq!(world.nodes[0].links[&half].closed, Some(CloseReason::Local(LocalReason::Draining)));
    assert_eq!(world.closed(&busy), None);
    assert!(world.wire(&busy).paused);
    let late = world.open(0, ORIGIN);
    assert_eq!(world.nodes[0].links[&late].closed, Some(CloseReason::Local(LocalReason::Draining)));

    world.say(&mut busy, &push(&["eggs"]));
    world.store_answers();
    let refused = error(WireCode::Draining, Request::Push(crate::ids::Lane::Data));
    assert_eq!(
        plain(world.hear(&mut busy)),
        [pushed(&[("milk", 1)]), news(1, "milk", false), refused, ToDevice::Bye { retry_after }],
        "the push is acknowledged, the later one refused"
    );
    assert_eq!(world.nodes[0].stopped, 1);
    assert_eq!(world.store.log(&laptop.group.id).len(), 1);
    assert_eq!(world.store.acked(&laptop.group.id, &laptop.keys.link().public()), Some(Cursor(0)));
}

#[test]
fn a_drain_does_not_wait_for_ever_for_a_peer_that_does_not_read() {
    let mut world = World::new();
    let laptop = world.founder();
    let mut peer = world.join(0, &laptop, 0);
    world.store_waits = true;
    world.say(&mut peer, &push(&["milk"]));
    world.input(0, RelayInput::Drain);
    world.advance(limits().stall);
    assert_eq!(world.closed(&peer), Some(CloseReason::Local(LocalReason::Draining)));
    assert_eq!(world.nodes[0].stopped, 1);
}

#[test]
fn g15_a_store_that_fails_ends_the_machine() {
    for failure in [StoreFailure::Io, StoreFailure::Corrupt] {
        let mut world = World::new();
        let laptop = world.founder();
        let mut peer = world.join(0, &laptop, 0);
        world.store.set_broken(failure);
        world.say(&mut peer, &push(&["milk"]));
        assert_eq!(world.hear(&mut peer), [], "nothing is acknowledged");
        assert_eq!(world.closed(&peer), Some(CloseReason::Local(LocalReason::Storage)));
        assert_eq!(world.nodes[0].stopped, 1);
        assert_eq!(world.nodes[0].relay.deadline(), None);
        let stale = world.stats(0).stale_inputs;
        world.advance(INVITE_TTL);
        assert!(world.stats(0).stale_inputs > stale);
    }
}

#[test]
fn a_store_that_does_not_open_ends_the_machine() {
    let mut world = World::unopened(1, &limits());
    world.store.set_broken(StoreFailure::TooNew);
    world.store_answers();
    assert_eq!(world.nodes[0].stopped, 1);
}

#[test]
fn inputs_about_links_that_ended_are_counted_and_ignored() {
    let mut world = World::new();
    let laptop = world.founder();
    let mut peer = world.join(0, &laptop, 0);
    world.hang_up(&peer);
    let before = world.stats(0).stale_inputs;
    world.say(&mut peer, &ToRelay::Ping);
    world.hang_up(&peer);
    world.input(0, RelayInput::Link(LinkInput::Written { link: LinkId(77), len: 5 }));
    assert_eq!(world.stats(0).stale_inputs, before + 3);
    assert_eq!(world.hear(&mut peer), []);
}

#[test]
fn a_page_is_asked_of_the_store_with_the_smallest_of_all_bounds() {
    let mut world = World::with(1, RelayLimits { page_bytes: 1000, ..limits() });
    let laptop = world.founder();
    let mut peer = world.join(0, &laptop, 0);
    world.say(&mut peer, &pull(0));
    let asked: Vec<_> = world.nodes[0]
        .queries
        .iter()
        .filter_map(|query| match query {
            RelayQuery::Welcome { page, .. } | RelayQuery::Page { page, .. } => {
                Some((page.max_bytes, page.at_least_one))
            }
            _ => None,
        })
        .collect();
    assert_eq!(asked, [(1000, false), (1000, true)]);
}
