//! C3, G8, A26 and the promise of the first flight: what whoever holds the network can do and sees.

use std::time::Duration;

use zerok_core::{
    channel::ChannelKind,
    client::{
        command::{ClientCommand, ClientEvent, Reply},
        status::Indicator,
    },
    error::Code,
};
use zerok_testkit::sim::World;

use crate::common::{founder, pair, pull, push, texts};

#[test]
fn from_an_open_transport_to_the_first_page_is_exactly_one_round_trip() {
    for kind in [ChannelKind::Plain, ChannelKind::Noise] {
        let (mut world, laptop, phone) = pair(kind);
        world.kill_device(phone);
        push(&mut world, laptop, "milk").expect("the relay holds it");
        world.run(Duration::from_secs(20));
        let (flights, events) = (world.flights, world.devices[phone].events.len());
        world.start_device(phone);
        let delivered = |world: &World| {
            let events = &world.devices[phone].events[events..];
            events.iter().any(|event| matches!(event, ClientEvent::BlobAvailable { .. }))
        };
        let started = world.now();
        world.run_until("delivered", delivered);
        // The disk is read once before dialling and written once before the application hears; the relay reads its own once.
        let disks = Duration::from_millis(3 * 3);
        let round_trip = Duration::from_millis(50);
        let passed = world.now().since(started);
        assert_eq!(passed, disks + round_trip + round_trip, "one round trip for the transport and one for the page");
        let flights = world.flights - flights;
        assert_eq!(
            flights, 3,
            "one up, one down with the page, and what the phone says next while its disk is at work"
        );
        assert_eq!(texts(&pull(&mut world, phone, None).blobs), ["milk"]);
    }
}

#[test]
fn c3_g8_a_first_flight_played_again_changes_nothing_at_the_relay() {
    for kind in [ChannelKind::Plain, ChannelKind::Noise] {
        let (mut world, laptop, phone) = pair(kind);
        push(&mut world, laptop, "milk").expect("the relay holds it");
        world.run(Duration::from_secs(20));
        world.kill_device(laptop);
        world.kill_device(phone);
        world.run(Duration::from_secs(5));
        let recorded = world.first_flights().to_vec();
        let before = world.relay.store.clone();
        for (_, bytes) in &recorded {
            world.stranger(bytes.clone());
        }
        world.run(Duration::from_secs(60));
        assert_eq!(world.relay.store, before, "{kind:?}");
        let answers = world.to_strangers().len();
        assert!(answers <= recorded.len(), "one message 2 each and nothing more: {answers}");
        assert!(answers > 0);
        assert_eq!(world.relay.machines[0].stats().links, 0, "the deadline ends them");
    }
}

#[test]
fn a26_a_relay_with_another_key_is_named_and_never_believed() {
    let (mut world, laptop, _) = pair(ChannelKind::Noise);
    let pinned = world.relay.address();
    world.kill_relay();
    world.relay.change_key();
    world.start_relay();
    world.run(Duration::from_secs(120));
    let status = world.devices[laptop].client.as_ref().expect("it runs").status();
    assert_eq!((status.last_error, status.indicator), (Some(Code::RelayUnverified), Indicator::Failed));
    let data = bytes::Bytes::from_static(b"kept here");
    world.call(laptop, ClientCommand::Push { data, key: None, detached: true }).expect("it is queued");
    world.run(Duration::from_secs(600));
    match world.call(laptop, ClientCommand::Inspect) {
        Ok(Reply::Report(report)) => {
            assert_eq!(report.relay, Some(pinned));
            assert_eq!(report.pending.len(), 1);
        }
        other => panic!("no report: {other:?}"),
    }
    assert!(world.relay.store.groups().len() <= 1);
}

#[test]
fn a25_a_relay_that_refuses_one_device_keeps_nobody_else_from_syncing() {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    let other = founder(&mut world, "other");
    world.run(Duration::from_secs(10));
    world.relay.store.set_room(0);
    let data = bytes::Bytes::from(vec![7; 2000]);
    world.call(other, ClientCommand::Push { data, key: None, detached: true }).expect("it is queued");
    world.run(Duration::from_secs(30));
    let status = world.devices[other].client.as_ref().expect("it runs").status();
    assert_eq!((status.indicator, status.pending), (Indicator::Failed, 1));
    world.relay.store.set_room(u64::MAX);
    world.run(Duration::from_secs(120));
    assert!(world.devices[other].is_synced(), "nothing was dropped");
    push(&mut world, laptop, "milk").expect("the relay holds it");
    world.run(Duration::from_secs(1));
    assert_eq!(texts(&pull(&mut world, phone, None).blobs), ["milk"]);
}
