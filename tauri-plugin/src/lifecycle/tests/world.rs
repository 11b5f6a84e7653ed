//! A relay on this machine, a network that can be lost, a device under test that can be killed, and one that reads what arrives.

#![allow(clippy::print_stderr, reason = "a run that fails shows its steps")]

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::{
    io::{copy_bidirectional, duplex},
    runtime::Runtime,
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};
use zerok_core::{
    address::RelayAddress,
    client::status::{ConnectionState, Indicator},
    machine::LinkFailure,
};
use zerok_relay::{Config, Server, serve};
use zerok_tokio::{
    Options, SyncClient,
    link::{BoxFuture, Dialer, Opened},
    secrets::KeyStorageChoice,
    tcp::TcpDialer,
};

use super::Step;
use crate::{
    error::{Code, Error},
    lifecycle::Trigger,
    state::{Limits, SyncState},
};

/// For what has to happen, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);
/// Of pausing and closing.
const BUDGET: Duration = Duration::from_millis(200);
/// What a busy machine adds to it. What would be wrong is waiting for a relay: that is ten seconds and more.
const SCHEDULING: Duration = Duration::from_secs(4);

/// Runs a scenario to its end.
pub(super) fn run(scenario: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { timeout(5 * PATIENCE, scenario).await.expect("the scenario ends") });
}

/// Waits for something to become so.
pub(super) async fn until(so: impl Fn() -> bool) {
    let becomes = async {
        while !so() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, becomes).await.expect("it becomes so");
}

/// Waits until everything is on the relay and is shown to be.
pub(super) async fn settled(state: &SyncState) {
    until(|| {
        let status = state.status();
        (status.state, status.indicator, status.pending) == (ConnectionState::Connected, Indicator::Synced, 0)
    })
    .await;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Weather {
    /// No link can be made.
    bad: bool,
    /// How often links broke.
    broke: u32,
    /// How often they went silent, which nobody notices.
    froze: u32,
}

/// A way to the relay that can be lost.
pub(super) struct Network {
    weather: watch::Sender<Weather>,
    dials: AtomicUsize,
    told: AtomicUsize,
}

impl Network {
    pub(super) fn lose(&self) {
        self.weather.send_modify(|weather| *weather = Weather { bad: true, broke: weather.broke + 1, ..*weather });
    }

    pub(super) fn freeze(&self) {
        self.weather.send_modify(|weather| weather.froze += 1);
    }

    /// New links can be made. What broke or froze stays so, as a link whose address is gone.
    pub(super) fn restore(&self) {
        self.weather.send_modify(|weather| weather.bad = false);
    }

    pub(super) fn dials(&self) -> usize {
        self.dials.load(Ordering::Relaxed)
    }

    /// How often it was told that the network may be another one.
    pub(super) fn told(&self) -> usize {
        self.told.load(Ordering::Relaxed)
    }
}

struct Way(Arc<Network>);

impl Dialer for Way {
    fn dial(&self, target: &RelayAddress) -> BoxFuture<'static, Result<Opened, LinkFailure>> {
        self.0.dials.fetch_add(1, Ordering::Relaxed);
        let mut weather = self.0.weather.subscribe();
        let dialled = TcpDialer.dial(target);
        Box::pin(async move {
            let before = *weather.borrow_and_update();
            if before.bad {
                return Err(LinkFailure::Unreachable);
            }
            let Opened { mut io, transport, origin } = dialled.await?;
            let (near, mut far) = duplex(64 * 1024);
            tokio::spawn(async move {
                let hit = |now: &Weather| (now.broke, now.froze) != (before.broke, before.froze);
                let silent = tokio::select! {
                    _ended = copy_bidirectional(&mut far, &mut io) => false,
                    hit = weather.wait_for(hit) => hit.is_ok_and(|now| now.broke == before.broke),
                };
                if silent {
                    // Both ends are held and carry nothing.
                    std::future::pending::<()>().await;
                }
            });
            Ok(Opened { io: Box::new(near), transport, origin })
        })
    }

    fn network_changed(&self) -> BoxFuture<'static, ()> {
        self.0.told.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::ready(()))
    }
}

/// The device under test as a process of its own would be: what it runs dies with its runtime, in the middle of whatever it does.
pub(super) struct Process {
    runtime: Option<Runtime>,
    pub(super) state: SyncState,
}

type PushOutcome = Result<crate::shapes::PushResult, Error>;
/// A push on its way, and how long it took.
type Timed = JoinHandle<(PushOutcome, Duration)>;

/// What was asked of a process and is not answered yet.
#[derive(Default)]
struct Asked {
    pushes: Vec<(Vec<u8>, Timed)>,
    signals: Vec<JoinHandle<()>>,
}

impl Process {
    fn new(state: SyncState) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { runtime: Some(runtime), state }
    }

    fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.runtime.as_ref().expect("it lives").spawn(work)
    }

    async fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        // A store's thread is no part of the runtime, and of a process it would be: it must not write beside its successor.
        let until = Instant::now() + SCHEDULING;
        while store_threads() > 1 && Instant::now() < until {
            sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Of this process; the reader has one.
fn store_threads() -> usize {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else { return usize::MAX };
    let name = |thread: std::fs::DirEntry| std::fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
    threads.flatten().map(name).filter(|name| name.trim() == "zerok-store").count()
}

/// Everything there is.
pub(super) struct World {
    temp: TempDir,
    config: Config,
    relay: Option<Server>,
    address: RelayAddress,
    pub(super) network: Arc<Network>,
    /// Another device of the group, always on the network.
    pub(super) reader: SyncClient,
    /// What pushes of the device under test answered that it would arrive.
    pub(super) accepted: Vec<Vec<u8>>,
}

impl World {
    pub(super) async fn new() -> Self {
        let temp = TempDir::new().unwrap();
        let mut config = Config::new(temp.path().join("relay"));
        config.http = None;
        config.iroh = None;
        config.store.reserve_bytes = 0;
        config.tcp = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
        let relay = serve(config.clone()).await.unwrap();
        // The same port after a restart.
        config.tcp = relay.tcp_addr();
        let address = relay.address().clone();
        let mut options = Options::new(temp.path().join("reader"), "reader", Arc::new(TcpDialer));
        options.key_storage = KeyStorageChoice::File;
        options.relay = Some(address.clone());
        let reader = SyncClient::open(options).await.unwrap();
        reader.enable().await.unwrap();
        reader.sync_now().await.unwrap();
        let network = Arc::new(Network {
            weather: watch::Sender::new(Weather::default()),
            dials: AtomicUsize::new(0),
            told: AtomicUsize::new(0),
        });
        Self { temp, config, relay: Some(relay), address, network, reader, accepted: Vec::new() }
    }

    pub(super) fn directory(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    pub(super) fn device(&self, name: &str, relay: Option<RelayAddress>) -> SyncState {
        let mut options = Options::new(self.directory(name), name, Arc::new(Way(Arc::clone(&self.network))));
        options.key_storage = KeyStorageChoice::File;
        options.relay = relay;
        options.limits.push_timeout = BUDGET;
        let limits = Limits { flush_budget: BUDGET, max_blob: 1 << 20, pull_page: 1 << 20 };
        SyncState::new(options, limits, Box::new(|_| {}))
    }

    /// A device in the reader's group.
    pub(super) async fn paired(&self, name: &str) -> SyncState {
        let state = self.device(name, Some(self.address.clone()));
        state.enable().await.unwrap();
        let invite = self.reader.create_invite().await.unwrap();
        state.join_invite(&invite.url).await.unwrap();
        settled(&state).await;
        state
    }

    /// The same as a process that can be killed.
    pub(super) async fn process(&self, name: &str) -> Process {
        let process = Process::new(self.device(name, Some(self.address.clone())));
        let (state, invite) = (process.state.clone(), self.reader.create_invite().await.unwrap());
        let joins = async move {
            state.enable().await.unwrap();
            state.join_invite(&invite.url).await.unwrap();
        };
        process.run(joins).await.unwrap();
        settled(&process.state).await;
        process
    }

    /// Everything that has arrived at the reader, which stays unread for the next look.
    pub(super) async fn received(&self) -> Vec<Vec<u8>> {
        self.reader.sync_now().await.unwrap();
        let mut received = Vec::new();
        let mut after = zerok_core::ids::Position(0);
        loop {
            let page = self.reader.pull(Some(after), 1 << 20, false).await.unwrap();
            received.extend(page.blobs.iter().map(|blob| blob.data.to_vec()));
            after = page.max_cursor;
            if !page.has_more {
                return received;
            }
        }
    }

    /// Plays steps, lets the sun shine, and looks whether everything came out right.
    pub(super) async fn play(&mut self, process: &mut Process, number: u32, steps: &[Step]) {
        // Shown when it fails.
        eprintln!("run {number}: {steps:?}");
        let mut asked = Asked::default();
        for (step, what) in steps.iter().enumerate() {
            match what {
                Step::Push => {
                    let (state, blob) = (process.state.clone(), format!("{number}/{step}").into_bytes());
                    let data = blob.clone();
                    let push = process.run(async move {
                        let began = Instant::now();
                        (state.push(data, None).await, began.elapsed())
                    });
                    asked.pushes.push((blob, push));
                }
                Step::Signal(trigger) => {
                    let (state, trigger) = (process.state.clone(), *trigger);
                    asked.signals.push(process.run(async move { within_budget(&state, trigger).await }));
                }
                Step::Killed => {
                    process.kill().await;
                    self.hear(&mut asked, steps).await;
                    *process = self.reopened().await;
                }
                Step::RelayStops => {
                    if let Some(relay) = self.relay.take() {
                        relay.shutdown().await;
                    }
                }
                Step::RelayStarts => self.relay_starts().await,
                Step::NetworkLost => self.network.lose(),
                Step::NetworkBack => self.network.restore(),
                Step::Moment(millis) => sleep(Duration::from_millis(u64::from(*millis))).await,
            }
            plausible(&process.state, steps);
        }
        self.hear(&mut asked, steps).await;
        self.truth(process, steps).await;
        self.relay_starts().await;
        self.network.restore();
        let state = process.state.clone();
        let wakes = async move {
            state.on(Trigger::Launched).await;
            state.on(Trigger::Foreground).await;
        };
        process.run(wakes).await.unwrap();
        settled(&process.state).await;
    }

    /// The app is started again after it was killed.
    async fn reopened(&self) -> Process {
        let process = Process::new(self.device("writer", None));
        loop {
            let state = process.state.clone();
            match process.run(async move { state.enable().await }).await.unwrap() {
                Ok(()) => return process,
                // The lock goes with the last of what died.
                Err(error) => assert_eq!(error.code, Code::AlreadyRunning),
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// What was answered counts. What died unanswered may have been taken or not.
    async fn hear(&mut self, asked: &mut Asked, steps: &[Step]) {
        for signal in asked.signals.drain(..) {
            unless_killed(signal).await;
        }
        for (blob, push) in asked.pushes.drain(..) {
            if let Some((outcome, took)) = unless_killed(push).await {
                assert!(took < BUDGET + SCHEDULING, "a push took {took:?}: {steps:?}");
                self.heard(outcome, blob, steps);
            }
        }
    }

    fn heard(&mut self, outcome: PushOutcome, blob: Vec<u8>, steps: &[Step]) {
        match outcome {
            Ok(_) => self.accepted.push(blob),
            Err(error) if error.code == Code::Pending => {
                assert!(error.details.as_ref().is_some_and(|details| details["blobId"].is_string()), "{error:?}");
                self.accepted.push(blob);
            }
            // The app was closing: the caller is told that it was not taken.
            Err(error) => assert_eq!(error.code, Code::Cancelled, "{steps:?}"),
        }
    }

    /// What is shown is so. Above all: where it says synced, the others get everything even if this device never comes back.
    async fn truth(&mut self, process: &mut Process, steps: &[Step]) {
        let shown = process.state.status();
        if process.state.slot().now().is_none() {
            assert_eq!((shown.state, shown.indicator), (ConnectionState::Disabled, Indicator::Offline), "{steps:?}");
            return;
        }
        if shown.indicator != Indicator::Synced {
            assert!(shown.pending > 0 || shown.state != ConnectionState::Connected, "{shown:?}: {steps:?}");
            return;
        }
        process.kill().await;
        self.relay_starts().await;
        let received = self.received().await;
        for blob in &self.accepted {
            assert!(received.contains(blob), "{} is lost: {steps:?}", String::from_utf8_lossy(blob));
        }
        *process = self.reopened().await;
    }

    async fn relay_starts(&mut self) {
        if self.relay.is_none() {
            self.relay = Some(serve(self.config.clone()).await.unwrap());
        }
    }
}

/// What no status may say, whatever is going on.
fn plausible(state: &SyncState, steps: &[Step]) {
    let shown = state.status();
    let reachable = !matches!(shown.state, ConnectionState::Disabled | ConnectionState::Offline);
    match shown.indicator {
        Indicator::Synced => assert!(shown.pending == 0 && reachable, "{shown:?}: {steps:?}"),
        Indicator::Pending => assert!(shown.pending > 0 && reachable, "{shown:?}: {steps:?}"),
        Indicator::Failed => assert!(shown.last_error.is_some(), "{shown:?}: {steps:?}"),
        Indicator::Offline => assert_ne!(shown.state, ConnectionState::Connected, "{shown:?}: {steps:?}"),
    }
}

/// The outcome, or nothing of what died with its process. A failed assertion goes on.
async fn unless_killed<T>(asked: JoinHandle<T>) -> Option<T> {
    match asked.await {
        Ok(outcome) => Some(outcome),
        Err(error) if error.is_cancelled() => None,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

async fn within_budget(state: &SyncState, trigger: Trigger) {
    let began = Instant::now();
    state.on(trigger).await;
    if matches!(trigger, Trigger::Background | Trigger::Exit) {
        assert!(began.elapsed() < BUDGET + SCHEDULING, "{trigger:?} took {:?}", began.elapsed());
    }
}
