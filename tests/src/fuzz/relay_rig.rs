//! A relay under the harness's hand: its driver, its store, and every peer on its links with their keys.
//!
//! What may never happen, whatever peers say: a word that does not decode, an acknowledgement of what is not stored, a blob of
//! another group, credit or links above their bounds, a machine that spins, anything after the end.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use zerok_core::{
    channel::{Channel, ChannelKind, Initiator},
    ids::{BatchId, Cursor, Digest, GroupId, LinkId, LoadId, MailboxId, RelayId, RelayKey, TransportId},
    limits::{MAX_MESSAGE, RelayLimits},
    machine::{LinkInput, LinkOutput, Machine, Origin, StoreFailure, StoreInput, StoreOutput},
    relay::{
        Relay, RelayConfig,
        io::{RelayInput, RelayOutput},
        store::{RelayOp, RelayOutcome, RelayStore, Stored},
    },
    rng::Seed,
    seal::keys::{DeviceKeys, Epoch, EpochSecret, LinkSecret, group_id, prove},
    time::{Duration, Time, UnixMillis},
    wire::{
        codec,
        message::{Hello, Page, Pull, ToDevice, ToRelay},
    },
};

use super::{
    device::ANSWERS,
    fixture::{Fixture, draw},
    sayings::Pool,
    seen::Seen,
    source::Source,
};
use crate::store::relay::MemoryRelayStore;

/// Who sits at the far end of a link.
#[derive(Clone)]
pub(super) struct Party {
    pub(super) link: LinkSecret,
    /// Nothing for a joiner.
    pub(super) member: Option<Membership>,
}

#[derive(Clone)]
pub(super) struct Membership {
    pub(super) group: GroupId,
    hello: Hello,
}

/// One link, from its peer's side.
pub(super) struct PeerLink {
    pub(super) party: usize,
    initiator: Option<Initiator>,
    pub(super) channel: Option<Channel>,
    pub(super) unwritten: usize,
    pub(super) reading: bool,
    pub(super) closing: bool,
    /// Bytes came that this peer did not say, so that what is said now is out of step.
    pub(super) spoiled: bool,
}

/// A relay and everything around it.
pub(super) struct RelayRig {
    pub(super) relay: Relay,
    pub(super) store: MemoryRelayStore,
    pub(super) queue: VecDeque<StoreOutput<RelayStore>>,
    /// Whether the store answers at once.
    pub(super) prompt: bool,
    /// Whether answers were made up, so that what the relay passes on proves nothing.
    pub(super) lied: bool,
    pub(super) now: Time,
    pub(super) links: BTreeMap<LinkId, PeerLink>,
    pub(super) newest_link: LinkId,
    pub(super) newest_batch: BatchId,
    pub(super) newest_load: LoadId,
    pub(super) parties: Vec<Party>,
    /// What each group was ever given.
    given: BTreeMap<GroupId, BTreeMap<Digest, Cursor>>,
    pub(super) pool: Pool,
    pub(super) stopped: bool,
    broken: bool,
    pub(super) seen: Seen,
    pub(super) limits: RelayLimits,
    pub(super) kind: ChannelKind,
    key: RelayKey,
}

fn tight() -> RelayLimits {
    RelayLimits {
        window: 4096,
        page_bytes: 4096,
        links: 6,
        half_open: 3,
        links_per_origin: 4,
        handshakes: (20, 1),
        push_bytes: (16 << 10, 1 << 10),
        group_bytes: 64 << 10,
        group_blobs: 50,
        groups_per_day: 2,
        mailboxes_per_group: 2,
        mailboxes_per_origin: 4,
        mailboxes: 6,
        retention: Duration::from_secs(24 * 3600),
        uncommitted_link: 8 << 10,
        uncommitted: 16 << 10,
        rates: 4,
        ..RelayLimits::default()
    }
}

fn parties(key: RelayKey) -> Vec<Party> {
    let fixture = Fixture::shared();
    let member = |keys: &DeviceKeys, epoch: &Epoch, group: GroupId, genesis: [u8; 32]| {
        let proof = prove(epoch, &key, &group, &keys.link().public());
        let hello = Hello { group, kid: epoch.kid, access: epoch.access, genesis, chain: Vec::new(), proof };
        Party { link: keys.link().clone(), member: Some(Membership { group, hello }) }
    };
    let mut draw = draw(20);
    let other = EpochSecret::generate(&mut draw);
    let others = group_id(&other.access(), &[7; 32]);
    let stranger = DeviceKeys::generate(&mut draw);
    let mut thief = member(&fixture.member, &fixture.epoch, fixture.group, fixture.genesis.hash());
    thief.link = LinkSecret::generate(&mut draw);
    vec![
        member(&fixture.founder, &fixture.epoch, fixture.group, fixture.genesis.hash()),
        member(&fixture.member, &fixture.epoch, fixture.group, fixture.genesis.hash()),
        member(&stranger, &Epoch::derive(&other, &others), others, [7; 32]),
        Party { link: LinkSecret::generate(&mut draw), member: None },
        Party { link: LinkSecret::generate(&mut draw), member: None },
        // A proof that was made for another link key.
        thief,
    ]
}

impl RelayRig {
    /// A relay that was just started.
    pub(super) fn new(source: &mut Source<'_>, prompt: bool) -> Self {
        let kind = if source.below(16) == 15 { ChannelKind::Noise } else { ChannelKind::Plain };
        let limits = if source.flag() { tight() } else { RelayLimits::default() };
        let secret = LinkSecret::new([99; 32]);
        let key = RelayKey(secret.public().0);
        let config = RelayConfig { secret, kind, limits: limits.clone() };
        let mailboxes = (1..5).map(|number| MailboxId([number; 16])).collect();
        let blobs = (0..6_u8).map(|number| Bytes::from(vec![number; 100 * (1 + usize::from(number))])).collect();
        let mut rig = Self {
            relay: Relay::new(config, Seed::new([32; 32]), Time(0)),
            store: MemoryRelayStore::new(RelayId([7; 16])),
            queue: VecDeque::new(),
            prompt,
            lied: false,
            now: Time(0),
            links: BTreeMap::new(),
            newest_link: LinkId(0),
            newest_batch: BatchId(0),
            newest_load: LoadId(0),
            parties: parties(key),
            given: BTreeMap::new(),
            pool: Pool { blobs, mailboxes, cursor: 0 },
            stopped: false,
            broken: false,
            seen: Seen::default(),
            limits,
            kind,
            key,
        };
        rig.drain();
        rig
    }

    /// Its clock is told and its store opened.
    pub(super) fn start(&mut self) {
        self.tell(RelayInput::WallClock(UnixMillis(1_767_312_000_000)));
        self.store_answers(None);
    }

    /// One legal input.
    pub(super) fn tell(&mut self, input: RelayInput) {
        self.take(input);
        self.settle();
    }

    fn take(&mut self, input: RelayInput) {
        let told = self.relay.handle(self.now, input);
        assert_eq!(told, Ok(()), "a legal input");
        self.drain();
        self.deadline_law();
        self.check_bounds();
    }

    /// A prompt store answers whatever is asked. One input cannot keep it busy for ever.
    fn settle(&mut self) {
        let mut answers = 0;
        while self.prompt && !self.queue.is_empty() && !self.stopped {
            self.answer(None);
            answers += 1;
            assert!(answers < ANSWERS, "one input after the other for ever");
        }
    }

    pub(super) fn run(&mut self, time: Duration) {
        let until = self.now + time.min(Duration::from_micros(1 << 50));
        for _ in 0..64 {
            let Some(due) = self.relay.deadline().filter(|due| *due <= until) else { break };
            self.now = self.now.max(due);
            self.tell(RelayInput::Tick);
        }
        self.now = until;
        self.tell(RelayInput::Tick);
    }

    /// A party dials and says its first flight, which may be damaged.
    pub(super) fn dial(&mut self, source: &mut Source<'_>) {
        let party = source.below(self.parties.len());
        let origin = Origin([source.below(3) as u8; 8]);
        self.newest_link = self.newest_link.next();
        let link = self.newest_link;
        let payload = self.parties[party].member.as_ref().map_or_else(Vec::new, |member| {
            let pull = Pull { after: Cursor(self.pool.cursor), max_bytes: source.number32(), ..Pull::default() };
            codec::encode_first_flight(&member.hello, &pull)
        });
        let payload = if source.below(16) == 15 { source.edited(&payload) } else { payload };
        let payload = &payload[..payload.len().min(4096)];
        let secret = &self.parties[party].link;
        let started =
            Initiator::new(self.kind, secret, self.key, TransportId::TCP, payload, &mut draw(21 + party as u8));
        let (initiator, flight) = started.expect("a good relay key");
        let flight = if source.below(16) == 15 { Bytes::from(source.edited(&flight)) } else { flight };
        let peer = PeerLink {
            party,
            initiator: Some(initiator),
            channel: None,
            unwritten: 0,
            reading: true,
            closing: false,
            spoiled: false,
        };
        self.links.insert(link, peer);
        self.tell(RelayInput::Link(LinkInput::Opened { link, transport: TransportId::TCP, origin }));
        self.bytes(link, flight);
    }

    /// Bytes arrive on a link that is still read.
    pub(super) fn bytes(&mut self, link: LinkId, bytes: Bytes) {
        if self.links.get(&link).is_some_and(|peer| peer.reading) && !bytes.is_empty() {
            self.tell(RelayInput::Link(LinkInput::Bytes { link, bytes }));
        }
    }

    /// A message over a channel, if there is one.
    pub(super) fn say(&mut self, link: LinkId, message: &ToRelay) {
        self.say_plain(link, &codec::encode(message));
    }

    pub(super) fn say_plain(&mut self, link: LinkId, plain: &[u8]) {
        if let Some(peer) = self.links.get_mut(&link).filter(|peer| peer.reading)
            && let Some(channel) = &mut peer.channel
        {
            let bytes = channel.seal(plain);
            self.bytes(link, bytes);
        }
    }

    /// The network tells both ends that a link is over.
    pub(super) fn hang_up(&mut self, link: LinkId) {
        if self.links.remove(&link).is_some() {
            let cause = zerok_core::machine::LinkFailure::Reset;
            self.tell(RelayInput::Link(LinkInput::Closed { link, cause }));
        }
    }

    /// So much of what was handed out has left.
    pub(super) fn written(&mut self, link: LinkId, most: usize) {
        if let Some(peer) = self.links.get_mut(&link) {
            let len = peer.unwritten.min(most);
            peer.unwritten -= len;
            self.tell(RelayInput::Link(LinkInput::Written { link, len }));
        }
    }

    /// The store does the next thing it was asked, or fails at it.
    pub(super) fn store_answers(&mut self, failure: Option<StoreFailure>) {
        self.answer(failure);
        self.settle();
    }

    fn answer(&mut self, failure: Option<StoreFailure>) {
        let Some(request) = self.queue.pop_front() else { return };
        let failure = failure.or(self.broken.then_some(StoreFailure::Io));
        let answer = match (request, failure) {
            (StoreOutput::Persist { batch, .. }, Some(failure)) => {
                self.broken |= !failure.may_pass();
                StoreInput::PersistFailed { batch, failure }
            }
            (StoreOutput::Load { load, .. }, Some(failure)) => {
                self.broken |= !failure.may_pass();
                StoreInput::Loaded { load, answer: Err(failure) }
            }
            (request, None) => {
                let groups = groups_of(&request);
                let answer = self.store.perform(request);
                self.learn(&groups, &answer);
                answer
            }
        };
        self.take(RelayInput::Store(answer));
    }

    /// What a batch gave a group.
    fn learn(&mut self, groups: &[(GroupId, Vec<Digest>)], answer: &StoreInput<RelayStore>) {
        let StoreInput::Persisted { outcomes, .. } = answer else { return };
        let appended = outcomes.iter().filter_map(|outcome| match outcome {
            RelayOutcome::Appended { results, .. } => Some(results),
            _ => None,
        });
        for ((group, digests), results) in groups.iter().zip(appended) {
            for (digest, result) in digests.iter().zip(results) {
                if let Stored::At(cursor) | Stored::Duplicate(cursor) = result {
                    self.given.entry(*group).or_default().insert(*digest, *cursor);
                    self.pool.cursor = self.pool.cursor.max(cursor.0);
                }
            }
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.relay.poll() {
            assert!(!self.stopped, "after the end: {output:?}");
            match output {
                RelayOutput::Link(LinkOutput::Transmit { link, bytes }) => self.transmitted(link, bytes),
                RelayOutput::Link(LinkOutput::SetReading { link, on }) => {
                    if let Some(peer) = self.links.get_mut(&link) {
                        assert!(peer.reading != on, "said once");
                        peer.reading = on;
                    }
                }
                RelayOutput::Link(LinkOutput::Close { link, reason }) => {
                    self.seen.fault("CloseReason", reason);
                    self.seen.inner(reason);
                    if let Some(peer) = self.links.get_mut(&link) {
                        assert!(!std::mem::replace(&mut peer.closing, true), "closed once");
                    }
                }
                RelayOutput::Store(request) => {
                    match &request {
                        StoreOutput::Persist { batch, ops } => {
                            assert!(*batch > self.newest_batch && !ops.is_empty());
                            self.newest_batch = *batch;
                        }
                        StoreOutput::Load { load, .. } => {
                            assert!(*load > self.newest_load);
                            self.newest_load = *load;
                        }
                    }
                    self.queue.push_back(request);
                }
                RelayOutput::Announce(_) => {}
                RelayOutput::Stopped => self.stopped = true,
            }
        }
    }

    fn transmitted(&mut self, link: LinkId, bytes: Bytes) {
        let Some(peer) = self.links.get_mut(&link) else { panic!("bytes for a link that is over") };
        assert!(!peer.closing, "bytes after the close");
        peer.unwritten += bytes.len();
        assert!(peer.unwritten <= self.limits.window + Channel::sealed_len(MAX_MESSAGE), "credit");
        let member = self.parties[peer.party].member.as_ref().map(|member| member.group);
        let mut pages = Vec::new();
        if let Some(channel) = &mut peer.channel {
            channel.feed(bytes);
        } else if let Some(initiator) = &mut peer.initiator {
            match initiator.receive(bytes) {
                Ok(Some((payload, channel))) => {
                    peer.channel = Some(channel);
                    if !payload.is_empty() {
                        let (_, page) = codec::decode_second_flight(payload).expect("a relay says only what decodes");
                        pages.push(page);
                    }
                }
                Ok(None) => panic!("a relay says whole frames"),
                Err(_) => peer.initiator = None,
            }
        }
        let mut said = Vec::new();
        if let Some(channel) = &mut peer.channel {
            while let Ok(Some(message)) = channel.next() {
                said.push(codec::decode_to_device(message).expect("a relay says only what decodes"));
            }
        }
        for message in said {
            self.heard(member, message, &mut pages);
        }
        pages.iter().for_each(|page| self.check_page(member, page));
    }

    fn heard(&mut self, member: Option<GroupId>, message: ToDevice, pages: &mut Vec<Page>) {
        match message {
            ToDevice::Page(page) => pages.push(page),
            ToDevice::Pushed { stored } => {
                let given = member.and_then(|group| self.given.get(&group));
                for (digest, cursor) in stored.iter().filter(|_| !self.lied) {
                    let at = given.and_then(|given| given.get(digest));
                    assert_eq!(at, Some(cursor), "acknowledged means stored, at this cursor");
                }
            }
            ToDevice::News(news) => {
                assert!(news.cursor > news.prev || self.lied, "news goes forward");
                if let Some(blob) = news.blob {
                    self.check_blob(member, &blob);
                }
            }
            ToDevice::Error(refusal) => self.seen.wire(refusal.code),
            ToDevice::Welcome(_) => panic!("a welcome stands in the second flight only"),
            _ => {}
        }
    }

    fn check_page(&self, member: Option<GroupId>, page: &Page) {
        assert!(member.is_some(), "a joiner gets no page");
        assert!(page.entries.windows(2).all(|pair| pair[0].0 < pair[1].0) || self.lied, "cursors increase");
        page.entries.iter().for_each(|(_, blob)| self.check_blob(member, blob));
    }

    /// A member is given its own group's blobs only.
    fn check_blob(&self, member: Option<GroupId>, blob: &Bytes) {
        let given = member.and_then(|group| self.given.get(&group));
        assert!(self.lied || given.is_some_and(|given| given.contains_key(&Digest::of(blob))), "another group's blob");
    }

    fn deadline_law(&mut self) {
        if self.relay.deadline().is_some_and(|due| due <= self.now) {
            assert_eq!(self.relay.handle(self.now, RelayInput::Tick), Ok(()));
            self.drain();
            let again = self.relay.deadline();
            assert!(again.is_none_or(|due| due > self.now), "it would spin: {again:?} at {:?}", self.now);
        }
    }

    fn check_bounds(&self) {
        let stats = self.relay.stats();
        assert!(stats.links <= self.limits.links && stats.half_open <= self.limits.half_open.min(stats.links));
        let flying = self.queue.iter().map(|request| match request {
            StoreOutput::Persist { ops, .. } => ops.iter().map(append_bytes).sum(),
            StoreOutput::Load { .. } => 0,
        });
        let flying: usize = flying.sum();
        let most = self.limits.uncommitted + (1 + self.links.len()) * (MAX_MESSAGE + self.limits.uncommitted_link);
        assert!(flying <= most, "{flying} bytes wait for the disk");
    }

    /// Drains it; with its links gone and its store well it must stop.
    pub(super) fn finish(mut self) -> Seen {
        self.prompt = true;
        self.tell(RelayInput::Drain);
        while !self.queue.is_empty() && !self.stopped {
            self.store_answers(None);
        }
        let open: Vec<LinkId> = self.links.keys().copied().collect();
        for link in open {
            if self.stopped {
                break;
            }
            self.hang_up(link);
        }
        for _ in 0..8 {
            if self.stopped {
                break;
            }
            self.run(Duration::from_secs(10));
        }
        assert!(self.stopped, "a drained relay stops");
        self.seen
    }

    /// Any link there is.
    pub(super) fn any_link(&self, source: &mut Source<'_>) -> Option<LinkId> {
        let links: Vec<LinkId> = self.links.keys().copied().collect();
        source.pick(&links)
    }
}

/// Digests a request gives to groups, in the order of its outcomes.
fn groups_of(request: &StoreOutput<RelayStore>) -> Vec<(GroupId, Vec<Digest>)> {
    let StoreOutput::Persist { ops, .. } = request else { return Vec::new() };
    let append = |op: &RelayOp| match op {
        RelayOp::Append(append) => {
            Some((append.group, append.blobs.iter().map(|(digest, _)| *digest).collect::<Vec<_>>()))
        }
        _ => None,
    };
    ops.iter().filter_map(append).collect()
}

fn append_bytes(op: &RelayOp) -> usize {
    match op {
        RelayOp::Append(append) => append.blobs.iter().map(|(_, blob)| blob.len()).sum(),
        RelayOp::SendMailbox { body, .. } => body.len(),
        _ => 0,
    }
}
