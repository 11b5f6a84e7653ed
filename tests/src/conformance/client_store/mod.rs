//! What the store of a device promises, whatever it is made of.
//!
//! # Layout
//! `operations`: what each operation and each question means. `order`: atomicity, order, reopening, crashes, a full disk, and the
//! counter that lies outside.

#![allow(missing_docs, reason = "the names of these tests are sentences")]

mod operations;
mod order;

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

use bytes::Bytes;
use zerok_core::{
    client::store::{ClientAnswer, ClientImage, ClientOp, ClientQuery, ClientStore, InboxRow, OutboxEntry, OutboxRow},
    ids::{BatchId, BlobId, Digest, IdempotencyKey, Incarnation, Lane, LoadId, OutboxId, Position, RecordHash},
    machine::{StoreFailure, StoreInput, StoreOutput},
};

pub use operations::*;
pub use order::*;

/// A device's store on trial, as its machine meets it; what else it offers is built from that.
pub trait ClientTrial: Sized {
    /// What is left of a database when only that is copied.
    type Copy;

    /// An empty one.
    fn new() -> Self;
    /// An empty one that has no room for a mebibyte, but for some smaller blobs.
    fn with_little_room() -> Self;
    /// Queues a batch or a load.
    fn ask(&mut self, request: StoreOutput<ClientStore>);
    /// The next answer. Waits for it, but not for ever.
    fn answer(&mut self) -> StoreInput<ClientStore>;
    /// Closes, in good order, and opens again.
    fn reopen(self) -> Self;
    /// Closes, and copies the database without what lies beside it.
    fn copy(self) -> (Self::Copy, Self);
    /// Closes, puts the copy back in the database's place, and opens.
    fn restore(self, copy: Self::Copy) -> Self;

    fn persist(&mut self, batch: u64, ops: Vec<ClientOp>) -> Result<(), StoreFailure> {
        self.ask(StoreOutput::Persist { batch: BatchId(batch), ops });
        match self.answer() {
            StoreInput::Persisted { batch: done, .. } if done == BatchId(batch) => Ok(()),
            StoreInput::PersistFailed { batch: failed, failure } if failed == BatchId(batch) => Err(failure),
            other => panic!("not an answer to batch {batch}: {other:?}"),
        }
    }

    fn load(&mut self, query: ClientQuery) -> ClientAnswer {
        self.ask(StoreOutput::Load { load: LoadId(1), query });
        match self.answer() {
            StoreInput::Loaded { answer, .. } => answer.expect("the load is answered"),
            other => panic!("not an answer to a load: {other:?}"),
        }
    }

    fn image(&mut self) -> ClientImage {
        match self.load(ClientQuery::Open) {
            ClientAnswer::Opened(image) => *image,
            other => panic!("not an image: {other:?}"),
        }
    }

    fn inbox(&mut self, after: u64, max_bytes: u32, own: bool) -> Vec<(u64, Bytes)> {
        match self.load(ClientQuery::Inbox { after: Position(after), max_bytes, own }) {
            ClientAnswer::Inbox(rows) => rows.into_iter().map(|row| (row.position.0, row.blob)).collect(),
            other => panic!("not an inbox: {other:?}"),
        }
    }

    fn outbox_ids(&mut self) -> Vec<u64> {
        self.image().outbox.iter().map(|entry| entry.id.0).collect()
    }
}

/// A store that a process can open by its place and another can find when that one is dead.
pub trait OnDisk: ClientTrial {
    /// A directory of its own, removed when dropped.
    type Home: AsRef<Path>;

    fn home() -> Self::Home;
    fn open(directory: &Path) -> Self;
}

pub fn entry(id: u64, blob: &[u8]) -> OutboxEntry {
    OutboxEntry {
        id: OutboxId(id),
        lane: Lane::Data,
        kind: 0,
        inc: Incarnation([3; 8]),
        seq: id,
        hash: RecordHash([4; 16]),
        digest: Digest::of(blob),
        blob_id: BlobId([5; 16]),
        key: id.is_multiple_of(2).then_some(IdempotencyKey([6; 16])),
        size: u32::try_from(blob.len()).expect("small"),
        acked: false,
        position: None,
    }
}

pub fn enqueue(id: u64, blob: &[u8]) -> ClientOp {
    ClientOp::Enqueue(OutboxRow { entry: entry(id, blob), blob: Bytes::copy_from_slice(blob) })
}

fn deliver(position: u64, blob: &'static [u8]) -> ClientOp {
    ClientOp::Deliver(InboxRow { position: Position(position), blob: Bytes::from_static(blob) })
}

fn ledger(text: &'static str) -> ClientOp {
    ClientOp::Ledger(Bytes::from_static(text.as_bytes()))
}

fn number(number: u64) -> ClientOp {
    ClientOp::Ledger(Bytes::copy_from_slice(&number.to_le_bytes()))
}

/// Where the victim's database lies.
const DIRECTORY: &str = "ZEROK_CLIENT_STORE_VICTIM";

/// Not a test of its own: writes and says what was acknowledged until it is killed, if its environment asks for it.
pub fn victim<T: OnDisk>() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let mut store = T::open(Path::new(&directory));
    let (mut sent, mut durable) = (0, 0);
    loop {
        // Several under way, so that the kill lands in the middle of a group.
        while sent < durable + 32 {
            sent += 1;
            let ops = vec![enqueue(sent, &[sent as u8; 700]), number(sent)];
            store.ask(StoreOutput::Persist { batch: BatchId(sent), ops });
        }
        let StoreInput::Persisted { batch, .. } = store.answer() else { std::process::exit(1) };
        durable = batch.0;
        // One write a line: a kill leaves it whole, or without an end.
        std::io::stdout().write_all(format!("durable {durable}\n").as_bytes()).expect("somebody listens");
    }
}

/// D4: what was acknowledged is there, whatever is there is a prefix, and no batch is torn. `module` is where the victim stands.
pub fn kill_d4_a_process_killed_under_load_loses_nothing_acknowledged_and_tears_nothing<T: OnDisk>(module: &str) {
    let victim = format!("{}::victim", module.split_once("::").map_or(module, |(_crate, inner)| inner));
    for round in 0..6 {
        let home = T::home();
        let mut child = Command::new(std::env::current_exe().expect("this test has a path"))
            .args(["--exact", &victim, "--nocapture", "--test-threads=1"])
            .env(DIRECTORY, home.as_ref())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
        let mut said = lines.filter_map(|line| line.split_once("durable ")?.1.parse::<u64>().ok());
        let wanted = 5 + round * 7;
        let mut durable = said.by_ref().take(wanted).last().expect("it lives");
        child.kill().expect("it can be killed");
        child.wait().expect("it is gone");
        // What it said before it died counts.
        durable = said.last().unwrap_or(durable);
        let mut store = T::open(home.as_ref());
        let ids = store.outbox_ids();
        let last = ids.last().copied().unwrap_or_default();
        assert!(last >= durable && durable >= wanted as u64, "{durable} acknowledged, {last} found");
        assert!(ids.into_iter().eq(1..=last), "a hole");
        assert_eq!(store.image().ledger.as_deref(), Some(&last.to_le_bytes()[..]), "a torn batch");
    }
}

/// Runs a suite's tests for one device store. With `, on disk`, also those that need another process.
#[macro_export]
macro_rules! client_store_suite {
    ($trial:ty, on disk) => {
        $crate::client_store_suite!($trial);

        #[test]
        fn victim() {
            $crate::conformance::client_store::victim::<$trial>();
        }

        #[test]
        fn kill_d4_a_process_killed_under_load_loses_nothing_acknowledged_and_tears_nothing() {
            use $crate::conformance::client_store as suite;
            suite::kill_d4_a_process_killed_under_load_loses_nothing_acknowledged_and_tears_nothing::<$trial>(
                module_path!(),
            );
        }
    };
    ($trial:ty) => {
        $crate::conformance_tests! { client_store, $trial:
            an_empty_store_is_an_empty_image
            cells_and_streams_keep_the_last_value
            an_outbox_row_comes_back_as_it_was_and_is_told_apart_once_acknowledged
            outbox_bytes_are_answered_by_id_and_only_those_that_exist
            an_inbox_is_read_in_order_by_bytes_and_at_least_one
            own_acknowledged_blobs_stand_among_received_ones_if_asked_for
            a_trim_takes_everything_up_to_its_position
            held_rows_roster_and_verdicts_come_and_go
            erase_takes_everything_but_the_counter_outside
            d6_a_load_sees_every_batch_before_it_and_answers_keep_their_order
            a_batch_is_applied_in_its_order
            everything_survives_a_reopen
            d7_a_batch_without_room_leaves_no_trace_and_later_ones_are_refused_until_it_is_read_again
            d11_the_counter_never_goes_down_and_no_copy_takes_it_back
        }
    };
}
