//! Deadlines by name: at most one per key, fired in order of time.
//!
//! Firing removes the timer first, so that a due timer is never offered twice and a driver cannot spin.

use std::collections::{BTreeMap, BTreeSet};

use crate::time::Time;

/// A set of named deadlines.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Timers<K> {
    order: BTreeSet<(Time, K)>,
    at: BTreeMap<K, Time>,
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self { order: BTreeSet::new(), at: BTreeMap::new() }
    }
}

impl<K: Copy + Ord> Timers<K> {
    /// Sets or moves a timer.
    pub fn set(&mut self, key: K, time: Time) {
        self.cancel(key);
        self.at.insert(key, time);
        self.order.insert((time, key));
    }

    /// Sets a timer unless it runs already.
    pub fn start(&mut self, key: K, time: Time) {
        if !self.at.contains_key(&key) {
            self.set(key, time);
        }
    }

    /// Removes a timer, if it runs.
    pub fn cancel(&mut self, key: K) {
        if let Some(time) = self.at.remove(&key) {
            self.order.remove(&(time, key));
        }
    }

    /// When this timer fires, if it runs.
    pub fn when(&self, key: K) -> Option<Time> {
        self.at.get(&key).copied()
    }

    /// The earliest deadline.
    pub fn deadline(&self) -> Option<Time> {
        self.order.first().map(|(time, _)| *time)
    }

    /// Removes and answers a timer that is due.
    pub fn fire(&mut self, now: Time) -> Option<K> {
        let (time, key) = *self.order.first()?;
        (time <= now).then(|| {
            self.cancel(key);
            key
        })
    }
}
