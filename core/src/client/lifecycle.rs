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
        status::{ConnectionState, Indicator, Status},
        store::ClientOp,
        verdict::Verdict,
    },
    error::{Code, LocalReason},
    ids::CommandId,
    limits::MAX_NAME,
    time::Duration,
    wire::message::ToRelay,
};

/// Signals within this time count as one.
const COALESCE: Duration = Duration::from_secs(1);
/// How long a closing client waits for what is on its way.
const CLOSING: Duration = Duration::from_millis(500);

/// What the platform last said.
#[derive(Debug, Default)]
pub(super) struct Platform {
    started: bool,
    no_network: bool,
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
        self.done(id, Ok(Reply::Done));
    }

    pub(super) fn disable(&mut self, id: CommandId) {
        self.ledger.enabled = false;
        self.end_invite(Code::Cancelled);
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
        if !force && self.outbox.pending() > 0 {
            return self.reject(id, Code::LeavePending);
        }
        self.end_invite(Code::Cancelled);
        self.drop_link(LocalReason::Unwanted);
        self.forget_group();
        self.keep_vault();
        self.done(id, Ok(Reply::Done));
    }

    /// Forgets everything but the relay and the highest position: no position is ever reused.
    pub(super) fn forget_group(&mut self) {
        self.batch.ops.insert(0, ClientOp::Erase);
        self.batch.touched.clear();
        let last = self.ledger.last_position;
        self.ledger = Ledger {
            last_position: last,
            returned: last,
            acked: last,
            trimmed: last,
            reserved: self.ledger.reserved,
            ..Ledger::default()
        };
        self.group = None;
        self.outbox = super::outbox::Outbox::default();
        self.inbox = super::inbox::Inbox::default();
        self.inbox.set_raised();
        self.gaps = super::gaps::Gaps::default();
        self.verdicts.clear();
        let waiting = std::mem::take(&mut self.pushes);
        for command in waiting.into_values() {
            self.timers.cancel(Timer::Push(command));
            self.reject(command, Code::Cancelled);
        }
    }

    pub(super) fn set_relay(&mut self, id: CommandId, relay: RelayAddress) {
        if self.relay.as_ref() != Some(&relay) {
            let same_key = self.relay.as_ref().is_some_and(|known| known.key == relay.key);
            self.keep_relay(relay);
            self.drop_link(LocalReason::Unwanted);
            self.backoff.reset();
            self.last_error = None;
            if !same_key && self.group.is_some() {
                self.relay_reset(None);
            }
        }
        self.done(id, Ok(Reply::Done));
    }

    /// The relay named by configuration: adopted when there is none, a warning when it is another.
    pub(super) fn configure(&mut self, id: CommandId, relay: RelayAddress) {
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
            Lifecycle::Started => {
                self.platform.started = true;
                self.backoff.hurry();
            }
            Lifecycle::Resumed { slept } => {
                self.platform.started = true;
                self.platform.no_network = false;
                if self.phase == Phase::Closing {
                    self.phase = Phase::Ready;
                    self.timers.cancel(Timer::Closing);
                }
                // E10: resume signals come in bursts; one probe a second is enough unless the clock says the process slept.
                let delay = if slept > COALESCE { Duration::ZERO } else { COALESCE };
                self.timers.start(Timer::Resume, self.now + delay);
            }
            Lifecycle::NetworkChanged { available } => {
                self.platform.no_network = !available;
                if available {
                    self.timers.start(Timer::Resume, self.now + COALESCE);
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

    /// Back from sleep or on another network: probe the link, or dial at once.
    pub(super) fn resumed(&mut self) {
        self.backoff.hurry();
        self.timers.cancel(Timer::Redial);
        self.probe_link();
    }

    /// One flight was allowed; now everything ends in good order.
    pub(super) fn finish_closing(&mut self) {
        if let Some(link) = self.link.as_ref().map(|link| link.id) {
            self.say(ToRelay::Bye);
            self.batch.effects.push(Effect::Hang { link, reason: LocalReason::Done });
        }
        self.stop_quietly();
    }

    fn stop_quietly(&mut self) {
        for command in self.open_commands() {
            self.reject(command, Code::Cancelled);
        }
        self.batch.effects.push(Effect::Stopped);
    }

    fn open_commands(&mut self) -> Vec<CommandId> {
        let mut commands: Vec<CommandId> = self.early.drain(..).map(|(id, _)| id).collect();
        commands.extend(self.inbox.take_commands());
        commands.extend(self.syncs.take_commands());
        commands.extend(self.invite.take().and_then(super::invite::OpenInvite::command));
        commands.extend(self.joining.take().and_then(|joining| joining.command()));
        let pushes = std::mem::take(&mut self.pushes);
        for (row, command) in pushes {
            self.answer_pending(row, command);
        }
        commands
    }

    /// Whether a closing client has nothing left on its way.
    pub(super) fn flushed(&self) -> bool {
        self.outbox.pending() == 0 || !self.is_connected()
    }

    /// Whether the network and the application allow a link at all.
    pub(super) fn may_connect(&self) -> bool {
        self.phase == Phase::Ready && self.platform.started && !self.platform.no_network
    }

    pub(super) fn judge_status(&self) -> Status {
        let wanted = self.ledger.enabled && self.group.is_some() || self.joining.is_some();
        let state = if !wanted || self.phase == Phase::Stopped {
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
        let refused = self.outbox.refusal().is_some()
            || self.inbox.is_full(&self.config.limits)
            || self.last_error.is_some_and(|code| code != Code::Offline);
        let last_error = match (self.outbox.refusal(), self.inbox.is_full(&self.config.limits)) {
            (Some(refusal), _) => Some(refusal.into()),
            (None, true) => Some(Code::InboxFull),
            (None, false) => self.last_error,
        };
        Status {
            state,
            indicator: Indicator::judge(state, refused, self.outbox.pending()),
            pending: self.outbox.pending(),
            last_cursor: self.ledger.returned,
            last_synced_at: self.ledger.last_synced_at,
            attempt: self.backoff.attempt(),
            last_error,
        }
    }

    pub(super) fn report_status(&mut self) {
        let status = self.judge_status();
        if self.reported != Some(status) {
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
        self.gaps.restart();
        self.refill();
    }
}

/// A name a person can read: some text, not too long, no control characters.
pub(super) fn is_name(name: &str) -> bool {
    !name.trim().is_empty() && name.len() <= MAX_NAME && !name.chars().any(char::is_control)
}
