//! A whole device over one socket: the core's client machine with a store in memory, on one thread.
//!
//! Seals, signs, opens and verifies as every device does, since it is the same machine; only its disk is left out. A device with its disk
//! is [`zerok_tokio::SyncClient`]. Several members can share a thread: [`Member::ready`] waits, [`Member::work`] does not.

use std::{
    collections::{HashMap, VecDeque},
    io,
    net::TcpStream,
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::{io::Interest, net::TcpStream as Socket};
use zerok_core::{
    address::RelayAddress,
    channel::ChannelKind,
    client::{
        Client, ClientConfig,
        command::{ClientCommand, ClientEvent, Rejection, Reply},
        io::{ClientInput, ClientOutput},
    },
    driver::{Host, Shell},
    ids::{CommandId, LinkId, TransportId},
    limits::ClientLimits,
    machine::{LinkFailure, LinkInput, LinkOutput, Machine as _, Origin},
    pairing::invite::Invite,
    rng::Seed,
    seal::{padding::Padding, rest::StoreKey},
};
use zerok_tokio::clock::Clock;

use super::memory::Memory;
use crate::trouble::Trouble;

/// Most bytes of one read.
const READ: usize = 64 * 1024;
/// Frames that wait at most while there is more to seal.
const FRAMES: usize = 8;

/// One device.
#[derive(Debug)]
pub(crate) struct Member {
    shell: Shell<Client>,
    around: Around,
    clock: Clock,
    last_command: CommandId,
}

/// What surrounds the machine.
#[derive(Debug, Default)]
struct Around {
    store: Memory,
    inputs: VecDeque<ClientInput>,
    dial: Option<(LinkId, RelayAddress)>,
    link: Option<(LinkId, Socket)>,
    buffer: BytesMut,
    outgoing: VecDeque<Bytes>,
    closing: bool,
    answers: HashMap<CommandId, Result<Reply, Rejection>>,
    seen: Seen,
}

/// What a member has met so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seen {
    /// Blobs of others that it has opened, verified and stored.
    pub(crate) received: usize,
    /// Bytes written to sockets, framing of the link included.
    pub(crate) sent_bytes: u64,
    /// Bytes read from sockets.
    pub(crate) received_bytes: u64,
    /// What it found wrong with the history, which is nothing.
    pub(crate) verdicts: usize,
}

impl Member {
    /// A new device that will use this relay. Does nothing yet.
    pub(crate) fn new(relay: &RelayAddress, padding: Padding) -> Result<Self, Trouble> {
        let limits = ClientLimits {
            // A generator is not to wait for a figure's own size.
            outbox_unsent: 1 << 30,
            inbox_unread: 1 << 30,
            push_timeout: Duration::from_secs(60),
            ..ClientLimits::default()
        };
        let (mut key, mut seed) = ([0; 32], [0; 32]);
        getrandom::fill(&mut key)
            .and_then(|()| getrandom::fill(&mut seed))
            .map_err(|error| Trouble::Process(format!("no randomness: {error}")))?;
        let config = ClientConfig { store_key: StoreKey::new(key), kind: ChannelKind::Noise, limits, padding };
        let mut clock = Clock::new();
        let machine = Client::new(config, Seed::new(seed), clock.now());
        let mut around = Around::default();
        around.inputs.push_back(ClientInput::Tick);
        around.inputs.extend(clock.jumped().map(ClientInput::WallClock));
        let mut member = Self { shell: Shell::new(machine), around, clock, last_command: CommandId(0) };
        let configured = member.ask(ClientCommand::Configure(relay.clone()));
        member.work()?;
        match member.around.answers.remove(&configured) {
            Some(Ok(_)) => Ok(member),
            _ => Err(Trouble::Process("a new device does not take its relay".to_owned())),
        }
    }

    /// The founder of a new group, connected.
    pub(crate) async fn founder(relay: &RelayAddress, padding: Padding) -> Result<Self, Trouble> {
        let mut member = Self::new(relay, padding)?;
        member.call(ClientCommand::Enable { name: "founder".to_owned() }).await?;
        member.call(ClientCommand::SyncNow).await?;
        Ok(member)
    }

    /// Another device of this one's group, connected, by a typed code.
    pub(crate) async fn admit(&mut self, relay: &RelayAddress, padding: Padding) -> Result<Self, Trouble> {
        let Reply::Invited { code, .. } = self.call(ClientCommand::CreateInvite).await? else {
            return Err(Trouble::Process("a device gives no invite".to_owned()));
        };
        let mut joiner = Self::new(relay, padding)?;
        let invite = Invite::Code(code);
        let joining = joiner.call(ClientCommand::Join { invite, name: "joiner".to_owned() });
        tokio::select! {
            joined = joining => drop(joined?),
            failure = self.attend() => return Err(failure),
        }
        joiner.call(ClientCommand::SyncNow).await?;
        Ok(joiner)
    }

    /// Hands a command over; its answer will be there under the id.
    pub(crate) fn ask(&mut self, command: ClientCommand) -> CommandId {
        self.last_command = self.last_command.next();
        self.around.inputs.push_back(ClientInput::Command(self.last_command, command));
        self.last_command
    }

    /// Pushes one payload.
    pub(crate) fn push(&mut self, data: Bytes) {
        self.ask(ClientCommand::Push { data, key: None, detached: false });
    }

    /// Counts and forgets the answers that came.
    pub(crate) fn answered(&mut self) -> Result<usize, Trouble> {
        let count = self.around.answers.len();
        match self.around.answers.drain().find_map(|(_, answer)| answer.err()) {
            Some(rejection) => Err(Trouble::Rejected(rejection.code)),
            None => Ok(count),
        }
    }

    /// Forgets the answers that came, whatever they are.
    pub(crate) fn forget_answers(&mut self) {
        self.around.answers.clear();
    }

    /// Blobs that the relay has not acknowledged.
    pub(crate) fn pending(&self) -> u64 {
        self.shell.machine().status().pending
    }

    /// Asks and waits for the answer.
    pub(crate) async fn call(&mut self, command: ClientCommand) -> Result<Reply, Trouble> {
        let id = self.ask(command);
        loop {
            self.work()?;
            if let Some(answer) = self.around.answers.remove(&id) {
                return answer.map_err(|rejection| Trouble::Rejected(rejection.code));
            }
            self.ready().await?;
        }
    }

    /// Serves whatever comes, until something fails.
    pub(crate) async fn attend(&mut self) -> Trouble {
        loop {
            if let Err(failure) = self.work() {
                return failure;
            }
            if let Err(failure) = self.ready().await {
                return failure;
            }
        }
    }

    /// Tells the machine what the platform would.
    pub(crate) fn signal(&mut self, lifecycle: zerok_core::client::command::Lifecycle) {
        self.around.inputs.push_back(ClientInput::Lifecycle(lifecycle));
    }

    /// What it has met so far.
    pub(crate) fn seen(&self) -> Seen {
        self.around.seen
    }

    /// Waits until there is something to do. Dropping the future loses nothing.
    pub(crate) async fn ready(&self) -> Result<(), Trouble> {
        if !self.around.inputs.is_empty() {
            return Ok(());
        }
        let deadline = self.shell.machine().deadline();
        let sleep = async {
            match deadline {
                Some(deadline) => tokio::time::sleep(deadline.since(self.clock.now())).await,
                None => std::future::pending().await,
            }
        };
        let interest =
            if self.around.outgoing.is_empty() { Interest::READABLE } else { Interest::READABLE | Interest::WRITABLE };
        let io = async {
            match &self.around.link {
                Some((_, socket)) => socket.ready(interest).await.map(drop),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            done = io => done.map_err(Trouble::io("waiting for the link")),
            () = sleep => Ok(()),
        }
    }

    /// Does everything that can be done without waiting.
    pub(crate) fn work(&mut self) -> Result<(), Trouble> {
        loop {
            self.around.write();
            self.around.read();
            if self.around.inputs.is_empty() {
                // Time may be why we are here.
                if self.shell.machine().deadline().is_some_and(|deadline| deadline <= self.clock.now()) {
                    self.around.inputs.push_back(ClientInput::Tick);
                }
            }
            if self.around.inputs.is_empty() {
                return Ok(());
            }
            while let Some(input) = self.around.inputs.pop_front() {
                self.shell.step(self.clock.now(), input, &mut self.around)?;
                // Early, so that the relay works while the next ones are sealed; not each alone, as no driver does that.
                if self.around.outgoing.len() >= FRAMES {
                    self.around.write();
                }
            }
            self.around.dial();
        }
    }
}

impl Host<ClientOutput> for Around {
    fn perform(&mut self, output: ClientOutput) {
        match output {
            ClientOutput::Open { link, target } => self.dial = Some((link, target)),
            ClientOutput::Link(LinkOutput::Transmit { link, bytes }) => {
                if self.link.as_ref().is_some_and(|(open, _)| *open == link) {
                    self.outgoing.push_back(bytes);
                }
            }
            ClientOutput::Link(LinkOutput::Close { .. }) => self.closing = true,
            // It asks for this when it is at a limit; these limits are not reached.
            ClientOutput::Link(LinkOutput::SetReading { .. }) | ClientOutput::Stopped => {}
            ClientOutput::Store(request) => {
                let answer = self.store.perform(request);
                self.inputs.push_back(ClientInput::Store(answer));
            }
            ClientOutput::Done { command, result } => drop(self.answers.insert(command, result)),
            ClientOutput::Event(ClientEvent::BlobAvailable { .. }) => self.seen.received += 1,
            ClientOutput::Event(ClientEvent::Verdict { .. }) => self.seen.verdicts += 1,
            ClientOutput::Event(_) => {}
        }
    }
}

impl Around {
    fn dial(&mut self) {
        let Some((link, target)) = self.dial.take() else { return };
        let connected =
            target.tcp.first().ok_or(io::ErrorKind::NotFound.into()).and_then(TcpStream::connect).and_then(|stream| {
                stream.set_nodelay(true)?;
                stream.set_nonblocking(true)?;
                Socket::from_std(stream)
            });
        let input = match connected {
            Ok(socket) => {
                self.link = Some((link, socket));
                LinkInput::Opened { link, transport: TransportId::TCP, origin: Origin::default() }
            }
            Err(_) => LinkInput::OpenFailed { link, cause: LinkFailure::Unreachable },
        };
        self.inputs.push_back(ClientInput::Link(input));
    }

    /// One read, if there is anything.
    fn read(&mut self) {
        let Some((link, socket)) = &self.link else { return };
        let link = *link;
        self.buffer.reserve(READ);
        match socket.try_read_buf(&mut self.buffer) {
            Ok(0) => self.over(LinkFailure::Eof),
            Ok(len) => {
                self.seen.received_bytes += len as u64;
                let bytes = self.buffer.split().freeze();
                self.inputs.push_back(ClientInput::Link(LinkInput::Bytes { link, bytes }));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.over(LinkFailure::Reset),
        }
    }

    /// As much as the socket takes.
    fn write(&mut self) {
        let mut written = 0;
        let mut failed = false;
        while let (Some((_, socket)), Some(bytes)) = (&self.link, self.outgoing.front_mut()) {
            match socket.try_write(bytes) {
                Ok(len) => {
                    written += len;
                    bytes.advance(len);
                    if bytes.is_empty() {
                        self.outgoing.pop_front();
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => {
                    failed = true;
                    break;
                }
            }
        }
        if let Some((link, _)) = self.link
            && written > 0
        {
            self.seen.sent_bytes += written as u64;
            self.inputs.push_back(ClientInput::Link(LinkInput::Written { link, len: written }));
        }
        if failed {
            self.over(LinkFailure::Reset);
        } else if self.closing {
            self.over(LinkFailure::Local);
        }
    }

    fn over(&mut self, cause: LinkFailure) {
        self.closing = false;
        self.outgoing.clear();
        if let Some((link, _)) = self.link.take() {
            self.inputs.push_back(ClientInput::Link(LinkInput::Closed { link, cause }));
        }
    }
}
