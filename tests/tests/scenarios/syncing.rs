//! "Sync now": complete means complete at the head of the call; otherwise it says what stands in the way.

use std::time::Duration;

use zerok_core::{
    channel::ChannelKind,
    client::command::{ClientCommand, ClientEvent},
    error::Code,
};
use zerok_testkit::sim::World;

use crate::common::{code, drain, online, pair, push, texts};

#[test]
fn a_sync_ends_when_all_that_was_queued_and_all_that_was_there_has_crossed() {
    for kind in [ChannelKind::Plain, ChannelKind::Noise] {
        let (mut world, laptop, phone) = pair(kind);
        world.set_online(phone, false);
        for text in ["a", "b", "c"] {
            push(&mut world, laptop, text).expect("the relay holds it");
            assert_eq!(code(push(&mut world, phone, text)), Code::Pending);
        }
        world.set_online(phone, true);
        world.call(phone, ClientCommand::SyncNow).expect("online");
        assert!(world.devices[phone].is_synced());
        assert_eq!(texts(&drain(&mut world, phone)), ["a", "b", "c"]);
        let progress = world.devices[phone].events.iter().filter_map(|event| match event {
            ClientEvent::Progress { to_push, to_pull } => Some((*to_push, *to_pull)),
            _ => None,
        });
        let progress: Vec<_> = progress.collect();
        assert_eq!(
            (progress.first().map(|(push, _)| *push), progress.last()),
            (Some(3), Some(&(0, 0))),
            "{progress:?}"
        );
    }
}

#[test]
fn a_sync_covers_what_reached_the_relay_before_the_call_whatever_pull_is_under_way() {
    for delay in 0..12 {
        let (mut world, laptop, phone) = pair(ChannelKind::Plain);
        // News are lost to the phone, a pull of its own is on its way while the laptop's blob is stored.
        world.send(phone, ClientCommand::SyncNow);
        world.run(Duration::from_millis(10 * delay));
        push(&mut world, laptop, "milk").expect("the relay holds it");
        world.call(phone, ClientCommand::SyncNow).expect("online");
        assert_eq!(texts(&drain(&mut world, phone)), ["milk"], "delay {delay}");
        assert_eq!(world.devices[phone].unanswered(), []);
    }
}

#[test]
fn a_sync_without_enabling_relay_or_network_says_which() {
    let mut world = World::new(ChannelKind::Plain);
    let laptop = world.add_device("laptop");
    assert_eq!(code(world.call(laptop, ClientCommand::SyncNow)), Code::NotEnabled);
    world.call(laptop, ClientCommand::Enable { name: "laptop".into() }).expect("works alone");
    assert_eq!(code(world.call(laptop, ClientCommand::SyncNow)), Code::NoRelay);
    let (mut world, laptop) = online(ChannelKind::Plain);
    world.set_network(false);
    let before = world.now();
    assert_eq!(code(world.call(laptop, ClientCommand::SyncNow)), Code::Offline);
    assert!(world.now().since(before) < Duration::from_secs(1));
}

#[test]
fn a_sync_with_a_silent_relay_is_offline_in_the_end() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    world.set_silent(true);
    let before = world.now();
    assert_eq!(code(world.call(laptop, ClientCommand::SyncNow)), Code::Offline);
    assert!(world.now().since(before) <= Duration::from_secs(30));
}

#[test]
fn a_sync_is_cancelled_once_and_ended_by_disabling() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    world.set_silent(true);
    let [first, second] = [(); 2].map(|()| world.send(laptop, ClientCommand::SyncNow));
    world.run(Duration::from_secs(1));
    world.cancel(laptop, first);
    world.cancel(laptop, first);
    assert_eq!(code(world.devices[laptop].replies[&first].clone()), Code::Cancelled);
    world.call(laptop, ClientCommand::Disable).expect("it can be disabled");
    assert_eq!(code(world.devices[laptop].replies[&second].clone()), Code::NotEnabled);
}
