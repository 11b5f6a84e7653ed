//! Disks that are full or broken: nothing acknowledged is lost, nothing false is said.

use std::time::Duration;

use zerok_core::{
    channel::ChannelKind,
    client::{
        command::{ClientCommand, ClientEvent, Reply},
        status::Indicator,
    },
    error::Code,
};
use zerok_testkit::sim::{Disk, World};

use crate::common::{code, drain, invite, join, newcomer, online, pair, push, report, texts};

#[test]
fn d7_a_push_on_a_full_disk_is_refused_and_works_once_there_is_room() {
    for kind in [ChannelKind::Plain, ChannelKind::Noise] {
        let (mut world, laptop) = online(kind);
        world.devices[laptop].disk = Disk::Full;
        assert_eq!(code(push(&mut world, laptop, "milk")), Code::StorageFull);
        let status = report(&mut world, laptop).status;
        assert_eq!((status.indicator, status.last_error), (Indicator::Failed, Some(Code::StorageFull)));
        world.devices[laptop].disk = Disk::Good;
        world.run_until("back", |world| world.devices[laptop].is_connected());
        push(&mut world, laptop, "milk").expect("room again");
        assert_eq!(report(&mut world, laptop).status.indicator, Indicator::Synced);
    }
}

#[test]
fn a_locked_keychain_or_a_database_in_other_hands_is_named_and_nothing_is_lost_meanwhile() {
    for (disk, told) in [(Disk::Locked, Code::KeychainLocked), (Disk::Busy, Code::AlreadyRunning)] {
        let (mut world, laptop) = online(ChannelKind::Noise);
        push(&mut world, laptop, "bread").expect("the relay holds it");
        world.devices[laptop].disk = disk;
        assert_eq!(code(push(&mut world, laptop, "milk")), told);
        let status = report(&mut world, laptop).status;
        assert_eq!((status.indicator, status.last_error), (Indicator::Failed, Some(told)));
        world.devices[laptop].disk = Disk::Good;
        world.run_until("back", |world| world.devices[laptop].is_connected());
        push(&mut world, laptop, "milk").expect("it is free again");
        assert_eq!(report(&mut world, laptop).status.indicator, Indicator::Synced);
    }
}

#[test]
fn d7_a_disk_that_stays_full_is_asked_with_pauses() {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    push(&mut world, laptop, "milk").expect("the relay holds it");
    world.run(Duration::from_secs(10));
    world.devices[phone].disk = Disk::Full;
    let dials = world.dials;
    push(&mut world, laptop, "bread").expect("the relay holds it");
    world.run(Duration::from_secs(300));
    assert!(world.dials - dials < 60, "{} links in five minutes", world.dials - dials);
    world.devices[phone].disk = Disk::Good;
    world.run(Duration::from_secs(60));
    assert_eq!(texts(&drain(&mut world, phone)), ["milk", "bread"]);
    assert!(world.devices[phone].is_synced());
}

#[test]
fn d7_a_disk_that_is_full_for_a_moment_at_any_point_loses_nothing() {
    for step in 0..40 {
        let (mut world, laptop, phone) = pair(ChannelKind::Plain);
        let sent = ["a", "b", "c"].map(str::to_owned);
        for text in ["a", "b", "c"] {
            world.send(phone, ClientCommand::Push { data: text.into(), key: None, detached: true });
            world.send(laptop, ClientCommand::Push { data: text.into(), key: None, detached: true });
        }
        world.run(Duration::from_millis(4 * step));
        world.devices[phone].disk = Disk::Full;
        world.run(Duration::from_millis(30));
        world.devices[phone].disk = Disk::Good;
        world.run(Duration::from_secs(120));
        for text in ["d", "e"] {
            push(&mut world, phone, text).expect("room again");
        }
        world.run(Duration::from_secs(60));
        assert_eq!(texts(&drain(&mut world, phone)), ["a", "b", "c"], "step {step}");
        let got = texts(&drain(&mut world, laptop));
        // What was refused was said to be; what was not arrives, once and in order.
        let queued: Vec<String> = accepted(&world, phone, &sent).into_iter().chain(["d".into(), "e".into()]).collect();
        assert_eq!(got, queued, "step {step}");
        assert_eq!(world.devices[phone].unanswered(), []);
        assert_eq!(report(&mut world, laptop).verdicts, []);
    }
}

/// Of the first pushes of this process, those that were answered well, in order.
fn accepted(world: &World, device: usize, texts: &[String]) -> Vec<String> {
    let node = &world.devices[device];
    let mut pushes = node.replies.values().filter(|reply| match reply {
        Ok(Reply::Queued { .. }) => true,
        Err(rejection) => rejection.code == Code::StorageFull,
        _ => false,
    });
    texts.iter().filter(|_| pushes.next().is_some_and(Result::is_ok)).cloned().collect()
}

#[test]
fn d8_a_broken_disk_ends_the_machine_and_answers_everyone() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    world.devices[laptop].disk = Disk::Broken;
    let pull = world.send(laptop, ClientCommand::Pull { after: None, max_bytes: 1, own: false });
    assert_eq!(code(push(&mut world, laptop, "milk")), Code::StorageFailed);
    world.run(Duration::from_secs(60));
    let node = &world.devices[laptop];
    assert!(node.stopped);
    assert!(node.events.contains(&ClientEvent::Problem(Code::StorageFailed)));
    assert!(node.replies.contains_key(&pull));
    assert!(!node.is_connected());
    assert_eq!(code(push(&mut world, laptop, "milk")), Code::Cancelled, "nothing happens after the end");
    // Another process finds what was durable, and nothing else.
    world.devices[laptop].disk = Disk::Good;
    world.start_device(laptop);
    push(&mut world, laptop, "milk").expect("a good disk");
}

#[test]
fn b7_a_joiner_whose_disk_is_full_at_any_moment_is_not_a_member_without_keys() {
    for step in 0..30 {
        let (mut world, laptop) = online(ChannelKind::Plain);
        let good = invite(&mut world, laptop);
        let phone = newcomer(&mut world, "phone");
        let id = world.send(phone, ClientCommand::Join { invite: good, name: "phone".into() });
        world.run(Duration::from_millis(20 * step));
        world.devices[phone].disk = Disk::Full;
        world.run(Duration::from_secs(2));
        world.devices[phone].disk = Disk::Good;
        world.run_until("answered", |world| world.devices[phone].replies.contains_key(&id));
        world.run(Duration::from_secs(20));
        if report(&mut world, phone).identity.is_none() {
            assert!(world.devices[phone].replies[&id].is_err());
            let fresh = invite(&mut world, laptop);
            join(&mut world, phone, fresh, "phone").expect("a retry works");
            world.run(Duration::from_secs(20));
        }
        assert_eq!(report(&mut world, laptop).devices.len(), 2, "step {step}");
        push(&mut world, phone, "milk").expect("a member");
    }
}
