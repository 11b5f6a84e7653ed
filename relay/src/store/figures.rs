//! What the store counts for `/metrics` and `/health`. Totals only: no figure names a group or a device (G18).

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use zerok_core::relay::store::{RelayOutcome, Stored};

/// Upper bounds of the commit histogram, microseconds.
pub const COMMIT_BOUNDS: [u64; 8] = [250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 250_000];

/// Counters of one store. Read them one by one: they need not agree to the last unit.
#[derive(Debug, Default)]
pub struct Figures {
    /// Durable commits.
    pub commits: AtomicU64,
    /// Total time of commits, microseconds.
    pub commit_micros: AtomicU64,
    /// Commits at or below each bound of [`COMMIT_BOUNDS`].
    pub commit_buckets: [AtomicU64; COMMIT_BOUNDS.len()],
    /// Blobs stored.
    pub stored: AtomicU64,
    /// Blobs that were there already.
    pub duplicates: AtomicU64,
    /// Blobs refused.
    pub refused: AtomicU64,
    /// Whether the last attempt to store found no room.
    pub full: AtomicBool,
    /// Whether the store failed for good.
    pub failed: AtomicBool,
}

impl Figures {
    /// Counts one commit.
    pub(super) fn committed(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.commit_micros.fetch_add(micros, Ordering::Relaxed);
        for (bound, bucket) in COMMIT_BOUNDS.iter().zip(&self.commit_buckets) {
            if micros <= *bound {
                bucket.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Counts what a batch did.
    pub(super) fn count(&self, outcomes: &[RelayOutcome]) {
        let (mut stored, mut duplicates, mut refused) = (0, 0, 0);
        for outcome in outcomes {
            if let RelayOutcome::Appended { results, .. } = outcome {
                for result in results {
                    match result {
                        Stored::At(_) => stored += 1,
                        Stored::Duplicate(_) => duplicates += 1,
                        Stored::Refused(_) => refused += 1,
                    }
                }
            }
        }
        if stored > 0 {
            self.full.store(false, Ordering::Relaxed);
        }
        self.stored.fetch_add(stored, Ordering::Relaxed);
        self.duplicates.fetch_add(duplicates, Ordering::Relaxed);
        self.refused.fetch_add(refused, Ordering::Relaxed);
    }
}
