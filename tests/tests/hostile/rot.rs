//! D9, D13: rows of this device's own store that rotted or vanished. Never a panic, never a new identity.

use std::time::Duration;

use bytes::Bytes;
use zerok_core::{
    channel::ChannelKind,
    client::{
        command::{ClientCommand, ClientEvent},
        store::{ClientImage, ClientOp, ClientQuery},
    },
    error::Code,
    ids::{Cursor, Digest},
};
use zerok_testkit::{sim::World, store::client::MemoryClientStore};

use crate::{common::pair, scene::Scene};

/// The rows of an image, written to an empty store.
fn written(image: &ClientImage, outbox: &MemoryClientStore) -> MemoryClientStore {
    let mut ops = Vec::new();
    ops.extend(image.vault.clone().map(ClientOp::Vault));
    ops.extend(image.ledger.clone().map(ClientOp::Ledger));
    ops.push(ClientOp::Reserve(image.reserved));
    let stream = |(stream, state): &(_, Bytes)| ClientOp::Stream { stream: *stream, state: state.clone() };
    ops.extend(image.streams.iter().map(stream));
    let ids = image.outbox.iter().map(|entry| entry.id).collect();
    if let zerok_core::client::store::ClientAnswer::Outbox(rows) = outbox.load(&ClientQuery::Outbox(ids)) {
        for (entry, (_, blob)) in image.outbox.iter().zip(rows) {
            ops.push(ClientOp::Enqueue(zerok_core::client::store::OutboxRow { entry: *entry, blob }));
        }
    }
    ops.extend(image.held.iter().cloned().map(ClientOp::Hold));
    ops.extend(image.roster.iter().cloned().map(ClientOp::Roster));
    let verdict = |(id, verdict): &(u64, Bytes)| ClientOp::Verdict { id: *id, verdict: verdict.clone() };
    ops.extend(image.verdicts.iter().map(verdict));
    let mut store = MemoryClientStore::default();
    store.apply(&ops);
    store
}

fn flipped(bytes: &Bytes, at: usize) -> Bytes {
    let mut bytes = bytes.to_vec();
    let index = at % bytes.len();
    bytes[index] ^= 1;
    bytes.into()
}

/// Restarts a device over a changed image; what it says of it, and whether it stopped.
fn reopen(change: impl Fn(&mut ClientImage)) -> (Vec<Code>, bool, World, usize) {
    let (mut world, laptop, _) = pair(ChannelKind::Plain);
    world.kill_device(laptop);
    let store = world.devices[laptop].store.clone();
    let mut image = store.image();
    change(&mut image);
    world.devices[laptop].store = written(&image, &store);
    let before = world.devices[laptop].events.len();
    world.start_device(laptop);
    world.run(Duration::from_secs(30));
    let problem = |event: &ClientEvent| match event {
        ClientEvent::Problem(code) => Some(*code),
        _ => None,
    };
    let problems = world.devices[laptop].events[before..].iter().filter_map(problem).collect();
    let stopped = world.devices[laptop].stopped;
    (problems, stopped, world, laptop)
}

#[test]
fn d9_an_image_written_back_unchanged_is_the_same_store() {
    let (problems, stopped, ..) = reopen(|_| {});
    assert_eq!((problems, stopped), (vec![], false));
}

type Damage = fn(&mut ClientImage, usize);

#[test]
fn d9_a_sealed_row_that_rotted_is_key_lost_and_nothing_goes_on() {
    for at in (0..400).step_by(23) {
        let rows: [(&str, Damage); 3] = [
            ("vault", |image, at| image.vault = image.vault.as_ref().map(|row| flipped(row, at))),
            ("ledger", |image, at| image.ledger = image.ledger.as_ref().map(|row| flipped(row, at))),
            ("stream", |image, at| image.streams[0].1 = flipped(&image.streams[0].1, at)),
        ];
        for (name, change) in rows {
            let (problems, stopped, mut world, laptop) = reopen(|image| change(image, at));
            assert_eq!((problems, stopped), (vec![Code::KeyLost], true), "{name}, byte {at}");
            let id = world.send(laptop, ClientCommand::Enable { name: "again".into() });
            world.run(Duration::from_secs(1));
            assert!(world.devices[laptop].replies[&id].is_err(), "{name}: never a new identity");
        }
    }
}

#[test]
fn d9_a_roster_row_that_rotted_is_a_failed_store() {
    for at in (0..300).step_by(41) {
        let (problems, stopped, ..) = reopen(|image| image.roster[0].blob = flipped(&image.roster[0].blob, at));
        assert_eq!((problems, stopped), (vec![Code::StorageFailed], true), "byte {at}");
    }
}

#[test]
fn d13_a_vault_that_vanished_is_key_lost_and_a_ledger_that_vanished_a_failed_store() {
    let (problems, stopped, ..) = reopen(|image| image.vault = None);
    assert_eq!((problems, stopped), (vec![Code::KeyLost], true));
    let (problems, stopped, ..) = reopen(|image| image.ledger = None);
    assert_eq!((problems, stopped), (vec![Code::StorageFailed], true));
}

#[test]
fn d9_an_outbox_blob_that_rotted_is_never_pushed() {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    world.set_network(false);
    let data = Bytes::from_static(b"milk");
    world.call(laptop, ClientCommand::Push { data, key: None, detached: true }).expect("it is queued");
    world.kill_device(laptop);
    let store = &mut world.devices[laptop].store;
    let entry = store.image().outbox.into_iter().find(|entry| !entry.acked).expect("it is queued");
    let zerok_core::client::store::ClientAnswer::Outbox(rows) = store.load(&ClientQuery::Outbox(vec![entry.id])) else {
        panic!("no rows");
    };
    let blob = flipped(&rows[0].1, 70);
    store.apply(&[ClientOp::Enqueue(zerok_core::client::store::OutboxRow { entry, blob })]);
    world.set_network(true);
    world.start_device(laptop);
    world.run(Duration::from_secs(60));
    assert!(world.devices[laptop].stopped);
    assert_eq!(world.devices[phone].verdicts(), []);
}

#[test]
fn d9_a_held_blob_that_rotted_is_read_again_and_blamed_on_nobody() {
    let mut scene = Scene::new(&["one"]);
    let last = scene.insider.open(&scene.blob("one").1);
    let two = scene.insider.after(&last, "two");
    let blob = scene.insider.seal(&two);
    // A key name nobody knows keeps the blob held.
    let mut forgery = scene.forge();
    let mut unknown = blob.to_vec();
    unknown[1..9].copy_from_slice(&[1; 8]);
    let cursor: Cursor = forgery.append(unknown.into());
    scene.serve(&forgery);
    scene.wake();
    scene.world.kill_device(scene.phone);
    let store = &mut scene.world.devices[scene.phone].store;
    let mut held = store.image().held.pop().expect("it is held");
    assert_eq!(held.cursor, cursor);
    let digest: Digest = held.digest;
    held.blob = flipped(&held.blob, 90);
    store.apply(&[ClientOp::Hold(held)]);
    let before = scene.verdicts().len();
    scene.wake();
    assert_eq!(scene.verdicts().len(), before);
    let held = scene.world.devices[scene.phone].store.image().held;
    assert_eq!(held.len(), 1);
    assert_eq!((held[0].digest, Digest::of(&held[0].blob)), (digest, digest), "the relay had it still");
}

#[test]
fn verdicts_stay_until_they_are_settled_and_survive_a_restart() {
    let mut scene = Scene::new(&["1", "2", "3"]);
    let mut forgery = scene.forge();
    let (two, _) = scene.blob("2");
    forgery.drop_entry(two);
    scene.serve(&forgery);
    scene.wake();
    let gap = scene.gap(3, 3, false);
    let report = |scene: &mut Scene| match scene.world.call(scene.phone, ClientCommand::Inspect) {
        Ok(zerok_core::client::command::Reply::Report(report)) => report.verdicts,
        other => panic!("no report: {other:?}"),
    };
    let known = report(&mut scene);
    assert_eq!(known, [(known[0].0, gap)]);
    scene.world.kill_device(scene.phone);
    scene.wake();
    assert_eq!(report(&mut scene), known);
    scene.world.call(scene.phone, ClientCommand::Settle(known[0].0)).expect("it is settled");
    assert_eq!(report(&mut scene), []);
    scene.world.kill_device(scene.phone);
    scene.wake();
    assert_eq!(report(&mut scene), []);
}

#[test]
fn one_rotten_row_of_the_inbox_is_reported_and_keeps_nobody_from_the_rows_after_it() {
    use zerok_core::client::store::{ClientAnswer, InboxRow};
    let mut scene = Scene::new(&["1", "2", "3"]);
    scene.wake();
    let phone = scene.phone;
    let query = ClientQuery::Inbox { after: zerok_core::ids::Position(0), max_bytes: 1 << 20, own: false };
    let ClientAnswer::Inbox(rows) = scene.world.devices[phone].store.load(&query) else { panic!("an inbox") };
    let row = rows.iter().find(|row| row.blob == scene.blob("1").1).expect("it was delivered");
    let rotten = InboxRow { position: row.position, blob: flipped(&row.blob, 60) };
    scene.world.devices[phone].store.apply(&[ClientOp::Deliver(rotten)]);
    assert_eq!(scene.read(), ["2", "3"]);
    let told = |event: &&ClientEvent| **event == ClientEvent::Problem(Code::StorageFailed);
    assert_eq!(scene.world.devices[phone].events.iter().filter(told).count(), 1);
    scene.push(&["4"]);
    scene.minutes(1);
    assert_eq!(scene.read(), ["4"]);
}
