//! One link as the relay sees it: how far it has got, what may still be written to it, whether it is read.
//!
//! Knows nothing of groups, stores or mailboxes. Bytes leave only while fewer than the window are unwritten; messages that find it
//! full wait here as plaintext and are sealed when they go, so that the channel's counters follow the wire.
//!
//! Invariants: at most one window and one message are unwritten; what waits is bounded because a link with something waiting is
//! not read; a link that was closed sends nothing more and stays only until the driver reports its end.
//!
//! ```text
//! Opening ──message 1──► Greeting ──second flight──► Provisional ──first frame──► Live
//!    │                      │                             │                        │
//!    └──────────────────────┴──────── any fault ──────────┴────────────────────────┴──► Closing ──Closed──► gone
//! ```
//!
//! Limits: `window`, `stall`, `uncommitted_link`, [`MAX_PULLS`].

use std::collections::VecDeque;

use bytes::Bytes;

use crate::{
    channel::{Channel, Responder},
    error::{CloseReason, LocalReason, Misbehaviour},
    ids::{AccessKey, Cursor, GroupId, LinkId, LinkKey, MailboxId},
    limits::CHANNEL_AGE,
    machine::{LinkOutput, Origin},
    relay::{
        effects::{Effects, Timer},
        push::Lanes,
        store::Side,
    },
    time::Time,
    wire::{
        codec,
        message::{Pull, Refusal, Request, ToDevice, ToRelay, WireCode},
    },
};

/// Most pulls of one link that wait for their page. A client has one, and one more for a gap.
pub(super) const MAX_PULLS: usize = 8;
/// Most mailbox requests that wait for a mailbox to be opened or claimed.
pub(super) const MAX_MAIL: usize = 16;
/// Runs of own blobs a link remembers until it has been told of them.
const MAX_OWN: usize = 8;

/// One link.
#[derive(Debug)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) struct Link {
    pub(super) id: LinkId,
    pub(super) origin: Origin,
    pub(super) stage: Stage,
    /// Close has not been asked for.
    pub(super) open: bool,
    /// The peer has not proven itself.
    pub(super) half_open: bool,
    /// The group whose head is watched on behalf of this link.
    pub(super) watched: Option<GroupId>,
    /// When the transport was up: a channel ages from here.
    pub(super) opened: Time,
    /// When the peer last said something.
    pub(super) heard: Time,
    /// When bytes were last written, or last began to wait.
    pub(super) wrote: Time,
    /// Bytes the store has not committed yet.
    pub(super) uncommitted: usize,
    unwritten: usize,
    ready: VecDeque<Bytes>,
    reading: bool,
}

/// How far a link has got.
#[derive(Debug)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) enum Stage {
    /// Message 1 is awaited.
    Opening(Box<Responder>),
    /// Message 1 was good; the store is asked what to answer.
    Greeting(Box<Greeting>),
    /// Message 2 is out. Nothing durable or visible happens before the peer's first frame shows that message 1 was no replay.
    Provisional(Box<Talk>),
    /// The peer is there.
    Live(Box<Talk>),
    /// Close was asked for.
    Over,
}

/// A link between message 1 and message 2.
#[derive(Debug)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) struct Greeting {
    pub(super) responder: Responder,
    pub(super) member: Member,
    pub(super) pull: Pull,
}

/// A link with a channel.
#[derive(Debug)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) struct Talk {
    pub(super) channel: Channel,
    pub(super) party: Party,
    pub(super) mail: Mail,
}

/// Who is on the other side.
#[derive(Debug)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) enum Party {
    /// A member of a group.
    Member(Box<Member>),
    /// Someone who may only talk to a mailbox, and later to the one that was claimed.
    Joiner { key: LinkKey, claimed: Option<MailboxId> },
}

/// A group's member on a link: a cursor, not a queue.
#[derive(Debug)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) struct Member {
    pub(super) group: GroupId,
    pub(super) access: AccessKey,
    pub(super) key: LinkKey,
    /// The head this link was last told of. Its client's cursor is never beyond it.
    pub(super) told: Cursor,
    /// It was told to pull; until it does, more news would not help it (A22).
    pub(super) nudged: Option<Cursor>,
    /// Pulls that wait for credit or for the one before them.
    pub(super) pulls: VecDeque<Pull>,
    /// A page is being read.
    pub(super) paging: bool,
    pub(super) lanes: Lanes,
    own: VecDeque<(Cursor, Cursor)>,
}

/// Mailbox requests of one link.
#[derive(Debug, Default)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) struct Mail {
    /// A mailbox is being opened or claimed; what follows waits for the outcome.
    pub(super) attaching: bool,
    pub(super) waiting: VecDeque<ToRelay>,
    /// The sides this link is attached to.
    pub(super) attached: Vec<(MailboxId, Side)>,
}

impl Member {
    pub(super) fn new(group: GroupId, access: AccessKey, key: LinkKey) -> Self {
        Self {
            group,
            access,
            key,
            told: Cursor(0),
            nudged: None,
            pulls: VecDeque::new(),
            paging: false,
            lanes: Lanes::default(),
            own: VecDeque::new(),
        }
    }

    /// Whether it has asked for a page that will tell it more than news could.
    pub(super) fn is_pulling(&self) -> bool {
        self.paging || !self.pulls.is_empty()
    }

    /// Whether the blob at this cursor came from this link.
    pub(super) fn owns(&self, cursor: Cursor) -> bool {
        self.own.iter().any(|(from, to)| (*from..=*to).contains(&cursor))
    }

    /// Remembers blobs of this link until it has been told of them. A forgotten one costs its bytes once, nothing else.
    pub(super) fn stored(&mut self, from: Cursor, to: Cursor) {
        let told = self.told;
        self.own.retain(|(_, last)| *last > told);
        match self.own.back_mut() {
            Some((_, last)) if last.next() == from => *last = to,
            _ => self.own.push_back((from, to)),
        }
        if self.own.len() > MAX_OWN {
            self.own.pop_front();
        }
    }
}

impl Talk {
    /// Whether something this link asked for is under way.
    fn is_busy(&self) -> bool {
        let member = match &self.party {
            Party::Member(member) => member.is_pulling() || member.lanes.is_busy(),
            Party::Joiner { .. } => false,
        };
        member || self.mail.attaching
    }
}

impl Link {
    pub(super) fn new(id: LinkId, origin: Origin, stage: Stage, now: Time) -> Self {
        Self {
            id,
            origin,
            stage,
            open: true,
            half_open: true,
            watched: None,
            opened: now,
            heard: now,
            wrote: now,
            uncommitted: 0,
            unwritten: 0,
            ready: VecDeque::new(),
            reading: true,
        }
    }

    /// The channel and the peer, once the peer has proven itself.
    pub(super) fn talk(&mut self) -> Option<&mut Talk> {
        match &mut self.stage {
            Stage::Live(talk) => Some(talk),
            _ => None,
        }
    }

    /// The member on this link, once it has proven itself.
    pub(super) fn member(&mut self) -> Option<&mut Member> {
        match &mut self.talk()?.party {
            Party::Member(member) => Some(member),
            Party::Joiner { .. } => None,
        }
    }

    /// Whether a message would leave at once.
    pub(super) fn has_credit(&self, fx: &Effects) -> bool {
        self.ready.is_empty() && self.unwritten < fx.limits.window
    }

    /// Whether the peer is so slow that it had better pull than be sent blobs.
    pub(super) fn is_slow(&self, fx: &Effects) -> bool {
        self.unwritten > fx.limits.window / 2
    }

    /// Whether nothing waits, neither here nor in the store.
    pub(super) fn is_quiet(&self) -> bool {
        let busy = match &self.stage {
            Stage::Live(talk) => talk.is_busy(),
            _ => false,
        };
        !busy && self.ready.is_empty() && self.uncommitted == 0
    }

    /// Sends a message now or when the peer has read what it was sent.
    pub(super) fn send(&mut self, fx: &mut Effects, message: &ToDevice) {
        self.post(fx, codec::encode(message).into());
    }

    /// As [`send`](Self::send), for bytes that several links share.
    pub(super) fn post(&mut self, fx: &mut Effects, message: Bytes) {
        if !matches!(self.stage, Stage::Live(_)) {
            return;
        }
        self.ready.push_back(message);
        self.flush(fx);
    }

    /// Refuses a request.
    pub(super) fn refuse(&mut self, fx: &mut Effects, code: WireCode, request: Request, retry_after: u32) {
        fx.stats.refuse(code);
        self.send(fx, &ToDevice::Error(Refusal { code, request, retry_after }));
    }

    /// Hands out bytes that are sealed already.
    pub(super) fn transmit(&mut self, fx: &mut Effects, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        if self.unwritten == 0 {
            self.wrote = fx.now;
        }
        self.unwritten += bytes.len();
        // The stall timer is not moved by each write: it looks at `wrote` when it fires, and goes on if there was progress.
        fx.timers.start(Timer::Stall(self.id), self.wrote + fx.limits.stall);
        fx.link(LinkOutput::Transmit { link: self.id, bytes });
    }

    /// Seals what waits while there is credit.
    fn flush(&mut self, fx: &mut Effects) {
        while self.unwritten < fx.limits.window {
            let Some(message) = self.ready.pop_front() else { return };
            let Some(talk) = self.talk() else { return };
            let bytes = talk.channel.seal(&message);
            self.transmit(fx, bytes);
        }
    }

    /// Bytes handed out and not reported written.
    pub(super) fn unwritten(&self) -> usize {
        self.unwritten
    }

    /// So many of them were.
    pub(super) fn written(&mut self, fx: &mut Effects, len: usize) {
        self.unwritten -= len;
        self.wrote = fx.now;
        if self.unwritten == 0 {
            fx.timers.cancel(Timer::Stall(self.id));
        }
        self.flush(fx);
    }

    /// When to look whether the peer has been silent for too long, or the channel is too old.
    pub(super) fn watch_until(&self, fx: &Effects) -> Time {
        (self.heard + fx.limits.idle).min(self.opened + CHANNEL_AGE)
    }

    /// Whether the peer has taken nothing for too long; if not, when to look again.
    pub(super) fn is_stalled(&self, fx: &mut Effects) -> bool {
        if self.unwritten == 0 || !self.open {
            return false;
        }
        let until = self.wrote + fx.limits.stall;
        if until <= fx.now {
            return true;
        }
        fx.timers.set(Timer::Stall(self.id), until);
        false
    }

    /// Reads or stops reading, as the link's own state and the machine's want it. Stops at a bound and resumes at half of it, so
    /// that a busy link does not flap.
    pub(super) fn set_reading(&mut self, fx: &mut Effects, allowed: bool) {
        let bound = if self.reading { fx.limits.uncommitted_link } else { fx.limits.uncommitted_link / 2 };
        let pulls = self.member().map_or(0, |member| member.pulls.len());
        let on = allowed && self.uncommitted <= bound && self.ready.is_empty() && pulls < MAX_PULLS / 2;
        if self.open && on != self.reading {
            self.reading = on;
            fx.link(LinkOutput::SetReading { link: self.id, on });
        }
    }

    /// Says a last word, if there is credit for it, and asks for the end.
    pub(super) fn close(&mut self, fx: &mut Effects, reason: CloseReason) {
        let farewell = match reason {
            CloseReason::Local(LocalReason::Draining) => {
                let retry_after = u32::try_from(fx.limits.drain_retry.as_millis()).unwrap_or(u32::MAX);
                Some(ToDevice::Bye { retry_after })
            }
            CloseReason::Local(LocalReason::Spent) | CloseReason::Timeout(_) => Some(ToDevice::Bye { retry_after: 0 }),
            CloseReason::PeerMisbehaved(fault) => {
                let code = if fault == Misbehaviour::OutOfState { WireCode::OutOfState } else { WireCode::BadMessage };
                Some(ToDevice::Error(Refusal { code, request: Request::Link, retry_after: 0 }))
            }
            _ => None,
        };
        if let Some(farewell) = farewell
            && self.has_credit(fx)
        {
            self.send(fx, &farewell);
        }
        self.open = false;
        self.stage = Stage::Over;
        self.ready.clear();
        for timer in [Timer::Handshake(self.id), Timer::Watch(self.id), Timer::Stall(self.id)] {
            fx.timers.cancel(timer);
        }
        fx.link(LinkOutput::Close { link: self.id, reason });
    }
}
