//! The writer thread: every machine's batches, in the order of submission, in as few durable commits as their arrival allows.
//!
//! Group commit without a timer: whatever queued while the last commit synced makes up the next one. A lone batch therefore waits
//! for nobody, and under load one sync serves hundreds of pushes.
//!
//! ```text
//!            a full disk: this batch and the machine's later ones are refused
//!   Serving ─────────────────────────────────────────────► Latched(machine)
//!     ▲ │                    Query::Open of that machine          │
//!     │ └───────────────◄─────────────────────────────────────────┘
//!     │ reading, writing or syncing failed
//!     └──────────────► Poisoned: everything is refused; only a new process may look at the disk again
//! ```
//!
//! A commit that fails for want of room is rolled back and its batches are tried singly, so that only those that need room fail
//! and deletes go on (G9). Replies leave after the commit, in order.

use std::{
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError, TryRecvError},
    },
    time::{Duration, Instant},
};

use rusqlite::Connection;
use zerok_core::{
    ids::{BatchId, LoadId},
    machine::{StoreFailure, StoreInput},
    relay::store::{RelayOp, RelayOutcome, RelayQuery, RelayStore},
    time::UnixMillis,
};

use super::{
    Shared,
    digests::Digests,
    disk::Disk,
    load,
    schema::PAGE,
    sweep::{self, Moved},
    transaction::{Transaction, Trouble},
};

/// Operations in one commit. A run of blobs counts as many as it has blobs.
const MAX_OPS: usize = 512;
/// Payload bytes in one commit, which bounds the log's growth between two checkpoints.
const MAX_BYTES: usize = 16 << 20;
/// Pages that only deletes may use when the database is at its configured size.
const SPARE_PAGES: u64 = 512;
/// Without work for this long the write-ahead log is moved into the database, so that the next burst starts on written ground.
const QUIET: Duration = Duration::from_secs(1);

/// What the writer is asked to do.
#[derive(Debug)]
pub(super) enum Job {
    Persist { machine: usize, batch: BatchId, ops: Vec<RelayOp> },
    Load { machine: usize, load: LoadId, query: RelayQuery },
}

/// What a machine is owed once the commit is through.
enum Reply {
    Committed {
        machine: usize,
        batch: BatchId,
        outcomes: Vec<RelayOutcome>,
        touched: Touched,
    },
    Failed {
        machine: usize,
        batch: BatchId,
        failure: StoreFailure,
        touched: Touched,
    },
    /// To be answered by the machine's reader, now that what came before is visible.
    Read {
        machine: usize,
        load: LoadId,
        query: RelayQuery,
    },
}

type Touched = Vec<super::Topic>;

/// The thread's state.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) conn: Connection,
    pub(super) jobs: Receiver<Job>,
    pub(super) shared: Arc<Shared>,
    pub(super) disk: Disk,
    /// Pages the database may have, if it is bounded.
    pub(super) max_pages: Option<u64>,
    digests: Digests,
    latched: Vec<bool>,
    poisoned: Option<StoreFailure>,
    moved: Moved,
    today: i64,
}

impl Writer {
    pub(super) fn new(
        conn: Connection,
        jobs: Receiver<Job>,
        shared: Arc<Shared>,
        disk: Disk,
        max_bytes: Option<u64>,
    ) -> Result<Self, rusqlite::Error> {
        let machines = shared.lanes.len();
        let writer = Self {
            conn,
            jobs,
            shared,
            disk,
            max_pages: max_bytes.map(|bytes| (bytes / u64::from(PAGE)).max(1)),
            digests: Digests::default(),
            latched: vec![false; machines],
            poisoned: None,
            moved: Moved::default(),
            today: 0,
        };
        writer.limit_pages(0)?;
        Ok(writer)
    }

    /// Serves until every sender is gone. Gives the connection back: it must be the last one closed, because only then does SQLite
    /// move the rest of the write-ahead log into the database.
    pub(super) fn run(mut self) -> Connection {
        let mut quiet = true;
        loop {
            let first = if self.moved.more() && self.poisoned.is_none() {
                match self.jobs.try_recv() {
                    Ok(job) => Some(job),
                    Err(TryRecvError::Empty) => None,
                    Err(TryRecvError::Disconnected) => break,
                }
            } else if quiet {
                match self.jobs.recv() {
                    Ok(job) => Some(job),
                    Err(_) => break,
                }
            } else {
                match self.jobs.recv_timeout(QUIET) {
                    Ok(job) => Some(job),
                    Err(RecvTimeoutError::Timeout) => {
                        self.checkpoint();
                        quiet = true;
                        continue;
                    }
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            };
            quiet = false;
            match first {
                Some(first) => {
                    let jobs = self.gather(first);
                    self.serve(&jobs);
                }
                None => self.finish_sweep(),
            }
        }
        self.checkpoint();
        self.conn
    }

    /// The first job and whatever else has queued, within one commit's bounds.
    fn gather(&self, first: Job) -> Vec<Job> {
        let (mut ops, mut bytes) = weight(&first);
        let mut jobs = vec![first];
        while ops < MAX_OPS && bytes < MAX_BYTES {
            let Ok(job) = self.jobs.try_recv() else { break };
            let (more_ops, more_bytes) = weight(&job);
            ops += more_ops;
            bytes += more_bytes;
            jobs.push(job);
        }
        jobs
    }

    fn serve(&mut self, jobs: &[Job]) {
        let started = Instant::now();
        if self.poisoned.is_none() && self.disk.is_low() {
            // Nothing that needs room is even tried, so it makes no difference who shares a commit with whom.
            return self.singly(jobs);
        }
        match self.attempt(jobs) {
            Ok(replies) => {
                self.shared.figures.committed(started.elapsed());
                self.deliver(replies);
            }
            Err(trouble) if trouble.failure() == StoreFailure::Full => self.singly(jobs),
            Err(trouble) => {
                self.poison(&trouble);
                self.refuse(jobs);
            }
        }
    }

    /// All jobs in one transaction.
    fn attempt(&mut self, jobs: &[Job]) -> Result<Vec<Reply>, Trouble> {
        if let Some(failure) = self.poisoned {
            return Ok(jobs.iter().map(|job| refused(job, failure)).collect());
        }
        let (mut latched, mut moved, mut today) = (self.latched.clone(), self.moved.clone(), self.today);
        let mut tx = Transaction::begin(&self.conn, &mut self.digests)?;
        let mut replies = Vec::with_capacity(jobs.len());
        for job in jobs {
            match apply(&mut tx, job, &mut latched, &mut moved, &mut today) {
                Ok(reply) => replies.push(reply),
                Err(trouble) => {
                    tx.abandon();
                    return Err(trouble);
                }
            }
        }
        tx.commit()?;
        #[cfg(feature = "sync-delay")]
        super::sync_delay::wait();
        (self.latched, self.moved, self.today) = (latched, moved, today);
        Ok(replies)
    }

    /// Every job in a transaction of its own; those that only free room may use the spare pages.
    fn singly(&mut self, jobs: &[Job]) {
        for job in jobs {
            let started = Instant::now();
            let frees = frees(job);
            let low = !frees && !matches!(job, Job::Load { .. }) && self.disk.is_low();
            let spare = if frees { SPARE_PAGES } else { 0 };
            let done = match self.limit_pages(spare) {
                _ if low => Err(Trouble::Reserve),
                Err(error) => Err(error.into()),
                Ok(()) => self.attempt(std::slice::from_ref(job)),
            };
            match done {
                Ok(replies) => {
                    self.shared.figures.committed(started.elapsed());
                    self.deliver(replies);
                }
                Err(trouble) if trouble.failure() == StoreFailure::Full => {
                    tracing::warn!(%trouble, "the store has no room");
                    self.shared.figures.full.store(true, Ordering::Relaxed);
                    if let Job::Persist { machine, .. } = job {
                        self.latched[*machine] = true;
                    }
                    self.deliver(vec![refused(job, StoreFailure::Full)]);
                }
                Err(trouble) => {
                    self.poison(&trouble);
                    self.refuse(std::slice::from_ref(job));
                }
            }
        }
        if let Err(error) = self.limit_pages(0) {
            self.poison(&error.into());
        }
    }

    /// Deletes another chunk of what the last sweep left.
    fn finish_sweep(&mut self) {
        let done = Transaction::begin(&self.conn, &mut self.digests).and_then(|mut tx| {
            match sweep::chunk(&mut tx, self.today, &mut self.moved) {
                Ok(()) => tx.commit(),
                Err(trouble) => {
                    tx.abandon();
                    Err(trouble)
                }
            }
        });
        match done {
            Ok(()) => {}
            // The next sweep goes on with it.
            Err(trouble) if trouble.failure() == StoreFailure::Full => self.moved = Moved::default(),
            Err(trouble) => self.poison(&trouble),
        }
    }

    fn deliver(&mut self, replies: Vec<Reply>) {
        for reply in replies {
            match reply {
                Reply::Committed { machine, batch, outcomes, touched } => {
                    self.shared.figures.count(&outcomes);
                    self.shared.lanes[machine].settle(&touched);
                    self.shared.deliver(machine, StoreInput::Persisted { batch, outcomes });
                }
                Reply::Failed { machine, batch, failure, touched } => {
                    self.shared.lanes[machine].settle(&touched);
                    self.shared.deliver(machine, StoreInput::PersistFailed { batch, failure });
                }
                Reply::Read { machine, load, query } => self.shared.read(machine, load, query),
            }
        }
    }

    fn refuse(&mut self, jobs: &[Job]) {
        let failure = self.poisoned.unwrap_or(StoreFailure::Io);
        let replies = jobs.iter().map(|job| refused(job, failure)).collect();
        self.deliver(replies);
    }

    fn poison(&mut self, trouble: &Trouble) {
        let failure = trouble.failure();
        tracing::error!(%trouble, "the store failed; nothing more is written before a restart");
        self.poisoned = Some(failure);
        self.shared.figures.failed.store(true, Ordering::Relaxed);
        self.shared.poison(failure);
    }

    fn limit_pages(&self, spare: u64) -> Result<(), rusqlite::Error> {
        self.max_pages.map_or(Ok(()), |pages| {
            let limit = i64::try_from(pages + spare).unwrap_or(i64::MAX);
            self.conn.pragma_update_and_check(None, "max_page_count", limit, |_| Ok(()))
        })
    }

    fn checkpoint(&self) {
        let moved = self.conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        if let Err(error) = moved {
            tracing::warn!(%error, "the write-ahead log could not be moved into the database");
        }
    }
}

fn apply(
    tx: &mut Transaction<'_>,
    job: &Job,
    latched: &mut [bool],
    moved: &mut Moved,
    today: &mut i64,
) -> Result<Reply, Trouble> {
    match job {
        Job::Persist { machine, .. } if latched[*machine] => Ok(refused(job, StoreFailure::Full)),
        Job::Persist { machine, batch, ops } => {
            let mut outcomes = Vec::with_capacity(ops.len());
            for op in ops {
                if let RelayOp::Sweep { now, .. } = op {
                    *today = super::append::day(*now);
                }
                outcomes.extend(tx.apply(op, moved)?);
            }
            Ok(Reply::Committed { machine: *machine, batch: *batch, outcomes, touched: super::topics(ops) })
        }
        Job::Load { machine, load, query } => {
            if matches!(query, RelayQuery::Open) {
                latched[*machine] = false;
                if let Some(clock) = tx.clock_now() {
                    moved.purge(tx.conn, UnixMillis(clock))?;
                }
            }
            Ok(Reply::Read { machine: *machine, load: *load, query: query.clone() })
        }
    }
}

fn refused(job: &Job, failure: StoreFailure) -> Reply {
    match job {
        Job::Persist { machine, batch, ops } => {
            Reply::Failed { machine: *machine, batch: *batch, failure, touched: super::topics(ops) }
        }
        Job::Load { machine, load, query } => Reply::Read { machine: *machine, load: *load, query: query.clone() },
    }
}

/// Whether a job needs no room but makes some, or at least takes next to none.
fn frees(job: &Job) -> bool {
    match job {
        Job::Load { .. } => true,
        Job::Persist { ops, .. } => ops
            .iter()
            .all(|op| matches!(op, RelayOp::Sweep { .. } | RelayOp::CloseMailbox { .. } | RelayOp::Seen { .. })),
    }
}

fn weight(job: &Job) -> (usize, usize) {
    match job {
        Job::Load { .. } => (1, 0),
        Job::Persist { ops, .. } => ops.iter().fold((0, 0), |(count, bytes), op| match op {
            RelayOp::Append(run) => {
                (count + run.blobs.len().max(1), bytes + run.blobs.iter().map(|(_, body)| body.len()).sum::<usize>())
            }
            _ => (count + 1, bytes),
        }),
    }
}

/// Answers one machine's loads, in order, on a connection of its own.
pub(super) fn read(conn: &Connection, loads: &Receiver<(LoadId, RelayQuery)>, machine: usize, shared: &Shared) {
    while let Ok((load, query)) = loads.recv() {
        let answer = match shared.poisoned() {
            Some(failure) => Err(failure),
            None => load::answer(conn, &query, shared.relay_id).map_err(|trouble| {
                tracing::error!(%trouble, "the store could not be read");
                trouble.failure()
            }),
        };
        shared.deliver(machine, StoreInput::<RelayStore>::Loaded { load, answer });
    }
}
