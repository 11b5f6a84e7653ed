//! A few relay machines over one store, and devices that speak to them: everything explicit, nothing random but the seeds.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::memory::MemoryRelayStore;
use crate::{
    channel::{Channel, ChannelKind, Initiator},
    error::CloseReason,
    ids::{AccessKey, Cursor, Digest, GroupId, Lane, LinkId, MailboxId, RelayId, RelayKey, Tag, TransportId},
    limits::{CHANNEL_AGE, RelayLimits},
    machine::{LinkFailure, LinkInput, LinkOutput, Machine, Misuse, Origin, StoreInput, StoreOutput},
    relay::{
        Relay, RelayConfig,
        io::{Announce, RelayInput, RelayOutput},
        store::{RelayOp, RelayQuery, RelayStore},
    },
    rng::{Draw, Seed},
    seal::keys::{DeviceKeys, Epoch, EpochSecret, Genesis, LinkSecret, prove},
    time::{Duration, Time, UnixMillis},
    wire::{
        codec,
        message::{Hello, News, Page, Pull, Refusal, Request, ToDevice, ToRelay, Welcome, WireCode},
    },
};

pub(super) const ORIGIN: Origin = Origin([7; 8]);
pub(super) const WALL: UnixMillis = UnixMillis(1_800_000_000_000);

/// Machines, their store, and time.
pub(super) struct World {
    pub(super) store: MemoryRelayStore,
    pub(super) nodes: Vec<Node>,
    pub(super) now: Time,
    /// Store requests wait until [`World::store_answers`].
    pub(super) store_waits: bool,
    /// Announcements reach the other machines.
    pub(super) announcing: bool,
    /// Closes are not reported at once.
    pub(super) closes_late: bool,
    /// Outputs are written down.
    pub(super) recording: bool,
    newest: u64,
    draw: Draw,
}

/// One machine and what came out of it.
pub(super) struct Node {
    pub(super) relay: Relay,
    pub(super) requests: VecDeque<StoreOutput<RelayStore>>,
    pub(super) links: BTreeMap<LinkId, Wire>,
    pub(super) ops: Vec<RelayOp>,
    pub(super) queries: Vec<RelayQuery>,
    pub(super) announced: Vec<Announce>,
    pub(super) stopped: usize,
    pub(super) transcript: Vec<String>,
}

/// The driver's side of one link.
#[derive(Default)]
pub(super) struct Wire {
    /// Bytes on their way to the device.
    pub(super) bytes: Vec<u8>,
    pub(super) unwritten: usize,
    pub(super) most_unwritten: usize,
    /// The peer reads nothing: bytes are never reported written.
    pub(super) stuck: bool,
    pub(super) transmits: usize,
    pub(super) paused: bool,
    pub(super) closed: Option<CloseReason>,
}

/// A device, or a second link of it.
pub(super) struct Device {
    pub(super) keys: DeviceKeys,
    pub(super) group: std::rc::Rc<Group>,
}

pub(super) struct Group {
    pub(super) id: GroupId,
    pub(super) access: AccessKey,
    pub(super) genesis: [u8; 32],
    pub(super) epoch: Epoch,
}

/// The device's side of one link.
pub(super) struct Peer {
    pub(super) node: usize,
    pub(super) link: LinkId,
    initiator: Option<Initiator>,
    pub(super) channel: Option<Channel>,
    pub(super) first_flight: Bytes,
    pub(super) payload: Option<Bytes>,
}

pub(super) fn limits() -> RelayLimits {
    RelayLimits { idle: CHANNEL_AGE * 2, ..RelayLimits::default() }
}

pub(super) fn blob(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

pub(super) fn push(blobs: &[&str]) -> ToRelay {
    ToRelay::Push { lane: Lane::Data, blobs: blobs.iter().map(|text| blob(text)).collect() }
}

pub(super) fn pull(after: u64) -> ToRelay {
    ToRelay::Pull(Pull { after: Cursor(after), tag: Tag::default(), max_bytes: 512 * 1024 })
}

pub(super) fn pushed(blobs: &[(&str, u64)]) -> ToDevice {
    let stored = blobs.iter().map(|(text, cursor)| (Digest::of(text.as_bytes()), Cursor(*cursor))).collect();
    ToDevice::Pushed { stored }
}

pub(super) fn news(cursor: u64, text: &str, with_blob: bool) -> ToDevice {
    ToDevice::News(News {
        prev: Cursor(cursor - 1),
        cursor: Cursor(cursor),
        digest: Digest::of(text.as_bytes()),
        blob: with_blob.then(|| blob(text)),
    })
}

pub(super) fn error(code: WireCode, request: Request) -> ToDevice {
    ToDevice::Error(Refusal { code, request, retry_after: 0 })
}

pub(super) fn page(after: u64, entries: &[(u64, &str)], head: u64, more: bool) -> ToDevice {
    let entries = entries.iter().map(|(cursor, text)| (Cursor(*cursor), blob(text))).collect();
    ToDevice::Page(Page { after: Cursor(after), floor: Cursor(0), reset: false, entries, head: Cursor(head), more })
}

/// Without the waiting time of refusals, which the tests that care look at apart.
pub(super) fn plain(messages: Vec<ToDevice>) -> Vec<ToDevice> {
    let plain = |message| match message {
        ToDevice::Error(refusal) => error(refusal.code, refusal.request),
        other => other,
    };
    messages.into_iter().map(plain).collect()
}

pub(super) fn relay_secret() -> LinkSecret {
    LinkSecret::new([42; 32])
}

pub(super) fn mailbox(byte: u8) -> MailboxId {
    MailboxId([byte; 16])
}

impl World {
    /// One machine, ready to serve.
    pub(super) fn new() -> Self {
        Self::with(1, limits())
    }

    /// Several machines over one store, ready to serve.
    #[allow(clippy::needless_pass_by_value, reason = "callers write them in place")]
    pub(super) fn with(machines: usize, limits: RelayLimits) -> Self {
        let mut world = Self::unopened(machines, &limits);
        for node in 0..machines {
            world.input(node, RelayInput::WallClock(WALL));
        }
        world.store_answers();
        world.store_waits = false;
        world
    }

    /// Machines whose store has not answered and that do not know the clock.
    pub(super) fn unopened(machines: usize, limits: &RelayLimits) -> Self {
        let now = Time::from_secs(1);
        let machine = |number: usize| {
            let config = RelayConfig { secret: relay_secret(), kind: ChannelKind::Noise, limits: limits.clone() };
            Node {
                relay: Relay::new(config, Seed::new([number as u8; 32]), now),
                requests: VecDeque::new(),
                links: BTreeMap::new(),
                ops: Vec::new(),
                queries: Vec::new(),
                announced: Vec::new(),
                stopped: 0,
                transcript: Vec::new(),
            }
        };
        let mut world = Self {
            store: MemoryRelayStore::new(RelayId([9; 16])),
            nodes: (0..machines).map(machine).collect(),
            now,
            store_waits: true,
            announcing: true,
            closes_late: false,
            recording: false,
            newest: 0,
            draw: Seed::new([1; 32]).draw("devices"),
        };
        (0..machines).for_each(|node| world.drain_outputs(node));
        world
    }

    /// A device in a group of its own.
    pub(super) fn founder(&mut self) -> Device {
        let keys = DeviceKeys::generate(&mut self.draw);
        let secret = EpochSecret::generate(&mut self.draw);
        let genesis = Genesis::create(&keys, "laptop", &secret, &mut self.draw);
        let (access, hash) = (secret.access(), genesis.hash());
        let id = genesis.group(&access);
        let epoch = Epoch::derive(&secret, &id);
        Device { keys, group: std::rc::Rc::new(Group { id, access, genesis: hash, epoch }) }
    }

    /// Another device of a group.
    pub(super) fn member_of(&mut self, device: &Device) -> Device {
        Device { keys: DeviceKeys::generate(&mut self.draw), group: device.group.clone() }
    }

    /// A link whose first flight is this payload, not yet read from.
    pub(super) fn dial_with(&mut self, node: usize, secret: &LinkSecret, payload: &[u8], origin: Origin) -> Peer {
        let relay = RelayKey(relay_secret().public().0);
        let draw = &mut self.draw;
        let (initiator, bytes) =
            Initiator::new(ChannelKind::Noise, secret, relay, TransportId::TCP, payload, draw).unwrap();
        let link = self.open(node, origin);
        self.bytes(node, link, bytes.clone());
        let initiator = Some(initiator);
        Peer { node, link, initiator, channel: None, first_flight: bytes, payload: None }
    }

    /// A transport without a word said.
    pub(super) fn open(&mut self, node: usize, origin: Origin) -> LinkId {
        self.newest += 1;
        let link = LinkId(self.newest);
        self.nodes[node].links.insert(link, Wire::default());
        self.input(node, RelayInput::Link(LinkInput::Opened { link, transport: TransportId::TCP, origin }));
        link
    }

    /// A device with a proven link from an origin of its own.
    pub(super) fn join_from(&mut self, node: usize, device: &Device, origin: Origin) -> Peer {
        let first = Pull { after: Cursor(0), tag: Tag::default(), max_bytes: 512 * 1024 };
        let payload = codec::encode_first_flight(&device.hello(), &first);
        let mut peer = self.dial_with(node, device.keys.link(), &payload, origin);
        self.welcome(&mut peer);
        self.say(&mut peer, &ToRelay::Ping);
        assert_eq!(self.hear(&mut peer).first(), Some(&ToDevice::Pong));
        peer
    }

    /// Dials and hears the second flight. Nothing proves the device live yet.
    pub(super) fn dial(&mut self, node: usize, device: &Device, after: u64) -> Peer {
        let first = Pull { after: Cursor(after), tag: Tag::default(), max_bytes: 512 * 1024 };
        let payload = codec::encode_first_flight(&device.hello(), &first);
        self.dial_with(node, device.keys.link(), &payload, ORIGIN)
    }

    /// Dials, hears the second flight, and proves itself by a ping.
    pub(super) fn join(&mut self, node: usize, device: &Device, after: u64) -> Peer {
        let mut peer = self.dial(node, device, after);
        self.welcome(&mut peer);
        self.say(&mut peer, &ToRelay::Ping);
        let heard = self.hear(&mut peer);
        assert_eq!(heard.first(), Some(&ToDevice::Pong));
        peer
    }

    /// Someone with nothing but a key of the moment.
    pub(super) fn joiner(&mut self, node: usize) -> Peer {
        let secret = LinkSecret::generate(&mut self.draw);
        let mut peer = self.dial_with(node, &secret, &[], ORIGIN);
        assert_eq!(self.receive(&mut peer), Vec::new());
        assert_eq!(peer.payload.as_deref(), Some(&[][..]));
        peer
    }

    /// What the second flight said.
    pub(super) fn welcome(&mut self, peer: &mut Peer) -> (Welcome, Page) {
        assert_eq!(self.receive(peer), Vec::new());
        codec::decode_second_flight(peer.payload.clone().expect("a second flight")).unwrap()
    }

    pub(super) fn say(&mut self, peer: &mut Peer, message: &ToRelay) {
        self.say_bytes(peer, &codec::encode(message));
    }

    /// Says several messages in one piece.
    pub(super) fn say_all(&mut self, peer: &mut Peer, messages: &[ToRelay]) {
        let channel = peer.channel.as_mut().expect("a channel");
        let bytes: Vec<u8> = messages.iter().flat_map(|m| channel.seal(&codec::encode(m)).to_vec()).collect();
        self.bytes(peer.node, peer.link, bytes.into());
    }

    pub(super) fn say_bytes(&mut self, peer: &mut Peer, message: &[u8]) {
        let bytes = peer.channel.as_mut().expect("a channel").seal(message);
        self.bytes(peer.node, peer.link, bytes);
    }

    /// What arrived since it last listened.
    pub(super) fn hear(&mut self, peer: &mut Peer) -> Vec<ToDevice> {
        self.receive(peer)
    }

    fn receive(&mut self, peer: &mut Peer) -> Vec<ToDevice> {
        let wire = self.nodes[peer.node].links.get_mut(&peer.link).expect("a link");
        let bytes = Bytes::from(core::mem::take(&mut wire.bytes));
        if let Some(initiator) = &mut peer.initiator {
            if let Some((payload, channel)) = initiator.receive(bytes).unwrap() {
                peer.payload = Some(payload);
                peer.channel = Some(channel);
                peer.initiator = None;
            }
        } else if let Some(channel) = &mut peer.channel {
            channel.feed(bytes);
        }
        let mut messages = Vec::new();
        while let Some(channel) = &mut peer.channel
            && let Some(message) = channel.next().unwrap()
        {
            messages.push(codec::decode_to_device(message).unwrap());
        }
        messages
    }

    pub(super) fn wire(&mut self, peer: &Peer) -> &mut Wire {
        self.nodes[peer.node].links.get_mut(&peer.link).expect("a link")
    }

    pub(super) fn closed(&mut self, peer: &Peer) -> Option<CloseReason> {
        self.wire(peer).closed
    }

    /// The driver reports everything that is unwritten as written.
    pub(super) fn unstick(&mut self, peer: &Peer) {
        let wire = self.wire(peer);
        wire.stuck = false;
        let len = core::mem::take(&mut wire.unwritten);
        if len > 0 {
            self.input(peer.node, RelayInput::Link(LinkInput::Written { link: peer.link, len }));
        }
    }

    /// The driver reports the end of a link.
    pub(super) fn hang_up(&mut self, peer: &Peer) {
        self.input(peer.node, RelayInput::Link(LinkInput::Closed { link: peer.link, cause: LinkFailure::Eof }));
    }

    pub(super) fn bytes(&mut self, node: usize, link: LinkId, bytes: Bytes) {
        self.input(node, RelayInput::Link(LinkInput::Bytes { link, bytes }));
    }

    pub(super) fn input(&mut self, node: usize, input: RelayInput) {
        self.try_input(node, input).unwrap();
    }

    /// Handles an input and everything that follows from it.
    pub(super) fn try_input(&mut self, node: usize, input: RelayInput) -> Result<(), Misuse> {
        let is_tick = matches!(input, RelayInput::Tick);
        let result = self.nodes[node].relay.handle(self.now, input);
        self.drain_outputs(node);
        if is_tick {
            let deadline = self.nodes[node].relay.deadline();
            assert!(deadline.is_none_or(|at| at > self.now), "after a tick the deadline is ahead");
        }
        result
    }

    /// Time passes; each machine is woken at its deadlines on the way.
    pub(super) fn advance(&mut self, by: Duration) {
        let end = self.now + by;
        loop {
            let deadline = |node: &Node| node.relay.deadline().filter(|at| *at <= end);
            let Some(next) = self.nodes.iter().filter_map(deadline).min() else { break };
            self.now = self.now.max(next);
            (0..self.nodes.len()).for_each(|node| self.input(node, RelayInput::Tick));
        }
        self.now = end;
        (0..self.nodes.len()).for_each(|node| self.input(node, RelayInput::Tick));
    }

    /// The store answers what waits, and what follows from that.
    pub(super) fn store_answers(&mut self) {
        while self.store_answers_one() {}
    }

    /// The store answers one request.
    pub(super) fn store_answers_one(&mut self) -> bool {
        let Some(node) = (0..self.nodes.len()).find(|node| !self.nodes[*node].requests.is_empty()) else {
            return false;
        };
        let Some(request) = self.nodes[node].requests.pop_front() else { return false };
        let answer = self.store.perform(request);
        self.input(node, RelayInput::Store(answer));
        true
    }

    /// The answer to the oldest request, not handed over.
    pub(super) fn next_answer(&mut self, node: usize) -> StoreInput<RelayStore> {
        let request = self.nodes[node].requests.pop_front().expect("a request");
        self.store.perform(request)
    }

    fn drain_outputs(&mut self, node: usize) {
        while let Some(output) = self.nodes[node].relay.poll() {
            let at = &mut self.nodes[node];
            assert_eq!(at.stopped, 0, "nothing comes after the stop, but this did: {output:?}");
            if self.recording {
                at.transcript.push(format!("{:?} {output:?}", self.now));
            }
            match output {
                RelayOutput::Link(output) => self.perform(node, output),
                RelayOutput::Store(request) => {
                    match &request {
                        StoreOutput::Persist { ops, .. } => at.ops.extend(ops.iter().cloned()),
                        StoreOutput::Load { query, .. } => at.queries.push(query.clone()),
                    }
                    at.requests.push_back(request);
                }
                RelayOutput::Announce(announce) => {
                    at.announced.push(announce);
                    if self.announcing {
                        let others = (0..self.nodes.len()).filter(|other| *other != node);
                        others.for_each(|other| self.input(other, RelayInput::Announced(announce)));
                    }
                }
                RelayOutput::Stopped => at.stopped += 1,
            }
        }
        if !self.store_waits {
            self.store_answers();
        }
    }

    fn perform(&mut self, node: usize, output: LinkOutput) {
        let links = &mut self.nodes[node].links;
        match output {
            LinkOutput::Transmit { link, bytes } => {
                let wire = links.get_mut(&link).expect("a link");
                assert_eq!(wire.closed, None, "nothing is sent after the close");
                wire.bytes.extend_from_slice(&bytes);
                wire.transmits += 1;
                wire.unwritten += bytes.len();
                wire.most_unwritten = wire.most_unwritten.max(wire.unwritten);
                if !wire.stuck {
                    let len = core::mem::take(&mut wire.unwritten);
                    self.input(node, RelayInput::Link(LinkInput::Written { link, len }));
                }
            }
            LinkOutput::SetReading { link, on } => links.get_mut(&link).expect("a link").paused = !on,
            LinkOutput::Close { link, reason } => {
                let wire = links.get_mut(&link).expect("a link");
                assert_eq!(wire.closed.replace(reason), None, "a link is closed once");
                if !self.closes_late {
                    self.input(node, RelayInput::Link(LinkInput::Closed { link, cause: LinkFailure::Local }));
                }
            }
        }
    }

    pub(super) fn stats(&self, node: usize) -> crate::relay::stats::RelayStats {
        self.nodes[node].relay.stats()
    }
}

impl Device {
    pub(super) fn hello(&self) -> Hello {
        let Group { id, access, genesis, epoch } = &*self.group;
        let relay = RelayKey(relay_secret().public().0);
        let proof = prove(epoch, &relay, id, &self.keys.link().public());
        Hello { group: *id, kid: epoch.kid, access: *access, genesis: *genesis, chain: Vec::new(), proof }
    }
}
