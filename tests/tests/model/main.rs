//! Every order in which things can happen, up to a bound: a model checker over the real client and the real relay.
//!
//! A scope says what is pushed, and how many crashes, cuts and timers a path may have. A crash keeps any prefix of the batches that were
//! on their way to the disk. A rule that breaks is printed with the path that breaks it.
//!
//! The figure at the end is the sum over scopes. It counts states by everything a machine could act on, without statistics and randomness
//! to come, and by what the search may still do to them. `cargo xtask verify --only model` prints it.

#[cfg(feature = "bugs")]
mod bugs;
#[cfg(not(feature = "bugs"))]
mod search;
mod universe;
mod witness;

use stateright::{Model, Property};
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
/// The rule that is one of states and not of what was seen on the way.
const ARRIVED: &str = "where nothing more is under way, everything has arrived";
const COMPLETE: &str = "everything arrives";
const RECOVERED: &str = "everything arrives after a crash";

/// A group of two, asleep; what each of them will push; what may go wrong.
struct Scope {
    start: Universe,
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
        Self { start }
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
            Property::always(ARRIVED, |_, state: &Universe| !state.is_quiet() || state.has_arrived()),
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

const CALM: Budget = Budget { device_crashes: 0, relay_crashes: 0, cuts: 0, ticks: 0 };
