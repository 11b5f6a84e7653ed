mod world;

use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config as Runs, TestRunner},
};
use zerok_core::client::status::{ConnectionState, Indicator};

use self::world::{World, run, settled};
use super::*;

// ---- what counts as one

const fn at(millis: u64) -> Time {
    Time(millis * 1000)
}

#[test]
fn the_first_return_to_the_front_acts_at_once_and_the_rest_of_the_second_once_more() {
    let mut seen = Seen::default();
    assert_eq!(seen.returned(at(0)), Some(Duration::ZERO));
    assert_eq!(seen.returned(at(0)), None, "that one is about to act");
    seen.acts(at(1));
    assert_eq!(seen.returned(at(301)), Some(Duration::from_millis(700)), "at the end of the second");
    assert_eq!(seen.returned(at(400)), None);
    seen.acts(at(1001));
    assert_eq!(seen.returned(at(5000)), Some(Duration::ZERO));
}

#[test]
fn the_time_away_runs_from_the_first_sign_of_leaving_and_is_told_once() {
    let (mut seen, clock) = (Seen::default(), Pulse::default());
    assert_eq!(seen.acts(at(10)), Duration::ZERO);
    seen.left = Some(at(2000));
    assert_eq!(seen.acts(at(9000)), Duration::from_secs(7));
    assert_eq!(seen.acts(at(9500)), Duration::ZERO);
    clock.left();
    let first = clock.seen.lock().unwrap().left;
    clock.left();
    assert_eq!(clock.seen.lock().unwrap().left, first);
}

// ---- with a real client and a real relay

#[test]
fn nothing_is_stored_by_triggers_before_anything_is_enabled() {
    run(async {
        let world = World::new().await;
        let state = world.device("fresh", None);
        for trigger in [Trigger::Launched, Trigger::Foreground, Trigger::Background, Trigger::Exit] {
            state.on(trigger).await;
        }
        state.on(Trigger::NetworkChanged { available: true }).await;
        assert!(!world.directory("fresh").exists());
        assert_eq!(state.status().state, ConnectionState::Disabled);
    });
}

#[test]
fn a_launch_sends_what_the_last_run_left_and_brings_what_is_new_without_being_enabled_again() {
    run(async {
        let world = World::new().await;
        let state = world.paired("writer").await;
        world.network.lose();
        let error = state.push("stranded", None).await.unwrap_err();
        assert_eq!(error.code.name(), "pending");
        state.on(Trigger::Exit).await;
        let closed = state.status();
        assert_eq!((closed.state, closed.pending), (ConnectionState::Disabled, 1), "a stranded blob is shown as such");
        drop(state);
        world.network.restore();
        world.reader.push("news", None).await.unwrap();

        let state = world.device("writer", None);
        state.on(Trigger::Launched).await;
        settled(&state).await;
        let pulled = state.pull(None, None, false).await.unwrap();
        assert_eq!(&pulled.blobs[0].data[..], b"news");
        assert!(world.received().await.contains(&b"stranded".to_vec()));
    });
}

#[test]
fn coming_back_finds_a_link_that_died_in_silence_and_tells_every_transport() {
    run(async {
        let world = World::new().await;
        let state = world.paired("writer").await;
        settled(&state).await;
        let (dials, told) = (world.network.dials(), world.network.told());
        // Nothing on this device notices that.
        world.network.freeze();
        state.on(Trigger::Background).await;
        world.network.restore();
        state.on(Trigger::Foreground).await;
        // The probe has three seconds; this push waits for less.
        assert_eq!(state.push("after the freeze", None).await.unwrap_err().code.name(), "pending");
        settled(&state).await;
        assert!(world.network.dials() > dials, "the dead link was replaced");
        assert!(world.network.told() > told, "the transport was told of the resume");
        assert!(world.received().await.contains(&b"after the freeze".to_vec()));
    });
}

#[test]
fn a_burst_of_returns_reaches_the_transport_twice_at_most() {
    run(async {
        let world = World::new().await;
        let state = world.paired("writer").await;
        settled(&state).await;
        // Connecting is no resume.
        let told = world.network.told();
        let burst: Vec<_> = (0..30).map(|_| tokio::spawn(returned(state.clone()))).collect();
        for one in burst {
            one.await.unwrap();
        }
        world::until(|| world.network.told() > told).await;
        settled(&state).await;
        let heard = world.network.told() - told;
        assert!((1..=2).contains(&heard), "{heard} times");
    });
}

async fn returned(state: SyncState) {
    state.on(Trigger::Foreground).await;
}

#[test]
fn another_network_reaches_the_transport_and_none_shows_as_offline() {
    run(async {
        let world = World::new().await;
        let state = world.paired("writer").await;
        settled(&state).await;
        let told = world.network.told();
        state.on(Trigger::NetworkChanged { available: false }).await;
        world::until(|| state.status().indicator == Indicator::Offline).await;
        assert_eq!(world.network.told(), told, "there is nothing to look for");
        state.on(Trigger::NetworkChanged { available: true }).await;
        settled(&state).await;
        assert_eq!(world.network.told(), told + 1);
    });
}

#[test]
fn what_could_not_be_opened_is_tried_again_in_front() {
    run(async {
        let world = World::new().await;
        let first = world.paired("writer").await;
        // As a second process would see it.
        let second = world.device("writer", None);
        let mut events = second.events();
        assert_eq!(second.enable().await.unwrap_err().code.name(), "alreadyRunning");
        let status = second.status();
        assert_eq!((status.indicator, status.last_error.unwrap().code.name()), (Indicator::Failed, "alreadyRunning"));
        second.on(Trigger::Foreground).await;
        second.on(Trigger::Background).await;
        assert_eq!(second.push("x", None).await.unwrap_err().code.name(), "alreadyRunning");
        let mut told = Vec::new();
        while let Ok(event) = events.try_recv() {
            told.push(event.name());
        }
        assert_eq!(told, ["status", "error"], "the same failure is told once");

        first.on(Trigger::Exit).await;
        second.on(Trigger::Foreground).await;
        settled(&second).await;
        second.push("taken over", None).await.unwrap();
    });
}

// ---- any order

#[derive(Debug, Clone, Copy)]
enum Step {
    Signal(Trigger),
    Push,
    Killed,
    RelayStops,
    RelayStarts,
    NetworkLost,
    NetworkBack,
    Moment(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop::sample::select(vec![
            Trigger::Launched,
            Trigger::Foreground,
            Trigger::Background,
            Trigger::Exit,
            Trigger::NetworkChanged { available: true },
            Trigger::NetworkChanged { available: false },
        ]).prop_map(Step::Signal),
        6 => Just(Step::Push),
        1 => Just(Step::Killed),
        1 => Just(Step::RelayStops),
        1 => Just(Step::RelayStarts),
        1 => Just(Step::NetworkLost),
        1 => Just(Step::NetworkBack),
        4 => (0..40u8).prop_map(Step::Moment),
    ]
}

/// E10: signals come in any order, repeated or not at all, while relay and network come and go and the process is killed.
#[test]
fn e10_no_order_of_signals_and_kills_loses_a_blob_or_shows_a_false_status_or_takes_longer_than_its_budget() {
    run(async {
        let mut world = World::new().await;
        let mut process = world.process("writer").await;
        let mut runner = TestRunner::new(Runs { failure_persistence: None, ..Runs::with_cases(runs()) });
        let steps = prop::collection::vec(step(), 1..24);
        for number in 0..runs() {
            let steps = steps.new_tree(&mut runner).unwrap().current();
            world.play(&mut process, number, &steps).await;
        }
        let received = world.received().await;
        let mut once = received.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), received.len(), "nothing arrives twice");
        for blob in &world.accepted {
            assert!(once.binary_search(blob).is_ok(), "{} is lost", String::from_utf8_lossy(blob));
        }
        assert!(!world.accepted.is_empty());
    });
}

/// How many orders: PROPTEST_CASES for more.
fn runs() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(16)
}
