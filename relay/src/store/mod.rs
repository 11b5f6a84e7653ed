//! The relay's store: one SQLite database, one writer thread, one reader thread per machine.
//!
//! Serves any number of relay machines at once. Each submits its batches and loads in its own order and is answered through its own
//! [`Deliver`]; batches are answered in order, each by itself. Never blocks a caller: [`RelayDb::submit`] only queues, and what may
//! queue is bounded by the machines' own limits.
//!
//! Rules it keeps:
//! - A batch happens whole or not at all; an answer leaves after the commit that holds it, synced to disk.
//! - A load sees every batch its own machine submitted before it. It waits for a commit only if one of those is still under way and
//!   concerns the same group or mailbox; otherwise its reader answers at once, from the last commit.
//! - A reader never sees a cursor without those before it.
//!
//! # Layout
//! [`schema`]: the file. [`writer`]: group commit. [`transaction`]: operations within one commit: [`append`], [`member`],
//! [`digests`], [`mailbox`], [`sweep`]. [`load`]: reading. [`disk`]: the reserve. [`figures`]: counters.

mod append;
mod digests;
mod disk;
mod figures;
mod load;
mod mailbox;
mod member;
mod schema;
mod sweep;
#[cfg(feature = "sync-delay")]
mod sync_delay;
mod transaction;
mod writer;

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        mpsc::{self, Sender},
    },
    thread::{self, JoinHandle},
};

use rusqlite::Connection;
use zerok_core::{
    ids::{GroupId, LoadId, MailboxId, RelayId},
    machine::{StoreFailure, StoreInput, StoreOutput},
    relay::store::{RelayOp, RelayQuery, RelayStore},
};

pub use disk::free_bytes;
pub use figures::{COMMIT_BOUNDS, Figures};
pub use schema::{Contents, FILE, OpenError, inspect};

use disk::Disk;
use writer::{Job, Writer};

/// Takes one machine's completions. Called from the store's threads; must not block.
pub type Deliver = Box<dyn Fn(StoreInput<RelayStore>) + Send + Sync>;

/// How large the store may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Largest database file, if bounded here and not only by the disk.
    pub max_bytes: Option<u64>,
    /// Free bytes of the disk below which pushes are refused.
    pub reserve_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { max_bytes: None, reserve_bytes: 64 << 20 }
    }
}

/// An open store. Dropping it finishes what is queued, then closes the database.
#[derive(Debug)]
pub struct RelayDb {
    shared: Arc<Shared>,
    jobs: Option<Sender<Job>>,
    writer: Option<JoinHandle<Connection>>,
    readers: Vec<JoinHandle<()>>,
    set_aside: Option<PathBuf>,
}

impl RelayDb {
    /// Opens the store in `dir` for as many machines as there are entries in `deliver`.
    ///
    /// # Errors
    /// See [`OpenError`]. A damaged database is no error: it is set aside and a new one started.
    pub fn open(dir: &Path, settings: Settings, deliver: Vec<Deliver>) -> Result<Self, OpenError> {
        let ready = schema::open(dir)?;
        let (jobs, queue) = mpsc::channel();
        let mut lanes = Vec::with_capacity(deliver.len());
        let mut readers = Vec::with_capacity(deliver.len());
        for deliver in deliver {
            let (loads, queue) = mpsc::channel();
            lanes.push(Lane { deliver, touched: Mutex::default(), loads: Mutex::new(Some(loads)) });
            readers.push((schema::reader(dir)?, queue));
        }
        let shared = Arc::new(Shared {
            relay_id: ready.relay_id,
            lanes,
            figures: Figures::default(),
            poisoned: OnceLock::new(),
        });
        let disk = Disk::new(dir.to_owned(), settings.reserve_bytes);
        let writer = Writer::new(ready.writer, queue, Arc::clone(&shared), disk, settings.max_bytes)?;
        let writer = thread::Builder::new().name("store-writer".to_owned()).spawn(move || writer.run())?;
        let mut threads = Vec::with_capacity(readers.len());
        for (machine, (conn, queue)) in readers.into_iter().enumerate() {
            let shared = Arc::clone(&shared);
            let name = format!("store-reader-{machine}");
            threads
                .push(thread::Builder::new().name(name).spawn(move || writer::read(&conn, &queue, machine, &shared))?);
        }
        Ok(Self { shared, jobs: Some(jobs), writer: Some(writer), readers: threads, set_aside: ready.set_aside })
    }

    /// Takes one output of a machine. Its answer comes through that machine's [`Deliver`].
    pub fn submit(&self, machine: usize, output: StoreOutput<RelayStore>) {
        let lane = &self.shared.lanes[machine];
        match output {
            StoreOutput::Persist { batch, ops } => {
                lane.touch(&topics(&ops));
                self.queue(Job::Persist { machine, batch, ops });
            }
            StoreOutput::Load { load, query } => {
                if lane.must_wait(&query) {
                    self.queue(Job::Load { machine, load, query });
                } else {
                    self.shared.read(machine, load, query);
                }
            }
        }
    }

    /// The database's name.
    pub fn relay_id(&self) -> RelayId {
        self.shared.relay_id
    }

    /// Where a damaged predecessor was put when this one was opened.
    pub fn set_aside(&self) -> Option<&Path> {
        self.set_aside.as_deref()
    }

    /// What it counts.
    pub fn figures(&self) -> &Figures {
        &self.shared.figures
    }

    fn queue(&self, job: Job) {
        // The writer outlives this handle, so there is always somebody to take it.
        if let Some(jobs) = &self.jobs {
            let _ = jobs.send(job);
        }
    }
}

impl Drop for RelayDb {
    fn drop(&mut self) {
        self.jobs = None;
        // First the writer stops, which may still hand loads to the readers; then they run dry; its connection closes last.
        let conn = self.writer.take().and_then(join);
        for lane in &self.shared.lanes {
            lock(&lane.loads).take();
        }
        for reader in self.readers.drain(..) {
            join(reader);
        }
        drop(conn);
    }
}

fn join<T>(thread: JoinHandle<T>) -> Option<T> {
    let ended = thread.join().ok();
    if ended.is_none() {
        tracing::error!("a thread of the store panicked");
    }
    ended
}

/// What the threads share.
struct Shared {
    relay_id: RelayId,
    lanes: Vec<Lane>,
    figures: Figures,
    poisoned: OnceLock<StoreFailure>,
}

impl Shared {
    fn deliver(&self, machine: usize, input: StoreInput<RelayStore>) {
        (self.lanes[machine].deliver)(input);
    }

    fn read(&self, machine: usize, load: LoadId, query: RelayQuery) {
        if let Some(loads) = lock(&self.lanes[machine].loads).as_ref() {
            let _ = loads.send((load, query));
        }
    }

    fn poison(&self, failure: StoreFailure) {
        let _ = self.poisoned.set(failure);
    }

    fn poisoned(&self) -> Option<StoreFailure> {
        self.poisoned.get().copied()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("machines", &self.lanes.len()).finish_non_exhaustive()
    }
}

/// One machine's side of the store.
struct Lane {
    deliver: Deliver,
    /// How many batches under way concern a topic.
    touched: Mutex<HashMap<Topic, u32>>,
    loads: Mutex<Option<Sender<(LoadId, RelayQuery)>>>,
}

impl Lane {
    fn touch(&self, topics: &[Topic]) {
        let mut touched = lock(&self.touched);
        for topic in topics {
            *touched.entry(*topic).or_default() += 1;
        }
    }

    fn settle(&self, topics: &[Topic]) {
        let mut touched = lock(&self.touched);
        for topic in topics {
            if let Some(count) = touched.get_mut(topic) {
                *count -= 1;
                if *count == 0 {
                    touched.remove(topic);
                }
            }
        }
    }

    fn must_wait(&self, query: &RelayQuery) -> bool {
        let touched = lock(&self.touched);
        let waits = |topic: Topic| touched.contains_key(&topic);
        match query {
            // It purges, so the writer must see it.
            RelayQuery::Open => true,
            _ if waits(Topic::Everything) => true,
            RelayQuery::Welcome { group, .. } | RelayQuery::Page { group, .. } => waits(Topic::Group(*group)),
            RelayQuery::Heads(groups) => groups.iter().any(|group| waits(Topic::Group(*group))),
            RelayQuery::Mailbox { id, .. } => waits(Topic::Mailbox(*id)) || waits(Topic::Mailboxes),
        }
    }
}

/// What a batch concerns, as far as a load could notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Topic {
    Group(GroupId),
    Mailbox(MailboxId),
    /// Mailboxes that the operation does not name: a twin.
    Mailboxes,
    Everything,
}

fn topics(ops: &[RelayOp]) -> Vec<Topic> {
    let mut topics = Vec::with_capacity(ops.len());
    for op in ops {
        match op {
            RelayOp::Append(run) => topics.push(Topic::Group(run.group)),
            RelayOp::Seen { group, .. } => topics.push(Topic::Group(*group)),
            RelayOp::OpenMailbox { id, .. } | RelayOp::SendMailbox { id, .. } => topics.push(Topic::Mailbox(*id)),
            RelayOp::ClaimMailbox { .. } | RelayOp::CloseMailbox { .. } => topics.push(Topic::Mailboxes),
            RelayOp::Sweep { .. } => topics.push(Topic::Everything),
        }
    }
    topics
}

/// A lock whose holder panicked still guards sound data: every change under it is a single step.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
