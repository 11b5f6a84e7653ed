//! The way to the relay: dialling, the two-flight opening, sending under a credit window, and closing.
//!
//! ```text
//!            Opened                 message 2              Closed
//!  Dialling ────────► Opening ────────────────► Live ─────────────► (none)
//!     │ OpenFailed       │ overdue, bad           │ overdue, bad frame, spent
//!     └──────────────────┴────────────────────────┴──► backoff, then dial again
//! ```
//!
//! Invariants: at most one link; unwritten bytes stay within the window plus one message. What waits for credit does not grow with
//! what the relay says: acknowledgements wait as one place, the newest, and a link with more than [`MAX_QUEUED`] waiting is closed.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::{
    channel::{Channel, ChannelFault, Initiator},
    client::{Client, Phase, Timer, command::ClientEvent, io::ClientOutput, ledger::Place, liveness::KEEPALIVE},
    error::{CloseReason, Code, Incompatible, LocalReason, Misbehaviour, Wait},
    ids::{Cursor, LinkId, RelayKey, TransportId},
    limits::{CHANNEL_AGE, HANDSHAKE, MAX_MESSAGE},
    machine::{LinkFailure, LinkInput, LinkOutput, Misuse},
    seal::keys::prove,
    time::{Duration, Time},
    wire::{
        codec,
        message::{Hello, Pull, ToRelay},
    },
};

/// The longest a relay may send a client away for. A resume or a new network ends it sooner, but not every device has either.
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);

/// Most bytes that wait for credit. Pushes stop at the window and one blob; a relay that takes nothing and still provokes answers is
/// closed here.
const MAX_QUEUED: usize = 4 * MAX_MESSAGE;
/// What a queued message weighs beside its bytes: a flood of tiny ones must meet the bound too.
const MESSAGE_WEIGHT: usize = 64;

/// One link.
#[derive(Debug)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) struct Link {
    pub(super) id: LinkId,
    pub(super) purpose: Purpose,
    relay: RelayKey,
    phase: LinkPhase,
    /// Bytes handed out and not reported written.
    unwritten: usize,
    /// Encoded messages that wait for credit.
    queue: VecDeque<Vec<u8>>,
    /// The newest place to acknowledge, waiting for credit behind the queue. It says all that the ones before it said.
    ack: Option<Cursor>,
    /// Whether this side has asked to close.
    closing: bool,
    /// What the last pull was for.
    pub(super) pulling: Option<super::relay_messages::Pulling>,
    /// Whether the log has been read to its head on this link.
    pub(super) caught_up: bool,
    /// Whether the relay has welcomed this device; until then only a refusal may come.
    pub(super) welcomed: bool,
    /// Whether the page of the second flight has come.
    pub(super) had_page: bool,
    /// Whether the log grew while a pull was under way, so that its page may end too early.
    pub(super) behind: bool,
}

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Purpose {
    /// Syncing as a member.
    Member,
    /// Reaching a mailbox.
    Joiner,
}

#[derive(Debug)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
enum LinkPhase {
    Dialling,
    Opening(Box<Initiator>),
    Live { channel: Box<Channel>, since: Time },
}

impl Client {
    /// Opens, keeps or drops the link according to what is wanted now.
    pub(super) fn drive_link(&mut self) {
        if self.phase == Phase::Closing && self.flushed() && self.gate.is_clear() && self.batch.ops.is_empty() {
            self.timers.cancel(Timer::Closing);
            self.finish_closing();
            return;
        }
        self.close_flooded();
        let wanted = self.wanted_link();
        if let Some(link) = &self.link {
            let keep = wanted.as_ref().is_some_and(|(purpose, relay)| *purpose == link.purpose && *relay == link.relay);
            if !keep && self.phase != Phase::Closing {
                self.drop_link(LocalReason::Unwanted);
            }
        }
        let Some((purpose, relay)) = wanted else {
            if self.phase == Phase::Ready {
                // No network, or switched off: nothing that waits for the relay can be answered otherwise.
                self.offline_commands(if self.ledger.enabled { Code::Offline } else { Code::NotEnabled });
            }
            return;
        };
        if self.link.is_some() {
            return self.pull_if_due();
        }
        if let Some(until) = self.backoff.until(self.now) {
            return self.timers.set(Timer::Redial, until);
        }
        let Some(target) = self.target(purpose) else { return };
        self.next_link = self.next_link.next();
        self.link = Some(Link {
            id: self.next_link,
            purpose,
            relay,
            phase: LinkPhase::Dialling,
            unwritten: 0,
            queue: VecDeque::new(),
            ack: None,
            closing: false,
            pulling: None,
            caught_up: false,
            welcomed: false,
            had_page: false,
            behind: false,
        });
        self.timers.set(Timer::Handshake, self.now + HANDSHAKE);
        self.out.push_back(ClientOutput::Open { link: self.next_link, target });
    }

    /// A relay that provokes answers and takes none of them is not waited for until its stall is due.
    fn close_flooded(&mut self) {
        if self.link.as_ref().is_some_and(|link| !link.closing && link.queued() > MAX_QUEUED) {
            self.fail_link(CloseReason::Timeout(Wait::Stall));
        }
    }

    fn wanted_link(&self) -> Option<(Purpose, RelayKey)> {
        if !self.may_connect() {
            return None;
        }
        let purpose = if self.joining.as_ref().is_some_and(super::join::Joining::needs_mailbox) {
            Purpose::Joiner
        } else if self.ledger.enabled && self.group.is_some() {
            Purpose::Member
        } else {
            return None;
        };
        self.target(purpose).map(|target| (purpose, target.key))
    }

    fn target(&self, purpose: Purpose) -> Option<crate::address::RelayAddress> {
        match purpose {
            Purpose::Member => self.relay.clone(),
            Purpose::Joiner => self.joining.as_ref().map(super::join::Joining::relay),
        }
    }

    pub(super) fn check_link(&self, input: &LinkInput) -> Result<(), Misuse> {
        let link = link_of(input);
        if link > self.next_link {
            return Err(Misuse::UnknownAnswer);
        }
        match (&self.link, input) {
            (Some(known), LinkInput::Written { len, .. }) if known.id == link && *len > known.unwritten => {
                Err(Misuse::WrittenTooMuch)
            }
            _ => Ok(()),
        }
    }

    pub(super) fn link_input(&mut self, input: LinkInput) {
        let link = link_of(&input);
        if self.link.as_ref().is_none_or(|known| known.id != link) {
            self.stale_inputs.0 += 1;
            return;
        }
        // The end is on its way out, behind the last batch: nothing may follow it. What the relay says now it says again to the next
        // process, and that the link broke is no news to anybody.
        if self.phase == Phase::Stopping && !matches!(input, LinkInput::Written { .. }) {
            if let LinkInput::Closed { .. } | LinkInput::OpenFailed { .. } = input {
                self.unlink();
            }
            return;
        }
        match input {
            LinkInput::Opened { transport, .. } => self.link_opened(transport),
            LinkInput::OpenFailed { cause, .. } | LinkInput::Closed { cause, .. } => self.link_failed(cause),
            LinkInput::Bytes { bytes, .. } => self.link_bytes(bytes),
            LinkInput::Written { len, .. } => self.link_written(len),
        }
    }

    /// The transport is up: the first flight says who asks and pulls at once.
    fn link_opened(&mut self, transport: TransportId) {
        let Some(link) = &self.link else { return };
        let (purpose, relay) = (link.purpose, link.relay);
        let opening = match purpose {
            Purpose::Joiner => {
                // A joiner belongs to no group yet: it has a key for this one join, which holds its claim over a reconnect.
                let Some(joining) = &self.joining else { return };
                Initiator::new(self.config.kind, joining.link(), relay, transport, &[], &mut self.draws.link)
            }
            Purpose::Member => {
                let pull = self.main_pull();
                let Some(group) = &self.group else { return };
                let Some(epoch) = group.epoch() else { return };
                let link_key = group.keys.link().public();
                let hello = Hello {
                    group: group.id,
                    kid: epoch.kid,
                    access: group.access,
                    genesis: group.genesis,
                    chain: Vec::new(),
                    proof: prove(epoch, &relay, &group.id, &link_key),
                };
                let payload = codec::encode_first_flight(&hello, &pull);
                Initiator::new(self.config.kind, group.keys.link(), relay, transport, &payload, &mut self.draws.link)
            }
        };
        match opening {
            Ok((initiator, bytes)) => {
                if let Some(link) = &mut self.link {
                    link.phase = LinkPhase::Opening(Box::new(initiator));
                }
                self.send(bytes);
            }
            Err(fault) => self.fail_link(CloseReason::PeerIncompatible(fault)),
        }
    }

    fn link_bytes(&mut self, bytes: Bytes) {
        self.timers.cancel(Timer::Answer);
        self.backoff.proven();
        self.timers.set(Timer::Keepalive, self.now + KEEPALIVE);
        let Some(link) = self.link.as_mut().filter(|link| !link.closing) else { return };
        match &mut link.phase {
            LinkPhase::Dialling => self.fail_link(Misbehaviour::OutOfState.into()),
            LinkPhase::Opening(initiator) => match initiator.receive(bytes) {
                Ok(None) => {}
                Ok(Some((payload, channel))) => {
                    link.phase = LinkPhase::Live { channel: Box::new(channel), since: self.now };
                    self.timers.cancel(Timer::Handshake);
                    match self.second_flight(payload) {
                        Ok(()) => self.read_messages(),
                        Err(fault) => self.fail_link(fault.into()),
                    }
                }
                Err(ChannelFault::Misbehaved(fault)) => self.fail_link(fault.into()),
                Err(ChannelFault::Incompatible(fault)) => self.fail_link(CloseReason::PeerIncompatible(fault)),
            },
            LinkPhase::Live { channel, .. } => {
                channel.feed(bytes);
                self.read_messages();
            }
        }
    }

    fn read_messages(&mut self) {
        while let Some(Link { phase: LinkPhase::Live { channel, since }, closing: false, .. }) = &mut self.link {
            let spent = channel.spent() || self.now.since(*since) >= CHANNEL_AGE;
            let message = match channel.next() {
                Ok(None) if spent => return self.drop_link(LocalReason::Spent),
                Ok(None) => return,
                Ok(Some(message)) => codec::decode_to_device(message),
                Err(ChannelFault::Misbehaved(fault)) => Err(fault),
                Err(ChannelFault::Incompatible(fault)) => {
                    return self.fail_link(CloseReason::PeerIncompatible(fault));
                }
            };
            if let Err(fault) = message.and_then(|message| self.relay_says(message)) {
                return self.fail_link(fault.into());
            }
        }
    }

    fn link_written(&mut self, len: usize) {
        if let Some(link) = &mut self.link {
            link.unwritten -= len;
            if link.unwritten == 0 {
                self.timers.cancel(Timer::Stall);
            } else {
                self.timers.set(Timer::Stall, self.now + self.config.limits.stall);
            }
        }
        self.flush_queue();
    }

    /// Says a message on a link, now or as soon as there is credit.
    pub(super) fn transmit(&mut self, id: LinkId, message: &ToRelay) {
        if let Some(link) = self.link.as_mut().filter(|link| link.id == id && !link.closing) {
            match message {
                ToRelay::Ack { cursor } => link.ack = Some(*cursor),
                _ => link.queue.push_back(codec::encode(message)),
            }
            self.flush_queue();
        }
    }

    /// Says something that rests on no batch, or only on durable ones.
    pub(super) fn say_now(&mut self, message: &ToRelay) {
        if let Some(link) = self.link.as_ref().map(|link| link.id) {
            self.transmit(link, message);
        }
    }

    fn flush_queue(&mut self) {
        let window = self.config.limits.window;
        while let Some(link) = &mut self.link {
            let LinkPhase::Live { channel, .. } = &mut link.phase else { return };
            if link.unwritten >= window {
                return;
            }
            let ack = |link: &mut Option<Cursor>| link.take().map(|cursor| codec::encode(&ToRelay::Ack { cursor }));
            let Some(message) = link.queue.pop_front().or_else(|| ack(&mut link.ack)) else { return };
            let frames = channel.seal(&message);
            self.send(frames);
        }
    }

    fn send(&mut self, bytes: Bytes) {
        if let Some(link) = &mut self.link {
            if link.unwritten == 0 {
                self.timers.set(Timer::Stall, self.now + self.config.limits.stall);
            }
            link.unwritten += bytes.len();
            self.out.push_back(ClientOutput::Link(LinkOutput::Transmit { link: link.id, bytes }));
        }
    }

    /// Bytes of pushes that may wait for credit without growing the queue.
    pub(super) fn push_room(&self) -> usize {
        self.link.as_ref().map_or(0, |link| self.config.limits.window.saturating_sub(link.unsent()))
    }

    /// Whether a proven link to the group's relay is up.
    pub(super) fn is_connected(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.purpose == Purpose::Member && link.is_live())
    }

    pub(super) fn link_overdue(&mut self, timer: Timer) {
        if bug!(DeadLinkTrusted) {
            return;
        }
        let wait = match timer {
            Timer::Handshake => Wait::Handshake,
            Timer::Stall => Wait::Stall,
            _ => Wait::Answer,
        };
        self.fail_link(CloseReason::Timeout(wait));
    }

    /// The transport ended, or never came up.
    fn link_failed(&mut self, cause: LinkFailure) {
        let code = match cause {
            LinkFailure::NoTransport => Code::NoRelay,
            _ => Code::Offline,
        };
        self.lose_link(code, Duration::ZERO);
    }

    /// This side ends a link that went wrong.
    pub(super) fn fail_link(&mut self, reason: CloseReason) {
        let code = match reason {
            CloseReason::PeerIncompatible(Incompatible::Version) => Code::RelayIncompatible,
            CloseReason::PeerIncompatible(_) => Code::RelayUnverified,
            CloseReason::PeerMisbehaved(_) => Code::RelayIncompatible,
            _ => Code::Offline,
        };
        self.close(reason);
        self.lose_link(code, Duration::ZERO);
    }

    /// The relay asked this device to come back later.
    pub(super) fn dismissed(&mut self, code: Code, retry_after: Duration) {
        self.close(CloseReason::Local(LocalReason::Dismissed));
        self.lose_link(code, retry_after.min(LONGEST_WAIT));
    }

    fn lose_link(&mut self, code: Code, retry_after: Duration) {
        // Also when this side has closed it a moment ago: nobody was told of that yet.
        let proven = self.link.as_ref().filter(|link| link.is_proven()).map(|link| link.purpose);
        let was_live = proven == Some(Purpose::Member);
        self.unlink();
        if proven.is_some() {
            self.backoff.lost(self.now, retry_after, &mut self.draws.jitter);
        } else {
            self.backoff.failed(self.now, retry_after, &mut self.draws.jitter);
        }
        self.last_error = Some(code);
        if was_live {
            self.event(ClientEvent::Disconnected { code });
        }
        self.offline_commands(code);
    }

    /// A new link starts where the old one was refused.
    pub(super) fn restart_link(&mut self) {
        if self.outbox.is_refused_here() {
            self.drop_link(LocalReason::Replaced);
        }
    }

    /// This side is done with the link; nothing went wrong.
    pub(super) fn drop_link(&mut self, reason: LocalReason) {
        if self.link.is_some() {
            let was_live = self.is_connected();
            self.close(CloseReason::Local(reason));
            self.unlink();
            if was_live && self.phase != Phase::Loading {
                let code = self.judge_status().last_error.unwrap_or(Code::Offline);
                self.event(ClientEvent::Disconnected { code });
            }
        }
    }

    fn unlink(&mut self) {
        self.link = None;
        for timer in [Timer::Handshake, Timer::Stall, Timer::Keepalive, Timer::Answer, Timer::Retry] {
            self.timers.cancel(timer);
        }
        self.outbox.link_lost();
        #[cfg(feature = "bugs")]
        self.seal_again();
        self.gaps.stop_scan();
    }

    /// Closes after everything said so far.
    pub(super) fn hang(&mut self, id: LinkId, reason: CloseReason) {
        if self.link.as_ref().is_some_and(|link| link.id == id) {
            self.close(reason);
            self.unlink();
        }
    }

    fn close(&mut self, reason: CloseReason) {
        if let Some(link) = self.link.as_mut().filter(|link| !link.closing) {
            link.closing = true;
            self.out.push_back(ClientOutput::Link(LinkOutput::Close { link: link.id, reason }));
        }
    }

    /// What the next pull of the log asks for.
    pub(super) fn main_pull(&mut self) -> Pull {
        self.syncs.pulling();
        let (after, tag) = self.ledger.place.map_or_else(Default::default, |Place { cursor, tag, .. }| (cursor, tag));
        if let Some(link) = &mut self.link {
            link.pulling = Some(super::relay_messages::Pulling::Log(after));
            link.behind = false;
        }
        Pull { after, tag, max_bytes: self.config.limits.page_bytes }
    }
}

impl Link {
    /// What waits for credit weighs so much.
    fn queued(&self) -> usize {
        self.queue.iter().map(|message| message.len() + MESSAGE_WEIGHT).sum()
    }

    /// Bytes that are not written: handed out, and waiting for credit.
    pub(super) fn unsent(&self) -> usize {
        self.unwritten + self.queue.iter().map(Vec::len).sum::<usize>()
    }

    pub(super) fn is_live(&self) -> bool {
        self.is_proven() && !self.closing
    }

    /// Whether the relay has proven itself and welcomed this device.
    fn is_proven(&self) -> bool {
        matches!(self.phase, LinkPhase::Live { .. }) && self.welcomed
    }
}

/// The link an input is about.
fn link_of(input: &LinkInput) -> LinkId {
    match input {
        LinkInput::Opened { link, .. }
        | LinkInput::OpenFailed { link, .. }
        | LinkInput::Bytes { link, .. }
        | LinkInput::Written { link, .. }
        | LinkInput::Closed { link, .. } => *link,
    }
}

impl LocalReason {
    pub(super) fn into_close(self) -> CloseReason {
        CloseReason::Local(self)
    }
}

#[cfg(test)]
mod tests;
