//! From one group or relay to another, and out of it.

use std::time::Duration;

use zerok_core::{
    address::RelayAddress,
    channel::ChannelKind,
    client::{
        command::{ClientCommand, ClientEvent, Reply},
        store::{ClientOp, OutboxRow},
        verdict::Verdict,
    },
    error::Code,
    ids::RelayKey,
    pairing::invite::Invite,
    seal::{keys::LinkSecret, record::Kind},
};

use crate::common::{code, drain, founder, invite, invites, join, joiner, online, pair, push, report, texts};

fn elsewhere() -> RelayAddress {
    let key = RelayKey(LinkSecret::new([77; 32]).public().0);
    RelayAddress { key, tcp: vec!["elsewhere.test:4433".into()], iroh: None }
}

#[test]
fn a_device_from_a_group_of_one_brings_its_queue_under_new_names() {
    for kind in [ChannelKind::Plain, ChannelKind::Noise] {
        for offset in [0, 300, 600, 650, 700, 750] {
            let (mut world, laptop) = online(kind);
            let good = invite(&mut world, laptop);
            let phone = world.add_device("phone");
            world.call(phone, ClientCommand::Enable { name: "phone".into() }).expect("works alone");
            let first = push(&mut world, phone, "one").expect_err("no relay").blob_id.expect("queued");
            let address = world.relay.address();
            world.call(phone, ClientCommand::SetRelay(address)).expect("a first relay");
            let id = world.send(phone, ClientCommand::Join { invite: good, name: "phone".into() });
            // What is pushed in the midst of it moves too, or is the new group's from the start.
            world.run(Duration::from_millis(offset));
            world.send(phone, ClientCommand::Push { data: "two".into(), key: None, detached: true });
            world.run_until("answered", |world| world.devices[phone].replies.contains_key(&id));
            let reply = world.devices[phone].replies[&id].clone();
            assert!(matches!(reply, Ok(Reply::Joined { needs_full_push: true, .. })), "{reply:?}");
            world.run(Duration::from_secs(20));
            assert_eq!(texts(&drain(&mut world, laptop)), ["one", "two"], "pushed at {offset}");
            let renamed = |event: &ClientEvent| matches!(event, ClientEvent::BlobReissued { old, .. } if *old == first);
            assert!(world.devices[phone].events.iter().any(renamed));
            assert_eq!(report(&mut world, phone).devices.len(), 2);
            assert_eq!(world.devices[phone].unanswered(), []);
        }
    }
}

#[test]
fn a_newcomer_learns_whether_the_history_is_complete() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    push(&mut world, laptop, "milk").expect("the relay holds it");
    let good = invite(&mut world, laptop);
    let phone = crate::common::newcomer(&mut world, "phone");
    let reply = join(&mut world, phone, good, "phone").expect("a good code");
    assert_eq!(reply, Reply::Joined { history_complete: true, needs_full_push: false });
    world.run(Duration::from_secs(5));
    assert_eq!(texts(&drain(&mut world, phone)), ["milk"]);
    world.run(Duration::from_secs(31 * 24 * 3600));
    let good = invite(&mut world, laptop);
    let tablet = crate::common::newcomer(&mut world, "tablet");
    let reply = join(&mut world, tablet, good, "tablet").expect("a good code");
    assert_eq!(reply, Reply::Joined { history_complete: false, needs_full_push: false });
}

#[test]
fn leaving_refuses_with_queued_data_erases_and_keeps_the_relay() {
    let (mut world, _, phone) = pair(ChannelKind::Plain);
    world.set_network(false);
    world.run(Duration::from_secs(2));
    assert_eq!(code(push(&mut world, phone, "milk")), Code::Pending);
    assert_eq!(code(world.call(phone, ClientCommand::Leave { force: false })), Code::LeavePending);
    let waits = world.send(phone, ClientCommand::Pull { after: None, max_bytes: 1, own: false });
    world.call(phone, ClientCommand::Leave { force: true }).expect("forced");
    assert!(world.devices[phone].replies.contains_key(&waits));
    let image = world.devices[phone].store.image();
    assert!(image.outbox.is_empty() && image.roster.is_empty() && image.streams.is_empty() && image.held.is_empty());
    let left = report(&mut world, phone);
    assert_eq!((left.identity, left.relay), (None, Some(world.relay.address())));
    assert_eq!(code(world.call(phone, ClientCommand::Leave { force: true })), Code::NotEnabled);
    assert_eq!(code(push(&mut world, phone, "milk")), Code::NotEnabled);
}

#[test]
fn a_group_of_one_that_never_met_a_relay_can_be_left() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    world.set_network(false);
    world.call(laptop, ClientCommand::Leave { force: false }).expect("there is no data in it");
}

#[test]
fn a_device_that_left_can_join_again_as_a_new_one() {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    world.call(phone, ClientCommand::Leave { force: false }).expect("nothing is queued");
    let good = invite(&mut world, laptop);
    join(&mut world, phone, good, "phone again").expect("a good code");
    push(&mut world, phone, "milk").expect("a member");
    world.run(Duration::from_secs(5));
    assert_eq!(texts(&drain(&mut world, laptop)), ["milk"]);
    assert_eq!(report(&mut world, laptop).devices.len(), 3, "release 1 removes nobody");
}

#[test]
fn another_relay_in_the_configuration_is_a_warning_until_it_is_set() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    assert_eq!(code(world.call(laptop, ClientCommand::Configure(elsewhere()))), Code::RelayMismatch);
    push(&mut world, laptop, "milk").expect("syncing goes on with the stored one");
    let moved = RelayAddress { tcp: vec!["new-name.test:4433".into()], ..world.relay.address() };
    world.call(laptop, ClientCommand::Configure(moved.clone())).expect("the same relay elsewhere");
    assert_eq!(report(&mut world, laptop).relay, Some(moved));
    world.call(laptop, ClientCommand::SetRelay(elsewhere())).expect("set on purpose");
    assert_eq!(report(&mut world, laptop).relay, Some(elsewhere()));
    assert_eq!(code(world.call(laptop, ClientCommand::Configure(world.relay.address()))), Code::RelayMismatch);
}

#[test]
fn going_to_another_relay_takes_along_what_others_may_lack_and_back_again_too() {
    let (mut world, laptop, phone) = pair(ChannelKind::Noise);
    world.set_online(phone, false);
    push(&mut world, laptop, "milk").expect("the relay holds it");
    let home = world.relay.address();
    // Within the hour that a refill of one relay would have to wait.
    for address in [elsewhere(), home] {
        world.call(laptop, ClientCommand::SetRelay(address)).expect("set on purpose");
        assert_eq!(report(&mut world, laptop).pending.len(), 1, "queued again for the new relay");
    }
    world.run_until("synced", |world| world.devices[laptop].is_synced());
    world.set_online(phone, true);
    world.run(Duration::from_secs(30));
    assert_eq!(texts(&drain(&mut world, phone)), ["milk"]);
}

#[test]
fn a_new_name_reaches_the_others_and_a_bad_one_nobody() {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    for name in ["", "  ", "a\nb", &"x".repeat(65)] {
        assert_eq!(code(world.call(laptop, ClientCommand::Rename(name.into()))), Code::InvalidArgs);
    }
    world.call(laptop, ClientCommand::Rename("desk".into())).expect("a good name");
    world.run(Duration::from_secs(1));
    assert!(report(&mut world, phone).devices.iter().any(|device| device.name == "desk"));
    let alone = founder(&mut world, "alone");
    world.call(alone, ClientCommand::Rename("elsewhere".into())).expect("offline too");
    assert_eq!(report(&mut world, alone).devices[0].name, "elsewhere");
}

#[test]
fn a_queued_blob_that_cannot_be_moved_stops_the_join_and_nothing_is_erased() {
    for vanished in [true, false] {
        let (mut world, laptop) = online(ChannelKind::Plain);
        let (_, picture) = invites(&mut world, laptop);
        let phone = world.add_device("phone");
        world.call(phone, ClientCommand::Enable { name: "phone".into() }).expect("works alone");
        for text in ["one", "two"] {
            push(&mut world, phone, text).expect_err("no relay");
        }
        let alone = report(&mut world, phone).identity;
        let store = &mut world.devices[phone].store;
        let entry = store.image().outbox.into_iter().rfind(|entry| entry.kind == Kind::Data as u8).expect("queued");
        let damage = match vanished {
            true => ClientOp::Remove(entry.id),
            false => ClientOp::Enqueue(OutboxRow { entry, blob: vec![7; entry.size as usize].into() }),
        };
        store.apply(&[damage]);
        let left = store.image().outbox.len();
        let refused = code(join(&mut world, phone, Invite::Qr(picture), "phone"));
        assert_eq!((refused, world.devices[phone].stopped), (Code::StorageFailed, true), "vanished: {vanished}");
        assert_eq!(world.devices[phone].store.image().outbox.len(), left, "nothing is erased");
        world.kill_device(phone);
        world.start_device(phone);
        assert_eq!(report(&mut world, phone).identity, alone, "it is still alone");
    }
}

#[test]
fn r18_whoever_was_away_while_an_admission_expired_is_told_and_reads_on_after_pairing_again() {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    world.kill_device(phone);
    let tablet = joiner(&mut world, laptop, "tablet");
    world.run(Duration::from_secs(20));
    world.kill_device(laptop);
    world.kill_device(tablet);
    world.run(Duration::from_secs(31 * 24 * 3600));
    world.start_device(tablet);
    push(&mut world, tablet, "from the tablet").expect("the relay holds it");
    world.start_device(phone);
    world.run(Duration::from_secs(30));
    assert_eq!(texts(&drain(&mut world, phone)), [""; 0], "nobody told this device whose record that is");
    let found = report(&mut world, phone).verdicts;
    let device = report(&mut world, tablet).identity.expect("it is a member").device;
    assert!(found.iter().any(|(_, verdict)| *verdict == Verdict::UnknownDevice { device }), "{found:?}");
    assert_eq!(world.devices[phone].store.image().held.len(), 1, "it waits");
    world.call(phone, ClientCommand::Leave { force: true }).expect("it leaves");
    let good = invite(&mut world, tablet);
    join(&mut world, phone, good, "phone").expect("a good code");
    world.run(Duration::from_secs(20));
    assert_eq!(texts(&drain(&mut world, phone)), ["from the tablet"]);
    push(&mut world, tablet, "and on").expect("the relay holds it");
    world.run(Duration::from_secs(20));
    assert_eq!(texts(&drain(&mut world, phone)), ["and on"]);
    assert_eq!(report(&mut world, phone).verdicts, []);
}
