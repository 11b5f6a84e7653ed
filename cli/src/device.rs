//! Opening this device: which directory, with which key, reached how; and the moment when the relay answers.

use std::{path::PathBuf, time::Duration};

use tokio::{sync::broadcast::error::RecvError, time::timeout};
use zerok_core::{
    address::RelayAddress,
    client::{command::Report, status::ConnectionState},
    error::Code,
};
use zerok_tokio::{Options, SyncClient, secrets::KeyStorageChoice, store::ClientDisk};

use crate::{
    dialer::{self, Way},
    exit::{Failure, Outcome},
};

/// What is on its way when a command ends gets this long.
const FLUSH: Duration = Duration::from_millis(500);

/// What a dial may take at least. A relay that is down is told by then, though no refusal may ever come over UDP.
const DIAL: Duration = Duration::from_secs(3);

/// The scheme of invite URLs.
const SCHEME: &str = "zerok";

/// How a device is opened.
#[derive(Clone)]
pub(crate) struct Setting {
    /// Its directory.
    pub(crate) data: PathBuf,
    /// Where a new device keeps its key.
    pub(crate) key_storage: KeyStorageChoice,
    /// How long to wait for the relay.
    pub(crate) patience: Duration,
    /// How relays are reached.
    pub(crate) ways: Vec<Way>,
    /// Whether to begin anew beside a damaged database that was set aside.
    pub(crate) afresh: bool,
}

impl Setting {
    /// Whether there is a device in the directory.
    pub(crate) fn exists(&self) -> bool {
        ClientDisk::exists(&self.data)
    }

    /// Opens the device that is there. Touches nothing when there is none.
    pub(crate) async fn open(&self) -> Outcome<SyncClient> {
        if !self.exists() {
            return Err(not_set_up());
        }
        self.open_as("", None).await
    }

    /// Opens the directory, and makes it if there is none. The name is for a group yet to be made or joined.
    pub(crate) async fn open_as(&self, name: &str, relay: Option<RelayAddress>) -> Outcome<SyncClient> {
        SyncClient::open(self.options(name, relay)).await.map_err(|error| Failure::of_opening(error, &self.data))
    }

    /// What a dial may take: the usual, or more for somebody who is ready to wait longer than usual.
    pub(crate) fn dial_patience(&self) -> Duration {
        (self.patience * 3 / 10).max(DIAL).min(self.patience)
    }

    /// As the library wants it.
    pub(crate) fn options(&self, name: &str, relay: Option<RelayAddress>) -> Options {
        let mut options = Options::new(&self.data, name, dialer::first_of(&self.ways));
        options.relay = relay;
        options.key_storage = self.key_storage;
        options.scheme = SCHEME.to_owned();
        options.start_afresh = self.afresh;
        options.dial_patience = self.dial_patience();
        options.limits.push_timeout = self.patience;
        options
    }
}

/// What to do without a relay.
pub(crate) const SET_RELAY: &str = "That is `zerok set-relay ADDR`, with the address that the relay prints.";

/// There is no device, or one without a group.
pub(crate) fn not_set_up() -> Failure {
    Failure::new(Code::NotEnabled, "Run `zerok init` or `zerok join`.")
}

/// Reads an address that was typed.
pub(crate) fn address(text: &str) -> Outcome<RelayAddress> {
    text.parse().map_err(|fault| Failure::from(zerok_tokio::SyncError::Address(fault)))
}

/// Starts syncing and waits until the relay has proven itself. Gives up at the first failed attempt: nothing is lost by it.
pub(crate) async fn connect(client: &SyncClient, patience: Duration) -> Outcome<()> {
    let report = client.inspect().await?;
    require_relay(&report)?;
    let mut events = client.events();
    client.connect_and_pull().await;
    let proven = async {
        loop {
            let status = client.status();
            if status.state == ConnectionState::Connected {
                return Ok(());
            }
            if status.attempt > 0 {
                return Err(Failure::from(status.last_error.unwrap_or(Code::Offline)));
            }
            if let Err(RecvError::Closed) = events.recv().await {
                return Err(client.inspect().await.err().map_or(Code::Cancelled.into(), Failure::from));
            }
        }
    };
    timeout(patience, proven).await.unwrap_or_else(|_elapsed| Err(Code::Offline.into()))
}

/// A group and a relay: without them nothing can be synced.
pub(crate) fn require_relay(report: &Report) -> Outcome<()> {
    if report.identity.is_none() {
        return Err(not_set_up());
    }
    match report.relay {
        Some(_) => Ok(()),
        None => Err(Failure::new(Code::NoRelay, SET_RELAY)),
    }
}

/// Ends in good order: one flight for what is on its way, then the directory is free.
pub(crate) async fn close(client: SyncClient) {
    client.quick_flush_within(FLUSH).await;
    // Closing may wait for a disk; the process's end frees the lock as well.
    let _over = timeout(FLUSH, client.close()).await;
}

/// Opens the device, does something with it, and closes it whatever came of it.
pub(crate) async fn with<T>(client: SyncClient, work: impl AsyncFnOnce(&SyncClient) -> Outcome<T>) -> Outcome<T> {
    let outcome = work(&client).await;
    close(client).await;
    outcome
}
