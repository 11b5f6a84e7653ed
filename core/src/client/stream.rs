//! One chain of records as this device knows it, and the judgement of what claims to extend it.
//!
//! Pure bookkeeping: it opens nothing, verifies no signature and emits nothing. The caller passes records whose signature or run
//! has been verified. Numbers come from members, so any value may come: nothing here overflows.
//!
//! ```text
//!        baseline            last             wanted
//!  1 ──────┬──────────────────┬─────────────────┬────►
//!   nobody's fault     held, or given up   another device has it
//! ```
//!
//! Invariant: `last` only grows; the window holds the hashes of the records that end at `last` without a hole.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::{
    ids::{Cursor, RecordHash},
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
    /// The highest record another device was heard to hold beyond `last`.
    wanted: Option<(u64, ShortHash)>,
    /// Up to where records have been reported missing on another device's word. They may still come.
    told: u64,
    /// Since when something not yet reported is wanted, on this run's clock.
    #[serde(skip)]
    pub(super) wanted_since: Option<Time>,
}

/// What a verified record is to its chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    /// The next one.
    Next,
    /// The next one, but at this number two devices hold, or were told of, different records.
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

/// What a `seen` entry says about a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    /// Nothing new.
    Agrees,
    /// Another record was seen at this place.
    Differs,
    /// Records that this device lacks.
    Beyond,
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

    /// The highest number this device ever heard of.
    pub(super) fn heard_of(&self) -> u64 {
        self.wanted.map_or(self.last, |(seq, _)| seq.max(self.last))
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
        // A9: another device may have named this place before the record came.
        let named = self.wanted.filter(|(wanted, named)| *wanted == seq && *named != short(hash));
        forked.or(named.map(|(seq, _)| seq)).map_or(Judgement::Next, Judgement::NextOfFork)
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
        self.forget_wanted();
    }

    /// Judges what another device's `seen` says of this chain, and remembers what this device lacks.
    pub(super) fn named(&mut self, seq: u64, hash: ShortHash, now: Time) -> Naming {
        if seq <= self.last {
            return match self.known(seq) {
                Some(known) if known != hash => Naming::Differs,
                _ => Naming::Agrees,
            };
        }
        if let Some((base, base_hash)) = self.open_baseline()
            && seq <= base
        {
            return if seq == base && short(base_hash) != hash { Naming::Differs } else { Naming::Agrees };
        }
        if self.wanted.is_some_and(|(wanted, named)| wanted == seq && named != hash) {
            // Two other devices were shown different records.
            return Naming::Differs;
        }
        if self.heard_of() >= seq {
            return Naming::Agrees;
        }
        self.wanted = Some((seq, hash));
        self.wanted_since.get_or_insert(now);
        Naming::Beyond
    }

    /// The records missing before `next`, unless a baseline covers them.
    pub(super) fn missing_before(&self, next: u64) -> Option<(u64, u64)> {
        let from = self.reach().0.checked_add(1)?;
        (from < next).then(|| (from, next - 1))
    }

    /// The records another device holds, this one lacks, and nobody was told of.
    pub(super) fn missing_wanted(&self) -> Option<(u64, u64)> {
        let (to, _) = self.wanted?;
        let from = self.reach().0.max(self.told).checked_add(1)?;
        (from <= to).then_some((from, to))
    }

    /// Everything wanted has been reported missing. It may still come: nothing after it is here.
    pub(super) fn tell_wanted(&mut self) {
        self.told = self.told.max(self.heard_of());
        self.wanted_since = None;
    }

    /// Gives up on everything before `next`; answers what is to be reported.
    pub(super) fn skip_before(&mut self, next: u64) -> Option<(u64, u64)> {
        let (from, to) = self.missing_before(next)?;
        let untold = self.told.checked_add(1).map(|untold| untold.max(from)).filter(|untold| *untold <= to);
        self.last = to;
        self.head = None;
        self.window.clear();
        self.forget_wanted();
        untold.map(|from| (from, to))
    }

    /// The store was read: what is wanted is waited for from now on.
    pub(super) fn resume(&mut self, now: Time) {
        self.wanted_since = self.missing_wanted().map(|_| now);
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

    fn forget_wanted(&mut self) {
        if self.wanted.is_some_and(|(wanted, _)| wanted <= self.last) {
            self.wanted = None;
            self.wanted_since = None;
        }
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
