//! Heads records: when they leave, what they replace, what they let go, and what they never cause.

use std::time::Duration;

use bytes::Bytes;
use zerok_core::{
    channel::ChannelKind,
    client::command::ClientCommand,
    ids::GroupId,
    limits::{ClientLimits, RelayLimits},
    seal::record::{Kind, Record},
};
use zerok_testkit::{hostile::Insider, sim::World};

use crate::{
    common::{pair, pair_with, pull, push, texts},
    scene::Scene,
};

/// Heads records of a device in the relay's log.
fn heads(world: &World, device: usize) -> usize {
    let insider = Insider::of(&world.devices[device]);
    insider.own(&world.relay.store.log(&insider.group), Kind::Heads).len()
}

fn group(world: &World, device: usize) -> GroupId {
    Insider::of(&world.devices[device]).group
}

#[test]
fn five_quiet_seconds_after_the_last_data_one_heads_record_leaves_and_causes_no_other() {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    world.run(Duration::from_secs(60));
    let before = (heads(&world, laptop), heads(&world, phone));
    for text in ["1", "2", "3"] {
        push(&mut world, laptop, text).expect("the relay holds it");
        world.run(Duration::from_secs(4));
    }
    assert_eq!(heads(&world, phone), before.1, "never five quiet seconds");
    world.run(Duration::from_secs(2));
    assert_eq!(heads(&world, phone), before.1 + 1);
    let log = world.relay.store.log(&group(&world, laptop)).len();
    world.run(Duration::from_secs(600));
    assert_eq!(world.relay.store.log(&group(&world, laptop)).len(), log, "and then there is quiet");
    assert_eq!(heads(&world, laptop), before.0, "heads cause no heads");
}

#[test]
fn an_own_push_says_what_heads_would() {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    world.run(Duration::from_secs(60));
    let before = heads(&world, phone);
    push(&mut world, laptop, "1").expect("the relay holds it");
    world.run(Duration::from_secs(1));
    push(&mut world, phone, "2").expect("the relay holds it");
    world.run(Duration::from_secs(60));
    assert_eq!(heads(&world, phone), before);
}

#[test]
fn the_end_of_a_sync_says_it_at_once() {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    world.run(Duration::from_secs(60));
    let before = heads(&world, phone);
    push(&mut world, laptop, "1").expect("the relay holds it");
    world.run(Duration::from_millis(200));
    world.call(phone, ClientCommand::SyncNow).expect("it syncs");
    world.run(Duration::from_millis(500));
    assert_eq!(heads(&world, phone), before + 1);
}

#[test]
fn a_newer_heads_record_replaces_one_that_has_not_left() {
    let mut scene = Scene::new(&["1"]);
    let before = heads(&scene.world, scene.phone);
    scene.world.start_device(scene.phone);
    let phone = scene.phone;
    // The relay is full for everything while the phone has something to say, twice.
    scene.world.run(Duration::from_secs(3));
    scene.world.relay.store.set_room(0);
    scene.world.run(Duration::from_secs(10));
    let rows = |world: &World| {
        let image = world.devices[phone].store.image();
        image.outbox.iter().filter(|row| row.kind == Kind::Heads as u8 && !row.acked).count()
    };
    assert!(rows(&scene.world) <= 1);
    scene.world.relay.store.set_room(u64::MAX);
    scene.push(&["2"]);
    scene.minutes(3);
    assert_eq!(rows(&scene.world), 0);
    assert!(heads(&scene.world, scene.phone) > before);
}

#[test]
fn what_every_device_has_seen_leaves_the_outbox() {
    // Nothing stays readable, so that what the outbox holds is held for someone.
    let limits = ClientLimits { inbox_read: 0, ..ClientLimits::default() };
    let (mut world, laptop, phone) = pair_with(ChannelKind::Plain, limits, RelayLimits::default());
    world.kill_device(phone);
    for text in ["1", "2"] {
        push(&mut world, laptop, text).expect("the relay holds it");
    }
    world.run(Duration::from_secs(60));
    let kept = |world: &World| {
        world.devices[laptop].store.image().outbox.iter().filter(|row| row.kind == Kind::Data as u8).count()
    };
    assert_eq!(kept(&world), 2, "the phone has not seen them");
    world.start_device(phone);
    world.run(Duration::from_secs(30));
    assert_eq!(kept(&world), 0);
}

#[test]
fn a24_times_without_sense_are_only_shown() {
    let mut scene = Scene::new(&["1"]);
    let mut last = scene.insider.open(&scene.blob("1").1);
    let mut forgery = scene.forge();
    for (text, ms) in [("long ago", 0), ("far ahead", u64::MAX)] {
        let record = scene.insider.after(&last, text);
        let record = Record { ms: zerok_core::time::UnixMillis(ms), ..record };
        let blob = scene.insider.seal(&record);
        last = scene.insider.open(&blob);
        forgery.append(blob);
    }
    scene.serve(&forgery);
    scene.wake();
    let pulled = pull(&mut scene.world, scene.phone, None);
    assert_eq!(texts(&pulled.blobs), ["1", "long ago", "far ahead"]);
    assert_eq!(pulled.blobs[2].timestamp.0, u64::MAX);
    assert_eq!(scene.verdicts(), []);
}

#[test]
fn a_member_that_names_records_at_the_end_of_numbers_breaks_nothing() {
    let mut scene = Scene::new(&["1"]);
    let last = scene.insider.open(&scene.blob("1").1);
    let phone = Insider::of(&scene.world.devices[scene.phone]).keys.id();
    let laptop = last.record.sender;
    let mut record = scene.insider.after(&last, "2");
    for device in [phone, laptop] {
        for number in 0..500_u16 {
            let mut inc = [number as u8; 8];
            inc[0] = (number >> 8) as u8;
            let (inc, lane) = (zerok_core::ids::Incarnation(inc), zerok_core::ids::Lane::Data);
            record.seen.push(zerok_core::seal::record::SeenEntry { device, inc, lane, seq: u64::MAX, hash: [1; 8] });
        }
    }
    let first = scene.insider.seal(&record);
    let mut next = scene.insider.after(&scene.insider.open(&first), "3");
    next.seen = record
        .seen
        .iter()
        .map(|entry| {
            let mut inc = entry.inc;
            inc.0[7] ^= 0x80;
            zerok_core::seal::record::SeenEntry { inc, ..*entry }
        })
        .collect();
    let second = scene.insider.seal(&next);
    let mut forgery = scene.forge();
    forgery.append(first);
    forgery.append(second);
    scene.world.kill_device(scene.laptop);
    scene.serve(&forgery);
    scene.wake();
    assert_eq!(scene.read(), ["1", "2", "3"]);
    scene.minutes(30);
    assert!(scene.world.devices[scene.phone].store.image().streams.len() <= 1024);
    let push = ClientCommand::Push { data: Bytes::from_static(b"still here"), key: None, detached: false };
    scene.world.call(scene.phone, push).expect("the relay holds it");
    assert!(scene.verdicts().len() <= 1024);
}

#[test]
fn a_member_that_invents_incarnations_keeps_no_new_device_from_being_heard() {
    let mut scene = Scene::new(&["1"]);
    let last = scene.insider.open(&scene.blob("1").1);
    let laptop = last.record.sender;
    let mut record = scene.insider.after(&last, "2");
    for number in 0..1024_u16 {
        let mut inc = [7; 8];
        inc[..2].copy_from_slice(&number.to_le_bytes());
        let (inc, lane) = (zerok_core::ids::Incarnation(inc), zerok_core::ids::Lane::Data);
        let entry = zerok_core::seal::record::SeenEntry { device: laptop, inc, lane, seq: 1, hash: [1; 8] };
        record.seen.push(entry);
    }
    let lie = scene.insider.seal(&record);
    let mut forgery = scene.forge();
    forgery.append(lie);
    scene.world.kill_device(scene.laptop);
    scene.serve(&forgery);
    scene.wake();
    assert_eq!(scene.read(), ["1", "2"]);
    assert!(scene.world.devices[scene.phone].store.image().streams.len() <= 32);
    let tablet = crate::common::joiner(&mut scene.world, scene.phone, "tablet");
    push(&mut scene.world, tablet, "from the tablet").expect("the relay holds it");
    scene.world.run(Duration::from_secs(20));
    assert_eq!(scene.read(), ["from the tablet"]);
}
