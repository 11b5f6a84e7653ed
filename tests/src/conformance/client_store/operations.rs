//! What each operation and each question means.

use zerok_core::{
    client::store::{HeldRow, RosterRow},
    ids::{Cursor, DeviceId, StreamId},
};

use super::*;

pub fn an_empty_store_is_an_empty_image<T: ClientTrial>() {
    let mut store = T::new();
    assert_eq!(store.image(), ClientImage::default());
    assert_eq!(store.inbox(0, 1000, true), []);
    assert_eq!(store.load(ClientQuery::Outbox(vec![OutboxId(1)])), ClientAnswer::Outbox(Vec::new()));
}

pub fn cells_and_streams_keep_the_last_value<T: ClientTrial>() {
    let stream = |device, lane| StreamId { device: DeviceId([device; 8]), inc: Incarnation([1; 8]), lane };
    let state = |stream, text: &'static str| ClientOp::Stream { stream, state: Bytes::from_static(text.as_bytes()) };
    let (data, control) = (stream(1, Lane::Data), stream(1, Lane::Control));
    let mut store = T::new();
    store.persist(1, vec![state(data, "a"), ledger("1"), state(control, "b"), state(data, "c")]).unwrap();
    store.persist(2, vec![ClientOp::Vault(Bytes::from_static(b"v")), ledger("2"), ledger("3")]).unwrap();
    let image = store.image();
    assert_eq!((image.vault.as_deref(), image.ledger.as_deref()), (Some(&b"v"[..]), Some(&b"3"[..])));
    assert_eq!(image.streams, [(data, Bytes::from_static(b"c")), (control, Bytes::from_static(b"b"))]);
}

pub fn an_outbox_row_comes_back_as_it_was_and_is_told_apart_once_acknowledged<T: ClientTrial>() {
    let mut store = T::new();
    store.persist(1, vec![enqueue(2, b"two"), enqueue(1, b"one"), enqueue(3, b"three")]).unwrap();
    assert_eq!(store.image().outbox, [entry(1, b"one"), entry(2, b"two"), entry(3, b"three")], "by id");
    let acked = |id, position: Option<u64>| ClientOp::Acked { id: OutboxId(id), position: position.map(Position) };
    store.persist(2, vec![acked(1, Some(7)), acked(2, None), acked(9, Some(8))]).unwrap();
    let one = OutboxEntry { acked: true, position: Some(Position(7)), ..entry(1, b"one") };
    let two = OutboxEntry { acked: true, ..entry(2, b"two") };
    assert_eq!(store.image().outbox, [one, two, entry(3, b"three")]);
    store.persist(3, vec![ClientOp::Unacked(OutboxId(1)), ClientOp::Remove(OutboxId(2))]).unwrap();
    let one = OutboxEntry { acked: false, ..one };
    assert_eq!(store.image().outbox, [one, entry(3, b"three")], "it keeps its position");
    store.persist(4, vec![ClientOp::Remove(OutboxId(1)), enqueue(1, b"anew")]).unwrap();
    assert_eq!(store.image().outbox, [entry(1, b"anew"), entry(3, b"three")], "nothing sticks to a number");
}

pub fn outbox_bytes_are_answered_by_id_and_only_those_that_exist<T: ClientTrial>() {
    let mut store = T::new();
    store.persist(1, vec![enqueue(1, b"one"), enqueue(3, b"three"), enqueue(2, b"two")]).unwrap();
    let asked = [3, 9, 1, 3].map(OutboxId).to_vec();
    let rows = [(1, &b"one"[..]), (3, b"three")].map(|(id, blob)| (OutboxId(id), Bytes::from_static(blob))).to_vec();
    assert_eq!(store.load(ClientQuery::Outbox(asked)), ClientAnswer::Outbox(rows));
}

pub fn an_inbox_is_read_in_order_by_bytes_and_at_least_one<T: ClientTrial>() {
    let mut store = T::new();
    store.persist(1, vec![deliver(30, b"ccc"), deliver(10, b"a"), deliver(20, b"bb")]).unwrap();
    let mut positions =
        |after, max_bytes| store.inbox(after, max_bytes, false).into_iter().map(|(at, _)| at).collect::<Vec<_>>();
    assert_eq!(positions(0, 1000), [10, 20, 30]);
    assert_eq!(positions(10, 1000), [20, 30], "above the position");
    assert_eq!(positions(0, 3), [10, 20]);
    assert_eq!(positions(0, 2), [10]);
    assert_eq!(positions(20, 0), [30], "at least one");
    assert_eq!(positions(u64::MAX, 1000), [0; 0]);
    assert_eq!(store.inbox(10, 2, false), [(20, Bytes::from_static(b"bb"))]);
    assert_eq!(store.image().inbox, [(10, 1), (20, 2), (30, 3)].map(|(at, size)| (Position(at), size)));
}

pub fn own_acknowledged_blobs_stand_among_received_ones_if_asked_for<T: ClientTrial>() {
    let mut store = T::new();
    let acked = |id, at| ClientOp::Acked { id: OutboxId(id), position: Some(Position(at)) };
    store.persist(1, vec![enqueue(1, b"own"), enqueue(2, b"unsent"), deliver(10, b"x"), acked(1, 15)]).unwrap();
    store.persist(2, vec![deliver(20, b"y")]).unwrap();
    let texts = |rows: Vec<(u64, Bytes)>| rows.into_iter().map(|(at, blob)| (at, blob.to_vec())).collect::<Vec<_>>();
    assert_eq!(texts(store.inbox(0, 1000, false)), [(10, b"x".to_vec()), (20, b"y".to_vec())]);
    assert_eq!(texts(store.inbox(0, 1000, true)), [(10, b"x".to_vec()), (15, b"own".to_vec()), (20, b"y".to_vec())]);
    assert_eq!(texts(store.inbox(10, 3, true)), [(15, b"own".to_vec())]);
}

pub fn a_trim_takes_everything_up_to_its_position<T: ClientTrial>() {
    let mut store = T::new();
    store.persist(1, vec![deliver(10, b"a"), deliver(20, b"b"), deliver(30, b"c")]).unwrap();
    store.persist(2, vec![ClientOp::Trim(Position(20))]).unwrap();
    assert_eq!(store.inbox(0, 1000, false), [(30, Bytes::from_static(b"c"))]);
    store.persist(3, vec![ClientOp::Trim(Position(u64::MAX))]).unwrap();
    assert_eq!(store.image(), ClientImage::default());
}

pub fn held_rows_roster_and_verdicts_come_and_go<T: ClientTrial>() {
    let held = |number: u8, cursor| HeldRow {
        digest: Digest([number; 16]),
        cursor: Cursor(cursor),
        blob: Bytes::copy_from_slice(&[number; 3]),
    };
    let roster = |number, blob: &'static [u8]| RosterRow { number, blob: Bytes::from_static(blob) };
    let verdict = |id, text: &'static [u8]| ClientOp::Verdict { id, verdict: Bytes::from_static(text) };
    let mut store = T::new();
    store.persist(1, vec![ClientOp::Hold(held(1, 9)), ClientOp::Hold(held(2, 4)), ClientOp::Hold(held(3, 4))]).unwrap();
    store.persist(2, vec![ClientOp::Roster(roster(2, b"b")), ClientOp::Roster(roster(1, b"a"))]).unwrap();
    store.persist(3, vec![verdict(1, b"gap"), verdict(2, b"fork"), verdict(3, b"reset")]).unwrap();
    let image = store.image();
    assert_eq!(image.held, [held(2, 4), held(3, 4), held(1, 9)], "by cursor, then by digest");
    assert_eq!(image.roster, [roster(1, b"a"), roster(2, b"b")]);
    assert_eq!(image.verdicts.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [1, 2, 3]);
    store.persist(4, vec![ClientOp::Release(Digest([2; 16])), ClientOp::Settle(2)]).unwrap();
    let image = store.image();
    assert_eq!(image.held, [held(3, 4), held(1, 9)]);
    assert_eq!(image.verdicts, [(3, Bytes::from_static(b"reset"))]);
}

pub fn erase_takes_everything_but_the_counter_outside<T: ClientTrial>() {
    let mut store = T::new();
    store.persist(1, vec![ClientOp::Reserve(64), ledger("old"), enqueue(1, b"x"), deliver(5, b"y")]).unwrap();
    store.persist(2, vec![ClientOp::Erase, ledger("new")]).unwrap();
    let ledger = Some(Bytes::from_static(b"new"));
    assert_eq!(store.image(), ClientImage { reserved: 64, ledger, ..ClientImage::default() });
}
