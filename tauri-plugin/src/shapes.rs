//! What crosses to a page as JSON: field for field what the JavaScript package declares.
//!
//! Identifiers are lower-case hex, times Unix milliseconds but for `expiresAt` (seconds), fields camelCase. What is not known is `null`.

use serde::Serialize;
use zerok_core::{
    channel,
    client::{
        command::{Pulled, Report},
        status::{ConnectionState, Indicator, Status as CoreStatus},
    },
};
use zerok_tokio::{Invitation, Pushed, client};

use crate::{error::Error, qr};

/// An open invite. Whoever sees it can join: show it, store it nowhere.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Invite {
    /// Data URL of a QR picture.
    pub qr_code: String,
    /// To type: `XXXX-XXXX-XXXX-XXXX`.
    pub short_code: String,
    /// Unix time in seconds.
    pub expires_at: u64,
    /// What the picture says.
    pub url: String,
}

impl std::fmt::Debug for Invite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Invite").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

impl TryFrom<Invitation> for Invite {
    type Error = Error;

    fn try_from(invitation: Invitation) -> Result<Self, Error> {
        let picture = qr::data_url(&invitation.url);
        Ok(Self {
            // A relay address long enough to overflow a picture does not parse as one.
            qr_code: picture.ok_or_else(|| Error::invalid("the relay's address is too long for a QR code"))?,
            short_code: invitation.code.to_string(),
            expires_at: invitation.expires_at.0 / 1000,
            url: invitation.url,
        })
    }
}

/// A blob that the relay holds durably.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PushResult {
    /// The same on every device.
    pub blob_id: String,
    /// Its own position; no place to pull from.
    pub cursor: u64,
}

impl From<Pushed> for PushResult {
    fn from(pushed: Pushed) -> Self {
        Self { blob_id: pushed.blob_id.to_string(), cursor: pushed.cursor.0 }
    }
}

/// What a user needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Where the link stands.
    pub state: ConnectionState,
    /// The four-state summary.
    pub indicator: Indicator,
    /// Blobs not yet at the relay.
    pub pending: u64,
    /// Up to here every delivered blob was returned by some pull.
    pub last_cursor: u64,
    /// When everything was last at the relay and everything there was here.
    pub last_synced_at: Option<u64>,
    /// Failed attempts in a row.
    pub attempt: u32,
    /// What went wrong last, until something goes right.
    pub last_error: Option<Error>,
}

impl Status {
    /// Of a device that is not open, and why not.
    pub(crate) fn closed(failure: Option<Error>) -> Self {
        let indicator = if failure.is_some() { Indicator::Failed } else { Indicator::Offline };
        Self {
            state: ConnectionState::Disabled,
            indicator,
            pending: 0,
            last_cursor: 0,
            last_synced_at: None,
            attempt: 0,
            last_error: failure,
        }
    }
}

impl From<CoreStatus> for Status {
    fn from(status: CoreStatus) -> Self {
        Self {
            state: status.state,
            indicator: status.indicator,
            pending: status.pending,
            last_cursor: status.last_cursor.0,
            last_synced_at: status.last_synced_at.map(|at| at.0),
            attempt: status.attempt,
            last_error: status.last_error.map(Error::from),
        }
    }
}

/// Who this device is and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Info {
    /// Whether it syncs.
    pub enabled: bool,
    /// 16 hex digits, once there is a group.
    pub device_id: Option<String>,
    /// Its name within the group.
    pub device_name: String,
    /// 64 hex digits, once there is one.
    pub group_id: Option<String>,
    /// The address in use.
    pub relay: Option<String>,
    /// Configuration names another relay than the one in use.
    pub relay_mismatch: bool,
    /// `keychain` or `file`, once there is a key.
    pub key_storage: Option<&'static str>,
    /// Highest position applied.
    pub head: u64,
    /// Up to here every delivered blob was returned by some pull.
    pub last_cursor: u64,
    /// Up to here the app has acknowledged.
    pub acked: u64,
    /// Blobs not yet at the relay.
    pub pending: u64,
    /// Somebody wants this device's full state, and the app has not accepted that yet.
    pub wants_full_push: bool,
    /// The version of the protocol.
    pub protocol_version: u8,
}

impl Info {
    /// Of a device that was never set up.
    pub(crate) fn absent(name: &str, relay: Option<String>) -> Self {
        Self {
            enabled: false,
            device_id: None,
            device_name: name.to_owned(),
            group_id: None,
            relay,
            relay_mismatch: false,
            key_storage: None,
            head: 0,
            last_cursor: 0,
            acked: 0,
            pending: 0,
            wants_full_push: false,
            protocol_version: channel::VERSION,
        }
    }

    pub(crate) fn new(name: &str, report: &Report, open: &client::Info) -> Self {
        let own = report.devices.iter().find(|device| device.own);
        Self {
            enabled: report.status.state != ConnectionState::Disabled,
            device_id: report.identity.map(|identity| identity.device.to_string()),
            device_name: own.map_or_else(|| name.to_owned(), |device| device.name.clone()),
            group_id: report.identity.map(|identity| identity.group.to_string()),
            relay: report.relay.as_ref().map(ToString::to_string),
            relay_mismatch: open.relay_mismatch,
            key_storage: Some(open.key_storage.name()),
            head: report.head.0,
            last_cursor: report.status.last_cursor.0,
            acked: report.acked.0,
            pending: report.status.pending,
            wants_full_push: report.wants_full_push,
            protocol_version: channel::VERSION,
        }
    }
}

/// A member of the group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// 16 hex digits, as in a blob's `sender`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it is this one.
    pub this_device: bool,
    /// When a record of its own last came in, by this device's clock.
    pub last_heard: Option<u64>,
}

impl From<&zerok_core::client::command::Device> for Device {
    fn from(device: &zerok_core::client::command::Device) -> Self {
        Self {
            id: device.id.to_string(),
            name: device.name.clone(),
            this_device: device.own,
            last_heard: device.last_heard.map(|at| at.0),
        }
    }
}

/// The head of a page of blobs; the payloads follow it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PageHeader {
    blobs: Vec<PageBlob>,
    has_more: bool,
    max_cursor: u64,
    truncated: bool,
}

#[derive(Debug, Serialize)]
struct PageBlob {
    id: String,
    cursor: u64,
    sender: String,
    timestamp: u64,
    len: usize,
}

impl PageHeader {
    pub(crate) fn new(pulled: &Pulled) -> Self {
        let blobs = pulled.blobs.iter().map(|blob| PageBlob {
            id: blob.id.to_string(),
            cursor: blob.cursor.0,
            sender: blob.sender.to_string(),
            timestamp: blob.timestamp.0,
            len: blob.data.len(),
        });
        Self {
            blobs: blobs.collect(),
            has_more: pulled.has_more,
            max_cursor: pulled.max_cursor.0,
            truncated: pulled.truncated,
        }
    }
}
