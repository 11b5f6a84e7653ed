//! Storms: seeded runs of many devices and relays in which nearly everything goes wrong, and what must hold all the same.
//!
//! A [`Plan`] is drawn from a seed, a `Storm` carries it out in a [`World`] with real cryptography, watches every step, and at the
//! end mends everything and waits for calm. [`run`] answers with numbers and, if a promise was broken, with the story.
//!
//! # Layout
//! - [`plan`]: what will happen. `work`, `faults`: making it happen. `app`: what applications remember.
//! - `watch`: what must hold at every step. `settle`: what must hold at the end.
//! - [`shrink`]: the shortest plan that still fails. [`count`]: numbers. [`many`]: many seeds, and seeded bugs.
//!
//! # What must hold at every step
//! - Durable before visible: an answer, an event, a blob at the relay rest on a batch that is on the device's disk; an
//!   acknowledgement rests on the relay's.
//! - No position of a device and no cursor of a log stands for two things; a log has each record once, each chain in order.
//! - What applications read comes in each sender's order, once, and was pushed.
//! - A status says that all is synced only if the relay has all that is on the device's disk.
//! - Stores and windows stay within their limits; every command is answered once; nothing comes after the end; nobody spins.
//!
//! # What must hold at the end
//! - Within a bound of virtual time everything is quiet and every device connected and synced.
//! - What was promised has arrived everywhere, once, or its absence is named by a finding; in a world without disasters, copies or
//!   rot there are no findings.
//! - Devices agree on the roster, on where every chain ends, and on the relay's head.

mod app;
pub mod count;
mod faults;
pub mod many;
pub mod plan;
mod settle;
pub mod shrink;
mod watch;
mod work;

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
};

use zerok_core::{
    channel::ChannelKind,
    client::command::{ClientCommand, Rejection, Reply},
    error::Code,
    ids::{BlobId, CommandId, Cursor, DeviceId, Digest, Incarnation, Kid},
    limits::{ClientLimits, RelayLimits},
    pairing::invite::Invite,
    time::{Duration, Time},
};

use self::{
    app::{App, Database},
    count::Counts,
    plan::{Act, Fault, Plan, Shape, What},
    watch::{Log, Row},
};
use crate::{
    hostile::Insider,
    sim::{Node, World},
    store::{client::MemoryClientStore, relay::MemoryRelayStore},
};

const NAMES: [&str; 12] = ["ant", "bee", "cat", "dog", "elk", "fox", "gnu", "hen", "ibis", "jay", "kite", "lark"];

/// Events of a run; the longest has a fraction of it.
const ENOUGH: u64 = 200_000;

/// What became of a run.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Its numbers.
    pub counts: Counts,
    /// The promise that was broken, if any.
    pub failure: Option<String>,
    /// The story, if it was asked for.
    pub trace: String,
}

/// Carries out a plan. Never panics: a panic of a machine is a broken promise like any other.
pub fn run(plan: &Plan, trace: bool) -> Outcome {
    run_on(plan, ChannelKind::Noise, trace)
}

/// The same on a channel of one's choice: the plain one tells what is said.
pub fn run_on(plan: &Plan, kind: ChannelKind, trace: bool) -> Outcome {
    let mut storm = Storm::new(plan, kind, trace);
    let result = catch_unwind(AssertUnwindSafe(|| {
        storm.begin();
        for act in &plan.acts {
            storm.act(act);
        }
        storm.counts.fewest = storm.counts.total_faults();
        storm.settle();
    }));
    let failure = result.err().map(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
    });
    let trace = storm.world.transcript.text();
    storm.world.transcript.silence();
    storm.counts.seeds = 1;
    storm.counts.seconds = storm.world.now().0 / 1_000_000;
    storm.counts.dials = storm.world.dials;
    Outcome { counts: storm.counts, failure, trace }
}

/// A copy of a device and what its application kept.
struct DeviceCopy {
    device: usize,
    memberships: u32,
    at: Time,
    store: MemoryClientStore,
    db: Database,
}

struct Storm {
    world: World,
    shape: Shape,
    counts: Counts,
    apps: Vec<App>,
    /// What has ever been durable on each device, by blob.
    rows: Vec<BTreeMap<BlobId, Row>>,
    /// The same by digest, with the device.
    digests: BTreeMap<Digest, (usize, Row)>,
    /// Positions each device's store has ever held.
    delivered: Vec<BTreeSet<zerok_core::ids::Position>>,
    /// What each device has told its application of.
    known: Vec<BTreeSet<BlobId>>,
    /// What was ever committed by each relay.
    stored: Vec<BTreeSet<Digest>>,
    logs: BTreeMap<(usize, zerok_core::ids::GroupId), Log>,
    copies: Vec<DeviceCopy>,
    relay_copies: Vec<(usize, MemoryRelayStore)>,
    /// Clones and whom they copy.
    clones: Vec<(usize, usize)>,
    /// Invites asked for: the creator's command, who is to join, and how.
    invites: BTreeMap<(usize, CommandId), (usize, u32)>,
    /// What inviters held when they handed over.
    handovers: Vec<(Time, BTreeSet<BlobId>)>,
    /// When relays lost something they had acknowledged, or were left.
    disasters: Vec<Time>,
    /// Faults that were set up and have done no harm yet.
    armed: BTreeSet<(Node, Fault)>,
    /// Blobs that a relay's disk lost, damaged or let expire, and where they stood.
    lost: BTreeMap<Digest, Cursor>,
    /// Blobs that went with a relay's log. Most come again.
    washed_away: BTreeSet<Digest>,
    /// What the first relay's logs hold at the end.
    at_relay: BTreeSet<Digest>,
    /// Texts that one device sealed anew twice under one name: a copy of it was made in between, and both were pushed.
    said_twice: BTreeSet<String>,
    /// Names of keys that were never any: bits of them rotted.
    false_kids: BTreeSet<Kid>,
    /// Where the member in the wrong hands has put something into the log.
    lies: BTreeSet<Cursor>,
    /// Which honest records it has said to be others.
    forged: BTreeSet<(Incarnation, u64)>,
    /// Devices that spoke and were never admitted.
    strangers: BTreeSet<DeviceId>,
    /// Who counts in which run of numbers.
    authors: BTreeMap<Incarnation, usize>,
    /// The member in the wrong hands, and its keys.
    mole: Option<Mole>,
    begun: bool,
    /// Where the log of the first group stood when the storm began.
    begun_at: Cursor,
}

struct Mole {
    insider: Insider,
    device: DeviceId,
    inc: u8,
    crowd: bool,
}

impl Storm {
    fn new(plan: &Plan, kind: ChannelKind, trace: bool) -> Self {
        let shape = plan.shape;
        let mut world =
            World::with_limits(kind, client_limits(shape.tight), relay_limits(shape.tight), shape.machines as usize);
        if !trace {
            world.transcript.silence();
        }
        Self {
            world,
            shape,
            counts: Counts::default(),
            apps: Vec::new(),
            rows: Vec::new(),
            digests: BTreeMap::new(),
            delivered: Vec::new(),
            known: Vec::new(),
            stored: Vec::new(),
            logs: BTreeMap::new(),
            copies: Vec::new(),
            relay_copies: Vec::new(),
            clones: Vec::new(),
            invites: BTreeMap::new(),
            handovers: Vec::new(),
            disasters: Vec::new(),
            armed: BTreeSet::new(),
            lost: BTreeMap::new(),
            washed_away: BTreeSet::new(),
            at_relay: BTreeSet::new(),
            said_twice: BTreeSet::new(),
            false_kids: BTreeSet::new(),
            lies: BTreeSet::new(),
            forged: BTreeSet::new(),
            strangers: BTreeSet::new(),
            authors: BTreeMap::new(),
            mole: None,
            begun: false,
            begun_at: Cursor(0),
        }
    }

    /// A group of members, and devices beside it, before anything goes wrong.
    fn begin(&mut self) {
        self.world.roll_from(u64::from(self.shape.members) << 32 | 77);
        self.world.watch();
        self.stored.push(BTreeSet::new());
        if self.shape.disasters {
            self.world.add_relay();
            self.stored.push(BTreeSet::new());
        }
        for member in 0..self.shape.members {
            let device = self.add_device();
            if member == 0 {
                self.call(0, ClientCommand::Enable { name: NAMES[0].into() });
                self.run(Duration::from_secs(2));
            } else {
                self.pair(device);
            }
        }
        if self.shape.lossy {
            let device = self.add_device();
            self.pair(device);
            self.run(Duration::from_secs(12));
            let insider = Insider::of(&self.world.devices[device]);
            self.mole = Some(Mole { device: insider.keys.id(), insider, inc: 1, crowd: false });
            self.world.kill_device(device);
        }
        for _ in 0..self.shape.spares {
            let device = self.world.add_device(NAMES[self.world.devices.len()]);
            self.add_books();
            self.call(device, ClientCommand::Enable { name: NAMES[device].into() });
            let invited = self.call(device, ClientCommand::CreateInvite);
            let refused = |rejection: &Rejection| rejection.code == Code::NoRelay;
            assert!(invited.is_some_and(|answer| answer.is_err_and(|error| refused(&error))), "an invite to no relay");
            let relay = self.world.relay.address();
            self.call(device, ClientCommand::Configure(relay));
        }
        self.run(Duration::from_secs(12));
        self.begun = true;
        if let Some(group) = self.main_group() {
            self.begun_at = self.world.relay.store.head(&group);
        }
    }

    fn add_device(&mut self) -> usize {
        let device = self.world.add_device(NAMES[self.world.devices.len()]);
        self.add_books();
        let relay = self.world.relay.address();
        self.call(device, ClientCommand::Configure(relay));
        device
    }

    fn add_books(&mut self) {
        self.apps.push(App::default());
        self.rows.push(BTreeMap::new());
        self.delivered.push(BTreeSet::new());
        self.known.push(BTreeSet::new());
    }

    /// In good weather: a device joins the group of the first.
    fn pair(&mut self, device: usize) {
        let Some(Ok(Reply::Invited { code, .. })) = self.call(0, ClientCommand::CreateInvite) else {
            panic!("no invite in good weather");
        };
        let join = ClientCommand::Join { invite: Invite::Code(code), name: NAMES[device].into() };
        let joined = self.call(device, join);
        assert!(matches!(joined, Some(Ok(Reply::Joined { .. }))), "no join in good weather: {joined:?}");
    }

    /// Sends a command and waits for its answer, for two minutes at most.
    fn call(&mut self, device: usize, command: ClientCommand) -> Option<Result<Reply, Rejection>> {
        let id = self.world.send(device, command);
        self.look();
        let until = self.world.now() + Duration::from_secs(120);
        while self.world.now() < until && self.world.next_time().is_some() {
            if let Some(reply) = self.world.devices[device].replies.get(&id) {
                return Some(reply.clone());
            }
            self.step();
        }
        None
    }

    /// The next event, under watch.
    ///
    /// # Panics
    /// When there have been so many that somebody must be going round in a circle.
    fn step(&mut self) -> bool {
        let more = self.world.step();
        self.counts.steps += 1;
        assert!(self.counts.steps < ENOUGH, "this never ends");
        self.look();
        more
    }

    /// Lets time pass, step by step, under watch.
    fn run(&mut self, time: Duration) {
        let until = self.world.now() + time;
        while self.world.next_time().is_some_and(|next| next <= until) {
            self.step();
        }
        self.world.pass_until(until);
    }

    fn act(&mut self, act: &Act) {
        self.run(Duration::from_millis(u64::from(act.wait)));
        self.world.transcript.remark(self.world.now(), &act.to_string());
        match act.what {
            What::Do(work) => self.work(work, act.who, act.much),
            What::Break(fault) => {
                if self.break_it(fault, act.who, act.much) {
                    self.counts.fault(fault);
                }
            }
        }
        self.look();
        self.check_limits();
    }

    /// Devices that may be chosen: not the one in the wrong hands, no retired clone.
    fn choose(&self, who: u32) -> usize {
        let mole = self.shape.lossy.then_some(self.shape.members as usize);
        let retired = |device: usize| {
            self.clones.iter().any(|(clone, _)| *clone == device) && self.world.devices[device].client.is_none()
        };
        let all: Vec<usize> =
            (0..self.world.devices.len()).filter(|device| Some(*device) != mole && !retired(*device)).collect();
        all[who as usize % all.len()]
    }
}

fn client_limits(tight: bool) -> ClientLimits {
    if !tight {
        return ClientLimits::default();
    }
    ClientLimits {
        window: 4 * 1024,
        push_window: 8 * 1024,
        page_bytes: 4 * 1024,
        outbox_unsent: 48 * 1024,
        inbox_unread: 12 * 1024,
        inbox_read: 8 * 1024,
        commands: 16,
        held: (16, 12 * 1024),
        ..ClientLimits::default()
    }
}

fn relay_limits(tight: bool) -> RelayLimits {
    if !tight {
        return RelayLimits::default();
    }
    RelayLimits {
        window: 4 * 1024,
        page_bytes: 4 * 1024,
        push_bytes: (16 * 1024, 1024),
        handshakes: (24, 2),
        links: 24,
        ..RelayLimits::default()
    }
}
