use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use bytes::Bytes;
use proptest::prelude::*;
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use zerok_core::{
    client::store::{ClientImage, HeldRow, InboxRow, RosterRow},
    ids::{BatchId, Cursor, DeviceId, Digest, Incarnation, Lane, LoadId, OutboxId, Position, StreamId},
    machine::{StoreInput, StoreOutput},
};
use zerok_testkit::{
    conformance::client_store::{ClientTrial, OnDisk, enqueue},
    store::client::MemoryClientStore,
};

use super::{
    worker::{Disk, Worker},
    *,
};
use crate::secrets::{KeyFile, KeyStorageChoice, find};

/// The contract of every device's store, on this one and its thread.
mod contract {
    zerok_testkit::client_store_suite!(super::Trial, on disk);
}

/// A store on its thread, in a directory.
struct Trial {
    worker: Worker<ClientStore>,
    answers: UnboundedReceiver<StoreInput<ClientStore>>,
    /// Nothing if somebody else's.
    home: Option<TempDir>,
}

impl Trial {
    fn begin(home: TempDir, pages: Option<u32>) -> Self {
        let (worker, answers) = start(home.path(), pages);
        Self { worker, answers, home: Some(home) }
    }

    fn close(self) -> TempDir {
        self.worker.finish();
        self.home.unwrap()
    }
}

impl ClientTrial for Trial {
    type Copy = Vec<u8>;

    fn new() -> Self {
        Self::begin(TempDir::new().unwrap(), None)
    }

    fn with_little_room() -> Self {
        Self::begin(TempDir::new().unwrap(), Some(64))
    }

    fn ask(&mut self, request: StoreOutput<ClientStore>) {
        self.worker.perform(request);
    }

    fn answer(&mut self) -> StoreInput<ClientStore> {
        self.answers.blocking_recv().unwrap()
    }

    fn reopen(self) -> Self {
        Self::begin(self.close(), None)
    }

    fn copy(self) -> (Vec<u8>, Self) {
        let home = self.close();
        (fs::read(home.path().join(FILE)).unwrap(), Self::begin(home, None))
    }

    fn restore(self, copy: Vec<u8>) -> Self {
        let home = self.close();
        fs::write(home.path().join(FILE), copy).unwrap();
        Self::begin(home, None)
    }
}

impl OnDisk for Trial {
    type Home = TempDir;

    fn home() -> TempDir {
        TempDir::new().unwrap()
    }

    fn open(directory: &Path) -> Self {
        let (worker, answers) = start(directory, None);
        Self { worker, answers, home: None }
    }
}

fn open(directory: &Path) -> Result<ClientDisk, StoreFailure> {
    let found = find(directory, KeyStorageChoice::File, false).unwrap();
    ClientDisk::open(directory, found.place, found.kept.reserved)
}

fn image(disk: &mut ClientDisk) -> ClientImage {
    match disk.load(ClientQuery::Open).unwrap() {
        ClientAnswer::Opened(image) => *image,
        other => panic!("{other:?}"),
    }
}

fn blob() -> impl Strategy<Value = Bytes> {
    prop_oneof![prop::collection::vec(any::<u8>(), 0..40), (0..30_000usize).prop_map(|len| vec![7; len])]
        .prop_map(Bytes::from)
}

fn operation() -> impl Strategy<Value = ClientOp> {
    let small = 0..6u64;
    let stream = (0..2u8, any::<bool>()).prop_map(|(device, control)| StreamId {
        device: DeviceId([device; 8]),
        inc: Incarnation([1; 8]),
        lane: if control { Lane::Control } else { Lane::Data },
    });
    prop_oneof![
        3 => (small.clone(), blob()).prop_map(|(id, blob)| enqueue(id, &blob)),
        3 => (small.clone(), any::<bool>())
            .prop_map(|(id, data)| ClientOp::Acked { id: OutboxId(id), position: data.then_some(Position(id * 2 + 1)) }),
        1 => small.clone().prop_map(|id| ClientOp::Unacked(OutboxId(id))),
        2 => small.clone().prop_map(|id| ClientOp::Remove(OutboxId(id))),
        3 => (small.clone(), blob())
            .prop_map(|(at, blob)| ClientOp::Deliver(InboxRow { position: Position(at * 2), blob })),
        1 => small.clone().prop_map(|at| ClientOp::Trim(Position(at))),
        1 => blob().prop_map(ClientOp::Vault),
        2 => blob().prop_map(ClientOp::Ledger),
        2 => (stream, blob()).prop_map(|(stream, state)| ClientOp::Stream { stream, state }),
        1 => small.clone().prop_map(ClientOp::Reserve),
        1 => (0..4u8, small.clone(), blob()).prop_map(|(digest, cursor, blob)| {
            ClientOp::Hold(HeldRow { digest: Digest([digest; 16]), cursor: Cursor(cursor), blob })
        }),
        1 => (0..4u8).prop_map(|digest| ClientOp::Release(Digest([digest; 16]))),
        1 => (small.clone(), blob()).prop_map(|(number, blob)| ClientOp::Roster(RosterRow { number, blob })),
        1 => (small.clone(), blob()).prop_map(|(id, verdict)| ClientOp::Verdict { id, verdict }),
        1 => small.prop_map(ClientOp::Settle),
    ]
}

fn batch() -> impl Strategy<Value = Vec<ClientOp>> {
    (prop::bool::weighted(0.05), prop::collection::vec(operation(), 0..6)).prop_map(|(erase, mut operations)| {
        if erase {
            operations.insert(0, ClientOp::Erase);
        }
        operations
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_batches_in_any_groups_read_back_as_from_memory_also_after_reopening(
        groups in prop::collection::vec(prop::collection::vec(batch(), 1..4), 1..6),
        after in 0..12u64, max_bytes in 0..40_000u32, own in any::<bool>(),
    ) {
        let directory = TempDir::new().unwrap();
        let mut disk = open(directory.path()).unwrap();
        let mut memory = MemoryClientStore::default();
        for group in groups {
            group.iter().for_each(|batch| memory.apply(batch));
            disk.commit(group).unwrap();
        }
        let questions = [
            ClientQuery::Open,
            ClientQuery::Outbox(vec![OutboxId(4), OutboxId(0), OutboxId(4), OutboxId(9)]),
            ClientQuery::Inbox { after: Position(after), max_bytes, own },
            ClientQuery::Inbox { after: Position(u64::MAX), max_bytes, own },
        ];
        for question in &questions {
            prop_assert_eq!(disk.load(question.clone()).unwrap(), memory.load(question));
        }
        drop(disk);
        let mut disk = open(directory.path()).unwrap();
        for question in &questions {
            prop_assert_eq!(disk.load(question.clone()).unwrap(), memory.load(question));
        }
    }
}

#[test]
fn d6_every_setting_durability_rests_on_is_in_force_and_sqlite_is_new_enough() {
    let directory = TempDir::new().unwrap();
    for _first_and_second in 0..2 {
        let disk = open(directory.path()).unwrap();
        let settings =
            ["journal_mode", "synchronous", "fullfsync", "checkpoint_fullfsync", "secure_delete", "page_size"]
                .map(|name| schema::setting(&disk.connection, name).unwrap());
        assert_eq!(settings, ["wal", "2", "1", "1", "1", "8192"]);
    }
    assert!(rusqlite::version_number() >= 3_051_003);
}

#[test]
fn d15_a_newer_database_is_refused_and_not_a_byte_of_it_changes() {
    let directory = TempDir::new().unwrap();
    let mut disk = open(directory.path()).unwrap();
    disk.commit(vec![vec![enqueue(1, b"kept")]]).unwrap();
    disk.connection.pragma_update(None, "user_version", 2).unwrap();
    drop(disk);
    let file = directory.path().join(FILE);
    let before = fs::read(&file).unwrap();
    assert_eq!(open(directory.path()).unwrap_err(), StoreFailure::TooNew);
    assert_eq!(fs::read(&file).unwrap(), before);
    assert!(ClientDisk::kept_aside(directory.path()).is_empty());
}

#[test]
fn d15_a_crash_before_the_first_tables_leaves_a_file_that_opens() {
    let directory = TempDir::new().unwrap();
    crate::data_dir::create_private(&directory.path().join(FILE)).unwrap();
    assert_eq!(image(&mut open(directory.path()).unwrap()), ClientImage::default());
}

#[test]
fn d9_a_damaged_database_is_reported_and_kept_aside_whole() {
    let directory = TempDir::new().unwrap();
    let mut disk = open(directory.path()).unwrap();
    disk.commit((1..200).map(|id| vec![enqueue(id, &[id as u8; 3000])]).collect()).unwrap();
    drop(disk);
    let file = directory.path().join(FILE);
    let mut rotten = fs::read(&file).unwrap();
    let middle = rotten.len() / 2;
    rotten[middle..middle + 9000].fill(0x5a);
    fs::write(&file, &rotten).unwrap();
    assert_eq!(open(directory.path()).unwrap_err(), StoreFailure::Corrupt);
    let [aside] = &ClientDisk::kept_aside(directory.path())[..] else { panic!() };
    assert_eq!(fs::read(aside).unwrap(), rotten);
    assert!(!file.exists());
}

#[test]
fn d9_a_file_that_is_no_database_is_kept_aside_too() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join(FILE), [9; 8192]).unwrap();
    assert_eq!(open(directory.path()).unwrap_err(), StoreFailure::Corrupt);
    assert_eq!(ClientDisk::kept_aside(directory.path()).len(), 1);
    open(directory.path()).unwrap();
}

#[test]
fn erased_bytes_are_on_no_file_any_more() {
    let directory = TempDir::new().unwrap();
    let mut disk = open(directory.path()).unwrap();
    let secret = [0xa7; 5000];
    disk.commit(vec![vec![enqueue(1, &secret), ClientOp::Vault(Bytes::copy_from_slice(&secret))]]).unwrap();
    disk.commit(vec![vec![ClientOp::Erase]]).unwrap();
    for entry in fs::read_dir(directory.path()).unwrap() {
        let content = fs::read(entry.unwrap().path()).unwrap();
        assert!(!content.windows(64).any(|window| window == &secret[..64]));
    }
}

#[test]
fn a_counter_that_cannot_be_raised_rolls_the_batch_back() {
    let directory = TempDir::new().unwrap();
    let mut disk = open(directory.path()).unwrap();
    KeyFile::new(directory.path()).delete().unwrap();
    assert_eq!(disk.commit(vec![vec![enqueue(1, b"x"), ClientOp::Reserve(64)]]), Err(StoreFailure::Io));
    assert_eq!(image(&mut disk), ClientImage::default());
}

/// A backup, or a person with a tool: our own lock says nothing to them.
#[test]
fn g14_a_database_that_another_process_holds_refuses_a_batch_and_takes_the_next() {
    let directory = TempDir::new().unwrap();
    let (worker, mut answers) = start(directory.path(), None);
    worker.perform(persist(1, vec![enqueue(1, b"milk")]));
    assert!(matches!(answers.blocking_recv(), Some(StoreInput::Persisted { .. })));
    let other = rusqlite::Connection::open(directory.path().join(FILE)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    worker.perform(persist(2, vec![enqueue(2, b"bread")]));
    let refused = answers.blocking_recv();
    assert!(matches!(refused, Some(StoreInput::PersistFailed { failure: StoreFailure::Busy, .. })), "{refused:?}");
    // Reading goes on meanwhile.
    worker.perform(reopen(1));
    assert!(matches!(answers.blocking_recv(), Some(StoreInput::Loaded { answer: Ok(_), .. })));
    other.execute_batch("ROLLBACK").unwrap();
    worker.perform(persist(3, vec![enqueue(3, b"eggs")]));
    assert!(matches!(answers.blocking_recv(), Some(StoreInput::Persisted { .. })));
    worker.finish();
    assert_eq!(image(&mut open(directory.path()).unwrap()).outbox.len(), 2);
}

// ---- the worker

fn start(directory: &Path, pages: Option<u32>) -> (Worker<ClientStore>, UnboundedReceiver<StoreInput<ClientStore>>) {
    let disk = open(directory).unwrap();
    if let Some(pages) = pages {
        disk.limit_pages(pages);
    }
    let (answers, answered) = unbounded_channel();
    (Worker::start("store", disk, answers).unwrap(), answered)
}

fn persist(batch: u64, ops: Vec<ClientOp>) -> StoreOutput<ClientStore> {
    StoreOutput::Persist { batch: BatchId(batch), ops }
}

fn reopen(load: u64) -> StoreOutput<ClientStore> {
    StoreOutput::Load { load: LoadId(load), query: ClientQuery::Open }
}

#[test]
fn finish_leaves_nothing_queued() {
    let directory = TempDir::new().unwrap();
    let (worker, _unheard) = start(directory.path(), None);
    for batch in 1..=500 {
        worker.perform(persist(batch, vec![enqueue(batch, b"blob")]));
    }
    worker.finish();
    assert_eq!(image(&mut open(directory.path()).unwrap()).outbox.len(), 500);
}

#[test]
fn d8_after_an_io_failure_nothing_succeeds_any_more() {
    let directory = TempDir::new().unwrap();
    let (worker, mut answers) = start(directory.path(), None);
    KeyFile::new(directory.path()).delete().unwrap();
    worker.perform(persist(1, vec![ClientOp::Reserve(9)]));
    assert!(matches!(answers.blocking_recv(), Some(StoreInput::PersistFailed { failure: StoreFailure::Io, .. })));
    worker.perform(reopen(1));
    worker.perform(persist(2, vec![enqueue(1, b"x")]));
    assert!(matches!(answers.blocking_recv(), Some(StoreInput::Loaded { .. })));
    assert!(matches!(answers.blocking_recv(), Some(StoreInput::PersistFailed { failure: StoreFailure::Io, .. })));
}

// ---- in a child process: run as `child_*` tests of this same binary, with a directory in the environment

const CHILD: &str = "ZEROK_STORE_TEST_DIRECTORY";

fn child(name: &str, directory: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("store::tests::{name}"), "--nocapture", "--test-threads=1"]);
    command.env(CHILD, directory).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

/// Writes until a file may not grow any more, and tells how that ended.
#[test]
fn child_writes_until_files_may_not_grow() {
    let Some(directory) = std::env::var_os(CHILD) else { return };
    let (worker, mut answers) = start(Path::new(&directory), None);
    let mut durable = 0;
    for batch in 1.. {
        worker.perform(persist(batch, vec![enqueue(batch, &[1; 60_000])]));
        match answers.blocking_recv() {
            Some(StoreInput::Persisted { batch, .. }) => durable = batch.0,
            Some(StoreInput::PersistFailed { failure, .. }) => {
                worker.perform(persist(batch + 1, vec![enqueue(batch + 1, b"small")]));
                let later = answers.blocking_recv();
                let refused = matches!(later, Some(StoreInput::PersistFailed { .. }));
                std::process::exit(if refused && failure == StoreFailure::Io {
                    i32::try_from(durable).unwrap()
                } else {
                    255
                });
            }
            _ => std::process::exit(254),
        }
    }
}

#[cfg(unix)]
#[test]
fn d8_a_write_error_of_the_operating_system_poisons_and_loses_nothing_acknowledged() {
    let directory = TempDir::new().unwrap();
    let inner = child("child_writes_until_files_may_not_grow", directory.path());
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "trap '' XFSZ; ulimit -f 2000; exec \"$@\"", "sh"])
        .arg(inner.get_program())
        .args(inner.get_args());
    limited.env(CHILD, directory.path()).stdout(Stdio::null()).stderr(Stdio::null());
    let durable = limited.status().unwrap().code().unwrap();
    assert!((1..200).contains(&durable), "exit code {durable}");
    assert_eq!(image(&mut open(directory.path()).unwrap()).outbox.len(), durable as usize);
}

/// A store whose thread dies.
struct Doomed;

impl Disk<ClientStore> for Doomed {
    fn commit(&mut self, _: Vec<Vec<ClientOp>>) -> Result<Vec<Vec<()>>, StoreFailure> {
        panic!("as planned")
    }

    fn load(&mut self, _: ClientQuery) -> Result<ClientAnswer, StoreFailure> {
        panic!("as planned")
    }

    fn reopens(_: &ClientQuery) -> bool {
        false
    }
}

#[test]
fn a_store_whose_thread_died_fails_and_does_not_fall_silent() {
    let (answers, mut answered) = unbounded_channel();
    let worker = Worker::start("doomed", Doomed, answers).unwrap();
    let mut batch = 0;
    let answer = loop {
        batch += 1;
        worker.perform(persist(batch, Vec::new()));
        if let Ok(answer) = answered.try_recv() {
            break answer;
        }
        std::thread::yield_now();
    };
    assert!(matches!(answer, StoreInput::PersistFailed { failure: StoreFailure::Io, .. }));
    worker.perform(reopen(1));
    assert!(matches!(answered.try_recv(), Ok(StoreInput::Loaded { answer: Err(StoreFailure::Io), .. })));
}
