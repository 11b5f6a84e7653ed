//! "Sync now": everything queued at the call is at the relay, everything the relay had at the call is here.

use crate::{
    client::{
        Client, Timer,
        command::{ClientEvent, Reply},
    },
    error::Code,
    ids::{CommandId, Cursor, OutboxId},
    time::Duration,
};

/// A sync that does not move for this long is answered with what stands in its way.
const PATIENCE: Duration = Duration::from_secs(30);

/// Syncs under way.
#[derive(Debug, Default)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) struct Syncs {
    open: Vec<SyncNow>,
    /// Pulls of the log sent so far. One is under way at most, so an answer is to the newest.
    pulls: u64,
    head: Cursor,
    reported: Option<(u64, u64)>,
}

#[derive(Debug)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
struct SyncNow {
    command: CommandId,
    through: Option<OutboxId>,
    /// Pulls sent before the call: their pages say nothing of the head at the call.
    before: u64,
    pulled: bool,
}

impl Syncs {
    /// Answers whether it was under way.
    pub(super) fn cancel(&mut self, command: CommandId) -> bool {
        let before = self.open.len();
        self.open.retain(|sync| sync.command != command);
        self.open.len() < before
    }

    pub(super) fn take_commands(&mut self) -> Vec<CommandId> {
        self.open.drain(..).map(|sync| sync.command).collect()
    }

    pub(super) fn waiting(&self) -> usize {
        self.open.len()
    }

    /// A pull of the log leaves.
    pub(super) fn pulling(&mut self) {
        self.pulls += 1;
    }

    /// A page answered the newest pull. Answers false when some sync was asked for after that pull and needs another.
    pub(super) fn saw_head(&mut self, head: Cursor) -> bool {
        self.head = head;
        let pulls = self.pulls;
        self.open.iter_mut().for_each(|sync| sync.pulled |= pulls > sync.before);
        self.open.iter().all(|sync| sync.pulled)
    }
}

impl Client {
    pub(super) fn sync_now(&mut self, command: CommandId) {
        if self.group.is_none() || !self.ledger.enabled {
            return self.reject(command, Code::NotEnabled);
        }
        if self.relay.is_none() {
            return self.reject(command, Code::NoRelay);
        }
        if self.inbox.is_full(&self.config.limits) {
            return self.reject(command, Code::InboxFull);
        }
        self.asked_for();
        // Whoever asks wants it tried now, also what the relay refused a while ago.
        self.restart_link();
        if let Some(link) = self.link.as_mut().filter(|link| link.is_live()) {
            // What was pulled before the call says nothing of the head at the call.
            link.caught_up = false;
        }
        if self.syncs.open.is_empty() {
            self.syncs.reported = None;
        }
        let (through, before) = (self.outbox.newest(), self.syncs.pulls);
        self.syncs.open.push(SyncNow { command, through, before, pulled: false });
        self.timers.set(Timer::Sync(command), self.now + PATIENCE);
    }

    pub(super) fn sync_overdue(&mut self, command: CommandId) {
        self.syncs.cancel(command);
        let code = self.judge_status().last_error.unwrap_or(Code::Offline);
        self.reject(command, code);
    }

    /// Answers syncs that are complete, and says how far the others have come.
    pub(super) fn advance_syncs(&mut self) {
        if self.syncs.open.is_empty() {
            return;
        }
        if self.inbox.is_full(&self.config.limits) {
            return self.syncs_failed(Code::InboxFull);
        }
        self.report_progress();
        let caught_up =
            self.is_connected() && self.link.as_ref().is_some_and(|link| link.caught_up && link.pulling.is_none());
        let open = std::mem::take(&mut self.syncs.open);
        let (complete, rest) = open.into_iter().partition(|sync| {
            sync.pulled && caught_up && !sync.through.is_some_and(|through| self.outbox.pending_through(through))
        });
        self.syncs.open = rest;
        let complete: Vec<SyncNow> = complete;
        if !complete.is_empty() && self.group.as_ref().is_some_and(|group| !group.is_solo()) {
            self.send_heads();
        }
        for sync in complete {
            self.timers.cancel(Timer::Sync(sync.command));
            self.done(sync.command, Ok(Reply::Done));
        }
    }

    fn report_progress(&mut self) {
        let cursor = self.ledger.place.map(|place| place.cursor).unwrap_or_default();
        let progress = (self.outbox.pending(), self.syncs.head.0.saturating_sub(cursor.0));
        if self.syncs.reported != Some(progress) {
            self.syncs.reported = Some(progress);
            self.event(ClientEvent::Progress { to_push: progress.0, to_pull: progress.1 });
            for sync in &self.syncs.open {
                self.timers.set(Timer::Sync(sync.command), self.now + PATIENCE);
            }
        }
    }

    /// The link is down: commands that need it are answered now.
    pub(super) fn offline_commands(&mut self, code: Code) {
        self.answer_pushes();
        self.syncs_failed(code);
        self.invite_offline(code);
        self.join_offline(code);
    }

    pub(super) fn syncs_failed(&mut self, code: Code) {
        for command in self.syncs.take_commands() {
            self.timers.cancel(Timer::Sync(command));
            self.reject(command, code);
        }
    }
}
