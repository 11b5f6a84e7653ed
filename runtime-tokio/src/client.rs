//! One device as an application meets it: [`SyncClient`].
//!
//! A handle to the task that owns the machine. Calls are handed over when they are made, not when they are awaited, and a push whose
//! future is dropped stays queued. Events are hints and may be missed; status and reads are the truth. Seeds come from the operating
//! system and are never stored (D8).

mod open;

use std::{
    future::Future,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use thiserror::Error;
use tokio::{
    sync::{broadcast, mpsc, oneshot, watch},
    time::{Instant, timeout, timeout_at},
};
use zerok_core::{
    address::{AddressFault, RelayAddress},
    client::{
        command::{ClientCommand, ClientEvent, Lifecycle, Pulled, Rejection, Reply, Report},
        status::Status,
    },
    error::Code,
    ids::{BlobId, CommandId, IdempotencyKey, Position},
    limits::ClientLimits,
    machine::StoreFailure,
    pairing::{
        code::PairingCode,
        invite::{Invite, InviteFault, QrPayload},
    },
    seal::padding::Padding,
    time::UnixMillis,
};

use crate::{
    client_driver::{Answer, Request},
    data_dir::DataDirFault,
    dial::FIRST_PATIENCE,
    link::Dialer,
    secrets::{KeyFault, KeyStorageChoice, KeyStorageKind},
};

/// What a client that closes waits for its last flight, unless told otherwise.
const QUICK: Duration = Duration::from_millis(500);

/// How a client is set up.
#[derive(Clone)]
pub struct Options {
    /// Where its data lies: a directory of its own, private and locked while it is open.
    pub data_dir: PathBuf,
    /// The device's name within its group.
    pub name: String,
    /// The relay named by configuration, used when none is known from pairing.
    pub relay: Option<RelayAddress>,
    /// How relays are reached.
    pub dialer: Arc<dyn Dialer>,
    /// What a first dial may take before it counts as failed. Later ones are given more, up to ten seconds.
    pub dial_patience: Duration,
    /// Where to put the store key if there is none yet.
    pub key_storage: KeyStorageChoice,
    /// The machine's bounds.
    pub limits: ClientLimits,
    /// How payload sizes are hidden.
    pub padding: Padding,
    /// The scheme of invite URLs.
    pub scheme: String,
    /// Begin anew although a damaged database was set aside in this directory. The device is another one then.
    pub start_afresh: bool,
}

impl Options {
    /// The usual ones.
    pub fn new(data_dir: impl Into<PathBuf>, name: impl Into<String>, dialer: Arc<dyn Dialer>) -> Self {
        Self {
            data_dir: data_dir.into(),
            name: name.into(),
            relay: None,
            dialer,
            dial_patience: FIRST_PATIENCE,
            key_storage: KeyStorageChoice::Auto,
            limits: ClientLimits::default(),
            padding: Padding::default(),
            scheme: "zerok".to_owned(),
            start_afresh: false,
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("data_dir", &self.data_dir).field("name", &self.name).finish_non_exhaustive()
    }
}

/// Why a call failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SyncError {
    /// The machine says no.
    #[error("{}", .0.code)]
    Rejected(Rejection),
    /// The client has stopped: it was closed, or its store failed.
    #[error("the client has stopped: {0}")]
    Stopped(Code),
    /// The data directory cannot be used.
    #[error("{0}")]
    Directory(#[from] DataDirFault),
    /// The store key cannot be had.
    #[error("{0}")]
    Key(#[from] KeyFault),
    /// The store cannot be opened.
    #[error("{0}")]
    Store(#[from] StoreFailure),
    /// A damaged database was set aside here and nothing has taken its place. Beginning anew would silently be another device.
    #[error("a damaged database was set aside as {}; restore it from a copy, or start afresh as a new device", .0.display())]
    SetAside(PathBuf),
    /// The text is no invite.
    #[error("{0}")]
    Invite(#[from] InviteFault),
    /// The text is no relay address.
    #[error("{0}")]
    Address(#[from] AddressFault),
    /// The operating system gives no thread or no randomness.
    #[error("the operating system refuses: {0}")]
    System(#[from] std::io::Error),
}

impl SyncError {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::Rejected(rejection) => rejection.code,
            Self::Stopped(code) => *code,
            Self::Directory(DataDirFault::InUse) => Code::AlreadyRunning,
            Self::Key(KeyFault::Lost) => Code::KeyLost,
            Self::Key(KeyFault::Locked | KeyFault::Missing) => Code::KeychainLocked,
            Self::Key(KeyFault::Full) => Code::StorageFull,
            Self::Store(failure) => failure.code(),
            Self::Directory(_) | Self::Key(_) | Self::SetAside(_) | Self::System(_) => Code::StorageFailed,
            Self::Invite(_) | Self::Address(_) => Code::InvalidArgs,
        }
    }

    /// Whether the same call may succeed later without anyone doing anything.
    pub fn retryable(&self) -> bool {
        self.code().retryable()
    }

    /// The blob that stays queued, with [`Code::Pending`].
    pub fn blob_id(&self) -> Option<BlobId> {
        match self {
            Self::Rejected(rejection) => rejection.blob_id,
            _ => None,
        }
    }

    /// The highest assigned position, with [`Code::CursorUnknown`].
    pub fn last_cursor(&self) -> Option<Position> {
        match self {
            Self::Rejected(rejection) => rejection.last_cursor,
            _ => None,
        }
    }
}

/// A blob that the relay holds durably.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pushed {
    /// The same on every device.
    pub blob_id: BlobId,
    /// Its own position; no place to pull from.
    pub cursor: Position,
}

/// An open invite.
#[derive(Debug, Clone)]
pub struct Invitation {
    /// To type.
    pub code: PairingCode,
    /// To scan.
    pub qr: QrPayload,
    /// What a QR picture shows: opens the application where it is installed.
    pub url: String,
    /// When it ends.
    pub expires_at: UnixMillis,
}

/// A group was joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Joined {
    /// Whether the relay still has the group's whole history.
    pub history_complete: bool,
    /// Whether this device had data of its own that the group should get.
    pub needs_full_push: bool,
}

/// What stays the same while a client is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// Where its data lies.
    pub data_dir: PathBuf,
    /// Where its store key lies.
    pub key_storage: KeyStorageKind,
    /// Configuration names another relay than the one in use.
    pub relay_mismatch: bool,
    /// Damaged databases that were set aside, for a person to look at.
    pub kept_aside: Vec<PathBuf>,
}

/// One device. Cheap to clone; when the last clone is dropped, what is queued gets one flight and everything ends.
#[derive(Debug, Clone)]
pub struct SyncClient {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    calls: Mutex<Calls>,
    status: watch::Receiver<Status>,
    events: broadcast::WeakSender<ClientEvent>,
    stopped: watch::Receiver<Option<Code>>,
    /// Closes when store and lock are free again.
    finished: watch::Receiver<()>,
    mismatch: AtomicBool,
    info: Info,
    name: String,
    scheme: String,
}

/// Ids are handed out and sent under one lock, so that they reach the machine in order.
#[derive(Debug)]
struct Calls {
    last: CommandId,
    requests: mpsc::UnboundedSender<Request>,
}

impl SyncClient {
    /// Makes device keys and a group of one if there is no group, and starts syncing. Idempotent.
    ///
    /// # Errors
    /// As every call: the machine's code, or that it has stopped.
    pub async fn enable(&self) -> Result<(), SyncError> {
        self.call(ClientCommand::Enable { name: self.shared.name.clone() }).await.map(drop)
    }

    /// Stops syncing. Keys and queue stay.
    ///
    /// # Errors
    /// As every call.
    pub async fn disable(&self) -> Result<(), SyncError> {
        self.call(ClientCommand::Disable).await.map(drop)
    }

    /// Queues a blob at once, and resolves when the relay holds it durably. Dropping the future leaves it queued.
    ///
    /// # Errors
    /// [`Code::Pending`] with the blob's id when the relay has to wait: it goes out by itself, do not push again.
    pub fn push<D: Into<Bytes>>(
        &self,
        data: D,
        key: Option<IdempotencyKey>,
    ) -> impl Future<Output = Result<Pushed, SyncError>> + Send + use<D> {
        let waiting = self.begin(ClientCommand::Push { data: data.into(), key, detached: false }).uncancelled();
        async {
            match waiting.answer().await? {
                Reply::Pushed { blob_id, cursor } => Ok(Pushed { blob_id, cursor }),
                other => Err(unexpected(&other)),
            }
        }
    }

    /// Queues a blob at once, and resolves when it is durable on this device. Dropping the future leaves it queued.
    ///
    /// # Errors
    /// As every call.
    pub fn push_detached<D: Into<Bytes>>(
        &self,
        data: D,
        key: Option<IdempotencyKey>,
    ) -> impl Future<Output = Result<BlobId, SyncError>> + Send + use<D> {
        let waiting = self.begin(ClientCommand::Push { data: data.into(), key, detached: true }).uncancelled();
        async {
            match waiting.answer().await? {
                Reply::Queued { blob_id } | Reply::Pushed { blob_id, .. } => Ok(blob_id),
                other => Err(unexpected(&other)),
            }
        }
    }

    /// Reads the inbox after a position, or after the acknowledged one, and acknowledges up to there.
    ///
    /// # Errors
    /// [`Code::CursorUnknown`] above the highest position; else as every call.
    pub async fn pull(&self, after: Option<Position>, max_bytes: u32, own: bool) -> Result<Pulled, SyncError> {
        match self.call(ClientCommand::Pull { after, max_bytes, own }).await? {
            Reply::Pulled(pulled) => Ok(pulled),
            other => Err(unexpected(&other)),
        }
    }

    /// Acknowledges up to a position; never more than pulls have returned.
    ///
    /// # Errors
    /// As every call.
    pub async fn ack(&self, position: Position) -> Result<(), SyncError> {
        self.call(ClientCommand::Ack(position)).await.map(drop)
    }

    /// Opens an invite for one new device. An earlier one ends.
    ///
    /// # Errors
    /// [`Code::Offline`] without a link; else as every call.
    pub async fn create_invite(&self) -> Result<Invitation, SyncError> {
        match self.call(ClientCommand::CreateInvite).await? {
            Reply::Invited { code, qr, expires_at } => {
                let url = qr.to_url(&self.shared.scheme);
                Ok(Invitation { code, qr: *qr, url, expires_at })
            }
            other => Err(unexpected(&other)),
        }
    }

    /// Ends the open invite.
    ///
    /// # Errors
    /// As every call.
    pub async fn cancel_invite(&self) -> Result<(), SyncError> {
        self.call(ClientCommand::CancelInvite).await.map(drop)
    }

    /// Joins the group behind a typed code, a QR payload or its URL.
    ///
    /// # Errors
    /// [`SyncError::Invite`] when the text is none; else as every call.
    pub async fn join_invite(&self, invite: &str) -> Result<Joined, SyncError> {
        let invite: Invite = invite.parse()?;
        match self.call(ClientCommand::Join { invite, name: self.shared.name.clone() }).await? {
            Reply::Joined { history_complete, needs_full_push } => Ok(Joined { history_complete, needs_full_push }),
            other => Err(unexpected(&other)),
        }
    }

    /// Forgets the group and everything stored.
    ///
    /// # Errors
    /// [`Code::LeavePending`] with queued data, unless forced; else as every call.
    pub async fn leave(&self, force: bool) -> Result<(), SyncError> {
        self.call(ClientCommand::Leave { force }).await.map(drop)
    }

    /// Pushes and pulls everything there is at the call.
    ///
    /// # Errors
    /// [`Code::Offline`], [`Code::InboxFull`], or why the relay refuses; else as every call.
    pub async fn sync_now(&self) -> Result<(), SyncError> {
        self.call(ClientCommand::SyncNow).await.map(drop)
    }

    /// Changes this device's name.
    ///
    /// # Errors
    /// As every call.
    pub async fn rename(&self, name: impl Into<String>) -> Result<(), SyncError> {
        self.call(ClientCommand::Rename(name.into())).await.map(drop)
    }

    /// Uses another relay from now on.
    ///
    /// # Errors
    /// [`SyncError::Address`] when the text is none; else as every call.
    pub async fn set_relay(&self, address: &str) -> Result<(), SyncError> {
        self.call(ClientCommand::SetRelay(address.parse()?)).await?;
        self.shared.mismatch.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Everything a user or the doctor may want to see.
    ///
    /// # Errors
    /// As every call.
    pub async fn inspect(&self) -> Result<Report, SyncError> {
        match self.call(ClientCommand::Inspect).await? {
            Reply::Report(report) => Ok(*report),
            other => Err(unexpected(&other)),
        }
    }

    /// Says that the application has noted, where a crash does not reach, that it pushes its full state. Until then each
    /// [`enable`](Self::enable) brings the events again that ask for it.
    ///
    /// # Errors
    /// As every call.
    pub async fn accept_full_push(&self) -> Result<(), SyncError> {
        self.call(ClientCommand::AcceptFullPush).await.map(drop)
    }

    /// Forgets verdicts up to this id.
    ///
    /// # Errors
    /// As every call.
    pub async fn settle(&self, id: u64) -> Result<(), SyncError> {
        self.call(ClientCommand::Settle(id)).await.map(drop)
    }

    /// What stays the same while this client is open.
    pub fn info(&self) -> Info {
        Info { relay_mismatch: self.shared.mismatch.load(Ordering::Relaxed), ..self.shared.info.clone() }
    }

    /// The last status, without asking or waiting.
    pub fn status(&self) -> Status {
        *self.shared.status.borrow()
    }

    /// Events from now on. A receiver that lags is told so and reads on: status and pulls are the truth.
    pub fn events(&self) -> broadcast::Receiver<ClientEvent> {
        match self.shared.events.upgrade() {
            Some(events) => events.subscribe(),
            None => broadcast::channel(1).1,
        }
    }

    /// On start: pushes what is queued, then pulls, in the background. Nothing waits for it.
    pub async fn connect_and_pull(&self) {
        self.signal(Lifecycle::Started);
    }

    /// On resume: probes the link or dials at once. Bursts count as one.
    pub async fn sync_pending_then_pull(&self) {
        self.sync_pending_then_pull_after(Duration::ZERO).await;
    }

    /// The same, for whoever knows how long the process slept: a long sleep is heard even within a burst.
    pub async fn sync_pending_then_pull_after(&self, slept: Duration) {
        self.signal(Lifecycle::Resumed { slept });
    }

    /// On pause or close: cheap, since what is queued is durable already.
    pub fn mark_pending_for_next_launch(&self) {
        self.signal(Lifecycle::Suspending);
    }

    /// On pause: waits until the relay holds what is queued and the disk what has happened, no longer than the budget. Stays connected.
    /// Answers whether the relay does.
    pub async fn flush(&self, budget: Duration) -> bool {
        self.signal(Lifecycle::Suspending);
        let end = Instant::now() + budget;
        let mut status = self.shared.status.clone();
        // A fifth is kept for the disk, as a relay out of reach takes all it is given.
        let held = timeout_at(end - budget / 5, status.wait_for(|status| status.pending == 0))
            .await
            .is_ok_and(|seen| seen.is_ok());
        // An answer leaves once everything before it is durable: a process that is frozen now holds no transaction of that open.
        let _late = timeout_at(end, self.call(ClientCommand::Inspect)).await;
        held
    }

    /// On close: one flight for what is queued, then the client stops for good, unless a resume comes first. Returns within half a
    /// second whatever happens. Answers whether the relay holds everything. For a pause, use [`flush`](Self::flush).
    pub async fn quick_flush(&self) -> bool {
        self.quick_flush_within(QUICK).await
    }

    /// The same within a budget of one's own.
    pub async fn quick_flush_within(&self, budget: Duration) -> bool {
        self.signal(Lifecycle::Closing);
        let mut stopped = self.shared.stopped.clone();
        // What is over early or late is judged by what is still pending.
        let _over = timeout(budget, stopped.wait_for(Option::is_some)).await;
        self.status().pending == 0
    }

    /// The network changed, or is gone.
    pub fn network_changed(&self, available: bool) {
        self.signal(Lifecycle::NetworkChanged { available });
    }

    /// One flight for what is queued, then everything ends, for every clone. Resolves when the data directory is free again.
    pub async fn close(self) {
        self.signal(Lifecycle::Closing);
        let mut finished = self.shared.finished.clone();
        drop(self);
        // Never changes: closes when the driver has let go of everything.
        while finished.changed().await.is_ok() {}
    }

    fn signal(&self, lifecycle: Lifecycle) {
        let calls = self.shared.calls.lock().unwrap_or_else(PoisonError::into_inner);
        // A client that has stopped needs no signals.
        let _stopped = calls.requests.send(Request::Lifecycle(lifecycle));
    }

    async fn call(&self, command: ClientCommand) -> Result<Reply, SyncError> {
        self.begin(command).answer().await
    }

    /// Hands a call over. Dropping what this answers cancels it.
    fn begin(&self, command: ClientCommand) -> Waiting {
        let (answer, answered) = oneshot::channel();
        let mut calls = self.shared.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.last = calls.last.next();
        let id = calls.last;
        // Fails when the machine has stopped; then the answer's sender is dropped, which says so.
        let _stopped = calls.requests.send(Request::Call { id, command: Box::new(command), answer });
        let cancel = Some((id, calls.requests.downgrade()));
        Waiting { answered, cancel, stopped: self.shared.stopped.clone() }
    }
}

/// A call on its way.
struct Waiting {
    answered: oneshot::Receiver<Answer>,
    cancel: Option<(CommandId, mpsc::WeakUnboundedSender<Request>)>,
    stopped: watch::Receiver<Option<Code>>,
}

impl Waiting {
    /// Lets the machine go on with it when nobody waits any more.
    fn uncancelled(mut self) -> Self {
        self.cancel = None;
        self
    }

    async fn answer(mut self) -> Result<Reply, SyncError> {
        match (&mut self.answered).await {
            Ok(answer) => {
                self.cancel = None;
                answer.map_err(SyncError::Rejected)
            }
            Err(_dropped) => Err(SyncError::Stopped(self.stopped.borrow().unwrap_or(Code::Cancelled))),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some((id, requests)) = self.cancel.take()
            && let Some(requests) = requests.upgrade()
        {
            let _stopped = requests.send(Request::Cancel(id));
        }
    }
}

/// An answer of another shape than its question: a fault of the machine, told as a stop rather than a panic.
fn unexpected(reply: &Reply) -> SyncError {
    tracing::error!(kind = ?std::mem::discriminant(reply), "an answer does not fit its call");
    SyncError::Stopped(Code::Cancelled)
}

#[cfg(test)]
mod tests;
