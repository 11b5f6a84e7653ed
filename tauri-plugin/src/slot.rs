//! When the one client is open.
//!
//! A directory is opened when there is something in it, or when sync is enabled; never before, so an app that does not use sync leaves
//! no trace. Opening and closing take turns; everything else goes by what is open now.
//!
//! ```text
//!            data there, or enable                     stopped by itself
//!  Closed ──────────────────────────► Open ───────────────────────────────► Failed
//!    ▲ │                               │ ▲        enable, foreground           │
//!    │ └── cannot be opened ──► Failed │ └────────────────────────────────────┘
//!    └───────────── exit ──────────────┘
//! ```
//! Invariant: what a page is shown is what is the case: the last status of a client that was closed, and the reason of one that failed.

use std::{
    sync::{Arc, PoisonError, RwLock, RwLockWriteGuard},
    time::Duration,
};

use tokio::{
    sync::{
        Mutex,
        broadcast::{self, error::RecvError},
    },
    time::timeout,
};
use zerok_core::{
    client::{
        command::ClientEvent,
        status::{ConnectionState, Indicator},
    },
    error::Code,
};
use zerok_tokio::{Options, SyncClient, store::ClientDisk};

use crate::{
    error::Error,
    events::{Meter, SyncEvent},
    shapes::Status,
};

/// Events kept for a receiver in Rust that is slow.
const EVENTS: usize = 1024;

/// Where events go besides receivers in Rust.
pub(crate) type Sink = Box<dyn Fn(&SyncEvent) + Send + Sync>;

/// Why a client is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    /// Something needs it.
    Use,
    /// The app came to the front: what failed before may work now.
    Again,
    /// Sync was enabled: make it if there is none.
    Make,
}

/// The place of the one client.
pub(crate) struct Slot {
    options: Options,
    state: RwLock<State>,
    /// Held by whoever opens or closes.
    turn: Mutex<()>,
    sink: Sink,
    events: broadcast::Sender<SyncEvent>,
}

enum State {
    Closed(Status),
    Open { client: SyncClient, number: u64 },
    Failed(Error),
}

impl Slot {
    pub(crate) fn new(options: Options, sink: Sink) -> Self {
        let state = RwLock::new(State::Closed(Status::closed(None)));
        Self { options, state, turn: Mutex::new(()), sink, events: broadcast::Sender::new(EVENTS) }
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    pub(crate) fn events(&self) -> broadcast::Receiver<SyncEvent> {
        self.events.subscribe()
    }

    /// The client if it is open. Never waits.
    pub(crate) fn now(&self) -> Option<SyncClient> {
        match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            State::Open { client, .. } => Some(client.clone()),
            State::Closed(_) | State::Failed(_) => None,
        }
    }

    /// What to show. Never waits.
    pub(crate) fn status(&self) -> Status {
        match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            State::Open { client, .. } => client.status().into(),
            State::Closed(status) => status.clone(),
            State::Failed(error) => Status::closed(Some(error.clone())),
        }
    }

    /// The client, opened if it has to be.
    pub(crate) async fn client(self: &Arc<Self>, want: Want) -> Result<SyncClient, Error> {
        if let Some(client) = self.now() {
            return Ok(client);
        }
        let _turn = self.turn.lock().await;
        if let Some(client) = self.now() {
            return Ok(client);
        }
        let failure = match &*self.change() {
            State::Failed(error) => Some(error.clone()),
            State::Open { .. } | State::Closed(_) => None,
        };
        match (failure, want) {
            (_, Want::Make) => self.open().await,
            (Some(error), Want::Use) => Err(error),
            (_, Want::Again | Want::Use) if ClientDisk::exists(&self.options.data_dir) => self.open().await,
            (failure, Want::Again | Want::Use) => Err(failure.unwrap_or_else(|| Code::NotEnabled.into())),
        }
    }

    /// Lets what is queued take one flight, and frees the directory. Returns within the budget; what takes longer goes on by itself,
    /// and whoever opens meanwhile waits for it.
    pub(crate) async fn close(self: &Arc<Self>, budget: Duration) {
        let slot = Arc::clone(self);
        let closing = tokio::spawn(async move {
            let _turn = slot.turn.lock().await;
            let Some(client) = slot.now() else { return };
            client.mark_pending_for_next_launch();
            client.quick_flush_within(budget).await;
            let last = Status { state: ConnectionState::Disabled, attempt: 0, ..client.status().into() };
            *slot.change() = State::Closed(Status { indicator: Indicator::Offline, ..last });
            client.close().await;
            slot.tell(SyncEvent::Status(slot.status()));
        });
        let _over = timeout(budget, closing).await;
    }

    /// Tells everyone.
    fn tell(&self, event: SyncEvent) {
        (self.sink)(&event);
        // Nobody in Rust may be listening.
        let _unheard = self.events.send(event);
    }

    async fn open(self: &Arc<Self>) -> Result<SyncClient, Error> {
        match SyncClient::open(self.options.clone()).await {
            Ok(client) => {
                let heard = client.events();
                let number = self.put(client.clone());
                tokio::spawn(follow(Arc::downgrade(self), number, heard));
                client.connect_and_pull().await;
                self.tell(SyncEvent::Status(self.status()));
                if client.info().relay_mismatch {
                    self.tell(SyncEvent::Error(Code::RelayMismatch.into()));
                }
                Ok(client)
            }
            Err(error) => {
                let error = Error::from(error);
                self.fail(error.clone());
                Err(error)
            }
        }
    }

    fn put(&self, client: SyncClient) -> u64 {
        static NUMBERS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let number = NUMBERS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        *self.change() = State::Open { client, number };
        number
    }

    /// Says so once: what is tried again at every return to the front fails the same way for a while.
    fn fail(&self, error: Error) {
        let before = std::mem::replace(&mut *self.change(), State::Failed(error.clone()));
        if !matches!(before, State::Failed(known) if known == error) {
            self.tell(SyncEvent::Status(self.status()));
            self.tell(SyncEvent::Error(error));
        }
    }

    /// The client of this number has ended. Unless it was told to, that is a failure.
    async fn ended(&self, number: u64) {
        let client = match &*self.change() {
            State::Open { client, number: open } if *open == number => client.clone(),
            _ => return,
        };
        if let Err(error) = client.inspect().await {
            self.fail(error.into());
        }
    }

    fn change(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot").field("options", &self.options).finish_non_exhaustive()
    }
}

/// Passes on what a client tells, until it ends. Holds neither client nor slot in between.
async fn follow(slot: std::sync::Weak<Slot>, number: u64, mut heard: broadcast::Receiver<ClientEvent>) {
    let mut meter = Meter::default();
    loop {
        let received = heard.recv().await;
        let Some(slot) = slot.upgrade() else { return };
        match received {
            Ok(event) => {
                let relay = match (&event, slot.now()) {
                    (ClientEvent::Connected { .. }, Some(client)) => address_of(&client).await,
                    _ => None,
                };
                slot.tell(SyncEvent::from_core(event, relay, &mut meter));
            }
            // What was missed were hints; the status is the truth.
            Err(RecvError::Lagged(_)) => slot.tell(SyncEvent::Status(slot.status())),
            Err(RecvError::Closed) => return slot.ended(number).await,
        }
    }
}

async fn address_of(client: &SyncClient) -> Option<String> {
    client.inspect().await.ok()?.relay.map(|relay| relay.to_string())
}
