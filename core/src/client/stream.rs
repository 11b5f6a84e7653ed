//! One chain of records as this device knows it, and the judgement of what claims to extend it.
//!
//! Pure bookkeeping: it opens nothing, verifies no signature and emits nothing. The caller passes records whose signature or run
//! has been verified. Numbers come from members, so any value may come: nothing here overflows.
//!
//! ```text
//!        baseline            last             claims
//!  1 ──────┬──────────────────┬─────────────────┬────►
//!   nobody's fault     held, or given up   others say they have it
//! ```
//!
//! Invariant: `last` only grows, but for own records that are taken back; the window holds the hashes of the records that end at `last`
//! without a hole.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::{
    client::claims::{Claims, Word},
    ids::{Cursor, DeviceId, RecordHash},
    time::Time,
};

/// How many hashes are kept to tell a duplicate from a second record at the same place.
const WINDOW: usize = 64;

/// The first 8 bytes of a record's hash, as `seen` entries carry it.
pub(super) type ShortHash = [u8; 8];

/// What is known of one chain.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub(super) struct Stream {
    /// Highest contiguous number held durably, past declared gaps.
    pub(super) last: u64,
    /// Hash of that record; `None` when `last` is the end of a declared gap.
    pub(super) head: Option<RecordHash>,
    window: VecDeque<ShortHash>,
    /// Heads handed over at pairing: at or below, holes are nobody's fault.
    baseline: Option<(u64, RecordHash)>,
    /// Where the relay had the last record.
    pub(super) at: Cursor,
    /// What this device's own records have told others of it.
    pub(super) reported: u64,
    /// What other members say they hold beyond `last`.
    pub(super) claims: Claims,
}

/// What a verified record is to its chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    /// The next one.
    Next,
    /// The next one, but it does not follow what this device holds, or was told of, at this number.
    NextOfFork(u64),
    /// Already here.
    Known,
    /// Another record stands here already: both are signed.
    Equivocation,
    /// Records before it are missing.
    Ahead,
    /// Records count from 1.
    Impossible,
}

impl Stream {
    /// Sets the baseline of a chain that may already hold records.
    pub(super) fn set_baseline(&mut self, seq: u64, hash: RecordHash) {
        if seq > self.last {
            self.baseline = Some((seq, hash));
        }
    }

    /// The highest number this device answers for: what it holds, or was told at pairing.
    pub(super) fn reach(&self) -> (u64, Option<RecordHash>) {
        self.open_baseline().map_or((self.last, self.head), |(seq, hash)| (seq, Some(hash)))
    }

    /// The highest number this device holds or has this member's word for.
    pub(super) fn heard_from(&self, by: DeviceId) -> u64 {
        self.claims.of(by).unwrap_or(0).max(self.last)
    }

    /// Whether this is a chain for its records' sake, not because somebody named it.
    pub(super) fn is_followed(&self) -> bool {
        // Records that wait for their predecessors leave a chain without any.
        self.last > 0 || self.baseline.is_some() || self.claims.is_empty()
    }

    /// Judges a verified record.
    pub(super) fn judge(&self, seq: u64, prev: RecordHash, hash: RecordHash) -> Judgement {
        let Some(before) = seq.checked_sub(1) else { return Judgement::Impossible };
        if seq <= self.last {
            return match self.known(seq) {
                Some(known) if known != short(hash) => Judgement::Equivocation,
                _ => Judgement::Known,
            };
        }
        let forked = match self.open_baseline() {
            Some((base, _)) if seq < base => None,
            Some((base, base_hash)) if seq == base => (base_hash != hash).then_some(base),
            Some((base, base_hash)) if before == base => (base_hash != prev).then_some(base),
            // The first record of an incarnation names the end of the one before, which is judged there.
            None if before == self.last => {
                (self.last > 0 && self.head.is_some_and(|head| head != prev)).then_some(before)
            }
            _ => return Judgement::Ahead,
        };
        forked.map_or(Judgement::Next, Judgement::NextOfFork)
    }

    /// Takes a record that was judged to be next.
    pub(super) fn accept(&mut self, seq: u64, hash: RecordHash, at: Cursor) {
        if seq != self.last.saturating_add(1) {
            self.window.clear();
        }
        self.last = seq;
        self.head = Some(hash);
        self.at = self.at.max(at);
        self.window.push_back(short(hash));
        if self.window.len() > WINDOW {
            self.window.pop_front();
        }
        self.claims.reached(self.last);
    }

    /// This device's own records from this number on were no records: their numbers are others'.
    pub(super) fn take_back(&mut self, from: u64, head: Option<RecordHash>) {
        let back = usize::try_from(self.last.saturating_sub(from).saturating_add(1)).unwrap_or(usize::MAX);
        self.window.truncate(self.window.len().saturating_sub(back));
        self.last = from.saturating_sub(1);
        self.head = head;
    }

    /// Judges what a member's `seen` says of this chain, and remembers what this device lacks.
    pub(super) fn named(&mut self, by: DeviceId, seq: u64, hash: ShortHash, now: Time) -> Word {
        let known = |differs| Word { differs, kept: false };
        if seq <= self.last {
            return known(self.known(seq).is_some_and(|known| known != hash));
        }
        match self.open_baseline() {
            Some((base, base_hash)) if seq <= base => known(seq == base && short(base_hash) != hash),
            _ => self.claims.note(by, seq, hash, now),
        }
    }

    /// A9: members that named another record for this number than the one that came.
    pub(super) fn disputed_by(&self, seq: u64, hash: RecordHash) -> Vec<DeviceId> {
        self.claims.against(seq, short(hash))
    }

    /// The records missing before `next`, unless a baseline covers them.
    pub(super) fn missing_before(&self, next: u64) -> Option<(u64, u64)> {
        let from = self.reach().0.checked_add(1)?;
        (from < next).then(|| (from, next - 1))
    }

    /// What this member named was looked for in vain; answers what is to be reported. It may still come: nothing after it is here.
    pub(super) fn tell_claim(&mut self, by: DeviceId) -> Option<(u64, u64)> {
        self.claims.tell(by, self.reach().0)
    }

    /// Gives up on everything before `next`; answers what is to be reported.
    pub(super) fn skip_before(&mut self, next: u64) -> Option<(u64, u64)> {
        let (from, to) = self.missing_before(next)?;
        let untold = self.claims.told_up_to(to).checked_add(1)?.max(from);
        self.last = to;
        self.head = None;
        self.window.clear();
        self.claims.reached(to);
        (untold <= to).then_some((untold, to))
    }

    /// The relay's log is another one: places in it mean nothing any more.
    pub(super) fn forget_place(&mut self) {
        self.at = Cursor(0);
    }

    /// Hash of the record at `seq`, if it is in the window.
    pub(super) fn known(&self, seq: u64) -> Option<ShortHash> {
        let back = usize::try_from(self.last.checked_sub(seq)?).ok()?;
        let index = self.window.len().checked_sub(back.checked_add(1)?)?;
        self.window.get(index).copied()
    }

    /// The baseline, while this device's own records do not reach it.
    fn open_baseline(&self) -> Option<(u64, RecordHash)> {
        self.baseline.filter(|(seq, _)| *seq > self.last)
    }
}

/// The first 8 bytes.
pub(super) fn short(hash: RecordHash) -> ShortHash {
    let mut out = [0; 8];
    out.copy_from_slice(&hash.0[..8]);
    out
}

#[cfg(test)]
mod tests;
