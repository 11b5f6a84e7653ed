//! A relay on this machine, a network that can be lost, a device under test, and one that reads what arrives.

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
    sync::watch,
    task::JoinSet,
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
    pub(super) async fn play(&mut self, state: &SyncState, number: u32, steps: &[Step]) {
        // Shown when it fails.
        eprintln!("run {number}: {steps:?}");
        let mut pushes = JoinSet::new();
        let mut signals = JoinSet::new();
        for (step, what) in steps.iter().enumerate() {
            match what {
                Step::Push => {
                    let (state, blob) = (state.clone(), format!("{number}/{step}").into_bytes());
                    pushes.spawn(async move { (state.push(blob.clone(), None).await, blob) });
                }
                Step::Signal(trigger) => {
                    let (state, trigger) = (state.clone(), *trigger);
                    signals.spawn(async move { within_budget(&state, trigger).await });
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
        }
        while let Some(signal) = signals.join_next().await {
            signal.unwrap();
        }
        while let Some(pushed) = pushes.join_next().await {
            let (outcome, blob) = pushed.unwrap();
            self.heard(outcome, blob, steps);
        }
        self.truth(state).await;
        self.relay_starts().await;
        self.network.restore();
        state.on(Trigger::Launched).await;
        state.on(Trigger::Foreground).await;
        settled(state).await;
        assert_eq!(state.info().await.unwrap().pending, 0, "{steps:?}");
    }

    fn heard(&mut self, outcome: Result<crate::shapes::PushResult, Error>, blob: Vec<u8>, steps: &[Step]) {
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

    /// What is shown is what the client would say.
    async fn truth(&self, state: &SyncState) {
        if state.slot().now().is_none() {
            assert_eq!(state.status().state, ConnectionState::Disabled);
            return;
        }
        let shown = async {
            loop {
                let Ok(info) = state.info().await else { return };
                let status = state.status();
                if (status.pending, status.last_cursor) == (info.pending, info.last_cursor) {
                    return;
                }
            }
        };
        timeout(PATIENCE, shown).await.expect("the status tells the truth");
    }

    async fn relay_starts(&mut self) {
        if self.relay.is_none() {
            self.relay = Some(serve(self.config.clone()).await.unwrap());
        }
    }
}

async fn within_budget(state: &SyncState, trigger: Trigger) {
    let began = Instant::now();
    state.on(trigger).await;
    if matches!(trigger, Trigger::Background | Trigger::Exit) {
        assert!(began.elapsed() < BUDGET + SCHEDULING, "{trigger:?} took {:?}", began.elapsed());
    }
}
