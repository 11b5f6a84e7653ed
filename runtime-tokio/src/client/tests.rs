use std::{collections::VecDeque, path::Path, time::Instant};

use tempfile::TempDir;
use zerok_core::{
    client::{
        io::{ClientInput, ClientOutput},
        status::{ConnectionState, Indicator},
    },
    ids::RelayKey,
    machine::{LinkFailure, Machine, Misuse},
    time::Time,
};

use super::{open::Ground, *};
use crate::{
    clock::Clock,
    dial::FirstOf,
    link::{Acceptor as _, BoxFuture, Opened},
    secrets::{Kept, KeyFile, KeyStorage},
    store::ClientDisk,
    tcp::{TcpAcceptor, TcpDialer},
};

struct Nowhere;

impl Dialer for Nowhere {
    fn dial(&self, _: &RelayAddress) -> BoxFuture<'static, Result<Opened, LinkFailure>> {
        Box::pin(async { Err(LinkFailure::Unreachable) })
    }
}

fn options(directory: &Path) -> Options {
    Options { key_storage: KeyStorageChoice::File, ..Options::new(directory, "laptop", Arc::new(Nowhere)) }
}

async fn open(directory: &Path) -> SyncClient {
    SyncClient::open(options(directory)).await.unwrap()
}

fn relay(key: u8) -> RelayAddress {
    RelayAddress { key: RelayKey([key; 32]), tcp: vec!["127.0.0.1:1".to_owned()], iroh: None }
}

// ---- with the real machine, without a relay

#[tokio::test]
async fn a_push_without_a_relay_is_pending_and_survives_the_end_of_the_process() {
    let directory = TempDir::new().unwrap();
    let client = open(directory.path()).await;
    assert_eq!(client.status().state, ConnectionState::Disabled);
    client.enable().await.unwrap();
    client.enable().await.unwrap();
    let error = client.push(&b"milk"[..], None).await.unwrap_err();
    assert_eq!(error.code(), Code::Pending);
    assert!(error.retryable());
    let blob = error.blob_id().unwrap();
    client.close().await;

    let client = open(directory.path()).await;
    let report = client.inspect().await.unwrap();
    assert_eq!(report.pending, [blob]);
    assert_eq!(client.info().key_storage, KeyStorageKind::File);
    assert_eq!(client.status().indicator, Indicator::Offline);
}

#[tokio::test]
async fn a_push_whose_future_is_dropped_at_any_moment_stays_queued() {
    let directory = TempDir::new().unwrap();
    let client = open(directory.path()).await;
    client.enable().await.unwrap();
    drop(client.push(&b"never awaited"[..], None));
    let polled = timeout(Duration::ZERO, client.push(&b"awaited once"[..], None)).await;
    drop(polled);
    drop(client.push_detached(&b"detached"[..], None));
    assert_eq!(client.inspect().await.unwrap().pending.len(), 3);
}

#[tokio::test]
async fn a_detached_push_resolves_with_its_id_and_its_key_makes_a_retry_the_same_push() {
    let directory = TempDir::new().unwrap();
    let client = open(directory.path()).await;
    client.enable().await.unwrap();
    let key = Some(IdempotencyKey([7; 16]));
    let first = client.push_detached(&b"milk"[..], key).await.unwrap();
    client.close().await;
    let client = open(directory.path()).await;
    assert_eq!(client.push_detached(&b"milk"[..], key).await.unwrap(), first);
    assert_eq!(client.inspect().await.unwrap().pending, [first]);
}

#[tokio::test]
async fn before_enabling_nothing_is_stored() {
    let directory = TempDir::new().unwrap();
    let client = open(directory.path()).await;
    assert_eq!(client.push(&b"milk"[..], None).await.unwrap_err().code(), Code::NotEnabled);
    assert_eq!(client.inspect().await.unwrap().pending.len(), 0);
}

#[tokio::test]
async fn d10_a_second_client_is_told_and_the_directory_is_free_after_close() {
    let directory = TempDir::new().unwrap();
    let client = open(directory.path()).await;
    assert_eq!(SyncClient::open(options(directory.path())).await.unwrap_err().code(), Code::AlreadyRunning);
    client.close().await;
    open(directory.path()).await.close().await;
}

#[tokio::test]
async fn d13_a_lost_key_is_said_and_nothing_is_made_in_its_place() {
    let directory = TempDir::new().unwrap();
    let client = open(directory.path()).await;
    client.enable().await.unwrap();
    client.close().await;
    std::fs::remove_file(directory.path().join("store.key")).unwrap();
    for _ in 0..2 {
        assert_eq!(SyncClient::open(options(directory.path())).await.unwrap_err().code(), Code::KeyLost);
        assert!(!directory.path().join("store.key").exists());
    }
}

#[tokio::test]
async fn another_devices_key_does_not_open_the_store() {
    let (one, two) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    for directory in [&one, &two] {
        let client = open(directory.path()).await;
        client.enable().await.unwrap();
        client.close().await;
    }
    std::fs::copy(two.path().join("store.key"), one.path().join("store.key")).unwrap();
    let code = SyncClient::open(options(one.path())).await.unwrap_err().code();
    assert!(matches!(code, Code::StorageFailed | Code::KeyLost), "{code:?}");
    // The failed attempt has let go of the directory.
    assert_eq!(SyncClient::open(options(one.path())).await.unwrap_err().code(), code);
}

#[tokio::test]
async fn a_text_that_is_no_invite_or_address_is_refused_here() {
    let directory = TempDir::new().unwrap();
    let client = open(directory.path()).await;
    for text in ["", "hello", "zerok://join?i=", "https://example.org"] {
        assert_eq!(client.join_invite(text).await.unwrap_err().code(), Code::InvalidArgs, "{text}");
    }
    assert_eq!(client.set_relay("0k:nothing").await.unwrap_err().code(), Code::InvalidArgs);
}

#[tokio::test]
async fn a_configured_relay_is_adopted_once_and_another_is_only_a_warning() {
    let directory = TempDir::new().unwrap();
    let with = |key| Options { relay: Some(relay(key)), ..options(directory.path()) };
    let client = SyncClient::open(with(9)).await.unwrap();
    client.enable().await.unwrap();
    assert!(!client.info().relay_mismatch);
    client.close().await;
    let client = SyncClient::open(with(5)).await.unwrap();
    assert!(client.info().relay_mismatch);
    assert_eq!(client.inspect().await.unwrap().relay.unwrap().key, relay(9).key);
    client.set_relay(&relay(5).to_string()).await.unwrap();
    assert!(!client.info().relay_mismatch);
}

#[tokio::test]
async fn signals_in_any_order_are_harmless_and_a_closed_client_says_that_it_is() {
    let directory = TempDir::new().unwrap();
    let client = open(directory.path()).await;
    let mut events = client.events();
    client.network_changed(false);
    client.sync_pending_then_pull_after(Duration::from_secs(3600)).await;
    client.connect_and_pull().await;
    client.mark_pending_for_next_launch();
    client.enable().await.unwrap();
    assert!(matches!(events.recv().await, Ok(ClientEvent::Status(_))));
    assert!(!client.flush(Duration::from_millis(10)).await, "its genesis is queued");
    client.clone().close().await;
    client.mark_pending_for_next_launch();
    assert!(matches!(client.inspect().await, Err(SyncError::Stopped(Code::Cancelled))));
    while events.recv().await.is_ok() {}
    assert!(client.events().recv().await.is_err());
}

/// The triggers as the specification's text has them, call by call.
#[tokio::test]
async fn the_triggers_are_called_as_they_were_specified() {
    async fn on_app_start(sync_client: &SyncClient) {
        sync_client.connect_and_pull().await;
    }
    async fn on_app_resume(sync_client: &SyncClient) {
        sync_client.sync_pending_then_pull().await;
    }
    async fn on_app_close(sync_client: &SyncClient) {
        sync_client.mark_pending_for_next_launch();
        let _ = tokio::time::timeout(Duration::from_millis(500), sync_client.quick_flush()).await;
    }
    /// What a save shows: synced with its cursor, or pending.
    async fn save(sync: &SyncClient, blob: Vec<u8>) -> Option<Position> {
        sync.push(blob, None).await.ok().map(|result| result.cursor)
    }
    let directory = TempDir::new().unwrap();
    let client = open(directory.path()).await;
    client.enable().await.unwrap();
    on_app_start(&client).await;
    on_app_resume(&client).await;
    assert_eq!(save(&client, b"milk".to_vec()).await, None, "without a relay it is pending");
    assert_eq!(client.inspect().await.unwrap().pending.len(), 1);
    on_app_close(&client).await;
    assert!(matches!(client.inspect().await, Err(SyncError::Stopped(_))));
}

#[tokio::test]
async fn an_event_receiver_that_lags_is_told_so_and_the_status_is_still_true() {
    let directory = TempDir::new().unwrap();
    let client = open(directory.path()).await;
    let mut events = client.events();
    client.enable().await.unwrap();
    for _ in 0..1200 {
        client.push_detached(&b"x"[..], None).await.unwrap();
    }
    assert!(matches!(events.recv().await, Err(broadcast::error::RecvError::Lagged(_))));
    assert!(events.recv().await.is_ok());
    assert_eq!(client.inspect().await.unwrap().status, client.status());
}

#[tokio::test]
async fn a_started_client_dials_its_relay_sends_its_first_flight_and_tries_again() {
    use tokio::io::AsyncReadExt as _;
    let directory = TempDir::new().unwrap();
    let mut acceptor = TcpAcceptor::bind("127.0.0.1:0").await.unwrap();
    let address = acceptor.local_addr().unwrap().to_string();
    let client = SyncClient::open(Options {
        relay: Some(RelayAddress { tcp: vec![address], ..relay(9) }),
        dialer: Arc::new(FirstOf(vec![Arc::new(Nowhere), Arc::new(TcpDialer)])),
        ..options(directory.path())
    })
    .await
    .unwrap();
    client.enable().await.unwrap();
    for _ in 0..2 {
        client.sync_pending_then_pull_after(Duration::from_secs(60)).await;
        let mut link = acceptor.accept().await.unwrap();
        let mut preamble = [0; 3];
        link.io.read_exact(&mut preamble).await.unwrap();
        assert_eq!(&preamble, b"0k\x01");
        assert_ne!(client.status().state, ConnectionState::Connected);
    }
    client.close().await;
}

#[tokio::test]
async fn d7_a_full_disk_refuses_a_push_loses_nothing_and_takes_the_next_one_that_fits() {
    let directory = TempDir::new().unwrap();
    let options = options(directory.path());
    let ground = Ground::open(&options).unwrap();
    ground.disk.limit_pages(80);
    let client = SyncClient::start(ground, &options).unwrap();
    client.enable().await.unwrap();
    let kept = client.push_detached(&b"fits"[..], None).await.unwrap();
    let refused = client.push_detached(vec![1; 900_000], None).await.unwrap_err();
    assert_eq!((refused.code(), refused.retryable()), (Code::StorageFull, true));
    let later = client.push_detached(&b"fits too"[..], None).await.unwrap();
    assert_eq!(client.inspect().await.unwrap().pending, [kept, later]);
    client.close().await;
    let client = open(directory.path()).await;
    assert_eq!(client.inspect().await.unwrap().pending, [kept, later]);
}

/// A place for a key that fails for a while.
#[derive(Debug)]
struct Fickle {
    file: KeyFile,
    fault: KeyFault,
    failing: Arc<AtomicBool>,
}

impl KeyStorage for Fickle {
    fn kind(&self) -> KeyStorageKind {
        KeyStorageKind::Keychain
    }

    fn load(&self) -> Result<Option<Kept>, KeyFault> {
        self.file.load()
    }

    fn store(&self, kept: &Kept) -> Result<(), KeyFault> {
        if self.failing.load(Ordering::SeqCst) { Err(self.fault) } else { self.file.store(kept) }
    }

    fn delete(&self) -> Result<(), KeyFault> {
        self.file.delete()
    }
}

#[tokio::test]
async fn a_keychain_that_locks_refuses_a_push_and_the_client_goes_on_once_it_is_unlocked() {
    for fault in [KeyFault::Locked, KeyFault::Missing] {
        a_push_is_refused_while_the_counter_meets(fault, Code::KeychainLocked).await;
    }
}

#[tokio::test]
async fn d7_a_full_disk_under_the_key_file_refuses_a_push_and_the_client_goes_on_once_there_is_room() {
    a_push_is_refused_while_the_counter_meets(KeyFault::Full, Code::StorageFull).await;
}

async fn a_push_is_refused_while_the_counter_meets(fault: KeyFault, code: Code) {
    let directory = TempDir::new().unwrap();
    let options = options(directory.path());
    let ground = Ground::open(&options).unwrap();
    drop(ground.disk);
    let failing = Arc::new(AtomicBool::new(false));
    let keys = Fickle { file: KeyFile::new(directory.path()), fault, failing: Arc::clone(&failing) };
    let disk = ClientDisk::open(directory.path(), Box::new(keys), 0).unwrap();
    let client = SyncClient::start(Ground { disk, ..ground }, &options).unwrap();
    client.enable().await.unwrap();
    failing.store(true, Ordering::SeqCst);
    // The numbers that are reserved already last for a while.
    let (mut kept, mut refused) = (Vec::new(), None);
    while refused.is_none() {
        match client.push_detached(&b"milk"[..], None).await {
            Ok(id) => kept.push(id),
            Err(error) => refused = Some((error.code(), error.retryable())),
        }
    }
    assert_eq!(refused, Some((code, true)), "{fault}");
    failing.store(false, Ordering::SeqCst);
    kept.push(client.push_detached(&b"bread"[..], None).await.unwrap());
    assert_eq!(client.inspect().await.unwrap().pending, kept);
    client.close().await;
}

#[tokio::test]
async fn a_damaged_database_is_never_followed_by_a_new_identity_in_silence() {
    let directory = TempDir::new().unwrap();
    let client = open(directory.path()).await;
    client.enable().await.unwrap();
    let before = client.inspect().await.unwrap().identity.unwrap().device;
    client.close().await;
    std::fs::write(directory.path().join("client.db"), [9; 8192]).unwrap();
    let first = SyncClient::open(options(directory.path())).await.unwrap_err();
    assert!(matches!(first, SyncError::Store(StoreFailure::Corrupt)), "{first}");
    for _ in 0..2 {
        let again = SyncClient::open(options(directory.path())).await.unwrap_err();
        assert!(matches!(again, SyncError::SetAside(_)), "{again}");
        assert_eq!((again.code(), again.retryable()), (Code::StorageFailed, false));
    }
    let client = SyncClient::open(Options { start_afresh: true, ..options(directory.path()) }).await.unwrap();
    client.enable().await.unwrap();
    assert_ne!(client.inspect().await.unwrap().identity.unwrap().device, before);
    client.close().await;
    let client = open(directory.path()).await;
    assert_eq!(client.info().kept_aside.len(), 1, "it is still there to be looked at");
}

#[tokio::test]
async fn d15_a_store_of_a_newer_version_asks_for_an_update_and_is_left_alone() {
    let directory = TempDir::new().unwrap();
    open(directory.path()).await.close().await;
    let database = rusqlite::Connection::open(directory.path().join("client.db")).unwrap();
    database.pragma_update(None, "user_version", 1_000_000).unwrap();
    drop(database);
    let before = std::fs::read(directory.path().join("client.db")).unwrap();
    let newer = SyncClient::open(options(directory.path())).await.unwrap_err();
    assert_eq!((newer.code(), newer.retryable()), (Code::UpdateNeeded, false), "{newer}");
    assert_eq!(std::fs::read(directory.path().join("client.db")).unwrap(), before);
}

// ---- with a machine that does as it is told

type Script = fn(ClientInput) -> Vec<ClientOutput>;

struct Scripted {
    script: Script,
    says: VecDeque<ClientOutput>,
}

impl Machine for Scripted {
    type Input = ClientInput;
    type Output = ClientOutput;

    fn handle(&mut self, _: Time, input: ClientInput) -> Result<(), Misuse> {
        self.says.extend((self.script)(input));
        Ok(())
    }

    fn poll(&mut self) -> Option<ClientOutput> {
        self.says.pop_front()
    }

    fn deadline(&self) -> Option<Time> {
        None
    }
}

fn launch(directory: &TempDir, script: Script) -> SyncClient {
    let options = options(directory.path());
    let ground = Ground::open(&options).unwrap();
    SyncClient::launch(Scripted { script, says: VecDeque::new() }, Clock::new(), ground, &options).unwrap()
}

#[tokio::test]
async fn quick_flush_returns_within_its_budget_whatever_the_machine_does() {
    let directory = TempDir::new().unwrap();
    let client = launch(&directory, |_deaf| Vec::new());
    let asked = Instant::now();
    client.quick_flush_within(Duration::from_millis(50)).await;
    // Without a budget it would never return.
    assert!(asked.elapsed() >= Duration::from_millis(50), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn a_flush_waits_for_the_disk_too_within_its_budget() {
    // A plugin waits for it on another thread.
    fn sent<T: Send>(future: T) -> T {
        future
    }
    let budget = Duration::from_millis(50);
    let directory = TempDir::new().unwrap();
    // Nothing is pending, and no answer comes, as while the batch before it is being written.
    let client = launch(&directory, |_writing| Vec::new());
    let asked = Instant::now();
    assert!(sent(client.flush(budget)).await);
    assert!(asked.elapsed() >= budget, "{:?}", asked.elapsed());
    let directory = TempDir::new().unwrap();
    let client = launch(&directory, |input| match input {
        ClientInput::Command(command, _) => vec![ClientOutput::Done { command, result: Err(Code::Busy.into()) }],
        _ => Vec::new(),
    });
    // It would be stuck for an hour.
    assert!(client.flush(Duration::from_secs(3600)).await);
}

#[tokio::test]
async fn a_call_whose_future_is_dropped_is_cancelled_and_a_push_is_not() {
    let directory = TempDir::new().unwrap();
    let client = launch(&directory, |input| match input {
        ClientInput::Cancel(id) => vec![ClientOutput::Event(ClientEvent::Progress { to_push: id.0, to_pull: 0 })],
        _ => Vec::new(),
    });
    let mut events = client.events();
    drop(client.push(&b"x"[..], None));
    for cancelled in 2..4 {
        assert!(timeout(Duration::from_millis(5), client.sync_now()).await.is_err());
        assert_eq!(events.recv().await.unwrap(), ClientEvent::Progress { to_push: cancelled, to_pull: 0 });
    }
}

#[tokio::test]
async fn an_answer_reaches_its_own_call_also_when_answers_come_in_another_order() {
    let directory = TempDir::new().unwrap();
    let client = launch(&directory, |input| match input {
        ClientInput::Command(id, _) if id.0 == 3 => (1..4)
            .rev()
            .map(|id| ClientOutput::Done {
                command: CommandId(id),
                result: Ok(Reply::Queued { blob_id: BlobId([id as u8; 16]) }),
            })
            .collect(),
        _ => Vec::new(),
    });
    let calls = [1, 2, 3].map(|_| client.push_detached(&b"x"[..], None));
    for (number, call) in (1..).zip(calls) {
        assert_eq!(call.await.unwrap(), BlobId([number; 16]));
    }
}

#[tokio::test]
async fn when_the_store_fails_open_and_later_calls_say_why() {
    let directory = TempDir::new().unwrap();
    let client = launch(&directory, |input| match input {
        ClientInput::Command(..) => {
            vec![ClientOutput::Event(ClientEvent::Problem(Code::StorageFailed)), ClientOutput::Stopped]
        }
        _ => Vec::new(),
    });
    for _ in 0..2 {
        assert!(matches!(client.sync_now().await, Err(SyncError::Stopped(Code::StorageFailed))));
    }
    client.close().await;
    Ground::open(&options(directory.path())).unwrap();
}

#[tokio::test]
async fn dropping_the_last_handle_closes() {
    let directory = TempDir::new().unwrap();
    let client = launch(&directory, |input| match input {
        ClientInput::Lifecycle(Lifecycle::Closing) => vec![ClientOutput::Stopped],
        _ => Vec::new(),
    });
    let mut finished = client.shared.finished.clone();
    drop(client.clone());
    assert!(finished.has_changed().is_ok());
    drop(client);
    assert!(finished.changed().await.is_err());
    Ground::open(&options(directory.path())).unwrap();
}

#[test]
fn a_client_and_its_futures_may_move_between_threads() {
    fn send<T: Send>(_: &T) {}
    fn check(client: &SyncClient) {
        send(client);
        send(&client.push(Vec::new(), None));
        send(&client.sync_now());
        send(&client.clone().close());
        send(&SyncClient::open(Options::new("", "", Arc::new(FirstOf(Vec::new())))));
    }
    let _: fn(&SyncClient) = check;
}
