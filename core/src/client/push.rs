//! On the way out: from a payload to a sealed row, from the row to the relay, from its acknowledgement to its end.
//!
//! A blob is sealed once, at enqueueing, and resent as it is. It is durable here before anything else happens.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{
    client::{
        Client, Load, Phase, Timer,
        command::{ClientEvent, Rejection, Reply},
        commit::Effect,
        ledger::{RECENT_KEYS, RESERVE_BLOCK, remember},
        store::{ClientOp, OutboxEntry, OutboxRow},
        stream::Stream,
    },
    error::Code,
    ids::{BlobId, CommandId, DeviceId, Digest, IdempotencyKey, Incarnation, Lane, OutboxId, RecordHash},
    limits::MAX_PAYLOAD,
    machine::StoreFailure,
    seal::record::{self, Kind, Record, SealedRecord, blob_id},
    time::{Duration, UnixMillis},
    wire::message::ToRelay,
};

/// Bytes of blobs that share one message: a frame's worth.
const RUN_BYTES: usize = 60_000;
/// Devices not heard from for this long no longer hold up the outbox.
const ACTIVE: Duration = Duration::from_secs(30 * 24 * 3600);
/// A log that was lost is refilled at most this often.
const REFILL: Duration = Duration::from_secs(3600);
/// The shortest pause before a refused lane is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// The longest, whatever the relay asks for.
const LONGEST_RETRY: Duration = Duration::from_secs(15 * 60);

impl Client {
    pub(super) fn push(&mut self, id: CommandId, data: Bytes, key: Option<IdempotencyKey>, detached: bool) {
        if self.group.is_none() || !self.ledger.enabled {
            return self.reject(id, Code::NotEnabled);
        }
        if data.len() > MAX_PAYLOAD {
            return self.reject(id, Code::BlobTooLarge);
        }
        if let Some(key) = key
            && self.pushed_before(id, key, detached)
        {
            return;
        }
        if self.outbox.unsent_bytes() + data.len() as u64 > self.config.limits.outbox_unsent {
            return self.reject(id, Code::OutboxFull);
        }
        if self.is_busy() && !detached {
            return self.reject(id, Code::Busy);
        }
        match self.write_record(Kind::Data, data, key) {
            Ok(row) => self.answer_push(id, row, detached),
            Err(code) => self.reject(id, code),
        }
    }

    /// An application's retry is the same push: answers it from what is known, if anything is.
    fn pushed_before(&mut self, id: CommandId, key: IdempotencyKey, detached: bool) -> bool {
        if let Some(row) = self.outbox.by_key(key).copied() {
            match row.position {
                Some(cursor) => self.done(id, Ok(Reply::Pushed { blob_id: row.blob_id, cursor })),
                None => self.answer_push(id, row.id, detached),
            }
            return true;
        }
        let known = self.ledger.recent_keys.iter().find(|(known, ..)| *known == key).copied();
        if let Some((_, blob_id, cursor)) = known {
            self.done(id, Ok(Reply::Pushed { blob_id, cursor }));
        }
        known.is_some()
    }

    fn answer_push(&mut self, id: CommandId, row: OutboxId, detached: bool) {
        if detached {
            let Some(blob_id) = self.outbox.get(row).map(|row| row.blob_id) else { return };
            return self.done(id, Ok(Reply::Queued { blob_id }));
        }
        if !self.is_connected() && !self.is_opening() || self.outbox.refusal().is_some() || self.phase != Phase::Ready {
            return self.answer_pending(row, id);
        }
        if let Some(earlier) = self.pushes.insert(row, id) {
            // Two calls wait for one blob: the later one gets the final word.
            self.answer_pending(row, earlier);
        }
        self.timers.set(Timer::Push(id), self.now + self.config.limits.push_timeout);
    }

    /// The first attempt to connect is worth waiting for; a retry is not.
    fn is_opening(&self) -> bool {
        self.backoff.attempt() == 0 && self.may_connect() && self.relay.is_some()
    }

    /// Queued, not at the relay: nobody need wait for it.
    pub(super) fn answer_pending(&mut self, row: OutboxId, command: CommandId) {
        self.timers.cancel(Timer::Push(command));
        let blob_id = self.outbox.get(row).map(|row| row.blob_id);
        self.done(command, Err(Rejection { code: Code::Pending, blob_id, last_cursor: None }));
    }

    /// What these calls queued is gone with its group.
    pub(super) fn cancel_pushes(&mut self, pushes: BTreeMap<OutboxId, CommandId>) {
        for command in pushes.into_values() {
            self.timers.cancel(Timer::Push(command));
            self.reject(command, Code::Cancelled);
        }
    }

    pub(super) fn push_overdue(&mut self, command: CommandId) {
        let row = self.pushes.iter().find(|(_, waiting)| **waiting == command).map(|(row, _)| *row);
        if let Some(row) = row {
            self.pushes.remove(&row);
            self.answer_pending(row, command);
        }
    }

    /// Seals a record of this device and puts it into the outbox, in the batch of this input.
    pub(super) fn write_record(
        &mut self,
        kind: Kind,
        payload: Bytes,
        key: Option<IdempotencyKey>,
    ) -> Result<OutboxId, Code> {
        let lane = kind.lane();
        let wall = self.wall();
        self.note_unconfirmed();
        let (inc, earlier) = (self.ledger.inc(), self.ledger.earlier_inc);
        let seen = self.take_seen(kind);
        let group = self.group.as_mut().ok_or(Code::NotEnabled)?;
        let own = group.own(inc, lane);
        let ms = if kind == Kind::Rename { wall.max(group.roster.renames_after(group.device)) } else { wall };
        let (seq, prev) = match kind {
            Kind::Heads => {
                let (seq, hash) = group.streams.get(&group.own(inc, Lane::Data)).map_or((0, None), Stream::reach);
                (seq, hash.unwrap_or(RecordHash([0; 16])))
            }
            _ => {
                let (last, head) = group.streams.get(&own).map_or((0, None), Stream::reach);
                (last + 1, head.or_else(|| group.last_of_earlier(earlier, lane)).unwrap_or(RecordHash([0; 16])))
            }
        };
        let record = Record { sender: group.device, inc, seq, prev, kind: kind as u8, ms, seen, payload };
        let epoch = group.epoch().ok_or(Code::KeyLost)?;
        let SealedRecord { blob, digest, hash } =
            record::seal(&record, &group.keys, &group.id, epoch, self.config.padding, &mut self.draws.seal);
        let (id, blob_id) = (self.ledger.assign_outbox(), blob_id(&group.id, group.device, inc, seq));
        let entry = OutboxEntry {
            id,
            lane,
            kind: kind as u8,
            inc,
            seq: if kind == Kind::Heads { 0 } else { seq },
            hash,
            digest,
            blob_id,
            key,
            size: u32::try_from(blob.len()).unwrap_or(u32::MAX),
            acked: false,
            position: None,
        };
        if kind == Kind::Data {
            // Its `seen` says what a heads record would.
            self.ledger.heads_due = false;
        }
        if kind != Kind::Heads {
            let place = self.ledger.place.map(|place| place.cursor).unwrap_or_default();
            group.streams.entry(own).or_default().accept(seq, hash, place);
            if seq >= self.ledger.reserved {
                self.ledger.reserved = seq + RESERVE_BLOCK;
                self.batch.ops.push(ClientOp::Reserve(self.ledger.reserved));
            }
            self.touch(own);
        }
        if lane == Lane::Control && kind != Kind::Heads {
            let opened = record::open(&blob, &self.group.as_ref().ok_or(Code::NotEnabled)?.id, self.epoch()?);
            if let Ok(opened) = opened {
                self.apply_roster(&opened, blob.clone());
            }
        }
        self.outbox.enqueue(entry, blob.clone(), self.config.limits.push_window);
        self.batch.ops.push(ClientOp::Enqueue(OutboxRow { entry, blob }));
        self.batch.effects.push(Effect::Durable(vec![id]));
        Ok(id)
    }

    fn epoch(&self) -> Result<&crate::seal::keys::Epoch, Code> {
        self.group.as_ref().and_then(super::group::Group::epoch).ok_or(Code::KeyLost)
    }

    /// Hands the link as many blobs as credit and window allow; asks the store for more bytes when memory has none.
    pub(super) fn pump_outbox(&mut self) {
        if !self.is_connected() || !self.may_push() {
            return;
        }
        let window = self.config.limits.push_window;
        while self.push_room() > 0 {
            let Some((lane, blobs)) = self.outbox.next(RUN_BYTES, window) else { break };
            if bug!(ForgetOnSend) {
                let sent = blobs.iter().filter_map(|blob| self.outbox.by_digest(Digest::of(blob)));
                let sent: Vec<OutboxId> = sent.map(|row| row.id).collect();
                sent.into_iter().for_each(|id| self.remove_row(id));
            }
            self.say_now(&ToRelay::Push { lane, blobs });
        }
        let loading = self.loads.values().any(|load| matches!(load, Load::Outbox(_)));
        if !loading && self.push_room() > 0 {
            let ids = self.outbox.to_load(window);
            if !ids.is_empty() {
                self.load_rows(ids.clone(), Load::Outbox(ids));
            }
        }
    }

    /// Bytes on their way out. D9: what rotted here would be called tampered everywhere else.
    pub(super) fn outbox_loaded(&mut self, ids: &[OutboxId], rows: Vec<(OutboxId, Bytes)>) {
        let rows: BTreeMap<OutboxId, Bytes> = rows.into_iter().collect();
        let intact = |id: &OutboxId| {
            let Some(row) = self.outbox.get(*id) else { return true };
            rows.get(id).is_some_and(|blob| blob.len() == row.size as usize && Digest::of(blob) == row.digest)
        };
        if !ids.iter().all(intact) {
            return self.store_failed(StoreFailure::Corrupt);
        }
        rows.into_iter().for_each(|(id, blob)| self.outbox.loaded(id, blob));
    }

    /// The relay holds this blob durably. Never moves the relay cursor.
    pub(super) fn pushed(&mut self, digest: Digest) {
        let Some(id) = self.outbox.by_digest(digest).map(|row| row.id) else { return };
        self.ledger.acknowledged(digest);
        self.outbox.remember_own(digest);
        let Some(row) = self.outbox.acked(id) else { return };
        let is_data = row.kind == Kind::Data as u8;
        let (blob_id, key) = (row.blob_id, row.key);
        // A blob that goes out again after the relay lost it keeps its place, and was told of before.
        let again = row.position;
        let position = again.or_else(|| is_data.then(|| self.assign_position()));
        if let Some(row) = self.outbox.acked_row(id) {
            row.position = position;
        }
        self.batch.ops.push(ClientOp::Acked { id, position });
        if let Some(cursor) = position {
            if let (Some(key), None) = (key, again) {
                remember(&mut self.ledger.recent_keys, (key, blob_id, cursor), RECENT_KEYS);
            }
            if again.is_none() {
                self.event(ClientEvent::BlobSynced { id: blob_id, cursor });
            }
            if let Some(command) = self.pushes.remove(&id) {
                self.timers.cancel(Timer::Push(command));
                self.done(command, Ok(Reply::Pushed { blob_id, cursor }));
            }
        }
        self.row_acked(id);
        self.prune_row(id);
    }

    /// Whether this digest is one of this device's own blobs.
    pub(super) fn is_own(&self, digest: Digest) -> bool {
        self.outbox.by_digest(digest).is_some() || self.outbox.remembers(digest)
    }

    /// Removes acknowledged rows that every active device holds, and the oldest of the rest above their limit.
    pub(super) fn prune(&mut self) {
        let others = self.active_others();
        let done: Vec<OutboxId> =
            self.outbox.acked_rows().filter(|row| self.is_covered(row, &others)).map(|row| row.id).collect();
        done.into_iter().for_each(|id| self.finish_row(id));
        self.trim_inbox();
    }

    /// The same for one row that was just acknowledged.
    fn prune_row(&mut self, id: OutboxId) {
        let others = self.active_others();
        if self.outbox.get(id).is_some_and(|row| self.is_covered(row, &others)) {
            self.finish_row(id);
            self.trim_inbox();
        }
        while self.outbox.acked_bytes() > self.config.limits.outbox_acked {
            let Some(oldest) = self.outbox.acked_rows().next().map(|row| row.id) else { break };
            self.remove_row(oldest);
        }
    }

    /// Nobody waits for this row any more. Data stays readable here as long as read blobs of others do.
    fn finish_row(&mut self, id: OutboxId) {
        if self.outbox.get(id).is_some_and(|row| row.position.is_some()) {
            self.outbox.keep(id, self.now);
        } else {
            self.remove_row(id);
        }
    }

    fn active_others(&self) -> Vec<DeviceId> {
        let now = self.wall();
        let Some(group) = &self.group else { return Vec::new() };
        let ids = group.roster.iter().map(|(id, _)| id);
        ids.filter(|id| *id != group.device && is_active(self.ledger.heard.get(id), now)).collect()
    }

    fn is_covered(&self, row: &OutboxEntry, others: &[DeviceId]) -> bool {
        row.kind == Kind::Heads as u8
            || bug!(PrunedUnseen)
            || others.iter().all(|device| {
                let seen = self.ledger.covered.get(device).and_then(|lanes| lanes.get(&(row.inc, row.lane)));
                seen.is_some_and(|seen| *seen >= row.seq)
            })
    }

    pub(super) fn remove_row(&mut self, id: OutboxId) {
        if self.outbox.remove(id).is_some() {
            self.batch.ops.push(ClientOp::Remove(id));
        }
    }

    /// The relay lost its log: what some device may lack goes out again, at most once an hour, or whoever claims losses at will
    /// would have it all over and over.
    pub(super) fn refill_soon(&mut self) {
        match self.since_refill().filter(|since| *since < REFILL) {
            Some(since) => {
                self.ledger.refill_due = true;
                self.timers.set(Timer::Refill, self.now + (REFILL - since));
            }
            None => self.refill(),
        }
    }

    /// A refill that was due when the store was read waits for what is left of its hour: others wait little longer for it.
    pub(super) fn resume_refill(&mut self) {
        if self.ledger.refill_due {
            let since = self.since_refill().unwrap_or_default();
            self.timers.set(Timer::Refill, self.now + REFILL.saturating_sub(since));
        }
    }

    /// E8: a clock that was set back says nothing about how long ago it was.
    fn since_refill(&self) -> Option<Duration> {
        let now = self.wall();
        self.ledger.refilled_at.and_then(|at| now.0.checked_sub(at.0)).map(Duration::from_millis)
    }

    pub(super) fn refill(&mut self) {
        self.ledger.refill_due = false;
        self.ledger.refilled_at = Some(self.wall());
        let ids: Vec<OutboxId> = self.outbox.acked_rows().map(|row| row.id).collect();
        for id in ids {
            self.outbox.unacked(id);
            self.batch.ops.push(ClientOp::Unacked(id));
        }
    }

    /// Pushes that wait are answered: the queue goes on without them.
    pub(super) fn refused_commands(&mut self, code: Code) {
        self.answer_pushes();
        self.syncs_failed(code);
    }

    /// Nobody need wait any longer: what is queued goes out by itself.
    pub(super) fn answer_pushes(&mut self) {
        for (row, command) in std::mem::take(&mut self.pushes) {
            self.answer_pending(row, command);
        }
    }

    /// The lane stays refused on this link; a new link starts again from the refused blob.
    pub(super) fn retry_refused(&mut self, wait: Duration) {
        self.timers.start(Timer::Retry, self.now + wait.clamp(RETRY, LONGEST_RETRY));
    }
}

fn is_active(heard: Option<&UnixMillis>, now: UnixMillis) -> bool {
    heard.is_none_or(|heard| u128::from(now.0.saturating_sub(heard.0)) < ACTIVE.as_millis())
}

impl super::group::Group {
    /// Hash of the last record of this device's previous incarnation, which the first of a new one names.
    fn last_of_earlier(&self, earlier: Option<Incarnation>, lane: Lane) -> Option<RecordHash> {
        self.streams.get(&self.own(earlier?, lane)).and_then(|stream| stream.head)
    }
}

/// What an application calls the blobs of a record.
pub(super) fn id_of(group: &super::group::Group, record: &Record) -> BlobId {
    blob_id(&group.id, record.sender, record.inc, record.seq)
}
