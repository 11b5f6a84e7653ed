//! What every page may hear: that something happened, never what was in it.
//!
//! Events reach all web views whatever their capabilities, so they carry ids, cursors and sizes. They are hints: one may be missed, and
//! status and pulls are the truth.

use serde::Serialize;
use zerok_core::{
    client::{command::ClientEvent, verdict::Verdict},
    error::Code,
    ids::{DeviceId, Lane},
};

use crate::{error::Error, shapes::Status};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum SyncEvent {
    /// `connected`: a proven link to the relay.
    Connected {
        /// The relay's address.
        relay: Option<String>,
    },
    /// `disconnected`: the link is down. Carries the code of the reason.
    Disconnected(Code),
    /// `blob-available`: a blob can be pulled.
    BlobAvailable {
        /// Its id.
        id: String,
        /// Its position.
        cursor: u64,
        /// Who pushed it.
        sender: String,
        /// Payload bytes.
        size: u32,
        /// By the sender's clock.
        timestamp: u64,
    },
    /// `blob-synced`: an own blob that was pending is on the relay.
    BlobSynced {
        /// Its id.
        blob_id: String,
        /// Its own position.
        cursor: u64,
    },
    /// `blob-reissued`: a queued blob has a new id.
    BlobReissued {
        /// The one the app knows.
        blob_id: String,
        /// The one that counts from now on.
        new_blob_id: String,
    },
    /// `device-joined`: a device's first own word.
    DeviceJoined {
        /// Which.
        device: String,
        /// Its name.
        name: String,
        /// Asks this device, and no other, to push its full state. Told again at each enable until the app accepts.
        wants_full_push: bool,
    },
    /// `joined`: this device joined a group.
    Joined {
        /// Which.
        group: String,
        /// Whether the relay still has the group's whole history.
        history_complete: bool,
        /// Whether the app should push its own full state. Told again at each enable until the app accepts.
        needs_full_push: bool,
    },
    /// `invite-used`: somebody joined by this device's invite.
    InviteUsed {
        /// Who.
        device: String,
    },
    /// `invite-ended`: the open invite ended without a new device. Carries the code of the reason.
    InviteEnded(Code),
    /// `progress`: how far a full sync has come.
    Progress(Progress),
    /// `status`: the whole status, because it changed.
    Status(Status),
    /// `error`: something went wrong that no call answers for, or the history has a fault.
    Error(Error),
}

/// How far a full sync has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// Blobs pushed since it began.
    pub pushed: u64,
    /// Blobs left to push.
    pub to_push: u64,
    /// Entries of the relay's log pulled since it began. Some are the group's own bookkeeping.
    pub pulled: u64,
    /// Entries left to pull.
    pub to_pull: u64,
}

impl SyncEvent {
    /// What it is called towards pages, after `sync://`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Connected { .. } => "connected",
            Self::Disconnected(_) => "disconnected",
            Self::BlobAvailable { .. } => "blob-available",
            Self::BlobSynced { .. } => "blob-synced",
            Self::BlobReissued { .. } => "blob-reissued",
            Self::DeviceJoined { .. } => "device-joined",
            Self::Joined { .. } => "joined",
            Self::InviteUsed { .. } => "invite-used",
            Self::InviteEnded(_) => "invite-ended",
            Self::Progress(_) => "progress",
            Self::Status(_) => "status",
            Self::Error(_) => "error",
        }
    }

    /// As the core tells it. `relay` is the address in use.
    pub(crate) fn from_core(event: ClientEvent, relay: Option<String>, meter: &mut Meter) -> Self {
        match event {
            ClientEvent::Status(status) => Self::Status(status.into()),
            ClientEvent::Connected { .. } => Self::Connected { relay },
            ClientEvent::Disconnected { code } => Self::Disconnected(code),
            ClientEvent::BlobAvailable { id, cursor, sender, timestamp, size } => Self::BlobAvailable {
                id: id.to_string(),
                cursor: cursor.0,
                sender: sender.to_string(),
                size,
                timestamp: timestamp.0,
            },
            ClientEvent::BlobSynced { id, cursor } => Self::BlobSynced { blob_id: id.to_string(), cursor: cursor.0 },
            ClientEvent::BlobReissued { old, new } => {
                Self::BlobReissued { blob_id: old.to_string(), new_blob_id: new.to_string() }
            }
            ClientEvent::DeviceJoined { device, name, wants_full_push } => {
                Self::DeviceJoined { device: device.to_string(), name, wants_full_push }
            }
            ClientEvent::Joined { group, history_complete, needs_full_push } => {
                Self::Joined { group: group.to_string(), history_complete, needs_full_push }
            }
            ClientEvent::InviteUsed { device } => Self::InviteUsed { device: device.to_string() },
            ClientEvent::InviteEnded { code } => Self::InviteEnded(code),
            ClientEvent::Progress { to_push, to_pull } => Self::Progress(meter.read(to_push, to_pull)),
            ClientEvent::Verdict { id, verdict } => Self::Error(finding(id, &verdict)),
            ClientEvent::Problem(code) => Self::Error(code.into()),
        }
    }
}

/// Turns what is left into what was done as well.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    last: Option<Progress>,
}

impl Meter {
    pub(crate) fn read(&mut self, to_push: u64, to_pull: u64) -> Progress {
        let last = self.last.unwrap_or(Progress { to_push, to_pull, ..Progress::default() });
        let progress = Progress {
            pushed: last.pushed + last.to_push.saturating_sub(to_push),
            to_push,
            pulled: last.pulled + last.to_pull.saturating_sub(to_pull),
            to_pull,
        };
        // With nothing left a sync is over; the next one counts from nothing.
        self.last = (to_push + to_pull > 0).then_some(progress);
        progress
    }
}

/// What is wrong with the history, and exactly where.
fn finding(id: u64, verdict: &Verdict) -> Error {
    let base = Error::from(verdict.code()).with("finding", id);
    let at = |base: Error, device: &DeviceId, lane: &Lane, from: u64, to: u64| {
        let lane = match lane {
            Lane::Data => "data",
            Lane::Control => "control",
        };
        base.with("device", device.to_string()).with("lane", lane).with("from", from).with("to", to)
    };
    match verdict {
        Verdict::Tampered { cursor } => base.with("relayCursor", cursor.0),
        Verdict::Gap { sender, lane, from, to, expired, by, .. } => {
            let gap = at(base, sender, lane, *from, *to).with("expired", *expired);
            match by {
                Some(by) => gap.with("by", by.to_string()),
                None => gap,
            }
        }
        Verdict::Fork { sender, lane, seq, by, .. } => at(base, sender, lane, *seq, *seq).with("by", by.to_string()),
        Verdict::Equivocation { device, lane, seq, .. } => at(base, device, lane, *seq, *seq),
        Verdict::RelayReset => base,
        Verdict::MissingEpoch { kid } => base.with("epoch", kid.to_string()),
        Verdict::UnknownDevice { device } | Verdict::RestoredTooOften { device } => {
            base.with("device", device.to_string())
        }
    }
}

#[cfg(test)]
mod tests;
