//! What comes out of a machine, whatever went in: when it wants to be woken, numbers, credit, answers, and the end.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use zerok_core::{
    client::Client,
    ids::{CommandId, LinkId},
    relay::{Relay, io::RelayInput},
    time::Time,
    wire::message::{ToDevice, ToRelay},
};
use zerok_testkit::{
    recorder::Tape,
    sim::{Said, Tap, Tapes},
};

use crate::{
    player::{Dice, Player, bytes_of, closes, commands, inputs, taken_at_once, transmitted},
    role::{Number, Role},
    story::{WINDOW, plain_story, story},
    tapes::{cases, on_every_machine},
};

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn law_a_machine_woken_at_its_deadline_is_not_due_again(story in story(), dice: u64) {
        on_every_machine!(story.tapes(), dice, deadlines);
    }

    #[test]
    fn law_nothing_comes_of_itself(story in story(), dice: u64) {
        on_every_machine!(story.tapes(), dice, quiet);
    }

    #[test]
    fn law_numbers_go_up_one_by_one(story in story(), dice: u64) {
        on_every_machine!(story.tapes(), dice, numbered);
    }

    #[test]
    fn law_unwritten_bytes_stay_within_the_window_and_one_message(story in story(), dice: u64) {
        on_every_machine!(story.tapes(), dice, credit);
    }

    #[test]
    fn law_a_link_is_closed_once_and_nothing_is_sent_after_it(story in story(), dice: u64) {
        on_every_machine!(story.tapes(), dice, closed);
    }

    #[test]
    fn law_nothing_comes_after_the_end(story in story(), dice: u64) {
        on_every_machine!(story.tapes(), dice, ended);
    }

    #[test]
    fn law_each_command_has_one_answer(story in story()) {
        let Tapes { devices, .. } = story.tapes();
        devices.iter().for_each(answered);
    }

    #[test]
    fn law_no_request_of_a_device_is_answered_twice(story in plain_story()) {
        let Tapes { relays, .. } = story.tapes();
        relays.iter().for_each(served);
    }
}

/// After every input and, where the tape ends, at every deadline for an hour.
fn deadlines<M: Role>(tape: &Tape<M>, dice: &mut Dice) {
    let all: Vec<_> = inputs(tape).collect();
    let mut player = Player::new(tape);
    for (now, input) in &all[..dice.below(all.len() + 1)] {
        player.play(*now, input);
        assert!(player.machine.deadline().is_none_or(|due| due > player.now), "due at once after {input:?}");
    }
    let until = player.now + std::time::Duration::from_secs(3600);
    for _ in 0..500 {
        let Some(due) = player.machine.deadline().filter(|due| *due <= until) else { break };
        assert_eq!(player.tell(due, M::tick()), Ok(()));
        player.drain();
        assert!(player.machine.deadline().is_none_or(|next| next > due), "it would spin at {due:?}");
    }
}

/// A drained machine stays drained, and looking at it changes nothing.
fn quiet<M: Role>(tape: &Tape<M>, dice: &mut Dice) {
    let mut player = Player::new(tape);
    for (now, input) in inputs(tape) {
        player.play(now, input);
        if dice.once_in(8) {
            let before = (format!("{:?}", player.machine), player.machine.deadline());
            assert_eq!(player.drain(), 0);
            assert_eq!((format!("{:?}", player.machine), player.machine.deadline()), before);
        }
    }
}

fn numbered<M: Role>(tape: &Tape<M>, _: &mut Dice) {
    let (mut batches, mut loads, mut links) = (None, None, None);
    for output in tape.outputs() {
        let (counter, number) = match M::numbered(output) {
            Some(Number::Batch(batch)) => (&mut batches, batch.0),
            Some(Number::Load(load)) => (&mut loads, load.0),
            Some(Number::Link(link)) => (&mut links, link.0),
            None => continue,
        };
        let expected = counter.map_or(number, |last: u64| last + 1);
        assert_eq!(number, expected, "{output:?}");
        *counter = Some(number);
    }
    assert!(loads.is_some(), "a machine asks its store");
}

fn credit<M: Role>(tape: &Tape<M>, _: &mut Dice) {
    let mut player = Player::new(tape);
    for (now, input) in inputs(tape) {
        assert_eq!(player.tell(now, input.clone()), Ok(()));
        loop {
            let before = player.known.links.clone();
            let Some(output) = player.take() else { break };
            if let Some((link, _)) = transmitted::<M>(&output)
                && let Some(unwritten) = before.get(&link)
            {
                assert!(*unwritten < WINDOW, "{unwritten} bytes are out on {link:?}, and more follow");
            }
        }
    }
}

fn closed<M: Role>(tape: &Tape<M>, _: &mut Dice) {
    let mut over: BTreeSet<LinkId> = BTreeSet::new();
    for output in tape.outputs() {
        if let Some(link) = closes::<M>(output) {
            assert!(over.insert(link), "{link:?} is closed twice");
        } else if let Some((link, len)) = transmitted::<M>(output) {
            assert!(len > 0 && !over.contains(&link), "bytes for {link:?} after its end");
        }
    }
}

fn ended<M: Role>(tape: &Tape<M>, dice: &mut Dice) {
    let mut player = Player::new(tape);
    inputs(tape).for_each(|(now, input)| player.play(now, input));
    let Some(end) = player.given.iter().position(M::is_stopped) else { return };
    let answers_only = |outputs: &[M::Output]| outputs.iter().all(|output| M::done(output).is_some());
    assert!(answers_only(&player.given[end + 1..]), "{:?}", &player.given[end + 1..]);
    for input in M::after_the_end(&player.known) {
        let before = player.given.len();
        let at = player.now + std::time::Duration::from_secs(dice.below(100_000) as u64);
        let asked = M::command_of(&input);
        assert_eq!(player.tell(at, input.clone()), Ok(()));
        player.drain();
        let said: Vec<_> = player.given[before..].iter().map(M::done).collect();
        assert_eq!(said, asked.map(Some).into_iter().collect::<Vec<_>>(), "{input:?}");
        assert_eq!(player.machine.deadline(), None, "{input:?}");
    }
}

/// A process that ended by itself has answered everything; one that was killed, nothing twice.
fn answered(tape: &Tape<Client>) {
    let mut answers: BTreeMap<CommandId, usize> = commands(tape).into_iter().map(|command| (command, 0)).collect();
    // All of its outputs, also those that a driver who looks late had not taken when the process was killed.
    let given = taken_at_once(tape).given;
    for command in given.iter().filter_map(Client::done) {
        let count = answers.get_mut(&command).expect("only commands are answered");
        *count += 1;
        assert_eq!(*count, 1, "{command:?} is answered twice");
    }
    if given.iter().any(Client::is_stopped) {
        assert!(answers.values().all(|count| *count == 1), "never answered: {answers:?}");
    }
}

/// What a link's peer asked for, and what it was told.
#[derive(Default)]
struct Talk {
    up: Tap,
    down: Tap,
    pulls: usize,
    pages: usize,
    blobs: usize,
    stored: usize,
}

/// On each link: a page for a pull, a word for a blob, and never more.
fn served(tape: &Tape<Relay>) {
    let mut talks: BTreeMap<LinkId, Talk> = BTreeMap::new();
    let mut player = Player::new(tape);
    for (now, input) in inputs(tape) {
        if let Some((link, bytes)) = bytes_of::<Relay>(input) {
            let talk = talks.entry(link).or_default();
            for said in talk.up.device_says(&bytes) {
                match said {
                    Said::ToRelay(ToRelay::Pull(_)) => talk.pulls += 1,
                    Said::ToRelay(ToRelay::Push { blobs, .. }) => talk.blobs += blobs.len(),
                    _ => {}
                }
            }
        }
        let before = player.given.len();
        player.play(now, input);
        for output in &player.given[before..] {
            let Some(zerok_core::machine::LinkOutput::Transmit { link, bytes }) = Relay::output_of(output) else {
                continue;
            };
            let talk = talks.entry(*link).or_default();
            for said in talk.down.relay_says(bytes) {
                match said {
                    Said::ToDevice(ToDevice::Page(_)) => talk.pages += 1,
                    Said::ToDevice(ToDevice::Pushed { stored }) => talk.stored += stored.len(),
                    _ => {}
                }
            }
            assert!(talk.pages <= talk.pulls, "{} pages for {} pulls on {link:?}", talk.pages, talk.pulls);
            assert!(talk.stored <= talk.blobs, "{} words for {} blobs on {link:?}", talk.stored, talk.blobs);
        }
    }
    let drained = inputs(tape).any(|(_, input)| matches!(input, RelayInput::Drain));
    assert!(drained || player.now > Time(0));
}
