//! One chain of records as this device knows it, and the judgement of what claims to extend it.
//!
//! Pure bookkeeping: it opens nothing, verifies no signature and emits nothing. The caller passes records whose signature or run
//! has been verified.
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
    /// Another device holds up to here.
    wanted: Option<(u64, ShortHash)>,
    /// Since when, on this run's clock.
    #[serde(skip)]
    pub(super) wanted_since: Option<Time>,
}

/// What a verified record is to its chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    /// The next one.
    Next,
    /// The next one, but it names another predecessor than this device holds.
    NextOfFork,
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
        match self.baseline {
            Some((seq, hash)) if seq > self.last => (seq, Some(hash)),
            _ => (self.last, self.head),
        }
    }

    /// Judges a verified record.
    pub(super) fn judge(&self, seq: u64, prev: RecordHash, hash: RecordHash) -> Judgement {
        if seq == 0 {
            return Judgement::Impossible;
        }
        if seq <= self.last {
            return match self.known(seq) {
                Some(known) if known != short(hash) => Judgement::Equivocation,
                _ => Judgement::Known,
            };
        }
        let agrees = |expected: Option<RecordHash>, got: RecordHash| expected.is_none_or(|expected| expected == got);
        if let Some((base, base_hash)) = self.baseline {
            if seq == base && seq > self.last {
                return if base_hash == hash { Judgement::Next } else { Judgement::Equivocation };
            }
            if seq <= base {
                return Judgement::Next;
            }
            if self.last < base && seq == base + 1 {
                return if prev == base_hash { Judgement::Next } else { Judgement::NextOfFork };
            }
        }
        if seq == self.last + 1 {
            // The first record of an incarnation names the end of the one before, which is judged there.
            return if self.last == 0 || agrees(self.head, prev) { Judgement::Next } else { Judgement::NextOfFork };
        }
        Judgement::Ahead
    }

    /// Takes a record that was judged to be next.
    pub(super) fn accept(&mut self, seq: u64, hash: RecordHash, at: Cursor) {
        if seq != self.last + 1 {
            self.window.clear();
        }
        self.last = seq;
        self.head = Some(hash);
        self.at = self.at.max(at);
        self.window.push_back(short(hash));
        if self.window.len() > WINDOW {
            self.window.pop_front();
        }
        if self.wanted.is_some_and(|(seq, _)| seq <= self.last) {
            self.wanted = None;
            self.wanted_since = None;
        }
    }

    /// Judges what another device's `seen` says of this chain, and remembers what this device lacks.
    pub(super) fn named(&mut self, seq: u64, hash: ShortHash, now: Time) -> Naming {
        if seq <= self.last {
            return match self.known(seq) {
                Some(known) if known != hash => Naming::Differs,
                _ => Naming::Agrees,
            };
        }
        if let Some((base, base_hash)) = self.baseline
            && seq <= base
        {
            return if seq == base && short(base_hash) != hash { Naming::Differs } else { Naming::Agrees };
        }
        if self.wanted.is_none_or(|(wanted, _)| wanted < seq) {
            self.wanted = Some((seq, hash));
        }
        self.wanted_since.get_or_insert(now);
        Naming::Beyond
    }

    /// The records missing before `next`, unless a baseline covers them.
    pub(super) fn missing_before(&self, next: u64) -> Option<(u64, u64)> {
        let from = self.last.max(self.baseline.map_or(0, |(seq, _)| seq)) + 1;
        (from < next).then(|| (from, next - 1))
    }

    /// The records another device holds and this one lacks.
    pub(super) fn missing_wanted(&self) -> Option<(u64, u64)> {
        self.wanted.and_then(|(seq, _)| self.missing_before(seq + 1))
    }

    /// Gives up on everything up to and including `seq`.
    pub(super) fn skip(&mut self, seq: u64) {
        if seq > self.last {
            self.last = seq;
            self.head = None;
            self.window.clear();
        }
        if self.wanted.is_some_and(|(wanted, _)| wanted <= self.last) {
            self.wanted = None;
            self.wanted_since = None;
        }
    }

    /// The relay's log is another one: places in it mean nothing any more.
    pub(super) fn forget_place(&mut self) {
        self.at = Cursor(0);
    }

    /// Hash of the record at `seq`, if it is in the window.
    pub(super) fn known(&self, seq: u64) -> Option<ShortHash> {
        let back = usize::try_from(self.last.checked_sub(seq)?).ok()?;
        let index = self.window.len().checked_sub(back + 1)?;
        self.window.get(index).copied()
    }
}

/// The first 8 bytes.
pub(super) fn short(hash: RecordHash) -> ShortHash {
    let mut out = [0; 8];
    out.copy_from_slice(&hash.0[..8]);
    out
}
