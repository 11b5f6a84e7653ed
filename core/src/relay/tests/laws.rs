//! What holds whatever happens.

use bytes::Bytes;

use super::world::*;
use crate::{
    ids::{BatchId, Cursor, LinkId, LoadId, TransportId},
    limits::RelayLimits,
    machine::{LinkInput, Machine, Misuse, StoreInput},
    relay::{
        io::RelayInput,
        store::{RelayAnswer, RelayOutcome},
    },
    time::{Duration, Time},
    wire::message::ToRelay,
};

/// A day in the life of two machines: everything that is random comes from the seeds.
fn scenario(chunk: usize) -> World {
    let mut world = World::with(2, RelayLimits { idle: Duration::from_secs(300), ..limits() });
    world.recording = true;
    let laptop = world.founder();
    let phone = world.member_of(&laptop);
    let mut one = world.join(0, &laptop, 0);
    let mut two = world.join(1, &phone, 0);
    let silent = world.open(0, ORIGIN);
    for n in 0..30 {
        let message = push(&[&format!("blob {n}"), &"x".repeat(n * 100)]);
        let bytes = one.channel.as_mut().unwrap().seal(&crate::wire::codec::encode(&message));
        for piece in bytes.chunks(chunk) {
            world.bytes(0, one.link, Bytes::copy_from_slice(piece));
        }
        world.say(&mut two, &ToRelay::Ack { cursor: Cursor(n as u64) });
        world.say(&mut two, &pull(n as u64));
        world.advance(Duration::from_secs(1));
        world.hear(&mut one);
        world.hear(&mut two);
    }
    assert!(world.nodes[0].links[&silent].closed.is_some());
    world.say(&mut one, &ToRelay::MailboxOpen { code: mailbox(1), qr: mailbox(2) });
    let mut joiner = world.joiner(1);
    world.say(&mut joiner, &ToRelay::MailboxClaim { id: mailbox(2) });
    world.advance(Duration::from_secs(3600));
    world.input(0, RelayInput::Drain);
    world.input(1, RelayInput::Drain);
    assert_eq!((world.nodes[0].stopped, world.nodes[1].stopped), (1, 1));
    world
}

#[test]
fn h1_the_same_seeds_and_inputs_give_the_same_outputs_twice() {
    let (first, second) = (scenario(usize::MAX), scenario(usize::MAX));
    for (a, b) in first.nodes.iter().zip(&second.nodes) {
        assert!(a.transcript.len() > 100);
        assert_eq!(a.transcript, b.transcript);
    }
}

#[test]
fn e12_however_bytes_are_cut_the_outputs_are_the_same() {
    let (whole, cut) = (scenario(usize::MAX), scenario(7));
    for (a, b) in whole.nodes.iter().zip(&cut.nodes) {
        assert_eq!(a.transcript, b.transcript);
    }
}

#[test]
fn ticks_before_the_deadline_change_nothing() {
    let mut world = World::new();
    let laptop = world.founder();
    world.join(0, &laptop, 0);
    let deadline = world.nodes[0].relay.deadline().unwrap();
    for micros in [0, 1, 1000, deadline.since(world.now).as_micros() as u64 - 1] {
        let now = world.now + Duration::from_micros(micros);
        world.nodes[0].relay.handle(now, RelayInput::Tick).unwrap();
        assert!(world.nodes[0].relay.poll().is_none());
        assert_eq!(world.nodes[0].relay.deadline(), Some(deadline));
    }
}

#[test]
fn time_that_goes_backwards_is_taken_as_standing_still() {
    let mut world = World::new();
    let laptop = world.founder();
    let mut peer = world.join(0, &laptop, 0);
    world.now = Time(0);
    world.say(&mut peer, &push(&["milk"]));
    world.input(0, RelayInput::Tick);
    assert_eq!(world.hear(&mut peer)[0], pushed(&[("milk", 1)]));
}

#[test]
fn a_drivers_mistakes_are_reported_and_change_nothing() {
    let mut world = World::new();
    world.recording = true;
    let laptop = world.founder();
    let mut peer = world.join(0, &laptop, 0);
    world.store_waits = true;
    world.say(&mut peer, &push(&["milk"]));
    let before = (world.nodes[0].transcript.clone(), world.nodes[0].relay.deadline(), world.stats(0));
    let opened =
        |link| RelayInput::Link(LinkInput::Opened { link: LinkId(link), transport: TransportId::TCP, origin: ORIGIN });
    let persisted = |batch, outcomes| RelayInput::Store(StoreInput::Persisted { batch: BatchId(batch), outcomes });
    let head = Cursor(1);
    let wrong = RelayOutcome::Appended { before: Cursor(0), head, results: Vec::new() };
    let mistakes = [
        (opened(peer.link.0), Misuse::IdReused),
        (RelayInput::Link(LinkInput::Written { link: peer.link, len: 1 }), Misuse::WrittenTooMuch),
        (persisted(99, Vec::new()), Misuse::UnknownAnswer),
        (persisted(1, Vec::new()), Misuse::WrongAnswer),
        (persisted(1, vec![RelayOutcome::Swept(Vec::new())]), Misuse::WrongAnswer),
        (persisted(1, vec![wrong]), Misuse::WrongAnswer),
        (
            RelayInput::Store(StoreInput::Loaded { load: LoadId(99), answer: Ok(RelayAnswer::Heads(Vec::new())) }),
            Misuse::UnknownAnswer,
        ),
    ];
    for (mistake, expected) in mistakes {
        assert_eq!(world.try_input(0, mistake), Err(expected));
    }
    let after = (world.nodes[0].transcript.clone(), world.nodes[0].relay.deadline(), world.stats(0));
    assert_eq!(before, after);
    world.store_answers();
    assert_eq!(world.hear(&mut peer)[0], pushed(&[("milk", 1)]));
}

#[test]
fn a_batch_that_reports_is_not_passed_over() {
    let mut world = World::new();
    let (laptop, phone) = (world.founder(), world.founder());
    let (mut one, mut two) = (world.join(0, &laptop, 0), world.join(0, &phone, 0));
    world.store_waits = true;
    world.say(&mut one, &push(&["milk"]));
    world.say(&mut two, &push(&["eggs"]));
    let (_, second) = (world.next_answer(0), world.next_answer(0));
    assert_eq!(world.try_input(0, RelayInput::Store(second)), Err(Misuse::WrongAnswer));
}

#[test]
fn g13_sweeps_come_at_their_interval_by_the_relays_clock() {
    let mut world = World::new();
    let laptop = world.founder();
    let mut peer = world.join(0, &laptop, 0);
    world.say(&mut peer, &push(&["milk"]));
    world.hear(&mut peer);
    world.advance(limits().sweep * 3);
    assert_eq!(world.stats(0).sweeps, 3);
    world.advance(limits().retention);
    let mut again = world.dial(0, &laptop, 0);
    let (welcome, page) = world.welcome(&mut again);
    assert_eq!((welcome.head, welcome.floor), (Cursor(1), Cursor(1)), "the floor is announced");
    assert_eq!((page.entries.len(), page.floor, page.more), (0, Cursor(1), false));
}
