//! Token buckets, and slots that come back with time: how much one origin or one proven device may ask for.
//!
//! Knows keys, amounts and time, nothing of links. Stored quotas (bytes, blobs, groups a day) are the store's; see
//! [`Append`](crate::relay::store::Append).
//!
//! Invariants: the table never holds more than its bound, whatever keys appear (G6); what falls out is the key unused for longest,
//! whose bucket has had the most time to fill again, so that forgetting it gives away the least.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::time::{Duration, Time};

const MICROS: u128 = 1_000_000;

/// Buckets by key, all of one size and refill.
#[derive(Debug, Clone, Hash)]
pub(super) struct Buckets<K> {
    size: u64,
    per_second: u64,
    bound: usize,
    /// Uses so far: orders `by_use`.
    uses: u64,
    buckets: BTreeMap<K, Bucket>,
    by_use: BTreeMap<u64, K>,
}

#[derive(Debug, Clone, Copy, Hash)]
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
        let known = self.buckets.get(&key).copied();
        if let Some(newest) = known.filter(|bucket| bucket.used == self.uses) {
            // As each blob of a run after the first finds it.
            return newest;
        }
        self.uses += 1;
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

/// Things an owner may have had within a time. Each holds its slot until its time is over, ended before or not: what it left on the
/// disk stays that long too.
#[derive(Debug, Clone, Hash)]
pub(super) struct Slots<O, T> {
    each: usize,
    all: usize,
    lasting: Duration,
    /// The oldest first.
    ends: VecDeque<(Time, O, T)>,
    taken: BTreeSet<T>,
    owners: BTreeMap<O, usize>,
}

impl<O: Copy + Ord, T: Copy + Ord> Slots<O, T> {
    /// `each` for every owner and `all` in all.
    pub(super) fn new(each: usize, all: usize, lasting: Duration) -> Self {
        Self { each, all, lasting, ends: VecDeque::new(), taken: BTreeSet::new(), owners: BTreeMap::new() }
    }

    /// Takes slots for all of these or for none. What has one already needs no other. Answers whether there is room.
    pub(super) fn take(&mut self, now: Time, owner: O, things: &[T]) -> bool {
        self.free(now);
        let new: BTreeSet<T> = things.iter().filter(|thing| !self.taken.contains(thing)).copied().collect();
        let had = self.owners.get(&owner).copied().unwrap_or_default();
        if !new.is_empty() && (had + new.len() > self.each || self.taken.len() + new.len() > self.all) {
            return false;
        }
        for thing in new {
            *self.owners.entry(owner).or_default() += 1;
            self.taken.insert(thing);
            self.ends.push_back((now + self.lasting, owner, thing));
        }
        true
    }

    fn free(&mut self, now: Time) {
        while self.ends.front().is_some_and(|(end, ..)| *end <= now)
            && let Some((_, owner, thing)) = self.ends.pop_front()
        {
            self.taken.remove(&thing);
            if let Some(count) = self.owners.get_mut(&owner) {
                *count -= 1;
                if *count == 0 {
                    self.owners.remove(&owner);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_come_back_with_time_and_are_taken_together_or_not_at_all() {
        let mut slots = Slots::new(3, 4, Duration::from_secs(10));
        assert!(slots.take(Time(0), 'a', &[1, 2]));
        assert!(slots.take(Time(0), 'a', &[1, 2]), "it has these");
        assert!(!slots.take(Time(0), 'a', &[3, 4]), "more than each may have");
        assert!(slots.take(Time::from_secs(1), 'a', &[3]), "nothing was taken by the refusal");
        assert!(!slots.take(Time::from_secs(1), 'b', &[5, 6]), "more than all may have");
        assert!(slots.take(Time::from_secs(1), 'b', &[5]));
        assert!(slots.take(Time::from_secs(10), 'a', &[6, 7]));
        assert!(!slots.take(Time::from_secs(10), 'c', &[8]));
        assert!(slots.take(Time::from_secs(20), 'c', &[8, 9, 10]));
        assert_eq!((slots.ends.len(), slots.taken.len(), slots.owners.len()), (3, 3, 1));
    }

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
