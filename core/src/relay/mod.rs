//! The relay machine: links on one side, a store on the other, and what the protocol says in between.
//!
//! Owns links, not groups. The store is the truth; several machines, in one process or many, share it and tell each other by
//! [`Announce`]. The machine never reads a blob, never waits for a peer, and speaks of nothing the store has not committed.
//!
//! # Layout
//! - [`io`], [`store`], [`stats`]: what goes in and out, what is kept, what is counted.
//! - `opening`: two flights and a first frame. `link`: credit, reading, the end of a link.
//! - `push`: blobs into the store. `group`: pages, subscribers, news. `seen`: acknowledgements. `mailbox`: pairing.
//! - `quota`: token buckets. `effects`: outputs, and what waits for the store.
//!
//! # Invariants
//! - Nothing durable or visible happens on behalf of a peer before its first frame proves it live.
//! - A peer's fault closes its link and nothing else. A full store is an outcome; a store that fails otherwise ends the machine.
//! - After a tick and a full drain the deadline is `None` or ahead.
//!
//! ```text
//!            opened + clock            Drain              all closed
//! (waiting) ────────────────► Serving ───────► Draining ─────────────► Stopped
//!     └───────── store failed ───┴────────────────┴───────────────────────┘
//! ```
//!
//! Every machine sweeps at its own interval; in a process with several, give all but one an endless
//! [`sweep`](crate::limits::RelayLimits::sweep).

mod effects;
mod group;
pub mod io;
mod link;
mod mailbox;
mod opening;
mod push;
mod quota;
mod seen;
pub mod stats;
pub mod store;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use self::{
    effects::{Consequence, Effects, Purpose, Timer},
    group::Group,
    io::{Announce, RelayInput, RelayOutput},
    link::{Link, Party, Stage},
    mailbox::Attachment,
    quota::Buckets,
    stats::RelayStats,
    store::{RelayAnswer, RelayOp, RelayOutcome, RelayQuery, RelayStore, Side, Stored},
};
use crate::{
    channel::{ChannelKind, Opening},
    error::{CloseReason, LocalReason, Misbehaviour, Wait},
    ids::{BatchId, Cursor, GroupId, Lane, LinkId, LinkKey, LoadId, MailboxId, RelayId},
    limits::{CHANNEL_AGE, RelayLimits},
    machine::{LinkInput, Machine, Misuse, Origin, StoreFailure, StoreInput},
    rng::{Draw, Seed},
    seal::keys::LinkSecret,
    time::{Duration, Time, UnixMillis},
    wire::{
        codec,
        message::{ToDevice, ToRelay, WireCode},
    },
};

/// How long a full store is left alone before it is asked again.
const ROOM_RETRY: Duration = Duration::from_secs(5);
/// The shortest time between sweeps, whatever the configuration says.
const MIN_SWEEP: Duration = Duration::from_secs(1);

/// What a relay machine needs to know.
#[derive(Debug)]
pub struct RelayConfig {
    /// The relay's identity. Its public half is pinned by the address.
    pub secret: LinkSecret,
    /// Which channel it speaks.
    pub kind: ChannelKind,
    /// Its bounds.
    pub limits: RelayLimits,
}

#[cfg(feature = "model")]
impl Clone for RelayConfig {
    fn clone(&self) -> Self {
        Self { secret: LinkSecret::new(*self.secret.as_bytes()), kind: self.kind, limits: self.limits.clone() }
    }
}

/// A relay machine.
#[derive(Debug)]
#[cfg_attr(feature = "model", derive(Clone))]
pub struct Relay {
    config: RelayConfig,
    fx: Effects,
    draw: Draw,
    phase: Phase,
    /// The store refused for lack of room and has not been opened again.
    full: bool,
    relay_id: Option<RelayId>,
    /// The wall clock, and when it was read.
    clock: Option<(UnixMillis, Time)>,
    newest_link: LinkId,
    links: BTreeMap<LinkId, Link>,
    /// First flights that came before the store was open and the clock known.
    early: Vec<(LinkId, Opening)>,
    /// Links by origin; no entry is zero.
    origins: BTreeMap<Origin, usize>,
    groups: BTreeMap<GroupId, Group>,
    boxes: BTreeMap<(MailboxId, Side), Attachment>,
    /// What members acknowledged since it was last written down.
    seen: BTreeMap<(GroupId, LinkKey), Cursor>,
    handshakes: Buckets<Origin>,
    pushes: Buckets<(LinkKey, Lane)>,
    /// Bytes the store has not committed.
    uncommitted: usize,
    /// Links not read because of it.
    silenced: BTreeSet<LinkId>,
    /// Queries for heads under way, and whether to ask again after them.
    asking_heads: usize,
    ask_again: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Serving,
    Draining,
    Stopped,
}

impl Relay {
    /// A machine that asks its store to open and serves once it has, and once it was told the wall clock.
    #[expect(clippy::needless_pass_by_value, reason = "a seed is used once")]
    pub fn new(config: RelayConfig, seed: Seed, now: Time) -> Self {
        let limits = config.limits.clone();
        let (burst, rate) = limits.handshakes;
        let (bytes, byte_rate) = limits.push_bytes;
        let mut fx = Effects::new(limits, now);
        fx.load(RelayQuery::Open, Purpose::Open);
        Self {
            handshakes: Buckets::new(burst.into(), rate.into(), fx.limits.rates),
            pushes: Buckets::new(bytes, byte_rate, fx.limits.rates),
            config,
            fx,
            draw: seed.draw("relay links"),
            phase: Phase::Serving,
            full: false,
            relay_id: None,
            clock: None,
            newest_link: LinkId(0),
            links: BTreeMap::new(),
            early: Vec::new(),
            origins: BTreeMap::new(),
            groups: BTreeMap::new(),
            boxes: BTreeMap::new(),
            seen: BTreeMap::new(),
            uncommitted: 0,
            silenced: BTreeSet::new(),
            asking_heads: 0,
            ask_again: false,
        }
    }

    /// What it has counted.
    pub fn stats(&self) -> RelayStats {
        RelayStats { groups: self.groups.len(), ..self.fx.stats.clone() }
    }
}

impl Machine for Relay {
    type Input = RelayInput;
    type Output = RelayOutput;

    fn handle(&mut self, now: Time, input: RelayInput) -> Result<(), Misuse> {
        if self.phase == Phase::Stopped {
            self.fx.stats.stale_inputs += 1;
            return Ok(());
        }
        self.check(&input)?;
        self.fx.now = self.fx.now.max(now);
        match input {
            RelayInput::Tick => {}
            RelayInput::Link(input) => self.link_input(input),
            RelayInput::Store(input) => self.store_input(input),
            RelayInput::Announced(Announce::Group { group, head }) => self.announced(group, head),
            RelayInput::Announced(Announce::Mailbox(id)) => self.mailbox_announced(id),
            RelayInput::AnnouncedUnknown => {
                self.ask_heads();
                self.mailboxes_unknown();
            }
            RelayInput::Drain => self.drain(),
            RelayInput::WallClock(wall) => {
                self.clock = Some((wall, self.fx.now));
                self.start();
            }
        }
        while self.phase != Phase::Stopped
            && let Some(timer) = self.fx.timers.fire(self.fx.now)
        {
            self.due(timer);
        }
        if self.phase == Phase::Draining {
            self.finish();
        }
        Ok(())
    }

    fn poll(&mut self) -> Option<RelayOutput> {
        self.fx.poll()
    }

    fn deadline(&self) -> Option<Time> {
        self.fx.timers.deadline()
    }
}

// What the driver may get wrong, looked at before anything changes.
impl Relay {
    fn check(&self, input: &RelayInput) -> Result<(), Misuse> {
        match input {
            RelayInput::Link(LinkInput::Opened { link, .. }) if *link <= self.newest_link => Err(Misuse::IdReused),
            RelayInput::Link(LinkInput::Written { link, len })
                if self.links.get(link).is_some_and(|link| link.unwritten() < *len) =>
            {
                Err(Misuse::WrittenTooMuch)
            }
            RelayInput::Store(StoreInput::Persisted { batch, outcomes }) => self.check_persisted(*batch, outcomes),
            RelayInput::Store(StoreInput::PersistFailed { batch, .. }) if !self.fx.batches.contains_key(batch) => {
                Err(Misuse::UnknownAnswer)
            }
            RelayInput::Store(StoreInput::Loaded { load, answer }) => self.check_loaded(*load, answer.as_ref()),
            _ => Ok(()),
        }
    }

    fn check_persisted(&self, batch: BatchId, outcomes: &[RelayOutcome]) -> Result<(), Misuse> {
        let consequence = self.fx.batches.get(&batch).ok_or(Misuse::UnknownAnswer)?;
        // Batches that report something are reported one by one; the others may be passed over.
        if self.fx.batches.range(..batch).any(|(_, earlier)| earlier.outcomes() > 0) {
            return Err(Misuse::WrongAnswer);
        }
        let fits = match (consequence, outcomes) {
            (Consequence::Append { blobs, .. }, [RelayOutcome::Appended { results, .. }]) => {
                let refused = results.iter().position(|result| matches!(result, Stored::Refused(_)));
                match refused {
                    Some(at) => at + 1 == results.len() && results.len() <= blobs.len(),
                    None => results.len() == blobs.len(),
                }
            }
            (Consequence::OpenMailbox { .. }, [RelayOutcome::Mailbox(_), RelayOutcome::Mailbox(_)])
            | (Consequence::ClaimMailbox { .. } | Consequence::SendMailbox { .. }, [RelayOutcome::Mailbox(_)])
            | (Consequence::Sweep, [RelayOutcome::Swept(_)])
            | (Consequence::Seen(_) | Consequence::CloseMailbox { .. }, []) => true,
            _ => false,
        };
        if fits { Ok(()) } else { Err(Misuse::WrongAnswer) }
    }

    fn check_loaded(&self, load: LoadId, answer: Result<&RelayAnswer, &StoreFailure>) -> Result<(), Misuse> {
        let purpose = self.fx.loads.get(&load).ok_or(Misuse::UnknownAnswer)?;
        let Ok(answer) = answer else { return Ok(()) };
        match (purpose, answer) {
            (Purpose::Open, RelayAnswer::Opened { .. })
            | (Purpose::Welcome(_), RelayAnswer::Welcome { .. })
            | (Purpose::Page(..) | Purpose::News(_), RelayAnswer::Page(_))
            | (Purpose::Heads, RelayAnswer::Heads(_))
            | (Purpose::Mailbox(..), RelayAnswer::Mailbox { .. }) => Ok(()),
            _ => Err(Misuse::WrongAnswer),
        }
    }
}

// Links.
impl Relay {
    fn link_input(&mut self, input: LinkInput) {
        match input {
            LinkInput::Opened { link, transport, origin } => {
                self.newest_link = link;
                self.opened(link, transport, origin);
            }
            LinkInput::Bytes { link, bytes } => self.bytes(link, bytes),
            LinkInput::Written { link, len } => self.written(link, len),
            LinkInput::Closed { link, .. } | LinkInput::OpenFailed { link, .. } => self.closed(link),
        }
    }

    fn bytes(&mut self, id: LinkId, bytes: Bytes) {
        match self.links.get_mut(&id) {
            Some(link) if link.open => {
                self.fx.stats.bytes_in += bytes.len() as u64;
                match &mut link.stage {
                    Stage::Provisional(talk) | Stage::Live(talk) => talk.channel.feed(bytes),
                    _ => return self.opening_bytes(id, bytes),
                }
            }
            _ => {
                // The driver may not have heard of our close yet.
                self.fx.stats.stale_inputs += 1;
                return;
            }
        }
        self.messages(id);
        self.submit(id);
        let spent = |link: &mut Link| link.talk().is_some_and(|talk| talk.channel.spent());
        if self.links.get_mut(&id).is_some_and(spent) {
            self.close(id, CloseReason::Local(LocalReason::Spent));
        }
        self.reading(id);
    }

    /// Handles every message that is whole.
    fn messages(&mut self, id: LinkId) {
        loop {
            let Some(link) = self.links.get_mut(&id) else { return };
            let (Stage::Provisional(talk) | Stage::Live(talk)) = &mut link.stage else { return };
            let message = match talk.channel.next() {
                Ok(Some(message)) => message,
                Ok(None) => return,
                Err(fault) => return self.close(id, fault.into()),
            };
            link.heard = self.fx.now;
            if link.half_open {
                self.proven(id);
            }
            match codec::decode_to_relay(message) {
                Ok(message) => self.message(id, message),
                Err(fault) => self.close(id, fault.into()),
            }
        }
    }

    fn message(&mut self, id: LinkId, message: ToRelay) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let Some(talk) = link.talk() else { return };
        match (&talk.party, message) {
            (_, ToRelay::Ping) => link.send(&mut self.fx, &ToDevice::Pong),
            (_, ToRelay::Bye) => self.close(id, CloseReason::Local(LocalReason::Dismissed)),
            (Party::Member(_), ToRelay::Pull(pull)) => self.pull(id, pull),
            (Party::Member(_), ToRelay::Push { lane, blobs }) => self.push(id, lane, blobs),
            (Party::Member(_), ToRelay::Ack { cursor }) => self.acknowledge(id, cursor),
            (
                _,
                request @ (ToRelay::MailboxOpen { .. }
                | ToRelay::MailboxClaim { .. }
                | ToRelay::MailboxSend { .. }
                | ToRelay::MailboxClose { .. }),
            ) => self.mail(id, request),
            (Party::Joiner { .. }, ToRelay::Pull(_) | ToRelay::Push { .. } | ToRelay::Ack { .. })
            | (_, ToRelay::Hello(_) | ToRelay::Rotate | ToRelay::Forget) => {
                self.close(id, Misbehaviour::OutOfState.into());
            }
        }
    }

    fn written(&mut self, id: LinkId, len: usize) {
        let Some(link) = self.links.get_mut(&id) else {
            self.fx.stats.stale_inputs += 1;
            return;
        };
        link.written(&mut self.fx, len);
        self.next_page(id);
        self.resume_mail(id);
        self.nudge(id);
        self.reading(id);
    }

    /// The link is over, whoever ended it.
    fn closed(&mut self, id: LinkId) {
        match self.links.get(&id) {
            Some(link) if link.open => self.release(id),
            Some(_) => {}
            None => self.fx.stats.stale_inputs += 1,
        }
        self.links.remove(&id);
        for timer in [Timer::Handshake(id), Timer::Watch(id), Timer::Stall(id)] {
            self.fx.timers.cancel(timer);
        }
    }

    /// Ends a link, and only it.
    fn close(&mut self, id: LinkId, reason: CloseReason) {
        if !self.links.get(&id).is_some_and(|link| link.open) {
            return;
        }
        if matches!(reason, CloseReason::PeerMisbehaved(_)) {
            self.fx.stats.misbehaved += 1;
        }
        self.release(id);
        if let Some(link) = self.links.get_mut(&id) {
            link.close(&mut self.fx, reason);
        }
    }

    /// Forgets what an open link stood for.
    fn release(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        self.fx.stats.links -= 1;
        if link.half_open {
            self.fx.stats.half_open -= 1;
            self.fx.stats.handshakes_failed += 1;
        }
        if let Some(count) = self.origins.get_mut(&link.origin) {
            *count -= 1;
            if *count == 0 {
                self.origins.remove(&link.origin);
            }
        }
        let attached = link.talk().map(|talk| core::mem::take(&mut talk.mail.attached)).unwrap_or_default();
        // What waits for its run will never be stored; what is in the store comes off when the store answers.
        self.uncommitted -= link.member().map_or(0, |member| member.lanes.waiting_weight());
        self.silenced.remove(&id);
        if let Some(group) = link.watched.take() {
            self.unwatch(id, group);
        }
        self.detach(id, &attached);
    }

    /// Reads a link, or stops reading it, as the bounds want it.
    fn reading(&mut self, id: LinkId) {
        let crowded = self.uncommitted > self.fx.limits.uncommitted;
        let Some(link) = self.links.get_mut(&id) else { return };
        if crowded {
            self.silenced.insert(id);
        }
        link.set_reading(&mut self.fx, !crowded && self.phase == Phase::Serving);
    }
}

// The store.
impl Relay {
    fn store_input(&mut self, input: StoreInput<RelayStore>) {
        match input {
            StoreInput::Persisted { batch, outcomes } => self.persisted(batch, outcomes),
            StoreInput::PersistFailed { batch, failure: StoreFailure::Full } => self.store_full(batch),
            // What is on disk is not known any more; whoever starts again reads it.
            StoreInput::PersistFailed { .. } => self.fail(),
            StoreInput::Loaded { load, answer } => match answer {
                Err(StoreFailure::Io | StoreFailure::Corrupt | StoreFailure::TooNew) => self.fail(),
                answer => self.loaded(load, answer),
            },
        }
    }

    fn persisted(&mut self, batch: BatchId, mut outcomes: Vec<RelayOutcome>) {
        let later = self.fx.batches.split_off(&batch.next());
        let done = core::mem::replace(&mut self.fx.batches, later);
        for consequence in done.into_values() {
            match consequence {
                Consequence::Append { link, group, lane, blobs, weight } => {
                    self.committed(link, weight);
                    if let Some(outcome) = outcomes.pop() {
                        self.appended(link, group, lane, blobs, outcome);
                    }
                    self.reading(link);
                }
                Consequence::OpenMailbox { link, code, qr } => self.mailbox_opened(link, [code, qr], &outcomes),
                Consequence::ClaimMailbox { link, id } => {
                    outcomes.iter().for_each(|outcome| self.mailbox_claimed(link, id, outcome));
                }
                Consequence::SendMailbox { link, id, weight } => {
                    self.committed(link, weight);
                    outcomes.iter().for_each(|outcome| self.mailbox_sent(link, id, outcome));
                    self.reading(link);
                }
                Consequence::CloseMailbox { id } => self.mailbox_changed(id),
                Consequence::Sweep => self.fx.stats.sweeps += 1,
                Consequence::Seen(_) => {}
            }
        }
    }

    /// A batch did not happen for lack of room, and none will until the store is opened again.
    fn store_full(&mut self, batch: BatchId) {
        self.fx.stats.store_full += 1;
        self.full = true;
        self.fx.timers.start(Timer::Reopen, self.fx.now + ROOM_RETRY);
        match self.fx.batches.remove(&batch) {
            Some(Consequence::Append { link, lane, weight, .. }) => {
                self.committed(link, weight);
                self.not_appended(link, lane);
                self.reading(link);
            }
            Some(Consequence::Seen(seen)) => {
                seen.into_iter().for_each(|(group, key, cursor)| self.see(group, key, cursor));
            }
            Some(Consequence::OpenMailbox { link, code, .. }) => self.mailbox_failed(link, code),
            Some(Consequence::ClaimMailbox { link, id }) => self.mailbox_failed(link, id),
            Some(Consequence::SendMailbox { link, id, weight }) => {
                self.committed(link, weight);
                self.mailbox_failed(link, id);
                self.reading(link);
            }
            // An end that could not be written comes with the mailbox's own time.
            Some(Consequence::CloseMailbox { .. } | Consequence::Sweep) | None => {}
        }
    }

    fn loaded(&mut self, load: LoadId, answer: Result<RelayAnswer, StoreFailure>) {
        let Some(purpose) = self.fx.loads.remove(&load) else { return };
        let page = |answer| match answer {
            Ok(RelayAnswer::Page(page)) => Ok(page),
            Ok(_) => Err(StoreFailure::Io),
            Err(failure) => Err(failure),
        };
        match (purpose, answer) {
            (Purpose::Open, Ok(RelayAnswer::Opened { relay_id })) => self.store_opened(relay_id),
            // Still no room, not even to purge.
            (Purpose::Open, Err(StoreFailure::Full)) if self.relay_id.is_some() => {
                self.fx.timers.set(Timer::Reopen, self.fx.now + ROOM_RETRY);
            }
            (Purpose::Open, _) => self.fail(),
            (Purpose::Welcome(link), Ok(RelayAnswer::Welcome { own, page })) => self.welcomed(link, own, page),
            (Purpose::Welcome(link), _) => self.close(link, CloseReason::Local(LocalReason::Storage)),
            (Purpose::Page(link, pull), answer) => {
                self.paged(link, pull, page(answer));
                self.reading(link);
            }
            (Purpose::News(group), answer) => self.caught_up(group, page(answer)),
            (Purpose::Heads, Ok(RelayAnswer::Heads(heads))) => self.heads(heads),
            (Purpose::Heads, _) => self.heads(Vec::new()),
            (Purpose::Mailbox(id, side), answer) => self.mailbox_read(id, side, answer),
        }
    }

    /// The store is open, or open again after it was full.
    fn store_opened(&mut self, relay_id: RelayId) {
        self.full = false;
        match self.relay_id {
            None => {
                self.relay_id = Some(relay_id);
                self.start();
            }
            // Another database under the same links: every cursor they were told of is void.
            Some(before) if before != relay_id => self.fail(),
            Some(_) => {}
        }
    }

    /// Bytes of a link have been committed, or refused.
    fn committed(&mut self, id: LinkId, weight: usize) {
        self.uncommitted -= weight;
        if let Some(link) = self.links.get_mut(&id) {
            link.uncommitted = link.uncommitted.saturating_sub(weight);
        }
        if self.uncommitted <= self.fx.limits.uncommitted / 2 {
            core::mem::take(&mut self.silenced).into_iter().for_each(|id| self.reading(id));
        }
    }
}

// Time, and the machine's own life.
impl Relay {
    fn is_ready(&self) -> bool {
        self.relay_id.is_some() && self.clock.is_some()
    }

    /// Begins to serve, once the store is open and the clock known.
    fn start(&mut self) {
        if self.is_ready() {
            self.fx.timers.start(Timer::Sweep, self.fx.now + self.fx.limits.sweep.max(MIN_SWEEP));
            for (link, opening) in core::mem::take(&mut self.early) {
                self.first_flight(link, opening);
            }
        }
    }

    /// The wall clock now.
    fn wall(&self) -> UnixMillis {
        let (wall, at) = self.clock.unwrap_or_default();
        UnixMillis(wall.0.saturating_add(u64::try_from(self.fx.now.since(at).as_millis()).unwrap_or(u64::MAX)))
    }

    /// Whether new links are taken.
    fn admits(&self) -> bool {
        self.phase == Phase::Serving
    }

    /// Why nothing can be stored now, if so, and how long to wait.
    fn refuses_pushes(&self) -> Option<(WireCode, Duration)> {
        if self.phase == Phase::Draining {
            return Some((WireCode::Draining, self.fx.limits.drain_retry));
        }
        self.full.then_some((WireCode::DiskFull, ROOM_RETRY))
    }

    fn due(&mut self, timer: Timer) {
        match timer {
            Timer::Handshake(link) => self.close(link, CloseReason::Timeout(Wait::Handshake)),
            Timer::Watch(link) => self.watch_due(link),
            Timer::Stall(link) => {
                if self.links.get(&link).is_some_and(|link| link.is_stalled(&mut self.fx)) {
                    self.close(link, CloseReason::Timeout(Wait::Stall));
                }
            }
            Timer::Invite(id) => self.invite_due(id),
            Timer::Seen => self.write_seen(),
            Timer::Sweep => {
                self.sweep();
                self.fx.timers.set(Timer::Sweep, self.fx.now + self.fx.limits.sweep.max(MIN_SWEEP));
            }
            Timer::Reopen => {
                // What expired makes room, so it goes first.
                self.fx.load(RelayQuery::Open, Purpose::Open);
                self.sweep();
            }
            Timer::Drain => self.stop(CloseReason::Local(LocalReason::Draining)),
        }
    }

    fn watch_due(&mut self, id: LinkId) {
        let Some(link) = self.links.get(&id) else { return };
        if link.opened + CHANNEL_AGE <= self.fx.now {
            self.close(id, CloseReason::Local(LocalReason::Spent));
        } else if link.heard + self.fx.limits.idle <= self.fx.now {
            self.close(id, CloseReason::Timeout(Wait::Idle));
        } else {
            self.fx.timers.set(Timer::Watch(id), link.watch_until(&self.fx));
        }
    }

    fn sweep(&mut self) {
        if !self.fx.batches.values().any(|batch| matches!(batch, Consequence::Sweep)) {
            let sweep = RelayOp::Sweep { now: self.wall(), clamp: self.fx.limits.sweep_clamp };
            self.fx.persist(vec![sweep], Consequence::Sweep);
        }
    }

    fn drain(&mut self) {
        if self.phase == Phase::Serving {
            self.phase = Phase::Draining;
            self.fx.timers.set(Timer::Drain, self.fx.now + self.fx.limits.stall);
            let links: Vec<_> = self.links.keys().copied().collect();
            links.into_iter().for_each(|link| self.reading(link));
        }
    }

    /// While draining: says goodbye to links that have nothing under way, and stops when there is nothing left.
    fn finish(&mut self) {
        if self.fx.stats.links > 0 {
            self.dismiss();
        }
        if !self.links.is_empty() {
            return;
        }
        if !self.seen.is_empty() && !self.full {
            self.write_seen();
        }
        if self.fx.batches.is_empty() {
            self.stop(CloseReason::Local(LocalReason::Draining));
        }
    }

    fn dismiss(&mut self) {
        let quiet: Vec<_> =
            self.links.values().filter(|link| link.open && link.is_quiet()).map(|link| link.id).collect();
        quiet.into_iter().for_each(|link| self.close(link, CloseReason::Local(LocalReason::Draining)));
    }

    /// The store failed: what it holds is unknown, so nothing more is said.
    fn fail(&mut self) {
        self.stop(CloseReason::Local(LocalReason::Storage));
    }

    fn stop(&mut self, reason: CloseReason) {
        let links: Vec<_> = self.links.keys().copied().collect();
        links.into_iter().for_each(|link| self.close(link, reason));
        self.phase = Phase::Stopped;
        self.fx.timers = Default::default();
        self.fx.batches.clear();
        self.fx.loads.clear();
        self.fx.stopped();
    }
}
