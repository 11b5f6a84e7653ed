//! One simulated device: the real client machine, its store, and what its application was told.

use std::collections::BTreeMap;

use zerok_core::{
    channel::ChannelKind,
    client::{
        Client, ClientConfig,
        command::{ClientEvent, Rejection, Reply},
        io::{ClientInput, ClientOutput},
        status::{ConnectionState, Indicator},
        store::ClientStore,
        verdict::Verdict,
    },
    ids::{CommandId, LinkId},
    limits::ClientLimits,
    machine::{LinkInput, Machine, StoreOutput},
    rng::Seed,
    seal::{padding::Padding, rest::StoreKey},
    time::{Duration, Time},
    wire::message::WireCode,
};

use super::{path::Path, world::LATE};
use crate::{recorder::Tape, store::client::MemoryClientStore};

/// What a device's disk does to the next batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disk {
    /// Writes them.
    Good,
    /// Has no room: rolls back cleanly, and refuses all until it is opened again.
    Full,
    /// Has no key to write with, and refuses as a full one does.
    Locked,
    /// Is held by another process, and refuses as a full one does.
    Busy,
    /// Fails, and what it holds is anybody's guess.
    Broken,
}

/// How a device's driver wakes and drains its machine. All of them are legal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// At its deadline, and at once.
    Lazy,
    /// With a tick after every input.
    Eager,
    /// Late, and several inputs at a time.
    Sluggish,
}

/// A device of the simulation.
pub struct DeviceNode {
    /// What transcripts call it.
    pub name: &'static str,
    /// The machine; `None` after a crash, until it is started again.
    pub client: Option<Client>,
    /// What a crash leaves: batches whose write completed.
    pub store: MemoryClientStore,
    /// Answers to commands, by id.
    pub replies: BTreeMap<CommandId, Result<Reply, Rejection>>,
    /// Everything the application heard, in order.
    pub events: Vec<ClientEvent>,
    /// Whether the machine said that nothing more will come.
    pub stopped: bool,
    /// What its disk does to batches.
    pub disk: Disk,
    /// What a batch takes beyond the usual.
    pub disk_delay: Duration,
    /// Its disk answers nothing until it is released.
    pub disk_stalled: bool,
    /// What the network does to its links.
    pub path: Path,
    /// Who wakes it.
    pub driver: Driver,
    /// How far its wall clock is from the world's, milliseconds. Read at the next start.
    pub clock_skew: i64,
    /// What its processes know of that.
    pub(super) told_skew: i64,
    /// Whoever answers its next dial has the relay's key, lets it in and sends it away like this.
    pub impostor: Option<WireCode>,
    /// Since when the process does not run, though it lives.
    pub(super) asleep: Option<Time>,
    /// When it last began to run again.
    pub(super) woken: Option<Time>,
    /// What happened while it was asleep.
    pub(super) missed: Vec<ClientInput>,
    /// Whether the network carries anything to and from it.
    pub(super) online: bool,
    /// The disk refused a batch and was not opened again.
    pub(super) refusing: bool,
    /// Answers that a disk that stands still owes.
    pub(super) disk_owed: usize,
    /// When the disk is through with what it was asked so far.
    pub(super) disk_clear: Time,
    /// Bytes handed out over its link and not reported written.
    pub unwritten: usize,
    /// A sluggish driver will look.
    pub(super) drain_due: bool,
    /// The key its process is started with, if not its own.
    pub key_override: Option<[u8; 32]>,
    pub(super) life: u64,
    pub(super) next_command: CommandId,
    pub(super) queue: Vec<StoreOutput<ClientStore>>,
    pub(super) link: Option<LinkId>,
    /// Its links that are not over, and whether they are up.
    links: BTreeMap<LinkId, bool>,
    /// What went into the running process and came out of it, if anybody wants to know.
    pub(super) tape: Option<Tape<Client>>,
    /// The same of processes that have ended.
    pub(super) tapes: Vec<Tape<Client>>,
    number: u8,
    kind: ChannelKind,
    limits: ClientLimits,
}

impl DeviceNode {
    pub(super) fn new(name: &'static str, number: u8, kind: ChannelKind, limits: ClientLimits) -> Self {
        Self {
            name,
            client: None,
            store: MemoryClientStore::default(),
            replies: BTreeMap::new(),
            events: Vec::new(),
            stopped: false,
            disk: Disk::Good,
            disk_delay: Duration::ZERO,
            disk_stalled: false,
            path: Path::default(),
            driver: Driver::Lazy,
            disk_owed: 0,
            disk_clear: Time(0),
            unwritten: 0,
            drain_due: false,
            key_override: None,
            clock_skew: 0,
            told_skew: 0,
            impostor: None,
            asleep: None,
            woken: None,
            missed: Vec::new(),
            online: true,
            refusing: false,
            life: 0,
            next_command: CommandId(0),
            queue: Vec::new(),
            link: None,
            links: BTreeMap::new(),
            tape: None,
            tapes: Vec::new(),
            number,
            kind,
            limits,
        }
    }

    /// Another machine with a copy of everything this one keeps.
    pub(super) fn copy(&self, name: &'static str) -> Self {
        let mut copy = Self::new(name, self.number, self.kind, self.limits.clone());
        copy.store = self.store.clone();
        copy.life = self.life + 1_000_000;
        copy
    }

    /// A new process over the same store. Each has a seed of its own, as real ones do.
    pub(super) fn start(&mut self, now: Time) {
        self.crash();
        self.stopped = false;
        self.refusing = false;
        self.next_command = CommandId(0);
        self.replies.clear();
        self.link = None;
        let mut seed = [self.number; 32];
        seed[..8].copy_from_slice(&self.life.to_le_bytes());
        let config = ClientConfig {
            store_key: StoreKey::new(self.key_override.unwrap_or([self.number; 32])),
            kind: self.kind,
            limits: self.limits.clone(),
            padding: Padding::Padme,
        };
        self.client = Some(Client::new(config, Seed::new(seed), now));
    }

    /// Puts the running process on tape from now on.
    pub(super) fn record(&mut self) {
        self.tape = self.client.clone().map(Tape::new);
    }

    /// A dial begins.
    pub(super) fn dials(&mut self, link: LinkId) {
        self.link = Some(link);
        self.unwritten = 0;
        self.links.insert(link, false);
    }

    /// What a correct driver says of a link, if anything: what ended before it was up never opened, and after the end comes nothing.
    pub(super) fn of_link(&mut self, input: LinkInput) -> Option<LinkInput> {
        match input {
            LinkInput::Opened { link, .. } => {
                *self.links.get_mut(&link)? = true;
                Some(input)
            }
            LinkInput::OpenFailed { link, cause } | LinkInput::Closed { link, cause } => {
                let was_up = self.links.remove(&link)?;
                Some(if was_up { LinkInput::Closed { link, cause } } else { LinkInput::OpenFailed { link, cause } })
            }
            LinkInput::Written { link, len } => {
                if self.link == Some(link) {
                    self.unwritten -= len;
                }
                self.links.contains_key(&link).then_some(input)
            }
            LinkInput::Bytes { link, .. } => self.links.contains_key(&link).then_some(input),
        }
    }

    /// Tells the machine something.
    pub(super) fn handle(&mut self, now: Time, input: ClientInput) {
        let Some(client) = &mut self.client else { return };
        let kept = self.tape.is_some().then(|| input.clone());
        let answer = client.handle(now, input);
        if let (Some(tape), Some(input)) = (&mut self.tape, kept) {
            tape.told(now, input, answer);
        }
        answer.expect("the simulation is a correct driver");
    }

    /// Takes what the machine gives.
    pub(super) fn poll(&mut self) -> Option<ClientOutput> {
        let output = self.client.as_mut()?.poll();
        if let Some(tape) = &mut self.tape {
            tape.gave(output.clone());
        }
        output
    }

    /// The process is gone; what was not written is lost.
    pub(super) fn crash(&mut self) {
        self.client = None;
        self.tapes.extend(self.tape.take());
        self.asleep = None;
        self.missed.clear();
        self.queue.clear();
        self.link = None;
        self.links.clear();
        self.disk_owed = 0;
        self.disk_clear = Time(0);
        self.drain_due = false;
        self.life += 1;
    }

    /// When its driver wakes it, if ever.
    pub(super) fn due(&self) -> Option<Time> {
        let due = self.client.as_ref().filter(|_| self.asleep.is_none()).and_then(Machine::deadline)?;
        Some(if self.driver == Driver::Sluggish { due + LATE } else { due })
    }

    /// Whether its process runs and has not said that it ended.
    pub fn is_running(&self) -> bool {
        self.client.is_some() && !self.stopped
    }

    /// Whether its process lives and does not run.
    pub fn is_asleep(&self) -> bool {
        self.asleep.is_some()
    }

    /// Whether it began to run again at this very time: what it says then may be older than what its disk did meanwhile.
    pub fn wakes_at(&self, now: Time) -> bool {
        self.woken == Some(now)
    }

    /// The id the next command will have.
    pub fn next_command(&self) -> CommandId {
        self.next_command.next()
    }

    /// Commands that were sent and not answered.
    pub fn unanswered(&self) -> Vec<CommandId> {
        (1..=self.next_command.0).map(CommandId).filter(|id| !self.replies.contains_key(id)).collect()
    }

    /// Whether it has a proven link.
    pub fn is_connected(&self) -> bool {
        self.client.as_ref().is_some_and(|client| client.status().state == ConnectionState::Connected)
    }

    /// The key under which its store is sealed.
    pub fn store_key(&self) -> StoreKey {
        StoreKey::new(self.key_bytes())
    }

    /// The same, to start a process of one's own over its store.
    pub fn key_bytes(&self) -> [u8; 32] {
        [self.number; 32]
    }

    /// Findings it was told of, in order.
    pub fn verdicts(&self) -> Vec<Verdict> {
        let verdict = |event: &ClientEvent| match event {
            ClientEvent::Verdict { verdict, .. } => Some(*verdict),
            _ => None,
        };
        self.events.iter().filter_map(verdict).collect()
    }

    /// Whether it is connected and the relay holds everything it has.
    pub fn is_synced(&self) -> bool {
        let status = self.client.as_ref().map(zerok_core::client::Client::status);
        status.is_some_and(|status| (status.state, status.indicator) == (ConnectionState::Connected, Indicator::Synced))
    }
}
