//! What a client concludes about the history it was shown. Never silence: good blobs are delivered, the rest is named.

use serde::{Deserialize, Serialize};

use crate::{
    client::{
        Client,
        command::{ClientEvent, Reply},
        ledger::Sealed,
        store::ClientOp,
    },
    error::Code,
    ids::{CommandId, Cursor, DeviceId, Incarnation, Kid, Lane},
    limits::{MAX_CHEAP_VERDICTS, MAX_VERDICTS, MAX_VERDICTS_OF_ONE},
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

impl Client {
    /// Tells a finding, and keeps it until the application settles it. What is known already is not said twice.
    pub(super) fn verdict(&mut self, verdict: Verdict) {
        let known = self.verdicts.iter().find(|(_, known)| **known == verdict).map(|(id, _)| *id);
        if let Some(id) = known {
            // A relay that loses its log twice is to be heard twice; everything else names what it is about.
            if verdict == Verdict::RelayReset {
                self.event(ClientEvent::Verdict { id, verdict });
            }
            return;
        }
        let id = self.ledger.assign_verdict();
        if self.keeps(&verdict) {
            let sealed = Sealed::seal(&verdict, &self.config.store_key, &mut self.draws.rest);
            self.batch.ops.push(ClientOp::Verdict { id, verdict: sealed });
            self.verdicts.insert(id, verdict);
        }
        // Never silence, even where there is no room to remember it.
        self.event(ClientEvent::Verdict { id, verdict });
    }

    /// A log full of rubbish must not fill the store with findings, nor the room of those that matter.
    fn keeps(&self, verdict: &Verdict) -> bool {
        let code = verdict.code();
        let count = |alike: &dyn Fn(&Verdict) -> bool| self.verdicts.values().filter(|known| alike(known)).count();
        match verdict.rests_on() {
            _ if verdict.is_cheap() => count(&|known| known.code() == code) < MAX_CHEAP_VERDICTS,
            // The reset is one finding: there is always room for it.
            None => true,
            member => {
                count(&|known| !known.is_cheap()) < MAX_VERDICTS - 3 * MAX_CHEAP_VERDICTS
                    && count(&|known| known.rests_on() == member) < MAX_VERDICTS_OF_ONE
            }
        }
    }

    pub(super) fn settle_verdicts(&mut self, id: CommandId, through: u64) {
        self.verdicts.retain(|verdict, _| *verdict > through);
        self.batch.ops.push(ClientOp::Settle(through));
        self.done(id, Ok(Reply::Done));
    }
}
