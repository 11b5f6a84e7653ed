//! What other members say they hold of a chain beyond what is here.
//!
//! Pure bookkeeping. A member may say anything, so each one's word stands for itself: whoever lies about a chain hides nothing that
//! another one tells of it, and answers for it by name. One word a member is kept, the highest, so there are never more than members.
//!
//! Invariants: every word names a number beyond the chain's end; `told` never exceeds `seq`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{client::stream::ShortHash, ids::DeviceId, time::Time};

/// One member's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Claim {
    /// The highest record it named.
    seq: u64,
    hash: ShortHash,
    /// Which record it had named when records were last reported missing on its word. They may still come.
    told: Option<(u64, ShortHash)>,
    /// Since when something not yet reported is waited for, on this run's clock.
    #[serde(skip)]
    since: Option<Time>,
}

/// The words of all members about one chain.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub(super) struct Claims(BTreeMap<DeviceId, Claim>);

/// What a word is beside those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word {
    /// It names another record than somebody did for the same number.
    pub(super) differs: bool,
    /// It is kept.
    pub(super) kept: bool,
}

impl Claims {
    /// A member names a record beyond the chain's end.
    pub(super) fn note(&mut self, by: DeviceId, seq: u64, hash: ShortHash, now: Time) -> Word {
        let differs = self.0.values().any(|claim| claim.seq == seq && claim.hash != hash);
        let new = Claim { seq, hash, told: None, since: Some(now) };
        let kept = match self.0.get_mut(&by) {
            Some(claim) if claim.seq >= seq => false,
            Some(claim) => {
                let since = claim.since.or(new.since);
                *claim = Claim { told: claim.told, since, ..new };
                true
            }
            None => {
                self.0.insert(by, new);
                true
            }
        };
        Word { differs, kept }
    }

    /// The highest number this member named.
    pub(super) fn of(&self, by: DeviceId) -> Option<u64> {
        self.0.get(&by).map(|claim| claim.seq)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Who named another record for this number.
    pub(super) fn against(&self, seq: u64, hash: ShortHash) -> Vec<DeviceId> {
        self.0.iter().filter(|(_, claim)| claim.seq == seq && claim.hash != hash).map(|(by, _)| *by).collect()
    }

    /// Words that were not reported: number, author, and since when.
    pub(super) fn untold(&self) -> impl Iterator<Item = (u64, DeviceId, Time)> {
        self.0.iter().filter_map(|(by, claim)| Some((claim.seq, *by, claim.since?)))
    }

    /// Everything this member named has been looked for in vain. Answers what is to be reported: all of it beyond `reach` that is
    /// not in reports of lower numbers, and nothing if another member was reported with the very same record.
    pub(super) fn tell(&mut self, by: DeviceId, reach: u64) -> Option<(u64, u64)> {
        let claim = self.0.get_mut(&by)?;
        let (seq, end) = (claim.seq, (claim.seq, claim.hash));
        claim.since = None;
        let earlier = claim.told.replace(end);
        let others = self.0.iter().filter(|(other, _)| **other != by).filter_map(|(_, claim)| claim.told);
        let reports: Vec<(u64, ShortHash)> = others.chain(earlier).collect();
        let known = reports.contains(&end);
        let from = reports.into_iter().map(|(told, _)| told).filter(|told| *told < seq).max();
        let from = from.unwrap_or(0).max(reach).checked_add(1)?;
        (!known && from <= seq).then_some((from, seq))
    }

    /// The highest number up to this one that was reported missing.
    pub(super) fn told_up_to(&self, to: u64) -> u64 {
        self.0
            .values()
            .filter_map(|claim| claim.told)
            .map(|(told, _)| told)
            .filter(|told| *told <= to)
            .max()
            .unwrap_or(0)
    }

    /// The chain has come so far: what was said of that is settled.
    pub(super) fn reached(&mut self, last: u64) {
        self.0.retain(|_, claim| claim.seq > last);
    }

    /// The store was read: what is not reported is waited for from now on.
    pub(super) fn resume(&mut self, now: Time) {
        for claim in self.0.values_mut() {
            claim.since = claim.told.is_none_or(|(told, _)| told < claim.seq).then_some(now);
        }
    }
}
