//! What platforms signal, in any order, and what the status says meanwhile.

use std::time::Duration;

use zerok_core::{
    channel::ChannelKind,
    client::{
        command::{ClientCommand, ClientEvent, Lifecycle},
        status::{ConnectionState, Indicator},
    },
    error::Code,
};
use zerok_testkit::sim::World;

use crate::common::{code, drain, founder, online, pair, push, report, texts};

fn status(world: &World, device: usize) -> (ConnectionState, Indicator, u64) {
    let status = world.devices[device].client.as_ref().expect("it runs").status();
    (status.state, status.indicator, status.pending)
}

#[test]
fn e10_the_status_is_true_in_every_state() {
    let mut world = World::new(ChannelKind::Plain);
    let laptop = world.add_device("laptop");
    world.run(Duration::from_secs(1));
    assert_eq!(status(&world, laptop), (ConnectionState::Disabled, Indicator::Offline, 0));
    world.call(laptop, ClientCommand::Enable { name: "laptop".into() }).expect("works alone");
    assert_eq!(status(&world, laptop), (ConnectionState::Offline, Indicator::Offline, 1), "no relay is known");
    let address = world.relay.address();
    world.call(laptop, ClientCommand::Configure(address)).expect("a first relay is adopted");
    assert_eq!(status(&world, laptop), (ConnectionState::Connecting, Indicator::Pending, 1));
    world.run_until("connected", |world| world.devices[laptop].is_connected());
    assert_eq!(status(&world, laptop), (ConnectionState::Connected, Indicator::Pending, 1));
    world.run(Duration::from_secs(1));
    assert_eq!(status(&world, laptop), (ConnectionState::Connected, Indicator::Synced, 0));
    world.set_network(false);
    world.run(Duration::from_millis(50));
    assert_eq!(status(&world, laptop), (ConnectionState::Reconnecting, Indicator::Synced, 0), "lost a moment ago");
    assert_eq!(code(push(&mut world, laptop, "milk")), Code::Pending);
    assert_eq!(status(&world, laptop), (ConnectionState::Reconnecting, Indicator::Pending, 1));
    world.run(Duration::from_secs(60));
    assert_eq!(status(&world, laptop), (ConnectionState::Reconnecting, Indicator::Offline, 1), "out of reach");
    world.signal(laptop, Lifecycle::NetworkChanged { available: false });
    assert_eq!(status(&world, laptop), (ConnectionState::Offline, Indicator::Offline, 1));
    world.set_network(true);
    world.signal(laptop, Lifecycle::NetworkChanged { available: true });
    world.run(Duration::from_secs(2));
    assert_eq!(status(&world, laptop), (ConnectionState::Connected, Indicator::Synced, 0));
    assert!(report(&mut world, laptop).status.last_synced_at.is_some());
    world.call(laptop, ClientCommand::Disable).expect("it can be disabled");
    assert_eq!(status(&world, laptop), (ConnectionState::Disabled, Indicator::Offline, 0));
}

#[test]
fn what_others_push_does_not_make_this_device_look_unsynced() {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    let heard = world.devices[phone].events.len();
    push(&mut world, laptop, "milk").expect("the relay holds it");
    world.run(Duration::from_secs(30));
    let pending = |event: &zerok_core::client::command::ClientEvent| matches!(event, zerok_core::client::command::ClientEvent::Status(status) if status.indicator != Indicator::Synced);
    assert!(!world.devices[phone].events[heard..].iter().any(pending), "its heads record was shown as pending");
}

#[test]
fn without_a_signal_nothing_is_dialled_and_a_user_action_is_one() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    world.kill_device(laptop);
    world.start_device_quietly(laptop);
    world.run(Duration::from_secs(60));
    assert_eq!(status(&world, laptop).0, ConnectionState::Offline);
    world.call(laptop, ClientCommand::SyncNow).expect("the relay is there");
    assert_eq!(status(&world, laptop).0, ConnectionState::Connected);
}

#[test]
fn closing_with_an_empty_queue_stops_at_once() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    let before = world.now();
    world.signal(laptop, Lifecycle::Closing);
    world.run_until("stopped", |world| world.devices[laptop].stopped);
    assert!(world.now().since(before) < Duration::from_millis(20));
}

#[test]
fn d17_closing_sends_one_flight_and_answers_everybody() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    let waits = world.send(laptop, ClientCommand::Push { data: "milk".into(), key: None, detached: false });
    let reads = world.send(laptop, ClientCommand::Pull { after: None, max_bytes: 1, own: false });
    let before = world.now();
    world.signal(laptop, Lifecycle::Closing);
    let late = world.send(laptop, ClientCommand::Push { data: "bread".into(), key: None, detached: true });
    world.run_until("stopped", |world| world.devices[laptop].stopped);
    assert!(world.now().since(before) <= Duration::from_millis(500));
    assert!(world.devices[laptop].replies[&waits].is_ok(), "one flight was enough");
    assert!(world.devices[laptop].replies.contains_key(&reads));
    assert!(world.devices[laptop].replies[&late].is_ok());
    assert_eq!(world.devices[laptop].unanswered(), []);
    assert_eq!(code(push(&mut world, laptop, "late")), Code::Cancelled);
}

#[test]
fn d17_closing_while_the_link_is_being_opened_still_sends_one_flight() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    world.set_latency(Duration::from_millis(25));
    world.signal(laptop, Lifecycle::NetworkChanged { available: false });
    world.run(Duration::from_secs(10));
    world.signal(laptop, Lifecycle::NetworkChanged { available: true });
    let waits = world.send(laptop, ClientCommand::Push { data: "milk".into(), key: None, detached: false });
    let before = world.now();
    world.signal(laptop, Lifecycle::Closing);
    world.run_until("stopped", |world| world.devices[laptop].stopped);
    assert!(world.now().since(before) <= Duration::from_millis(500));
    assert!(world.devices[laptop].replies[&waits].is_ok(), "it had half a second");
}

#[test]
fn d17_closing_before_a_relay_that_does_not_answer_takes_half_a_second_and_loses_nothing() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    world.set_silent(true);
    let waits = world.send(laptop, ClientCommand::Push { data: "milk".into(), key: None, detached: false });
    let sync = world.send(laptop, ClientCommand::SyncNow);
    let before = world.now();
    world.signal(laptop, Lifecycle::Closing);
    world.run_until("stopped", |world| world.devices[laptop].stopped);
    assert!(world.now().since(before) <= Duration::from_millis(510));
    assert_eq!(code(world.devices[laptop].replies[&waits].clone()), Code::Pending);
    assert_eq!(code(world.devices[laptop].replies[&sync].clone()), Code::Cancelled);
    assert!(
        world.devices[laptop]
            .client
            .as_ref()
            .is_some_and(|client| zerok_core::machine::Machine::deadline(client).is_none())
    );
    world.set_silent(false);
    world.start_device(laptop);
    world.run_until("synced", |world| world.devices[laptop].is_synced());
}

#[test]
fn closing_while_the_store_is_read_ends_and_answers() {
    let mut world = World::new(ChannelKind::Plain);
    let laptop = world.add_device("laptop");
    let early = world.send(laptop, ClientCommand::Enable { name: "laptop".into() });
    world.signal(laptop, Lifecycle::Closing);
    world.run(Duration::from_secs(1));
    assert!(world.devices[laptop].stopped);
    assert_eq!(code(world.devices[laptop].replies[&early].clone()), Code::Cancelled);
}

#[test]
fn a_platform_that_comes_back_while_closing_goes_on() {
    for signal in [Lifecycle::Started, Lifecycle::Resumed { slept: Duration::ZERO }] {
        let (mut world, laptop) = online(ChannelKind::Plain);
        world.set_latency(Duration::from_millis(200));
        world.send(laptop, ClientCommand::Push { data: "milk".into(), key: None, detached: true });
        world.signal(laptop, Lifecycle::Closing);
        world.run(Duration::from_millis(50));
        world.signal(laptop, signal);
        world.run(Duration::from_secs(2));
        assert!(!world.devices[laptop].stopped);
        assert!(world.devices[laptop].is_synced());
    }
}

#[test]
fn e10_a_link_that_died_in_sleep_is_probed_and_replaced() {
    for kind in [ChannelKind::Plain, ChannelKind::Noise] {
        let (mut world, laptop, phone) = pair(kind);
        world.fall_asleep(phone);
        world.lose_link_unnoticed(phone);
        push(&mut world, laptop, "milk").expect("the relay holds it");
        world.run(Duration::from_secs(8 * 3600));
        world.wake_up(phone);
        let (awake, heard) = (world.now(), world.devices[phone].events.len());
        world.run_until("there", |world| world.devices[phone].store.image().inbox.len() == 1);
        assert!(world.now().since(awake) < Duration::from_secs(4), "{:?}", world.now().since(awake));
        assert!(world.devices[phone].is_connected());
        // This side gave it up, and says so like any other end.
        let ends = |event: &&ClientEvent| matches!(event, ClientEvent::Disconnected { code: Code::Offline });
        assert_eq!(world.devices[phone].events[heard..].iter().filter(ends).count(), 1);
    }
}

#[test]
fn e10_a_link_that_lives_through_sleep_is_kept() {
    let (mut world, _, phone) = pair(ChannelKind::Plain);
    let dials = world.dials;
    world.signal(phone, Lifecycle::Suspending);
    world.fall_asleep(phone);
    world.run(Duration::from_secs(60));
    world.wake_up(phone);
    world.run(Duration::from_secs(20));
    assert_eq!(world.dials, dials);
    assert!(world.devices[phone].is_connected());
}

#[test]
fn e10_a_burst_of_signals_is_one_probe_a_second() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    world.transcript.clear();
    for _ in 0..50 {
        world.signal(laptop, Lifecycle::Resumed { slept: Duration::ZERO });
        world.signal(laptop, Lifecycle::NetworkChanged { available: true });
        world.signal(laptop, Lifecycle::Started);
        world.run(Duration::from_millis(10));
    }
    world.run(Duration::from_secs(3));
    let pings = world.transcript.text().lines().filter(|line| line.ends_with("ping")).count();
    assert!((1..=2).contains(&pings), "{pings} probes");
}

#[test]
fn e9_backoff_grows_to_thirty_seconds_with_jitter_and_ends_with_success() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    world.set_network(false);
    let mut dials = Vec::new();
    let until = world.now() + Duration::from_secs(400);
    while world.now() < until {
        let before = world.dials;
        world.step();
        if world.dials > before {
            dials.push(world.now());
        }
    }
    let waits: Vec<u64> = dials.windows(2).map(|pair| pair[1].since(pair[0]).as_millis() as u64).collect();
    for (wait, step) in waits.iter().zip([2, 4, 8, 16, 30, 30, 30]) {
        assert!((step * 1000..step * 1000 + 5_100).contains(wait), "{waits:?}");
    }
    assert!(waits.iter().any(|wait| wait % 1000 > 100), "no jitter: {waits:?}");
    world.set_network(true);
    world.signal(laptop, Lifecycle::NetworkChanged { available: true });
    world.run(Duration::from_secs(2));
    assert_eq!(report(&mut world, laptop).status.attempt, 0);
}

#[test]
fn a_relay_that_never_finishes_a_handshake_is_given_ten_seconds() {
    let mut world = World::new(ChannelKind::Noise);
    world.set_silent(true);
    let laptop = founder(&mut world, "laptop");
    world.run(Duration::from_millis(9_900));
    assert_eq!(status(&world, laptop).0, ConnectionState::Connecting);
    world.run(Duration::from_millis(500));
    assert_eq!(status(&world, laptop).0, ConnectionState::Reconnecting);
    world.set_silent(false);
    world.run_until("synced", |world| world.devices[laptop].is_synced());
}

#[test]
fn a_quiet_link_is_kept_alive_for_days_and_gets_a_fresh_handshake_every_twelve_hours() {
    let (mut world, laptop) = online(ChannelKind::Noise);
    let dials = world.dials;
    world.run(Duration::from_secs(11 * 3600));
    assert_eq!(world.dials, dials);
    world.run(Duration::from_secs(2 * 3600));
    assert_eq!(world.dials, dials + 1);
    assert!(world.devices[laptop].is_synced());
}

#[test]
fn nothing_follows_the_end_whatever_the_link_does_while_the_last_batch_is_written() {
    for breaks in [false, true] {
        let (mut world, laptop, phone) = pair(ChannelKind::Plain);
        world.devices[laptop].disk_stalled = true;
        world.send(laptop, ClientCommand::Push { data: "milk".into(), key: None, detached: true });
        world.signal(laptop, Lifecycle::Closing);
        // Its time is over, and what it queued is not on the disk.
        world.run(Duration::from_secs(1));
        assert!(!world.devices[laptop].stopped);
        match breaks {
            true => world.break_link(laptop),
            false => drop(push(&mut world, phone, "bread").expect("the relay holds it")),
        }
        world.run(Duration::from_secs(1));
        // The world panics at anything that comes after the end.
        world.release_disk(laptop);
        world.run(Duration::from_secs(1));
        assert!(world.devices[laptop].stopped);
        assert_eq!(world.devices[laptop].unanswered(), []);
        world.start_device(laptop);
        world.run(Duration::from_secs(10));
        assert_eq!(texts(&drain(&mut world, phone)), ["milk"]);
        assert_eq!(texts(&drain(&mut world, laptop)).len(), usize::from(!breaks));
    }
}
