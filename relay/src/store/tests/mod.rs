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
    ids::{BatchId, Cursor, Digest, GroupId, LinkKey, LoadId, MailboxId},
    machine::{Origin, StoreFailure, StoreInput, StoreOutput},
    relay::store::{
        Append, LogPage, PageQuery, RelayAnswer, RelayOp, RelayOutcome, RelayQuery, RelayStore, Side, Stored,
    },
    time::UnixMillis,
    wire::message::WireCode,
};
use zerok_testkit::conformance::relay_store::{
    DAYS, HOUR, NOON, RelayTrial, all_after, at, blob, duplicate, group_id, mailbox_id, run, seen, send,
};

use super::{Deliver, RelayDb, Settings};

/// How long a test waits for an answer that must come.
const PATIENCE: Duration = Duration::from_secs(60);

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
}

impl Machine {
    fn answer(&self) -> StoreInput<RelayStore> {
        self.answers.recv_timeout(PATIENCE).expect("an answer in time")
    }
}

/// The contract of every relay store, on this one.
mod contract {
    zerok_testkit::relay_store_suite!(super::Rig);
}

impl RelayTrial for Rig {
    fn new() -> Self {
        rig()
    }

    fn with_room(bytes: u64) -> Self {
        rig_of(1, bounded(bytes))
    }

    fn reopen(self) -> Self {
        let Self { db, ends, dir } = self;
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

    fn ask(&mut self, machine: usize, query: RelayQuery) -> LoadId {
        let end = &mut self.ends[machine];
        end.load = end.load.next();
        self.db.submit(machine, StoreOutput::Load { load: end.load, query });
        end.load
    }

    fn answer(&mut self, machine: usize) -> StoreInput<RelayStore> {
        self.ends[machine].answer()
    }
}

fn bounded(bytes: u64) -> Settings {
    Settings { max_bytes: Some(bytes), reserve_bytes: 0 }
}
