//! The event loop: what happens next, to whom, and when.
//!
//! Every effect of a machine becomes an event with a delay; events at one time happen in the order in which they were caused. A
//! machine is ticked at its deadline and not before, as the laziest legal driver would.

use std::collections::BTreeMap;

use bytes::Bytes;
use zerok_core::{
    channel::ChannelKind,
    client::{
        command::{ClientCommand, Lifecycle, Rejection, Reply},
        io::{ClientInput, ClientOutput},
        store::{ClientAnswer, ClientOp, ClientQuery},
    },
    ids::CommandId,
    limits::{ClientLimits, RelayLimits},
    machine::{LinkInput, Machine, StoreFailure, StoreInput, StoreOutput},
    relay::io::{RelayInput, RelayOutput},
    time::{Duration, Time, UnixMillis},
};

use super::{DeviceNode, Disk, RelayNode, Transcript, links::Wire};

/// Half of a round trip.
pub(super) const HALF: Duration = Duration::from_millis(25);
/// What a commit takes.
const DISK: Duration = Duration::from_millis(3);
/// The wall clock at time zero: 2026-01-01.
pub(super) const EPOCH: UnixMillis = UnixMillis(1_767_225_600_000);

/// Who something happens to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Node {
    Device(usize),
    Relay(usize),
}

enum Event {
    Device { device: usize, life: u64, input: ClientInput },
    DeviceDisk { device: usize, life: u64 },
    Relay { machine: usize, life: u64, input: RelayInput },
    RelayDisk { machine: usize, life: u64, request: StoreOutput<zerok_core::relay::store::RelayStore> },
}

/// Devices, one relay, and time.
pub struct World {
    /// The devices, in order of creation.
    pub devices: Vec<DeviceNode>,
    /// The relay.
    pub relay: RelayNode,
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
        self.drain_device(device);
        let clock = self.wall_clock_of(device);
        self.tell(device, ClientInput::WallClock(clock));
    }

    /// Kills a device's process: what its disk has not completed is lost.
    pub fn kill_device(&mut self, device: usize) {
        self.transcript.note(self.now, self.devices[device].name, "kill -9");
        self.devices[device].crash();
        self.cut(Node::Device(device));
    }

    /// Starts the relay's process.
    pub fn start_relay(&mut self) {
        self.transcript.note(self.now, "relay", "start");
        self.relay.start(self.now);
        for machine in 0..self.relay.machines.len() {
            self.drain_relay(machine);
            let millis = UnixMillis(EPOCH.0 + self.now.0 / 1000);
            self.tell_relay(machine, RelayInput::WallClock(millis));
        }
    }

    /// Kills the relay's process.
    pub fn kill_relay(&mut self) {
        self.transcript.note(self.now, "relay", "kill -9");
        self.relay.crash();
        self.cut(Node::Relay(0));
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

    fn next_time(&self) -> Option<Time> {
        let event = self.events.keys().next().map(|(time, _)| *time);
        let devices = self.devices.iter().filter(|node| node.asleep.is_none()).filter_map(|node| node.client.as_ref());
        let devices = devices.filter_map(Machine::deadline);
        let relays = self.relay.machines.iter().filter_map(Machine::deadline);
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
            let node = &self.devices[device];
            let due = node.client.as_ref().filter(|_| node.asleep.is_none()).and_then(Machine::deadline);
            if due.is_some_and(|due| due <= time) {
                self.tell(device, ClientInput::Tick);
                let deadline = self.devices[device].client.as_ref().and_then(Machine::deadline);
                assert!(deadline.is_none_or(|next| next > time), "{} would spin", self.devices[device].name);
            }
        }
        for machine in 0..self.relay.machines.len() {
            if self.relay.machines[machine].deadline().is_some_and(|due| due <= time) {
                self.tell_relay(machine, RelayInput::Tick);
                let deadline = self.relay.machines.get(machine).and_then(Machine::deadline);
                assert!(deadline.is_none_or(|next| next > time), "the relay would spin");
            }
        }
        true
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Device { device, life, input } if self.devices[device].life == life => self.tell(device, input),
            Event::DeviceDisk { device, life } if self.devices[device].life == life => self.device_disk(device),
            Event::Relay { machine, life, input } if self.relay.life == life => self.tell_relay(machine, input),
            Event::RelayDisk { machine, life, request } if self.relay.life == life => {
                let said = self.transcript.relay_store(&request);
                let answer = self.relay.store.perform(request);
                self.transcript.relay_stored(self.now, said, &answer);
                self.tell_relay(machine, RelayInput::Store(answer));
            }
            // The process it was meant for is gone.
            _ => {}
        }
    }

    fn device_disk(&mut self, device: usize) {
        let node = &mut self.devices[device];
        let answer = match node.queue.remove(0) {
            StoreOutput::Persist { batch, ops } if node.disk == Disk::Good && !node.refusing => {
                node.store.apply(&ops);
                self.transcript.durable(self.now, node.name, batch, &ops);
                StoreInput::Persisted { batch, outcomes: Vec::new() }
            }
            StoreOutput::Persist { batch, .. } => {
                node.refusing = true;
                let failure = if node.disk == Disk::Broken { StoreFailure::Io } else { StoreFailure::Full };
                self.transcript.note(self.now, node.name, &format!("disk refuses b{}: {failure}", batch.0));
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
        if let Some(client) = &mut self.devices[device].client {
            client.handle(now, input).expect("the simulation is a correct driver");
            self.drain_device(device);
        }
    }

    fn tell_relay(&mut self, machine: usize, input: RelayInput) {
        let now = self.now;
        if let Some(relay) = self.relay.machines.get_mut(machine) {
            relay.handle(now, input).expect("the simulation is a correct driver");
            self.drain_relay(machine);
        }
    }

    /// What was on its way over a link is lost with it.
    pub(super) fn lose_in_flight(&mut self, wire: &Wire) {
        self.events.retain(|_, event| match event {
            Event::Device { device, input: ClientInput::Link(LinkInput::Bytes { link, .. }), .. } => {
                (*device, *link) != (wire.device, wire.device_link)
            }
            Event::Relay { machine, input: RelayInput::Link(LinkInput::Bytes { link, .. }), .. } => {
                (*machine, *link) != (wire.machine, wire.relay_link)
            }
            _ => true,
        });
    }

    fn at(&mut self, delay: Duration, event: Event) {
        self.sequence += 1;
        self.events.insert((self.now + delay, self.sequence), event);
    }

    pub(super) fn later(&mut self, device: usize, delay: Duration, input: ClientInput) {
        let life = self.devices[device].life;
        self.at(delay, Event::Device { device, life, input });
    }

    pub(super) fn later_relay(&mut self, machine: usize, delay: Duration, input: RelayInput) {
        let life = self.relay.life;
        self.at(delay, Event::Relay { machine, life, input });
    }

    fn drain_device(&mut self, device: usize) {
        while let Some(output) = self.devices[device].client.as_mut().and_then(Machine::poll) {
            assert!(!self.devices[device].stopped || matches!(output, ClientOutput::Done { .. }), "more after the end");
            match output {
                ClientOutput::Open { link, .. } => self.dial(device, link),
                ClientOutput::Link(output) => self.device_link(device, output),
                ClientOutput::Store(output) => {
                    if let StoreOutput::Persist { ops, .. } = &output {
                        self.transcript.learn(self.devices[device].name, ops);
                    }
                    let life = self.devices[device].life;
                    self.devices[device].queue.push(output);
                    self.at(DISK, Event::DeviceDisk { device, life });
                }
                ClientOutput::Done { command, result } => {
                    self.transcript.done(self.now, self.devices[device].name, command, &result);
                    let earlier = self.devices[device].replies.insert(command, result);
                    assert!(earlier.is_none(), "{} answered c{} twice", self.devices[device].name, command.0);
                }
                ClientOutput::Event(event) => {
                    self.transcript.event(self.now, self.devices[device].name, &event);
                    self.devices[device].events.push(event);
                }
                ClientOutput::Stopped => {
                    self.transcript.note(self.now, self.devices[device].name, "stopped");
                    self.devices[device].stopped = true;
                }
            }
        }
    }

    fn drain_relay(&mut self, machine: usize) {
        while let Some(output) = self.relay.machines.get_mut(machine).and_then(Machine::poll) {
            match output {
                RelayOutput::Link(output) => self.relay_link(machine, output),
                RelayOutput::Store(request) => {
                    let life = self.relay.life;
                    self.at(DISK, Event::RelayDisk { machine, life, request });
                }
                RelayOutput::Announce(announce) => {
                    for other in (0..self.relay.machines.len()).filter(|other| *other != machine) {
                        self.later_relay(other, Duration::ZERO, RelayInput::Announced(announce));
                    }
                }
                RelayOutput::Stopped => self.transcript.note(self.now, "relay", "stopped"),
            }
        }
    }
}

impl Drop for World {
    /// A failing test tells its story.
    #[allow(clippy::print_stderr, reason = "the test harness shows it with the failure")]
    fn drop(&mut self) {
        if std::thread::panicking() {
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
