//! What arrived for the application: read from the store, opened on the way out, acknowledged, and kept a while longer.
//!
//! The store keeps blobs sealed; this keeps positions and sizes. `H` in the ledger is the highest position up to which every entry
//! was returned by some pull; nothing above it can be acknowledged, so an application cannot skip what it never saw.

use std::collections::VecDeque;

use crate::{
    client::{
        Client, Load, Timer,
        command::{Blob, ClientEvent, Pulled, Rejection, Reply},
        store::{ClientOp, ClientQuery, InboxRow},
    },
    error::Code,
    ids::{CommandId, Position},
    limits::ClientLimits,
    seal::record::{self},
    time::{Duration, Time},
};

/// How long a pull that found nothing waits for the relay's answer.
const WAIT: Duration = Duration::from_secs(10);
/// Acknowledgements whose time is remembered; the last of more stands for those before it, which then stay longer.
const AGES: usize = 1024;

/// A pull on its way.
#[derive(Debug, Clone, Copy, Hash)]
pub(super) struct Reading {
    pub(super) command: CommandId,
    after: Position,
    max_bytes: u32,
    own: bool,
}

/// Positions and sizes of the inbox.
#[derive(Debug, Default)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) struct Inbox {
    rows: VecDeque<(Position, u32)>,
    acked: Position,
    unread_bytes: u64,
    read_bytes: u64,
    /// When positions were acknowledged in this run.
    ages: VecDeque<(Time, Position)>,
    waiting: Vec<Reading>,
    /// Rows that rotted were reported in this run.
    rot_told: bool,
}

impl Inbox {
    /// The inbox as the store has it. What was read before counts as read now: it stays at least as long as it should.
    pub(super) fn open(rows: Vec<(Position, u32)>, acked: Position, now: Time) -> Self {
        let mut inbox = Self { acked, ..Self::default() };
        for (position, size) in rows {
            inbox.delivered(position, size);
        }
        if inbox.read_bytes > 0 {
            inbox.ages.push_back((now, acked));
        }
        inbox
    }

    pub(super) fn delivered(&mut self, position: Position, size: u32) {
        if position > self.acked {
            self.unread_bytes += u64::from(size);
        } else {
            self.read_bytes += u64::from(size);
        }
        self.rows.push_back((position, size));
    }

    pub(super) fn is_full(&self, limits: &ClientLimits) -> bool {
        self.unread_bytes >= limits.inbox_unread && !bug!(InboxUnbounded)
    }

    /// Pulls that wait for the relay.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Answers whether it was waiting.
    pub(super) fn cancel(&mut self, command: CommandId) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|reading| reading.command != command);
        self.waiting.len() < before
    }

    pub(super) fn take_commands(&mut self) -> Vec<CommandId> {
        self.waiting.drain(..).map(|reading| reading.command).collect()
    }

    fn newest(&self) -> Position {
        self.rows.back().map(|(position, _)| *position).unwrap_or_default()
    }

    fn acknowledge(&mut self, acked: Position, now: Time) {
        let newly: u64 = self
            .rows
            .iter()
            .skip(self.rows.partition_point(|(position, _)| *position <= self.acked))
            .take_while(|(position, _)| *position <= acked)
            .map(|(_, size)| u64::from(*size))
            .sum();
        self.unread_bytes -= newly;
        self.read_bytes += newly;
        self.acked = acked;
        if newly > 0 {
            if self.ages.len() >= AGES {
                self.ages.pop_back();
            }
            self.ages.push_back((now, acked));
        }
    }

    /// The position up to which read rows are to go: too old, or too many bytes.
    fn trim(&mut self, now: Time, limits: &ClientLimits) -> Option<Position> {
        let mut old = Position(0);
        while let Some((since, position)) = self.ages.front().copied()
            && since + limits.inbox_read_age <= now
        {
            old = position;
            self.ages.pop_front();
        }
        let mut trimmed = None;
        while let Some((position, size)) = self.rows.front().copied()
            && position <= self.acked
            && (position <= old || self.read_bytes > limits.inbox_read)
        {
            self.read_bytes -= u64::from(size);
            self.rows.pop_front();
            trimmed = Some(position);
        }
        trimmed
    }
}

impl Client {
    pub(super) fn pull(&mut self, command: CommandId, after: Option<Position>, max_bytes: u32, own: bool) {
        if self.group.is_none() {
            return self.reject(command, Code::NotEnabled);
        }
        let after = after.unwrap_or(self.ledger.acked);
        if after > self.ledger.last_position {
            let last_cursor = Some(self.ledger.last_position);
            return self.done(command, Err(Rejection { code: Code::CursorUnknown, blob_id: None, last_cursor }));
        }
        self.ack_through(after);
        let reading = Reading { command, after, max_bytes, own };
        if self.has_after(after, own) || !self.may_bring_more() {
            return self.read_inbox(reading);
        }
        self.inbox.waiting.push(reading);
        self.timers.set(Timer::Pull(command), self.now + WAIT);
    }

    /// Whether the relay may still have something that this device has not heard of.
    fn may_bring_more(&self) -> bool {
        self.is_connected()
            && self.link.as_ref().is_some_and(|link| !link.caught_up)
            && !self.inbox.is_full(&self.config.limits)
    }

    fn has_after(&self, after: Position, own: bool) -> bool {
        self.inbox.newest() > after || own && self.outbox.rows().any(|row| row.position > Some(after))
    }

    fn read_inbox(&mut self, reading: Reading) {
        let Reading { after, max_bytes, own, .. } = reading;
        self.load(ClientQuery::Inbox { after, max_bytes: max_bytes.max(1), own }, Load::Inbox(reading));
    }

    /// Pulls that waited for the relay are answered once something is there, or nothing will be.
    pub(super) fn answer_waiting_pulls(&mut self) {
        let more = self.may_bring_more();
        let waiting = std::mem::take(&mut self.inbox.waiting);
        for reading in waiting {
            if more && !self.has_after(reading.after, reading.own) {
                self.inbox.waiting.push(reading);
            } else {
                self.timers.cancel(Timer::Pull(reading.command));
                self.read_inbox(reading);
            }
        }
    }

    pub(super) fn pull_overdue(&mut self, command: CommandId) {
        if let Some(index) = self.inbox.waiting.iter().position(|reading| reading.command == command) {
            let reading = self.inbox.waiting.swap_remove(index);
            self.read_inbox(reading);
        }
    }

    /// The store's rows, opened for the application.
    pub(super) fn read(&mut self, reading: Reading, rows: Vec<InboxRow>) {
        let Some(group) = &self.group else { return self.reject(reading.command, Code::NotEnabled) };
        let mut blobs = Vec::with_capacity(rows.len());
        let mut max_cursor = reading.after;
        let mut rotten = false;
        for InboxRow { position, blob } in rows {
            let opened = record::kid_of(&blob)
                .and_then(|kid| group.epoch_of(kid))
                .and_then(|epoch| record::open(&blob, &group.id, epoch).ok());
            max_cursor = max_cursor.max(position);
            // It opened when it was delivered: bytes that no longer do were damaged on this device. One rotten row must not keep
            // the application from all that stand after it.
            let Some(opened) = opened else {
                rotten = true;
                continue;
            };
            blobs.push(Blob {
                id: super::push::id_of(group, &opened.record),
                cursor: position,
                sender: opened.record.sender,
                timestamp: opened.record.ms,
                data: opened.record.payload,
            });
        }
        if rotten && !std::mem::replace(&mut self.inbox.rot_told, true) {
            self.event(ClientEvent::Problem(Code::StorageFailed));
        }
        if reading.after <= self.ledger.returned {
            self.ledger.returned = self.ledger.returned.max(max_cursor);
        }
        let has_more = self.has_after(max_cursor, reading.own);
        let truncated = self.ledger.trimmed > reading.after;
        self.done(reading.command, Ok(Reply::Pulled(Pulled { blobs, has_more, max_cursor, truncated })));
    }

    pub(super) fn acknowledge(&mut self, command: CommandId, position: Position) {
        if self.group.is_none() {
            return self.reject(command, Code::NotEnabled);
        }
        if position > self.ledger.last_position {
            let last_cursor = Some(self.ledger.last_position);
            return self.done(command, Err(Rejection { code: Code::CursorUnknown, blob_id: None, last_cursor }));
        }
        self.ack_through(position);
        self.done(command, Ok(Reply::Done));
    }

    fn ack_through(&mut self, position: Position) {
        let acked = if bug!(AckBeyondReturned) { position } else { position.min(self.ledger.returned) };
        if acked > self.ledger.acked {
            self.ledger.acked = acked;
            self.inbox.acknowledge(acked, self.now);
            self.trim_inbox();
        }
    }

    pub(super) fn trim_inbox(&mut self) {
        if let Some(position) = self.inbox.trim(self.now, &self.config.limits) {
            self.ledger.trimmed = position;
            self.batch.ops.push(ClientOp::Trim(position));
        }
        let (age, bytes) = (self.config.limits.inbox_read_age, self.config.limits.inbox_read);
        while let Some(own) = self.outbox.outlived(self.now, age, bytes) {
            self.remove_row(own);
        }
        let oldest = self.inbox.ages.front().map(|(since, _)| *since);
        if let Some(since) = oldest.into_iter().chain(self.outbox.kept_since()).min() {
            self.timers.start(Timer::InboxAge, since + age);
        }
    }
}
