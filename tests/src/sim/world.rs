//! The event loop: what happens next, to whom, and when.
//!
//! Every effect of a machine becomes an event with a delay; events at one time happen in the order in which they were caused. A
//! machine is ticked at its deadline and not before, as the laziest legal driver would, unless its [`Driver`] says otherwise.
//!
//! Whoever watches turns [`World::watch`] on and takes what [`Happened`] after each step, in order.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use zerok_core::{
    channel::ChannelKind,
    client::{
        command::{ClientCommand, ClientEvent, Lifecycle, Rejection, Reply},
        io::{ClientInput, ClientOutput},
        store::{ClientAnswer, ClientOp, ClientQuery},
    },
    error::CloseReason,
    ids::{CommandId, Digest, GroupId},
    limits::{ClientLimits, RelayLimits},
    machine::{LinkInput, Machine, StoreFailure, StoreInput, StoreOutput},
    relay::{
        io::{RelayInput, RelayOutput},
        store::{RelayOp, RelayOutcome, RelayStore, Stored},
    },
    time::{Duration, Time, UnixMillis},
};

use super::{DeviceNode, Disk, Driver, Harm, RelayNode, Transcript, impostor::Impostor, links::Wire};
use crate::hostile::HostileRelay;

/// Half of a round trip.
pub(super) const HALF: Duration = Duration::from_millis(25);
/// What a commit takes.
const DISK: Duration = Duration::from_millis(3);
/// How late a sluggish driver is.
pub(super) const LATE: Duration = Duration::from_millis(40);
/// The wall clock at time zero: 2026-01-01.
pub(super) const EPOCH: UnixMillis = UnixMillis(1_767_225_600_000);

/// Who something happens to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Node {
    /// A device, by its index.
    Device(usize),
    /// A relay; 0 is [`World::relay`].
    Relay(usize),
}

enum Event {
    Device {
        device: usize,
        life: u64,
        input: ClientInput,
    },
    DeviceDisk {
        device: usize,
        life: u64,
    },
    /// A sluggish driver looks at what its machine has put out.
    DeviceDrain {
        device: usize,
        life: u64,
    },
    Relay {
        at: Machined,
        life: u64,
        input: RelayInput,
    },
    RelayDisk {
        at: Machined,
        life: u64,
    },
}

/// One machine of one relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Machined {
    pub(super) relay: usize,
    pub(super) machine: usize,
}

/// What a watcher may want to know, in the order in which it happened.
#[derive(Debug)]
pub enum Happened {
    /// A device's batch is on its disk.
    Persisted(usize, Vec<ClientOp>),
    /// A command was answered.
    Done(usize, CommandId, Result<Reply, Rejection>),
    /// An application was told something.
    Event(usize, ClientEvent),
    /// A relay's store took a run of blobs: the relay, the group, and what became of each.
    Appended(usize, GroupId, Vec<(Digest, Stored)>),
    /// A device closed a link.
    Closed(usize, CloseReason),
}

/// Devices, relays, and time.
pub struct World {
    /// The devices, in order of creation.
    pub devices: Vec<DeviceNode>,
    /// The relay that devices are told of first.
    pub relay: RelayNode,
    /// Relays beside it.
    pub others: Vec<RelayNode>,
    /// What happened, in words; complete on the plain channel, without messages on Noise.
    pub transcript: Transcript,
    pub(super) now: Time,
    sequence: u64,
    events: BTreeMap<(Time, u64), Event>,
    pub(super) wires: Vec<Wire>,
    pub(super) kind: ChannelKind,
    limits: ClientLimits,
    /// Whether the network carries anything.
    pub(super) network: bool,
    /// Whether bytes vanish on the way.
    pub(super) silent: bool,
    /// What bytes take one way.
    pub(super) half: Duration,
    /// Flights between devices and relay, both ways.
    pub flights: u64,
    /// Links that devices have asked for.
    pub dials: u64,
    pub(super) first_flights: Vec<(usize, Bytes)>,
    pub(super) to_strangers: Vec<Bytes>,
    watched: Option<Vec<Happened>>,
    pub(super) harms: BTreeSet<(Node, Harm)>,
    /// Links that somebody else than a relay's machine answers.
    pub(super) impostors: Vec<Impostor>,
    /// Whether every machine is put on tape.
    pub(super) recording: bool,
    /// What networks roll; see [`super::Path`].
    pub(super) dice: u64,
    pub(super) hostile: Option<HostileRelay>,
}

impl World {
    /// A relay of one machine, running, and no devices.
    pub fn new(kind: ChannelKind) -> Self {
        Self::with_limits(kind, ClientLimits::default(), RelayLimits::default(), 1)
    }

    /// The same with bounds of one's own and so many relay machines.
    pub fn with_limits(kind: ChannelKind, limits: ClientLimits, relay: RelayLimits, machines: usize) -> Self {
        let mut world = Self {
            devices: Vec::new(),
            relay: RelayNode::new(machines, kind, relay),
            others: Vec::new(),
            transcript: Transcript::default(),
            now: Time(0),
            sequence: 0,
            events: BTreeMap::new(),
            wires: Vec::new(),
            kind,
            limits,
            network: true,
            silent: false,
            half: HALF,
            flights: 0,
            dials: 0,
            first_flights: Vec::new(),
            to_strangers: Vec::new(),
            watched: None,
            harms: BTreeSet::new(),
            impostors: Vec::new(),
            recording: false,
            dice: 1,
            hostile: None,
        };
        world.start_relay();
        world
    }

    /// A device with an empty store, started.
    pub fn add_device(&mut self, name: &'static str) -> usize {
        let device = self.devices.len();
        let number = u8::try_from(device + 1).unwrap_or(u8::MAX);
        self.devices.push(DeviceNode::new(name, number, self.kind, self.limits.clone()));
        self.start_device(device);
        device
    }

    /// Which channel links speak.
    pub fn kind(&self) -> ChannelKind {
        self.kind
    }

    /// Where the dice of its networks begin.
    pub fn roll_from(&mut self, dice: u64) {
        self.dice = dice;
    }

    /// Whether a device has a link, or is getting one.
    pub fn is_linked(&self, device: usize) -> bool {
        self.wires.iter().any(|wire| wire.device == device)
    }

    /// Nothing happens until then, and it is then.
    ///
    /// # Panics
    /// When something happens before.
    pub fn pass_until(&mut self, time: Time) {
        assert!(self.next_time().is_none_or(|next| next > time), "something happens before");
        self.now = self.now.max(time);
    }

    /// Virtual time.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Starts a device's process, and the platform says so.
    pub fn start_device(&mut self, device: usize) {
        self.start_device_quietly(device);
        self.tell(device, ClientInput::Lifecycle(Lifecycle::Started));
    }

    /// Starts a device's process on a platform that says nothing.
    pub fn start_device_quietly(&mut self, device: usize) {
        self.transcript.note(self.now, self.devices[device].name, "start");
        self.devices[device].start(self.now);
        if self.recording {
            self.devices[device].record();
        }
        self.drain_device(device);
        self.tell_clock(device);
    }

    /// Kills a device's process: what its disk has not completed is lost.
    pub fn kill_device(&mut self, device: usize) {
        self.transcript.note(self.now, self.devices[device].name, "kill -9");
        self.devices[device].crash();
        self.cut(Node::Device(device));
    }

    /// Starts the relay's process.
    pub fn start_relay(&mut self) {
        self.start_relay_of(0);
    }

    /// Starts the process of one of the relays.
    pub fn start_relay_of(&mut self, relay: usize) {
        self.transcript.note(self.now, "relay", "start");
        let (now, recording) = (self.now, self.recording);
        let node = self.relay_node(relay);
        node.start(now);
        if recording {
            node.record();
        }
        for machine in 0..node.machines.len() {
            self.drain_relay(Machined { relay, machine });
        }
        self.tell_relay_clock(relay);
    }

    /// Kills the relay's process.
    pub fn kill_relay(&mut self) {
        self.kill_relay_of(0);
    }

    /// Kills the process of one of the relays.
    pub fn kill_relay_of(&mut self, relay: usize) {
        self.transcript.note(self.now, "relay", "kill -9");
        self.relay_node(relay).crash();
        self.cut(Node::Relay(relay));
    }

    /// One of the relays; the first is [`World::relay`].
    ///
    /// # Panics
    /// When there is no such relay.
    pub fn relay_node(&mut self, relay: usize) -> &mut RelayNode {
        match relay.checked_sub(1) {
            None => &mut self.relay,
            Some(other) => &mut self.others[other],
        }
    }

    pub(super) fn relays(&self) -> impl Iterator<Item = &RelayNode> {
        std::iter::once(&self.relay).chain(&self.others)
    }

    /// Adds another relay, with a key and a database of its own, and starts it.
    pub fn add_relay(&mut self) -> usize {
        let relay = self.others.len() + 1;
        let node = self.relay.sibling(u8::try_from(relay).unwrap_or(u8::MAX));
        self.others.push(node);
        self.start_relay_of(relay);
        relay
    }

    /// From now on what happens is noted for [`World::happened`].
    pub fn watch(&mut self) {
        self.watched = Some(Vec::new());
    }

    /// What happened since the last call.
    pub fn happened(&mut self) -> Vec<Happened> {
        self.watched.as_mut().map(std::mem::take).unwrap_or_default()
    }

    pub(super) fn is_watched(&self) -> bool {
        self.watched.is_some()
    }

    pub(super) fn saw(&mut self, what: impl FnOnce() -> Happened) {
        if let Some(watched) = &mut self.watched {
            watched.push(what());
        }
    }

    /// Sends a command and gives its id.
    pub fn send(&mut self, device: usize, command: ClientCommand) -> CommandId {
        let node = &mut self.devices[device];
        node.next_command = node.next_command.next();
        let id = node.next_command;
        self.transcript.command(self.now, node.name, id, &command);
        self.tell(device, ClientInput::Command(id, command));
        id
    }

    /// Says that nobody waits for a command any more.
    pub fn cancel(&mut self, device: usize, command: CommandId) {
        self.transcript.note(self.now, self.devices[device].name, &format!("cancel c{}", command.0));
        self.tell(device, ClientInput::Cancel(command));
    }

    /// Sends a command and runs until it is answered.
    ///
    /// # Panics
    /// When it is not answered within ten minutes of virtual time.
    pub fn call(&mut self, device: usize, command: ClientCommand) -> Result<Reply, Rejection> {
        let id = self.send(device, command);
        let limit = self.now + Duration::from_secs(600);
        while self.now < limit {
            if let Some(reply) = self.devices[device].replies.get(&id) {
                return reply.clone();
            }
            if !self.step() {
                break;
            }
        }
        panic!("{} never answered command {}", self.devices[device].name, id.0);
    }

    /// Reports a lifecycle signal.
    pub fn signal(&mut self, device: usize, signal: Lifecycle) {
        self.transcript.note(self.now, self.devices[device].name, &format!("signal {signal:?}"));
        self.tell(device, ClientInput::Lifecycle(signal));
    }

    /// Runs for so long.
    pub fn run(&mut self, time: Duration) {
        let until = self.now + time;
        while self.next_time().is_some_and(|next| next <= until) {
            self.step();
        }
        self.now = until;
    }

    /// Runs until the condition holds.
    ///
    /// # Panics
    /// When it does not within ten minutes of virtual time.
    pub fn run_until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let limit = self.now + Duration::from_secs(600);
        while !holds(self) {
            assert!(self.step() && self.now < limit, "never: {what}");
        }
    }

    /// When something happens next, if ever.
    pub fn next_time(&self) -> Option<Time> {
        let event = self.events.keys().next().map(|(time, _)| *time);
        let devices = self.devices.iter().filter_map(DeviceNode::due);
        let relays = self.relays().flat_map(|node| &node.machines).filter_map(Machine::deadline);
        devices.chain(relays).chain(event).min().map(|time| time.max(self.now))
    }

    /// The next thing that happens; false when nothing ever will.
    pub fn step(&mut self) -> bool {
        let Some(time) = self.next_time() else { return false };
        self.now = time;
        if let Some((&(at, sequence), _)) = self.events.iter().next()
            && at <= time
        {
            if let Some(event) = self.events.remove(&(at, sequence)) {
                self.happen(event);
            }
            return true;
        }
        for device in 0..self.devices.len() {
            if self.devices[device].due().is_some_and(|due| due <= time) {
                self.tell(device, ClientInput::Tick);
                let deadline = self.devices[device].client.as_ref().and_then(Machine::deadline);
                assert!(deadline.is_none_or(|next| next > time), "{} would spin", self.devices[device].name);
            }
        }
        for relay in 0..=self.others.len() {
            for machine in 0..self.relay_node(relay).machines.len() {
                let deadline = |world: &mut Self| world.relay_node(relay).machines.get(machine)?.deadline();
                if deadline(self).is_some_and(|due| due <= time) {
                    self.tell_relay(Machined { relay, machine }, RelayInput::Tick);
                    assert!(deadline(self).is_none_or(|next| next > time), "the relay would spin");
                }
            }
        }
        true
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Device { device, life, input } if self.devices[device].life == life => self.tell(device, input),
            Event::DeviceDisk { device, life } if self.devices[device].life == life => self.device_disk(device),
            Event::DeviceDrain { device, life } if self.devices[device].life == life => {
                self.devices[device].drain_due = false;
                self.drain_device(device);
            }
            Event::Relay { at, life, input } if self.relay_node(at.relay).life == life => self.tell_relay(at, input),
            Event::RelayDisk { at, life } if self.relay_node(at.relay).life == life => self.relay_disk(at),
            // The process it was meant for is gone.
            _ => {}
        }
    }

    /// Lets a disk that stood still go on.
    pub fn release_disk(&mut self, device: usize) {
        let node = &mut self.devices[device];
        node.disk_stalled = false;
        let life = node.life;
        for _ in 0..std::mem::take(&mut node.disk_owed) {
            self.at(DISK, Event::DeviceDisk { device, life });
        }
    }

    /// The same for a relay's.
    pub fn release_relay_disk(&mut self, relay: usize) {
        let node = self.relay_node(relay);
        node.disk_stalled = false;
        let life = node.life;
        for machine in std::mem::take(&mut node.disk_owed) {
            self.at(DISK, Event::RelayDisk { at: Machined { relay, machine }, life });
        }
    }

    fn relay_disk(&mut self, at: Machined) {
        let node = self.relay_node(at.relay);
        if node.disk_stalled {
            node.disk_owed.push(at.machine);
            return self.harm(Node::Relay(at.relay), Harm::DiskStalled);
        }
        let Some(request) = node.queues.get_mut(at.machine).and_then(std::collections::VecDeque::pop_front) else {
            return;
        };
        let answer = self.relay_performs(at.relay, request);
        self.tell_relay(at, RelayInput::Store(answer));
    }

    /// A relay's store does what was asked of it.
    pub(super) fn relay_performs(&mut self, relay: usize, request: StoreOutput<RelayStore>) -> StoreInput<RelayStore> {
        let said = self.transcript.relay_store(&request);
        let watched = self.watched.is_some();
        let asked = match &request {
            StoreOutput::Persist { ops, .. } if watched => match ops.first() {
                Some(RelayOp::Append(append)) => {
                    Some((append.group, append.blobs.iter().map(|(digest, _)| *digest).collect::<Vec<_>>()))
                }
                _ => None,
            },
            _ => None,
        };
        let answer = self.relay_node(relay).store.perform(request);
        if let (Some((group, digests)), StoreInput::Persisted { outcomes, .. }) = (asked, &answer)
            && let Some(RelayOutcome::Appended { results, .. }) = outcomes.first()
        {
            let stored = digests.into_iter().zip(results.iter().copied()).collect();
            self.saw(|| Happened::Appended(relay, group, stored));
        }
        self.transcript.relay_stored(self.now, said, &answer);
        match &answer {
            StoreInput::PersistFailed { failure: StoreFailure::Full, .. } => {
                self.harm(Node::Relay(relay), Harm::DiskFull);
            }
            StoreInput::PersistFailed { .. } | StoreInput::Loaded { answer: Err(_), .. } => {
                self.harm(Node::Relay(relay), Harm::DiskFailed);
            }
            StoreInput::Persisted { .. } | StoreInput::Loaded { .. } => {}
        }
        answer
    }

    fn device_disk(&mut self, device: usize) {
        let node = &mut self.devices[device];
        if node.disk_stalled {
            node.disk_owed += 1;
            return self.harm_device(device, Harm::DiskStalled);
        }
        let answer = match node.queue.remove(0) {
            StoreOutput::Persist { batch, ops } if node.disk == Disk::Good && !node.refusing => {
                node.store.apply(&ops);
                self.transcript.durable(self.now, node.name, batch, &ops);
                if let Some(watched) = &mut self.watched {
                    watched.push(Happened::Persisted(device, ops));
                }
                StoreInput::Persisted { batch, outcomes: Vec::new() }
            }
            StoreOutput::Persist { batch, .. } => {
                node.refusing = true;
                let failure = match node.disk {
                    Disk::Broken => StoreFailure::Io,
                    Disk::Locked => StoreFailure::Locked,
                    Disk::Busy => StoreFailure::Busy,
                    // What refused once refuses until it is opened again.
                    Disk::Full | Disk::Good => StoreFailure::Full,
                };
                let harm = if failure == StoreFailure::Io { Harm::DiskFailed } else { Harm::DiskFull };
                self.transcript.note(self.now, node.name, &format!("disk refuses b{}: {failure}", batch.0));
                self.harm_device(device, harm);
                StoreInput::PersistFailed { batch, failure }
            }
            StoreOutput::Load { load, query } => {
                node.refusing &= query != ClientQuery::Open;
                let answer: ClientAnswer = node.store.load(&query);
                StoreInput::Loaded { load, answer: Ok(answer) }
            }
        };
        self.tell(device, ClientInput::Store(answer));
    }

    pub(super) fn tell(&mut self, device: usize, input: ClientInput) {
        let now = self.now;
        if self.devices[device].asleep.is_some() {
            return self.devices[device].missed.push(input);
        }
        let node = &mut self.devices[device];
        let input = match input {
            ClientInput::Link(input) => match node.of_link(input) {
                Some(input) => ClientInput::Link(input),
                None => return,
            },
            input => input,
        };
        if node.client.is_some() {
            node.handle(now, input);
            match node.driver {
                Driver::Lazy => {}
                Driver::Eager => {
                    node.handle(now, ClientInput::Tick);
                    self.harm_device(device, Harm::Ticked);
                }
                Driver::Sluggish => {
                    let life = node.life;
                    self.harm_device(device, Harm::DrainedLate);
                    if !std::mem::replace(&mut self.devices[device].drain_due, true) {
                        self.at(LATE, Event::DeviceDrain { device, life });
                    }
                    return;
                }
            }
            self.drain_device(device);
        }
    }

    pub(super) fn tell_relay(&mut self, at: Machined, input: RelayInput) {
        let now = self.now;
        self.relay_node(at.relay).handle(at.machine, now, input);
        self.drain_relay(at);
    }

    /// What was on its way over a link is lost with it.
    pub(super) fn lose_in_flight(&mut self, wire: &Wire) {
        self.events.retain(|_, event| match event {
            Event::Device { device, input: ClientInput::Link(LinkInput::Bytes { link, .. }), .. } => {
                (*device, *link) != (wire.device, wire.device_link)
            }
            Event::Relay { at, input: RelayInput::Link(LinkInput::Bytes { link, .. }), .. } => {
                (*at, *link) != (wire.at, wire.relay_link)
            }
            _ => true,
        });
    }

    /// A disk is one queue: what is asked later is not answered earlier, however its pace changes.
    fn at_disk(&mut self, device: usize, delay: Duration, event: Event) {
        let node = &mut self.devices[device];
        node.disk_clear = node.disk_clear.max(self.now + delay);
        let delay = node.disk_clear.since(self.now);
        self.at(delay, event);
    }

    fn at(&mut self, delay: Duration, event: Event) {
        self.sequence += 1;
        self.events.insert((self.now + delay, self.sequence), event);
    }

    pub(super) fn later(&mut self, device: usize, delay: Duration, input: ClientInput) {
        let life = self.devices[device].life;
        self.at(delay, Event::Device { device, life, input });
    }

    pub(super) fn later_relay(&mut self, at: Machined, delay: Duration, input: RelayInput) {
        let life = self.relay_node(at.relay).life;
        self.at(delay, Event::Relay { at, life, input });
    }

    fn drain_device(&mut self, device: usize) {
        while let Some(output) = self.devices[device].poll() {
            let over = self.devices[device].stopped;
            assert!(!over || matches!(output, ClientOutput::Done { .. }), "more after the end: {output:?}");
            match output {
                ClientOutput::Open { link, target } => self.dial(device, link, target.key),
                ClientOutput::Link(output) => self.device_link(device, output),
                ClientOutput::Store(output) => {
                    if let StoreOutput::Persist { ops, .. } = &output {
                        self.transcript.learn(self.devices[device].name, ops);
                    }
                    let node = &mut self.devices[device];
                    node.queue.push(output);
                    let (life, slow) = (node.life, node.disk_delay);
                    if slow > Duration::ZERO {
                        self.harm_device(device, Harm::DiskSlow);
                    }
                    let delay = DISK + slow;
                    self.at_disk(device, delay, Event::DeviceDisk { device, life });
                }
                ClientOutput::Done { command, result } => {
                    self.transcript.done(self.now, self.devices[device].name, command, &result);
                    self.saw(|| Happened::Done(device, command, result.clone()));
                    let earlier = self.devices[device].replies.insert(command, result);
                    assert!(earlier.is_none(), "{} answered c{} twice", self.devices[device].name, command.0);
                }
                ClientOutput::Event(event) => {
                    self.transcript.event(self.now, self.devices[device].name, &event);
                    if let Some(watched) = &mut self.watched {
                        watched.push(Happened::Event(device, event));
                    } else {
                        self.devices[device].events.push(event);
                    }
                }
                ClientOutput::Stopped => {
                    self.transcript.note(self.now, self.devices[device].name, "stopped");
                    self.devices[device].stopped = true;
                }
            }
        }
    }

    fn drain_relay(&mut self, at: Machined) {
        while let Some(output) = self.relay_node(at.relay).poll(at.machine) {
            match output {
                RelayOutput::Link(output) => self.relay_link(at, output),
                RelayOutput::Store(request) => {
                    let node = self.relay_node(at.relay);
                    node.queues[at.machine].push_back(request);
                    let (life, slow) = (node.life, node.disk_delay);
                    if slow > Duration::ZERO {
                        self.harm(Node::Relay(at.relay), Harm::DiskSlow);
                    }
                    self.at(DISK + slow, Event::RelayDisk { at, life });
                }
                RelayOutput::Announce(announce) => {
                    let node = self.relay_node(at.relay);
                    let machines = node.machines.len();
                    if std::mem::take(&mut node.lose_announcements) {
                        // What was lost is not known: every other machine asks for everything.
                        for machine in (0..machines).filter(|machine| *machine != at.machine) {
                            let at = Machined { machine, ..at };
                            self.later_relay(at, LATE, RelayInput::AnnouncedUnknown);
                            self.harm(Node::Relay(at.relay), Harm::Unannounced);
                        }
                        continue;
                    }
                    for machine in (0..machines).filter(|machine| *machine != at.machine) {
                        let at = Machined { machine, ..at };
                        self.later_relay(at, Duration::ZERO, RelayInput::Announced(announce));
                    }
                }
                RelayOutput::Stopped => {
                    self.relay_node(at.relay).stopped = true;
                    self.transcript.note(self.now, "relay", "stopped");
                }
            }
        }
    }
}

impl Drop for World {
    /// A failing test tells its story.
    #[allow(clippy::print_stderr, reason = "the test harness shows it with the failure")]
    fn drop(&mut self) {
        if std::thread::panicking() && !self.transcript.is_quiet() {
            eprintln!("{}", self.transcript.text());
        }
    }
}

/// Batches a device has handed to its disk, for tests that crash between.
pub(super) fn names(ops: &[ClientOp]) -> impl Iterator<Item = (&zerok_core::client::store::OutboxEntry, usize)> {
    ops.iter().filter_map(|op| match op {
        ClientOp::Enqueue(row) => Some((&row.entry, row.blob.len())),
        _ => None,
    })
}
