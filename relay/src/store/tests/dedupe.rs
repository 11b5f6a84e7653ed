//! Finding what is there already, far back, after a restart, and when memory is short.

use super::*;

/// More than two blocks and a part of a row.
const MANY: u64 = 2 * 4096 + 300;

fn filled() -> Rig {
    let mut rig = rig();
    for base in (0..MANY).step_by(500) {
        rig.append(run(1, (base..MANY.min(base + 500)).map(|n| blob(n, 8))));
    }
    rig
}

#[test]
fn g12_a_blob_far_back_is_found_in_filters_in_rows_and_after_a_restart() {
    let check = |rig: &mut Rig| {
        for n in [0, 1, 255, 256, 4095, 4096, 4097, 8191, 8192, 8447, 8448, MANY - 1] {
            assert_eq!(rig.append(run(1, [blob(n, 8)])), [duplicate(n + 1)], "blob {n}");
        }
    };
    let mut rig = filled();
    check(&mut rig);
    let mut rig = rig.reopen();
    check(&mut rig);
    assert_eq!(rig.append(run(1, [blob(MANY, 8)])), [at(MANY + 1)]);
    assert_eq!(rig.append(run(1, [blob(MANY, 8)])), [duplicate(MANY + 1)]);
}

#[test]
fn g12_no_new_blob_is_ever_taken_for_an_old_one() {
    let mut rig = filled();
    // Each new one asks two filters: some meet one that says "perhaps" in vain.
    let fresh: Vec<_> = (0..9_000).map(|n| blob(1 << 41 | n, 8)).collect();
    let expected: Vec<_> = (0..9_000).map(|n| at(MANY + 1 + n)).collect();
    assert_eq!(rig.append(run(1, fresh)), expected);
}

#[test]
fn tags_are_right_at_every_edge_of_rows_and_blocks() {
    let mut rig = filled();
    for n in [1, 255, 256, 257, 4095, 4096, 4097, 8192, 8193, MANY] {
        let page = |tag| PageQuery { after: Cursor(n), tag, max_bytes: 8, at_least_one: true };
        assert!(!rig.page(1, page(Digest::of(&blob(n - 1, 8)).tag())).reset, "cursor {n}");
        assert!(rig.page(1, page(Digest::of(&blob(n, 8)).tag())).reset, "cursor {n}");
    }
}

#[test]
fn what_expired_in_the_middle_of_a_row_is_new_again_and_the_rest_is_not() {
    let mut rig = rig();
    let day = |from: u64, to: u64, now| Append {
        retention: Duration::from_secs(24 * 3600),
        now: UnixMillis(now),
        ..run(1, (from..to).map(|n| blob(n, 8)))
    };
    rig.append(day(0, 4_500, NOON));
    rig.append(day(4_500, 5_000, NOON + 2 * HOUR));
    while rig.page(1, all_after(5_000)).floor < Cursor(4_500) {
        rig.sweep(NOON + DAYS, Duration::from_secs(24 * 3600));
    }
    let again = |rig: &mut Rig, n, cursor| {
        assert_eq!(rig.append(day(n, n + 1, NOON + DAYS)), [at(cursor)]);
        assert_eq!(rig.append(day(n, n + 1, NOON + DAYS)), [duplicate(cursor)]);
    };
    assert_eq!(rig.append(day(4_500, 4_501, NOON + DAYS)), [duplicate(4_501)]);
    again(&mut rig, 4_499, 5_001);
    again(&mut rig, 0, 5_002);
    let mut rig = rig.reopen();
    assert_eq!(rig.append(day(4_500, 4_501, NOON + DAYS)), [duplicate(4_501)]);
    assert_eq!(rig.append(day(4_499, 4_500, NOON + DAYS)), [duplicate(5_001)]);
    again(&mut rig, 100, 5_003);
    assert!(super::log::count(&rig, "digests") <= 5, "rows below the floor are gone");
    assert_eq!(super::log::count(&rig, "filters"), 0);
}

#[test]
fn memory_for_digests_is_bounded_however_many_groups_push() {
    let conn_dir = tempfile::tempdir().unwrap();
    let ready = super::super::schema::open(conn_dir.path()).unwrap();
    let mut digests = super::super::digests::Digests::with_budget(100_000);
    let id = |group: i64, n: u64| Digest::of(&[&group.to_le_bytes()[..], &n.to_le_bytes()].concat());
    for group in 1..200 {
        for n in 0..100 {
            digests.add(&ready.writer, group, (0, n), id(group, n)).unwrap();
        }
        digests.flush(&ready.writer).unwrap();
        digests.committed();
        assert!(digests.bytes() <= 100_000);
    }
    for group in 1..200 {
        assert_eq!(digests.find(&ready.writer, group, (0, 100), id(group, 57)).unwrap(), Some(58), "group {group}");
        assert_eq!(digests.find(&ready.writer, group, (58, 100), id(group, 57)).unwrap(), None, "below the floor");
        assert_eq!(digests.find(&ready.writer, group, (0, 100), id(group, 100)).unwrap(), None);
        digests.committed();
        assert!(digests.bytes() <= 100_000);
    }
}
