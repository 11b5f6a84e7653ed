//! The largest group there may be, and members that write all they can into its roster: another device still joins.

use bytes::Bytes;
use zerok_core::{
    client::{
        command::{ClientCommand, ClientEvent},
        verdict::Verdict,
    },
    error::Code,
    ids::{Incarnation, Lane, RecordHash},
    limits::MAX_DEVICES,
    seal::{
        record::{Kind, Record, SeenEntry},
        roster::{AddPayload, RenamePayload},
    },
};
use zerok_testkit::hostile::Insider;

use crate::{
    common::{code, invite, join, joiner, newcomer, push, report},
    roster::next_control,
    scene::Scene,
};

/// How often each device of the crowd changes its name.
const NAMES: u64 = 40;

/// A name as long as one may be.
fn name(device: usize, number: u64) -> String {
    format!("{:-<64}", format!("device {device}, name {number} "))
}

/// The control lane of a member under this test's hand.
struct Lanes {
    members: Vec<(Insider, Record)>,
    blobs: Vec<Bytes>,
}

impl Lanes {
    /// The newest member admits another one and names every lane in which an admission stands.
    fn admit(&mut self, number: usize) {
        let seen = self.members.iter().rev().skip(1).map(|(insider, last)| SeenEntry {
            device: insider.keys.id(),
            inc: last.inc,
            lane: Lane::Control,
            seq: last.seq,
            hash: [1; 8],
        });
        let seen = seen.collect();
        let (author, last) = self.members.last_mut().expect("somebody is there");
        let new = author.recruit();
        let payload = AddPayload { device: new.keys.public(), name: name(number, 0) }.encode();
        let record = Record { kind: Kind::Add as u8, seen, payload: payload.into(), ..last.clone() };
        self.blobs.push(author.write(last, record));
        let inc = Incarnation([number as u8; 8]);
        let before = Record { sender: new.keys.id(), inc, seq: 0, prev: RecordHash([0; 16]), ..last.clone() };
        self.members.push((new, before));
    }

    fn rename(&mut self, member: usize, name: String) {
        let (author, last) = &mut self.members[member];
        let payload = RenamePayload { name }.encode();
        let record = Record { kind: Kind::Rename as u8, seen: Vec::new(), payload: payload.into(), ..last.clone() };
        self.blobs.push(author.write(last, record));
    }
}

#[test]
fn the_last_device_of_a_full_group_in_which_all_were_renamed_forty_times_is_admitted() {
    let mut scene = Scene::new(&["one"]);
    let first = next_control(&scene, Kind::Add as u8, Vec::new());
    let insider = Insider::of(&scene.world.devices[scene.laptop]);
    let before = Record { seq: first.seq - 1, ..first };
    let mut lanes = Lanes { members: vec![(insider, before)], blobs: Vec::new() };
    // The laptop and the phone are two, and one place is left.
    let others = MAX_DEVICES - 3;
    (1..=others).for_each(|number| lanes.admit(number));
    for number in 1..=NAMES {
        (1..=others).for_each(|member| lanes.rename(member, name(member, number)));
    }
    scene.world.kill_device(scene.laptop);
    let mut forgery = scene.forge();
    for blob in &lanes.blobs {
        forgery.append(blob.clone());
    }
    scene.serve(&forgery);
    scene.wake();
    assert_eq!(report(&mut scene.world, scene.phone).devices.len(), MAX_DEVICES - 1);
    let rows = scene.world.devices[scene.phone].store.image().roster;
    assert_eq!(rows.len(), 1 + (MAX_DEVICES - 2) + others, "one row for each admission, and one for each name");

    let tablet = joiner(&mut scene.world, scene.phone, "tablet");
    scene.minutes(1);
    let devices = report(&mut scene.world, tablet).devices;
    assert_eq!(devices.len(), MAX_DEVICES);
    for number in 1..=others {
        assert!(devices.iter().any(|device| device.name == name(number, NAMES)), "device {number}");
    }
    push(&mut scene.world, tablet, "a member").expect("the relay holds it");
    scene.minutes(15);
    assert_eq!(scene.read().last().map(String::as_str), Some("a member"));
    let gap = |verdict: &Verdict| matches!(verdict, Verdict::Gap { .. } | Verdict::Equivocation { .. });
    let found = scene.world.devices[tablet].verdicts();
    assert!(!found.iter().any(gap), "what was not handed over is nobody's fault: {found:?}");
    assert_eq!(code(scene.world.call(scene.phone, ClientCommand::CreateInvite)), Code::PairingFailed);
}

#[test]
fn r14_a_roster_record_above_its_size_is_void_and_hinders_no_admission() {
    let mut scene = Scene::new(&["one"]);
    let entry = |number: u16| SeenEntry {
        device: scene.insider.keys.id(),
        inc: Incarnation([number as u8; 8]),
        lane: Lane::Control,
        seq: 1,
        hash: [1; 8],
    };
    let payload = RenamePayload { name: "too long a story".into() }.encode();
    let record = next_control(&scene, Kind::Rename as u8, payload);
    let record = Record { seen: (0..100).map(entry).collect(), ..record };
    let blob = scene.insider.seal(&record);
    assert!(blob.len() > zerok_core::limits::MAX_RENAME_BLOB);
    let mut forgery = scene.forge();
    forgery.append(blob);
    scene.world.kill_device(scene.laptop);
    scene.serve(&forgery);
    scene.wake();
    let good = invite(&mut scene.world, scene.phone);
    let tablet = newcomer(&mut scene.world, "tablet");
    join(&mut scene.world, tablet, good, "tablet").expect("it is admitted");
    scene.minutes(1);
    for device in [scene.phone, tablet] {
        let names: Vec<_> = report(&mut scene.world, device).devices.into_iter().map(|device| device.name).collect();
        assert_eq!(names.len(), 3);
        assert!(!names.contains(&"too long a story".into()), "{names:?}");
    }
    let ended = |event: &ClientEvent| matches!(event, ClientEvent::InviteEnded { .. });
    assert!(!scene.world.devices[scene.phone].events.iter().any(ended));
}

#[test]
fn r14_a_roster_record_that_its_author_did_not_sign_is_void_though_its_successor_vouches_for_it() {
    let mut scene = Scene::new(&["one"]);
    let payload = RenamePayload { name: "unsigned".into() }.encode();
    let unsigned = next_control(&scene, Kind::Rename as u8, payload);
    let blob = scene.insider.seal_badly(&unsigned);
    let prev = scene.insider.open(&blob).hash;
    let payload = RenamePayload { name: "signed".into() }.encode();
    let signed = Record { seq: unsigned.seq + 1, prev, payload: payload.into(), ..unsigned };
    let mut forgery = scene.forge();
    forgery.append(blob);
    forgery.append(scene.insider.seal(&signed));
    scene.world.kill_device(scene.laptop);
    scene.serve(&forgery);
    scene.wake();
    assert_eq!(scene.verdicts(), [], "it has its place in the chain");
    let tablet = joiner(&mut scene.world, scene.phone, "tablet");
    let names: Vec<_> = report(&mut scene.world, tablet).devices.into_iter().map(|device| device.name).collect();
    assert!(names.contains(&"signed".into()) && names.len() == 3, "{names:?}");
}
