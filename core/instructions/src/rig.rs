//! Two devices of one group and their relay, joined by a queue of events.
//!
//! The plainest correct driver: what one machine transmits the other receives whole, stores commit everything that was asked of them
//! as soon as nothing else is left to do, as group commit would. No time passes and nothing fails.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use zerok_core::{
    address::RelayAddress,
    channel::ChannelKind,
    client::{
        Client, ClientConfig,
        command::{ClientCommand, ClientEvent, Lifecycle, Rejection, Reply},
        io::{ClientInput, ClientOutput},
        store::ClientStore,
    },
    driver::Shell,
    ids::{CommandId, LinkId, RelayKey, TransportId},
    limits::{ClientLimits, RelayLimits},
    machine::{LinkFailure, LinkInput, LinkOutput, Origin, StoreOutput},
    pairing::invite::Invite,
    relay::{
        Relay, RelayConfig,
        io::{RelayInput, RelayOutput},
        store::RelayStore,
    },
    rng::Seed,
    seal::{
        keys::{LinkSecret, StoreKey},
        padding::Padding,
    },
    time::UnixMillis,
};

use crate::{
    counted::{self, Outputs, now},
    stores::{self, RelayRows},
};

/// The device that pushes.
pub(crate) const WRITER: usize = 0;
/// The device that reads.
pub(crate) const READER: usize = 1;
/// The relay, where one of the three is meant.
pub(crate) const RELAY: usize = 2;

const PAYLOAD: usize = 1024;
/// 2026-01-01.
const CLOCK: UnixMillis = UnixMillis(1_767_225_600_000);

enum Event {
    Device(usize, ClientInput),
    Relay(RelayInput),
}

struct Device {
    shell: Shell<Client>,
    out: Outputs<ClientOutput>,
    asked: Vec<StoreOutput<ClientStore>>,
    command: CommandId,
    replies: BTreeMap<CommandId, Result<Reply, Rejection>>,
    delivered: usize,
    /// What it would have heard while it is held.
    held: Option<Vec<ClientInput>>,
}

/// The three machines and what lies between them.
pub(crate) struct Rig {
    devices: [Device; 2],
    relay: Shell<Relay>,
    out: Outputs<RelayOutput>,
    asked: Vec<StoreOutput<RelayStore>>,
    rows: RelayRows,
    address: RelayAddress,
    events: VecDeque<Event>,
    /// The relay's links: whose each is, and what that device calls it.
    links: BTreeMap<LinkId, (usize, LinkId)>,
    newest_link: LinkId,
    counts: Option<usize>,
    pushed: usize,
}

impl Rig {
    /// Everything up, paired, connected and quiet; nothing was pushed.
    pub(crate) fn paired() -> Self {
        let secret = LinkSecret::new([99; 32]);
        let key = RelayKey(secret.public().0);
        let address = RelayAddress { key, tcp: vec!["relay.test:4433".into()], iroh: None };
        let config = RelayConfig { secret, kind: ChannelKind::Noise, limits: RelayLimits::default() };
        let mut rig = Self {
            devices: [Device::new(1), Device::new(2)],
            relay: Shell::new(Relay::new(config, Seed::new([200; 32]), now())),
            out: Outputs::default(),
            asked: Vec::new(),
            rows: RelayRows::default(),
            address,
            events: VecDeque::new(),
            links: BTreeMap::new(),
            newest_link: LinkId(0),
            counts: None,
            pushed: 0,
        };
        rig.events.push_back(Event::Relay(RelayInput::WallClock(CLOCK)));
        for device in [WRITER, READER] {
            rig.tell(device, ClientInput::WallClock(CLOCK));
            rig.tell(device, ClientInput::Lifecycle(Lifecycle::Started));
        }
        rig.pair();
        rig
    }

    fn pair(&mut self) {
        for device in [WRITER, READER] {
            self.call(device, ClientCommand::Configure(self.address.clone()));
        }
        self.call(WRITER, ClientCommand::Enable { name: "writer".into() });
        let Some(Ok(Reply::Invited { code, .. })) = self.call(WRITER, ClientCommand::CreateInvite) else { return };
        self.call(READER, ClientCommand::Join { invite: Invite::Code(code), name: "reader".into() });
        self.rows.forget_mailboxes();
    }

    /// From now on this machine's steps are counted; with `None`, nobody's.
    pub(crate) fn count(&mut self, whose: Option<usize>) {
        self.counts = whose;
    }

    /// Keeps what a device would hear from it, or lets it hear all of that.
    pub(crate) fn hold(&mut self, device: usize, hold: bool) {
        let held = self.devices[device].held.take().unwrap_or_default();
        self.events.extend(held.into_iter().map(|input| Event::Device(device, input)));
        self.run();
        self.devices[device].held = hold.then(Vec::new);
    }

    /// The writer's application pushes so many blobs at once, and all that follows happens.
    pub(crate) fn push(&mut self, count: usize) {
        for _ in 0..count {
            self.pushed += 1;
            // No two alike, and no pattern that anything could make use of.
            let byte = |at: usize| (at * 31 + self.pushed * 17) as u8;
            let data: Bytes = (0..PAYLOAD).map(byte).collect::<Vec<u8>>().into();
            self.send(WRITER, ClientCommand::Push { data, key: None, detached: false });
        }
        self.run();
    }

    /// Blobs of the application that the relay has acknowledged.
    pub(crate) fn stored(&self) -> usize {
        let pushed = |reply: &&Result<Reply, Rejection>| matches!(reply, Ok(Reply::Pushed { .. }));
        self.devices[WRITER].replies.values().filter(pushed).count()
    }

    /// Blobs of which the reader's application was told.
    pub(crate) fn delivered(&self) -> usize {
        self.devices[READER].delivered
    }

    fn call(&mut self, device: usize, command: ClientCommand) -> Option<Result<Reply, Rejection>> {
        let id = self.send(device, command);
        self.run();
        self.devices[device].replies.remove(&id)
    }

    fn send(&mut self, device: usize, command: ClientCommand) -> CommandId {
        let id = self.devices[device].command.next();
        self.devices[device].command = id;
        self.tell(device, ClientInput::Command(id, command));
        id
    }

    fn tell(&mut self, device: usize, input: ClientInput) {
        self.events.push_back(Event::Device(device, input));
    }

    /// Until nothing happens any more.
    fn run(&mut self) {
        loop {
            while let Some(event) = self.events.pop_front() {
                match event {
                    Event::Device(device, input) => self.device(device, input),
                    Event::Relay(input) => self.relay(input),
                }
            }
            self.commit();
            if self.events.is_empty() {
                return;
            }
        }
    }

    /// Every store does what was asked of it since the last time.
    fn commit(&mut self) {
        for (number, device) in self.devices.iter_mut().enumerate() {
            let answers = stores::client(std::mem::take(&mut device.asked));
            self.events.extend(answers.into_iter().map(|input| Event::Device(number, ClientInput::Store(input))));
        }
        for request in std::mem::take(&mut self.asked) {
            let answer = self.rows.perform(request);
            self.events.push_back(Event::Relay(RelayInput::Store(answer)));
        }
    }

    fn device(&mut self, number: usize, input: ClientInput) {
        let device = &mut self.devices[number];
        if let Some(held) = &mut device.held {
            return held.push(input);
        }
        counted::device(&mut device.shell, input, &mut device.out, self.counts == Some(number));
        let outputs: Vec<_> = device.out.0.drain(..).collect();
        for output in outputs {
            match output {
                ClientOutput::Open { link, .. } => {
                    self.newest_link = self.newest_link.next();
                    let relay_link = self.newest_link;
                    self.links.insert(relay_link, (number, link));
                    let (transport, origin) = (TransportId::TCP, Origin::default());
                    let opened = LinkInput::Opened { link: relay_link, transport, origin };
                    self.events.push_back(Event::Relay(RelayInput::Link(opened)));
                    let opened = LinkInput::Opened { link, transport, origin };
                    self.events.push_back(Event::Device(number, ClientInput::Link(opened)));
                }
                ClientOutput::Link(output) => self.up(number, output),
                ClientOutput::Store(request) => self.devices[number].asked.push(request),
                ClientOutput::Done { command, result } => {
                    self.devices[number].replies.insert(command, result);
                }
                ClientOutput::Event(ClientEvent::BlobAvailable { .. }) => self.devices[number].delivered += 1,
                ClientOutput::Event(_) | ClientOutput::Stopped => {}
            }
        }
    }

    fn relay(&mut self, input: RelayInput) {
        counted::relay(&mut self.relay, input, &mut self.out, self.counts == Some(RELAY));
        let outputs: Vec<_> = self.out.0.drain(..).collect();
        for output in outputs {
            match output {
                RelayOutput::Link(output) => self.down(output),
                RelayOutput::Store(request) => self.asked.push(request),
                // It is the only machine of its relay.
                RelayOutput::Announce(_) | RelayOutput::Stopped => {}
            }
        }
    }

    /// From a device to the relay.
    fn up(&mut self, device: usize, output: LinkOutput) {
        let relay_link = |link: LinkId| {
            let found = self.links.iter().find(|(_, theirs)| **theirs == (device, link));
            found.map(|(ours, _)| *ours)
        };
        match output {
            LinkOutput::Transmit { link, bytes } => {
                let written = LinkInput::Written { link, len: bytes.len() };
                if let Some(link) = relay_link(link) {
                    self.events.push_back(Event::Relay(RelayInput::Link(LinkInput::Bytes { link, bytes })));
                }
                self.tell(device, ClientInput::Link(written));
            }
            LinkOutput::Close { link, .. } => {
                if let Some(link) = relay_link(link) {
                    let closed = LinkInput::Closed { link, cause: LinkFailure::Eof };
                    self.events.push_back(Event::Relay(RelayInput::Link(closed)));
                    self.links.remove(&link);
                }
                self.tell(device, ClientInput::Link(LinkInput::Closed { link, cause: LinkFailure::Local }));
            }
            LinkOutput::SetReading { .. } => {}
        }
    }

    /// From the relay to a device.
    fn down(&mut self, output: LinkOutput) {
        match output {
            LinkOutput::Transmit { link, bytes } => {
                let written = LinkInput::Written { link, len: bytes.len() };
                if let Some((device, link)) = self.links.get(&link).copied() {
                    self.tell(device, ClientInput::Link(LinkInput::Bytes { link, bytes }));
                }
                self.events.push_back(Event::Relay(RelayInput::Link(written)));
            }
            LinkOutput::Close { link, .. } => {
                if let Some((device, theirs)) = self.links.remove(&link) {
                    let closed = LinkInput::Closed { link: theirs, cause: LinkFailure::Eof };
                    self.tell(device, ClientInput::Link(closed));
                }
                let closed = LinkInput::Closed { link, cause: LinkFailure::Local };
                self.events.push_back(Event::Relay(RelayInput::Link(closed)));
            }
            // Bytes that come all the same are taken all the same.
            LinkOutput::SetReading { .. } => {}
        }
    }
}

impl Device {
    fn new(number: u8) -> Self {
        let config = ClientConfig {
            store_key: StoreKey::new([number; 32]),
            kind: ChannelKind::Noise,
            limits: ClientLimits::default(),
            padding: Padding::default(),
        };
        Self {
            shell: Shell::new(Client::new(config, Seed::new([number; 32]), now())),
            out: Outputs::default(),
            asked: Vec::new(),
            command: CommandId(0),
            replies: BTreeMap::new(),
            delivered: 0,
            held: None,
        }
    }
}
