//! A1-A5, A14, A20: blobs that were altered, moved, repeated or forged.

use zerok_core::{
    client::verdict::Verdict,
    ids::{Cursor, Kid, RecordHash},
    seal::record::{Kind, Record},
};

use crate::{common::founder, scene::Scene};

fn tampered(scene: &Scene) -> Vec<Cursor> {
    let cursor = |verdict: Verdict| match verdict {
        Verdict::Tampered { cursor } => Some(cursor),
        _ => None,
    };
    scene.verdicts().into_iter().filter_map(cursor).collect()
}

#[test]
fn a1_a_bit_flipped_anywhere_is_named_once_and_the_honest_blobs_around_it_arrive() {
    let scene = Scene::new(&["one", "two", "three"]);
    let (index, blob) = scene.blob("two");
    let cursor = scene.forge().entries[index].0;
    // Version, key name, nonce, and samples of ciphertext and tag.
    let bytes = (0..40).chain((40..blob.len()).step_by(37)).chain(blob.len() - 16..blob.len());
    drop(scene);
    for byte in bytes {
        let mut scene = Scene::new(&["one", "two", "three"]);
        let mut forgery = scene.forge();
        forgery.flip(index, byte);
        scene.serve(&forgery);
        scene.wake();
        assert_eq!(scene.read(), ["one", "three"], "byte {byte}");
        let mut named = scene.verdicts();
        let gap = scene.gap(3, 3, false);
        assert_eq!(named.pop(), Some(gap), "byte {byte}");
        let kid = Kid(forgery.entries[index].1[1..9].try_into().expect("eight bytes"));
        let expected =
            if (1..9).contains(&byte) { Verdict::MissingEpoch { kid } } else { Verdict::Tampered { cursor } };
        assert_eq!(named, [expected], "byte {byte}");
        // Neither a new process nor another look names it again.
        scene.world.kill_device(scene.phone);
        scene.push(&["four"]);
        scene.wake();
        assert_eq!(scene.read(), ["four"], "byte {byte}");
        assert_eq!(scene.verdicts().len(), 2, "byte {byte}");
    }
}

#[test]
fn a2_a_blob_cut_short_or_made_longer_is_named_and_the_rest_arrives() {
    for len in [0, 1, 9, 33, 48, 49, 100, 500] {
        let mut scene = Scene::new(&["one", "two", "three"]);
        let (index, _) = scene.blob("two");
        let mut forgery = scene.forge();
        forgery.replace(index, |blob| blob.resize(len, 7));
        scene.serve(&forgery);
        scene.wake();
        assert_eq!(scene.read(), ["one", "three"], "{len} bytes");
        assert_eq!(tampered(&scene), [forgery.entries[index].0], "{len} bytes");
    }
}

#[test]
fn a1_a_relay_that_tampers_only_once_is_named_and_loses_nothing() {
    let mut scene = Scene::new(&["one", "two"]);
    let honest = scene.forge();
    let mut forgery = honest.clone();
    let (index, _) = scene.blob("one");
    forgery.flip(index, 60);
    // The flipped blob is in the way of the first page; before the second look the relay has come to its senses.
    scene.serve(&forgery);
    scene.world.start_device(scene.phone);
    let phone = scene.phone;
    scene.world.run_until("the phone has seen it", |world| !world.devices[phone].verdicts().is_empty());
    scene.serve(&honest);
    scene.minutes(1);
    assert_eq!(scene.read(), ["one", "two"]);
    assert_eq!(scene.verdicts(), [Verdict::Tampered { cursor: forgery.entries[index].0 }]);
}

#[test]
fn a4_a_blob_of_another_group_is_a_blob_under_an_unknown_key() {
    let mut scene = Scene::new(&["one"]);
    let other = founder(&mut scene.world, "other");
    crate::common::push(&mut scene.world, other, "not for you").expect("the relay holds it");
    let group = scene.world.relay.store.groups().into_iter().find(|group| *group != scene.group).expect("two groups");
    let foreign = scene.world.relay.store.log(&group).pop().expect("it was pushed").1;
    let mut forgery = scene.forge();
    forgery.append(foreign.clone());
    // The same under this group's key name: it must not open.
    let kid = scene.insider.epoch.kid;
    let last = forgery.entries.len();
    forgery.append(foreign.clone());
    forgery.replace(last, |blob| blob[1..9].copy_from_slice(&kid.0));
    scene.serve(&forgery);
    scene.wake();
    assert_eq!(scene.read(), ["one"]);
    let kid = Kid(foreign[1..9].try_into().expect("eight bytes"));
    let cursor = forgery.entries[last].0;
    assert_eq!(scene.verdicts(), [Verdict::MissingEpoch { kid }, Verdict::Tampered { cursor }]);
}

#[test]
fn a3_a5_blobs_that_change_places_or_come_again_are_delivered_once_and_in_order() {
    let mut scene = Scene::new(&["one", "two", "three"]);
    let mut forgery = scene.forge();
    let (one, blob) = scene.blob("one");
    let (two, _) = scene.blob("two");
    forgery.swap(one, two);
    forgery.append(blob.clone());
    forgery.append(blob);
    scene.serve(&forgery);
    scene.wake();
    assert_eq!(scene.read(), ["one", "two", "three"]);
    assert_eq!(scene.verdicts(), []);
}

#[test]
fn a14_a20_records_nobody_signed_are_named_whoever_sealed_them() {
    let mut scene = Scene::new(&["one"]);
    let (_, blob) = scene.blob("one");
    let last = scene.insider.open(&blob);
    // The next record of the laptop, but not by the laptop.
    let forged = scene.insider.after(&last, "forged");
    let forged = scene.insider.seal_badly(&forged);
    // A true record under another kind: data as a roster record.
    let relabelled = Record { kind: Kind::Add as u8, ..last.record.clone() };
    let relabelled = scene.insider.seal_badly(&relabelled);
    let mut forgery = scene.forge();
    let cursors = [forgery.append(forged), forgery.append(relabelled)];
    scene.serve(&forgery);
    scene.push(&["two"]);
    scene.wake();
    assert_eq!(scene.read(), ["one", "two"]);
    assert_eq!(tampered(&scene), cursors);
    assert_eq!(scene.verdicts().len(), 2);
}

#[test]
fn a_damaged_signature_inside_a_run_is_vouched_for_by_what_follows() {
    for page_boundary in [false, true] {
        let mut scene = Scene::new(&["one"]);
        let last = scene.insider.open(&scene.blob("one").1);
        let damaged = scene.insider.after(&last, "damaged");
        let blob = scene.insider.seal_badly(&damaged);
        let opened = scene.insider.open(&blob);
        let next = scene.insider.after(&opened, "whole");
        let next = scene.insider.seal(&next);
        let mut forgery = scene.forge();
        let cursor = forgery.append(blob);
        if page_boundary {
            // The phone reads up to the damaged record before its successor is there.
            scene.serve(&forgery);
            scene.wake();
            assert_eq!(tampered(&scene), [cursor]);
            scene.world.kill_device(scene.phone);
            forgery = scene.forge();
        }
        forgery.append(next);
        scene.serve(&forgery);
        scene.wake();
        assert_eq!(scene.read(), ["one", "damaged", "whole"], "page boundary: {page_boundary}");
        assert_eq!(scene.verdicts().len(), usize::from(page_boundary));
    }
}

#[test]
fn a_record_that_names_a_damaged_one_with_another_hash_vouches_for_nothing() {
    let mut scene = Scene::new(&["one"]);
    let last = scene.insider.open(&scene.blob("one").1);
    let damaged = scene.insider.after(&last, "damaged");
    let blob = scene.insider.seal_badly(&damaged);
    let mut next = scene.insider.after(&scene.insider.open(&blob), "whole");
    next.prev = RecordHash([9; 16]);
    let next = scene.insider.seal(&next);
    let mut forgery = scene.forge();
    let cursor = forgery.append(blob);
    forgery.append(next);
    scene.serve(&forgery);
    scene.wake();
    assert_eq!(scene.read(), ["one", "whole"]);
    assert_eq!(scene.verdicts(), [Verdict::Tampered { cursor }, scene.gap(3, 3, false)]);
}
