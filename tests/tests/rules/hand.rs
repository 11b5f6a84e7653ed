//! One real client whose relay is played by hand: the test reads what the client says and decides what it hears.
//!
//! The client's seed is known, so its keys are too, and the test can open what it pushes. The store commits at once; time moves
//! only when told to.

use bytes::Bytes;
use zerok_core::{
    channel::{Channel, ChannelKind, Opening, Responder},
    client::{
        Client, ClientConfig,
        command::{ClientCommand, ClientEvent, Lifecycle, Rejection, Reply},
        io::{ClientInput, ClientOutput},
        store::ClientStore,
    },
    error::CloseReason,
    ids::{CommandId, Cursor, Digest, GroupId, LinkId, RelayId, RelayKey, TransportId},
    limits::{ClientLimits, MAX_BLOB},
    machine::{LinkFailure, LinkInput, LinkOutput, Machine, Origin, StoreInput, StoreOutput},
    rng::{Draw, Seed},
    seal::{
        keys::{DeviceKeys, Epoch, EpochSecret, LinkSecret},
        padding::Padding,
        record::{Opened, open},
        rest::StoreKey,
    },
    time::{Duration, Time, UnixMillis},
    wire::{
        codec,
        message::{Hello, Page, Pull, ToDevice, ToRelay, Welcome},
    },
};
use zerok_testkit::store::client::MemoryClientStore;

const SEED: [u8; 32] = [0x5e; 32];

/// A client and everything around it.
pub(crate) struct Hand {
    client: Client,
    pub(crate) store: MemoryClientStore,
    pub(crate) now: Time,
    /// When it dialled.
    pub(crate) dials: Vec<Time>,
    /// Why it closed links.
    pub(crate) closed: Vec<CloseReason>,
    pub(crate) events: Vec<ClientEvent>,
    pub(crate) replies: Vec<(CommandId, Result<Reply, Rejection>)>,
    heard: Vec<ToRelay>,
    opening: Option<Opening>,
    link: Option<LinkId>,
    responder: Option<Responder>,
    channel: Option<Channel>,
    command: CommandId,
    secret: LinkSecret,
    draw: Draw,
}

impl Hand {
    /// A group of one that knows its relay and has just dialled it.
    pub(crate) fn founder() -> Self {
        let config = ClientConfig {
            store_key: StoreKey::new([3; 32]),
            kind: ChannelKind::Plain,
            limits: ClientLimits::default(),
            padding: Padding::Padme,
        };
        let secret = LinkSecret::new([9; 32]);
        let key = RelayKey(secret.public().0);
        let mut hand = Self {
            client: Client::new(config, Seed::new(SEED), Time(0)),
            store: MemoryClientStore::default(),
            now: Time(0),
            dials: Vec::new(),
            closed: Vec::new(),
            events: Vec::new(),
            replies: Vec::new(),
            heard: Vec::new(),
            opening: None,
            link: None,
            responder: None,
            channel: None,
            command: CommandId(0),
            secret,
            draw: Seed::new([4; 32]).draw("hand"),
        };
        hand.tell(ClientInput::WallClock(UnixMillis(1_767_225_600_000)));
        let relay = zerok_core::address::RelayAddress { key, tcp: vec!["relay.test:7040".into()], iroh: None };
        hand.ask(ClientCommand::Configure(relay));
        hand.ask(ClientCommand::Enable { name: "laptop".into() });
        hand.tell(ClientInput::Lifecycle(Lifecycle::Started));
        hand
    }

    /// A founder on a link with an empty log that has said what it says at once, and it was taken: its genesis is at cursor 1.
    pub(crate) fn connected() -> Self {
        let mut hand = Self::founder();
        hand.open();
        hand.welcome(&welcome(0), &page(0, &[], 0));
        for message in hand.heard() {
            if let ToRelay::Push { blobs, .. } = message {
                let stored = blobs.iter().map(|blob| (Digest::of(blob), Cursor(1))).collect();
                hand.say(&ToDevice::Pushed { stored });
            }
        }
        hand.heard();
        hand
    }

    /// Takes the dialled link and reads the first flight.
    pub(crate) fn open(&mut self) -> (Hello, Pull) {
        let link = self.link.expect("it has dialled");
        self.responder = Some(Responder::new(ChannelKind::Plain, &self.secret, TransportId::TCP, &mut self.draw));
        self.tell(ClientInput::Link(LinkInput::Opened {
            link,
            transport: TransportId::TCP,
            origin: Origin::default(),
        }));
        let opening = self.opening.take().expect("message 1 is whole");
        codec::decode_first_flight(opening.payload).expect("a Hello and a Pull")
    }

    /// The second flight.
    pub(crate) fn welcome(&mut self, welcome: &Welcome, page: &Page) {
        let responder = self.responder.take().expect("a first flight came");
        let payload = codec::encode_second_flight(welcome, page);
        let (channel, bytes) = responder.respond(&payload).expect("it answers");
        self.channel = Some(channel);
        self.bytes(bytes);
    }

    /// An empty second flight, as a relay gives whose Hello was refused.
    pub(crate) fn refuse_hello(&mut self) {
        let responder = self.responder.take().expect("a first flight came");
        let (channel, bytes) = responder.respond(&[]).expect("it answers");
        self.channel = Some(channel);
        self.bytes(bytes);
    }

    /// Says something on the channel.
    pub(crate) fn say(&mut self, message: &ToDevice) {
        let bytes = self.channel.as_mut().expect("a channel").seal(&codec::encode(message));
        self.bytes(bytes);
    }

    /// What the client said since it was last asked.
    pub(crate) fn heard(&mut self) -> Vec<ToRelay> {
        std::mem::take(&mut self.heard)
    }

    /// Dialling fails.
    pub(crate) fn refuse_dial(&mut self) {
        let link = self.link.take().expect("it has dialled");
        self.tell(ClientInput::Link(LinkInput::OpenFailed { link, cause: LinkFailure::Unreachable }));
    }

    /// The link breaks.
    pub(crate) fn break_link(&mut self) {
        let link = self.link.take().expect("there is a link");
        self.channel = None;
        self.tell(ClientInput::Link(LinkInput::Closed { link, cause: LinkFailure::Reset }));
    }

    pub(crate) fn ask(&mut self, command: ClientCommand) -> CommandId {
        self.command = self.command.next();
        self.tell(ClientInput::Command(self.command, command));
        self.command
    }

    pub(crate) fn push(&mut self, text: &str) {
        let data = Bytes::copy_from_slice(text.as_bytes());
        self.ask(ClientCommand::Push { data, key: None, detached: true });
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(deadline) = self.client.deadline().filter(|deadline| *deadline <= until) {
            self.now = self.now.max(deadline);
            self.tell(ClientInput::Tick);
        }
        self.now = until;
    }

    pub(crate) fn is_linked(&self) -> bool {
        self.link.is_some()
    }

    /// A record of this client, out of its blob.
    pub(crate) fn opened(&self, group: &GroupId, blob: &Bytes) -> Opened {
        // As the client draws them when it founds its group.
        let mut draw = Seed::new(SEED).draw("client/keys");
        let keys = DeviceKeys::generate(&mut draw);
        let epoch = Epoch::derive(&EpochSecret::generate(&mut draw), group);
        let opened = open(blob, group, &epoch).expect("its own blob opens");
        assert!(opened.verify(&keys.public().sign, group));
        opened
    }

    pub(crate) fn tell(&mut self, input: ClientInput) {
        self.client.handle(self.now, input).expect("the hand makes no mistakes");
        while let Some(output) = self.client.poll() {
            match output {
                ClientOutput::Open { link, .. } => {
                    self.link = Some(link);
                    self.dials.push(self.now);
                }
                ClientOutput::Link(output) => self.link_output(output),
                ClientOutput::Store(output) => {
                    let answer = self.perform(output);
                    self.tell(ClientInput::Store(answer));
                }
                ClientOutput::Done { command, result } => self.replies.push((command, result)),
                ClientOutput::Event(event) => self.events.push(event),
                ClientOutput::Stopped => {}
            }
        }
    }

    fn link_output(&mut self, output: LinkOutput) {
        match output {
            LinkOutput::Transmit { link, bytes } => {
                let len = bytes.len();
                if let Some(channel) = &mut self.channel {
                    channel.feed(bytes);
                    while let Some(message) = channel.next().expect("the client keeps the protocol") {
                        self.heard.push(codec::decode_to_relay(message).expect("the client keeps the protocol"));
                    }
                } else if let Some(responder) = &mut self.responder {
                    self.opening = responder.receive(bytes).expect("the client keeps the protocol");
                }
                self.tell(ClientInput::Link(LinkInput::Written { link, len }));
            }
            LinkOutput::SetReading { .. } => {}
            LinkOutput::Close { link, reason } => {
                self.closed.push(reason);
                if self.link == Some(link) {
                    self.link = None;
                    self.channel = None;
                }
                self.tell(ClientInput::Link(LinkInput::Closed { link, cause: LinkFailure::Local }));
            }
        }
    }

    fn bytes(&mut self, bytes: Bytes) {
        let link = self.link.expect("there is a link");
        self.tell(ClientInput::Link(LinkInput::Bytes { link, bytes }));
    }

    fn perform(&mut self, output: StoreOutput<ClientStore>) -> StoreInput<ClientStore> {
        match output {
            StoreOutput::Persist { batch, ops } => {
                self.store.apply(&ops);
                StoreInput::Persisted { batch, outcomes: Vec::new() }
            }
            StoreOutput::Load { load, query } => StoreInput::Loaded { load, answer: Ok(self.store.load(&query)) },
        }
    }
}

/// A welcome of a relay whose log ends here.
pub(crate) fn welcome(head: u64) -> Welcome {
    Welcome { relay_id: RelayId([7; 16]), head: Cursor(head), floor: Cursor(0), own: None, max_blob: MAX_BLOB as u32 }
}

/// A page of a log that ends at `head`.
pub(crate) fn page(after: u64, entries: &[(u64, Bytes)], head: u64) -> Page {
    let entries: Vec<_> = entries.iter().map(|(cursor, blob)| (Cursor(*cursor), blob.clone())).collect();
    let more = entries.last().map_or(after, |(cursor, _)| cursor.0) < head;
    Page { after: Cursor(after), floor: Cursor(0), reset: false, entries, head: Cursor(head), more }
}

/// The blobs a client pushed, in order.
pub(crate) fn pushed(messages: &[ToRelay]) -> Vec<Bytes> {
    let blobs = |message: &ToRelay| match message {
        ToRelay::Push { blobs, .. } => blobs.clone(),
        _ => Vec::new(),
    };
    messages.iter().flat_map(blobs).collect()
}
