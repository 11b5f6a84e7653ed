//! Quotas: who may use the last twentieth, what makes room, and what a refusal leaves behind.

use super::{log::count, *};

const FULL: Stored = Stored::Refused(WireCode::GroupFull);

/// A group of 100,000 bytes and many blobs.
fn tight(blobs: impl IntoIterator<Item = Bytes>) -> Append {
    Append { group_bytes: 100_000, ..run(1, blobs) }
}

#[test]
fn g4_a_refused_first_blob_leaves_no_trace_of_its_group() {
    let mut rig = rig();
    assert_eq!(rig.append(tight([blob(1, 100_001)])), [FULL]);
    assert_eq!(count(&rig, "groups") + count(&rig, "members") + count(&rig, "origins"), 0);
}

#[test]
fn g4_new_groups_are_counted_by_origin_and_day() {
    let mut rig = rig();
    let found = |group, origin, now| Append {
        groups_per_day: 2,
        origin: Origin([origin; 8]),
        now: UnixMillis(now),
        ..run(group, [blob(1, 10)])
    };
    let refused = [Stored::Refused(WireCode::TooManyGroups)];
    assert_eq!(rig.append(found(1, 1, NOON)), [at(1)]);
    assert_eq!(rig.append(found(2, 1, NOON)), [at(1)]);
    assert_eq!(rig.append(found(3, 1, NOON)), refused);
    assert_eq!(rig.append(found(2, 1, NOON)), [duplicate(1)], "known groups are not new");
    assert_eq!(rig.append(found(3, 2, NOON)), [at(1)], "another origin");
    assert_eq!(rig.append(found(4, 1, NOON + DAYS)), [at(1)], "another day");
    assert_eq!(rig.append(Append { groups_per_day: 0, ..found(5, 9, NOON) }), refused);
    assert_eq!(count(&rig, "groups"), 4);
    rig.sweep(NOON + 3 * DAYS, Duration::from_secs(1));
    assert_eq!(count(&rig, "origins"), 0, "what is over is forgotten");
}

#[test]
fn a_crowded_group_loses_what_every_link_has_acknowledged_oldest_first() {
    let mut rig = rig();
    let many = |range: std::ops::Range<u64>| Append { group_blobs: 100, ..run(1, range.map(|n| blob(n, 10))) };
    rig.append(many(0..92));
    rig.persist(vec![seen(1, 1, 60, NOON), seen(1, 2, 40, NOON)]);
    assert_eq!(
        rig.sweep(NOON, Duration::from_secs(3600)),
        [(group_id(1), Cursor(2))],
        "down to nine tenths, no further"
    );
    assert_eq!(rig.cursors(1, 0).first(), Some(&3));
    assert_eq!(rig.sweep(NOON, Duration::from_secs(3600)), []);
}

#[test]
fn what_one_link_has_not_acknowledged_stays_until_that_link_is_silent_for_thirty_days() {
    let mut rig = rig();
    let many = |range: std::ops::Range<u64>, now| Append {
        group_blobs: 100,
        now: UnixMillis(now),
        ..run(1, range.map(|n| blob(n, 10)))
    };
    rig.append(many(0..100, NOON));
    rig.persist(vec![seen(1, 1, 100, NOON), seen(1, 2, 0, NOON)]);
    assert_eq!(rig.sweep(NOON, Duration::from_secs(3600)), []);
    assert_eq!(rig.append(many(200..201, NOON)), [FULL]);
    let later = NOON + 31 * DAYS;
    rig.persist(vec![seen(1, 1, 100, later)]);
    let moved = rig.sweep(later, Duration::from_secs(3600));
    assert_eq!(moved, [(group_id(1), Cursor(10))]);
}

#[test]
fn a_push_that_would_be_refused_makes_room_from_acknowledged_blobs_first() {
    let mut rig = rig();
    rig.append(tight((0..95).map(|n| blob(n, 1_000))));
    rig.persist(vec![seen(1, 1, 95, NOON)]);
    assert_eq!(rig.append(tight([blob(100, 2_000)])), [at(96)]);
    let page = rig.page(1, all_after(0));
    assert!(page.floor.0 >= 5, "floor {:?}", page.floor);
    assert_eq!(page.entries.len() as u64, page.head.0 - page.floor.0);
}

#[test]
fn an_acknowledgement_beyond_the_head_counts_as_the_head() {
    let mut rig = rig();
    let many = |range: std::ops::Range<u64>| Append { group_blobs: 10, ..run(1, range.map(|n| blob(n, 10))) };
    rig.append(many(0..5));
    rig.persist(vec![seen(1, 1, u64::MAX, NOON)]);
    rig.append(many(5..10));
    rig.sweep(NOON, Duration::from_secs(3600));
    assert_eq!(rig.cursors(1, 0), [2, 3, 4, 5, 6, 7, 8, 9, 10], "only what it can have seen");
    rig.persist(vec![seen(1, 1, 3, NOON)]);
    rig.append(many(10..11));
    rig.sweep(NOON, Duration::from_secs(3600));
    assert_eq!(rig.cursors(1, 0).first(), Some(&3), "an acknowledgement never goes back");
}

#[test]
fn g14_a_cursor_at_its_end_is_refused_cleanly() {
    let mut rig = rig();
    rig.append(run(1, [blob(1, 10)]));
    // What the store knows by heart would not follow a change behind its back.
    let mut rig = rig.reopen();
    {
        let conn = rusqlite::Connection::open(rig.path().join(super::super::FILE)).unwrap();
        let head = (1_i64 << 40) - 2;
        conn.execute("UPDATE groups SET head = ?1, floor = ?1 - 1", [head]).unwrap();
        let mut list = vec![0; usize::try_from((head - 1) % 256 * 16).unwrap()];
        list.extend(Digest::of(&blob(1, 10)).0);
        conn.execute("UPDATE digests SET place = (1 << 40) | ?1, list = ?2", rusqlite::params![(head - 1) / 256, list])
            .unwrap();
        conn.execute("UPDATE blobs SET place = (1 << 40) | ?1", [head]).unwrap();
    }
    let last = (1 << 40) - 1;
    assert_eq!(rig.append(run(1, [blob(2, 10), blob(3, 10)])), [at(last), FULL]);
    assert_eq!(rig.append(run(1, [blob(2, 10)])), [duplicate(last)]);
    assert_eq!(rig.append(run(2, [blob(2, 10)])), [at(1)], "the next group's rows begin after it");
    assert_eq!(rig.cursors(1, last - 2), [last - 1, last]);
}
