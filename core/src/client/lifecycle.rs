//! Enabling, what the platform signals, and when a link is wanted.
//!
//! Platforms send their signals unreliably: any order, repetition or absence is safe. A signal only changes what is wanted; what
//! follows is decided from the state after every input (`drive_link`).

use crate::{
    address::RelayAddress,
    client::{
        Client, Phase, Timer,
        command::{ClientEvent, Lifecycle, Reply},
        commit::Effect,
        ledger::{Ledger, Place},
        link::Purpose,
        status::{ConnectionState, Indicator, Status},
        store::ClientOp,
        verdict::Verdict,
    },
    error::{Code, LocalReason},
    ids::CommandId,
    limits::MAX_NAME,
    time::{Duration, Time},
    wire::message::ToRelay,
};

/// Signals within this time count as one.
const COALESCE: Duration = Duration::from_secs(1);
/// How long a closing client waits for what is on its way.
const CLOSING: Duration = Duration::from_millis(500);

/// What the platform last said.
#[derive(Debug, Default)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) struct Platform {
    started: bool,
    no_network: bool,
    /// When a signal last made the client look after its link.
    woken: Option<Time>,
}

impl Client {
    pub(super) fn enable(&mut self, id: CommandId, name: &str) {
        if self.group.is_none() {
            if !is_name(name) {
                return self.reject(id, Code::InvalidArgs);
            }
            if let Err(code) = self.found_group(name) {
                return self.reject(id, code);
            }
        }
        self.ledger.enabled = true;
        self.platform.started = true;
        self.repeat_wishes();
        self.done(id, Ok(Reply::Done));
    }

    pub(super) fn disable(&mut self, id: CommandId) {
        self.ledger.enabled = false;
        self.last_error = None;
        self.end_invite(Code::Cancelled);
        self.end_join(Code::Cancelled);
        self.done(id, Ok(Reply::Done));
    }

    pub(super) fn rename(&mut self, id: CommandId, name: &str) {
        if !is_name(name) {
            return self.reject(id, Code::InvalidArgs);
        }
        let payload = crate::seal::roster::RenamePayload { name: name.to_owned() }.encode();
        match self.write_record(crate::seal::record::Kind::Rename, payload.into(), None) {
            Ok(_) => self.done(id, Ok(Reply::Done)),
            Err(code) => self.reject(id, code),
        }
    }

    pub(super) fn leave(&mut self, id: CommandId, force: bool) {
        if self.group.is_none() {
            return self.reject(id, Code::NotEnabled);
        }
        if !force && !self.outbox.unsent_ids().is_empty() {
            return self.reject(id, Code::LeavePending);
        }
        self.end_invite(Code::Cancelled);
        self.end_join(Code::Cancelled);
        self.drop_link(LocalReason::Unwanted);
        self.last_error = None;
        self.candidate = None;
        self.forget_group();
        self.keep_vault();
        self.done(id, Ok(Reply::Done));
    }

    /// Forgets everything but the relay and the highest position: no position is ever reused.
    pub(super) fn forget_group(&mut self) {
        self.batch.ops = vec![ClientOp::Erase];
        // What was queued just before is not kept either, and nobody is told that it was.
        for effect in &mut self.batch.effects {
            if let Effect::Done { result: result @ Ok(Reply::Queued { .. }), .. } = effect {
                *result = Err(Code::Cancelled.into());
            }
        }
        self.batch.touched.clear();
        // Numbers go on counting: what an application or a query under way remembers must not come to mean something else.
        let last = self.ledger.last_position;
        *self.ledger = Ledger {
            last_position: last,
            returned: last,
            acked: last,
            trimmed: last,
            reserved: self.ledger.reserved,
            next_outbox: self.ledger.next_outbox,
            next_verdict: self.ledger.next_verdict,
            ..Ledger::default()
        };
        for command in self.take_commands() {
            self.reject(command, Code::Cancelled);
        }
        self.group = None;
        self.outbox = super::outbox::Outbox::default();
        self.inbox = super::inbox::Inbox::open(Vec::new(), last, self.now);
        self.gaps = super::gaps::Gaps::default();
        self.opening = super::restore::Opening::default();
        self.verdicts.clear();
        let waiting = std::mem::take(&mut self.pushes);
        self.cancel_pushes(waiting);
    }

    pub(super) fn set_relay(&mut self, id: CommandId, relay: RelayAddress) {
        // It is kept as text: one that could not be read back would leave a vault that opens for nobody.
        if relay.check().is_err() {
            return self.reject(id, Code::InvalidArgs);
        }
        if self.relay.as_ref() != Some(&relay) {
            let same_key = self.relay.as_ref().is_some_and(|known| known.key == relay.key);
            self.keep_relay(relay);
            self.drop_link(LocalReason::Unwanted);
            self.backoff.reset();
            self.last_error = None;
            if !same_key {
                self.end_invite(Code::Cancelled);
                // Once an hour is for each relay, and this one is another.
                self.ledger.refilled_at = None;
                self.ledger.relay_believed = 0;
            }
            if !same_key && self.group.is_some() {
                self.relay_reset(None);
            }
        }
        self.done(id, Ok(Reply::Done));
    }

    /// The relay named by configuration: adopted when there is none, a warning when it is another.
    pub(super) fn configure(&mut self, id: CommandId, relay: RelayAddress) {
        if relay.check().is_err() {
            return self.reject(id, Code::InvalidArgs);
        }
        match &self.relay {
            None => self.keep_relay(relay),
            // The same relay may be reachable at new addresses; its key is what is pinned.
            Some(known) if known.key == relay.key => {
                if *known != relay {
                    self.keep_relay(relay);
                }
            }
            Some(_) => return self.reject(id, Code::RelayMismatch),
        }
        self.done(id, Ok(Reply::Done));
    }

    pub(super) fn lifecycle(&mut self, signal: Lifecycle) {
        match signal {
            Lifecycle::Started => self.wake(Duration::ZERO),
            Lifecycle::Resumed { slept } => {
                self.platform.no_network = false;
                self.wake(slept);
            }
            Lifecycle::NetworkChanged { available } => {
                self.platform.no_network = !available;
                if available {
                    self.look_after_link(Duration::ZERO);
                }
            }
            // The queue is durable already; what can leave leaves by itself. Suspending never disconnects.
            Lifecycle::Suspending => {}
            Lifecycle::Closing => {
                if self.phase == Phase::Ready {
                    self.phase = Phase::Closing;
                    self.timers.set(Timer::Closing, self.now + CLOSING);
                } else if self.phase == Phase::Loading {
                    self.stop_quietly();
                }
            }
        }
    }

    /// In use, or again, whatever was said before.
    fn wake(&mut self, slept: Duration) {
        self.platform.started = true;
        if self.phase == Phase::Closing {
            self.phase = Phase::Ready;
            self.timers.cancel(Timer::Closing);
        }
        self.look_after_link(slept);
    }

    /// E10: signals come in bursts. The first acts at once, those of the next second as one at its end; a clock that says the
    /// process slept is always heard.
    fn look_after_link(&mut self, slept: Duration) {
        let due = match self.platform.woken {
            Some(woken) if slept <= COALESCE => self.now.max(woken + COALESCE),
            _ => self.now,
        };
        if self.timers.when(Timer::Resume).is_none_or(|set| set > due) {
            self.timers.set(Timer::Resume, due);
        }
    }

    /// Started, back from sleep or on another network: probe the link, or dial at once.
    pub(super) fn resumed(&mut self) {
        self.platform.woken = Some(self.now);
        self.backoff.hurry();
        self.timers.cancel(Timer::Redial);
        if self.link.is_some() {
            self.backoff.forgive();
        }
        self.probe_link();
    }

    /// Somebody asked for something that needs the relay: that is a sign of use like any other.
    pub(super) fn asked_for(&mut self) {
        self.platform.started = true;
        self.backoff.hurry();
    }

    /// One flight was allowed; now everything ends in good order.
    pub(super) fn finish_closing(&mut self) {
        self.timers.cancel(Timer::Closing);
        self.end_invite(Code::Cancelled);
        self.end_join(Code::Cancelled);
        if let Some(link) = self.link.as_ref().map(|link| link.id) {
            self.say(ToRelay::Bye);
            self.batch.effects.push(Effect::Hang { link, reason: LocalReason::Done });
        }
        self.stop_quietly();
    }

    fn stop_quietly(&mut self) {
        self.answer_pushes();
        for command in self.take_commands() {
            self.reject(command, Code::Cancelled);
        }
        self.stopping();
    }

    /// Whether a closing client has nothing left on its way. A link that is only being opened may still carry it.
    pub(super) fn flushed(&self) -> bool {
        let linked = self.link.as_ref().is_some_and(|link| link.purpose == Purpose::Member);
        !self.outbox.is_waiting() || !linked
    }

    /// Whether the network and the application allow a link at all.
    pub(super) fn may_connect(&self) -> bool {
        self.phase == Phase::Ready && self.platform.started && !self.platform.no_network
    }

    pub(super) fn judge_status(&self) -> Status {
        let wanted = self.ledger.enabled && self.group.is_some() || self.joining.is_some();
        let over = matches!(self.phase, Phase::Stopping | Phase::Stopped);
        let state = if !wanted || over {
            ConnectionState::Disabled
        } else if self.is_connected() {
            ConnectionState::Connected
        } else if self.relay.is_none() && self.joining.is_none() || self.platform.no_network || !self.platform.started {
            ConnectionState::Offline
        } else if self.backoff.attempt() == 0 {
            ConnectionState::Connecting
        } else {
            ConnectionState::Reconnecting
        };
        let standing = if self.store_refuses.is_some() {
            self.store_refuses
        } else if let Some(refusal) = self.outbox.refusal() {
            Some(refusal.into())
        } else {
            self.inbox.is_full(&self.config.limits).then_some(Code::InboxFull)
        };
        let last_error = standing.or(self.last_error);
        let pending = self.outbox.pending();
        let waiting = if bug!(SyncedTooSoon) { 0 } else { pending };
        Status {
            state,
            indicator: Indicator::judge(
                state,
                last_error.is_some_and(|code| code != Code::Offline),
                self.backoff.unreached(),
                waiting,
            ),
            pending,
            last_cursor: self.ledger.returned,
            last_synced_at: self.ledger.last_synced_at,
            attempt: self.backoff.attempt(),
            last_error,
        }
    }

    pub(super) fn report_status(&mut self) {
        let status = self.judge_status();
        if self.is_up() && self.reported != Some(status) {
            self.reported = Some(status);
            self.event(ClientEvent::Status(status));
        }
    }

    /// The log is another one than this device had read: start again at its beginning and refill it.
    pub(super) fn relay_reset(&mut self, place: Option<Place>) {
        if self.ledger.place.is_some() && place.is_some() {
            self.verdict(Verdict::RelayReset);
        }
        self.ledger.place = place;
        self.ledger.reset_at = Some(self.wall());
        self.ledger.heads_due = true;
        if let Some(group) = &mut self.group {
            let ids: Vec<_> = group.streams.keys().copied().collect();
            group.streams.values_mut().for_each(super::stream::Stream::forget_place);
            ids.into_iter().for_each(|id| self.touch(id));
        }
        self.gaps.stop_scan();
        self.ledger.dropped_from = None;
        self.refill_soon();
    }
}

/// A name a person can read: some text, not too long, no control characters.
pub(super) fn is_name(name: &str) -> bool {
    !name.trim().is_empty() && name.len() <= MAX_NAME && !name.chars().any(char::is_control)
}
