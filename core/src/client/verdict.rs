//! What a client concludes about the history it was shown. Never silence: good blobs are delivered, the rest is named.

use serde::{Deserialize, Serialize};

use crate::{
    error::Code,
    ids::{Cursor, DeviceId, Incarnation, Kid, Lane},
};

/// A finding. Stored until settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Verdict {
    /// What stands at this cursor was altered or forged.
    Tampered {
        /// Where.
        cursor: Cursor,
    },
    /// Records are missing.
    Gap {
        /// Whose.
        sender: DeviceId,
        /// In which run of its counters.
        inc: Incarnation,
        /// On which lane.
        lane: Lane,
        /// First missing.
        from: u64,
        /// Last missing.
        to: u64,
        /// The relay may simply have expired them.
        expired: bool,
        /// Who says that they exist. `None` when a later record of the chain itself shows it.
        by: Option<DeviceId>,
    },
    /// A member names another record for this place than this device holds or was told of.
    Fork {
        /// Whose record.
        sender: DeviceId,
        /// In which run of its counters.
        inc: Incarnation,
        /// On which lane.
        lane: Lane,
        /// Which.
        seq: u64,
        /// Who names it: somebody that was shown another history, or lies.
        by: DeviceId,
    },
    /// A device signed two records for one place; both were seen.
    Equivocation {
        /// Which device.
        device: DeviceId,
        /// In which run of its counters.
        inc: Incarnation,
        /// On which lane.
        lane: Lane,
        /// Which place.
        seq: u64,
    },
    /// The relay's log is not the one this device had read.
    RelayReset,
    /// Data under a key this device does not have.
    MissingEpoch {
        /// The key's name.
        kid: Kid,
    },
    /// Records under the group's key whose sender this device knows of no admission for, though it has read the whole log: the relay
    /// withholds the admission, or it expired while this device was away. They wait for it.
    UnknownDevice {
        /// Who they say wrote them.
        device: DeviceId,
    },
    /// Records of a device in more runs of its counters than are followed. They wait, and are not delivered.
    RestoredTooOften {
        /// Which device.
        device: DeviceId,
    },
}

impl Verdict {
    /// The code applications see.
    pub const fn code(&self) -> Code {
        match self {
            Self::Tampered { .. } => Code::Tampered,
            Self::Gap { .. } => Code::Gap,
            Self::Fork { .. } => Code::Fork,
            Self::Equivocation { .. } => Code::Equivocation,
            Self::RelayReset => Code::RelayReset,
            Self::MissingEpoch { .. } => Code::MissingEpoch,
            Self::UnknownDevice { .. } => Code::UnknownDevice,
            Self::RestoredTooOften { .. } => Code::RestoredTooOften,
        }
    }

    /// Whether a relay, or a member unseen, makes up any number of them.
    pub(super) const fn is_cheap(&self) -> bool {
        matches!(self, Self::Tampered { .. } | Self::MissingEpoch { .. } | Self::UnknownDevice { .. })
    }

    /// The member on whose word or chains the finding rests, if any.
    pub(super) const fn rests_on(&self) -> Option<DeviceId> {
        match *self {
            Self::Gap { by: Some(member), .. }
            | Self::Gap { sender: member, by: None, .. }
            | Self::Fork { by: member, .. }
            | Self::Equivocation { device: member, .. }
            | Self::RestoredTooOften { device: member } => Some(member),
            Self::Tampered { .. } | Self::RelayReset | Self::MissingEpoch { .. } | Self::UnknownDevice { .. } => None,
        }
    }
}
