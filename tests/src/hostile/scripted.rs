//! A relay that is played message by message, with one real client on the other side.
//!
//! Bytes pass a real channel, so whatever is said was really sealed by the relay the client pinned. The store commits at once;
//! time moves only when told to.

use bytes::Bytes;
use zerok_core::{
    channel::{Channel, ChannelKind, Responder},
    client::{
        Client, ClientConfig,
        command::{ClientCommand, ClientEvent, Lifecycle, Rejection, Reply},
        io::{ClientInput, ClientOutput},
        verdict::Verdict,
    },
    error::CloseReason,
    ids::{CommandId, Cursor, Digest, LinkId, RelayId, TransportId},
    limits::{ClientLimits, MAX_BLOB},
    machine::{LinkFailure, LinkInput, LinkOutput, Machine, Origin, StoreInput, StoreOutput},
    rng::{Draw, Seed},
    seal::{keys::LinkSecret, padding::Padding, rest::StoreKey},
    time::{Duration, Time, UnixMillis},
    wire::{
        codec,
        message::{Page, Pull, ToDevice, ToRelay, Welcome},
    },
};

use crate::{
    sim::{DeviceNode, RelayNode},
    store::client::MemoryClientStore,
};

/// One client, and the test as its relay.
pub struct Scripted {
    /// The machine.
    pub client: Client,
    /// Its store.
    pub store: MemoryClientStore,
    /// Everything the application heard.
    pub events: Vec<ClientEvent>,
    /// Answers to commands, in order.
    pub replies: Vec<Result<Reply, Rejection>>,
    /// What the client said and [`Scripted::heard`] has not taken.
    heard: Vec<ToRelay>,
    /// How many links the client has dialled.
    pub dials: u64,
    /// Why the client closed its last link, if it did.
    pub closed: Option<CloseReason>,
    now: Time,
    link: Option<LinkId>,
    responder: Option<Responder>,
    channel: Option<Channel>,
    command: CommandId,
    kind: ChannelKind,
    secret: LinkSecret,
    draw: Draw,
}

impl Scripted {
    /// A process over a copy of a simulated device's store, with a relay that has the simulated relay's key.
    pub fn new(kind: ChannelKind, device: &DeviceNode, relay: &RelayNode, limits: ClientLimits) -> Self {
        Self::with_store(kind, device.store.clone(), device.store_key(), relay.secret(), limits)
    }

    /// The same with a store of one's own.
    pub fn with_store(
        kind: ChannelKind,
        store: MemoryClientStore,
        store_key: StoreKey,
        secret: LinkSecret,
        limits: ClientLimits,
    ) -> Self {
        let config = ClientConfig { store_key, kind, limits, padding: Padding::Padme };
        // Another process over the same database draws other numbers, as real ones do.
        let mut seed = [55; 32];
        seed[..8].copy_from_slice(&store.reserved().to_le_bytes());
        let mut scripted = Self {
            client: Client::new(config, Seed::new(seed), Time(0)),
            store,
            events: Vec::new(),
            replies: Vec::new(),
            heard: Vec::new(),
            dials: 0,
            closed: None,
            now: Time(0),
            link: None,
            responder: None,
            channel: None,
            command: CommandId(0),
            kind,
            secret,
            draw: Seed::new([56; 32]).draw("scripted"),
        };
        scripted.tell(ClientInput::WallClock(UnixMillis(1_767_225_600_000)));
        scripted.tell(ClientInput::Lifecycle(Lifecycle::Started));
        scripted
    }

    /// Lets time pass until the client has just dialled.
    ///
    /// # Panics
    /// When it does not within twenty minutes.
    pub fn await_dial(&mut self) {
        let dials = self.dials;
        for _ in 0..1200 {
            if self.link.is_some() && self.dials > dials {
                return;
            }
            self.run(Duration::from_secs(1));
        }
        panic!("the client never dials");
    }

    /// Takes the dialled link and reads the first flight: what is pulled?
    ///
    /// # Panics
    /// When the client has not dialled or says something else first.
    pub fn accept(&mut self) -> Pull {
        let link = self.link.expect("the client dials");
        self.responder = Some(Responder::new(self.kind, &self.secret, TransportId::TCP, &mut self.draw));
        self.channel = None;
        self.closed = None;
        self.heard.clear();
        self.tell(ClientInput::Link(LinkInput::Opened {
            link,
            transport: TransportId::TCP,
            origin: Origin::default(),
        }));
        match self.heard().as_slice() {
            [ToRelay::Pull(pull)] => *pull,
            other => panic!("no first flight: {other:?}"),
        }
    }

    /// The second flight.
    ///
    /// # Panics
    /// Without [`Scripted::accept`] before.
    pub fn welcome(&mut self, welcome: &Welcome, page: &Page) {
        let responder = self.responder.take().expect("a first flight was accepted");
        let payload = codec::encode_second_flight(welcome, page);
        let (channel, bytes) = responder.respond(&payload).expect("it answers");
        self.channel = Some(channel);
        self.bytes(bytes);
    }

    /// Says a message. Nothing happens on a link that is over.
    pub fn say(&mut self, message: &ToDevice) {
        if let (Some(channel), true) = (&mut self.channel, self.link.is_some()) {
            let bytes = channel.seal(&codec::encode(message));
            self.bytes(bytes);
        }
    }

    /// Sends bytes as they are.
    pub fn bytes(&mut self, bytes: Bytes) {
        if let Some(link) = self.link {
            self.tell(ClientInput::Link(LinkInput::Bytes { link, bytes }));
        }
    }

    /// What the client has said since the last call.
    pub fn heard(&mut self) -> Vec<ToRelay> {
        std::mem::take(&mut self.heard)
    }

    /// Whether a link is up or dialled.
    pub fn is_linked(&self) -> bool {
        self.link.is_some()
    }

    /// Ends the link.
    pub fn cut(&mut self) {
        if let Some(link) = self.link.take() {
            self.tell(ClientInput::Link(LinkInput::Closed { link, cause: LinkFailure::Reset }));
        }
    }

    /// Lets time pass; the machine is woken at its deadlines.
    pub fn run(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(due) = self.client.deadline().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.tell(ClientInput::Tick);
        }
        self.now = until;
    }

    /// Sends a command.
    pub fn command(&mut self, command: ClientCommand) {
        self.command = self.command.next();
        self.tell(ClientInput::Command(self.command, command));
    }

    /// Findings, in order.
    pub fn verdicts(&self) -> Vec<Verdict> {
        let verdict = |event: &ClientEvent| match event {
            ClientEvent::Verdict { verdict, .. } => Some(*verdict),
            _ => None,
        };
        self.events.iter().filter_map(verdict).collect()
    }

    /// How many blobs the application was offered.
    pub fn delivered(&self) -> usize {
        self.events.iter().filter(|event| matches!(event, ClientEvent::BlobAvailable { .. })).count()
    }

    fn tell(&mut self, input: ClientInput) {
        self.client.handle(self.now, input).expect("a correct driver");
        while let Some(output) = self.client.poll() {
            match output {
                ClientOutput::Open { link, .. } => {
                    self.dials += 1;
                    self.link = Some(link);
                }
                ClientOutput::Link(LinkOutput::Transmit { link, bytes }) => {
                    let len = bytes.len();
                    self.hear(bytes);
                    self.tell(ClientInput::Link(LinkInput::Written { link, len }));
                }
                ClientOutput::Link(LinkOutput::Close { link, reason }) => {
                    self.closed = Some(reason);
                    self.link = self.link.filter(|known| *known != link);
                }
                ClientOutput::Link(LinkOutput::SetReading { .. }) | ClientOutput::Stopped => {}
                ClientOutput::Store(StoreOutput::Persist { batch, ops }) => {
                    self.store.apply(&ops);
                    self.tell(ClientInput::Store(StoreInput::Persisted { batch, outcomes: Vec::new() }));
                }
                ClientOutput::Store(StoreOutput::Load { load, query }) => {
                    let answer = Ok(self.store.load(&query));
                    self.tell(ClientInput::Store(StoreInput::Loaded { load, answer }));
                }
                ClientOutput::Done { result, .. } => self.replies.push(result),
                ClientOutput::Event(event) => self.events.push(event),
            }
        }
    }

    fn hear(&mut self, bytes: Bytes) {
        if let Some(channel) = &mut self.channel {
            channel.feed(bytes);
            while let Some(message) = channel.next().expect("an honest client") {
                self.heard.push(codec::decode_to_relay(message).expect("an honest client"));
            }
        } else if let Some(opening) = self.responder.as_mut().and_then(|r| r.receive(bytes).expect("an honest client"))
        {
            let (_, pull) = codec::decode_first_flight(opening.payload).expect("an honest client");
            self.heard.push(ToRelay::Pull(pull));
        }
    }
}

/// The welcome of a relay that never lost anything; `own` is what it stored last for this device.
pub fn welcome(head: u64, own: Option<(Cursor, Digest)>) -> Welcome {
    Welcome {
        relay_id: RelayId([7; 16]),
        head: Cursor(head),
        floor: Cursor(0),
        own,
        max_blob: u32::try_from(MAX_BLOB).unwrap_or(u32::MAX),
    }
}

/// A page of some entries of a log with this head.
pub fn page(after: Cursor, head: u64, entries: &[(Cursor, Bytes)]) -> Page {
    let last = entries.last().map_or(after, |(cursor, _)| *cursor);
    let (entries, head) = (entries.to_vec(), Cursor(head));
    Page { after, floor: Cursor(0), reset: false, entries, head, more: last < head }
}
