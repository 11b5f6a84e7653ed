//! Two devices and a relay as one state of a search: real machines on readable channels, stores whose batches complete when the
//! search says so, links that deliver when it says so.
//!
//! What no order could make interesting happens at once: dialling, the operating system's taking of bytes, reads of a store with
//! nothing to write before them. Everything else is an [`Action`].
//!
//! Limits: a path has so many crashes, cuts and ticks as its [`Budget`]; virtual time moves by ticks only, to the deadline of the
//! machine that is ticked, and others may well be late.

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
};

use bytes::Bytes;
use zerok_core::{
    channel::ChannelKind,
    client::{
        Client, ClientConfig,
        command::{ClientCommand, Lifecycle},
        io::{ClientInput, ClientOutput},
        store::ClientStore,
    },
    ids::{CommandId, LinkId, TransportId},
    limits::{ClientLimits, RelayLimits},
    machine::{LinkFailure, LinkInput, LinkOutput, Machine, Origin, StoreInput, StoreOutput},
    relay::{
        Relay, RelayConfig,
        io::{RelayInput, RelayOutput},
        store::RelayStore,
    },
    rng::Seed,
    seal::{keys::LinkSecret, padding::Padding, rest::StoreKey},
    time::{Time, UnixMillis},
};
use zerok_testkit::{
    sim::Tap,
    store::{client::MemoryClientStore, relay::MemoryRelayStore},
};

use crate::witness::Witness;

/// What the search may still do to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Budget {
    /// Device processes killed.
    pub(crate) device_crashes: u8,
    /// Relay processes killed.
    pub(crate) relay_crashes: u8,
    /// Links cut.
    pub(crate) cuts: u8,
    /// Timers fired.
    pub(crate) ticks: u8,
}

/// One thing that may happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// A device's application makes its next push.
    Push(usize),
    /// The oldest batch of a device's disk becomes durable.
    DeviceDisk(usize),
    /// The same at the relay.
    RelayDisk,
    /// The next bytes of a device's link reach the relay.
    Up(usize),
    /// The next bytes of the relay reach a device.
    Down(usize),
    /// A device's link breaks.
    Cut(usize),
    /// A device's process dies after so many of its pending batches reached the disk, and starts again.
    KillDevice(usize, usize),
    /// The same at the relay.
    KillRelay(usize),
    /// A device's timer fires.
    TickDevice(usize),
    /// The relay's timer fires.
    TickRelay,
}

/// A process with its disk.
#[derive(Clone)]
struct DeviceNode {
    client: Client,
    store: MemoryClientStore,
    key: [u8; 32],
    pending: VecDeque<StoreOutput<ClientStore>>,
    wire: Option<Wire>,
    pushes: Vec<&'static str>,
    commands: CommandId,
    lives: u8,
}

#[derive(Clone)]
struct RelayNode {
    machine: Relay,
    store: MemoryRelayStore,
    secret: [u8; 32],
    pending: VecDeque<StoreOutput<RelayStore>>,
    links: LinkId,
    lives: u8,
}

/// The link of a device: one at a time.
#[derive(Clone)]
struct Wire {
    device_link: LinkId,
    relay_link: LinkId,
    up: VecDeque<Bytes>,
    down: VecDeque<Bytes>,
    said_up: Tap,
    said_down: Tap,
}

/// Everything there is.
#[derive(Clone)]
pub(crate) struct Universe {
    devices: Vec<DeviceNode>,
    relay: RelayNode,
    budget: Budget,
    now: Time,
    /// What an observer of all disks and screens knows.
    pub(crate) witness: Witness,
    /// Of everything above. Two states are one when everything a machine could act on is the same; what the core leaves out of its
    /// hashes (randomness to come, statistics, secrets) changes bytes or nothing, not behaviour. Time counts: it stands still but for
    /// ticks, so that no two states differ in it alone before the one tick of a path.
    fingerprint: u64,
}

const WALL: UnixMillis = UnixMillis(1_767_225_600_000);

impl Universe {
    /// Every process starts over what these stores hold.
    pub(crate) fn start(
        devices: Vec<(MemoryClientStore, [u8; 32], Vec<&'static str>)>,
        relay: MemoryRelayStore,
        secret: [u8; 32],
        budget: Budget,
    ) -> Self {
        let now = Time(0);
        let devices = devices.into_iter().map(|(store, key, pushes)| DeviceNode {
            client: opened(key, 0, now, &store),
            store,
            key,
            pending: VecDeque::new(),
            wire: None,
            pushes,
            commands: CommandId(0),
            lives: 0,
        });
        let relay = RelayNode {
            machine: machine(secret, 0, now),
            store: relay,
            secret,
            pending: VecDeque::new(),
            links: LinkId(0),
            lives: 0,
        };
        let mut universe =
            Self { devices: devices.collect(), relay, budget, now, witness: Witness::default(), fingerprint: 0 };
        universe.witness.begin(universe.devices.iter().map(|device| &device.store), &universe.relay.store);
        universe.tell_relay(RelayInput::WallClock(WALL));
        for device in 0..universe.devices.len() {
            universe.started(device);
        }
        universe.fingerprint = universe.print();
        universe
    }

    /// What may happen now.
    pub(crate) fn actions(&self, actions: &mut Vec<Action>) {
        let budget = self.budget;
        for (index, device) in self.devices.iter().enumerate() {
            if !device.pushes.is_empty() {
                actions.push(Action::Push(index));
            }
            if !device.pending.is_empty() {
                actions.push(Action::DeviceDisk(index));
            }
            if let Some(wire) = &device.wire {
                if !wire.up.is_empty() {
                    actions.push(Action::Up(index));
                }
                if !wire.down.is_empty() {
                    actions.push(Action::Down(index));
                }
                if budget.cuts > 0 {
                    actions.push(Action::Cut(index));
                }
            }
            if budget.device_crashes > 0 {
                actions.extend((0..=device.pending.len()).map(|kept| Action::KillDevice(index, kept)));
            }
            if budget.ticks > 0 && device.client.deadline().is_some() {
                actions.push(Action::TickDevice(index));
            }
        }
        if !self.relay.pending.is_empty() {
            actions.push(Action::RelayDisk);
        }
        if budget.relay_crashes > 0 {
            actions.extend((0..=self.relay.pending.len()).map(Action::KillRelay));
        }
        if budget.ticks > 0 && self.relay.machine.deadline().is_some() {
            actions.push(Action::TickRelay);
        }
    }

    /// Lets it happen.
    pub(crate) fn happen(&mut self, action: Action) {
        match action {
            Action::Push(device) => self.push(device),
            Action::DeviceDisk(device) => self.device_disk(device),
            Action::RelayDisk => self.relay_disk(),
            Action::Up(device) => self.up(device),
            Action::Down(device) => self.down(device),
            Action::Cut(device) => {
                self.budget.cuts -= 1;
                self.cut(device, true);
            }
            Action::KillDevice(device, kept) => self.kill_device(device, kept),
            Action::KillRelay(kept) => self.kill_relay(kept),
            Action::TickDevice(device) => {
                self.budget.ticks -= 1;
                self.now = self.now.max(self.devices[device].client.deadline().unwrap_or(self.now));
                self.tell(device, ClientInput::Tick);
            }
            Action::TickRelay => {
                self.budget.ticks -= 1;
                self.now = self.now.max(self.relay.machine.deadline().unwrap_or(self.now));
                self.tell_relay(RelayInput::Tick);
            }
        }
        self.witness.look(self.devices.iter().map(|device| &device.store), &self.relay.store);
        self.fingerprint = self.print();
    }

    /// Whether somebody was killed on the way here.
    pub(crate) fn was_killed(&self) -> bool {
        self.relay.lives > 0 || self.devices.iter().any(|device| device.lives > 0)
    }

    /// Whether every device is linked and nothing is on its way to a disk or over a link.
    pub(crate) fn is_quiet(&self) -> bool {
        let still = |device: &DeviceNode| {
            let wire = device.wire.as_ref().is_some_and(|wire| wire.up.is_empty() && wire.down.is_empty());
            wire && device.pending.is_empty() && device.pushes.is_empty()
        };
        self.relay.pending.is_empty() && self.devices.iter().all(still)
    }

    /// Whether every device has what is on any disk.
    pub(crate) fn has_arrived(&self) -> bool {
        let stores: Vec<_> = self.devices.iter().map(|device| &device.store).collect();
        self.witness.has_arrived(&stores, &self.relay.store)
    }

    /// Whether all pushes were made and every device has those of all others.
    pub(crate) fn is_complete(&self) -> bool {
        self.devices.iter().all(|device| device.pushes.is_empty())
            && self.witness.is_complete(self.devices.iter().map(|device| &device.store))
    }

    fn print(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.budget, self.now, &self.witness).hash(&mut hasher);
        (&self.relay.store, &self.relay.machine, &self.relay.pending).hash(&mut hasher);
        for device in &self.devices {
            (&device.store, &device.client, &device.pending, &device.pushes).hash(&mut hasher);
            if let Some(wire) = &device.wire {
                (wire.device_link, wire.relay_link, &wire.up, &wire.down).hash(&mut hasher);
            }
        }
        hasher.finish()
    }

    fn push(&mut self, device: usize) {
        let node = &mut self.devices[device];
        let data = Bytes::from_static(node.pushes.remove(0).as_bytes());
        node.commands = node.commands.next();
        let id = node.commands;
        self.tell(device, ClientInput::Command(id, ClientCommand::Push { data, key: None, detached: false }));
    }

    fn device_disk(&mut self, device: usize) {
        let node = &mut self.devices[device];
        let Some(StoreOutput::Persist { batch, ops }) = node.pending.pop_front() else { return };
        node.store.apply(&ops);
        self.tell(device, ClientInput::Store(StoreInput::Persisted { batch, outcomes: Vec::new() }));
    }

    fn relay_disk(&mut self) {
        if let Some(request) = self.relay.pending.pop_front() {
            let answer = self.relay.store.perform(request);
            self.tell_relay(RelayInput::Store(answer));
        }
    }

    fn up(&mut self, device: usize) {
        let Some(wire) = &mut self.devices[device].wire else { return };
        let link = wire.relay_link;
        if let Some(bytes) = wire.up.pop_front() {
            self.tell_relay(RelayInput::Link(LinkInput::Bytes { link, bytes }));
        }
    }

    fn down(&mut self, device: usize) {
        let Some(wire) = &mut self.devices[device].wire else { return };
        let link = wire.device_link;
        if let Some(bytes) = wire.down.pop_front() {
            self.tell(device, ClientInput::Link(LinkInput::Bytes { link, bytes }));
        }
    }

    /// Breaks a link; the device hears of it only while its process lives.
    fn cut(&mut self, device: usize, alive: bool) {
        let Some(wire) = self.devices[device].wire.take() else { return };
        let cause = LinkFailure::Reset;
        self.tell_relay(RelayInput::Link(LinkInput::Closed { link: wire.relay_link, cause }));
        if alive {
            self.tell(device, ClientInput::Link(LinkInput::Closed { link: wire.device_link, cause }));
        }
    }

    fn kill_device(&mut self, device: usize, kept: usize) {
        self.budget.device_crashes -= 1;
        self.cut(device, false);
        let node = &mut self.devices[device];
        for request in node.pending.drain(..).take(kept) {
            if let StoreOutput::Persist { ops, .. } = request {
                node.store.apply(&ops);
            }
        }
        node.pending.clear();
        node.lives += 1;
        node.commands = CommandId(0);
        node.client = opened(node.key, node.lives, self.now, &node.store);
        self.started(device);
    }

    fn kill_relay(&mut self, kept: usize) {
        self.budget.relay_crashes -= 1;
        let node = &mut self.relay;
        for request in node.pending.drain(..).take(kept) {
            node.store.perform(request);
        }
        node.pending.clear();
        node.lives += 1;
        node.links = LinkId(0);
        node.machine = machine(node.secret, node.lives, self.now);
        let cut: Vec<_> = self.devices.iter_mut().map(|device| device.wire.take()).collect();
        self.tell_relay(RelayInput::WallClock(WALL));
        for (device, wire) in cut.into_iter().enumerate() {
            if let Some(wire) = wire {
                let closed = LinkInput::Closed { link: wire.device_link, cause: LinkFailure::Reset };
                self.tell(device, ClientInput::Link(closed));
            }
        }
    }

    fn started(&mut self, device: usize) {
        self.drain(device);
        self.tell(device, ClientInput::WallClock(WALL));
        self.tell(device, ClientInput::Lifecycle(Lifecycle::Started));
    }

    fn tell(&mut self, device: usize, input: ClientInput) {
        self.devices[device].client.handle(self.now, input).expect("the search is a correct driver");
        self.drain(device);
    }

    fn tell_relay(&mut self, input: RelayInput) {
        self.relay.machine.handle(self.now, input).expect("the search is a correct driver");
        self.drain_relay();
    }

    fn drain(&mut self, device: usize) {
        while let Some(output) = self.devices[device].client.poll() {
            match output {
                ClientOutput::Open { link, .. } => self.dial(device, link),
                ClientOutput::Link(LinkOutput::Transmit { link, bytes }) => self.sent_up(device, link, bytes),
                ClientOutput::Link(LinkOutput::Close { link, .. }) => {
                    if self.devices[device].wire.as_ref().is_some_and(|wire| wire.device_link == link) {
                        self.cut(device, true);
                    }
                }
                ClientOutput::Store(request) => {
                    if let StoreOutput::Persist { ops, .. } = &request {
                        self.witness.sealed(device, ops);
                    }
                    self.devices[device].pending.push_back(request);
                }
                ClientOutput::Done { result, .. } => {
                    self.witness.answered(&result, &self.devices[device].store, &self.relay.store);
                }
                ClientOutput::Event(event) => {
                    self.witness.told(device, &event, &self.devices[device].store, &self.relay.store);
                }
                ClientOutput::Link(LinkOutput::SetReading { .. }) | ClientOutput::Stopped => {}
            }
            self.read_device(device);
        }
        self.read_device(device);
    }

    /// Answers reads that wait for no write.
    fn read_device(&mut self, device: usize) {
        let node = &mut self.devices[device];
        while let Some(StoreOutput::Load { load, query }) = node.pending.front() {
            let answer = StoreInput::Loaded { load: *load, answer: Ok(node.store.load(query)) };
            node.pending.pop_front();
            node.client.handle(self.now, ClientInput::Store(answer)).expect("the search is a correct driver");
        }
    }

    fn drain_relay(&mut self) {
        while let Some(output) = self.relay.machine.poll() {
            match output {
                RelayOutput::Link(LinkOutput::Transmit { link, bytes }) => self.sent_down(link, bytes),
                RelayOutput::Link(LinkOutput::Close { link, .. }) => {
                    let device = self.devices.iter().position(|device| device.has_relay_link(link));
                    if let Some(device) = device {
                        self.cut(device, true);
                    }
                }
                RelayOutput::Store(request) => self.relay.pending.push_back(request),
                RelayOutput::Link(LinkOutput::SetReading { .. }) | RelayOutput::Announce(_) | RelayOutput::Stopped => {}
            }
            while matches!(self.relay.pending.front(), Some(StoreOutput::Load { .. })) {
                self.read_relay();
            }
        }
    }

    fn read_relay(&mut self) {
        if let Some(request) = self.relay.pending.pop_front() {
            let answer = RelayInput::Store(self.relay.store.perform(request));
            self.relay.machine.handle(self.now, answer).expect("the search is a correct driver");
        }
    }

    fn dial(&mut self, device: usize, device_link: LinkId) {
        self.relay.links = self.relay.links.next();
        let relay_link = self.relay.links;
        let (up, down) = (VecDeque::new(), VecDeque::new());
        let (said_up, said_down) = (Tap::default(), Tap::default());
        self.devices[device].wire = Some(Wire { device_link, relay_link, up, down, said_up, said_down });
        let (transport, origin) = (TransportId::TCP, Origin::default());
        self.tell_relay(RelayInput::Link(LinkInput::Opened { link: relay_link, transport, origin }));
        self.tell(device, ClientInput::Link(LinkInput::Opened { link: device_link, transport, origin }));
    }

    fn sent_up(&mut self, device: usize, link: LinkId, bytes: Bytes) {
        let len = bytes.len();
        let node = &mut self.devices[device];
        if let Some(wire) = node.wire.as_mut().filter(|wire| wire.device_link == link) {
            for said in wire.said_up.device_says(&bytes) {
                self.witness.device_said(&said, &node.store, &self.relay.store);
            }
            wire.up.push_back(bytes);
        }
        self.tell(device, ClientInput::Link(LinkInput::Written { link, len }));
    }

    fn sent_down(&mut self, link: LinkId, bytes: Bytes) {
        let len = bytes.len();
        if let Some(node) = self.devices.iter_mut().find(|device| device.has_relay_link(link))
            && let Some(wire) = &mut node.wire
        {
            for said in wire.said_down.relay_says(&bytes) {
                self.witness.relay_said(&said, &self.relay.store);
            }
            wire.down.push_back(bytes);
        }
        self.tell_relay(RelayInput::Link(LinkInput::Written { link, len }));
    }
}

impl DeviceNode {
    fn has_relay_link(&self, link: LinkId) -> bool {
        self.wire.as_ref().is_some_and(|wire| wire.relay_link == link)
    }
}

thread_local! {
    /// Processes that have just read their store. Opening one judges every key in it, which is most of what a restart costs, and
    /// a search restarts over the same few stores from a hundred thousand states.
    static OPENED: RefCell<BTreeMap<u64, Client>> = const { RefCell::new(BTreeMap::new()) };
}

/// A new process that has asked its store what there is, and was told.
fn opened(key: [u8; 32], life: u8, now: Time, store: &MemoryClientStore) -> Client {
    let mut hasher = DefaultHasher::new();
    (key, life, now, store).hash(&mut hasher);
    let place = hasher.finish();
    if let Some(client) = OPENED.with_borrow(|known| known.get(&place).cloned()) {
        return client;
    }
    let mut client = client(key, life, now);
    let Some(ClientOutput::Store(StoreOutput::Load { load, query })) = client.poll() else {
        unreachable!("a client begins by asking its store");
    };
    let answer = StoreInput::Loaded { load, answer: Ok(store.load(&query)) };
    client.handle(now, ClientInput::Store(answer)).expect("the search is a correct driver");
    OPENED.with_borrow_mut(|known| known.insert(place, client.clone()));
    client
}

fn client(key: [u8; 32], life: u8, now: Time) -> Client {
    let mut seed = key;
    seed[1] = life;
    let config = ClientConfig {
        store_key: StoreKey::new(key),
        kind: ChannelKind::Plain,
        limits: ClientLimits::default(),
        padding: Padding::None,
    };
    Client::new(config, Seed::new(seed), now)
}

fn machine(secret: [u8; 32], life: u8, now: Time) -> Relay {
    let mut seed = [200; 32];
    seed[1] = life;
    let config =
        RelayConfig { secret: LinkSecret::new(secret), kind: ChannelKind::Plain, limits: RelayLimits::default() };
    Relay::new(config, Seed::new(seed), now)
}

impl fmt::Debug for Universe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?} {:?}", self.now, self.budget, self.witness)
    }
}

impl Hash for Universe {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.fingerprint.hash(state);
    }
}

impl PartialEq for Universe {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}
