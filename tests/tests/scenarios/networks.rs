//! E2, E3, E4, E7: networks and relays that come and go at every moment, and long absences.

use std::time::Duration;

use bytes::Bytes;
use zerok_core::{
    channel::ChannelKind,
    client::{command::ClientCommand, verdict::Verdict},
    ids::Lane,
};
use zerok_testkit::sim::World;

use crate::common::{drain, pair, pull, push, report, texts};

/// Five texts of the laptop, on their way.
fn five(world: &mut World, laptop: usize) {
    for number in 1..=5 {
        let data = Bytes::from(number.to_string());
        world.call(laptop, ClientCommand::Push { data, key: None, detached: true }).expect("it is durable here");
    }
}

/// Whatever happened, in a quiet minute or two everything is there once, in order, and nobody is accused.
fn all_is_well(world: &mut World, laptop: usize, phone: usize, expected: &[String], what: &str) {
    world.run(Duration::from_secs(120));
    assert_eq!(texts(&drain(world, phone)), expected, "{what}");
    assert!(world.devices[laptop].is_synced(), "{what}: something is still queued");
    for device in [laptop, phone] {
        assert_eq!(report(world, device).verdicts, [], "{what}");
    }
}

fn one_to_five() -> Vec<String> {
    (1..=5).map(|number| number.to_string()).collect()
}

#[test]
fn e2_a_link_that_breaks_at_any_step_of_a_delivery_loses_and_repeats_nothing() {
    for step in 0..70 {
        let (mut world, laptop, phone) = pair(ChannelKind::Plain);
        five(&mut world, laptop);
        for _ in 0..step {
            world.step();
        }
        world.break_link(if step % 2 == 0 { laptop } else { phone });
        all_is_well(&mut world, laptop, phone, &one_to_five(), &format!("broken after {step} steps"));
    }
}

#[test]
fn e3_a_network_that_flaps_for_minutes_loses_nothing_and_is_not_dialled_without_pause() {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    let dials = world.dials;
    for _ in 0..20 {
        world.set_network(false);
        world.run(Duration::from_secs(5));
        five(&mut world, laptop);
        world.set_network(true);
        world.run(Duration::from_secs(10));
    }
    let expected: Vec<String> = (0..20).flat_map(|_| one_to_five()).collect();
    all_is_well(&mut world, laptop, phone, &expected, "flapping");
    // Two devices, twenty times; a few attempts each while there was nothing to reach.
    assert!(world.dials - dials <= 20 * 2 * 6, "{} dials", world.dials - dials);
}

#[test]
fn e4_a_relay_killed_at_any_step_of_a_delivery_loses_and_repeats_nothing() {
    for step in 0..70 {
        let (mut world, laptop, phone) = pair(ChannelKind::Plain);
        five(&mut world, laptop);
        for _ in 0..step {
            world.step();
        }
        world.kill_relay();
        world.run(Duration::from_secs(1));
        world.start_relay();
        all_is_well(&mut world, laptop, phone, &one_to_five(), &format!("killed after {step} steps"));
    }
}

#[test]
fn e7_a_device_that_comes_back_after_a_thousand_blobs_reads_each_once_and_in_order() {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    world.kill_device(phone);
    for number in 0..1000 {
        let data = Bytes::from(number.to_string());
        world.call(laptop, ClientCommand::Push { data, key: None, detached: true }).expect("it is durable here");
    }
    world.run_until("the relay has them", |world| world.devices[laptop].is_synced());
    world.run(Duration::from_secs(24 * 3600));
    world.start_device(phone);
    let expected: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
    all_is_well(&mut world, laptop, phone, &expected, "away for a day");
}

#[test]
fn e7_a_device_that_comes_back_after_the_retention_is_told_what_has_expired_and_reads_the_rest() {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    world.transcript.silence();
    world.kill_device(phone);
    for text in ["1", "2", "3"] {
        push(&mut world, laptop, text).expect("the relay holds it");
    }
    // Its own copies are for refilling a relay that lost its log; one that expires blobs has lost nothing.
    world.run(Duration::from_secs(31 * 24 * 3600));
    push(&mut world, laptop, "late").expect("the relay holds it");
    world.start_device(phone);
    world.run(Duration::from_secs(60));
    assert_eq!(texts(&pull(&mut world, phone, None).blobs), ["late"]);
    let gap = |verdict: &Verdict| matches!(verdict, Verdict::Gap { lane: Lane::Data, expired: true, by: None, .. });
    let found = world.devices[phone].verdicts();
    assert_eq!(found.iter().filter(|verdict| gap(verdict)).count(), 1, "{found:?}");
}
