//! Every order in which things can happen, up to a bound: a model checker over the real client and the real relay.
//!
//! Each test is one scope: what is pushed, and how many crashes, cuts and timers a path may have. A crash keeps any prefix of the
//! batches that were on their way to the disk. A rule that breaks is printed with the path that breaks it.

#[cfg(feature = "bugs")]
mod bugs;
mod universe;
mod witness;

use stateright::{Checker, Model, Property};
use zerok_core::channel::ChannelKind;

use self::{
    universe::{Action, Budget, Universe},
    witness::Broken,
};

#[path = "../scenarios/common.rs"]
#[allow(dead_code, reason = "shared with the scenarios")]
mod common;

/// The rules, each under the name by which a broken one is reported.
const RULES: [(&str, Broken); 7] = [
    ("what an application knows to be synced is on the relay's disk", Broken::AckedNotHeld),
    ("what an application knows to be queued is on some disk", Broken::AcceptedNotHeld),
    ("no frame leaves a device before its batch", Broken::SaidBeforeDurable),
    ("no frame leaves the relay before its batch", Broken::ShownBeforeDurable),
    ("no record stands twice in the log", Broken::RepeatedInLog),
    ("every inbox has each record once, in order, without holes", Broken::WrongInbox),
    ("no position is used twice", Broken::PositionReused),
];
const COMPLETE: &str = "everything arrives";
const RECOVERED: &str = "everything arrives after a crash";

/// A group of two, asleep; what each of them will push; what may go wrong.
struct Scope {
    start: Universe,
    crashes: bool,
}

impl Scope {
    fn new(laptop: &[&'static str], phone: &[&'static str], budget: Budget) -> Self {
        let (mut world, first, second) = common::pair(ChannelKind::Plain);
        for device in [first, second] {
            world.kill_device(device);
        }
        world.kill_relay();
        let of = |device: usize, pushes: &[&'static str]| {
            let node = &world.devices[device];
            (node.store.clone(), node.key_bytes(), pushes.to_vec())
        };
        let devices = vec![of(first, laptop), of(second, phone)];
        let start = Universe::start(devices, world.relay.store.clone(), *world.relay.secret().as_bytes(), budget);
        Self { start, crashes: budget.device_crashes + budget.relay_crashes > 0 }
    }

    /// Searches up to so many states: no rule is ever broken, and the good end is reached.
    #[allow(clippy::print_stdout, reason = "the figures are part of the report")]
    fn search(self, name: &str, states: usize) {
        let crashes = self.crashes;
        let checker = self.checker().target_state_count(states).spawn_dfs().join();
        for (rule, _) in RULES {
            checker.assert_no_discovery(rule);
        }
        checker.assert_any_discovery(COMPLETE);
        if crashes {
            checker.assert_any_discovery(RECOVERED);
        }
        println!("model {name}: {} unique states, depth {}", checker.unique_state_count(), checker.max_depth());
    }
}

impl Model for Scope {
    type State = Universe;
    type Action = Action;

    fn init_states(&self) -> Vec<Universe> {
        vec![self.start.clone()]
    }

    fn actions(&self, state: &Universe, actions: &mut Vec<Action>) {
        state.actions(actions);
    }

    fn next_state(&self, last: &Universe, action: Action) -> Option<Universe> {
        let mut next = last.clone();
        next.happen(action);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::sometimes(COMPLETE, |_, state: &Universe| state.is_complete()),
            Property::sometimes(RECOVERED, |_, state: &Universe| state.is_complete() && state.was_killed()),
        ];
        properties.extend([
            Property::always(RULES[0].0, |_, state: &Universe| !state.witness.saw(RULES[0].1)),
            Property::always(RULES[1].0, |_, state: &Universe| !state.witness.saw(RULES[1].1)),
            Property::always(RULES[2].0, |_, state: &Universe| !state.witness.saw(RULES[2].1)),
            Property::always(RULES[3].0, |_, state: &Universe| !state.witness.saw(RULES[3].1)),
            Property::always(RULES[4].0, |_, state: &Universe| !state.witness.saw(RULES[4].1)),
            Property::always(RULES[5].0, |_, state: &Universe| !state.witness.saw(RULES[5].1)),
            Property::always(RULES[6].0, |_, state: &Universe| !state.witness.saw(RULES[6].1)),
        ]);
        properties
    }
}

/// More than any scope here has: each is searched to its end.
const WHOLE: usize = 2_000_000;
const CALM: Budget = Budget { device_crashes: 0, relay_crashes: 0, cuts: 0, ticks: 0 };

#[test]
fn load_one_writer_and_one_reader_in_any_order() {
    Scope::new(&["one", "two"], &[], CALM).search("calm", WHOLE);
}

#[test]
fn load_a_device_dies_twice() {
    Scope::new(&["one"], &[], Budget { device_crashes: 2, ..CALM }).search("two device crashes", WHOLE);
}

#[test]
fn load_both_write() {
    Scope::new(&["one"], &["two"], CALM).search("both", WHOLE);
}

#[test]
fn load_the_relay_dies_and_is_dialled_again() {
    Scope::new(&["one"], &[], Budget { relay_crashes: 1, ticks: 1, ..CALM }).search("relay crash", WHOLE);
}

#[test]
fn load_a_link_breaks_and_is_dialled_again() {
    Scope::new(&["one"], &[], Budget { cuts: 1, ticks: 1, ..CALM }).search("cut", WHOLE);
}
