//! Token buckets: how much one origin or one proven device may ask for.
//!
//! Knows keys, amounts and time, nothing of links. Stored quotas (bytes, blobs, groups a day) are the store's; see
//! [`Append`](crate::relay::store::Append).
//!
//! Invariants: the table never holds more than its bound, whatever keys appear (G6); what falls out is the key unused for longest,
//! whose bucket has had the most time to fill again, so that forgetting it gives away the least.

use std::collections::BTreeMap;

use crate::time::{Duration, Time};

const MICROS: u128 = 1_000_000;

/// Buckets by key, all of one size and refill.
#[derive(Debug, Clone)]
pub(super) struct Buckets<K> {
    size: u64,
    per_second: u64,
    bound: usize,
    /// Uses so far: orders `by_use`.
    uses: u64,
    buckets: BTreeMap<K, Bucket>,
    by_use: BTreeMap<u64, K>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// In millionths, so that a slow refill is not lost to rounding however often it is asked.
    level: u128,
    at: Time,
    used: u64,
}

impl<K: Copy + Ord> Buckets<K> {
    /// Buckets that hold `size`, refill at `per_second`, and of which at most `bound` are remembered.
    pub(super) fn new(size: u64, per_second: u64, bound: usize) -> Self {
        Self { size, per_second, bound: bound.max(1), uses: 0, buckets: BTreeMap::new(), by_use: BTreeMap::new() }
    }

    /// Takes `amount` from the bucket of `key`, or answers how long to wait until it could be taken. An amount above the bucket's
    /// size is granted from a full bucket, else it never would be.
    pub(super) fn take(&mut self, now: Time, key: K, amount: u64) -> Result<(), Duration> {
        let full = u128::from(self.size) * MICROS;
        let mut bucket = self.touch(now, key, full);
        bucket.level = full.min(bucket.level + now.since(bucket.at).as_micros() * u128::from(self.per_second));
        bucket.at = now;
        let price = (u128::from(amount) * MICROS).min(full);
        let granted = bucket.level >= price;
        let missing = price.saturating_sub(bucket.level);
        if granted {
            bucket.level -= price;
        }
        self.buckets.insert(key, bucket);
        if granted { Ok(()) } else { Err(self.wait(missing)) }
    }

    fn wait(&self, missing: u128) -> Duration {
        let micros = missing.div_ceil(u128::from(self.per_second.max(1)));
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }

    /// The bucket of `key`, made the most recently used one; the least recently used one makes room for a new one.
    fn touch(&mut self, now: Time, key: K, full: u128) -> Bucket {
        self.uses += 1;
        let known = self.buckets.get(&key).copied();
        match known {
            Some(bucket) => {
                self.by_use.remove(&bucket.used);
            }
            None if self.buckets.len() >= self.bound => {
                if let Some((_, oldest)) = self.by_use.pop_first() {
                    self.buckets.remove(&oldest);
                }
            }
            None => {}
        }
        self.by_use.insert(self.uses, key);
        Bucket { used: self.uses, ..known.unwrap_or(Bucket { level: full, at: now, used: 0 }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_grants_its_size_and_then_its_refill() {
        let mut buckets = Buckets::new(3, 2, 8);
        let start = Time::from_secs(5);
        for _ in 0..3 {
            assert_eq!(buckets.take(start, 'a', 1), Ok(()));
        }
        assert_eq!(buckets.take(start, 'a', 1), Err(Duration::from_millis(500)));
        assert_eq!(buckets.take(start, 'b', 1), Ok(()), "another key has its own bucket");
        assert_eq!(buckets.take(start + Duration::from_millis(499), 'a', 1), Err(Duration::from_millis(1)));
        assert_eq!(buckets.take(start + Duration::from_millis(500), 'a', 1), Ok(()));
    }

    #[test]
    fn an_amount_above_the_size_passes_a_full_bucket_only() {
        let mut buckets = Buckets::new(10, 10, 8);
        assert_eq!(buckets.take(Time(0), 'a', 1000), Ok(()));
        assert_eq!(buckets.take(Time(0), 'a', 1000), Err(Duration::from_secs(1)));
    }

    #[test]
    fn g6_a_million_keys_leave_a_bounded_table() {
        let mut buckets = Buckets::new(1, 0, 100);
        assert_eq!(buckets.take(Time(0), u64::MAX, 1), Ok(()));
        for key in 0..1_000_000 {
            assert_eq!(buckets.take(Time(0), key, 1), Ok(()));
            if key % 50 == 0 {
                assert!(buckets.take(Time(0), u64::MAX, 1).is_err(), "a key in use is not the one forgotten");
            }
        }
        assert_eq!(buckets.buckets.len(), 100);
        assert_eq!(buckets.by_use.len(), 100);
    }
}
