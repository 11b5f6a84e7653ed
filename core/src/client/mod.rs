//! The client machine: one device of one group, talking to one relay.
//!
//! It owns every rule of the device's side; a driver owns sockets, files and clocks. It never blocks, never trusts what a relay
//! says beyond what signatures prove, and never drops a blob silently.
//!
//! # Layout
//! - [`io`], [`command`], [`store`], [`status`], [`verdict`]: the vocabulary.
//! - `commit`: batches and the gate; every handled input ends there.
//! - `lifecycle`: enabling, platform signals, when to dial. `backoff`: how long to wait.
//! - `link`: the way to the relay, from dialling to the last byte. `liveness`: whether it still is one. `relay_messages`: what comes over it.
//! - `outbox`, `push`: on the way out. `receive`, `stream`, `claims`, `gaps`, `inbox`: on the way in.
//! - `group`, `roster`, `heads`: who the others are and what they have. `restore`: a store older than its relay.
//! - `invite`, `join`: the two sides of pairing; `wishes`: who wants everything after it. `ledger`: the sealed rows.
//!
//! ```text
//!            Opened           Closing            flushed, or 500 ms            durable
//!  Loading ─────────► Ready ─────────► Closing ──────────────► Stopping ─────────► Stopped
//!     ▲    store full │  │  ◄─ Resumed ─┘                          ▲
//!     └───────────────┘  └──────── store failed ───────────────────┘
//! ```
//!
//! Invariant: what leaves the machine rests on durable batches only (`commit`); see the law tests.

pub mod command;
pub mod io;
pub mod status;
pub mod store;
pub mod verdict;

mod backoff;
#[cfg(feature = "bugs")]
mod bugged;
mod claims;
mod commit;
mod gaps;
mod group;
mod heads;
mod inbox;
mod invite;
mod join;
mod ledger;
mod lifecycle;
mod link;
mod liveness;
mod outbox;
mod push;
mod receive;
mod relay_messages;
mod restore;
mod roster;
mod stream;
mod sync;
#[cfg(test)]
mod tests;
mod wishes;

use std::collections::{BTreeMap, VecDeque};

use crate::{
    address::RelayAddress,
    channel::ChannelKind,
    error::Code,
    gate::Gate,
    ids::{CommandId, LinkId, LoadId, OutboxId, Position, StreamId},
    limits::ClientLimits,
    machine::{Machine, Misuse},
    rng::{Draw, Seed},
    seal::{keys::DeviceKeys, padding::Padding, rest::StoreKey},
    time::{Time, UnixMillis},
    timers::Timers,
};

use self::{
    backoff::Backoff,
    command::{ClientCommand, ClientEvent, Rejection, Reply},
    commit::Effect,
    gaps::Gaps,
    group::Group,
    inbox::Inbox,
    invite::OpenInvite,
    io::{ClientInput, ClientOutput},
    join::Joining,
    ledger::Ledger,
    lifecycle::Platform,
    link::Link,
    outbox::Outbox,
    status::Status,
    sync::Syncs,
    verdict::Verdict,
};

/// How a client is set up.
#[derive(Debug)]
#[cfg_attr(feature = "model", derive(Clone))]
pub struct ClientConfig {
    /// Seals the vault and ledger; kept in the keychain, never in the store.
    pub store_key: StoreKey,
    /// How links are secured.
    pub kind: ChannelKind,
    /// Its bounds.
    pub limits: ClientLimits,
    /// How payload sizes are hidden.
    pub padding: Padding,
}

/// One device of one group.
#[derive(Debug)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub struct Client {
    config: ClientConfig,
    draws: Draws,
    now: Time,
    /// The wall clock as last reported, and when.
    wall: Option<(Time, UnixMillis)>,
    phase: Phase,
    timers: Timers<Timer>,
    backoff: Backoff,
    platform: Platform,

    out: VecDeque<ClientOutput>,
    gate: Gate<Effect>,
    batch: commit::Batch,
    loads: BTreeMap<LoadId, Load>,
    next_load: LoadId,

    ledger: ledger::Watched,
    relay: Option<RelayAddress>,
    group: Option<Group>,
    outbox: Outbox,
    inbox: Inbox,
    gaps: Gaps,
    opening: restore::Opening,
    verdicts: BTreeMap<u64, Verdict>,
    /// The lowest position this run may assign: beyond the wall clock's second at its start.
    first_position: Position,
    /// Why the store refused a batch that it rolled back, if it has taken none since.
    store_refuses: Option<Code>,
    reopening: commit::Reopening,

    link: Option<Link>,
    next_link: LinkId,
    invite: Option<OpenInvite>,
    joining: Option<Joining>,
    /// Keys that a join has shown, or will, until it comes to its end.
    candidate: Option<DeviceKeys>,

    last_command: CommandId,
    /// Commands that came before the store was read.
    early: VecDeque<(CommandId, ClientCommand)>,
    /// Pushes that wait for the relay.
    pushes: BTreeMap<OutboxId, CommandId>,
    syncs: Syncs,
    last_error: Option<Code>,
    reported: Option<Status>,
    /// Links and inputs that came too late, for diagnosis.
    stale_inputs: Tally,
}

/// A number that nothing in a machine reads.
#[derive(Debug)]
#[cfg_attr(feature = "model", derive(Clone))]
pub(crate) struct Tally(u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Phase {
    Loading,
    Ready,
    Closing,
    /// Everything is answered; `Stopped` waits for the last batch.
    Stopping,
    Stopped,
}

/// A query under way.
#[derive(Debug)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
enum Load {
    Open,
    /// Bytes of these rows, on their way out.
    Outbox(Vec<OutboxId>),
    Inbox(inbox::Reading),
    /// The unsent records of a group of one, on their way into another group.
    Moving(Vec<OutboxId>),
    /// Records to seal again after the store was found to be restored.
    Reissue(Vec<OutboxId>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Timer {
    Redial,
    Handshake,
    Stall,
    Keepalive,
    Answer,
    Resume,
    Closing,
    Retry,
    Heads,
    SeenGap,
    Refill,
    Invite,
    Join,
    InboxAge,
    Room,
    Push(CommandId),
    Pull(CommandId),
    Sync(CommandId),
}

/// One stream of randomness for each use.
#[derive(Debug)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
struct Draws {
    link: Draw,
    keys: Draw,
    seal: Draw,
    rest: Draw,
    jitter: Draw,
    pairing: Draw,
}

impl Client {
    /// A client that first asks its store what there is. Nothing is dialled before it is enabled and started.
    #[expect(clippy::needless_pass_by_value, reason = "a seed is used once")]
    pub fn new(config: ClientConfig, seed: Seed, now: Time) -> Self {
        let draws = Draws {
            link: seed.draw("client/link"),
            keys: seed.draw("client/keys"),
            seal: seed.draw("client/seal"),
            rest: seed.draw("client/rest"),
            jitter: seed.draw("client/jitter"),
            pairing: seed.draw("client/pairing"),
        };
        let mut client = Self {
            config,
            draws,
            now,
            wall: None,
            phase: Phase::Loading,
            timers: Timers::default(),
            backoff: Backoff::default(),
            platform: Platform::default(),
            out: VecDeque::new(),
            gate: Gate::default(),
            // Equal to what is in memory: a client that ends before its store was read writes nothing over it.
            batch: commit::Batch { ledger: ledger::encode(&Ledger::default()), ..commit::Batch::default() },
            loads: BTreeMap::new(),
            next_load: LoadId(0),
            ledger: ledger::Watched::default(),
            relay: None,
            group: None,
            outbox: Outbox::default(),
            inbox: Inbox::default(),
            gaps: Gaps::default(),
            opening: restore::Opening::default(),
            verdicts: BTreeMap::new(),
            first_position: Position(0),
            store_refuses: None,
            reopening: commit::Reopening::default(),
            link: None,
            next_link: LinkId(0),
            invite: None,
            joining: None,
            candidate: None,
            last_command: CommandId(0),
            early: VecDeque::new(),
            pushes: BTreeMap::new(),
            syncs: Syncs::default(),
            last_error: None,
            reported: None,
            stale_inputs: Tally(0),
        };
        client.load(store::ClientQuery::Open, Load::Open);
        client
    }

    /// What a user sees. Cheap.
    pub fn status(&self) -> Status {
        self.judge_status()
    }

    /// Where every chain ends as this device holds it, or was handed it, and the hash there: what devices that have all there is
    /// agree on.
    #[cfg(feature = "model")]
    pub fn chains(&self) -> BTreeMap<StreamId, (u64, Option<crate::ids::RecordHash>)> {
        let streams = self.group.iter().flat_map(|group| &group.streams);
        streams.map(|(id, stream)| (*id, stream.reach())).filter(|(_, (end, _))| *end > 0).collect()
    }

    /// Inputs for links that were over, for diagnosis.
    pub fn stale_inputs(&self) -> u64 {
        self.stale_inputs.0
    }

    /// The wall clock, carried forward from when it was last reported.
    fn wall(&self) -> UnixMillis {
        self.wall.map_or(UnixMillis(0), |(at, millis)| {
            let passed = u64::try_from(self.now.since(at).as_millis()).unwrap_or(u64::MAX);
            UnixMillis(millis.0.saturating_add(passed))
        })
    }

    fn command(&mut self, id: CommandId, command: ClientCommand) {
        match command {
            ClientCommand::Enable { name } => self.enable(id, &name),
            ClientCommand::Disable => self.disable(id),
            ClientCommand::Push { data, key, detached } => self.push(id, data, key, detached),
            ClientCommand::Pull { .. } | ClientCommand::SyncNow if self.is_busy() => self.reject(id, Code::Busy),
            ClientCommand::Pull { after, max_bytes, own } => self.pull(id, after, max_bytes, own),
            ClientCommand::Ack(position) => self.acknowledge(id, position),
            ClientCommand::CreateInvite => self.create_invite(id),
            ClientCommand::CancelInvite => self.cancel_invite(id),
            ClientCommand::Join { invite, name } => self.join(id, &invite, name),
            ClientCommand::Leave { force } => self.leave(id, force),
            ClientCommand::SyncNow => self.sync_now(id),
            ClientCommand::Rename(name) => self.rename(id, &name),
            ClientCommand::SetRelay(relay) => self.set_relay(id, relay),
            ClientCommand::Configure(relay) => self.configure(id, relay),
            ClientCommand::Inspect => self.inspect(id),
            ClientCommand::Settle(through) => self.settle_verdicts(id, through),
            ClientCommand::AcceptFullPush => self.accept_full_push(id),
        }
    }

    /// Whether as many commands wait as may.
    fn is_busy(&self) -> bool {
        let reading = self.loads.values().filter(|load| matches!(load, Load::Inbox(_))).count();
        self.pushes.len() + self.inbox.waiting() + self.syncs.waiting() + reading >= self.config.limits.commands
    }

    fn fired(&mut self, timer: Timer) {
        match timer {
            // Dialling and pulling follow from the state after every input.
            Timer::Redial => {}
            Timer::Handshake | Timer::Stall | Timer::Answer => self.link_overdue(timer),
            Timer::Keepalive => self.keep_alive(),
            Timer::Resume => self.resumed(),
            Timer::Closing => self.finish_closing(),
            // A refused lane starts again on a new link.
            Timer::Retry => self.restart_link(),
            Timer::Heads => self.send_heads(),
            // What is overdue follows from the state.
            Timer::SeenGap => {}
            Timer::Refill => self.refill(),
            Timer::Invite => self.end_invite(Code::InviteExpired),
            Timer::Join => self.join_overdue(),
            Timer::InboxAge => self.trim_inbox(),
            Timer::Room => self.open_store(),
            Timer::Push(command) => self.push_overdue(command),
            Timer::Pull(command) => self.pull_overdue(command),
            Timer::Sync(command) => self.sync_overdue(command),
        }
    }

    /// What follows from the state, whatever the input was.
    fn follow(&mut self) {
        if self.is_up() {
            self.look_for_missing();
            self.drive_link();
        }
        if self.is_up() {
            self.confirm_opening();
            self.pump_outbox();
            self.schedule_heads();
            self.watch_missing();
            self.answer_waiting_pulls();
            self.advance_syncs();
            self.watch_answer();
            self.report_status();
        }
    }

    /// Whether the store was read and nothing has ended yet.
    fn is_up(&self) -> bool {
        matches!(self.phase, Phase::Ready | Phase::Closing)
    }

    fn done(&mut self, command: CommandId, result: Result<Reply, Rejection>) {
        self.batch.effects.push(Effect::Done { command, result });
    }

    fn reject(&mut self, command: CommandId, code: Code) {
        self.done(command, Err(code.into()));
    }

    fn event(&mut self, event: ClientEvent) {
        self.batch.effects.push(Effect::Event(event));
    }

    fn touch(&mut self, stream: StreamId) {
        self.batch.touched.insert(stream);
    }
}

impl Machine for Client {
    type Input = ClientInput;
    type Output = ClientOutput;

    fn handle(&mut self, now: Time, input: ClientInput) -> Result<(), Misuse> {
        self.check(&input)?;
        self.now = self.now.max(now);
        match input {
            ClientInput::Command(id, command) if self.phase == Phase::Stopped => self.ask(id, command),
            _ if self.phase == Phase::Stopped => return Ok(()),
            ClientInput::Tick => {}
            ClientInput::Link(input) => self.link_input(input),
            ClientInput::Store(input) => self.store_input(input),
            ClientInput::Command(id, command) => self.ask(id, command),
            ClientInput::Cancel(id) => self.cancel(id),
            ClientInput::Lifecycle(signal) => self.lifecycle(signal),
            ClientInput::WallClock(millis) => self.wall_clock(millis),
        }
        while let Some(timer) = self.timers.fire(self.now) {
            self.fired(timer);
        }
        self.settle();
        Ok(())
    }

    fn poll(&mut self) -> Option<ClientOutput> {
        self.out.pop_front()
    }

    fn deadline(&self) -> Option<Time> {
        self.timers.deadline()
    }
}

impl Client {
    fn check(&self, input: &ClientInput) -> Result<(), Misuse> {
        match input {
            ClientInput::Command(id, _) if *id <= self.last_command => Err(Misuse::IdReused),
            ClientInput::Link(input) => self.check_link(input),
            ClientInput::Store(input) => self.check_store(input),
            _ => Ok(()),
        }
    }

    /// A command is carried out once the store was read, and never after the end.
    fn ask(&mut self, id: CommandId, command: ClientCommand) {
        self.last_command = id;
        match self.phase {
            Phase::Ready | Phase::Closing => self.command(id, command),
            Phase::Loading if self.early.len() < self.config.limits.commands => self.early.push_back((id, command)),
            Phase::Loading => self.answer_now(id, Code::Busy),
            Phase::Stopping | Phase::Stopped => self.answer_now(id, Code::Cancelled),
        }
    }

    /// A rejection that rests on nothing.
    fn answer_now(&mut self, command: CommandId, code: Code) {
        self.out.push_back(ClientOutput::Done { command, result: Err(code.into()) });
    }

    /// The first report of a run says where its positions start: none is ever reused, whatever happened to the store.
    fn wall_clock(&mut self, millis: UnixMillis) {
        self.wall = Some((self.now, millis));
        self.redate_lost_log();
        if self.first_position == Position(0) {
            // Numbers stay exact in JavaScript, however far ahead the clock is.
            let by_clock = (millis.0 / 1000).saturating_mul(1_000_000);
            self.first_position = Position(by_clock.min((1 << 53) - (1 << 32)));
        }
    }

    fn assign_position(&mut self) -> Position {
        self.ledger.assign_position(self.first_position)
    }

    /// The application gave up on a command. What it set going and is durable goes on; what only waits ends.
    fn cancel(&mut self, id: CommandId) {
        for timer in [Timer::Push(id), Timer::Pull(id), Timer::Sync(id)] {
            self.timers.cancel(timer);
        }
        if self.joining.as_ref().is_some_and(|joining| joining.command() == Some(id)) {
            self.end_join(Code::Cancelled);
        } else if self.invite.as_ref().is_some_and(|invite| invite.waits(id)) {
            self.end_invite(Code::Cancelled);
        } else if self.forget_command(id) {
            self.reject(id, Code::Cancelled);
        }
    }

    /// Answers whether the command was waiting for something.
    fn forget_command(&mut self, id: CommandId) -> bool {
        let before = self.pushes.len() + self.early.len() + self.loads.len();
        self.pushes.retain(|_, command| *command != id);
        self.early.retain(|(early, _)| *early != id);
        // A pull that nobody hears must not count as having returned anything.
        self.loads.retain(|_, load| !matches!(load, Load::Inbox(reading) if reading.command == id));
        let after = self.pushes.len() + self.early.len() + self.loads.len();
        self.inbox.cancel(id) | self.syncs.cancel(id) | (after < before)
    }

    /// Every command that waits for something, except pushes, whose blobs are queued whatever becomes of the caller.
    fn take_commands(&mut self) -> Vec<CommandId> {
        let mut commands: Vec<CommandId> = self.early.drain(..).map(|(command, _)| command).collect();
        commands.extend(self.inbox.take_commands());
        commands.extend(self.syncs.take_commands());
        for load in std::mem::take(&mut self.loads).into_values() {
            if let Load::Inbox(reading) = load {
                commands.push(reading.command);
            }
        }
        for command in &commands {
            self.timers.cancel(Timer::Pull(*command));
            self.timers.cancel(Timer::Sync(*command));
        }
        commands
    }
}
