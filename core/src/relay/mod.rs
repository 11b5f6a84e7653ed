//! The relay machine: links on one side, a store on the other, and what the protocol says in between.
//!
//! Owns links, not groups. The store is the truth; several machines, in one process or many, share it and tell each other by
//! [`Announce`]. The machine never reads a blob, never waits for a peer, and speaks of nothing the store has not committed.
//!
//! # Layout
//! - [`io`], [`store`], [`stats`]: what goes in and out, what is kept, what is counted.
//! - `opening`: two flights and a first frame. `link`: credit, reading, the end of a link.
//! - `push`: blobs into the store. `group`: pages, subscribers, news. `seen`: acknowledgements. `mailbox`: pairing.
//! - `quota`: token buckets. `effects`: outputs, and what waits for the store. `answers`: its answers. `life`: begin, timers, end.
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

mod answers;
mod effects;
mod group;
pub mod io;
mod life;
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
    effects::{Effects, Purpose, Timer},
    group::Group,
    io::{Announce, RelayInput, RelayOutput},
    link::{Link, Party, Stage},
    mailbox::Attachment,
    quota::{Buckets, Slots},
    stats::RelayStats,
    store::{RelayQuery, Side},
};
use crate::{
    channel::{ChannelKind, Opening},
    error::{CloseReason, LocalReason, Misbehaviour},
    ids::{Cursor, GroupId, Lane, LinkId, LinkKey, MailboxId, RelayId},
    limits::{INVITE_TTL, RelayLimits},
    machine::{LinkInput, Machine, Misuse, Origin},
    rng::{Draw, Seed},
    seal::keys::LinkSecret,
    time::{Duration, Time, UnixMillis},
    wire::{
        codec,
        message::{ToDevice, ToRelay},
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
#[cfg_attr(feature = "model", derive(Clone, Hash))]
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
    /// Mailbox bytes. Group ids and link keys cost nothing to make, so that the origin is what counts.
    mails: Buckets<Origin>,
    /// Mailboxes opened here, for the same reason.
    openings: Slots<Origin, MailboxId>,
    /// Bytes the store has not committed.
    uncommitted: usize,
    /// Links not read because of it.
    silenced: BTreeSet<LinkId>,
    /// Queries for heads under way, and whether to ask again after them.
    asking_heads: usize,
    ask_again: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
            mails: Buckets::new(bytes, byte_rate, fx.limits.rates),
            openings: Slots::new(fx.limits.mailboxes_per_origin, fx.limits.mailboxes, INVITE_TTL),
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
