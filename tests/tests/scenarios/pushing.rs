//! Pushing: durable first, answered truthfully, kept until everybody has it.

use std::time::Duration;

use bytes::Bytes;
use zerok_core::{
    channel::ChannelKind,
    client::command::{ClientCommand, ClientEvent, Lifecycle, Reply},
    error::Code,
    ids::{CommandId, IdempotencyKey, Position},
    limits::{ClientLimits, MAX_PAYLOAD, RelayLimits},
};
use zerok_testkit::sim::World;

use crate::common::{code, drain, founder, key_push, online, pair, pair_with, pull, push, pushed, report, texts};

fn detached(data: &str, key: Option<IdempotencyKey>) -> ClientCommand {
    ClientCommand::Push { data: Bytes::copy_from_slice(data.as_bytes()), key, detached: true }
}

#[test]
fn a_push_before_enabling_stores_nothing() {
    let mut world = World::new(ChannelKind::Plain);
    let laptop = world.add_device("laptop");
    assert_eq!(code(push(&mut world, laptop, "milk")), Code::NotEnabled);
    assert_eq!(world.devices[laptop].store.image().outbox, []);
}

#[test]
fn enabling_is_idempotent_and_works_offline() {
    let mut world = World::new(ChannelKind::Plain);
    world.set_network(false);
    let laptop = founder(&mut world, "laptop");
    let first = report(&mut world, laptop).identity;
    world.call(laptop, ClientCommand::Enable { name: "other".into() }).expect("enabled before");
    assert_eq!(report(&mut world, laptop).identity, first);
    assert_eq!(report(&mut world, laptop).devices[0].name, "laptop");
    world.kill_device(laptop);
    world.start_device(laptop);
    assert_eq!(report(&mut world, laptop).identity, first);
}

#[test]
fn disabling_keeps_keys_and_queue_and_answers_who_waits() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    world.set_silent(true);
    let waiting = world.send(laptop, ClientCommand::Push { data: "milk".into(), key: None, detached: false });
    world.run(Duration::from_millis(100));
    world.call(laptop, ClientCommand::Disable).expect("it can be disabled");
    assert_eq!(code(world.devices[laptop].replies[&waiting].clone()), Code::Pending);
    assert_eq!(code(push(&mut world, laptop, "bread")), Code::NotEnabled);
    world.set_silent(false);
    world.call(laptop, ClientCommand::Enable { name: "laptop".into() }).expect("enabled again");
    world.run_until("the queue is empty", |world| world.devices[laptop].is_synced());
}

#[test]
fn d1_a_push_is_durable_here_before_anything_leaves_or_is_said() {
    for offline in [false, true] {
        let (mut world, laptop) = online(ChannelKind::Plain);
        if offline {
            world.set_network(false);
            world.run(Duration::from_secs(1));
        }
        let id = world.send(laptop, detached("milk", None));
        assert!(!world.devices[laptop].replies.contains_key(&id), "answered before its batch");
        world.kill_device(laptop);
        assert!(!world.devices[laptop].store.image().outbox.iter().any(|row| row.kind == 0));
        world.start_device(laptop);
        let id = world.send(laptop, detached("milk", None));
        world.run_until("queued", |world| world.devices[laptop].replies.contains_key(&id));
        world.kill_device(laptop);
        world.set_network(true);
        world.start_device(laptop);
        world.run_until("at the relay", |world| {
            world.devices[laptop].events.iter().any(|event| matches!(event, ClientEvent::BlobSynced { .. }))
        });
    }
}

#[test]
fn an_offline_push_is_pending_at_once_and_reported_when_it_arrives() {
    for kind in [ChannelKind::Plain, ChannelKind::Noise] {
        let (mut world, laptop) = online(kind);
        world.set_network(false);
        world.run(Duration::from_secs(2));
        let before = world.now();
        let rejection = push(&mut world, laptop, "milk").expect_err("offline");
        assert_eq!(rejection.code, Code::Pending);
        assert!(world.now().since(before) < Duration::from_millis(100));
        let blob = rejection.blob_id.expect("it has an id already");
        world.set_network(true);
        world.run_until("synced", |world| {
            let synced = |event: &ClientEvent| matches!(event, ClientEvent::BlobSynced { id, .. } if *id == blob);
            world.devices[laptop].events.iter().any(synced)
        });
    }
}

#[test]
fn a_push_without_a_relay_is_pending() {
    let mut world = World::new(ChannelKind::Plain);
    let laptop = world.add_device("laptop");
    world.call(laptop, ClientCommand::Enable { name: "laptop".into() }).expect("works without a relay");
    assert_eq!(code(push(&mut world, laptop, "milk")), Code::Pending);
}

#[test]
fn a_push_to_a_silent_relay_is_pending_after_its_timeout_and_the_dead_link_is_found() {
    for kind in [ChannelKind::Plain, ChannelKind::Noise] {
        let (mut world, laptop) = online(kind);
        world.set_silent(true);
        let before = world.now();
        assert_eq!(code(push(&mut world, laptop, "milk")), Code::Pending);
        assert_eq!(world.now().since(before), Duration::from_secs(10));
        world.run(Duration::from_secs(15));
        assert!(!world.devices[laptop].is_connected(), "the silence was not noticed");
        world.set_silent(false);
        world.run_until("synced", |world| world.devices[laptop].is_synced());
    }
}

#[test]
fn e1_a_slow_uplink_is_not_mistaken_for_a_dead_one() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    world.set_latency(Duration::from_secs(60));
    let links = world.dials;
    let data = Bytes::from(vec![7; 900 * 1024]);
    world.send(laptop, ClientCommand::Push { data, key: None, detached: true });
    world.run_until("synced", |world| world.devices[laptop].is_synced());
    assert_eq!(world.dials, links, "the link was given up while it worked");
}

#[test]
fn too_large_a_payload_is_refused_and_the_largest_is_not() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    let large = |len| ClientCommand::Push { data: Bytes::from(vec![1; len]), key: None, detached: false };
    assert_eq!(code(world.call(laptop, large(MAX_PAYLOAD + 1))), Code::BlobTooLarge);
    world.call(laptop, large(MAX_PAYLOAD)).expect("exactly the limit");
}

#[test]
fn d16_a_full_outbox_refuses_and_loses_nothing() {
    let limits = ClientLimits { outbox_unsent: 20_000, ..ClientLimits::default() };
    let mut world = World::with_limits(ChannelKind::Plain, limits, RelayLimits::default(), 1);
    world.set_network(false);
    let laptop = founder(&mut world, "laptop");
    let mut queued = 0;
    while let Err(rejection) = push(&mut world, laptop, "milk") {
        if rejection.code == Code::OutboxFull {
            break;
        }
        queued += 1;
    }
    assert!(queued > 10);
    assert_eq!(report(&mut world, laptop).pending.len(), queued);
    world.set_network(true);
    world.run_until("synced", |world| world.devices[laptop].is_synced());
    push(&mut world, laptop, "milk").expect("room again");
}

/// Ten thousand changes made without a network: what the machine holds of each is its row, not its bytes, and all arrive in order.
#[test]
fn d16_ten_thousand_pushes_without_a_network_are_kept_on_disk_and_arrive_in_order() {
    const PUSHES: usize = 10_000;
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    world.transcript.silence();
    world.set_network(false);
    let mut sizes = Vec::new();
    for number in 0..PUSHES {
        let data = Bytes::from(format!("{number:0>1000}"));
        world.call(laptop, ClientCommand::Push { data, key: None, detached: true }).expect("it is durable here");
        if (number + 1).is_multiple_of(PUSHES / 2) {
            sizes.push(format!("{:?}", world.devices[laptop].client.as_ref().expect("it runs")).len());
        }
    }
    // A kilobyte each, and a little more to say where it stands; what is kept at hand of the oldest has a bound.
    assert!((sizes[1] - sizes[0]) / (PUSHES / 2) < 600, "{sizes:?} characters: bytes of blobs are in memory");
    world.set_network(true);
    world.signal(laptop, Lifecycle::NetworkChanged { available: true });
    world.run_until("synced", |world| world.devices[laptop].is_synced());
    world.run(Duration::from_secs(60));
    let read: Vec<usize> = drain(&mut world, phone)
        .iter()
        .map(|blob| String::from_utf8_lossy(&blob.data).parse().expect("a number"))
        .collect();
    assert_eq!(read, (0..PUSHES).collect::<Vec<_>>());
}

#[test]
fn too_many_waiting_pushes_are_told_to_wait() {
    let limits = ClientLimits { commands: 2, ..ClientLimits::default() };
    let mut world = World::with_limits(ChannelKind::Plain, limits, RelayLimits::default(), 1);
    let laptop = founder(&mut world, "laptop");
    world.run_until("connected", |world| world.devices[laptop].is_synced());
    let send =
        |world: &mut World| world.send(laptop, ClientCommand::Push { data: "milk".into(), key: None, detached: false });
    let ids: Vec<CommandId> = (0..3).map(|_| send(&mut world)).collect();
    world.run(Duration::from_secs(1));
    assert_eq!(code(world.devices[laptop].replies[&ids[2]].clone()), Code::Busy);
    assert!(world.devices[laptop].replies[&ids[1]].is_ok());
}

#[test]
fn a_detached_push_is_answered_once_it_is_durable() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    world.set_network(false);
    assert!(matches!(world.call(laptop, detached("milk", None)), Ok(Reply::Queued { .. })));
}

#[test]
fn an_idempotency_key_makes_a_retry_the_same_push_at_every_stage() {
    let (mut world, laptop) = forgetful();
    let key = IdempotencyKey([9; 16]);
    world.set_network(false);
    world.run(Duration::from_secs(2));
    let queued = key_push(&mut world, laptop, "milk", key).expect_err("offline").blob_id;
    assert_eq!(key_push(&mut world, laptop, "milk", key).expect_err("offline").blob_id, queued);
    world.kill_device(laptop);
    world.start_device(laptop);
    assert_eq!(key_push(&mut world, laptop, "milk", key).err().and_then(|rejection| rejection.blob_id), queued);
    world.set_network(true);
    world.run_until("synced", |world| world.devices[laptop].is_synced());
    let first = pushed(key_push(&mut world, laptop, "milk", key));
    // Alone in its group, the row is gone by now: the key is remembered beyond it.
    assert!(!world.devices[laptop].store.image().outbox.iter().any(|row| row.key == Some(key)));
    world.kill_device(laptop);
    world.start_device(laptop);
    assert_eq!(pushed(key_push(&mut world, laptop, "milk", key)), first);
    assert_eq!(Some(first.0), queued);
}

#[test]
fn two_calls_for_one_key_are_each_answered_once() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    let key = Some(IdempotencyKey([9; 16]));
    let ids = [(); 2].map(|()| world.send(laptop, ClientCommand::Push { data: "milk".into(), key, detached: false }));
    world.run(Duration::from_secs(1));
    assert_eq!(code(world.devices[laptop].replies[&ids[0]].clone()), Code::Pending);
    assert!(world.devices[laptop].replies[&ids[1]].is_ok());
}

#[test]
fn d2_a_lost_acknowledgement_resends_the_same_bytes_and_takes_one_place() {
    for kind in [ChannelKind::Plain, ChannelKind::Noise] {
        let (mut world, laptop, phone) = pair(kind);
        for round in 0..5 {
            let text = format!("round {round}");
            let data = Bytes::from(text.clone());
            world.send(laptop, ClientCommand::Push { data, key: None, detached: true });
            // Long enough to reach the relay's disk, too short for its answer.
            world.run(Duration::from_millis(3 + 25 + 3));
            world.break_link(laptop);
            world.run_until("synced", |world| world.devices[laptop].is_synced());
            world.run(Duration::from_secs(30));
            assert_eq!(texts(&drain(&mut world, phone)), [text]);
        }
        assert_eq!(report(&mut world, phone).verdicts, []);
    }
}

#[test]
fn the_outbox_keeps_a_blob_until_every_active_device_has_seen_it() {
    let (mut world, laptop, phone) = pair_with(ChannelKind::Plain, nothing_read(), RelayLimits::default());
    world.set_online(phone, false);
    push(&mut world, laptop, "milk").expect("the relay holds it");
    world.run(Duration::from_secs(600));
    let kept = |world: &World| world.devices[laptop].store.image().outbox.iter().filter(|row| row.kind == 0).count();
    assert_eq!(kept(&world), 1, "the phone has not seen it");
    world.set_online(phone, true);
    world.run(Duration::from_secs(60));
    assert_eq!(texts(&pull(&mut world, phone, None).blobs), ["milk"]);
    assert_eq!(kept(&world), 0, "the phone's heads name it");
}

#[test]
fn a_device_silent_for_thirty_days_holds_nothing_up() {
    let (mut world, laptop, phone) = pair_with(ChannelKind::Plain, nothing_read(), RelayLimits::default());
    world.kill_device(phone);
    world.run(Duration::from_secs(31 * 24 * 3600));
    push(&mut world, laptop, "milk").expect("the relay holds it");
    world.run(Duration::from_secs(1));
    assert!(!world.devices[laptop].store.image().outbox.iter().any(|row| row.kind == 0));
}

/// Bounds under which nothing stays readable once everyone has it, so that what the outbox still holds is held for someone.
fn nothing_read() -> ClientLimits {
    ClientLimits { inbox_read: 0, ..ClientLimits::default() }
}

fn forgetful() -> (World, usize) {
    let mut world = World::with_limits(ChannelKind::Plain, nothing_read(), RelayLimits::default(), 1);
    let laptop = founder(&mut world, "laptop");
    world.run_until("synced", |world| world.devices[laptop].is_synced());
    (world, laptop)
}

#[test]
fn own_blobs_that_everyone_has_stay_readable_for_a_day_and_up_to_a_size() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    push(&mut world, laptop, "milk").expect("the relay holds it");
    let own = |world: &mut World| {
        let all = ClientCommand::Pull { after: Some(Position(0)), max_bytes: 1 << 20, own: true };
        match world.call(laptop, all) {
            Ok(Reply::Pulled(pulled)) => texts(&pulled.blobs),
            other => panic!("no pull: {other:?}"),
        }
    };
    assert_eq!(own(&mut world), ["milk"]);
    world.kill_device(laptop);
    world.start_device(laptop);
    assert_eq!(own(&mut world), ["milk"], "also after a restart");
    world.run(Duration::from_secs(25 * 3600));
    assert!(own(&mut world).is_empty(), "a day later it is gone");
}

#[test]
fn acknowledged_blobs_that_nobody_has_seen_are_bounded_oldest_first() {
    let limits = ClientLimits { outbox_acked: 3_000, ..ClientLimits::default() };
    let (mut world, laptop, phone) = pair_with(ChannelKind::Plain, limits, RelayLimits::default());
    world.kill_device(phone);
    for text in 0..20 {
        push(&mut world, laptop, &text.to_string()).expect("the relay holds it");
    }
    let image = world.devices[laptop].store.image();
    let acked: u64 = image.outbox.iter().filter(|row| row.acked).map(|row| u64::from(row.size)).sum();
    assert!(acked <= 3_000 && acked > 2_000, "{acked} bytes");
    assert_eq!(image.outbox.last().map(|row| row.seq), Some(20), "the newest stays");
}

#[test]
fn a_cancelled_push_is_answered_once_and_its_blob_still_goes_out() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    world.set_silent(true);
    let id = world.send(laptop, ClientCommand::Push { data: "milk".into(), key: None, detached: false });
    world.run(Duration::from_millis(100));
    world.cancel(laptop, id);
    assert_eq!(code(world.devices[laptop].replies[&id].clone()), Code::Cancelled);
    world.set_silent(false);
    world.signal(laptop, Lifecycle::Resumed { slept: Duration::from_secs(60) });
    world.run_until("synced", |world| {
        world.devices[laptop].events.iter().any(|event| matches!(event, ClientEvent::BlobSynced { .. }))
    });
}
