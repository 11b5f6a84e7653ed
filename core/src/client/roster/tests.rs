//! Every reason for which an admission stands or is void, and that the order in which records come is none.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{
    limits::MAX_DEVICES,
    seal::{
        keys::DeviceKeys,
        record::{Kind, SeenEntry},
        tests::{Founded, draw, found},
    },
};

/// Writes records in anybody's name: signatures are not the roster's business.
struct Scene {
    founded: Founded,
    draw: crate::rng::Draw,
    roster: Roster,
}

fn scene() -> Scene {
    let mut scene = Scene { founded: found("roster"), draw: draw("devices"), roster: Roster::default() };
    let genesis = scene.founded.genesis.clone();
    assert_eq!(scene.roster.found(&genesis, hash(0)), RosterChange::Founded);
    scene
}

fn hash(n: u8) -> RecordHash {
    RecordHash([n; 16])
}

fn control(device: DeviceId) -> StreamId {
    StreamId { device, inc: Incarnation([3; 8]), lane: Lane::Control }
}

impl Scene {
    fn founder(&self) -> DeviceId {
        self.founded.keys.id()
    }

    fn device(&mut self) -> DevicePublic {
        DeviceKeys::generate(&mut self.draw).public()
    }

    /// Another key with the same id.
    fn twin(&mut self, of: DevicePublic) -> DevicePublic {
        loop {
            let mut twin = of;
            let rest: [u8; 24] = self.draw.bytes();
            twin.sign[8..].copy_from_slice(&rest);
            // Half of all numbers are no key.
            if AddPayload::decode(&AddPayload { device: twin, name: "twin".into() }.encode()).is_ok() {
                return twin;
            }
        }
    }

    fn record(&mut self, author: DeviceId, seq: u64, kind: Kind, payload: &[u8], knew: &[(StreamId, u64)]) -> Opened {
        let entry = |(id, seq): &(StreamId, u64)| SeenEntry {
            device: id.device,
            inc: id.inc,
            lane: id.lane,
            seq: *seq,
            hash: [1; 8],
        };
        let seen = knew.iter().map(entry).collect();
        let record = self.founded.record(seq, hash(9), payload);
        let record = Record { sender: author, kind: kind as u8, seen, ..record };
        let sealed = self.founded.seal(&record);
        self.founded.open(&sealed.blob)
    }

    fn add(&mut self, author: DeviceId, seq: u64, device: DevicePublic, knew: &[(StreamId, u64)]) -> Opened {
        self.record(author, seq, Kind::Add, &AddPayload { device, name: "new".into() }.encode(), knew)
    }

    fn rename(&mut self, author: DeviceId, seq: u64, name: &str) -> Opened {
        self.record(author, seq, Kind::Rename, &RenamePayload { name: name.to_owned() }.encode(), &[])
    }

    /// Two records that differ in their time alone, the one with the smaller hash first.
    fn by_hash(&mut self, mut write: impl FnMut(&mut Self) -> (Opened, Opened), smaller: bool) -> (Opened, Opened) {
        loop {
            let (one, other) = write(self);
            if (other.hash < one.hash) == smaller {
                return (one, other);
            }
        }
    }

    fn key_of(&self, id: DeviceId) -> [u8; 32] {
        self.roster.get(id).expect("a member").public.sign
    }
}

#[test]
fn a_device_is_admitted_once_and_a_repetition_changes_nothing() {
    let mut scene = scene();
    let (founder, phone) = (scene.founder(), scene.device());
    let add = scene.add(founder, 2, phone, &[]);
    assert_eq!(scene.roster.add(&add), RosterChange::Added(phone.id()));
    let before = scene.roster.clone();
    assert_eq!(scene.roster.add(&add), RosterChange::Nothing);
    let again = scene.add(phone.id(), 1, phone, &[]);
    assert_eq!(scene.roster.add(&again), RosterChange::Nothing, "the same key admitted by somebody else");
    assert_eq!(scene.roster, before);
}

#[test]
fn r14_a_later_admission_of_a_taken_id_is_void_whatever_its_hash() {
    let mut scene = scene();
    let founder = scene.founder();
    let (tablet, desk) = (scene.device(), scene.device());
    let first = scene.add(founder, 2, tablet, &[]);
    scene.roster.add(&first);
    let phone = scene.device();
    let second = scene.add(founder, 3, phone, &[]);
    scene.roster.add(&second);
    let third = scene.add(founder, 4, desk, &[]);
    scene.roster.add(&third);
    let twin = scene.twin(phone);
    // Behind it in the same chain; by somebody who says that it knew; by somebody who was admitted after it.
    let same_chain = |scene: &mut Scene| scene.add(founder, 5, twin, &[]);
    let says_so = |scene: &mut Scene| scene.add(tablet.id(), 1, twin, &[(control(founder), 3)]);
    let after = |scene: &mut Scene| scene.add(desk.id(), 1, twin, &[]);
    let laters: [&dyn Fn(&mut Scene) -> Opened; 3] = [&same_chain, &says_so, &after];
    for (case, write) in laters.into_iter().enumerate() {
        // Some of its hashes are smaller.
        let mut smaller = 0;
        for time in 0..16_u64 {
            let later = write(&mut scene);
            let Opened { record, .. } = later;
            let record = Record { ms: crate::time::UnixMillis(time), ..record };
            let sealed = scene.founded.seal(&record);
            let later = scene.founded.open(&sealed.blob);
            smaller += usize::from(later.hash < second.hash);
            assert_eq!(scene.roster.add(&later), RosterChange::Nothing, "case {case}");
            // Told in the other order, the earlier one takes its place.
            let mut other = scene.roster.clone();
            other.members.remove(&phone.id());
            assert_eq!(other.add(&later), RosterChange::Added(phone.id()));
            assert_eq!(other.add(&second), RosterChange::Added(phone.id()), "case {case}");
            assert_eq!(other, scene.roster);
        }
        assert!(smaller > 0, "case {case} proves nothing");
    }
    assert_eq!(scene.key_of(phone.id()), phone.sign);
}

#[test]
fn r14_of_two_concurrent_admissions_of_one_id_the_smaller_hash_stands_in_any_order() {
    for smaller in [false, true] {
        let mut scene = scene();
        let (founder, tablet, phone) = (scene.founder(), scene.device(), scene.device());
        let twin = scene.twin(phone);
        let admit = scene.add(founder, 2, tablet, &[]);
        scene.roster.add(&admit);
        let mut time = 0;
        let (one, other) = scene.by_hash(
            |scene| {
                time += 1;
                // Neither says that it knew the other: the tablet holds the founder's chain up to its own admission.
                let one = scene.record(
                    founder,
                    3,
                    Kind::Add,
                    &AddPayload { device: phone, name: time.to_string() }.encode(),
                    &[],
                );
                let other = scene.add(tablet.id(), 1, twin, &[(control(founder), 2)]);
                (one, other)
            },
            smaller,
        );
        let mut there = scene.roster.clone();
        scene.roster.add(&one);
        scene.roster.add(&other);
        there.add(&other);
        there.add(&one);
        assert_eq!(scene.roster, there);
        assert_eq!(scene.key_of(phone.id()), if smaller { twin.sign } else { phone.sign });
    }
}

#[test]
fn r14_nothing_replaces_the_founder() {
    let mut scene = scene();
    let (founder, phone) = (scene.founder(), scene.device());
    let key = scene.key_of(founder);
    let admit = scene.add(founder, 2, phone, &[]);
    scene.roster.add(&admit);
    let own = scene.founded.keys.public();
    let twin = scene.twin(own);
    for seq in 1..9 {
        let add = scene.add(phone.id(), seq, twin, &[]);
        assert_eq!(scene.roster.add(&add), RosterChange::Nothing);
    }
    assert_eq!(scene.key_of(founder), key);
}

#[test]
fn r14_a_129th_device_stands_only_for_members_that_admit_at_once_and_a_137th_never() {
    let mut scene = scene();
    let founder = scene.founder();
    let mut adds = Vec::new();
    for seq in 2..2 + (MAX_MEMBERS as u64) {
        let device = scene.device();
        adds.push(scene.add(founder, seq, device, &[]));
    }
    for (index, add) in adds.iter().enumerate() {
        let stands = scene.roster.add(add) != RosterChange::Nothing;
        assert_eq!(stands, index + 1 < MAX_MEMBERS, "device {}", index + 2);
    }
    assert_eq!(scene.roster.len(), MAX_MEMBERS);
    const { assert!(MAX_MEMBERS > MAX_DEVICES, "whoever admits stops before") };
}

#[test]
fn r15_a_device_names_only_itself_and_its_newest_name_counts() {
    let mut scene = scene();
    let (founder, phone) = (scene.founder(), scene.device());
    let stranger = scene.device().id();
    let admit = scene.add(founder, 2, phone, &[]);
    scene.roster.add(&admit);
    let name = |scene: &Scene| scene.roster.get(phone.id()).map(|member| member.name.clone());
    let (first, second) = (scene.rename(phone.id(), 1, "one"), scene.rename(phone.id(), 2, "two"));
    assert_eq!(scene.roster.rename(&second), RosterChange::Renamed { before: None });
    assert_eq!(scene.roster.rename(&first), RosterChange::Nothing, "it is older");
    assert_eq!(name(&scene).as_deref(), Some("two"));
    let third = scene.rename(phone.id(), 3, "three");
    assert_eq!(scene.roster.rename(&third), RosterChange::Renamed { before: Some(second.hash) });
    let nobody = scene.rename(stranger, 1, "ghost");
    assert_eq!(scene.roster.rename(&nobody), RosterChange::Nothing);
    assert_eq!(scene.roster.standing(), [hash(0), admit.hash, third.hash].into());
}

#[test]
fn r15_names_given_in_two_incarnations_end_alike_in_whatever_order_they_come() {
    let mut scene = scene();
    let founder = scene.founder();
    let mut name = |ms: u64, inc: u8, seq: u64, name: &str| {
        let mut opened = scene.rename(founder, seq, name);
        (opened.record.ms, opened.record.inc) = (UnixMillis(ms), Incarnation([inc; 8]));
        opened
    };
    let names = [name(10, 9, 1, "one"), name(20, 9, 2, "two"), name(21, 3, 1, "restored"), name(21, 2, 7, "as late")];
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1], [1, 3, 0, 2]] {
        let mut roster = scene.roster.clone();
        for index in order {
            roster.rename(&names[index]);
        }
        assert_eq!(roster.get(founder).map(|member| member.name.as_str()), Some("restored"), "{order:?}");
        assert_eq!(roster.renames_after(founder), UnixMillis(22), "{order:?}");
    }
}

/// What one step of a group's history does.
#[derive(Debug, Clone)]
struct Step {
    /// Which member writes.
    author: prop::sample::Index,
    /// It has read everything before.
    caught_up: bool,
    /// The new device's id is that of one which its author does not know.
    collides: bool,
    /// A name instead of a device.
    rename: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (any::<prop::sample::Index>(), any::<bool>(), any::<bool>(), prop::bool::weighted(0.2));
    let step = step.prop_map(|(author, caught_up, collides, rename)| Step { author, caught_up, collides, rename });
    prop::collection::vec(step, 1..24)
}

/// A history as honest members write it: each record, and the key that must be a member before it counts.
fn history(scene: &mut Scene, steps: &[Step]) -> Vec<(Opened, [u8; 32])> {
    let mut records: Vec<(Opened, [u8; 32])> = Vec::new();
    let mut members = vec![scene.founded.keys.public()];
    let mut contested: BTreeSet<DeviceId> = BTreeSet::new();
    let mut authors: BTreeSet<DeviceId> = BTreeSet::new();
    let mut ends: BTreeMap<StreamId, u64> = BTreeMap::from([(control(scene.founder()), 1)]);
    let mut knows: BTreeMap<DeviceId, BTreeMap<StreamId, u64>> = BTreeMap::from([(scene.founder(), ends.clone())]);
    let mut admitted: BTreeMap<DeviceId, (StreamId, u64)> = BTreeMap::new();
    for step in steps {
        let writers: Vec<DevicePublic> =
            members.iter().copied().filter(|member| !contested.contains(&member.id())).collect();
        let author = writers[step.author.index(writers.len())];
        let lane = control(author.id());
        if step.caught_up {
            knows.insert(author.id(), ends.clone());
        }
        let knew = knows[&author.id()].clone();
        let known: Vec<(StreamId, u64)> =
            knew.iter().filter(|(id, _)| **id != lane).map(|(id, seq)| (*id, *seq)).collect();
        let seq = ends.get(&lane).copied().unwrap_or(0) + 1;
        ends.insert(lane, seq);
        let record = if step.rename {
            scene.rename(author.id(), seq, &format!("name {seq}"))
        } else {
            let unknown = |member: &&DevicePublic| {
                let id = member.id();
                let at = admitted.get(&id);
                at.is_some_and(|(lane, seq)| knew.get(lane).is_none_or(|known| known < seq))
                    && !contested.contains(&id)
                    && !authors.contains(&id)
            };
            let device = match members.iter().find(unknown).copied().filter(|_| step.collides) {
                Some(of) => {
                    contested.insert(of.id());
                    scene.twin(of)
                }
                None => {
                    let device = scene.device();
                    members.push(device);
                    admitted.insert(device.id(), (lane, seq));
                    let mut handed = knew.clone();
                    handed.insert(lane, seq);
                    knows.insert(device.id(), handed);
                    device
                }
            };
            scene.add(author.id(), seq, device, &known)
        };
        authors.insert(author.id());
        knows.entry(author.id()).or_default().insert(lane, seq);
        records.push((record, author.sign));
    }
    records
}

/// Delivers records as early as chains and signatures allow, those of the smallest rank first.
fn deliver(start: &Roster, records: &[(Opened, [u8; 32])], ranks: &[u32]) -> Roster {
    let mut roster = start.clone();
    let mut left: Vec<usize> = (0..records.len()).collect();
    left.sort_by_key(|index| ranks[*index % ranks.len()].wrapping_mul(*index as u32 | 1));
    while !left.is_empty() {
        let ready = left.iter().position(|index| {
            let (opened, key) = &records[*index];
            let record = &opened.record;
            let first = |other: &&usize| {
                let other = &records[**other].0.record;
                other.sender == record.sender && other.seq < record.seq
            };
            roster.get(record.sender).is_some_and(|member| member.public.sign == *key)
                && left.iter().find(first).is_none()
        });
        let index = left.remove(ready.expect("somebody's next record is ready"));
        match records[index].0.record.kind {
            kind if kind == Kind::Add as u8 => roster.add(&records[index].0),
            _ => roster.rename(&records[index].0),
        };
    }
    roster
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn r14_any_order_of_delivery_makes_the_same_roster(
        steps in steps(),
        orders in prop::collection::vec(prop::collection::vec(any::<u32>(), 24), 6),
    ) {
        let mut scene = scene();
        let records = history(&mut scene, &steps);
        let as_written = deliver(&scene.roster, &records, &[0]);
        for ranks in orders {
            prop_assert_eq!(&deliver(&scene.roster, &records, &ranks), &as_written);
        }
    }
}
