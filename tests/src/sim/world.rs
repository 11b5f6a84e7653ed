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
        store::{ClientAnswer, ClientOp},
    },
    ids::{CommandId, LinkId, TransportId},
    limits::{ClientLimits, RelayLimits},
    machine::{LinkFailure, LinkInput, LinkOutput, Machine, Origin, StoreInput, StoreOutput},
    relay::io::{RelayInput, RelayOutput},
    time::{Duration, Time, UnixMillis},
};

use super::{DeviceNode, RelayNode, Transcript, tap::Tap};
use crate::store::{client::MemoryClientStore, relay::MemoryRelayStore};

/// Half of a round trip.
const HALF: Duration = Duration::from_millis(25);
/// What a commit takes.
const DISK: Duration = Duration::from_millis(3);
/// The wall clock at time zero: 2026-01-01.
const EPOCH: UnixMillis = UnixMillis(1_767_225_600_000);

/// Who something happens to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    Device(usize),
    Relay(usize),
}

enum Event {
    Device { device: usize, life: u64, input: ClientInput },
    DeviceDisk { device: usize, life: u64 },
    Relay { machine: usize, life: u64, input: RelayInput },
    RelayDisk { machine: usize, life: u64, request: StoreOutput<zerok_core::relay::store::RelayStore> },
}

struct Wire {
    device: usize,
    device_link: LinkId,
    machine: usize,
    relay_link: LinkId,
    up: Tap,
    down: Tap,
    /// Whether the device has sent its first flight.
    spoken: bool,
}

/// Devices, one relay, and time.
pub struct World {
    /// The devices, in order of creation.
    pub devices: Vec<DeviceNode>,
    /// The relay.
    pub relay: RelayNode,
    /// What happened, in words; complete on the plain channel, without messages on Noise.
    pub transcript: Transcript,
    now: Time,
    sequence: u64,
    events: BTreeMap<(Time, u64), Event>,
    wires: Vec<Wire>,
    kind: ChannelKind,
    limits: ClientLimits,
    /// Whether the network carries anything.
    network: bool,
    /// Flights between devices and relay, both ways.
    pub flights: u64,
    first_flights: Vec<(usize, Bytes)>,
    to_strangers: Vec<Bytes>,
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
            flights: 0,
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

    /// Copies a device, store and keychain, to another machine and starts it there.
    pub fn clone_device(&mut self, device: usize, name: &'static str) -> usize {
        let copy = self.devices[device].copy(name);
        self.devices.push(copy);
        self.start_device(self.devices.len() - 1);
        self.devices.len() - 1
    }

    /// Puts an older copy of a device's database back. The counter beside its key is not part of the copy.
    pub fn restore_device(&mut self, device: usize, mut store: MemoryClientStore) {
        self.transcript.note(self.now, self.devices[device].name, "database restored from a copy");
        store.set_reserved(self.devices[device].store.reserved());
        self.devices[device].store = store;
    }

    /// Restarts the relay over another database.
    pub fn swap_relay(&mut self, store: MemoryRelayStore) {
        self.kill_relay();
        self.relay.store = store;
        self.start_relay();
    }

    /// Virtual time.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Starts a device's process.
    pub fn start_device(&mut self, device: usize) {
        self.transcript.note(self.now, self.devices[device].name, "start");
        self.devices[device].start(self.now);
        self.drain_device(device);
        let millis = UnixMillis(EPOCH.0 + self.now.0 / 1000);
        self.tell(device, ClientInput::WallClock(millis));
        self.tell(device, ClientInput::Lifecycle(Lifecycle::Started));
    }

    /// Kills a device's process: what its disk has not completed is lost.
    pub fn kill_device(&mut self, device: usize) {
        self.transcript.note(self.now, self.devices[device].name, "kill -9");
        self.devices[device].crash();
        self.cut(Node::Device(device));
    }

    /// Batches that a device has handed to its disk and that are not written yet.
    pub fn unwritten(&self, device: usize) -> usize {
        self.devices[device].queue.iter().filter(|request| matches!(request, StoreOutput::Persist { .. })).count()
    }

    /// Kills a device's process while its disk is at work: so many of the batches in flight were still written.
    pub fn kill_device_after(&mut self, device: usize, batches: usize) {
        let node = &mut self.devices[device];
        let persists = node.queue.iter().filter_map(|request| match request {
            StoreOutput::Persist { ops, .. } => Some(ops),
            StoreOutput::Load { .. } => None,
        });
        persists.take(batches).for_each(|ops| node.store.apply(ops));
        self.kill_device(device);
    }

    /// The first flights devices have sent, as whoever records the network has them: device and bytes.
    pub fn first_flights(&self) -> &[(usize, Bytes)] {
        &self.first_flights
    }

    /// A stranger dials the relay and says these bytes. What comes back is in [`World::to_strangers`].
    pub fn stranger(&mut self, bytes: Bytes) {
        self.relay.next_link = self.relay.next_link.next();
        let link = self.relay.next_link;
        let opened = LinkInput::Opened { link, transport: TransportId::TCP, origin: Origin::default() };
        self.later_relay(0, HALF, RelayInput::Link(opened));
        self.later_relay(0, HALF, RelayInput::Link(LinkInput::Bytes { link, bytes }));
    }

    /// What the relay has sent to strangers.
    pub fn to_strangers(&self) -> &[Bytes] {
        &self.to_strangers
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

    /// Whether anything travels from now on.
    pub fn set_network(&mut self, on: bool) {
        self.transcript.note(self.now, "network", if on { "back" } else { "gone" });
        self.network = on;
        if !on {
            for device in 0..self.devices.len() {
                self.cut(Node::Device(device));
            }
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
        let devices = self.devices.iter().filter_map(|node| node.client.as_ref()).filter_map(Machine::deadline);
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
            if self.devices[device].client.as_ref().and_then(Machine::deadline).is_some_and(|due| due <= time) {
                self.tell(device, ClientInput::Tick);
            }
        }
        for machine in 0..self.relay.machines.len() {
            if self.relay.machines[machine].deadline().is_some_and(|due| due <= time) {
                self.tell_relay(machine, RelayInput::Tick);
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
                self.transcript.relay_store(self.now, &request);
                let answer = self.relay.store.perform(request);
                self.tell_relay(machine, RelayInput::Store(answer));
            }
            // The process it was meant for is gone.
            _ => {}
        }
    }

    fn device_disk(&mut self, device: usize) {
        let node = &mut self.devices[device];
        let answer = match node.queue.remove(0) {
            StoreOutput::Persist { batch, ops } => {
                node.store.apply(&ops);
                self.transcript.durable(self.now, node.name, batch, &ops);
                StoreInput::Persisted { batch, outcomes: Vec::new() }
            }
            StoreOutput::Load { load, query } => {
                let answer: ClientAnswer = node.store.load(&query);
                StoreInput::Loaded { load, answer: Ok(answer) }
            }
        };
        self.tell(device, ClientInput::Store(answer));
    }

    fn tell(&mut self, device: usize, input: ClientInput) {
        let now = self.now;
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

    fn at(&mut self, delay: Duration, event: Event) {
        self.sequence += 1;
        self.events.insert((self.now + delay, self.sequence), event);
    }

    fn later(&mut self, device: usize, delay: Duration, input: ClientInput) {
        let life = self.devices[device].life;
        self.at(delay, Event::Device { device, life, input });
    }

    fn later_relay(&mut self, machine: usize, delay: Duration, input: RelayInput) {
        let life = self.relay.life;
        self.at(delay, Event::Relay { machine, life, input });
    }

    fn drain_device(&mut self, device: usize) {
        while let Some(output) = self.devices[device].client.as_mut().and_then(Machine::poll) {
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
                    self.devices[device].replies.insert(command, result);
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

    fn dial(&mut self, device: usize, link: LinkId) {
        let name = self.devices[device].name;
        self.devices[device].link = Some(link);
        if !self.network || self.relay.machines.is_empty() {
            self.transcript.note(self.now, name, "dial: nobody answers");
            let cause = LinkFailure::Unreachable;
            return self.later(device, HALF * 2, ClientInput::Link(LinkInput::OpenFailed { link, cause }));
        }
        self.transcript.note(self.now, name, "dial");
        let machine = self.relay.next_machine % self.relay.machines.len();
        self.relay.next_machine += 1;
        self.relay.next_link = self.relay.next_link.next();
        let relay_link = self.relay.next_link;
        let (up, down) = (Tap::default(), Tap::default());
        let wire = Wire { device, device_link: link, machine, relay_link, up, down, spoken: false };
        self.wires.push(wire);
        let (transport, origin) = (TransportId::TCP, Origin::default());
        let opened = LinkInput::Opened { link: relay_link, transport, origin };
        self.later_relay(machine, HALF, RelayInput::Link(opened));
        self.later(device, HALF * 2, ClientInput::Link(LinkInput::Opened { link, transport, origin }));
    }

    fn device_link(&mut self, device: usize, output: LinkOutput) {
        let name = self.devices[device].name;
        match output {
            LinkOutput::Transmit { link, bytes } => {
                let len = bytes.len();
                if let Some(index) = self.wires.iter().position(|w| w.device == device && w.device_link == link) {
                    if !std::mem::replace(&mut self.wires[index].spoken, true) {
                        self.first_flights.push((device, bytes.clone()));
                    }
                    let said = self.tap(index, true, &bytes);
                    self.transcript.from_device(self.now, name, &said);
                    let (machine, link) = (self.wires[index].machine, self.wires[index].relay_link);
                    self.later_relay(machine, HALF, RelayInput::Link(LinkInput::Bytes { link, bytes }));
                }
                self.later(device, Duration::ZERO, ClientInput::Link(LinkInput::Written { link, len }));
            }
            LinkOutput::Close { link, reason } => {
                self.transcript.note(self.now, name, &format!("close: {reason}"));
                if let Some(index) = self.wires.iter().position(|w| w.device == device && w.device_link == link) {
                    let wire = self.wires.remove(index);
                    let closed = LinkInput::Closed { link: wire.relay_link, cause: LinkFailure::Eof };
                    self.later_relay(wire.machine, HALF, RelayInput::Link(closed));
                    let closed = LinkInput::Closed { link, cause: LinkFailure::Local };
                    self.later(device, Duration::ZERO, ClientInput::Link(closed));
                }
            }
            LinkOutput::SetReading { .. } => {}
        }
    }

    fn relay_link(&mut self, machine: usize, output: LinkOutput) {
        match output {
            LinkOutput::Transmit { link, bytes } => {
                let len = bytes.len();
                if let Some(index) = self.wires.iter().position(|w| w.machine == machine && w.relay_link == link) {
                    let said = self.tap(index, false, &bytes);
                    let (device, device_link) = (self.wires[index].device, self.wires[index].device_link);
                    self.transcript.from_relay(self.now, self.devices[device].name, &said);
                    let input = LinkInput::Bytes { link: device_link, bytes };
                    self.later(device, HALF, ClientInput::Link(input));
                } else {
                    self.to_strangers.push(bytes);
                }
                self.later_relay(machine, Duration::ZERO, RelayInput::Link(LinkInput::Written { link, len }));
            }
            LinkOutput::Close { link, reason } => {
                self.transcript.note(self.now, "relay", &format!("close: {reason}"));
                if let Some(index) = self.wires.iter().position(|w| w.machine == machine && w.relay_link == link) {
                    let wire = self.wires.remove(index);
                    let closed = LinkInput::Closed { link: wire.device_link, cause: LinkFailure::Eof };
                    self.later(wire.device, HALF, ClientInput::Link(closed));
                    let closed = LinkInput::Closed { link, cause: LinkFailure::Local };
                    self.later_relay(machine, Duration::ZERO, RelayInput::Link(closed));
                }
            }
            LinkOutput::SetReading { .. } => {}
        }
    }

    fn tap(&mut self, index: usize, up: bool, bytes: &Bytes) -> Vec<super::tap::Said> {
        self.flights += 1;
        if self.kind != ChannelKind::Plain {
            return Vec::new();
        }
        let wire = &mut self.wires[index];
        if up { wire.up.from_device(bytes) } else { wire.down.from_relay(bytes) }
    }

    /// Breaks the links of a node: the other ends notice.
    fn cut(&mut self, node: Node) {
        let (gone, stay) = std::mem::take(&mut self.wires).into_iter().partition::<Vec<_>, _>(|wire| match node {
            Node::Device(device) => wire.device == device,
            Node::Relay(_) => true,
        });
        self.wires = stay;
        for wire in gone {
            let cause = LinkFailure::Reset;
            self.later_relay(wire.machine, HALF, RelayInput::Link(LinkInput::Closed { link: wire.relay_link, cause }));
            self.later(wire.device, HALF, ClientInput::Link(LinkInput::Closed { link: wire.device_link, cause }));
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
