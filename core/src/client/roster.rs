//! Who belongs to the group: what signed roster records say, and nothing else. The relay never announces a key.
//!
//! Pure: the caller has verified each record by its author's own signature, and its size. Every device that hears the same records
//! has the same members, in whatever order they come: of two admissions of one id the *later* one is void, and of two that are
//! concurrent the smaller hash stands. Later is who stands behind the other in one chain, or says in `seen` that it knew it, or was
//! itself admitted by somebody who did. Three keys that share an id are beyond this (each takes 2^64 tries to find).
//!
//! Invariants: every member but the founder was added by a member; the founder always stands; a device renames only itself.
//!
//! Limits: [`MAX_MEMBERS`]. Whoever admits stops at [`MAX_DEVICES`](crate::limits::MAX_DEVICES), so that members who admit at the same
//! moment agree; beyond the limit, which no honest group meets, the first heard stand.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    ids::{DeviceId, Incarnation, Lane, RecordHash, StreamId},
    limits::MAX_MEMBERS,
    seal::{
        keys::{DevicePublic, Genesis},
        record::{Opened, Record},
        roster::{AddPayload, RenamePayload},
    },
    time::UnixMillis,
};

/// A member as the roster knows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Member {
    pub(super) public: DevicePublic,
    pub(super) name: String,
    /// The record that added it; none added the founder.
    admission: Option<Admission>,
    /// The record that gave it its name, if one did after that.
    renamed: Option<Renamed>,
}

/// An ADD, as far as it takes to choose between two.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Admission {
    lane: StreamId,
    seq: u64,
    hash: RecordHash,
    /// How far its author held the lanes of other admissions.
    knew: BTreeMap<StreamId, u64>,
}

/// In the order in which names count: by what the author's clock showed, which it never takes back here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Renamed {
    ms: UnixMillis,
    inc: Incarnation,
    seq: u64,
    hash: RecordHash,
}

/// The members, by id.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub(super) struct Roster {
    members: BTreeMap<DeviceId, Member>,
    /// The record that founded the group.
    genesis: Option<RecordHash>,
}

/// What a roster record did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RosterChange {
    /// The group begins.
    Founded,
    /// A new member.
    Added(DeviceId),
    /// A new name. The record that gave the one before counts no more.
    Renamed {
        /// That record, if there was one.
        before: Option<RecordHash>,
    },
    /// A repetition, or a void record.
    Nothing,
}

impl Roster {
    pub(super) fn get(&self, device: DeviceId) -> Option<&Member> {
        self.members.get(&device)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (DeviceId, &Member)> {
        self.members.iter().map(|(id, member)| (*id, member))
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// The records that make up this roster; all others changed nothing, or nothing that still counts.
    pub(super) fn standing(&self) -> BTreeSet<RecordHash> {
        let of_member = |member: &Member| {
            [member.admission.as_ref().map(|add| add.hash), member.renamed.map(|renamed| renamed.hash)]
        };
        self.members.values().flat_map(of_member).chain([self.genesis]).flatten().collect()
    }

    /// The lanes in which admissions stand. An ADD says how far its author holds them, so that all can tell what it knew.
    pub(super) fn admission_lanes(&self) -> BTreeSet<StreamId> {
        self.members.values().filter_map(|member| member.admission.as_ref()).map(|add| add.lane).collect()
    }

    /// Applies the founding record.
    pub(super) fn found(&mut self, genesis: &Genesis, hash: RecordHash) -> RosterChange {
        if !self.members.is_empty() {
            return RosterChange::Nothing;
        }
        let (public, name) = (*genesis.device(), genesis.name().to_owned());
        self.members.insert(public.id(), Member { public, name, admission: None, renamed: None });
        self.genesis = Some(hash);
        RosterChange::Founded
    }

    /// Applies a verified ADD.
    pub(super) fn add(&mut self, opened: &Opened) -> RosterChange {
        let Ok(add) = AddPayload::decode(&opened.record.payload) else { return RosterChange::Nothing };
        let id = add.device.id();
        let admission = Admission::of(&opened.record, opened.hash);
        let stands = match self.members.get(&id) {
            None => self.members.len() < MAX_MEMBERS,
            // The same key again. A name given with it is no reason to replace anything.
            Some(known) if known.public.sign == add.device.sign => false,
            Some(Member { admission: None, .. }) => false,
            Some(Member { admission: Some(known), .. }) => {
                match (self.is_later(&admission, known), self.is_later(known, &admission)) {
                    (true, false) => false,
                    (false, true) => true,
                    _ => admission.hash < known.hash,
                }
            }
        };
        if !stands {
            return RosterChange::Nothing;
        }
        let member = Member { public: add.device, name: add.name, admission: Some(admission), renamed: None };
        self.members.insert(id, member);
        RosterChange::Added(id)
    }

    /// Takes back an admission of this device's own that never left it.
    pub(super) fn withdraw(&mut self, hash: RecordHash) {
        self.members.retain(|_, member| member.admission.as_ref().is_none_or(|add| add.hash != hash));
    }

    /// Applies a verified RENAME: a device names only itself.
    pub(super) fn rename(&mut self, opened: &Opened) -> RosterChange {
        let Record { sender, inc, seq, ms, payload, .. } = &opened.record;
        let (Ok(rename), Some(member)) = (RenamePayload::decode(payload), self.members.get_mut(sender)) else {
            return RosterChange::Nothing;
        };
        // They come in any order: a roster is handed over without what lies between, and a restored device finds its own last.
        let renamed = Renamed { ms: *ms, inc: *inc, seq: *seq, hash: opened.hash };
        if member.renamed.is_some_and(|known| known >= renamed) {
            return RosterChange::Nothing;
        }
        member.name = rename.name;
        let before = member.renamed.replace(renamed);
        RosterChange::Renamed { before: before.map(|renamed| renamed.hash) }
    }

    /// The earliest time that a device's next RENAME may bear.
    pub(super) fn renames_after(&self, device: DeviceId) -> UnixMillis {
        let renamed = self.members.get(&device).and_then(|member| member.renamed);
        renamed.map_or(UnixMillis(0), |renamed| UnixMillis(renamed.ms.0.saturating_add(1)))
    }

    /// Whether the author of `add` could know `of` when it wrote.
    fn is_later(&self, add: &Admission, of: &Admission) -> bool {
        let mut add = add;
        // Members' admissions form a tree, unless an id has changed hands: then the count ends it.
        for _ in 0..=self.members.len() {
            if add.lane == of.lane && add.seq > of.seq || add.knew.get(&of.lane).is_some_and(|seq| *seq >= of.seq) {
                return true;
            }
            // Whoever is admitted is handed all that its admitter knew.
            match self.members.get(&add.lane.device).and_then(|author| author.admission.as_ref()) {
                Some(author) if author.hash == of.hash => return true,
                Some(author) => add = author,
                None => return false,
            }
        }
        false
    }
}

impl Admission {
    fn of(record: &Record, hash: RecordHash) -> Self {
        let lane = StreamId { device: record.sender, inc: record.inc, lane: Lane::Control };
        let knew = record
            .seen
            .iter()
            .filter(|entry| entry.lane == Lane::Control)
            .map(|entry| (StreamId { device: entry.device, inc: entry.inc, lane: entry.lane }, entry.seq))
            .collect();
        Self { lane, seq: record.seq, hash, knew }
    }
}

#[cfg(test)]
mod tests;
