//! Runs that a person can read: one scenario a snapshot, on the plain channel, in virtual time.

#[path = "../scenarios/common.rs"]
#[allow(dead_code, reason = "shared with the scenarios, which use all of it")]
mod common;

use std::time::Duration;

use zerok_core::{
    channel::ChannelKind,
    client::command::{ClientCommand, Lifecycle},
};

use common::{founder, invite, join, newcomer, online, pair, pull, push};

#[test]
fn pairing_by_a_typed_code() {
    let mut world = zerok_testkit::sim::World::new(ChannelKind::Plain);
    let laptop = founder(&mut world, "laptop");
    world.run_until("connected", |world| world.devices[laptop].is_synced());
    let code = invite(&mut world, laptop);
    let phone = newcomer(&mut world, "phone");
    join(&mut world, phone, code, "phone").expect("a good code");
    world.run(Duration::from_secs(1));
    insta::assert_snapshot!(world.transcript.text());
}

#[test]
fn a_push_and_the_news_of_it() {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    world.transcript.clear();
    push(&mut world, laptop, "milk").expect("the relay holds it");
    world.run(Duration::from_secs(1));
    pull(&mut world, phone, None);
    world.run(Duration::from_secs(10));
    insta::assert_snapshot!(world.transcript.text());
}

#[test]
fn a_pull_after_some_time_offline() {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    world.set_online(phone, false);
    for text in ["milk", "bread", "salt"] {
        push(&mut world, laptop, text).expect("the relay holds it");
    }
    world.run(Duration::from_secs(60));
    world.transcript.clear();
    world.set_online(phone, true);
    world.signal(phone, Lifecycle::NetworkChanged { available: true });
    world.run_until("connected", |world| world.devices[phone].is_connected());
    world.call(phone, ClientCommand::SyncNow).expect("online");
    let pulled = pull(&mut world, phone, None);
    pull(&mut world, phone, Some(pulled.max_cursor));
    insta::assert_snapshot!(world.transcript.text());
}

#[test]
fn a_link_that_breaks_before_the_acknowledgement() {
    let (mut world, laptop, _) = pair(ChannelKind::Plain);
    world.transcript.clear();
    world.send(laptop, ClientCommand::Push { data: "milk".into(), key: None, detached: false });
    world.run(Duration::from_millis(31));
    world.break_link(laptop);
    world.run(Duration::from_secs(5));
    insta::assert_snapshot!(world.transcript.text());
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
    insta::assert_snapshot!(world.transcript.text());
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
    insta::assert_snapshot!(world.transcript.text());
}
