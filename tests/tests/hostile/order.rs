//! A6-A9, A11: order, omissions and forks.

use zerok_core::client::verdict::Verdict;

use crate::scene::Scene;

#[test]
fn a6_blobs_in_any_order_reach_the_application_in_the_senders() {
    let mut scene = Scene::new(&["1", "2", "3", "4", "5", "6", "7"]);
    let mut forgery = scene.forge();
    let (first, _) = scene.blob("1");
    forgery.reverse_from(first);
    scene.serve(&forgery);
    scene.wake();
    assert_eq!(scene.read(), ["1", "2", "3", "4", "5", "6", "7"]);
    assert_eq!(scene.verdicts(), []);
}

#[test]
fn a7_dropped_middle_blobs_are_reported_with_their_exact_range() {
    let mut scene = Scene::new(&["1", "2", "3", "4", "5"]);
    let mut forgery = scene.forge();
    let (two, _) = scene.blob("2");
    forgery.drop_entry(two);
    forgery.drop_entry(two);
    scene.serve(&forgery);
    scene.wake();
    // "hello" was number 1.
    assert_eq!(scene.verdicts(), [scene.gap(3, 4, false)]);
    assert_eq!(scene.read(), ["1", "4", "5"]);
}

#[test]
fn a7_a24_what_expired_is_a_gap_that_may_have_expired() {
    let mut scene = Scene::new(&["1", "2", "3", "4", "5"]);
    let (three, _) = scene.blob("3");
    let cursor = scene.forge().entries[three].0;
    scene.world.relay.store.expire(&scene.group, cursor);
    scene.wake();
    assert_eq!(scene.verdicts(), [scene.gap(2, 4, true)]);
    assert_eq!(scene.read(), ["4", "5"]);
}

#[test]
fn a8_withheld_newest_blobs_are_a_gap_ten_minutes_after_another_device_named_them() {
    let mut scene = Scene::new(&["1", "2", "3"]);
    let honest = scene.forge();
    let mut forgery = honest.clone();
    let (two, _) = scene.blob("2");
    forgery.drop_entry(two);
    forgery.drop_entry(two);
    // It would notice, and push them again.
    scene.world.kill_device(scene.laptop);
    scene.serve(&forgery);
    scene.wake();
    scene.minutes(1);
    let last = scene.insider.open(&scene.blob("1").1);
    let inc = last.record.inc;
    let heads = zerok_core::seal::record::Record {
        seq: 4,
        prev: scene.insider.open(&honest.entries[two + 1].1).hash,
        kind: zerok_core::seal::record::Kind::Heads as u8,
        payload: zerok_core::seal::roster::HeadsPayload {
            control_seq: 0,
            control_hash: zerok_core::ids::RecordHash([0; 16]),
        }
        .encode()
        .into(),
        inc,
        ..last.record
    };
    let heads = scene.insider.seal(&heads);
    let mut forgery = scene.forge();
    forgery.append(heads);
    scene.world.kill_device(scene.phone);
    scene.serve(&forgery);
    scene.wake();
    scene.minutes(8);
    assert_eq!(scene.read(), ["1"]);
    assert_eq!(scene.verdicts(), [], "not before ten minutes have passed");
    scene.minutes(3);
    assert_eq!(scene.verdicts(), [scene.gap_by(scene.insider.keys.id(), 3, 4, false)]);
    // Should the relay give them after all, they are delivered.
    scene.world.kill_device(scene.phone);
    let mut late = scene.forge();
    late.append(honest.entries[two].1.clone());
    late.append(honest.entries[two + 1].1.clone());
    scene.serve(&late);
    scene.wake();
    assert_eq!(scene.read(), ["2", "3"]);
    assert_eq!(scene.verdicts().len(), 1);
}

#[test]
fn a11_two_signed_records_for_one_place_name_the_device() {
    let mut scene = Scene::new(&["one"]);
    let hello = scene.insider.open(&scene.blob("hello").1);
    let other = scene.insider.after(&hello, "other one");
    let other = scene.insider.seal(&other);
    let mut forgery = scene.forge();
    forgery.append(other);
    scene.serve(&forgery);
    scene.wake();
    assert_eq!(scene.read(), ["one"]);
    let (device, inc) = scene.laptop_stream();
    let lane = zerok_core::ids::Lane::Data;
    assert_eq!(scene.verdicts(), [Verdict::Equivocation { device, inc, lane, seq: 2 }]);
}
