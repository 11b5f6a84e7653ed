//! D11, D12: a store that is older than its relay, and a store that lives twice.

use std::time::Duration;

use bytes::Bytes;
use zerok_core::{
    channel::ChannelKind,
    client::{
        command::{ClientCommand, ClientEvent},
        verdict::Verdict,
    },
    ids::RelayId,
    seal::record::Kind,
};
use zerok_testkit::{
    hostile::Insider,
    sim::World,
    store::{client::MemoryClientStore, relay::MemoryRelayStore},
};

use crate::common::{pair, pull, push, texts};

/// A pair, and the laptop's database as it was before it pushed three more records.
fn restored() -> (World, usize, usize, MemoryClientStore) {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    push(&mut world, laptop, "1").expect("the relay holds it");
    push(&mut world, phone, "hi").expect("the relay holds it");
    world.run(Duration::from_secs(20));
    let copy = world.devices[laptop].store.clone();
    for text in ["2", "3", "4"] {
        push(&mut world, laptop, text).expect("the relay holds it");
    }
    world.run(Duration::from_secs(20));
    world.kill_device(laptop);
    (world, laptop, phone, copy)
}

fn queue(world: &mut World, device: usize, text: &'static str) {
    let data = Bytes::from_static(text.as_bytes());
    world.call(device, ClientCommand::Push { data, key: None, detached: true }).expect("it is queued");
}

fn reissued(world: &World, device: usize) -> usize {
    let events = &world.devices[device].events;
    events.iter().filter(|event| matches!(event, ClientEvent::BlobReissued { .. })).count()
}

fn runs(world: &World, device: usize) -> usize {
    let insider = Insider::of(&world.devices[device]);
    let log = world.relay.store.log(&insider.group);
    let mut incs: Vec<_> = insider.own(&log, Kind::Data).iter().map(|opened| opened.record.inc).collect();
    incs.sort_unstable();
    incs.dedup();
    incs.len()
}

#[test]
fn d11_what_the_relay_holds_of_a_restored_device_makes_it_count_anew() {
    let (mut world, laptop, phone, copy) = restored();
    world.restore_device(laptop, copy);
    world.set_network(false);
    world.start_device(laptop);
    queue(&mut world, laptop, "5");
    queue(&mut world, laptop, "6");
    world.set_network(true);
    world.run(Duration::from_secs(60));
    assert_eq!(texts(&pull(&mut world, phone, None).blobs), ["1", "2", "3", "4", "5", "6"]);
    assert_eq!(world.devices[phone].verdicts(), []);
    assert_eq!(world.devices[laptop].verdicts(), []);
    assert_eq!(reissued(&world, laptop), 2);
    assert_eq!(runs(&world, laptop), 2);
    // Once is enough: later processes go on in the new run.
    for text in ["7", "8"] {
        world.kill_device(laptop);
        world.start_device(laptop);
        queue(&mut world, laptop, text);
        world.run(Duration::from_secs(30));
    }
    assert_eq!(runs(&world, laptop), 2);
    assert_eq!(texts(&pull(&mut world, phone, None).blobs).len(), 8);
}

#[test]
fn d11_the_first_record_of_the_new_run_names_the_last_known_of_the_old() {
    let (mut world, laptop, _, copy) = restored();
    let insider = Insider::of(&world.devices[laptop]);
    world.restore_device(laptop, copy);
    world.start_device(laptop);
    queue(&mut world, laptop, "5");
    world.run(Duration::from_secs(60));
    let log = world.relay.store.log(&insider.group);
    let own = insider.own(&log, Kind::Data);
    let (old, new) = (&own[own.len() - 2], &own[own.len() - 1]);
    assert_ne!(old.record.inc, new.record.inc);
    assert_eq!((new.record.seq, new.record.prev), (1, old.hash));
    let named = new.record.seen.iter().find(|entry| entry.device == old.record.sender && entry.inc == old.record.inc);
    let short: [u8; 8] = old.hash.0[..8].try_into().expect("eight bytes");
    assert_eq!(named.map(|entry| (entry.seq, entry.hash)), Some((old.record.seq, short)));
}

#[test]
fn d11_a_counter_that_is_ahead_of_the_database_makes_it_count_anew_offline() {
    let (mut world, laptop, phone, copy) = restored();
    let counter = world.devices[laptop].store.reserved() + 1;
    world.devices[laptop].store.set_reserved(counter);
    world.restore_device(laptop, copy);
    world.set_network(false);
    world.start_device(laptop);
    queue(&mut world, laptop, "5");
    world.set_network(true);
    world.run(Duration::from_secs(60));
    assert_eq!(texts(&pull(&mut world, phone, None).blobs), ["1", "2", "3", "4", "5"]);
    assert_eq!((world.devices[phone].verdicts(), reissued(&world, laptop)), (vec![], 0));
    assert_eq!(runs(&world, laptop), 2);
    world.kill_device(laptop);
    world.start_device(laptop);
    queue(&mut world, laptop, "6");
    world.run(Duration::from_secs(30));
    assert_eq!(runs(&world, laptop), 2);
}

#[test]
fn d11_another_devices_word_makes_it_count_anew_when_the_relay_knows_nothing() {
    let (mut world, laptop, phone, copy) = restored();
    world.swap_relay(MemoryRelayStore::new(RelayId([7; 16])));
    world.run(Duration::from_secs(30));
    world.restore_device(laptop, copy);
    // The phone's heads name four records of the laptop, which knows one.
    world.start_device(laptop);
    world.run(Duration::from_secs(30));
    queue(&mut world, laptop, "5");
    world.run(Duration::from_secs(30));
    assert_eq!(texts(&pull(&mut world, phone, None).blobs), ["1", "2", "3", "4", "5"]);
    assert_eq!(world.devices[phone].verdicts(), [Verdict::RelayReset]);
    assert_eq!(world.devices[laptop].verdicts(), [Verdict::RelayReset]);
    assert_eq!(runs(&world, laptop), 1, "only the new run is in the new log");
    // It knows by now what it lost: no later process counts anew once more.
    world.kill_device(laptop);
    world.start_device(laptop);
    queue(&mut world, laptop, "6");
    world.run(Duration::from_secs(30));
    assert_eq!(runs(&world, laptop), 1);
}

#[test]
fn d12_a_clone_that_sees_its_twin_counts_on_its_own_and_nothing_is_lost() {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    push(&mut world, laptop, "1").expect("the relay holds it");
    world.run(Duration::from_secs(20));
    let clone = world.clone_device(laptop, "clone");
    world.run(Duration::from_secs(20));
    push(&mut world, laptop, "2").expect("the relay holds it");
    world.run(Duration::from_secs(5));
    push(&mut world, clone, "3").expect("the relay holds it");
    world.run(Duration::from_secs(5));
    push(&mut world, laptop, "4").expect("the relay holds it");
    world.run(Duration::from_secs(30));
    assert_eq!(texts(&pull(&mut world, phone, None).blobs), ["1", "2", "3", "4"]);
    assert_eq!(world.devices[phone].verdicts(), []);
}

#[test]
fn d12_clones_that_write_at_once_are_named_on_every_device() {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    push(&mut world, laptop, "1").expect("the relay holds it");
    world.run(Duration::from_secs(20));
    let device = Insider::of(&world.devices[laptop]).keys.id();
    let clone = world.clone_device(laptop, "clone");
    world.run(Duration::from_secs(20));
    queue(&mut world, laptop, "mine");
    queue(&mut world, clone, "mine too");
    world.run(Duration::from_secs(30));
    for node in [laptop, clone, phone] {
        let verdicts = world.devices[node].verdicts();
        let named =
            |verdict: &Verdict| matches!(verdict, Verdict::Equivocation { device: named, .. } if *named == device);
        assert!(verdicts.iter().any(named), "{}: {verdicts:?}", world.devices[node].name);
    }
    // From then on they count apart.
    push(&mut world, laptop, "2").expect("the relay holds it");
    push(&mut world, clone, "3").expect("the relay holds it");
    world.run(Duration::from_secs(30));
    let read = texts(&pull(&mut world, phone, None).blobs);
    assert!(read.contains(&"2".into()) && read.contains(&"3".into()), "{read:?}");
}
