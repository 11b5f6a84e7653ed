//! Pairing's mailboxes, over one machine and two.

use super::world::*;
use crate::{
    error::{CloseReason, Misbehaviour},
    limits::{INVITE_TTL, MAX_MAILBOX_MESSAGES, RelayLimits},
    machine::{Origin, StoreFailure},
    time::Duration,
    wire::message::{Request, ToDevice, ToRelay, WireCode},
};

fn open(code: u8, qr: u8) -> ToRelay {
    ToRelay::MailboxOpen { code: mailbox(code), qr: mailbox(qr) }
}

fn claim(id: u8) -> ToRelay {
    ToRelay::MailboxClaim { id: mailbox(id) }
}

fn send(id: u8, text: &str) -> ToRelay {
    ToRelay::MailboxSend { id: mailbox(id), body: blob(text) }
}

fn opened(id: u8) -> ToDevice {
    ToDevice::MailboxOpened { id: mailbox(id) }
}

fn message(id: u8, text: &str) -> ToDevice {
    ToDevice::MailboxMessage { id: mailbox(id), body: blob(text) }
}

fn closed(id: u8) -> ToDevice {
    ToDevice::MailboxClosed { id: mailbox(id) }
}

fn refused(id: u8, code: WireCode) -> ToDevice {
    error(code, Request::Mailbox(mailbox(id)))
}

#[test]
fn b1_two_sides_exchange_messages_on_one_machine_and_across_two() {
    for nodes in [[0, 0], [0, 1]] {
        let mut world = World::with(2, limits());
        let laptop = world.founder();
        let mut creator = world.join(nodes[0], &laptop, 0);
        world.say(&mut creator, &open(1, 2));
        assert_eq!(world.hear(&mut creator), [opened(1)]);
        let mut joiner = world.joiner(nodes[1]);
        world.say_all(&mut joiner, &[claim(2), send(2, "e")]);
        assert_eq!(world.hear(&mut joiner), [opened(2)], "the message waited for the claim, not for a round trip");
        assert_eq!(world.hear(&mut creator), [closed(1), message(2, "e")], "the claim of one closes the other");
        world.say(&mut creator, &send(2, "e, ee"));
        assert_eq!(world.hear(&mut joiner), [message(2, "e, ee")]);
        world.say(&mut creator, &ToRelay::MailboxClose { id: mailbox(1) });
        assert_eq!(world.hear(&mut joiner), [closed(2)], "either name of an invite ends it");
        assert_eq!(world.hear(&mut creator), [closed(2)]);
        assert_eq!(world.store.mailbox_count(), 0);
    }
}

#[test]
fn b2_unknown_ended_and_expired_mailboxes_are_answered_alike() {
    let mut world = World::new();
    let laptop = world.founder();
    let mut creator = world.join(0, &laptop, 0);
    world.say(&mut creator, &open(1, 2));
    world.say(&mut creator, &open(3, 4));
    world.say(&mut creator, &ToRelay::MailboxClose { id: mailbox(3) });
    world.hang_up(&creator);
    world.advance(INVITE_TTL);
    let mut shapes = Vec::new();
    for id in [1, 2, 3, 9] {
        let mut joiner = world.joiner(0);
        let ops = world.nodes[0].ops.len();
        world.say(&mut joiner, &claim(id));
        shapes.push((world.wire(&joiner).bytes.len(), world.nodes[0].ops.len() - ops));
        assert_eq!(world.hear(&mut joiner), [refused(id, WireCode::InviteUnknown)]);
        assert_eq!(world.closed(&joiner), None);
    }
    assert!(shapes.windows(2).all(|pair| pair[0] == pair[1]), "{shapes:?}");
}

#[test]
fn b5_of_two_joiners_one_wins_and_the_other_is_told() {
    let mut world = World::with(2, limits());
    let laptop = world.founder();
    let mut creator = world.join(0, &laptop, 0);
    world.say(&mut creator, &open(1, 2));
    let (mut one, mut two) = (world.joiner(0), world.joiner(1));
    world.say(&mut one, &claim(1));
    world.say(&mut two, &claim(1));
    assert_eq!(world.hear(&mut one), [opened(1)]);
    assert_eq!(world.hear(&mut two), [refused(1, WireCode::InviteUsed)]);
    world.say(&mut two, &send(1, "me too"));
    assert_eq!(world.hear(&mut two), [refused(1, WireCode::InviteUnknown)], "it has no side to speak from");
    let mut three = world.joiner(0);
    world.say(&mut three, &claim(2));
    assert_eq!(world.hear(&mut three), [refused(2, WireCode::InviteUnknown)], "the twin is closed");
}

#[test]
fn a_creator_that_comes_back_attaches_to_what_is_left_and_hears_all_messages_again() {
    let mut world = World::with(2, limits());
    let laptop = world.founder();
    let mut creator = world.join(0, &laptop, 0);
    world.say(&mut creator, &open(1, 2));
    let mut joiner = world.joiner(0);
    world.say_all(&mut joiner, &[claim(1), send(1, "one")]);
    world.hang_up(&creator);
    world.say(&mut joiner, &send(1, "two"));
    let mut again = world.join(1, &laptop, 0);
    world.say(&mut again, &open(1, 2));
    assert_eq!(world.hear(&mut again), [opened(1), message(1, "one"), message(1, "two")]);
    world.say(&mut again, &send(1, "three"));
    world.hear(&mut joiner);
    world.say(&mut joiner, &send(1, "four"));
    assert_eq!(world.hear(&mut again), [message(1, "four")]);
    let mut late = world.joiner(0);
    world.say(&mut late, &claim(2));
    assert_eq!(
        world.hear(&mut late),
        [refused(2, WireCode::InviteUnknown)],
        "coming back does not open the twin again"
    );
}

#[test]
fn a_last_word_left_just_before_the_end_is_still_heard() {
    let mut world = World::with(2, limits());
    let laptop = world.founder();
    let mut creator = world.join(0, &laptop, 0);
    world.say(&mut creator, &open(1, 2));
    let mut joiner = world.joiner(1);
    world.say(&mut joiner, &claim(1));
    world.hear(&mut creator);
    world.store_waits = true;
    world.say_all(&mut joiner, &[send(1, "done"), ToRelay::MailboxClose { id: mailbox(1) }]);
    world.store_answers();
    assert_eq!(world.hear(&mut creator), [message(1, "done"), closed(1)]);
    world.say(&mut creator, &open(1, 2));
    world.store_answers();
    assert_eq!(world.hear(&mut creator), [refused(1, WireCode::InviteUnknown)], "an ended invite stays ended");
}

#[test]
fn only_members_open_and_only_joiners_claim() {
    let mut world = World::new();
    for request in [open(1, 2), push(&["milk"]), pull(0)] {
        let mut joiner = world.joiner(0);
        world.say(&mut joiner, &request);
        assert_eq!(world.hear(&mut joiner), [error(WireCode::OutOfState, Request::Link)]);
        assert_eq!(world.closed(&joiner), Some(CloseReason::PeerMisbehaved(Misbehaviour::OutOfState)));
    }
    let laptop = world.founder();
    let mut member = world.join(0, &laptop, 0);
    world.say(&mut member, &claim(1));
    assert_eq!(world.closed(&member), Some(CloseReason::PeerMisbehaved(Misbehaviour::OutOfState)));
    assert_eq!(world.store.mailbox_count(), 0);
}

#[test]
fn a_joiner_has_one_mailbox() {
    let mut world = World::new();
    let laptop = world.founder();
    let mut creator = world.join(0, &laptop, 0);
    world.say(&mut creator, &open(1, 2));
    world.say(&mut creator, &open(3, 4));
    let mut joiner = world.joiner(0);
    world.say(&mut joiner, &claim(1));
    world.say(&mut joiner, &claim(1));
    assert_eq!(world.hear(&mut joiner), [opened(1), opened(1)], "to attach again is fine");
    world.say(&mut joiner, &claim(3));
    assert_eq!(world.closed(&joiner), Some(CloseReason::PeerMisbehaved(Misbehaviour::OutOfState)));
}

#[test]
fn an_open_mailbox_of_another_group_cannot_be_attached_to() {
    let mut world = World::new();
    let (laptop, stranger) = (world.founder(), world.founder());
    let mut creator = world.join(0, &laptop, 0);
    world.say(&mut creator, &open(1, 2));
    let mut thief = world.join(0, &stranger, 0);
    world.say(&mut thief, &open(1, 2));
    assert_eq!(world.hear(&mut thief), [refused(1, WireCode::InviteUnknown)]);
    world.say(&mut thief, &ToRelay::MailboxClose { id: mailbox(1) });
    assert_eq!(world.hear(&mut thief), [refused(1, WireCode::InviteUnknown)]);
    assert_eq!(world.store.mailbox_count(), 2);
}

#[test]
fn b10_open_mailboxes_of_a_group_are_bounded_and_none_is_left_half_open() {
    let mut world = World::with(1, RelayLimits { mailboxes_per_group: 3, ..limits() });
    let laptop = world.founder();
    let mut creator = world.join(0, &laptop, 0);
    world.say(&mut creator, &open(1, 2));
    world.say(&mut creator, &open(3, 4));
    assert_eq!(world.hear(&mut creator), [opened(1), refused(3, WireCode::MailboxFull)]);
    assert_eq!(world.store.mailbox_count(), 2);
}

#[test]
fn a_stranger_with_ever_new_groups_opens_no_more_mailboxes_than_its_origin_may() {
    let mut world = World::with(1, RelayLimits { mailboxes_per_origin: 4, mailboxes: 6, ..limits() });
    let minted = |world: &mut World, origin: u8, id: u8| {
        let stranger = world.founder();
        let mut creator = world.join_from(0, &stranger, Origin([origin; 8]));
        world.say(&mut creator, &open(id, id + 1));
        let heard = world.hear(&mut creator);
        world.say(&mut creator, &ToRelay::MailboxClose { id: mailbox(id) });
        world.hang_up(&creator);
        heard
    };
    assert_eq!(minted(&mut world, 1, 1), [opened(1)]);
    assert_eq!(minted(&mut world, 1, 3), [opened(3)]);
    let ops = world.nodes[0].ops.len();
    assert_eq!(minted(&mut world, 1, 5), [refused(5, WireCode::MailboxFull)], "those that ended left their messages");
    assert_eq!(world.nodes[0].ops.len(), ops, "the store is not asked");
    assert_eq!(minted(&mut world, 2, 5), [opened(5)], "another origin is not punished");
    assert_eq!(minted(&mut world, 3, 7), [refused(7, WireCode::MailboxFull)], "the relay has a bound in all");
    world.advance(INVITE_TTL);
    assert_eq!(minted(&mut world, 1, 9), [opened(9)]);
}

#[test]
fn mailbox_bytes_are_rationed_by_device_and_by_origin() {
    let weight = 256 + 1;
    let mut world = World::with(1, RelayLimits { push_bytes: (3 * weight, weight), ..limits() });
    let laptop = world.founder();
    let mut creator = world.join(0, &laptop, 0);
    world.say(&mut creator, &open(1, 2));
    let mut joiner = world.joiner(0);
    world.say(&mut joiner, &claim(1));
    world.hear(&mut joiner);
    world.hear(&mut creator);
    for _ in 0..2 {
        world.say(&mut creator, &send(1, "x"));
    }
    world.say(&mut joiner, &send(1, "x"));
    assert_eq!(world.hear(&mut joiner), [message(1, "x"), message(1, "x")]);
    let ops = world.nodes[0].ops.len();
    world.say(&mut joiner, &send(1, "x"));
    assert_eq!(plain(world.hear(&mut joiner)), [refused(1, WireCode::RateLimited)], "the origin's is empty");
    assert_eq!(world.nodes[0].ops.len(), ops);
    world.advance(Duration::from_secs(1));
    world.say(&mut joiner, &send(1, "x"));
    assert_eq!(world.hear(&mut joiner), []);
}

#[test]
fn a_side_may_leave_so_many_messages_and_no_more() {
    let mut world = World::new();
    let laptop = world.founder();
    let mut creator = world.join(0, &laptop, 0);
    world.say(&mut creator, &open(1, 2));
    let mut joiner = world.joiner(0);
    world.say(&mut joiner, &claim(1));
    world.hear(&mut joiner);
    world.hear(&mut creator);
    for n in 0..MAX_MAILBOX_MESSAGES {
        world.say(&mut joiner, &send(1, &n.to_string()));
    }
    assert_eq!(world.hear(&mut joiner), []);
    assert_eq!(world.hear(&mut creator).len(), MAX_MAILBOX_MESSAGES as usize);
    world.say(&mut joiner, &send(1, "one more"));
    assert_eq!(world.hear(&mut joiner), [refused(1, WireCode::MailboxFull)]);
}

#[test]
fn b6_an_invite_ends_after_its_time_and_both_sides_are_told() {
    let mut world = World::with(2, limits());
    let laptop = world.founder();
    let mut creator = world.join(0, &laptop, 0);
    world.say(&mut creator, &open(1, 2));
    let mut joiner = world.joiner(1);
    world.say(&mut joiner, &claim(1));
    world.hear(&mut creator);
    world.hear(&mut joiner);
    world.advance(INVITE_TTL - Duration::from_millis(1));
    assert_eq!(world.hear(&mut creator), []);
    world.advance(Duration::from_millis(1));
    assert_eq!(world.hear(&mut creator), [closed(1)]);
    assert_eq!(world.hear(&mut joiner), [closed(1)]);
}

#[test]
fn a_mailbox_waits_for_a_reader_that_is_slow() {
    let window = 4096;
    let mut world = World::with(1, RelayLimits { window, ..limits() });
    let laptop = world.founder();
    let mut creator = world.join(0, &laptop, 0);
    world.say(&mut creator, &open(1, 2));
    let mut joiner = world.joiner(0);
    world.say(&mut joiner, &claim(1));
    world.hear(&mut creator);
    world.wire(&creator).stuck = true;
    let texts: Vec<_> = (0..20).map(|n| format!("{n:0>1000}")).collect();
    for text in &texts {
        world.say(&mut joiner, &send(1, text));
    }
    assert!(world.wire(&creator).most_unwritten < window + 1100);
    world.unstick(&creator);
    let all: Vec<_> = texts.iter().map(|text| message(1, text)).collect();
    assert_eq!(world.hear(&mut creator), all, "every message, once and in order");
}

#[test]
fn after_lost_announcements_mailboxes_are_read_again() {
    let mut world = World::with(2, limits());
    let laptop = world.founder();
    let mut creator = world.join(0, &laptop, 0);
    world.say(&mut creator, &open(1, 2));
    world.hear(&mut creator);
    world.announcing = false;
    let mut joiner = world.joiner(1);
    world.say_all(&mut joiner, &[claim(1), send(1, "e")]);
    assert_eq!(world.hear(&mut creator), []);
    world.input(0, crate::relay::io::RelayInput::AnnouncedUnknown);
    let heard = world.hear(&mut creator);
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert!(heard.contains(&closed(2)) && heard.contains(&message(1, "e")));
}

#[test]
fn b9_guessing_mailboxes_costs_as_much_as_new_links() {
    let mut world = World::with(1, RelayLimits { handshakes: (5, 1), ..limits() });
    let mut joiner = world.joiner(0);
    for id in 1..=4 {
        world.say(&mut joiner, &claim(id));
        assert_eq!(world.hear(&mut joiner), [refused(id, WireCode::InviteUnknown)]);
    }
    let ops = world.nodes[0].ops.len();
    world.say(&mut joiner, &claim(5));
    assert_eq!(plain(world.hear(&mut joiner)), [refused(5, WireCode::RateLimited)]);
    assert_eq!(world.nodes[0].ops.len(), ops);
}

/// A hundred thousand guesses over links that each ask a hundred times, beside one invite that is open.
#[test]
fn b9_a_hundred_thousand_guesses_hit_nothing_and_are_answered_alike() {
    let mut world = World::with(1, RelayLimits { handshakes: (200_000, 1), ..limits() });
    let laptop = world.founder();
    let mut creator = world.join(0, &laptop, 0);
    world.say(&mut creator, &open(1, 2));
    world.hear(&mut creator);
    let mut draw = crate::rng::Seed::new([4; 32]).draw("guesses");
    for _ in 0..1000 {
        let mut joiner = world.joiner(0);
        for _ in 0..100 {
            let id = crate::ids::MailboxId(draw.bytes());
            world.say(&mut joiner, &ToRelay::MailboxClaim { id });
            assert_eq!(world.hear(&mut joiner), [error(WireCode::InviteUnknown, Request::Mailbox(id))]);
        }
        world.hang_up(&joiner);
    }
    assert_eq!(world.store.mailbox_count(), 2);
    let mut honest = world.joiner(0);
    world.say(&mut honest, &claim(1));
    assert_eq!(world.hear(&mut honest), [opened(1)]);
}

#[test]
fn requests_behind_a_claim_are_bounded() {
    let mut world = World::new();
    let mut joiner = world.joiner(0);
    world.store_waits = true;
    world.say(&mut joiner, &claim(1));
    for _ in 0..16 {
        world.say(&mut joiner, &send(1, "x"));
    }
    assert_eq!(world.closed(&joiner), None);
    world.say(&mut joiner, &send(1, "x"));
    assert_eq!(world.closed(&joiner), Some(CloseReason::PeerMisbehaved(Misbehaviour::OutOfState)));
}

#[test]
fn a_full_disk_refuses_mailbox_requests_by_name() {
    let mut world = World::new();
    let laptop = world.founder();
    let mut creator = world.join(0, &laptop, 0);
    world.store_waits = true;
    world.say(&mut creator, &open(1, 2));
    let (batch, failure) = match world.next_answer(0) {
        crate::machine::StoreInput::Persisted { batch, .. } => (batch, StoreFailure::Full),
        other => panic!("{other:?}"),
    };
    world.input(0, crate::relay::io::RelayInput::Store(crate::machine::StoreInput::PersistFailed { batch, failure }));
    assert_eq!(plain(world.hear(&mut creator)), [refused(1, WireCode::DiskFull)]);
    world.say(&mut creator, &open(1, 2));
    assert_eq!(plain(world.hear(&mut creator)), [refused(1, WireCode::DiskFull)]);
}
