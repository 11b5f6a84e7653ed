//! A relay that refuses: what is queued stays, what is said is true, and it goes out once it may.

use std::time::Duration;

use bytes::Bytes;
use zerok_core::{
    channel::ChannelKind,
    client::{
        command::{ClientCommand, ClientEvent},
        status::{ConnectionState, Indicator},
    },
    error::Code,
    limits::{ClientLimits, RelayLimits},
};

use crate::common::{code, drain, online, pair_with, push, report, texts};

#[test]
fn a_relay_without_room_is_reported_and_tried_again_until_it_has_some() {
    for kind in [ChannelKind::Plain, ChannelKind::Noise] {
        let (mut world, laptop) = online(kind);
        world.relay.store.set_room(0);
        assert_eq!(code(push(&mut world, laptop, "milk")), Code::Pending);
        let status = report(&mut world, laptop).status;
        assert_eq!((status.indicator, status.last_error), (Indicator::Failed, Some(Code::RelayFull)));
        assert_eq!(status.state, ConnectionState::Connected, "pulling still works");
        assert_eq!(code(push(&mut world, laptop, "bread")), Code::Pending);
        // The indicator tells of it until something goes right, over every new link in between.
        let heard = world.devices[laptop].events.len();
        world.run(Duration::from_secs(120));
        let failed = |event: &ClientEvent| !matches!(event, ClientEvent::Status(status) if status.indicator != Indicator::Failed);
        assert!(world.devices[laptop].events[heard..].iter().all(failed));
        world.relay.store.set_room(u64::MAX);
        world.run_until("synced", |world| world.devices[laptop].is_synced());
        assert_eq!(report(&mut world, laptop).status.last_error, None);
    }
}

#[test]
fn a_group_at_its_quota_keeps_the_order_of_what_it_refused() {
    let relay = RelayLimits {
        group_bytes: 60_000,
        retention: Duration::from_secs(600),
        sweep: Duration::from_secs(60),
        ..RelayLimits::default()
    };
    let (mut world, laptop, phone) = pair_with(ChannelKind::Plain, ClientLimits::default(), relay);
    let sent: Vec<String> = (0..30).map(|number| format!("{number:04000}")).collect();
    for text in &sent {
        world.send(laptop, ClientCommand::Push { data: Bytes::from(text.clone()), key: None, detached: true });
    }
    world.run(Duration::from_secs(10));
    let status = report(&mut world, laptop).status;
    assert_eq!((status.indicator, status.last_error), (Indicator::Failed, Some(Code::RelayFull)));
    world.call(laptop, ClientCommand::Rename("desk".into())).expect("a name");
    world.run(Duration::from_secs(5));
    assert!(
        report(&mut world, phone).devices.iter().any(|device| device.name == "desk"),
        "the roster has its own lane"
    );
    world.run(Duration::from_secs(4 * 3600));
    assert_eq!(texts(&drain(&mut world, phone)), sent);
    assert_eq!(report(&mut world, laptop).status.indicator, Indicator::Synced);
    assert_eq!(report(&mut world, phone).verdicts, []);
}

#[test]
fn a_rate_limit_slows_down_and_loses_nothing() {
    let relay = RelayLimits { push_bytes: (50_000, 2_000), ..RelayLimits::default() };
    let (mut world, laptop, phone) = pair_with(ChannelKind::Plain, ClientLimits::default(), relay);
    let sent: Vec<String> = (0..30).map(|number| format!("{number:04000}")).collect();
    for text in &sent {
        world.send(laptop, ClientCommand::Push { data: Bytes::from(text.clone()), key: None, detached: true });
    }
    world.run(Duration::from_secs(2));
    assert_eq!(report(&mut world, laptop).status.last_error, Some(Code::RateLimited));
    world.run(Duration::from_secs(600));
    assert_eq!(texts(&drain(&mut world, phone)), sent);
}

#[test]
fn sync_now_tries_a_refused_lane_at_once_and_answers_with_the_refusal() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    world.relay.store.set_room(0);
    assert_eq!(code(push(&mut world, laptop, "milk")), Code::Pending);
    let before = world.now();
    assert_eq!(code(world.call(laptop, ClientCommand::SyncNow)), Code::RelayFull);
    assert!(world.now().since(before) < Duration::from_secs(1), "it waited for the retry");
    world.relay.store.set_room(u64::MAX);
    // The relay, too, leaves a full disk alone for a while.
    world.run(Duration::from_secs(6));
    world.call(laptop, ClientCommand::SyncNow).expect("room again");
}

#[test]
fn another_key_at_the_address_is_unverified_and_never_pinned() {
    let (mut world, laptop) = online(ChannelKind::Noise);
    let pinned = world.relay.address();
    world.kill_relay();
    world.relay.change_key();
    world.start_relay();
    world.run(Duration::from_secs(60));
    let found = report(&mut world, laptop);
    assert_eq!((found.status.indicator, found.status.last_error), (Indicator::Failed, Some(Code::RelayUnverified)));
    assert_eq!(found.relay, Some(pinned));
    assert!(!world.devices[laptop].is_connected());
}
