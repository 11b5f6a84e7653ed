//! What the relay's store promises, on real files.

mod concurrency;
mod crash;
mod dedupe;
mod expiry;
#[cfg(unix)]
mod faults;
mod log;
mod mailboxes;
mod plans;
mod quota;

use std::{
    path::Path,
    sync::mpsc::{self, Receiver},
    time::Duration,
};

use bytes::Bytes;
use tempfile::TempDir;
use zerok_core::{
    ids::{AccessKey, BatchId, Cursor, Digest, GroupId, Lane, LinkKey, LoadId, MailboxId, Tag},
    machine::{Origin, StoreFailure, StoreInput, StoreOutput},
    relay::store::{
        Append, LogPage, PageQuery, RelayAnswer, RelayOp, RelayOutcome, RelayQuery, RelayStore, Side, Stored,
    },
    time::UnixMillis,
    wire::message::WireCode,
};

use super::{Deliver, RelayDb, Settings};

/// How long a test waits for an answer that must come.
const PATIENCE: Duration = Duration::from_secs(60);
/// Some day in 2026.
const NOON: u64 = 1_780_000_000_000;
const HOUR: u64 = 3_600_000;
const DAYS: u64 = 24 * HOUR;

/// A store and the machines' ends of it.
struct Rig {
    db: RelayDb,
    ends: Vec<Machine>,
    dir: Option<TempDir>,
}

/// One machine's end: submits and waits.
struct Machine {
    answers: Receiver<StoreInput<RelayStore>>,
    batch: BatchId,
    load: LoadId,
}

fn rig() -> Rig {
    rig_of(1, Settings { reserve_bytes: 0, ..Settings::default() })
}

fn rig_of(machines: usize, settings: Settings) -> Rig {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut rig = open(dir.path(), machines, settings);
    rig.dir = Some(dir);
    rig
}

fn open(dir: &Path, machines: usize, settings: Settings) -> Rig {
    let (mut deliver, mut ends): (Vec<Deliver>, _) = (Vec::new(), Vec::new());
    for _ in 0..machines {
        let (send, answers) = mpsc::channel();
        deliver.push(Box::new(move |input| drop(send.send(input))));
        ends.push(Machine { answers, batch: BatchId(0), load: LoadId(0) });
    }
    Rig { db: RelayDb::open(dir, settings, deliver).expect("the store opens"), ends, dir: None }
}

impl Rig {
    fn path(&self) -> &Path {
        self.dir.as_ref().expect("a directory of its own").path()
    }

    /// Closes and opens again.
    fn reopen(self) -> Rig {
        let Rig { db, ends, dir } = self;
        let dir = dir.expect("a directory of its own");
        drop(db);
        let mut rig = open(dir.path(), ends.len(), Settings { reserve_bytes: 0, ..Settings::default() });
        rig.dir = Some(dir);
        rig
    }

    fn submit(&mut self, machine: usize, ops: Vec<RelayOp>) -> BatchId {
        let end = &mut self.ends[machine];
        end.batch = end.batch.next();
        self.db.submit(machine, StoreOutput::Persist { batch: end.batch, ops });
        end.batch
    }

    fn try_persist(&mut self, ops: Vec<RelayOp>) -> Result<Vec<RelayOutcome>, StoreFailure> {
        let sent = self.submit(0, ops);
        match self.ends[0].answer() {
            StoreInput::Persisted { batch, outcomes } if batch == sent => Ok(outcomes),
            StoreInput::PersistFailed { batch, failure } if batch == sent => Err(failure),
            other => panic!("not an answer to {sent:?}: {other:?}"),
        }
    }

    fn persist(&mut self, ops: Vec<RelayOp>) -> Vec<RelayOutcome> {
        self.try_persist(ops).expect("the batch is committed")
    }

    fn ask(&mut self, machine: usize, query: RelayQuery) -> LoadId {
        let end = &mut self.ends[machine];
        end.load = end.load.next();
        self.db.submit(machine, StoreOutput::Load { load: end.load, query });
        end.load
    }

    fn load(&mut self, query: RelayQuery) -> RelayAnswer {
        let sent = self.ask(0, query);
        match self.ends[0].answer() {
            StoreInput::Loaded { load, answer } if load == sent => answer.expect("the load is answered"),
            other => panic!("not an answer to {sent:?}: {other:?}"),
        }
    }

    fn append(&mut self, run: Append) -> Vec<Stored> {
        match &self.persist(vec![RelayOp::Append(run)])[..] {
            [RelayOutcome::Appended { results, .. }] => results.clone(),
            other => panic!("not an append's outcome: {other:?}"),
        }
    }

    fn page(&mut self, group: u8, page: PageQuery) -> LogPage {
        match self.load(RelayQuery::Page { group: group_id(group), page }) {
            RelayAnswer::Page(page) => page,
            other => panic!("not a page: {other:?}"),
        }
    }

    /// The cursors of everything after `after`.
    fn cursors(&mut self, group: u8, after: u64) -> Vec<u64> {
        self.page(group, all_after(after)).entries.iter().map(|(cursor, _)| cursor.0).collect()
    }

    fn sweep(&mut self, now: u64, clamp: Duration) -> Vec<(GroupId, Cursor)> {
        match &self.persist(vec![RelayOp::Sweep { now: UnixMillis(now), clamp }])[..] {
            [RelayOutcome::Swept(moved)] => moved.clone(),
            other => panic!("not a sweep's outcome: {other:?}"),
        }
    }

    fn mailbox(&mut self, op: RelayOp) -> Result<(), WireCode> {
        match self.persist(vec![op])[..] {
            [RelayOutcome::Mailbox(verdict)] => verdict,
            ref other => panic!("not a mailbox outcome: {other:?}"),
        }
    }
}

impl Machine {
    fn answer(&self) -> StoreInput<RelayStore> {
        self.answers.recv_timeout(PATIENCE).expect("an answer in time")
    }
}

fn group_id(n: u8) -> GroupId {
    GroupId([n; 32])
}

fn link(n: u8) -> LinkKey {
    LinkKey([n; 32])
}

/// A blob that no other number has.
fn blob(n: u64, len: usize) -> Bytes {
    let mut body = vec![0xb1; len.max(8)];
    body[..8].copy_from_slice(&n.to_le_bytes());
    body.into()
}

fn run(group: u8, blobs: impl IntoIterator<Item = Bytes>) -> Append {
    Append {
        group: group_id(group),
        access: AccessKey([group; 32]),
        link: link(1),
        origin: Origin([4, 192, 0, 2, 0, 0, 0, 0]),
        lane: Lane::Data,
        blobs: blobs.into_iter().map(|body| (Digest::of(&body), body)).collect(),
        now: UnixMillis(NOON),
        retention: Duration::from_secs(30 * 24 * 3600),
        group_bytes: 1 << 30,
        group_blobs: 1_000_000,
        groups_per_day: 256,
    }
}

fn at(cursor: u64) -> Stored {
    Stored::At(Cursor(cursor))
}

fn duplicate(cursor: u64) -> Stored {
    Stored::Duplicate(Cursor(cursor))
}

fn all_after(after: u64) -> PageQuery {
    PageQuery { after: Cursor(after), tag: Tag::default(), max_bytes: u32::MAX, at_least_one: true }
}

fn mailbox_id(n: u8) -> MailboxId {
    MailboxId([n; 16])
}

fn seen(group: u8, by: u8, acked: u64, now: u64) -> RelayOp {
    RelayOp::Seen { group: group_id(group), link: link(by), acked: Cursor(acked), now: UnixMillis(now) }
}

fn send(id: u8, side: Side, body: &'static [u8], now: u64) -> RelayOp {
    RelayOp::SendMailbox { id: mailbox_id(id), side, body: Bytes::from_static(body), now: UnixMillis(now) }
}
