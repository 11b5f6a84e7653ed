//! What may be done to a machine's inputs without anybody noticing: client and relay, story by story.
//!
//! A law takes a tape, plays it again with something changed that must not matter, and wants the outputs of the tape, to the byte and
//! in order.

use std::time::Duration;

use bytes::Bytes;
use proptest::{prelude::*, strategy::ValueTree as _};
use zerok_core::{machine::LinkInput, time::Time};
use zerok_testkit::{
    recorder::{Entry, Tape},
    sim::Tapes,
};

use crate::{
    player::{Dice, Player, assert_alike, assert_unchanged, bytes_of, inputs},
    role::Role,
    story::{plain_story, story},
};

/// The same law for every machine of a story.
macro_rules! on_every_machine {
    ($tapes:expr, $dice:expr, $law:ident) => {{
        let Tapes { devices, relays } = $tapes;
        let mut dice = Dice($dice);
        devices.iter().for_each(|tape| $law(tape, &mut dice));
        relays.iter().for_each(|tape| $law(tape, &mut dice));
    }};
}
pub(crate) use on_every_machine;

/// Stories for each law: so many that all laws take half a minute. `PROPTEST_CASES` is the number of each, if set.
pub(crate) fn cases() -> ProptestConfig {
    ProptestConfig { cases: ProptestConfig::default().cases / 2, max_shrink_iters: 200, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn law_the_same_inputs_give_the_same_outputs_twice_in_one_process(story in story(), dice: u64) {
        on_every_machine!(story.tapes(), dice, replays);
    }

    #[test]
    fn law_machines_side_by_side_do_not_touch_each_other(story in story(), dice: u64) {
        let Tapes { devices, relays } = story.tapes();
        let mut dice = Dice(dice);
        devices.windows(2).for_each(|pair| side_by_side(&pair[0], &pair[1], &mut dice));
        for (device, relay) in devices.iter().zip(&relays) {
            side_by_side(device, relay, &mut dice);
        }
    }

    #[test]
    fn law_a_copy_goes_on_as_the_original(story in plain_story(), dice: u64) {
        on_every_machine!(story.tapes_of_members(), dice, copies);
    }

    #[test]
    fn law_e12_however_bytes_are_cut_the_outputs_are_the_same(story in story(), dice: u64) {
        on_every_machine!(story.tapes(), dice, rechunked);
    }

    #[test]
    fn law_it_does_not_matter_when_outputs_are_taken(story in story(), dice: u64) {
        on_every_machine!(story.tapes(), dice, drained_late);
    }

    #[test]
    fn law_ticks_before_the_deadline_change_nothing(story in story(), dice: u64) {
        on_every_machine!(story.tapes(), dice, ticked_early);
    }

    #[test]
    fn law_time_that_goes_backwards_stands_still(story in story(), dice: u64) {
        on_every_machine!(story.tapes(), dice, backwards);
    }

    #[test]
    fn law_what_comes_too_late_is_ignored(story in story(), dice: u64) {
        on_every_machine!(story.tapes(), dice, stale);
    }

    #[test]
    fn law_a_mistake_of_the_driver_is_named_and_changes_nothing(story in story(), dice: u64) {
        on_every_machine!(story.tapes(), dice, misused);
    }
}

/// The tape's own way of playing itself again, which takes outputs where they were taken.
fn replays<M: Role>(tape: &Tape<M>, dice: &mut Dice) {
    for _ in 0..2 {
        let (again, law) = (tape.replay(), "one seed and one list of inputs give one run");
        assert_eq!(tape.entries().len(), again.entries().len(), "{law}");
        assert_alike::<M>(tape.outputs(), again.outputs(), law);
        // To print all of it is dear.
        if dice.once_in(16) {
            assert_eq!(tape.difference(&again), None, "{law}");
        }
    }
}

/// Plays two tapes at once, a few inputs of this and a few of that.
fn side_by_side<A: Role, B: Role>(one: &Tape<A>, two: &Tape<B>, dice: &mut Dice) {
    let (mut first, mut second) = (Player::new(one), Player::new(two));
    let (mut ones, mut twos) = (inputs(one).peekable(), inputs(two).peekable());
    while ones.peek().is_some() || twos.peek().is_some() {
        let some = 1 + dice.below(5);
        if dice.once_in(2) {
            ones.by_ref().take(some).for_each(|(now, input)| first.play(now, input));
        } else {
            twos.by_ref().take(some).for_each(|(now, input)| second.play(now, input));
        }
    }
    let law = "nothing is shared between machines";
    assert_unchanged(one, &first.given, law);
    assert_unchanged(two, &second.given, law);
}

fn copies<M: Role>(tape: &Tape<M>, dice: &mut Dice) {
    let all: Vec<_> = inputs(tape).collect();
    let middle = dice.below(all.len());
    let mut player = Player::new(tape);
    all[..middle].iter().for_each(|(now, input)| player.play(*now, input));
    let mut copy = player.clone();
    for one in [&mut player, &mut copy] {
        all[middle..].iter().for_each(|(now, input)| one.play(*now, input));
        assert_unchanged(tape, &one.given, "the original and its copy");
    }
}

fn rechunked<M: Role>(tape: &Tape<M>, dice: &mut Dice) {
    let mut player = Player::new(tape);
    for (now, input) in inputs(tape) {
        // A timer that is due at this very time fires after what has arrived by then: between the pieces it would come too early.
        let due = player.machine.deadline().is_some_and(|due| due <= now);
        let Some((link, bytes)) = bytes_of::<M>(input).filter(|_| !due) else {
            player.play(now, input);
            continue;
        };
        for bytes in pieces(bytes, dice) {
            player.play(now, &M::link(LinkInput::Bytes { link, bytes }));
        }
    }
    assert_unchanged(tape, &player.given, "bytes may be split anywhere");
}

/// Sometimes whole, sometimes byte by byte at the front, where lengths and flags stand, and else anywhere.
fn pieces(bytes: Bytes, dice: &mut Dice) -> Vec<Bytes> {
    let mut rest = bytes;
    let mut pieces = Vec::new();
    let (front, cuts) = (dice.below(8), dice.below(4));
    for cut in 0..front + cuts {
        if rest.len() > 1 {
            let len = if cut < front { 1 } else { 1 + dice.below(rest.len() - 1) };
            pieces.push(rest.split_to(len));
        }
    }
    pieces.push(rest);
    pieces
}

fn drained_late<M: Role>(tape: &Tape<M>, dice: &mut Dice) {
    let mut player = Player::new(tape);
    for (now, input) in inputs(tape) {
        assert_eq!(player.tell(now, input.clone()), Ok(()));
        for _ in 0..dice.below(4) {
            player.take();
        }
    }
    player.drain();
    assert_unchanged(tape, &player.given, "an output may be taken late");
}

fn ticked_early<M: Role>(tape: &Tape<M>, dice: &mut Dice) {
    let mut player = Player::new(tape);
    let mut extra = 0;
    for (now, input) in inputs(tape) {
        let deadline = player.machine.deadline().unwrap_or(Time(u64::MAX));
        let latest = now.min(Time(deadline.0.saturating_sub(1)));
        if player.now <= latest && dice.once_in(3) {
            let between = usize::try_from(latest.since(player.now).as_micros()).unwrap_or(usize::MAX);
            let early = player.now + Duration::from_micros(dice.below(between.saturating_add(1)) as u64);
            assert_eq!(player.tell(early, M::tick()), Ok(()));
            assert_eq!(player.drain(), 0, "a tick before the deadline did something at {early:?}");
            assert_eq!(player.machine.deadline(), (deadline < Time(u64::MAX)).then_some(deadline));
            extra += 1;
        }
        player.play(now, input);
    }
    assert!(extra > 0 || inputs(tape).count() < 40);
    assert_unchanged(tape, &player.given, "a driver may wake a machine too often");
}

fn backwards<M: Role>(tape: &Tape<M>, dice: &mut Dice) {
    let mut player = Player::new(tape);
    for (now, input) in inputs(tape) {
        // Only what comes at the time of what came before it: the machine's clock is there already.
        let told =
            if now == player.now { Time(dice.below(usize::try_from(now.0).unwrap_or(1) + 1) as u64) } else { now };
        assert_eq!(player.tell(told, input.clone()), Ok(()));
        player.drain();
    }
    assert_unchanged(tape, &player.given, "time is clamped");
}

fn stale<M: Role>(tape: &Tape<M>, dice: &mut Dice) {
    let mut player = Player::new(tape);
    for (now, input) in inputs(tape) {
        let mut late = M::stale(&player.known);
        if dice.once_in(4) && !late.is_empty() {
            let late = late.swap_remove(dice.below(late.len()));
            let deadline = player.machine.deadline();
            let at = player.now;
            assert_eq!(player.machine.handle(at, late.clone()), Ok(()), "{late:?} is late and no mistake");
            assert_eq!(player.drain(), 0, "{late:?} is too late to do anything");
            assert_eq!(player.machine.deadline(), deadline, "{late:?}");
        }
        player.play(now, input);
    }
    assert_unchanged(tape, &player.given, "after an end there is always a race");
}

fn misused<M: Role>(tape: &Tape<M>, dice: &mut Dice) {
    let mut player = Player::new(tape);
    for (now, input) in inputs(tape) {
        if dice.once_in(8) && !player.known.stopped {
            let before = format!("{:?}", player.machine);
            for (mistake, expected) in M::mistakes(&player.known, &player.asked) {
                let at = now + Duration::from_secs(3600);
                assert_eq!(player.machine.handle(at, mistake.clone()), Err(expected), "{mistake:?}");
            }
            assert_eq!(format!("{:?}", player.machine), before, "a mistake changes the machine");
        }
        player.play(now, input);
    }
    assert_unchanged(tape, &player.given, "a mistake is as if it had not been made");
}

/// What the tape's entries say of its driver: it was drained late at times, or the laws above would say less than they seem to.
#[test]
fn the_stories_have_drivers_that_look_late() {
    let late = |entries: &[Entry<_, _>]| {
        entries.windows(2).any(|pair| matches!(pair, [Entry::Told { .. }, Entry::Told { .. }]))
    };
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let found = (0..40).any(|_| {
        let story = story().new_tree(&mut runner).expect("a story").current();
        story.tapes().devices.iter().any(|tape| late(tape.entries()))
    });
    assert!(found);
}
