//! Appending and reading a group's log.

use super::*;

#[test]
fn g12_cursors_count_up_without_holes_per_group() {
    let mut rig = rig();
    assert_eq!(rig.append(run(1, [blob(1, 100), blob(2, 100)])), [at(1), at(2)]);
    assert_eq!(rig.append(run(2, [blob(1, 100)])), [at(1)], "each group counts for itself");
    assert_eq!(rig.append(run(1, [blob(3, 100)])), [at(3)]);
    assert_eq!(rig.cursors(1, 0), [1, 2, 3]);
    assert_eq!(rig.cursors(1, 2), [3]);
    assert_eq!(rig.cursors(2, 0), [1]);
}

#[test]
fn g12_a_blob_pushed_again_has_its_first_cursor_and_takes_none() {
    let mut rig = rig();
    rig.append(run(1, [blob(1, 100), blob(2, 100)]));
    assert_eq!(
        rig.append(run(1, [blob(2, 100), blob(3, 100), blob(3, 100), blob(1, 100)])),
        [duplicate(2), at(3), duplicate(3), duplicate(1)]
    );
    assert_eq!(rig.append(run(2, [blob(2, 100)])), [at(1)], "another group knows nothing of it");
    assert_eq!(rig.cursors(1, 0), [1, 2, 3]);
}

#[test]
fn an_append_reports_the_head_before_and_after_it_within_one_batch() {
    let mut rig = rig();
    let outcomes = rig.persist(vec![
        RelayOp::Append(run(1, [blob(1, 10)])),
        RelayOp::Append(run(1, [blob(1, 10)])),
        RelayOp::Append(run(1, [blob(2, 10), blob(3, 10)])),
    ]);
    let heads: Vec<_> = outcomes
        .iter()
        .map(|outcome| match outcome {
            RelayOutcome::Appended { before, head, .. } => (before.0, head.0),
            other => panic!("not an append: {other:?}"),
        })
        .collect();
    assert_eq!(heads, [(0, 1), (1, 1), (1, 3)]);
}

#[test]
fn a_batch_reports_one_outcome_for_each_operation_that_reports_any() {
    let mut rig = rig();
    let outcomes = rig.persist(vec![
        seen(1, 1, 0, NOON),
        RelayOp::Append(run(1, [blob(1, 10)])),
        RelayOp::CloseMailbox { id: mailbox_id(1) },
        send(1, Side::Creator, b"?", NOON),
    ]);
    assert!(matches!(
        outcomes[..],
        [RelayOutcome::Appended { .. }, RelayOutcome::Mailbox(Err(WireCode::InviteUnknown))]
    ));
}

#[test]
fn pages_are_cut_by_bytes_and_hold_one_blob_only_if_asked_to() {
    let mut rig = rig();
    rig.append(run(1, [blob(1, 1000), blob(2, 1000), blob(3, 1000)]));
    let mut entries =
        |max_bytes, at_least_one| rig.page(1, PageQuery { max_bytes, at_least_one, ..all_after(0) }).entries.len();
    assert_eq!(entries(2000, true), 2);
    assert_eq!(entries(2999, false), 2);
    assert_eq!(entries(3000, false), 3);
    assert_eq!(entries(999, true), 1, "the first one even when it alone is larger");
    assert_eq!(entries(999, false), 0);
    assert_eq!(entries(0, false), 0);
}

#[test]
fn a_page_carries_the_bytes_as_pushed_and_says_head_and_floor() {
    let mut rig = rig();
    let (small, large) = (Bytes::from_static(b"x"), Bytes::from(vec![7; 1 << 20]));
    rig.append(run(1, [small.clone(), large.clone()]));
    let page = rig.page(1, all_after(0));
    assert_eq!(
        page,
        LogPage {
            after: Cursor(0),
            floor: Cursor(0),
            head: Cursor(2),
            reset: false,
            entries: vec![(Cursor(1), small), (Cursor(2), large)],
        }
    );
}

#[test]
fn an_unknown_group_is_an_empty_page_with_head_zero() {
    let mut rig = rig();
    assert_eq!(rig.page(9, all_after(0)), LogPage::default());
    assert!(rig.page(9, all_after(5)).reset, "whoever has been further had another log");
    assert_eq!(rig.load(RelayQuery::Heads(vec![group_id(9)])), RelayAnswer::Heads(vec![(group_id(9), Cursor(0))]));
}

#[test]
fn a12_a_wrong_tag_or_a_place_beyond_the_head_is_a_reset() {
    let mut rig = rig();
    rig.append(run(1, [blob(1, 100), blob(2, 100)]));
    let right = Digest::of(&blob(1, 100)).tag();
    let wrong = Digest::of(&blob(2, 100)).tag();
    let mut reset = |after, tag| {
        let page = rig.page(1, PageQuery { after: Cursor(after), tag, ..all_after(0) });
        assert!(!page.reset || page.entries.is_empty(), "what follows another log is no use");
        assert_eq!(page.after.0, after);
        page.reset
    };
    assert!(!reset(1, right));
    assert!(reset(1, wrong));
    assert!(!reset(1, Tag::default()), "zeros are not compared");
    assert!(!reset(2, wrong), "the head's own tag");
    assert!(reset(3, Tag::default()));
    assert!(reset(u64::MAX, wrong));
    assert!(!reset(0, wrong), "nothing stands at zero");
}

#[test]
fn a12_a_log_that_was_rolled_back_and_regrown_is_noticed() {
    let mut rig = rig();
    rig.append(run(1, [blob(1, 100)]));
    // Closing moves the log into the file, so that the file alone is the state.
    let mut rig = rig.reopen();
    let old = std::fs::read(rig.path().join(super::super::FILE)).unwrap();
    rig.append(run(1, [blob(2, 100)]));
    let tag = Digest::of(&blob(2, 100)).tag();
    let Rig { db, dir, .. } = rig;
    drop(db);
    let dir = dir.unwrap();
    std::fs::write(dir.path().join(super::super::FILE), old).unwrap();
    let mut rig = open(dir.path(), 1, Settings::default());
    let at_two = PageQuery { after: Cursor(2), tag, ..all_after(0) };
    assert!(rig.page(1, at_two).reset, "rolled back");
    rig.append(run(1, [blob(3, 100), blob(4, 100)]));
    assert!(rig.page(1, at_two).reset, "rolled back and regrown");
}

#[test]
fn welcome_names_what_this_link_stored_last_and_nobody_elses() {
    let mut rig = rig();
    rig.append(run(1, [blob(1, 10)]));
    rig.append(Append { link: link(2), ..run(1, [blob(2, 10), blob(3, 10)]) });
    let mut own = |n| match rig.load(RelayQuery::Welcome { group: group_id(1), link: link(n), page: all_after(0) }) {
        RelayAnswer::Welcome { own, page } => {
            assert_eq!(page.entries.len(), 3);
            own
        }
        other => panic!("not a welcome: {other:?}"),
    };
    assert_eq!(own(1), Some((Cursor(1), Digest::of(&blob(1, 10)))));
    assert_eq!(own(2), Some((Cursor(3), Digest::of(&blob(3, 10)))));
    assert_eq!(own(3), None);
}

#[test]
fn a_duplicate_does_not_change_what_a_link_stored_last() {
    let mut rig = rig();
    rig.append(run(1, [blob(1, 10), blob(2, 10)]));
    rig.append(run(1, [blob(1, 10)]));
    rig.persist(vec![seen(1, 1, 2, NOON)]);
    match rig.load(RelayQuery::Welcome { group: group_id(1), link: link(1), page: all_after(2) }) {
        RelayAnswer::Welcome { own, .. } => assert_eq!(own, Some((Cursor(2), Digest::of(&blob(2, 10))))),
        other => panic!("not a welcome: {other:?}"),
    }
}

#[test]
fn seen_creates_nothing_for_an_unknown_group() {
    let mut rig = rig();
    assert_eq!(rig.persist(vec![seen(5, 1, 3, NOON)]), []);
    assert_eq!(count(&rig, "groups") + count(&rig, "members"), 0);
}

#[test]
fn a_group_remembers_a_bounded_number_of_links() {
    let mut rig = rig();
    rig.append(run(1, [blob(1, 10)]));
    for n in 0..300_u16 {
        let mut key = [9; 32];
        key[..2].copy_from_slice(&n.to_be_bytes());
        let day = NOON + u64::from(n) * DAYS;
        rig.persist(vec![RelayOp::Seen {
            group: group_id(1),
            link: LinkKey(key),
            acked: Cursor(1),
            now: UnixMillis(day),
        }]);
    }
    assert_eq!(count(&rig, "members"), super::super::member::MAX_LINKS);
}

#[test]
fn everything_survives_a_reopen() {
    let mut rig = rig();
    let relay_id = rig.db.relay_id();
    rig.append(run(1, [blob(1, 10), blob(2, 10)]));
    let mut rig = rig.reopen();
    assert_eq!(rig.load(RelayQuery::Open), RelayAnswer::Opened { relay_id });
    assert_eq!(rig.append(run(1, [blob(2, 10), blob(3, 10)])), [duplicate(2), at(3)]);
    assert_eq!(rig.cursors(1, 0), [1, 2, 3]);
}

#[test]
fn two_stores_never_have_the_same_name() {
    assert_ne!(rig().db.relay_id(), rig().db.relay_id());
}

#[test]
fn a_kibibyte_costs_at_most_two_fifths_more_on_disk() {
    // A sealed kibibyte of payload; the figure of performance.md.
    let mut rig = rig();
    for batch in 0..40 {
        rig.append(run(1, (0..250).map(|n| blob(batch * 250 + n, 1191))));
    }
    let path = rig.path().join(super::super::FILE);
    let Rig { db, dir: _dir, .. } = rig;
    drop(db);
    let per_blob = std::fs::metadata(path).unwrap().len() / 10_000;
    assert!(per_blob * 10 <= 1024 * 14, "{per_blob} bytes a blob");
}

/// Rows of a table, read past the store.
pub(super) fn count(rig: &Rig, table: &str) -> i64 {
    let conn = rusqlite::Connection::open(rig.path().join(super::super::FILE)).unwrap();
    conn.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}
