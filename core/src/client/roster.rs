//! Who belongs to the group: what signed roster records say, and nothing else. The relay never announces a key.
//!
//! Invariant: every member but the founder was added by a member; a device id names one key for ever.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{
    ids::{DeviceId, RecordHash},
    limits::MAX_DEVICES,
    seal::{
        keys::{DevicePublic, Genesis},
        record::Record,
        roster::{AddPayload, RenamePayload},
    },
};

/// A member as the roster knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) public: DevicePublic,
    pub(super) name: String,
    /// Who added it; nobody added the founder.
    pub(super) added_by: Option<DeviceId>,
    /// The record that added it, to choose between two that claim one id.
    added: RecordHash,
}

/// The members, by id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Roster {
    members: BTreeMap<DeviceId, Member>,
}

/// What a roster record did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RosterChange {
    /// A new member.
    Added(DeviceId),
    /// A new name, a repetition, or a void record.
    Nothing,
}

impl Roster {
    /// The roster of a group of one.
    pub(super) fn founded(genesis: &Genesis) -> Self {
        let founder = Member {
            public: *genesis.device(),
            name: genesis.name().to_owned(),
            added_by: None,
            added: RecordHash([0; 16]),
        };
        Self { members: BTreeMap::from([(genesis.device().id(), founder)]) }
    }

    pub(super) fn get(&self, device: DeviceId) -> Option<&Member> {
        self.members.get(&device)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (DeviceId, &Member)> {
        self.members.iter().map(|(id, member)| (*id, member))
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// Applies a verified ADD.
    pub(super) fn add(&mut self, author: DeviceId, hash: RecordHash, payload: &Bytes) -> RosterChange {
        let Ok(add) = AddPayload::decode(payload) else { return RosterChange::Nothing };
        let id = add.device.id();
        let member = Member { public: add.device, name: add.name, added_by: Some(author), added: hash };
        match self.members.get(&id) {
            // Two keys with one id: of two ADDs the smaller record hash stands, on every device; the founder always stands.
            Some(known) if known.added_by.is_none() || known.public == member.public || known.added <= hash => {
                RosterChange::Nothing
            }
            None if self.members.len() >= MAX_DEVICES => RosterChange::Nothing,
            _ => {
                self.members.insert(id, member);
                RosterChange::Added(id)
            }
        }
    }

    /// Applies a verified RENAME: a device names only itself.
    pub(super) fn rename(&mut self, record: &Record) {
        if let (Ok(rename), Some(member)) =
            (RenamePayload::decode(&record.payload), self.members.get_mut(&record.sender))
        {
            member.name = rename.name;
        }
    }
}
