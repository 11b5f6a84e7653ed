//! What a device learns of the clocks of others: hints for a doctor, on which nothing rests.

use std::time::Duration;

use crate::common::{invite, newcomer, online, pair, push, report};
use zerok_core::{
    channel::ChannelKind,
    client::command::{ClientCommand, ClientEvent, Device},
};
use zerok_testkit::sim::World;

const HOURS: i64 = 3_600_000;

/// What one device knows of another by name.
fn knows(world: &mut World, device: usize, name: &str) -> Device {
    report(world, device).devices.into_iter().find(|known| known.name == name).expect("it is in the group")
}

#[test]
fn a_device_whose_clock_is_ahead_is_told_from_one_that_was_heard_late() {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    world.set_clock(phone, 3 * HOURS);
    let by_the_phone = world.wall_clock_of(phone);
    push(&mut world, phone, "milk").expect("the relay holds it");
    world.run(Duration::from_secs(1));
    for _ in 0..2 {
        let known = knows(&mut world, laptop, "phone");
        let (heard, written) = (known.last_heard.expect("it was heard"), known.last_written.expect("it wrote"));
        assert!(heard <= world.wall_clock_of(laptop), "when it was heard is by the clock of the one that heard");
        assert!(written >= by_the_phone && written <= world.wall_clock_of(phone), "what it wrote is by its own");
        // It outlives the process.
        world.kill_device(laptop);
        world.start_device(laptop);
    }
    let own = knows(&mut world, laptop, "laptop");
    assert_eq!((own.last_heard, own.last_written), (None, None));
}

#[test]
fn a_clock_that_was_set_right_is_forgotten_with_the_next_record() {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    world.set_clock(phone, 300 * HOURS);
    push(&mut world, phone, "milk").expect("the relay holds it");
    world.run(Duration::from_secs(1));
    world.set_clock(phone, 0);
    push(&mut world, phone, "bread").expect("the relay holds it");
    world.run(Duration::from_secs(1));
    let written = knows(&mut world, laptop, "phone").last_written.expect("it wrote");
    assert!(written <= world.wall_clock_of(laptop), "{written:?}");
}

#[test]
fn a_device_that_was_admitted_has_not_been_heard_before_it_says_something() {
    let (mut world, laptop) = online(ChannelKind::Noise);
    let invite = invite(&mut world, laptop);
    let phone = newcomer(&mut world, "phone");
    world.send(phone, ClientCommand::Join { invite, name: "phone".into() });
    let used = |event: &ClientEvent| matches!(event, ClientEvent::InviteUsed { .. });
    world.run_until("it is admitted", |world| world.devices[laptop].events.iter().any(used));
    world.kill_device(phone);
    world.run(Duration::from_secs(20));
    // Its keys had not reached it, so it never will, as this one; others that were admitted just take their time.
    assert_eq!(knows(&mut world, laptop, "phone").last_heard, None);
}
