//! The gate: nothing becomes visible before what it rests on is durable.
//!
//! A machine changes its memory at once and emits the batch; every consequence of the batch (frame, reply, event) waits here until
//! the store says that the batch is durable. The driver never sees a held output, so it cannot get the order wrong.
//!
//! Invariant: outputs leave in the order in which they entered, except those emitted "now", which depend on no batch.

use std::collections::VecDeque;

use crate::ids::BatchId;

/// Numbers batches and holds outputs behind them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Gate<O> {
    newest: BatchId,
    durable: BatchId,
    held: VecDeque<(BatchId, O)>,
}

impl<O> Default for Gate<O> {
    fn default() -> Self {
        Self { newest: BatchId(0), durable: BatchId(0), held: VecDeque::new() }
    }
}

impl<O> Gate<O> {
    /// The number of the next batch; what is held from now on waits for it.
    pub fn batch(&mut self) -> BatchId {
        self.newest = self.newest.next();
        self.newest
    }

    /// The newest batch.
    pub fn newest(&self) -> BatchId {
        self.newest
    }

    /// Whether every batch is durable.
    pub fn is_clear(&self) -> bool {
        self.durable == self.newest
    }

    /// Passes an output through, or holds it until the newest batch is durable.
    pub fn hold(&mut self, output: O) -> Option<O> {
        if self.is_clear() && self.held.is_empty() {
            return Some(output);
        }
        self.held.push_back((self.newest, output));
        None
    }

    /// Everything up to `batch` is durable. Answers false for a batch that was never numbered.
    pub fn durable(&mut self, batch: BatchId) -> bool {
        if batch > self.newest {
            return false;
        }
        self.durable = self.durable.max(batch);
        true
    }

    /// The next output whose batch is durable.
    pub fn release(&mut self) -> Option<O> {
        match self.held.front() {
            Some((batch, _)) if *batch <= self.durable => self.held.pop_front().map(|(_, output)| output),
            _ => None,
        }
    }

    /// Drops held outputs that fail the test: a link ended, the store failed.
    pub fn retain(&mut self, mut keep: impl FnMut(&O) -> bool) {
        self.held.retain(|(_, output)| keep(output));
    }

    /// The store was read again from disk: whatever was in flight either happened or did not, and nothing waits any more.
    pub fn reopen(&mut self) {
        self.durable = self.newest;
        self.held.clear();
    }
}
