//! What `--json` prints: every object of docs/cli.md, field for field.
//!
//! Identifiers are lower-case hex, times Unix milliseconds but for `expiresAt` (seconds), absent things `null` or left out as
//! documented. Bytes are `data` when they are UTF-8, else `dataBase64`.

use serde::Serialize;
use zerok_core::{
    client::{
        command::{Blob, Device},
        status::{ConnectionState, Indicator, Status},
        verdict::Verdict,
    },
    error::Code,
    ids::{BlobId, DeviceId, Lane, Position},
};

/// A received blob, or an own one that was asked for.
#[derive(Debug, Serialize)]
pub(crate) struct BlobShape<'a> {
    event: &'static str,
    id: String,
    cursor: u64,
    sender: String,
    name: Option<&'a str>,
    timestamp: u64,
    #[serde(flatten)]
    data: Data<'a>,
}

/// Bytes, as JSON can carry them.
#[derive(Debug, Serialize)]
pub(crate) enum Data<'a> {
    #[serde(rename = "data")]
    Text(&'a str),
    #[serde(rename = "dataBase64")]
    Bytes(String),
}

impl<'a> Data<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        std::str::from_utf8(bytes).map_or_else(|_| Self::Bytes(base64(bytes)), Self::Text)
    }
}

impl<'a> BlobShape<'a> {
    pub(crate) fn new(blob: &'a Blob, name: Option<&'a str>) -> Self {
        Self {
            event: "blob",
            id: blob.id.to_string(),
            cursor: blob.cursor.0,
            sender: blob.sender.to_string(),
            name,
            timestamp: blob.timestamp.0,
            data: Data::new(&blob.data),
        }
    }
}

/// What became of a push. `blobId` stands in one object for each pushed blob and in no other.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum PushShape {
    /// The relay holds it.
    Pushed { blob_id: String, cursor: Option<u64> },
    /// It is durable here.
    Pending { blob_id: String },
}

impl PushShape {
    pub(crate) fn pushed(id: BlobId, cursor: Option<Position>) -> Self {
        Self::Pushed { blob_id: id.to_string(), cursor: cursor.map(|cursor| cursor.0) }
    }

    pub(crate) fn pending(id: BlobId) -> Self {
        Self::Pending { blob_id: id.to_string() }
    }
}

/// What `watch` and `invite` tell besides blobs and pushes.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum EventShape {
    /// A blob that was pending is at the relay now.
    Synced { id: String, cursor: u64 },
    /// The status changed.
    Status(StatusShape),
    /// The invited device is in.
    Joined { device: String, name: Option<String>, heard: bool },
    /// A new device shows itself for the first time.
    DeviceJoined { device: String, name: String, wants_full_push: bool },
    /// Something is wrong with the history.
    Verdict(VerdictShape),
    /// Something went wrong that no command answers for.
    Problem { code: &'static str, message: String },
}

impl EventShape {
    pub(crate) fn problem(code: Code) -> Self {
        Self::Problem { code: code.name(), message: code.to_string() }
    }
}

/// An open invite: the first line of `invite`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InviteShape {
    pub(crate) code: String,
    pub(crate) url: String,
    pub(crate) relay: String,
    pub(crate) expires_at: u64,
}

/// The answer to `init`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InitShape {
    pub(crate) device: String,
    pub(crate) group: String,
    pub(crate) name: Option<String>,
    pub(crate) relay: Option<String>,
    pub(crate) key_storage: &'static str,
    pub(crate) created: bool,
}

/// The answer to `join`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JoinShape {
    pub(crate) device: String,
    pub(crate) group: String,
    pub(crate) history_complete: bool,
    pub(crate) needs_full_push: bool,
}

/// The answer to `status`, and part of others.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatusShape {
    state: ConnectionState,
    indicator: Indicator,
    pending: u64,
    last_cursor: u64,
    last_synced_at: Option<u64>,
    attempt: u32,
    last_error: Option<&'static str>,
}

impl From<Status> for StatusShape {
    fn from(status: Status) -> Self {
        Self {
            state: status.state,
            indicator: status.indicator,
            pending: status.pending,
            last_cursor: status.last_cursor.0,
            last_synced_at: status.last_synced_at.map(|at| at.0),
            attempt: status.attempt,
            last_error: status.last_error.map(Code::name),
        }
    }
}

/// One line of `devices`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeviceShape<'a> {
    device: String,
    name: &'a str,
    own: bool,
    last_heard: Option<u64>,
}

impl<'a> From<&'a Device> for DeviceShape<'a> {
    fn from(device: &'a Device) -> Self {
        Self {
            device: device.id.to_string(),
            name: &device.name,
            own: device.own,
            last_heard: device.last_heard.map(|at| at.0),
        }
    }
}

/// The answer of commands that have nothing else to say.
#[derive(Debug, Serialize)]
pub(crate) struct OkShape {
    ok: bool,
}

impl OkShape {
    pub(crate) const OK: Self = Self { ok: true };
}

/// A finding about the history.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VerdictShape {
    verdict: u64,
    code: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lane: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expired: Option<bool>,
    /// On whose word, where it is not the device itself that shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    relay_cursor: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<String>,
}

impl VerdictShape {
    pub(crate) fn new(id: u64, verdict: &Verdict) -> Self {
        let code = verdict.code();
        let base = Self { verdict: id, code: code.name(), message: verdict_sentence(verdict), ..Self::default() };
        let at = |sender: DeviceId, lane: Lane, from: u64, to: u64, base: Self| Self {
            device: Some(sender.to_string()),
            lane: Some(lane_name(lane)),
            from: Some(from),
            to: Some(to),
            ..base
        };
        match *verdict {
            Verdict::Tampered { cursor } => Self { relay_cursor: Some(cursor.0), ..base },
            Verdict::Gap { sender, lane, from, to, expired, by, .. } => {
                let by = by.map(|by| by.to_string());
                Self { expired: Some(expired), by, ..at(sender, lane, from, to, base) }
            }
            Verdict::Fork { sender, lane, seq, by, .. } => {
                Self { by: Some(by.to_string()), ..at(sender, lane, seq, seq, base) }
            }
            Verdict::Equivocation { device, lane, seq, .. } => at(device, lane, seq, seq, base),
            Verdict::RelayReset => base,
            Verdict::MissingEpoch { kid } => Self { epoch: Some(kid.to_string()), ..base },
            Verdict::UnknownDevice { device } | Verdict::RestoredTooOften { device } => {
                Self { device: Some(device.to_string()), ..base }
            }
        }
    }
}

/// A finding as a person reads it.
pub(crate) fn verdict_sentence(verdict: &Verdict) -> String {
    let code = verdict.code();
    match *verdict {
        Verdict::Tampered { cursor } => format!("{code} It stands at {} in the relay's log.", cursor.0),
        Verdict::Gap { sender, lane, from, to, expired, by, .. } => {
            let why = if expired { "The relay may have expired them." } else { "The relay withholds or lost them." };
            // What rests on one device's word is not worth more than that device.
            let says = by.filter(|by| *by != sender).map_or_else(String::new, |by| format!(" Device {by} says so."));
            format!("{code} It is {} {from} to {to} of device {sender}. {why}{says}", lane_name(lane))
        }
        Verdict::Fork { sender, lane, seq, by, .. } => {
            format!("{code} They differ in {} {seq} of device {sender}, as device {by} says.", lane_name(lane))
        }
        Verdict::Equivocation { device, lane, seq, .. } => {
            format!("{code} It is {} {seq} of device {device}.", lane_name(lane))
        }
        Verdict::RelayReset => code.to_string(),
        Verdict::MissingEpoch { kid } => format!("{code} The key is called {kid}."),
        Verdict::UnknownDevice { device } | Verdict::RestoredTooOften { device } => {
            format!("{code} It is device {device}.")
        }
    }
}

const fn lane_name(lane: Lane) -> &'static str {
    match lane {
        Lane::Data => "data",
        Lane::Control => "control",
    }
}

/// The standard alphabet with padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = ALPHABET[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests;
