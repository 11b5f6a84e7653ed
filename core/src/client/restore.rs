//! A store that is older than its relay: restored from a backup, or cloned.
//!
//! Three signs: the counter beside the store key is ahead; the relay names a blob as this device's last that the store does not
//! know; a page or a `seen` entry names an own record beyond the store. Then the device starts a new incarnation, so that no number
//! is used twice, and says again what was queued since the log last agreed with the store, but for what the log turns out to have. The
//! bare word of the relay, and of each member, is believed twice.
//!
//! ```text
//!              written before the log was read           read to its head
//!   Opened ───────────────────────► Unconfirmed ───────────────────────────► Confirmed
//!     │                                 │  kept in the ledger: a crash           │
//!     └───────────── a sign ────────────┴── does not make it old ──── a sign ────┘
//!                       ▼
//!                 nothing leaves ── the log is read, what flew is answered ──► said again
//! ```

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    client::{
        Client, Load,
        command::ClientEvent,
        ledger::{RESERVE_BLOCK, remember},
        receive::{may_follow, stream_of},
        store::{ClientOp, OutboxEntry},
        stream::{Stream, short},
        verdict::Verdict,
    },
    ids::{Cursor, DeviceId, Digest, Incarnation, Lane, OutboxId, RecordHash, StreamId},
    seal::{
        record::{self, Kind, Opened, Record},
        roster::HeadsPayload,
    },
};

/// How often one member's word alone, or the relay's, makes this device count anew: a second time for a second restore, and no more,
/// or whoever lies would use up the runs that others follow. Of a member's further words the application hears as gaps; what the relay
/// speaks of it can show.
const BELIEVED: u8 = 2;

/// Where the outbox stood when the log last agreed with the store, and what has become of that in this run.
#[derive(Debug, Default)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) struct Opening {
    read: bool,
    newest: OutboxId,
    /// The log was read to its head: what is written from now on follows what is there.
    confirmed: bool,
    /// Records are to be sealed again: nothing may leave.
    reissuing: bool,
    /// Their bytes are being read.
    loading: bool,
    /// The restored store was noticed and dealt with in this run: since then this device counts as this.
    settled: Option<Incarnation>,
}

/// The same for the runs to come, while something was written that no log has confirmed: should the store turn out to be old, it was
/// numbered wrongly, whichever run wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Unconfirmed {
    newest: OutboxId,
    /// The store is old, and what was queued since is not all said again.
    reissuing: bool,
}

impl Client {
    /// Remembers how the outbox stands before anything is written. A store read again in one run changes nothing about that, but
    /// what was confirmed may not have got into it.
    pub(super) fn remember_opening(&mut self) {
        self.opening.confirmed = false;
        self.opening.loading = false;
        self.opening.reissuing = false;
        if let Some(Unconfirmed { newest, reissuing }) = self.ledger.unconfirmed {
            self.opening.newest = newest;
            self.opening.reissuing = reissuing;
            if reissuing {
                self.opening.settled = Some(self.ledger.inc());
            }
        } else if !self.opening.read {
            self.opening.newest = self.outbox.newest().unwrap_or_default();
        }
        self.opening.read = true;
    }

    /// Whether the restored store was dealt with in this run. What a disk refused to write was not.
    fn is_settled(&self) -> bool {
        self.opening.settled == Some(self.ledger.inc())
    }

    /// A group begins here: what founding or joining it wrote is its first state, and only what follows is said again.
    pub(super) fn begin_opening(&mut self) {
        self.ledger.unconfirmed = None;
        self.opening = Opening::default();
        self.remember_opening();
    }

    /// Something is written. Before the log was read nobody knows whether its number is taken.
    pub(super) fn note_unconfirmed(&mut self) {
        if self.opening.read && !self.opening.confirmed && self.ledger.unconfirmed.is_none() {
            let Opening { newest, reissuing, .. } = self.opening;
            self.ledger.unconfirmed = Some(Unconfirmed { newest, reissuing });
        }
    }

    /// The log was read to its head: either it agrees with the store, or what it does not have is said again.
    pub(super) fn confirm_opening(&mut self) {
        let read = self.is_connected() && self.link.as_ref().is_some_and(|link| link.caught_up);
        if !read || self.opening.confirmed || self.opening.loading {
            return;
        }
        if !self.opening.reissuing {
            self.opening.confirmed = true;
            // A write marks the ledger as changed, and a changed one is stored.
            if self.ledger.unconfirmed.is_some() {
                self.ledger.unconfirmed = None;
            }
        } else if self.outbox.flying_bytes() == 0 {
            let inc = self.ledger.inc();
            let ids: Vec<OutboxId> = self.queued_since().filter(|row| row.inc != inc).map(|row| row.id).collect();
            self.opening.loading = true;
            self.load_rows(ids.clone(), Load::Reissue(ids));
        }
    }

    /// What was queued since the log last agreed, and never was at a relay.
    fn queued_since(&self) -> impl Iterator<Item = &OutboxEntry> {
        let newest = self.opening.newest;
        self.outbox.rows().filter(move |row| row.id > newest && !row.acked && row.position.is_none())
    }

    pub(super) fn may_push(&self) -> bool {
        !self.opening.reissuing
    }

    /// From now on this device counts anew. Older copies of its database are told by the counter, which is raised past them all.
    fn start_incarnation(&mut self, reserved: u64) {
        let inc = self.ledger.inc();
        let written = self.group.as_ref().is_some_and(|group| {
            group.streams.iter().any(|(id, stream)| id.device == group.device && id.inc == inc && stream.last > 0)
        });
        if written {
            self.ledger.earlier_inc = Some(inc);
        }
        self.ledger.inc = self.draws.keys.bytes();
        self.ledger.heads_due = true;
        self.ledger.reserved = self.ledger.reserved.max(reserved).saturating_add(RESERVE_BLOCK);
        self.batch.ops.push(ClientOp::Reserve(self.ledger.reserved));
        self.opening.settled = Some(self.ledger.inc());
    }

    /// The relay names what this device's key stored last.
    pub(super) fn check_own(&mut self, digest: Digest) {
        if !self.ledger.own_recent.contains(&digest) && !self.is_own(digest) {
            // A relay that lost its log names what it still has, which may be long forgotten here.
            if !self.is_settled() && !self.was_reset_lately() && self.ledger.relay_believed < BELIEVED {
                self.ledger.relay_believed += 1;
                self.store_is_older();
            }
            // The relay says so again until something newer reaches it.
            self.ledger.acknowledged(digest);
        }
    }

    /// An own record came back from the log.
    pub(super) fn own_record(&mut self, opened: &Opened, cursor: Cursor, blob: Bytes) {
        let id = stream_of(opened);
        let (seq, heads) = (opened.record.seq, opened.record.kind == Kind::Heads as u8);
        let stream = self.stream(id);
        let known = stream.map_or(0, |stream| stream.last);
        if heads {
            return self.own_heads(&opened.record, Digest::of(&blob));
        }
        if seq > known {
            self.store_is_older();
            self.echoed(Digest::of(&blob));
            return self.adopt_own(opened, cursor, blob);
        }
        if stream.and_then(|stream| stream.known(seq)).is_some_and(|known| known != short(opened.hash)) {
            // D12: a clone of this device counts on its own. Both cannot stand, and this one changes its count.
            self.verdict(Verdict::Equivocation { device: id.device, inc: id.inc, lane: id.lane, seq });
            return self.store_is_older();
        }
        self.echoed(Digest::of(&blob));
    }

    /// What this device once said of where its chains end.
    fn own_heads(&mut self, record: &Record, digest: Digest) {
        let last = |lane| {
            let id = StreamId { device: record.sender, inc: record.inc, lane };
            self.stream(id).map_or(0, |stream| stream.heard_from(id.device))
        };
        let control = HeadsPayload::decode(&record.payload).map_or(0, |payload| payload.control_seq);
        if record.seq > last(Lane::Data) || control > last(Lane::Control) {
            self.store_is_older();
            return self.adopt_heads(record);
        }
        self.echoed(digest);
    }

    /// A16: the echo is as good as an acknowledgement; without either the same bytes go out again.
    fn echoed(&mut self, digest: Digest) {
        if self.outbox.by_digest(digest).is_some_and(|row| !row.acked) {
            self.pushed(digest);
        }
    }

    /// Learns where an own chain of before the restore really ended.
    fn adopt_own(&mut self, opened: &Opened, cursor: Cursor, blob: Bytes) {
        let id = stream_of(opened);
        let Some(group) = self.group.as_mut() else { return };
        if may_follow(&group.streams, id) {
            group.streams.entry(id).or_default().accept(opened.record.seq, opened.hash, cursor);
            self.touch(id);
            if matches!(Kind::of(opened.record.kind), Some(Kind::Add | Kind::Rename)) {
                // Whom it admitted since, and how it called itself: without, the devices it admitted would be strangers to it.
                self.roster_record(opened, blob);
            }
        }
    }

    /// A member says that it holds records which this store does not know. Answers whether that is believed.
    pub(super) fn believe_older(&mut self, member: DeviceId) -> bool {
        let settled = self.is_settled();
        let times = self.ledger.believed.entry(member).or_default();
        if settled || *times >= BELIEVED {
            return false;
        }
        *times += 1;
        self.store_is_older();
        true
    }

    /// The store is older than what others hold: count anew, and say again what was queued since it opened.
    pub(super) fn store_is_older(&mut self) {
        if !self.is_settled() {
            self.count_anew(0);
        }
    }

    /// The counter beside the store key says that this database is an older copy.
    pub(super) fn counter_is_ahead(&mut self, reserved: u64) {
        if self.is_settled() {
            // Noticed before, and what followed did not get into the store.
            return self.start_incarnation(reserved);
        }
        self.count_anew(reserved);
    }

    fn count_anew(&mut self, reserved: u64) {
        if bug!(RestoreUnnoticed) {
            return;
        }
        let since: Vec<OutboxEntry> = self.queued_since().copied().collect();
        for row in since.iter().filter(|row| row.kind != Kind::Heads as u8) {
            self.take_back(row);
        }
        self.start_incarnation(reserved);
        since.iter().for_each(|row| remember(&mut self.ledger.own_recent, row.digest, 64));
        self.opening.confirmed = false;
        self.opening.reissuing = true;
        self.ledger.unconfirmed = Some(Unconfirmed { newest: self.opening.newest, reissuing: true });
    }

    /// Its number may be another record's.
    fn take_back(&mut self, row: &OutboxEntry) {
        let before = |other: &&OutboxEntry| {
            (other.inc, other.lane, other.seq + 1) == (row.inc, row.lane, row.seq) && other.kind != Kind::Heads as u8
        };
        let head = self.outbox.rows().find(before).map(|other| other.hash);
        let Some(group) = &mut self.group else { return };
        let id = group.own(row.inc, row.lane);
        if let Some(stream) = group.streams.get_mut(&id).filter(|stream| stream.last >= row.seq) {
            stream.take_back(row.seq, head);
            self.touch(id);
        }
    }

    /// The bytes of records that must be said again.
    pub(super) fn reissue(&mut self, ids: &[OutboxId], rows: Vec<(OutboxId, Bytes)>) {
        for (id, blob) in rows {
            let Some(entry) = self.outbox.get(id).copied().filter(|_| ids.contains(&id)) else { continue };
            let Some(Record { prev, payload, .. }) = self.record_of(&blob) else { continue };
            self.ends_at(&entry, prev);
            let kind = Kind::of(entry.kind).unwrap_or(Kind::Data);
            self.remove_row(id);
            if kind == Kind::Heads {
                continue;
            }
            if let (Kind::Add, Some(group)) = (kind, &mut self.group) {
                group.withdraw(entry.hash);
            }
            let Ok(new) = self.write_record(kind, payload, entry.key) else { continue };
            self.admission_reissued(id, new);
            if let Some(command) = self.pushes.remove(&id) {
                self.pushes.insert(new, command);
            }
            if let (Kind::Data, Some(row)) = (kind, self.outbox.get(new)) {
                self.event(ClientEvent::BlobReissued { old: entry.blob_id, new: row.blob_id });
            }
        }
        self.opening.loading = false;
        self.opening.reissuing = false;
        self.opening.confirmed = true;
        self.ledger.unconfirmed = None;
    }

    /// What is said again names the record that now ends its old chain, if no other has taken its place.
    fn ends_at(&mut self, row: &OutboxEntry, prev: RecordHash) {
        let Some(group) = &mut self.group else { return };
        let id = group.own(row.inc, row.lane);
        let ends = |stream: &&mut Stream| stream.last > 0 && stream.last + 1 == row.seq && stream.head.is_none();
        if let Some(stream) = group.streams.get_mut(&id).filter(ends) {
            stream.head = Some(prev);
            self.touch(id);
        }
    }

    /// What a sealed row of this group says.
    pub(super) fn payload_of(&self, blob: &Bytes) -> Option<Bytes> {
        self.record_of(blob).map(|record| record.payload)
    }

    fn record_of(&self, blob: &Bytes) -> Option<Record> {
        let group = self.group.as_ref()?;
        let epoch = group.epoch_of(record::kid_of(blob)?)?;
        record::open(blob, &group.id, epoch).ok().map(|opened| opened.record)
    }
}
