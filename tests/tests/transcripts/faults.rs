//! Links that break, processes that die, disks that fill, relays that stop.

use std::time::Duration;

use zerok_core::{channel::ChannelKind, client::command::ClientCommand};
use zerok_testkit::{hostile::Insider, sim::Disk};

use crate::{
    common::{online, pair, pull, push},
    remark, told,
};

#[test]
fn a_link_that_breaks_before_the_acknowledgement() {
    let (mut world, laptop, _) = pair(ChannelKind::Plain);
    world.transcript.clear();
    world.send(laptop, ClientCommand::Push { data: "milk".into(), key: None, detached: false });
    world.run(Duration::from_millis(31));
    world.break_link(laptop);
    world.run(Duration::from_secs(5));
    told!(world);
}

#[test]
fn a_link_that_is_dead_and_looks_alive() {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    world.transcript.clear();
    world.lose_link_unnoticed(phone);
    push(&mut world, laptop, "milk").expect("the relay holds it");
    world.run(Duration::from_secs(300));
    told!(world);
}

#[test]
fn a_process_killed_after_the_push_was_durable() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    world.set_network(false);
    world.run(Duration::from_secs(1));
    world.transcript.clear();
    push(&mut world, laptop, "milk").expect_err("offline");
    world.kill_device(laptop);
    world.set_network(true);
    world.start_device(laptop);
    world.run(Duration::from_secs(2));
    told!(world);
}

#[test]
fn a_process_killed_before_the_push_was_durable() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    world.transcript.clear();
    world.send(laptop, ClientCommand::Push { data: "milk".into(), key: None, detached: false });
    world.kill_device(laptop);
    world.start_device(laptop);
    world.run(Duration::from_secs(2));
    told!(world);
}

#[test]
fn a_relay_killed_between_the_commit_and_the_acknowledgement() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    world.run(Duration::from_secs(10));
    world.transcript.clear();
    world.send(laptop, ClientCommand::Push { data: "milk".into(), key: None, detached: false });
    world.run(Duration::from_millis(29));
    world.kill_relay_after(0, 1);
    world.start_relay();
    world.run(Duration::from_secs(5));
    told!(world);
}

#[test]
fn a_relay_without_room() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    world.transcript.clear();
    world.relay.store.set_room(0);
    push(&mut world, laptop, "milk").expect_err("refused");
    world.run(Duration::from_secs(2));
    world.relay.store.set_room(u64::MAX);
    world.run(Duration::from_secs(10));
    told!(world);
}

#[test]
fn a_device_without_room() {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    world.transcript.clear();
    world.devices[phone].disk = Disk::Full;
    remark(&mut world, "the phone's disk is full");
    push(&mut world, laptop, "milk").expect("the relay holds it");
    world.run(Duration::from_secs(3));
    world.devices[phone].disk = Disk::Good;
    remark(&mut world, "and has room again");
    world.run(Duration::from_secs(10));
    pull(&mut world, phone, None);
    told!(world);
}

#[test]
fn a_relay_that_is_drained_and_started_again() {
    let (mut world, laptop, _) = pair(ChannelKind::Plain);
    world.transcript.clear();
    world.send(laptop, ClientCommand::Push { data: "milk".into(), key: None, detached: false });
    world.run(Duration::from_millis(30));
    remark(&mut world, "the relay is told to drain");
    world.drain_relay_of(0);
    world.run(Duration::from_secs(1));
    world.start_relay();
    world.run(Duration::from_secs(10));
    told!(world);
}

#[test]
fn what_expired_while_a_device_was_away() {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    push(&mut world, laptop, "milk").expect("the relay holds it");
    world.run(Duration::from_secs(20));
    let group = Insider::of(&world.devices[laptop]).group;
    world.set_online(phone, false);
    for text in ["bread", "salt", "oil"] {
        push(&mut world, laptop, text).expect("the relay holds it");
    }
    let head = world.relay.store.head(&group);
    world.transcript.clear();
    remark(&mut world, "the relay's retention takes bread and salt");
    world.relay.store.expire(&group, zerok_core::ids::Cursor(head.0 - 1));
    world.set_online(phone, true);
    world.run(Duration::from_secs(30));
    told!(world);
}
