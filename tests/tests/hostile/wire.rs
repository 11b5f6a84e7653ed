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
use zerok_testkit::{
    hostile::{Attack, HostileRelay, Insider, Manner},
    sim::World,
};

use crate::common::{pair, pull, push, texts};

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
    world.set_hostile(HostileRelay::honest(Insider::of(&world.devices[laptop])));
    world.run(Duration::from_secs(60));
    // What is said next is said to the phone.
    world.break_link(phone);
    world.attack_next(Attack::RefusePushes, Manner::After);
    world.run(Duration::from_secs(30));
    let data = bytes::Bytes::from_static(b"refused");
    world.call(phone, ClientCommand::Push { data, key: None, detached: true }).expect("it is queued");
    world.run(Duration::from_secs(30));
    let status = |world: &World| world.devices[phone].client.as_ref().expect("it runs").status();
    assert_eq!((status(&world).indicator, status(&world).pending), (Indicator::Failed, 1));
    assert_eq!(status(&world).last_error, Some(Code::RelayFull));
    // Its groupmate syncs meanwhile, and the phone reads.
    for text in ["milk", "bread"] {
        push(&mut world, laptop, text).expect("the relay holds it");
    }
    world.run(Duration::from_secs(3600));
    assert!(world.devices[laptop].is_synced());
    assert_eq!(texts(&pull(&mut world, phone, None).blobs), ["milk", "bread"]);
    assert_eq!((status(&world).indicator, status(&world).pending), (Indicator::Failed, 1), "for ever");
    world.relent();
    world.run(Duration::from_secs(120));
    assert!(world.devices[phone].is_synced(), "nothing was dropped");
    assert_eq!(texts(&pull(&mut world, laptop, None).blobs), ["refused"]);
}
