//! Bounds: rates, caps, quotas, full disks.

use bytes::Bytes;

use super::world::*;
use crate::{
    error::{Capacity, CloseReason},
    ids::{Cursor, Lane},
    limits::RelayLimits,
    machine::Origin,
    relay::store::RelayOp,
    time::Duration,
    wire::message::{Request, ToDevice, ToRelay, WireCode},
};

#[test]
fn g1_half_open_links_are_capped_and_end_at_the_deadline() {
    let mut world = World::with(1, RelayLimits { half_open: 10, ..limits() });
    let links: Vec<_> = (0..12).map(|_| world.open(0, ORIGIN)).collect();
    let closed = |world: &World, at: usize| world.nodes[0].links[&links[at]].closed;
    assert_eq!(closed(&world, 9), None);
    assert_eq!(closed(&world, 10), Some(CloseReason::Limit(Capacity::HalfOpen)));
    assert_eq!(world.nodes[0].links[&links[10]].bytes.len(), 0, "no cryptography, no answer");
    assert_eq!((world.stats(0).half_open, world.stats(0).links_refused), (10, 2));
    world.advance(Duration::from_secs(10));
    assert_eq!(world.stats(0).half_open, 0);
    let laptop = world.founder();
    world.join(0, &laptop, 0);
}

/// What a link costs before its peer has said anything: what the machine's types take, and nothing on the heap but the responder.
#[test]
fn g1_ten_thousand_silent_links_take_four_kibibytes_each_at_most_and_end_together() {
    const LINKS: usize = 10_000;
    assert!(size_of::<crate::relay::link::Link>() + size_of::<crate::channel::Responder>() <= 4096);
    let caps = RelayLimits { half_open: LINKS, links: LINKS + 10, links_per_origin: LINKS + 10, ..limits() };
    let mut world = World::with(1, RelayLimits { handshakes: (LINKS as u32 + 10, 1), ..caps });
    let empty = format!("{:?}", world.nodes[0].relay).len();
    let mut links = Vec::with_capacity(LINKS);
    for number in 0..LINKS {
        links.push(world.open(0, ORIGIN));
        if number.is_multiple_of(100) {
            // This world calls itself for every link that closes: not ten thousand deep.
            world.advance(Duration::from_millis(1));
        }
    }
    let each = (format!("{:?}", world.nodes[0].relay).len() - empty) / LINKS;
    assert!(each <= 4096, "{each} characters each");
    assert!(links.iter().all(|link| world.nodes[0].links[link].closed.is_none()));
    let over = world.open(0, ORIGIN);
    assert_eq!(world.nodes[0].links[&over].closed, Some(CloseReason::Limit(Capacity::HalfOpen)));
    world.advance(Duration::from_secs(10));
    assert_eq!(world.stats(0).half_open, 0);
    assert!(links.iter().all(|link| world.nodes[0].links[link].closed.is_some()));
    let laptop = world.founder();
    world.join(0, &laptop, 0);
}

#[test]
fn a_proven_link_no_longer_counts_as_half_open() {
    let mut world = World::with(1, RelayLimits { half_open: 1, ..limits() });
    let laptop = world.founder();
    for _ in 0..5 {
        world.join(0, &laptop, 0);
    }
    assert_eq!((world.stats(0).links, world.stats(0).half_open), (5, 0));
}

#[test]
fn links_are_capped_in_all_and_by_origin() {
    let mut world = World::with(1, RelayLimits { links: 4, links_per_origin: 2, ..limits() });
    let mut open = |origin| {
        let link = world.open(0, Origin([origin; 8]));
        (world.nodes[0].links[&link].closed, link)
    };
    assert_eq!(open(1).0, None);
    let (_, second) = open(1);
    assert_eq!(open(1).0, Some(CloseReason::Limit(Capacity::Origin)));
    assert_eq!(open(2).0, None);
    assert_eq!(open(3).0, None);
    assert_eq!(open(4).0, Some(CloseReason::Limit(Capacity::Links)));
    world.input(
        0,
        crate::relay::io::RelayInput::Link(crate::machine::LinkInput::Closed {
            link: second,
            cause: crate::machine::LinkFailure::Eof,
        }),
    );
    let link = world.open(0, Origin([1; 8]));
    assert_eq!(world.nodes[0].links[&link].closed, None, "an ended link makes room");
}

#[test]
fn g17_handshakes_of_one_origin_are_rationed() {
    let mut world = World::with(1, RelayLimits { handshakes: (3, 1), ..limits() });
    let laptop = world.founder();
    for _ in 0..3 {
        let peer = world.join(0, &laptop, 0);
        world.hang_up(&peer);
    }
    let link = world.open(0, ORIGIN);
    assert_eq!(world.nodes[0].links[&link].closed, Some(CloseReason::Limit(Capacity::Handshakes)));
    let other = world.open(0, Origin([8; 8]));
    assert_eq!(world.nodes[0].links[&other].closed, None, "another origin is not punished");
    world.advance(Duration::from_secs(1));
    world.join(0, &laptop, 0);
}

#[test]
fn pushed_bytes_of_one_device_are_rationed_by_lane() {
    let mut world = World::with(1, RelayLimits { push_bytes: (100, 10), ..limits() });
    let laptop = world.founder();
    let mut writer = world.join(0, &laptop, 0);
    let (a, b) = ("a".repeat(80), "b".repeat(80));
    world.say(&mut writer, &push(&[&a, &b]));
    let heard = world.hear(&mut writer);
    assert_eq!(heard[0], pushed(&[(&a, 1)]));
    let refusal = heard.iter().find_map(|message| match message {
        ToDevice::Error(refusal) => Some(*refusal),
        _ => None,
    });
    let refusal = refusal.expect("a refusal");
    assert_eq!((refusal.code, refusal.request), (WireCode::RateLimited, Request::Push(Lane::Data)));
    assert_eq!(refusal.retry_after, 6_000, "when it will fit");
    world.say(&mut writer, &ToRelay::Push { lane: Lane::Control, blobs: vec![blob("roster")] });
    assert!(world.hear(&mut writer).contains(&pushed(&[("roster", 2)])), "data does not starve the roster");

    let mut again = world.join(0, &laptop, 2);
    world.say(&mut again, &push(&[&b]));
    assert_eq!(plain(world.hear(&mut again)), [error(WireCode::RateLimited, Request::Push(Lane::Data))]);
    world.advance(Duration::from_secs(6));
    let mut third = world.join(0, &laptop, 2);
    world.say(&mut third, &push(&[&b]));
    assert_eq!(world.hear(&mut third)[0], pushed(&[(&b, 3)]));
}

#[test]
fn g4_new_groups_of_one_origin_are_rationed() {
    let mut world = World::with(1, RelayLimits { groups_per_day: 2, ..limits() });
    for n in 0..3 {
        let device = world.founder();
        let mut peer = world.join(0, &device, 0);
        world.say(&mut peer, &push(&["milk"]));
        let heard = plain(world.hear(&mut peer));
        let expected = match n {
            2 => error(WireCode::TooManyGroups, Request::Push(Lane::Data)),
            _ => pushed(&[("milk", 1)]),
        };
        assert_eq!(heard[0], expected);
    }
    assert_eq!(world.store.group_count(), 2);
}

#[test]
fn g5_a_full_group_refuses_by_name_and_still_answers_pulls() {
    let mut world = World::with(1, RelayLimits { group_blobs: 2, ..limits() });
    let laptop = world.founder();
    let mut peer = world.join(0, &laptop, 0);
    world.say(&mut peer, &push(&["milk", "eggs", "tea"]));
    assert!(plain(world.hear(&mut peer)).contains(&error(WireCode::GroupFull, Request::Push(Lane::Data))));
    world.say(&mut peer, &pull(0));
    assert_eq!(world.hear(&mut peer), [page(0, &[(1, "milk"), (2, "eggs")], 2, false)]);
    assert_eq!(world.stats(0).refused[&WireCode::GroupFull], 1);
    let other = world.founder();
    let mut other = world.join(0, &other, 0);
    world.say(&mut other, &push(&["milk"]));
    assert_eq!(world.hear(&mut other)[0], pushed(&[("milk", 1)]));
}

#[test]
fn g9_a_full_disk_refuses_pushes_answers_pulls_and_recovers() {
    let mut world = World::new();
    let laptop = world.founder();
    let mut peer = world.join(0, &laptop, 0);
    world.say(&mut peer, &push(&["milk"]));
    world.hear(&mut peer);
    world.store.set_room(10);
    let full = error(WireCode::DiskFull, Request::Push(Lane::Data));
    world.say(&mut peer, &push(&["a blob that does not fit"]));
    assert_eq!(plain(world.hear(&mut peer)), core::slice::from_ref(&full));
    world.say(&mut peer, &pull(0));
    assert_eq!(world.hear(&mut peer), [page(0, &[(1, "milk")], 1, false)]);

    let mut other = world.join(0, &laptop, 1);
    let ops = world.nodes[0].ops.len();
    world.say(&mut other, &push(&["x"]));
    assert_eq!(plain(world.hear(&mut other)), core::slice::from_ref(&full));
    assert_eq!(world.nodes[0].ops.len(), ops, "the store is left alone for a while");
    assert_eq!(world.store.log(&laptop.group.id), [(Cursor(1), blob("milk"))]);

    world.advance(Duration::from_secs(5));
    assert!(world.nodes[0].ops.iter().any(|op| matches!(op, RelayOp::Sweep { .. })), "what expired makes room");
    world.store.set_room(u64::MAX);
    world.say(&mut peer, &push(&["later"]));
    assert_eq!(plain(world.hear(&mut peer)), [full], "the lane that was refused stays so");
    let mut again = world.join(0, &laptop, 1);
    world.say(&mut again, &push(&["later"]));
    assert_eq!(world.hear(&mut again)[0], pushed(&[("later", 2)]));
    assert_eq!(world.nodes[0].stopped, 0);
    world.advance(Duration::from_secs(6));
    assert!(world.store.acked(&laptop.group.id, &laptop.keys.link().public()).is_some(), "kept over the full disk");
}

#[test]
fn g9_appends_in_flight_when_the_disk_fills_are_all_refused() {
    let mut world = World::new();
    let laptop = world.founder();
    let phone = world.member_of(&laptop);
    let (mut one, mut two) = (world.join(0, &laptop, 0), world.join(0, &phone, 0));
    world.store.set_room(3);
    world.store_waits = true;
    world.say(&mut one, &push(&["milk"]));
    world.say(&mut two, &push(&["x"]));
    world.store_answers();
    let full = error(WireCode::DiskFull, Request::Push(Lane::Data));
    assert_eq!(plain(world.hear(&mut one)), core::slice::from_ref(&full));
    assert_eq!(plain(world.hear(&mut two)), [full]);
    assert_eq!(world.stats(0).store_full, 2);
}

#[test]
fn a_link_is_not_read_while_the_store_has_too_much_of_it() {
    let mut world = World::with(1, RelayLimits { uncommitted_link: 10_000, ..limits() });
    let laptop = world.founder();
    let phone = world.member_of(&laptop);
    let mut peer = world.join(0, &laptop, 0);
    let other = world.join(0, &phone, 0);
    world.store_waits = true;
    world.say(&mut peer, &push(&[&"a".repeat(6_000)]));
    assert!(!world.wire(&peer).paused);
    world.say(&mut peer, &push(&[&"b".repeat(6_000)]));
    assert!(world.wire(&peer).paused);
    assert!(!world.wire(&other).paused, "the other link is read");
    world.store_answers();
    assert!(!world.wire(&peer).paused);
}

#[test]
fn senders_are_not_read_while_the_store_has_too_much_of_all() {
    let mut world = World::with(1, RelayLimits { uncommitted: 10_000, ..limits() });
    let devices: Vec<_> = (0..4).map(|_| world.founder()).collect();
    let mut peers: Vec<_> = devices.iter().map(|device| world.join(0, device, 0)).collect();
    world.store_waits = true;
    for peer in &mut peers[..3] {
        world.say(peer, &push(&[&"a".repeat(6_000)]));
    }
    let paused: Vec<_> = peers.iter().map(|peer| world.nodes[0].links[&peer.link].paused).collect();
    assert_eq!(paused, [false, true, true, false]);
    world.hang_up(&peers[1]);
    world.store_answers();
    assert!(!world.wire(&peers[2]).paused);
}

#[test]
fn what_a_link_left_waiting_when_it_ended_weighs_nothing_any_more() {
    let mut world = World::with(1, RelayLimits { uncommitted: 10_000, ..limits() });
    let (one, two) = (world.founder(), world.founder());
    let (mut first, mut second) = (world.join(0, &one, 0), world.join(0, &two, 0));
    world.store_waits = true;
    world.say(&mut first, &push(&["flies"]));
    world.say(&mut first, &push(&[&"waits".repeat(3_000)]));
    world.hang_up(&first);
    world.store_answers();
    world.say(&mut second, &push(&["x"]));
    assert!(!world.wire(&second).paused);
}

#[test]
fn g5_a_flood_of_tiny_blobs_meets_the_bound_too() {
    let mut world = World::with(1, RelayLimits { uncommitted_link: 10_000, ..limits() });
    let laptop = world.founder();
    let mut peer = world.join(0, &laptop, 0);
    world.store_waits = true;
    let blobs: Vec<_> = (0..200_u8).map(|n| Bytes::copy_from_slice(&[n])).collect();
    world.say(&mut peer, &ToRelay::Push { lane: Lane::Data, blobs });
    assert!(world.wire(&peer).paused);
}

#[test]
fn a_peer_that_asks_and_never_reads_is_not_read_either() {
    let window = 2048;
    let mut world = World::with(1, RelayLimits { window, ..limits() });
    let laptop = world.founder();
    let mut peer = world.join(0, &laptop, 0);
    world.wire(&peer).stuck = true;
    let mut pings = 0;
    while !world.wire(&peer).paused {
        world.say(&mut peer, &ToRelay::Ping);
        pings += 1;
        assert!(pings < 1000, "answers must not pile up");
    }
    assert!(world.wire(&peer).most_unwritten <= window + 64);
    world.unstick(&peer);
    assert!(!world.wire(&peer).paused);
    assert_eq!(world.hear(&mut peer).len(), pings, "each was answered");
}
