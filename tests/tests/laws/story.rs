//! Runs of two devices and a relay with every machine on tape, from the first input to the last.
//!
//! Small bounds, slow and broken networks, large pushes and all three drivers, so that the tapes hold what is rare: links without
//! credit, messages of several frames, several inputs before one look at the outputs. Every story ends in good order: devices are told
//! to close, the relay to drain, and all of them stop.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use zerok_core::{
    channel::ChannelKind,
    client::command::{ClientCommand, Lifecycle},
    limits::{ClientLimits, RelayLimits},
};
use zerok_testkit::sim::{Disk, Driver, Path, Tapes, World};

use crate::run::{Happening, Run, happening};

/// Unwritten bytes a link may have in a story.
pub(crate) const WINDOW: usize = 6000;

/// How a story goes.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    kind: ChannelKind,
    machines: usize,
    drivers: [Driver; 2],
    acts: Vec<Act>,
}

#[derive(Debug, Clone)]
enum Act {
    Happens(Happening),
    /// A push of so many bytes.
    Bulk(usize, usize),
    /// A device's network from now on: bytes a second, and whether it stands still.
    Network(usize, u64, bool),
    Invite(usize),
    Cancel(usize),
}

fn act() -> impl Strategy<Value = Act> {
    let device = 0..2_usize;
    prop_oneof![
        8 => happening().prop_map(Act::Happens),
        2 => (device.clone(), prop_oneof![8 => 1..6000_usize, 1 => 60_000..90_000_usize]).prop_map(|(device, len)| Act::Bulk(device, len)),
        2 => (device.clone(), prop_oneof![Just(0), 20_000..200_000_u64], prop::bool::weighted(0.3))
            .prop_map(|(device, rate, stalled)| Act::Network(device, rate, stalled)),
        1 => device.clone().prop_map(Act::Invite),
        1 => device.prop_map(Act::Cancel),
    ]
}

/// Stories, one in eight on real channels.
pub(crate) fn story() -> impl Strategy<Value = Story> {
    let kind = prop_oneof![7 => Just(ChannelKind::Plain), 1 => Just(ChannelKind::Noise)];
    of_kind(kind)
}

/// Stories whose machines may be copied in the middle.
pub(crate) fn plain_story() -> impl Strategy<Value = Story> {
    of_kind(Just(ChannelKind::Plain))
}

fn of_kind(kind: impl Strategy<Value = ChannelKind>) -> impl Strategy<Value = Story> {
    let driver = prop_oneof![Just(Driver::Lazy), Just(Driver::Eager), Just(Driver::Sluggish)];
    (kind, 1..3_usize, [driver.clone(), driver], prop::collection::vec(act(), 1..24))
        .prop_map(|(kind, machines, drivers, acts)| Story { kind, machines, drivers, acts })
}

impl Story {
    /// Carries it out, from before the devices meet.
    pub(crate) fn tapes(&self) -> Tapes {
        self.run(true)
    }

    /// The same once both are members, without invites: a machine in the midst of a pairing cannot be copied.
    pub(crate) fn tapes_of_members(&self) -> Tapes {
        self.run(false)
    }

    fn run(&self, pairing: bool) -> Tapes {
        let limits =
            ClientLimits { window: WINDOW, push_window: 2 * WINDOW, page_bytes: 20_000, ..ClientLimits::default() };
        let relay = RelayLimits { window: WINDOW, page_bytes: 20_000, ..RelayLimits::default() };
        let mut world = World::with_limits(self.kind, limits, relay, self.machines);
        world.transcript.silence();
        if pairing {
            world.record();
        }
        let mut run = Run::pair(world);
        if !pairing {
            run.world.record();
        }
        for (device, driver) in self.drivers.iter().enumerate() {
            run.world.devices[device].driver = *driver;
        }
        for act in self.acts.iter().filter(|act| pairing || !matches!(act, Act::Invite(_))) {
            act.happen(&mut run);
        }
        end(run.world)
    }
}

impl Act {
    fn happen(&self, run: &mut Run) {
        let runs = |run: &Run, device: usize| run.world.devices[device].client.is_some();
        match *self {
            Self::Happens(ref happening) => run.happen(happening),
            Self::Bulk(device, len) if runs(run, device) => {
                let push = ClientCommand::Push { data: Bytes::from(vec![7; len]), key: None, detached: false };
                run.world.send(device, push);
            }
            Self::Network(device, rate, stalled) => {
                run.world.set_path(device, Path { rate, stalled, ..Path::default() });
            }
            Self::Invite(device) if runs(run, device) => drop(run.world.send(device, ClientCommand::CreateInvite)),
            Self::Cancel(device) if runs(run, device) => {
                if let Some(command) = run.world.devices[device].unanswered().pop() {
                    run.world.cancel(device, command);
                }
            }
            _ => {}
        }
    }
}

/// Everything is mended, closed and drained.
fn end(mut world: World) -> Tapes {
    for device in 0..2 {
        world.devices[device].disk = Disk::Good;
        world.set_path(device, Path::default());
        world.wake_up(device);
        if world.devices[device].client.is_some() {
            world.signal(device, Lifecycle::Closing);
        }
    }
    world.run(Duration::from_secs(10));
    world.drain_relay_of(0);
    world.run(Duration::from_secs(60));
    for device in world.devices.iter().filter(|device| device.client.is_some()) {
        assert!(device.stopped, "{} was told to close", device.name);
    }
    assert!(world.relay.machines.is_empty() || world.relay.stopped, "the relay was told to drain");
    world.tapes()
}
