//! A12, A13: logs rolled back or wiped, and A9: histories that fork.

use std::time::Duration;

use zerok_core::{channel::ChannelKind, client::verdict::Verdict, ids::RelayId};
use zerok_testkit::{
    hostile::{Forgery, Insider},
    sim::World,
    store::relay::MemoryRelayStore,
};

use crate::common::{joiner, pair, pull, push, texts};

const TEXTS: [(usize, &str); 6] = [(0, "l1"), (1, "p1"), (0, "l2"), (1, "p2"), (0, "l3"), (1, "p3")];

/// Laptop, phone and a tablet that is off while the other two push; the relay's store before each push and after the last.
fn history() -> (World, [usize; 3], Vec<MemoryRelayStore>) {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    let tablet = joiner(&mut world, laptop, "tablet");
    world.run(Duration::from_secs(20));
    world.kill_device(tablet);
    let mut stores = vec![world.relay.store.clone()];
    for (device, text) in TEXTS {
        push(&mut world, device, text).expect("the relay holds it");
        stores.push(world.relay.store.clone());
    }
    (world, [laptop, phone, tablet], stores)
}

fn read(world: &mut World, device: usize) -> Vec<String> {
    texts(&pull(world, device, None).blobs)
}

fn by(texts: &[String], sender: char) -> Vec<&str> {
    texts.iter().filter(|text| text.starts_with(sender)).map(String::as_str).collect()
}

fn assert_all_have_all(world: &mut World, [laptop, phone, tablet]: [usize; 3], what: &str) {
    assert_eq!(read(world, laptop), ["p1", "p2", "p3"], "{what}");
    assert_eq!(read(world, phone), ["l1", "l2", "l3"], "{what}");
    let tablets = read(world, tablet);
    assert_eq!(tablets.len(), 6, "{what}: {tablets:?}");
    assert_eq!(by(&tablets, 'l'), ["l1", "l2", "l3"], "{what}");
    assert_eq!(by(&tablets, 'p'), ["p1", "p2", "p3"], "{what}");
}

#[test]
fn a12_a_log_rolled_back_to_any_earlier_point_is_noticed_and_refilled() {
    for point in 0..TEXTS.len() {
        let (mut world, devices, stores) = history();
        world.swap_relay(stores[point].clone());
        world.run(Duration::from_secs(30));
        world.start_device(devices[2]);
        world.run(Duration::from_secs(60));
        for device in [devices[0], devices[1]] {
            assert_eq!(world.devices[device].verdicts(), [Verdict::RelayReset], "rolled back to {point}");
        }
        assert_eq!(world.devices[devices[2]].verdicts(), [], "rolled back to {point}");
        assert_all_have_all(&mut world, devices, &format!("rolled back to {point}"));
    }
}

#[test]
fn a12_a_log_rolled_back_and_regrown_past_a_cursor_is_told_by_the_tag() {
    let (mut world, [laptop, phone, tablet], stores) = history();
    // The phone is away while the laptop notices, refills and pushes on.
    world.kill_device(phone);
    world.swap_relay(stores[1].clone());
    world.run(Duration::from_secs(30));
    for text in ["l4", "l5", "l6", "l7", "l8"] {
        push(&mut world, laptop, text).expect("the relay holds it");
    }
    world.start_device(phone);
    world.start_device(tablet);
    world.run(Duration::from_secs(60));
    assert_eq!(world.devices[phone].verdicts(), [Verdict::RelayReset]);
    assert_eq!(read(&mut world, phone), ["l1", "l2", "l3", "l4", "l5", "l6", "l7", "l8"]);
    let tablets = read(&mut world, tablet);
    assert_eq!(by(&tablets, 'l').len(), 8);
    assert_eq!(by(&tablets, 'p'), ["p1", "p2", "p3"]);
}

#[test]
fn a13_a_wiped_relay_is_refilled_from_outboxes_alone() {
    for id in [7, 8] {
        let (mut world, devices, _) = history();
        world.swap_relay(MemoryRelayStore::new(RelayId([id; 16])));
        world.start_device(devices[2]);
        world.run(Duration::from_secs(60));
        for device in devices {
            assert_eq!(world.devices[device].verdicts(), [Verdict::RelayReset], "relay {id}");
        }
        assert_all_have_all(&mut world, devices, &format!("relay {id}"));
    }
}

#[test]
fn a13_a_relay_that_is_wiped_again_is_refilled_once_an_hour() {
    let (mut world, devices, _) = history();
    for id in [8, 9, 10] {
        world.swap_relay(MemoryRelayStore::new(RelayId([id; 16])));
        world.run(Duration::from_secs(60));
    }
    let group = Insider::of(&world.devices[0]).group;
    // Each device has said where it stands, and no more.
    assert!(world.relay.store.log(&group).len() <= 4, "no second refill yet");
    world.run(Duration::from_secs(3600));
    world.start_device(devices[2]);
    world.run(Duration::from_secs(60));
    assert_all_have_all(&mut world, devices, "after an hour");
}

#[test]
fn a12_a_log_that_lost_only_what_was_just_acknowledged_is_noticed() {
    // The acknowledgement of a push overtakes the cursor: the log ends above the cursor, and still below the push.
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    world.kill_device(phone);
    world.run(Duration::from_secs(20));
    let before = world.relay.store.clone();
    let device = &world.devices[laptop];
    let before_store = device.store.clone();
    push(&mut world, laptop, "milk").expect("the relay holds it");
    assert_ne!(world.devices[laptop].store, before_store);
    world.kill_device(laptop);
    world.swap_relay(before);
    world.start_device(laptop);
    world.start_device(phone);
    world.run(Duration::from_secs(30));
    assert_eq!(world.devices[laptop].verdicts(), [Verdict::RelayReset]);
    assert_eq!(read(&mut world, phone), ["milk"]);
}

#[test]
fn a9_a_fork_is_named_at_the_first_record_that_crosses() {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    let tablet = joiner(&mut world, laptop, "tablet");
    world.run(Duration::from_secs(20));
    world.kill_device(tablet);
    let (relay, store) = (world.relay.store.clone(), world.devices[laptop].store.clone());
    // One history: the phone answers what it saw.
    push(&mut world, laptop, "buy milk").expect("the relay holds it");
    world.run(Duration::from_secs(1));
    push(&mut world, phone, "done").expect("the relay holds it");
    let insider = Insider::of(&world.devices[laptop]);
    let answer = world.relay.store.log(&insider.group).pop().expect("the answer").1;
    // Another: the laptop is taken back together with the relay, so that nothing tells it.
    world.kill_device(phone);
    world.kill_device(laptop);
    world.restore_device(laptop, store);
    world.swap_relay(relay);
    world.start_device(laptop);
    world.run(Duration::from_secs(10));
    push(&mut world, laptop, "buy bread").expect("the relay holds it");
    world.start_device(tablet);
    world.run(Duration::from_secs(10));
    assert_eq!(read(&mut world, tablet), ["buy bread"]);
    // The first record that crosses.
    let mut crossing = Forgery::of(&world.relay.store, insider.group);
    crossing.append(answer);
    world.kill_relay();
    crossing.commit(&mut world.relay.store);
    world.start_relay();
    world.run(Duration::from_secs(30));
    for device in [tablet, laptop] {
        let verdicts = world.devices[device].verdicts();
        assert!(matches!(verdicts[..], [Verdict::Fork { sender, .. }] if sender == insider.keys.id()), "{verdicts:?}");
    }
    assert_eq!(texts(&pull(&mut world, laptop, None).blobs), ["done"]);
}

#[test]
fn two_thousand_junk_entries_hide_neither_a_gap_nor_a_rollback() {
    let mut scene = crate::scene::Scene::new(&["1"]);
    let earlier = scene.world.relay.store.clone();
    scene.push(&["2", "3"]);
    scene.world.kill_device(scene.laptop);
    let (withheld, blob) = scene.blob("2");
    let mut forgery = scene.forge();
    forgery.drop_entry(withheld);
    for number in 0..2000_u16 {
        let mut junk = blob.to_vec();
        let end = junk.len() - 2;
        junk[end..].copy_from_slice(&number.to_le_bytes());
        forgery.append(junk.into());
    }
    scene.serve(&forgery);
    scene.wake();
    scene.minutes(1);
    assert!(scene.verdicts().contains(&scene.gap(3, 3, false)), "the gap is heard");
    let told = |scene: &crate::scene::Scene| scene.verdicts().contains(&Verdict::RelayReset);
    assert!(!told(&scene));
    scene.world.swap_relay(earlier);
    scene.minutes(2);
    assert!(told(&scene), "the rollback is heard");
    assert!(scene.world.devices[scene.phone].store.image().verdicts.len() <= 70, "the store keeps few of them");
}
