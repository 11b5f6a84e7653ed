//! A relay, a network or a copied disk that tells another story, and what an application hears of it.

use std::time::Duration;

use zerok_core::{channel::ChannelKind, client::command::ClientCommand, ids::RelayId};
use zerok_testkit::{
    hostile::{Forgery, Insider},
    sim::World,
    store::relay::MemoryRelayStore,
};

use crate::{
    common::{joiner, pair, pull, push},
    remark, told,
};

/// Laptop and phone know each other, and the phone is away while the laptop pushes these.
fn away(pushes: &[&str]) -> (World, usize, usize) {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    push(&mut world, laptop, "hello").expect("the relay holds it");
    push(&mut world, phone, "hi").expect("the relay holds it");
    world.run(Duration::from_secs(20));
    world.kill_device(phone);
    for text in pushes {
        push(&mut world, laptop, text).expect("the relay holds it");
    }
    (world, laptop, phone)
}

/// The relay restarts over a log that somebody has changed, and then the phone comes back.
fn forge(world: &mut World, laptop: usize, phone: usize, change: impl FnOnce(&mut Forgery, &mut Insider)) {
    let mut insider = Insider::of(&world.devices[laptop]);
    let mut forgery = Forgery::of(&world.relay.store, insider.group);
    change(&mut forgery, &mut insider);
    world.kill_device(laptop);
    world.kill_relay();
    forgery.commit(&mut world.relay.store);
    world.start_relay();
    world.transcript.clear();
    world.start_device(phone);
    world.run(Duration::from_secs(2));
    pull(world, phone, None);
}

/// Where the entry stands with which the laptop wrote this.
fn place(forgery: &Forgery, insider: &Insider, text: &str) -> usize {
    let found = forgery.entries.iter().position(|(_, blob)| insider.open(blob).record.payload == text);
    found.expect("it was pushed")
}

#[test]
fn a_blob_that_is_withheld() {
    let (mut world, laptop, phone) = away(&["milk", "bread", "salt"]);
    forge(&mut world, laptop, phone, |forgery, insider| {
        let bread = place(forgery, insider, "bread");
        forgery.drop_entry(bread);
    });
    told!(world);
}

#[test]
fn a_blob_with_one_bit_changed() {
    let (mut world, laptop, phone) = away(&["milk", "bread"]);
    forge(&mut world, laptop, phone, |forgery, insider| {
        let milk = place(forgery, insider, "milk");
        forgery.flip(milk, 60);
    });
    told!(world);
}

#[test]
fn blobs_in_another_order() {
    let (mut world, laptop, phone) = away(&["milk", "bread", "salt"]);
    forge(&mut world, laptop, phone, |forgery, insider| {
        let milk = place(forgery, insider, "milk");
        forgery.reverse_from(milk);
    });
    told!(world);
}

#[test]
fn two_records_signed_for_one_place() {
    let (mut world, laptop, phone) = away(&["milk"]);
    forge(&mut world, laptop, phone, |forgery, insider| {
        let hello = place(forgery, insider, "hello");
        let other = insider.after(&insider.open(&forgery.entries[hello].1), "petrol");
        let other = insider.seal(&other);
        forgery.append(other);
    });
    told!(world);
}

#[test]
fn a_log_that_was_rolled_back() {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    push(&mut world, laptop, "milk").expect("the relay holds it");
    world.run(Duration::from_secs(20));
    let earlier = world.relay.store.clone();
    push(&mut world, laptop, "bread").expect("the relay holds it");
    push(&mut world, phone, "oil").expect("the relay holds it");
    world.run(Duration::from_secs(20));
    world.transcript.clear();
    remark(&mut world, "the relay is put back to before bread and oil");
    world.swap_relay(earlier);
    world.run(Duration::from_secs(20));
    told!(world);
}

#[test]
fn a_relay_that_lost_everything() {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    let tablet = joiner(&mut world, laptop, "tablet");
    world.run(Duration::from_secs(20));
    world.kill_device(tablet);
    push(&mut world, laptop, "milk").expect("the relay holds it");
    push(&mut world, phone, "oil").expect("the relay holds it");
    world.run(Duration::from_secs(20));
    world.transcript.clear();
    remark(&mut world, "the relay starts over an empty database; the tablet has read neither");
    world.swap_relay(MemoryRelayStore::new(RelayId([8; 16])));
    world.run(Duration::from_secs(10));
    world.start_device(tablet);
    world.run(Duration::from_secs(2));
    told!(world);
}

#[test]
fn a_history_that_forks() {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    push(&mut world, phone, "hi").expect("the relay holds it");
    world.run(Duration::from_secs(20));
    let (relay, store) = (world.relay.store.clone(), world.devices[laptop].store.clone());
    push(&mut world, laptop, "buy milk").expect("the relay holds it");
    world.run(Duration::from_secs(1));
    push(&mut world, phone, "done").expect("the relay holds it");
    let group = Insider::of(&world.devices[laptop]).group;
    let answer = world.relay.store.log(&group).pop().expect("the answer").1;
    world.transcript.clear();
    remark(&mut world, "laptop and relay are put back to before \"buy milk\"");
    world.kill_device(phone);
    world.kill_device(laptop);
    world.restore_device(laptop, store);
    world.swap_relay(relay);
    world.start_device(laptop);
    world.run(Duration::from_secs(10));
    push(&mut world, laptop, "buy bread").expect("the relay holds it");
    world.run(Duration::from_secs(10));
    remark(&mut world, "the phone's answer to \"buy milk\" is shown to the laptop");
    let mut crossing = Forgery::of(&world.relay.store, group);
    crossing.append(answer);
    world.kill_relay();
    crossing.commit(&mut world.relay.store);
    world.start_relay();
    world.run(Duration::from_secs(10));
    told!(world);
}

#[test]
fn a_device_restored_from_a_copy() {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    push(&mut world, laptop, "milk").expect("the relay holds it");
    world.run(Duration::from_secs(20));
    let copy = world.devices[laptop].store.clone();
    push(&mut world, laptop, "bread").expect("the relay holds it");
    world.run(Duration::from_secs(20));
    world.kill_device(laptop);
    world.transcript.clear();
    world.restore_device(laptop, copy);
    world.set_network(false);
    world.start_device(laptop);
    let salt = ClientCommand::Push { data: "salt".into(), key: None, detached: true };
    world.call(laptop, salt).expect("it is queued");
    world.set_network(true);
    world.run(Duration::from_secs(20));
    pull(&mut world, phone, None);
    told!(world);
}

#[test]
fn a_device_that_was_copied() {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    push(&mut world, laptop, "milk").expect("the relay holds it");
    world.run(Duration::from_secs(20));
    world.transcript.clear();
    remark(&mut world, "another machine starts over a copy of the laptop");
    let copy = world.clone_device(laptop, "copy");
    world.run(Duration::from_secs(10));
    for (device, text) in [(laptop, "bread"), (copy, "salt")] {
        push(&mut world, device, text).expect("the relay holds it");
        world.run(Duration::from_secs(1));
    }
    pull(&mut world, phone, None);
    told!(world);
}

#[test]
fn a_relay_with_another_key() {
    let (mut world, laptop, _) = pair(ChannelKind::Plain);
    world.transcript.clear();
    world.kill_relay();
    world.relay.change_key();
    remark(&mut world, "somebody else answers at the relay's address");
    world.start_relay();
    push(&mut world, laptop, "milk").expect_err("nobody is trusted with it");
    world.run(Duration::from_secs(6));
    told!(world);
}
