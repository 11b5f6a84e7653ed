//! A19 and what is held: unknown senders, unknown keys, unknown kinds, and the bounds on all of them.

use std::time::Duration;

use bytes::Bytes;
use zerok_core::{
    client::{command::ClientEvent, verdict::Verdict},
    error::Code,
    ids::{Kid, Lane, RecordHash},
    seal::{
        keys::DeviceKeys,
        record::{Kind, Record},
        roster::{AddPayload, RenamePayload},
    },
};
use zerok_testkit::hostile::Insider;

use crate::{
    common::{joiner, push, report},
    scene::Scene,
};

/// The control record that would follow the laptop's last.
pub(crate) fn next_control(scene: &Scene, kind: u8, payload: Vec<u8>) -> Record {
    let log = scene.world.relay.store.log(&scene.group);
    let adds = scene.insider.own(&log, Kind::Add);
    let last = adds.last().expect("it admitted the phone");
    let record = scene.insider.after(last, "");
    Record { kind, payload: Bytes::from(payload), ..record }
}

#[test]
fn a19_records_of_a_device_whose_admission_is_withheld_wait_for_it() {
    let mut scene = Scene::new(&["one"]);
    let tablet = joiner(&mut scene.world, scene.laptop, "tablet");
    scene.world.run(Duration::from_secs(20));
    push(&mut scene.world, tablet, "from the tablet").expect("the relay holds it");
    let honest = scene.forge();
    let mut forgery = honest.clone();
    let add = |blob: &Bytes| scene.insider.open(blob).record.kind == Kind::Add as u8;
    let index = forgery.entries.iter().rposition(|(_, blob)| add(blob)).expect("the tablet was admitted");
    forgery.drop_entry(index);
    scene.serve(&forgery);
    scene.wake();
    assert_eq!(scene.read(), ["one"]);
    let device = Insider::of(&scene.world.devices[tablet]).keys.id();
    assert_eq!(scene.verdicts(), [Verdict::UnknownDevice { device }], "told, and not called tampering");
    // A restart forgets nothing of what waits, and says nothing twice.
    scene.world.kill_device(scene.phone);
    scene.wake();
    assert_eq!(scene.verdicts().len(), 1);
    let mut late = scene.forge();
    late.append(honest.entries[index].1.clone());
    scene.serve(&late);
    scene.minutes(1);
    assert_eq!(scene.read(), ["from the tablet"]);
    let joined = |event: &ClientEvent| matches!(event, ClientEvent::DeviceJoined { name, .. } if name == "tablet");
    assert_eq!(scene.world.devices[scene.phone].events.iter().filter(|event| joined(event)).count(), 1);
}

#[test]
fn a19_a_forged_admission_admits_nobody() {
    let mut scene = Scene::new(&["one"]);
    let mut draw = zerok_core::rng::Seed::new([3; 32]).draw("stranger");
    let stranger = DeviceKeys::generate(&mut draw);
    let add = AddPayload { device: stranger.public(), name: "stranger".into() };
    let record = next_control(&scene, Kind::Add as u8, add.encode());
    let forged = scene.insider.seal_badly(&record);
    let mut forgery = scene.forge();
    let cursor = forgery.append(forged);
    scene.serve(&forgery);
    scene.wake();
    assert_eq!(scene.read(), ["one"]);
    assert_eq!(scene.verdicts(), [Verdict::Tampered { cursor }]);
    let joined = |event: &ClientEvent| matches!(event, ClientEvent::DeviceJoined { name, .. } if name == "stranger");
    assert!(!scene.world.devices[scene.phone].events.iter().any(joined));
}

#[test]
fn a_replayed_admission_changes_nothing() {
    let mut scene = Scene::new(&["one"]);
    let mut forgery = scene.forge();
    let adds: Vec<Bytes> = forgery.entries.iter().map(|(_, blob)| blob.clone()).collect();
    for blob in adds {
        forgery.append(blob);
    }
    scene.serve(&forgery);
    scene.wake();
    assert_eq!(scene.read(), ["one"]);
    assert_eq!(scene.verdicts(), []);
}

#[test]
fn an_unknown_kind_is_kept_and_reported_once_and_its_chain_goes_on() {
    let mut scene = Scene::new(&["one"]);
    let first = next_control(&scene, 99, vec![1]);
    let blob = scene.insider.seal(&first);
    let hash = scene.insider.open(&blob).hash;
    let second = Record { seq: first.seq + 1, prev: hash, ..first };
    let second = scene.insider.seal(&second);
    let mut forgery = scene.forge();
    forgery.append(blob);
    forgery.append(second);
    scene.serve(&forgery);
    for _ in 0..3 {
        scene.wake();
        assert_eq!(scene.world.devices[scene.phone].store.image().held.len(), 2, "kept for a newer version");
        scene.world.kill_device(scene.phone);
    }
    scene.wake();
    assert_eq!(scene.read(), ["one"]);
    assert_eq!(scene.verdicts(), []);
    let reports = |event: &&ClientEvent| **event == ClientEvent::Problem(Code::UpdateNeeded);
    assert_eq!(scene.world.devices[scene.phone].events.iter().filter(reports).count(), 1);
}

#[test]
fn rubbish_under_unknown_keys_fills_the_room_and_stops_nothing_else() {
    let mut scene = Scene::new(&["1", "2", "3", "4", "5"]);
    let mut forgery = scene.forge();
    let (one, _) = scene.blob("1");
    // A hundred blobs under a hundred keys, and the honest ones after them, turned around and one of them withheld.
    let honest: Vec<Bytes> = forgery.entries.split_off(one).into_iter().map(|(_, blob)| blob).collect();
    for number in 0..100_u8 {
        let mut blob = honest[0].to_vec();
        blob[1..9].copy_from_slice(&[number; 8]);
        forgery.append(blob.into());
    }
    for index in [4, 3, 1, 0] {
        forgery.append(honest[index].clone());
    }
    scene.serve(&forgery);
    scene.world.kill_device(scene.laptop);
    scene.wake();
    assert_eq!(scene.read(), ["1", "2", "4", "5"]);
    assert_eq!(scene.world.devices[scene.phone].store.image().held.len(), 64);
    let verdicts = scene.verdicts();
    assert_eq!(verdicts.iter().filter(|verdict| matches!(verdict, Verdict::MissingEpoch { .. })).count(), 64);
    assert!(verdicts.contains(&Verdict::MissingEpoch { kid: Kid([0; 8]) }));
    assert_eq!(verdicts.last(), Some(&scene.gap(4, 4, false)));
    assert_eq!(verdicts.len(), 65);
    // And then there is quiet.
    let flights = scene.world.flights;
    scene.minutes(3);
    assert_eq!(scene.world.flights, flights, "nothing is read over and over");
}

#[test]
fn more_records_than_can_be_held_wait_in_the_log_for_the_admission_of_their_sender() {
    let mut scene = Scene::new(&["one"]);
    let tablet = joiner(&mut scene.world, scene.laptop, "tablet");
    scene.world.run(Duration::from_secs(20));
    let mut insider = Insider::of(&scene.world.devices[tablet]);
    scene.world.kill_device(tablet);
    let honest = scene.forge();
    let add = |blob: &Bytes| scene.insider.open(blob).record.kind == Kind::Add as u8;
    let index = honest.entries.iter().rposition(|(_, blob)| add(blob)).expect("the tablet was admitted");
    let mut forgery = honest.clone();
    let (_, admission) = forgery.drop_entry(index);
    let (mut prev, mut all) = (RecordHash([0; 16]), Vec::new());
    for seq in 1..=200 {
        let record = Record { seq, prev, payload: seq.to_string().into(), ..insider.first(9, "") };
        let blob = insider.seal(&record);
        prev = insider.open(&blob).hash;
        all.push(seq.to_string());
        forgery.append(blob);
    }
    scene.serve(&forgery);
    scene.wake();
    assert_eq!(scene.read(), ["one"]);
    let mut late = scene.forge();
    late.append(admission);
    scene.serve(&late);
    scene.minutes(1);
    assert_eq!(scene.read(), all);
    assert_eq!(scene.verdicts(), [Verdict::UnknownDevice { device: insider.keys.id() }]);
    assert_eq!(scene.world.devices[scene.phone].store.image().held.len(), 0);
}

#[test]
fn r18_a_member_that_invents_senders_is_heard_of_boundedly_and_hides_no_gap() {
    let mut scene = Scene::new(&["1", "2", "3"]);
    let mut forgery = scene.forge();
    for _ in 0..200 {
        let mut ghost = scene.insider.recruit();
        let record = ghost.first(1, "boo");
        forgery.append(ghost.seal(&record));
    }
    forgery.drop_entry(scene.blob("2").0);
    scene.world.kill_device(scene.laptop);
    scene.serve(&forgery);
    scene.wake();
    assert_eq!(scene.read(), ["1", "3"]);
    let found = scene.verdicts();
    let unknown = |verdict: &&Verdict| matches!(verdict, Verdict::UnknownDevice { .. });
    assert!(found.contains(&scene.gap(3, 3, false)), "{found:?}");
    assert_eq!(found.iter().filter(unknown).count(), 64);
    // And then there is quiet.
    let flights = scene.world.flights;
    scene.minutes(3);
    assert_eq!(scene.world.flights, flights, "nothing is read over and over");
}

#[test]
fn q12_a_device_that_was_restored_too_often_is_named_and_stands_in_nobodys_way() {
    let mut scene = Scene::new(&["one"]);
    let laptop = scene.insider.keys.id();
    let mut forgery = scene.forge();
    for run in 1..=20 {
        let record = scene.insider.first(run, "another run");
        forgery.append(scene.insider.seal(&record));
    }
    scene.world.kill_device(scene.laptop);
    scene.serve(&forgery);
    scene.wake();
    // Its data and control lane were there before.
    assert_eq!(scene.read().len(), 1 + zerok_core::limits::MAX_CHAINS - 2);
    assert_eq!(scene.verdicts(), [Verdict::RestoredTooOften { device: laptop }]);
    assert_eq!(scene.world.devices[scene.phone].store.image().held.len(), 6, "what is not followed waits");
    scene.world.kill_device(scene.phone);
    scene.wake();
    assert_eq!(scene.verdicts().len(), 1, "once");
    let tablet = joiner(&mut scene.world, scene.phone, "tablet");
    push(&mut scene.world, tablet, "from the tablet").expect("the relay holds it");
    scene.world.run(Duration::from_secs(20));
    assert_eq!(scene.read(), ["from the tablet"]);
}

/// A name for the laptop, as its control record after the last one.
fn rename(scene: &Scene, name: &str) -> Record {
    next_control(scene, Kind::Rename as u8, RenamePayload { name: name.to_owned() }.encode())
}

/// The phone reads what the relay holds besides, and then takes in a tablet.
fn admits_after(scene: &mut Scene, extra: &[Bytes]) -> usize {
    let mut forgery = scene.forge();
    for blob in extra {
        forgery.append(blob.clone());
    }
    scene.world.kill_device(scene.laptop);
    scene.serve(&forgery);
    scene.wake();
    scene.minutes(3);
    let tablet = joiner(&mut scene.world, scene.phone, "tablet");
    scene.world.run(Duration::from_secs(20));
    push(&mut scene.world, tablet, "a member").expect("the relay holds it");
    tablet
}

#[test]
fn a_device_joins_after_a_gap_in_a_members_control_lane() {
    let mut scene = Scene::new(&["one"]);
    let record = rename(&scene, "desk");
    let blob = scene.insider.seal(&Record { seq: record.seq + 1, ..record });
    let tablet = admits_after(&mut scene, &[blob]);
    let gap = |verdict: &Verdict| matches!(verdict, Verdict::Gap { lane: Lane::Control, .. });
    assert!(scene.verdicts().iter().any(gap), "{:?}", scene.verdicts());
    let devices = report(&mut scene.world, tablet).devices;
    assert_eq!((devices.len(), devices.iter().any(|device| device.name == "desk")), (3, true));
}

#[test]
fn a_device_joins_after_a_fork_in_a_members_control_lane() {
    let mut scene = Scene::new(&["one"]);
    let record = rename(&scene, "desk");
    let blob = scene.insider.seal(&Record { prev: RecordHash([9; 16]), ..record });
    let tablet = admits_after(&mut scene, &[blob]);
    let fork = |verdict: &Verdict| matches!(verdict, Verdict::Fork { lane: Lane::Control, .. });
    assert!(scene.verdicts().iter().any(fork), "{:?}", scene.verdicts());
    let devices = report(&mut scene.world, tablet).devices;
    assert_eq!((devices.len(), devices.iter().any(|device| device.name == "desk")), (3, true));
}
