//! The one client of an app and what may be asked of it: [`SyncState`].
//!
//! The commands of pages and the app's own Rust code go through the same methods. Before [`enable`](SyncState::enable) has made a device,
//! everything that would need one answers `notEnabled`.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::sync::broadcast::{self, error::RecvError};
use zerok_core::{
    client::command::{ClientEvent, Pulled},
    error::Code,
    ids::Position,
};
use zerok_tokio::{Joined, Options, SyncClient};

use crate::{
    binary,
    error::Error,
    events::{Meter, Progress, SyncEvent},
    lifecycle::Pulse,
    shapes::{Device, Info, Invite, PushResult, Status},
    slot::{Sink, Slot, Want},
};

/// The one client of an app. Cheap to clone. To be used on a tokio runtime, as commands and `tauri::async_runtime` are.
#[derive(Debug, Clone)]
pub struct SyncState {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    slot: Arc<Slot>,
    pulse: Pulse,
    limits: Limits,
}

/// What the configuration bounds on this side of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) flush_budget: Duration,
    pub(crate) max_blob: usize,
    pub(crate) pull_page: u32,
}

impl SyncState {
    pub(crate) fn new(options: Options, limits: Limits, sink: Sink) -> Self {
        let slot = Arc::new(Slot::new(options, sink));
        Self { shared: Arc::new(Shared { slot, pulse: Pulse::default(), limits }) }
    }

    /// Makes this device, with a group of its own, if there is none, and starts syncing. Idempotent: call it at every launch. Each call
    /// brings the events again that ask for a full push nobody has accepted.
    ///
    /// # Errors
    /// `alreadyRunning`, `keyLost`, `keychainLocked`, `storageFailed`: what stands in the way of opening the data.
    pub async fn enable(&self) -> Result<(), Error> {
        Ok(self.slot().client(Want::Make).await?.enable().await?)
    }

    /// Stops syncing. Keys and queue stay.
    ///
    /// # Errors
    /// As every call: `notEnabled`, or why the data cannot be used.
    pub async fn disable(&self) -> Result<(), Error> {
        match self.client().await {
            Ok(client) => Ok(client.disable().await?),
            Err(error) if error.code == Code::NotEnabled => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Opens an invite for one new device. An earlier one ends.
    ///
    /// # Errors
    /// `offline`, `noRelay`; else as every call.
    pub async fn create_invite(&self) -> Result<Invite, Error> {
        self.client().await?.create_invite().await?.try_into()
    }

    /// Ends the open invite.
    ///
    /// # Errors
    /// As every call.
    pub async fn cancel_invite(&self) -> Result<(), Error> {
        Ok(self.client().await?.cancel_invite().await?)
    }

    /// Joins the group behind a typed code, a link, or its payload.
    ///
    /// # Errors
    /// `invalidArgs` when the text is none of them, `inviteUnknown`, `inviteExpired`, `inviteUsed`, `pairingFailed`, `alreadyInGroup`,
    /// `noRelay`, `offline`; else as every call.
    pub async fn join_invite(&self, invite: &str) -> Result<Joined, Error> {
        Ok(self.client().await?.join_invite(invite).await?)
    }

    /// Queues a blob at once, and resolves when the relay holds it durably. Dropping the future leaves it queued. A push with a key that
    /// was pushed before is that push.
    ///
    /// # Errors
    /// `pending` with the blob's id when the relay has to wait: it goes out by itself, do not push again. `blobTooLarge`, `outboxFull`;
    /// else as every call.
    pub async fn push(&self, data: impl Into<Bytes>, key: Option<&str>) -> Result<PushResult, Error> {
        let client = self.client().await?;
        let (data, key) = (data.into(), key.map(binary::key_of).transpose()?);
        self.push_given(&client, binary::Given { data, key }).await
    }

    /// Reads what is on this device after a cursor, or after the acknowledged one, and acknowledges up to there. `own` includes this
    /// device's blobs.
    ///
    /// # Errors
    /// `cursorUnknown` above the highest cursor; else as every call.
    pub async fn pull(&self, after: Option<u64>, max_bytes: Option<u32>, own: bool) -> Result<Pulled, Error> {
        let page = self.shared.limits.pull_page;
        let bytes = max_bytes.map_or(page, |wanted| wanted.min(page));
        Ok(self.client().await?.pull(after.map(Position), bytes, own).await?)
    }

    /// The last status. Never waits.
    pub fn status(&self) -> Status {
        self.slot().status()
    }

    /// Up to here every delivered blob was returned by some pull. Never waits.
    pub fn last_cursor(&self) -> u64 {
        self.status().last_cursor
    }

    /// Blobs not yet at the relay. Never waits.
    pub fn pending(&self) -> u64 {
        self.status().pending
    }

    /// Pushes and pulls everything there is at the call.
    ///
    /// # Errors
    /// `offline`, `noRelay`, `inboxFull`, or why the relay refuses; else as every call.
    pub async fn sync_now(&self, mut on_progress: impl FnMut(Progress) + Send) -> Result<(), Error> {
        let client = self.client().await?;
        let mut events = client.events();
        let mut meter = Meter::default();
        let mut sync = pin!(client.sync_now());
        loop {
            tokio::select! {
                // What was told before the answer is passed on before it.
                biased;
                event = events.recv() => match event {
                    Ok(ClientEvent::Progress { to_push, to_pull }) => on_progress(meter.read(to_push, to_pull)),
                    Err(RecvError::Closed) => return Ok(sync.await?),
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                },
                done = &mut sync => return Ok(done?),
            }
        }
    }

    /// Acknowledges up to a cursor; never more than pulls have returned.
    ///
    /// # Errors
    /// As every call.
    pub async fn ack(&self, cursor: u64) -> Result<(), Error> {
        Ok(self.client().await?.ack(Position(cursor)).await?)
    }

    /// Says that the app has noted, where a crash does not reach, that it pushes its full state: the events that asked for it do not
    /// come again.
    ///
    /// # Errors
    /// As every call.
    pub async fn accept_full_push(&self) -> Result<(), Error> {
        Ok(self.client().await?.accept_full_push().await?)
    }

    /// Who this device is and where it stands. Answers before it is enabled, too.
    ///
    /// # Errors
    /// Why the data cannot be used.
    pub async fn info(&self) -> Result<Info, Error> {
        let options = self.slot().options();
        match self.client().await {
            Ok(client) => Ok(Info::new(&options.name, &client.inspect().await?, &client.info())),
            Err(error) if error.code == Code::NotEnabled => {
                Ok(Info::absent(&options.name, options.relay.as_ref().map(ToString::to_string)))
            }
            Err(error) => Err(error),
        }
    }

    /// The devices of the group.
    ///
    /// # Errors
    /// As every call.
    pub async fn devices(&self) -> Result<Vec<Device>, Error> {
        let report = self.client().await?.inspect().await?;
        Ok(report.devices.iter().map(Device::from).collect())
    }

    /// Forgets the group and everything stored.
    ///
    /// # Errors
    /// `leavePending` with queued data, unless forced; else as every call.
    pub async fn leave(&self, force: bool) -> Result<(), Error> {
        Ok(self.client().await?.leave(force).await?)
    }

    /// Uses another relay from now on.
    ///
    /// # Errors
    /// `invalidArgs` when the text is no address; else as every call.
    pub async fn set_relay(&self, address: &str) -> Result<(), Error> {
        Ok(self.client().await?.set_relay(address).await?)
    }

    /// What pages hear, from now on. A receiver that lags is told so and reads on: status and pulls are the truth.
    pub fn events(&self) -> broadcast::Receiver<SyncEvent> {
        self.slot().events()
    }

    /// The client, if there is a device.
    pub(crate) fn client(&self) -> impl Future<Output = Result<SyncClient, Error>> + Send {
        let slot = Arc::clone(self.slot());
        async move { slot.client(Want::Use).await }
    }

    /// Pushes what was read from a request.
    pub(crate) async fn push_given(&self, client: &SyncClient, given: binary::Given) -> Result<PushResult, Error> {
        if given.data.len() > self.limits().max_blob {
            return Err(Error::too_large(given.data.len(), self.limits().max_blob));
        }
        Ok(client.push(given.data, given.key).await?.into())
    }

    pub(crate) fn slot(&self) -> &Arc<Slot> {
        &self.shared.slot
    }

    pub(crate) fn pulse(&self) -> &Pulse {
        &self.shared.pulse
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.shared.limits
    }
}
