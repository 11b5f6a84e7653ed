//! The thread on which a store works, and group commit.
//!
//! One queue in, one channel out. Everything queued while the last transaction was syncing goes into the next one, without a
//! timer: an idle store commits at once, a busy one commits in groups. A load waits for every batch before it.
//!
//! Invariants: a batch is acknowledged after its transaction is durable and never before an earlier one (D6). After a failure no
//! batch succeeds any more; after one that [may pass](StoreFailure::may_pass) until the store was read again, since a later batch may rest on the lost one.

use std::{
    collections::VecDeque,
    sync::mpsc::{Receiver, SendError, Sender, channel},
    thread::JoinHandle,
};

use tokio::sync::mpsc::UnboundedSender;
use zerok_core::{
    ids::BatchId,
    machine::{StoreFailure, StoreInput, StoreOutput, StoreRole},
};

/// Most operations of one transaction. A bound for its memory; reached only under load.
const GROUP: usize = 4096;

/// A store that blocks, as the worker drives it.
pub trait Disk<R: StoreRole>: Send + 'static {
    /// Applies these batches in one durable transaction, all or nothing. Answers the outcomes of each batch.
    ///
    /// # Errors
    /// Nothing was applied.
    fn commit(&mut self, batches: Vec<Vec<R::Op>>) -> Result<Vec<Vec<R::Outcome>>, StoreFailure>;

    /// Answers a question about what is committed.
    ///
    /// # Errors
    /// It cannot be read.
    fn load(&mut self, query: R::Query) -> Result<R::Answer, StoreFailure>;

    /// Whether this question reads everything, so that a machine that asks it starts from what is on disk.
    fn reopens(query: &R::Query) -> bool;
}

/// The way to a store's thread. Dropping it lets the thread finish what is queued.
#[derive(Debug)]
pub struct Worker<R: StoreRole> {
    jobs: Sender<StoreOutput<R>>,
    answers: UnboundedSender<StoreInput<R>>,
    thread: JoinHandle<()>,
}

impl<R: StoreRole + 'static> Worker<R>
where
    R::Op: Send,
    R::Outcome: Send,
    R::Query: Send,
    R::Answer: Send,
{
    /// Starts the thread. Answers go to `answers`.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(name: &str, disk: impl Disk<R>, answers: UnboundedSender<StoreInput<R>>) -> std::io::Result<Self> {
        let (jobs, queue) = channel();
        let answering = answers.clone();
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || work(disk, &queue, &answering))?;
        Ok(Self { jobs, answers, thread })
    }

    /// Queues a batch or a load.
    pub fn perform(&self, output: StoreOutput<R>) {
        if let Err(SendError(lost)) = self.jobs.send(output) {
            // The thread has panicked. Silence would leave everything waiting for ever.
            let failure = StoreFailure::Io;
            let _gone = self.answers.send(match lost {
                StoreOutput::Persist { batch, .. } => StoreInput::PersistFailed { batch, failure },
                StoreOutput::Load { load, .. } => StoreInput::Loaded { load, answer: Err(failure) },
            });
        }
    }

    /// Finishes what is queued, closes the store and waits for it. Blocks.
    pub fn finish(self) {
        drop(self.jobs);
        let _panicked = self.thread.join();
    }
}

fn work<R: StoreRole, D: Disk<R>>(
    mut disk: D,
    queue: &Receiver<StoreOutput<R>>,
    answers: &UnboundedSender<StoreInput<R>>,
) {
    let mut waiting = VecDeque::new();
    let mut refusing = None;
    loop {
        if waiting.is_empty() {
            let Ok(first) = queue.recv() else { return };
            waiting.push_back(first);
        }
        waiting.extend(queue.try_iter());
        let (batches, operations) = take_group(&mut waiting);
        if !batches.is_empty() {
            let result = refusing.map_or_else(|| disk.commit(operations), Err);
            refusing = result.as_ref().err().copied();
            report(&batches, result, answers);
        }
        if let Some(StoreOutput::Load { load, query }) = take_load(&mut waiting) {
            if refusing.is_some_and(StoreFailure::may_pass) && D::reopens(&query) {
                refusing = None;
            }
            let answer = disk.load(query);
            // Nobody listens when the driver is gone; what was queued before is committed all the same.
            let _gone = answers.send(StoreInput::Loaded { load, answer });
        }
    }
}

/// The batches at the front of the queue, as many as one transaction takes.
fn take_group<R: StoreRole>(waiting: &mut VecDeque<StoreOutput<R>>) -> (Vec<BatchId>, Vec<Vec<R::Op>>) {
    let (mut batches, mut operations, mut count) = (Vec::new(), Vec::new(), 0);
    while count < GROUP {
        match waiting.pop_front() {
            Some(StoreOutput::Persist { batch, ops }) => {
                count += ops.len();
                batches.push(batch);
                operations.push(ops);
            }
            Some(load) => {
                waiting.push_front(load);
                break;
            }
            None => break,
        }
    }
    (batches, operations)
}

fn take_load<R: StoreRole>(waiting: &mut VecDeque<StoreOutput<R>>) -> Option<StoreOutput<R>> {
    matches!(waiting.front(), Some(StoreOutput::Load { .. })).then(|| waiting.pop_front()).flatten()
}

/// Tells what became of a group. Batches with nothing to report are covered by the next acknowledgement.
fn report<R: StoreRole>(
    batches: &[BatchId],
    result: Result<Vec<Vec<R::Outcome>>, StoreFailure>,
    answers: &UnboundedSender<StoreInput<R>>,
) {
    match result {
        Ok(outcomes) => {
            let last = batches.len() - 1;
            for (index, (batch, outcomes)) in batches.iter().zip(outcomes).enumerate() {
                if index == last || !outcomes.is_empty() {
                    let _gone = answers.send(StoreInput::Persisted { batch: *batch, outcomes });
                }
            }
        }
        Err(failure) => {
            for batch in batches {
                let _gone = answers.send(StoreInput::PersistFailed { batch: *batch, failure });
            }
        }
    }
}
