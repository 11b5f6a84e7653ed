//! A usual day: pushes and pulls, sleep, names, other relays.

use std::time::Duration;

use bytes::Bytes;
use zerok_core::{
    channel::ChannelKind,
    client::command::{ClientCommand, Lifecycle},
    ids::IdempotencyKey,
    limits::{ClientLimits, RelayLimits},
};
use zerok_testkit::sim::Path;

use crate::{
    common::{founder, joiner, key_push, online, pair, pair_with, pull, push},
    remark, told,
};

#[test]
fn a_push_and_the_news_of_it() {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    world.transcript.clear();
    push(&mut world, laptop, "milk").expect("the relay holds it");
    world.run(Duration::from_secs(1));
    pull(&mut world, phone, None);
    world.run(Duration::from_secs(10));
    told!(world);
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
    told!(world);
}

#[test]
fn what_was_queued_offline_goes_out_in_one_push() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    world.set_online(laptop, false);
    world.run(Duration::from_secs(1));
    world.transcript.clear();
    for text in ["milk", "bread", "salt"] {
        let data = Bytes::from_static(text.as_bytes());
        world.call(laptop, ClientCommand::Push { data, key: None, detached: true }).expect("queued");
    }
    world.set_online(laptop, true);
    world.signal(laptop, Lifecycle::NetworkChanged { available: true });
    world.run(Duration::from_secs(2));
    told!(world);
}

#[test]
fn closing_sends_what_is_queued_and_ends() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    world.transcript.clear();
    world.send(laptop, ClientCommand::Push { data: "milk".into(), key: None, detached: false });
    world.signal(laptop, Lifecycle::Closing);
    world.run(Duration::from_secs(2));
    told!(world);
}

#[test]
fn the_same_push_twice() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    let key = IdempotencyKey([7; 16]);
    world.transcript.clear();
    key_push(&mut world, laptop, "milk", key).expect("the relay holds it");
    remark(&mut world, "the application lost the answer and asks again");
    world.kill_device(laptop);
    world.start_device(laptop);
    key_push(&mut world, laptop, "milk", key).expect("it is the same push");
    world.run(Duration::from_secs(1));
    told!(world);
}

#[test]
fn a_reader_on_a_slow_line_is_told_to_pull() {
    let relay = RelayLimits { window: 4096, page_bytes: 4096, ..RelayLimits::default() };
    let (mut world, laptop, phone) = pair_with(ChannelKind::Plain, ClientLimits::default(), relay);
    world.set_path(phone, Path { rate: 2000, ..Path::default() });
    world.transcript.clear();
    remark(&mut world, "the phone's line carries 2 kB a second");
    for size in [1500, 1500, 1500, 1500] {
        let push = ClientCommand::Push { data: vec![7; size].into(), key: None, detached: true };
        world.call(laptop, push).expect("queued");
    }
    world.run(Duration::from_secs(6));
    told!(world);
}

#[test]
fn two_machines_of_one_relay() {
    let mut world =
        zerok_testkit::sim::World::with_limits(ChannelKind::Plain, ClientLimits::default(), RelayLimits::default(), 2);
    let laptop = founder(&mut world, "laptop");
    world.run_until("connected", |world| world.devices[laptop].is_synced());
    let phone = joiner(&mut world, laptop, "phone");
    world.run(Duration::from_secs(20));
    world.transcript.clear();
    remark(&mut world, "the relay's machines take links in turn");
    world.break_link(phone);
    world.run(Duration::from_secs(1));
    world.run_until("the phone is back", |world| world.devices[phone].is_connected());
    world.run(Duration::from_secs(1));
    push(&mut world, laptop, "milk").expect("the relay holds it");
    world.run(Duration::from_secs(1));
    told!(world);
}

#[test]
fn a_phone_in_a_pocket() {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    world.transcript.clear();
    world.signal(phone, Lifecycle::Suspending);
    world.fall_asleep(phone);
    push(&mut world, laptop, "milk").expect("the relay holds it");
    world.run(Duration::from_secs(300));
    world.wake_up(phone);
    world.run(Duration::from_secs(4));
    told!(world);
}

#[test]
fn a_new_name() {
    let (mut world, laptop, _) = pair(ChannelKind::Plain);
    world.transcript.clear();
    world.call(laptop, ClientCommand::Rename("desk".into())).expect("a good name");
    world.run(Duration::from_secs(10));
    told!(world);
}

#[test]
fn another_relay() {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    push(&mut world, laptop, "milk").expect("the relay holds it");
    world.run(Duration::from_secs(20));
    let other = world.add_relay();
    let address = world.relay_node(other).address();
    world.transcript.clear();
    for device in [laptop, phone] {
        world.call(device, ClientCommand::SetRelay(address.clone())).expect("set on purpose");
    }
    world.run(Duration::from_secs(10));
    told!(world);
}

#[test]
fn leaving_with_something_queued() {
    let (mut world, _, phone) = pair(ChannelKind::Plain);
    world.set_online(phone, false);
    world.run(Duration::from_secs(1));
    world.transcript.clear();
    push(&mut world, phone, "milk").expect_err("offline");
    world.call(phone, ClientCommand::Leave { force: false }).expect_err("it would be lost");
    world.call(phone, ClientCommand::Leave { force: true }).expect("forced");
    world.run(Duration::from_secs(2));
    told!(world);
}
