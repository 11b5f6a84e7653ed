//! What waits to reach the relay, and what the relay has but some device has not seen.
//!
//! Holds metadata of every row and the bytes of those on their way; the store has the rest. Knows nothing of links: the client
//! asks for the next blobs and reports what became of them.
//!
//! ```text
//!  enqueue ─► Stored ─durable─► Waiting ─next()─► Flying ─acked─► Acked ─covered─► gone
//!                                  ▲                │ link lost, refused
//!                                  └────────────────┘
//! ```
//!
//! Invariant: blobs of a lane leave in the order of enqueueing; at most `window` bytes fly.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use crate::{
    ids::{BlobId, Digest, IdempotencyKey, Lane, OutboxId},
    seal::record::Kind,
    time::{Duration, Time},
    wire::message::WireCode,
};

use super::store::OutboxEntry;

/// Own blobs remembered after their row is gone.
const RECENT: usize = 256;

const LANES: [Lane; 2] = [Lane::Control, Lane::Data];

/// The outbox.
#[derive(Debug, Clone, Default, Hash)]
pub(super) struct Outbox {
    rows: BTreeMap<OutboxId, OutboxEntry>,
    by_digest: BTreeMap<Digest, OutboxId>,
    by_key: BTreeMap<IdempotencyKey, OutboxId>,
    /// Durable here, not at the relay, not on its way.
    waiting: [BTreeSet<OutboxId>; 2],
    /// On its way over the current link, in order.
    flying: VecDeque<OutboxId>,
    flying_bytes: usize,
    /// Bytes of rows waiting or flying, as far as they are in memory.
    cache: BTreeMap<OutboxId, Bytes>,
    cached_bytes: usize,
    /// The relay's word on a lane, until it takes something from it again.
    refused: [Option<Refused>; 2],
    recent: VecDeque<Digest>,
    unsent_bytes: u64,
    acked_bytes: u64,
    /// Own data that every device has, still readable here, and since when.
    kept: BTreeMap<OutboxId, Time>,
    kept_bytes: u64,
    /// Rows that are not at the relay, and how many of them are heads.
    unsent: u64,
    unsent_heads: u64,
}

/// A lane that the relay refused.
#[derive(Debug, Clone, Copy, Hash)]
struct Refused {
    code: WireCode,
    /// It was said on this link, which will hear the same again.
    here: bool,
}

impl Outbox {
    /// The outbox as the store has it: everything in it is durable.
    pub(super) fn open(entries: Vec<OutboxEntry>) -> Self {
        let mut outbox = Self::default();
        for entry in entries {
            let (id, lane, acked) = (entry.id, entry.lane, entry.acked);
            outbox.insert(entry);
            if !acked {
                outbox.waiting[lane as usize].insert(id);
            }
        }
        outbox
    }

    fn insert(&mut self, entry: OutboxEntry) {
        let size = u64::from(entry.size);
        if entry.acked {
            self.acked_bytes += size;
        } else {
            self.unsent_bytes += size;
            self.count_unsent(entry.kind, 1);
        }
        self.by_digest.insert(entry.digest, entry.id);
        if let Some(key) = entry.key {
            self.by_key.insert(key, entry.id);
        }
        self.rows.insert(entry.id, entry);
    }

    /// Adds a row whose batch is not durable yet. Its bytes stay in memory while there is room for them.
    pub(super) fn enqueue(&mut self, entry: OutboxEntry, blob: Bytes, room: usize) {
        if self.cached_bytes + blob.len() <= room {
            self.cached_bytes += blob.len();
            self.cache.insert(entry.id, blob);
        }
        self.insert(entry);
    }

    /// The row is durable: it may leave.
    pub(super) fn durable(&mut self, id: OutboxId) {
        if let Some(row) = self.rows.get(&id).filter(|row| !row.acked) {
            self.waiting[row.lane as usize].insert(id);
        }
    }

    /// Blobs not at the relay, as a user counts them: heads say nothing that a user did.
    pub(super) fn pending(&self) -> u64 {
        self.unsent - self.unsent_heads
    }

    /// Whether anything at all is not at the relay.
    pub(super) fn is_waiting(&self) -> bool {
        self.unsent > 0
    }

    /// Bytes sent over this link and not answered.
    pub(super) fn flying_bytes(&self) -> usize {
        self.flying_bytes
    }

    fn count_unsent(&mut self, kind: u8, change: i64) {
        self.unsent = self.unsent.saturating_add_signed(change);
        if kind == Kind::Heads as u8 {
            self.unsent_heads = self.unsent_heads.saturating_add_signed(change);
        }
    }

    pub(super) fn unsent_bytes(&self) -> u64 {
        self.unsent_bytes
    }

    pub(super) fn acked_bytes(&self) -> u64 {
        self.acked_bytes
    }

    /// The newest row, acknowledged or not.
    pub(super) fn newest(&self) -> Option<OutboxId> {
        self.rows.keys().next_back().copied()
    }

    /// Whether any row up to `id` is not at the relay.
    pub(super) fn pending_through(&self, id: OutboxId) -> bool {
        self.rows.range(..=id).any(|(_, row)| !row.acked)
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &OutboxEntry> {
        self.rows.values()
    }

    pub(super) fn unsent_ids(&self) -> Vec<BlobId> {
        self.rows.values().filter(|row| !row.acked && row.kind == Kind::Data as u8).map(|row| row.blob_id).collect()
    }

    /// The newest row of a kind that is not at the relay.
    pub(super) fn last_unsent(&self, kind: Kind) -> Option<OutboxId> {
        self.rows.values().rev().find(|row| !row.acked && row.kind == kind as u8).map(|row| row.id)
    }

    pub(super) fn get(&self, id: OutboxId) -> Option<&OutboxEntry> {
        self.rows.get(&id)
    }

    pub(super) fn by_digest(&self, digest: Digest) -> Option<&OutboxEntry> {
        self.by_digest.get(&digest).and_then(|id| self.rows.get(id))
    }

    pub(super) fn by_key(&self, key: IdempotencyKey) -> Option<&OutboxEntry> {
        self.by_key.get(&key).and_then(|id| self.rows.get(id))
    }

    /// The standing refusal, data lane first.
    pub(super) fn refusal(&self) -> Option<WireCode> {
        self.refused[Lane::Data as usize].or(self.refused[Lane::Control as usize]).map(|refused| refused.code)
    }

    /// Whether this link will take no more of some lane.
    pub(super) fn is_refused_here(&self) -> bool {
        LANES.into_iter().any(|lane| self.is_blocked(lane))
    }

    fn is_blocked(&self, lane: Lane) -> bool {
        self.refused[lane as usize].is_some_and(|refused| refused.here)
    }

    /// The relay refused a lane: what flew on it was not stored.
    pub(super) fn refuse(&mut self, lane: Lane, code: WireCode) {
        self.refused[lane as usize] = Some(Refused { code, here: true });
        self.ground(|row| row.lane == lane);
    }

    /// The link is gone: what flew is unknown and goes out again as it is.
    pub(super) fn link_lost(&mut self) {
        self.ground(|_| true);
        self.refused.iter_mut().flatten().for_each(|refused| refused.here = false);
    }

    fn ground(&mut self, which: impl Fn(&OutboxEntry) -> bool) {
        let flying = std::mem::take(&mut self.flying);
        for id in flying {
            match self.rows.get(&id) {
                Some(row) if which(row) => {
                    self.flying_bytes -= row.size as usize;
                    self.waiting[row.lane as usize].insert(id);
                }
                Some(_) => self.flying.push_back(id),
                None => {}
            }
        }
    }

    /// The next run of one lane to push, control first, up to `bytes` and within the window. Nothing when the first row's bytes
    /// must be loaded; [`Outbox::to_load`] says which.
    pub(super) fn next(&mut self, bytes: usize, window: usize) -> Option<(Lane, Vec<Bytes>)> {
        for lane in LANES {
            if self.is_blocked(lane) {
                continue;
            }
            let mut run = Vec::new();
            let mut run_bytes = 0;
            let next = |waiting: &BTreeSet<OutboxId>| {
                if bug!(PushedOutOfOrder) { waiting.last().copied() } else { waiting.first().copied() }
            };
            while let Some(id) = next(&self.waiting[lane as usize]) {
                let Some(blob) = self.cache.get(&id) else { break };
                let fits = run.is_empty() || run_bytes + blob.len() <= bytes;
                let flies = self.flying.is_empty() || self.flying_bytes + blob.len() <= window;
                if !fits || !flies {
                    break;
                }
                run_bytes += blob.len();
                self.flying_bytes += blob.len();
                self.flying.push_back(id);
                run.push(blob.clone());
                self.waiting[lane as usize].remove(&id);
            }
            if !run.is_empty() {
                return Some((lane, run));
            }
        }
        None
    }

    /// Rows whose bytes the client should load to go on, oldest first, up to `room` bytes.
    pub(super) fn to_load(&self, room: usize) -> Vec<OutboxId> {
        let mut ids = Vec::new();
        let mut bytes = self.cached_bytes;
        for lane in LANES {
            if self.is_blocked(lane) {
                continue;
            }
            for id in &self.waiting[lane as usize] {
                if self.cache.contains_key(id) {
                    if ids.is_empty() {
                        break;
                    }
                    continue;
                }
                let size = self.rows.get(id).map_or(0, |row| row.size as usize);
                if !ids.is_empty() && bytes + size > room {
                    break;
                }
                bytes += size;
                ids.push(*id);
            }
        }
        ids
    }

    /// Bytes that were loaded.
    pub(super) fn loaded(&mut self, id: OutboxId, blob: Bytes) {
        if self.rows.get(&id).is_some_and(|row| !row.acked) && !self.cache.contains_key(&id) {
            self.cached_bytes += blob.len();
            self.cache.insert(id, blob);
        }
    }

    /// The relay holds this row. Answers it as it now is, or `None` when it was known or is gone.
    pub(super) fn acked(&mut self, id: OutboxId) -> Option<OutboxEntry> {
        let row = self.rows.get_mut(&id).filter(|row| !row.acked)?;
        row.acked = true;
        let (size, lane, kind) = (row.size, row.lane, row.kind);
        self.count_unsent(kind, -1);
        self.refused[lane as usize] = None;
        self.unsent_bytes -= u64::from(size);
        self.acked_bytes += u64::from(size);
        self.forget(id, lane, size as usize);
        self.rows.get(&id).copied()
    }

    /// Every device has this row; only this one may still want to read it.
    pub(super) fn keep(&mut self, id: OutboxId, now: Time) {
        if let Some(row) = self.rows.get(&id).filter(|row| row.acked)
            && self.kept.insert(id, now).is_none()
        {
            self.acked_bytes -= u64::from(row.size);
            self.kept_bytes += u64::from(row.size);
        }
    }

    /// The oldest kept row, if it is older or more is kept than may be.
    pub(super) fn outlived(&self, now: Time, age: Duration, bytes: u64) -> Option<OutboxId> {
        let (id, since) = self.kept.first_key_value()?;
        (*since + age <= now || self.kept_bytes > bytes).then_some(*id)
    }

    /// Since when the oldest kept row is kept.
    pub(super) fn kept_since(&self) -> Option<Time> {
        self.kept.values().next().copied()
    }

    /// A row the relay holds, to note its position.
    pub(super) fn acked_row(&mut self, id: OutboxId) -> Option<&mut OutboxEntry> {
        self.rows.get_mut(&id).filter(|row| row.acked)
    }

    /// Rows the relay holds, oldest first.
    pub(super) fn acked_rows(&self) -> impl Iterator<Item = &OutboxEntry> {
        self.rows.values().filter(|row| row.acked && !self.kept.contains_key(&row.id))
    }

    /// Remembers an own blob beyond its row: news of it may come after its end.
    pub(super) fn remember_own(&mut self, digest: Digest) {
        self.recent.push_back(digest);
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
    }

    /// Whether a blob was this device's own, lately.
    pub(super) fn remembers(&self, digest: Digest) -> bool {
        self.recent.contains(&digest)
    }

    /// The relay lost this row: it goes out again.
    pub(super) fn unacked(&mut self, id: OutboxId) {
        if let Some(row) = self.rows.get_mut(&id).filter(|row| row.acked) {
            row.acked = false;
            let row = *row;
            self.count_unsent(row.kind, 1);
            self.unsent_bytes += u64::from(row.size);
            self.acked_bytes -= u64::from(row.size);
            self.waiting[row.lane as usize].insert(id);
        }
    }

    /// Drops a row.
    pub(super) fn remove(&mut self, id: OutboxId) -> Option<OutboxEntry> {
        let row = self.rows.remove(&id)?;
        if self.kept.remove(&id).is_some() {
            self.kept_bytes -= u64::from(row.size);
        } else if row.acked {
            self.acked_bytes -= u64::from(row.size);
        } else {
            self.count_unsent(row.kind, -1);
            self.unsent_bytes -= u64::from(row.size);
            self.forget(id, row.lane, row.size as usize);
        }
        self.by_digest.remove(&row.digest);
        if let Some(key) = row.key {
            self.by_key.remove(&key);
        }
        Some(row)
    }

    fn forget(&mut self, id: OutboxId, lane: Lane, size: usize) {
        self.waiting[lane as usize].remove(&id);
        if let Some(index) = self.flying.iter().position(|flying| *flying == id) {
            self.flying.remove(index);
            self.flying_bytes -= size;
        }
        if let Some(blob) = self.cache.remove(&id) {
            self.cached_bytes -= blob.len();
        }
    }
}

/// For the seeded bugs.
#[cfg(feature = "bugs")]
impl Outbox {
    pub(super) fn cached(&self) -> impl Iterator<Item = OutboxId> {
        self.cache.keys().copied()
    }

    pub(super) fn bytes(&self, id: OutboxId) -> Option<Bytes> {
        self.cache.get(&id).cloned()
    }

    pub(super) fn replace(&mut self, entry: OutboxEntry, blob: Bytes) {
        if let Some(row) = self.rows.insert(entry.id, entry) {
            self.by_digest.remove(&row.digest);
        }
        self.by_digest.insert(entry.digest, entry.id);
        self.cache.insert(entry.id, blob);
    }
}
