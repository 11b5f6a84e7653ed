//! A client under the harness's hand: its driver, its store and the relay's end of its link, and what may never happen to it.
//!
//! The driver is a legal one, however late and slow: [`DeviceRig::tell`] panics when the machine calls an input misuse. After each
//! input it checks the deadline law, credit, order and single answers; [`DeviceRig::finish`] closes the client, wants every command
//! answered, and opens the store once more.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use zerok_core::{
    channel::{Channel, ChannelKind, Responder},
    client::{
        Client, ClientConfig,
        command::{ClientCommand, ClientEvent, Lifecycle, Rejection, Reply},
        io::{ClientInput, ClientOutput},
        store::{ClientAnswer, ClientOp, ClientQuery, ClientStore},
    },
    error::Code,
    ids::{BatchId, BlobId, CommandId, Digest, LinkId, LoadId, Position},
    limits::{ClientLimits, MAX_MESSAGE},
    machine::{LinkInput, LinkOutput, Machine, StoreFailure, StoreInput, StoreOutput},
    pairing::{code::PairingCode, invite::QrPayload},
    rng::Seed,
    seal::{
        keys::{LinkSecret, StoreKey},
        padding::Padding,
    },
    time::{Duration, Time, UnixMillis},
    wire::{
        codec,
        message::{ToDevice, ToRelay},
    },
};

use super::{seen::Seen, snapshot::Snapshot, source::Source};
use crate::store::client::MemoryClientStore;

/// The relay's end of a link.
pub(super) struct Wire {
    pub(super) id: LinkId,
    pub(super) opened: bool,
    /// The machine asked to close it.
    pub(super) closing: bool,
    pub(super) unwritten: usize,
    /// Its first flight said who asks; otherwise it is a joiner's.
    pub(super) member: bool,
    pub(super) responder: Option<Responder>,
    pub(super) channel: Option<Channel>,
}

/// A client and everything around it.
pub(super) struct DeviceRig {
    pub(super) client: Client,
    /// What is durable.
    pub(super) store: MemoryClientStore,
    /// What was asked of the store and not answered, in order.
    pub(super) queue: VecDeque<StoreOutput<ClientStore>>,
    /// Whether the store answers at once.
    pub(super) prompt: bool,
    /// The store refused a batch and was not opened again.
    refusing: bool,
    broken: bool,
    pub(super) now: Time,
    pub(super) wire: Option<Wire>,
    pub(super) newest_link: LinkId,
    pub(super) newest_batch: BatchId,
    pub(super) newest_load: LoadId,
    pub(super) command: CommandId,
    answered: BTreeSet<CommandId>,
    /// Rows that were durable at some time.
    durable: BTreeMap<Digest, BlobId>,
    kept: BTreeSet<BlobId>,
    offered: BTreeSet<BlobId>,
    newest_offer: Position,
    pub(super) stopped: bool,
    /// What the client said to the relay and nobody looked at.
    pub(super) heard: VecDeque<ToRelay>,
    /// Invites it made.
    pub(super) invites: Vec<(PairingCode, QrPayload)>,
    pub(super) seen: Seen,
    pub(super) kind: ChannelKind,
    pub(super) secret: LinkSecret,
    limits: ClientLimits,
}

/// More answers of a store than any one input can lead to.
pub(super) const ANSWERS: usize = 2000;

/// Bounds that a short run can reach.
pub(super) fn tight() -> ClientLimits {
    ClientLimits {
        window: 4096,
        push_window: 8192,
        page_bytes: 8192,
        outbox_unsent: 16 << 10,
        outbox_acked: 16 << 10,
        inbox_unread: 8 << 10,
        inbox_read: 4 << 10,
        inbox_read_age: Duration::from_secs(3600),
        held: (4, 4096),
        commands: 8,
        ..ClientLimits::default()
    }
}

impl DeviceRig {
    /// A process over a store.
    pub(super) fn new(source: &mut Source<'_>, store: MemoryClientStore, prompt: bool) -> Self {
        let kind = if source.below(16) == 15 { ChannelKind::Noise } else { ChannelKind::Plain };
        let limits = if source.flag() { tight() } else { ClientLimits::default() };
        Self::with(kind, limits, store, prompt)
    }

    pub(super) fn with(kind: ChannelKind, limits: ClientLimits, store: MemoryClientStore, prompt: bool) -> Self {
        let snapshot = Snapshot::shared();
        let config = ClientConfig {
            store_key: StoreKey::new(snapshot.store_key),
            kind,
            limits: limits.clone(),
            padding: Padding::Padme,
        };
        let mut rig = Self {
            client: Client::new(config, Seed::new([31; 32]), Time(0)),
            store,
            queue: VecDeque::new(),
            prompt,
            refusing: false,
            broken: false,
            now: Time(0),
            wire: None,
            newest_link: LinkId(0),
            newest_batch: BatchId(0),
            newest_load: LoadId(0),
            command: CommandId(0),
            answered: BTreeSet::new(),
            durable: BTreeMap::new(),
            kept: BTreeSet::new(),
            offered: BTreeSet::new(),
            newest_offer: Position(0),
            stopped: false,
            heard: VecDeque::new(),
            invites: Vec::new(),
            seen: Seen::default(),
            kind,
            secret: snapshot.relay_secret(),
            limits,
        };
        rig.learn_rows();
        rig.drain();
        rig
    }

    /// Starts it as an application does: the clock first, then the platform.
    pub(super) fn start(&mut self) {
        self.tell(ClientInput::WallClock(UnixMillis(1_767_312_000_000)));
        self.tell(ClientInput::Lifecycle(Lifecycle::Started));
    }

    /// One legal input.
    pub(super) fn tell(&mut self, input: ClientInput) {
        self.take(input);
        self.settle();
    }

    fn take(&mut self, input: ClientInput) {
        let told = self.client.handle(self.now, input);
        assert_eq!(told, Ok(()), "a legal input");
        self.drain();
        self.deadline_law();
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

    pub(super) fn command(&mut self, command: ClientCommand) -> CommandId {
        self.command = self.command.next();
        self.tell(ClientInput::Command(self.command, command));
        self.command
    }

    /// Time passes, at most 35 years, and the machine is woken at each deadline on the way, up to a bound.
    pub(super) fn run(&mut self, time: Duration) {
        let until = self.now + time.min(Duration::from_micros(1 << 50));
        for _ in 0..64 {
            let Some(due) = self.client.deadline().filter(|due| *due <= until) else { break };
            self.now = self.now.max(due);
            self.tell(ClientInput::Tick);
        }
        self.now = until;
        self.tell(ClientInput::Tick);
    }

    /// The store does the next thing it was asked, or fails at it.
    pub(super) fn store_answers(&mut self, failure: Option<StoreFailure>) {
        self.answer(failure);
        self.settle();
    }

    fn answer(&mut self, failure: Option<StoreFailure>) {
        let Some(request) = self.queue.pop_front() else { return };
        let failure = failure.or(self.broken.then_some(StoreFailure::Io));
        let answer = match request {
            StoreOutput::Persist { batch, ops } => match failure.or(self.refusing.then_some(StoreFailure::Full)) {
                None => {
                    self.write(&ops);
                    StoreInput::Persisted { batch, outcomes: Vec::new() }
                }
                Some(failure) => {
                    self.refusing = true;
                    self.broken |= !failure.may_pass();
                    StoreInput::PersistFailed { batch, failure }
                }
            },
            StoreOutput::Load { load, query } => match failure {
                Some(failure) => {
                    self.broken |= !failure.may_pass();
                    StoreInput::Loaded { load, answer: Err(failure) }
                }
                None => {
                    self.refusing &= query != ClientQuery::Open;
                    StoreInput::Loaded { load, answer: Ok(self.store.load(&query)) }
                }
            },
        };
        self.take(ClientInput::Store(answer));
    }

    /// Every batch in a row becomes durable, and only the last is reported: acknowledgements are cumulative.
    pub(super) fn store_catches_up(&mut self) {
        if self.refusing || self.broken {
            return self.store_answers(None);
        }
        let mut last = None;
        while let Some(StoreOutput::Persist { .. }) = self.queue.front() {
            if let Some(StoreOutput::Persist { batch, ops }) = self.queue.pop_front() {
                self.write(&ops);
                last = Some(batch);
            }
        }
        match last {
            Some(batch) => self.tell(ClientInput::Store(StoreInput::Persisted { batch, outcomes: Vec::new() })),
            None => self.store_answers(None),
        }
    }

    fn write(&mut self, ops: &[ClientOp]) {
        self.store.apply(ops);
        for op in ops {
            if let ClientOp::Enqueue(row) = op {
                self.durable.insert(row.entry.digest, row.entry.blob_id);
                self.kept.insert(row.entry.blob_id);
            }
        }
    }

    fn learn_rows(&mut self) {
        for entry in self.store.image().outbox {
            self.durable.insert(entry.digest, entry.blob_id);
            self.kept.insert(entry.blob_id);
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.client.poll() {
            assert!(!self.stopped || matches!(output, ClientOutput::Done { .. }), "after the end: {output:?}");
            match output {
                ClientOutput::Open { link, .. } => {
                    assert!(self.wire.as_ref().is_none_or(|wire| wire.closing), "one link at a time");
                    assert!(link > self.newest_link, "ids of links increase");
                    self.newest_link = link;
                    let (responder, channel) = (None, None);
                    self.wire = Some(Wire {
                        id: link,
                        opened: false,
                        closing: false,
                        unwritten: 0,
                        member: false,
                        responder,
                        channel,
                    });
                }
                ClientOutput::Link(LinkOutput::Transmit { link, bytes }) => self.transmitted(link, bytes),
                ClientOutput::Link(LinkOutput::Close { link, reason }) => {
                    self.seen.fault("CloseReason", reason);
                    self.seen.inner(reason);
                    if let Some(wire) = self.wire.as_mut().filter(|wire| wire.id == link) {
                        assert!(!std::mem::replace(&mut wire.closing, true), "closed once");
                    }
                }
                ClientOutput::Link(LinkOutput::SetReading { .. }) => {}
                ClientOutput::Store(request) => {
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
                ClientOutput::Done { command, result } => self.done(command, result),
                ClientOutput::Event(event) => self.event(&event),
                ClientOutput::Stopped => self.stopped = true,
            }
        }
    }

    fn done(&mut self, command: CommandId, result: Result<Reply, Rejection>) {
        assert!(command <= self.command && self.answered.insert(command), "one answer each: {command:?}");
        match result {
            Ok(Reply::Pushed { blob_id, .. } | Reply::Queued { blob_id }) => {
                assert!(self.kept.contains(&blob_id), "durable before visible");
            }
            Ok(Reply::Pulled(pulled)) => {
                assert!(pulled.blobs.windows(2).all(|pair| pair[0].cursor < pair[1].cursor), "in order");
                assert!(pulled.blobs.iter().all(|blob| blob.cursor <= pulled.max_cursor));
            }
            Ok(Reply::Invited { code, qr, .. }) => self.invites.push((code, *qr)),
            Ok(_) => {}
            Err(rejection) => {
                self.seen.code(rejection.code);
                assert!(rejection.blob_id.is_none_or(|id| self.kept.contains(&id)), "pending means durable");
            }
        }
    }

    fn event(&mut self, event: &ClientEvent) {
        match *event {
            ClientEvent::BlobAvailable { id, cursor, .. } => {
                assert!(self.offered.insert(id), "offered once");
                assert!(cursor > self.newest_offer, "positions increase");
                self.newest_offer = cursor;
            }
            ClientEvent::Status(ref status) => {
                if let Some(code) = status.last_error {
                    self.seen.code(code);
                }
            }
            ClientEvent::Disconnected { code } | ClientEvent::InviteEnded { code } | ClientEvent::Problem(code) => {
                self.seen.code(code);
            }
            ClientEvent::Verdict { ref verdict, .. } => {
                self.seen.code(verdict.code());
                self.seen.fault("Verdict", verdict);
            }
            _ => {}
        }
    }

    fn transmitted(&mut self, link: LinkId, bytes: Bytes) {
        let Some(wire) = self.wire.as_mut().filter(|wire| wire.id == link) else {
            panic!("bytes for a link that is over")
        };
        assert!(!wire.closing && wire.opened, "bytes after the close or before the link is up");
        wire.unwritten += bytes.len();
        assert!(wire.unwritten <= self.limits.window + Channel::sealed_len(MAX_MESSAGE), "credit");
        let mut said = Vec::new();
        if let Some(channel) = &mut wire.channel {
            channel.feed(bytes);
            while let Ok(Some(message)) = channel.next() {
                said.push(codec::decode_to_relay(message).expect("a device says only what decodes"));
            }
        } else if let Some(responder) = &mut wire.responder
            && let Ok(Some(opening)) = responder.receive(bytes)
            && !opening.payload.is_empty()
        {
            wire.member = true;
            let (_, pull) = codec::decode_first_flight(opening.payload).expect("a device says only what decodes");
            said.push(ToRelay::Pull(pull));
        }
        for message in said {
            if let ToRelay::Push { blobs, .. } = &message {
                assert!(
                    blobs.iter().all(|blob| self.durable.contains_key(&Digest::of(blob))),
                    "durable before it leaves"
                );
            }
            self.heard.push_back(message);
        }
    }

    /// Says something over the channel, if there is one.
    pub(super) fn say(&mut self, message: &ToDevice) {
        let bytes = codec::encode(message);
        self.say_plain(&bytes);
    }

    /// Any plaintext, sealed as the relay would.
    pub(super) fn say_plain(&mut self, plain: &[u8]) {
        if let Some(wire) = self.wire.as_mut().filter(|wire| !wire.closing)
            && let Some(channel) = &mut wire.channel
        {
            let (link, bytes) = (wire.id, channel.seal(plain));
            self.tell(ClientInput::Link(LinkInput::Bytes { link, bytes }));
        }
    }

    /// After any input a machine that is ticked when it wants to be is not due again at once.
    fn deadline_law(&mut self) {
        if self.client.deadline().is_some_and(|due| due <= self.now) {
            assert_eq!(self.client.handle(self.now, ClientInput::Tick), Ok(()));
            self.drain();
            let again = self.client.deadline();
            assert!(again.is_none_or(|due| due > self.now), "it would spin: {again:?} at {:?}", self.now);
        }
    }

    /// Bounds of what is kept, whatever came.
    pub(super) fn check_bounds(&self) {
        let image = self.store.image();
        assert!(image.held.len() <= self.limits.held.0.max(64), "{} held", image.held.len());
        assert!(image.verdicts.len() <= 1024);
        let unsent: u64 = image.outbox.iter().filter(|row| !row.acked).map(|row| u64::from(row.size)).sum();
        assert!(unsent <= self.limits.outbox_unsent.max(64 << 20) + (1 << 20), "{unsent} unsent");
    }

    /// Closes it; everything must come to an end. Then the store must open again.
    pub(super) fn finish(self) -> Seen {
        self.check_bounds();
        self.finish_quietly()
    }

    /// The same for a store that was beyond its bounds from the start.
    pub(super) fn finish_quietly(mut self) -> Seen {
        self.prompt = true;
        self.broken = false;
        self.tell(ClientInput::Lifecycle(Lifecycle::Closing));
        for _ in 0..8 {
            if self.stopped {
                break;
            }
            self.run(Duration::from_secs(1));
        }
        assert!(self.stopped, "a client that is told to close stops");
        let asked = (1..=self.command.0).map(CommandId);
        let silent: Vec<_> = asked.filter(|id| !self.answered.contains(id)).collect();
        assert!(silent.is_empty(), "never answered: {silent:?}");
        self.seen
    }

    /// A new process over what this one left reads it without a complaint.
    pub(super) fn reopens(store: MemoryClientStore) {
        let mut rig = Self::with(ChannelKind::Plain, ClientLimits::default(), store, true);
        rig.start();
        assert!(
            !rig.stopped && !rig.seen.contains("Code", Code::StorageFailed.name()),
            "its own store: {:?}",
            rig.seen
        );
        assert!(!rig.seen.contains("Code", Code::KeyLost.name()));
    }

    /// The answer of another shape than any question, for whoever tries misuse.
    pub(super) fn wrong_answer(query: &ClientQuery) -> ClientAnswer {
        match query {
            ClientQuery::Open => ClientAnswer::Inbox(Vec::new()),
            ClientQuery::Outbox(_) | ClientQuery::Inbox { .. } => ClientAnswer::Opened(Box::default()),
        }
    }
}
