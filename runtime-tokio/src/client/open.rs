//! From a data directory to a running client.

use std::sync::{Arc, Mutex, atomic::AtomicBool};

use tokio::sync::{broadcast, mpsc, watch};
use zeroize::Zeroizing;
use zerok_core::{
    channel::ChannelKind,
    client::{
        Client, ClientConfig,
        command::ClientCommand,
        io::{ClientInput, ClientOutput},
        status::{ConnectionState, Indicator, Status},
        store::ClientStore,
    },
    error::Code,
    ids::{CommandId, Position},
    machine::Machine,
    rng::Seed,
    seal::rest::StoreKey,
};

use super::{Calls, Info, Options, Shared, SyncClient, SyncError};
use crate::{
    client_driver::{Board, ClientStation},
    clock::Clock,
    data_dir::DataDir,
    dial::Patient,
    driver::{self, LINK_INPUTS, Sources},
    pump::Links,
    secrets::{self, KeyStorageKind},
    store::{
        ClientDisk,
        worker::{Disk, Worker},
    },
};

/// Events kept for a receiver that is slow; one that lags further is told how many it missed.
const EVENTS: usize = 1024;

/// What is opened before there is a machine.
pub(super) struct Ground {
    pub(super) directory: DataDir,
    pub(super) disk: ClientDisk,
    pub(super) key: Zeroizing<[u8; 32]>,
    pub(super) info: Info,
}

impl SyncClient {
    /// Opens a data directory, creating it if there is none, and starts its client on the current runtime. Nothing is dialled before
    /// it is enabled or told that the application started.
    ///
    /// # Errors
    /// [`Code::AlreadyRunning`], [`Code::KeyLost`], [`Code::KeychainLocked`], or what is wrong with the store:
    /// [`SyncError::SetAside`] as long as a damaged one has no successor, unless [`Options::start_afresh`].
    pub async fn open(options: Options) -> Result<Self, SyncError> {
        let asked = options.clone();
        let ground =
            tokio::task::spawn_blocking(move || Ground::open(&asked)).await.map_err(std::io::Error::other)??;
        let client = Self::start(ground, &options)?;
        match client.settle_in(&options).await {
            Ok(()) => Ok(client),
            Err(error) => {
                client.close().await;
                Err(error)
            }
        }
    }

    /// A client on what was opened.
    pub(super) fn start(ground: Ground, options: &Options) -> Result<Self, SyncError> {
        let config = ClientConfig {
            store_key: StoreKey::new(*ground.key),
            kind: ChannelKind::Noise,
            limits: options.limits.clone(),
            padding: options.padding,
        };
        let clock = Clock::new();
        let machine = Client::new(config, seed()?, clock.now());
        Self::launch(machine, clock, ground, options)
    }

    /// The same handle, driver and links around another machine and another store: one that records or injects, or the probe of the
    /// conformance suite. Opens and locks nothing; of the options it uses the dialler and the name.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn around<M>(machine: M, disk: impl Disk<ClientStore>, options: &Options) -> Result<Self, SyncError>
    where
        M: Machine<Input = ClientInput, Output = ClientOutput> + Send + 'static,
    {
        let info = Info {
            data_dir: options.data_dir.clone(),
            key_storage: KeyStorageKind::File,
            relay_mismatch: false,
            kept_aside: Vec::new(),
        };
        Self::spawn(machine, Clock::new(), (disk, None, info), options)
    }

    /// Waits until the store was read, and names the configured relay.
    async fn settle_in(&self, options: &Options) -> Result<(), SyncError> {
        self.inspect().await?;
        let Some(relay) = options.relay.clone() else { return Ok(()) };
        match self.call(ClientCommand::Configure(relay)).await {
            Err(SyncError::Rejected(rejection)) if rejection.code == Code::RelayMismatch => {
                tracing::warn!("configuration names another relay than the one in use");
                self.shared.mismatch.store(true, std::sync::atomic::Ordering::Relaxed);
                Ok(())
            }
            answer => answer.map(drop),
        }
    }

    /// Starts the task that owns the machine.
    pub(super) fn launch<M>(machine: M, clock: Clock, ground: Ground, options: &Options) -> Result<Self, SyncError>
    where
        M: Machine<Input = ClientInput, Output = ClientOutput> + Send + 'static,
    {
        let Ground { directory, disk, info, .. } = ground;
        Self::spawn(machine, clock, (disk, Some(directory), info), options)
    }

    fn spawn<M>(
        machine: M,
        clock: Clock,
        (disk, directory, info): (impl Disk<ClientStore>, Option<DataDir>, Info),
        options: &Options,
    ) -> Result<Self, SyncError>
    where
        M: Machine<Input = ClientInput, Output = ClientOutput> + Send + 'static,
    {
        let (requests, requested) = mpsc::unbounded_channel();
        let (links, link_inputs) = mpsc::channel(LINK_INPUTS);
        let (answers, answered) = mpsc::unbounded_channel();
        let (status, status_seen) = watch::channel(BEFORE);
        let (stopped, stop_seen) = watch::channel(None);
        let (finished, finish_seen) = watch::channel(());
        let events = broadcast::Sender::new(EVENTS);
        let heard = events.downgrade();
        let store = Worker::start("zerok-store", disk, answers)?;
        let board = Board { status, events, stopped };
        let dialer = Arc::new(Patient::new(Arc::clone(&options.dialer), options.dial_patience));
        let station = ClientStation::new(Links::new(links), dialer, store, board);
        let sources = Sources { store: answered, links: link_inputs, requests: requested };
        tokio::spawn(async move {
            let (shell, station) = driver::run(machine, station, clock, sources).await;
            drop(shell);
            let freed = tokio::task::spawn_blocking(move || {
                let board = station.finish();
                drop(directory);
                board
            });
            let _panicked = freed.await;
            drop(finished);
        });
        Ok(Self {
            shared: Arc::new(Shared {
                calls: Mutex::new(Calls { last: CommandId(0), requests }),
                status: status_seen,
                events: heard,
                stopped: stop_seen,
                finished: finish_seen,
                mismatch: AtomicBool::new(false),
                info,
                name: options.name.clone(),
                scheme: options.scheme.clone(),
            }),
        })
    }
}

impl Ground {
    /// Locks the directory, finds its key, opens its store. Blocks.
    pub(super) fn open(options: &Options) -> Result<Self, SyncError> {
        let directory = DataDir::lock(&options.data_dir)?;
        let path = directory.path();
        let kept_aside = ClientDisk::kept_aside(path);
        // A new identity is made only where there never was one, or where someone who knows what is lost asks for it.
        let lost = kept_aside.last().filter(|_| !options.start_afresh);
        let replaced =
            |blank: bool| lost.filter(|_| blank).map_or(Ok(()), |aside| Err(SyncError::SetAside(aside.clone())));
        replaced(!ClientDisk::exists(path))?;
        let found = secrets::find(path, options.key_storage, ClientDisk::exists(path))?;
        let info = Info {
            data_dir: path.to_owned(),
            key_storage: found.place.kind(),
            relay_mismatch: false,
            kept_aside: kept_aside.clone(),
        };
        let disk = ClientDisk::open(path, found.place, found.kept.reserved)?;
        replaced(disk.is_blank()?)?;
        Ok(Self { directory, disk, key: found.kept.key, info })
    }
}

/// What is shown before the machine has said anything.
const BEFORE: Status = Status {
    state: ConnectionState::Disabled,
    indicator: Indicator::Offline,
    pending: 0,
    last_cursor: Position(0),
    last_synced_at: None,
    attempt: 0,
    last_error: None,
};

fn seed() -> Result<Seed, SyncError> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(&mut bytes[..]).map_err(std::io::Error::other)?;
    Ok(Seed::new(*bytes))
}
