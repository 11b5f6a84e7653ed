//! Appending to a group's log and reading it.

use super::*;

pub fn g12_cursors_count_up_without_holes_per_group<T: RelayTrial>() {
    let mut rig = T::new();
    assert_eq!(rig.append(run(1, [blob(1, 100), blob(2, 100)])), [at(1), at(2)]);
    assert_eq!(rig.append(run(2, [blob(1, 100)])), [at(1)], "each group counts for itself");
    assert_eq!(rig.append(run(1, [blob(3, 100)])), [at(3)]);
    assert_eq!(rig.cursors(1, 0), [1, 2, 3]);
    assert_eq!(rig.cursors(1, 2), [3]);
    assert_eq!(rig.cursors(2, 0), [1]);
}

pub fn g12_a_blob_pushed_again_has_its_first_cursor_and_takes_none<T: RelayTrial>() {
    let mut rig = T::new();
    rig.append(run(1, [blob(1, 100), blob(2, 100)]));
    assert_eq!(
        rig.append(run(1, [blob(2, 100), blob(3, 100), blob(3, 100), blob(1, 100)])),
        [duplicate(2), at(3), duplicate(3), duplicate(1)]
    );
    assert_eq!(rig.append(run(2, [blob(2, 100)])), [at(1)], "another group knows nothing of it");
    assert_eq!(rig.cursors(1, 0), [1, 2, 3]);
}

pub fn an_append_reports_the_head_before_and_after_it_within_one_batch<T: RelayTrial>() {
    let mut rig = T::new();
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

pub fn a_batch_reports_one_outcome_for_each_operation_that_reports_any<T: RelayTrial>() {
    let mut rig = T::new();
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

pub fn two_runs_of_one_commit_see_each_other<T: RelayTrial>() {
    let mut rig = T::new();
    let outcomes = rig.persist(vec![
        RelayOp::Append(run(1, (0..300).map(|n| blob(n, 8)))),
        RelayOp::Append(Append { link: link(2), ..run(1, [blob(299, 8), blob(0, 8), blob(300, 8)]) }),
    ]);
    match &outcomes[1] {
        RelayOutcome::Appended { results, .. } => assert_eq!(results[..], [duplicate(300), duplicate(1), at(301)]),
        other => panic!("not an append: {other:?}"),
    }
}

pub fn a_load_sees_every_batch_its_machine_submitted_before_it<T: RelayTrial>() {
    let mut rig = T::new();
    for n in 1..=200 {
        rig.submit(0, vec![RelayOp::Append(run(1, [blob(n, 500)]))]);
        rig.ask(0, RelayQuery::Heads(vec![group_id(1)]));
    }
    let (mut persisted, mut loaded) = (0, 0);
    while loaded < 200 {
        match rig.answer(0) {
            StoreInput::Persisted { batch, .. } => {
                persisted += 1;
                assert_eq!(batch.0, persisted, "in order, each by itself");
            }
            StoreInput::Loaded { load, answer } => {
                loaded += 1;
                assert_eq!(load.0, loaded);
                let Ok(RelayAnswer::Heads(heads)) = answer else { panic!("no heads: {answer:?}") };
                assert!(heads[0].1.0 >= load.0, "load {load:?} sees head {:?}", heads[0].1);
            }
            other => panic!("unexpected: {other:?}"),
        }
    }
}

pub fn pages_are_cut_by_bytes_and_hold_one_blob_only_if_asked_to<T: RelayTrial>() {
    let mut rig = T::new();
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

pub fn a_page_carries_the_bytes_as_pushed_and_says_head_and_floor<T: RelayTrial>() {
    let mut rig = T::new();
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

pub fn an_unknown_group_is_an_empty_page_with_head_zero<T: RelayTrial>() {
    let mut rig = T::new();
    assert_eq!(rig.page(9, all_after(0)), LogPage::default());
    assert!(rig.page(9, all_after(5)).reset, "whoever has been further had another log");
    assert_eq!(rig.load(RelayQuery::Heads(vec![group_id(9)])), RelayAnswer::Heads(vec![(group_id(9), Cursor(0))]));
}

pub fn a12_a_wrong_tag_or_a_place_beyond_the_head_is_a_reset<T: RelayTrial>() {
    let mut rig = T::new();
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

pub fn welcome_names_what_this_link_stored_last_and_nobody_elses<T: RelayTrial>() {
    let mut rig = T::new();
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

pub fn a_duplicate_does_not_change_what_a_link_stored_last<T: RelayTrial>() {
    let mut rig = T::new();
    rig.append(run(1, [blob(1, 10), blob(2, 10)]));
    rig.append(run(1, [blob(1, 10)]));
    rig.persist(vec![seen(1, 1, 2, NOON)]);
    match rig.load(RelayQuery::Welcome { group: group_id(1), link: link(1), page: all_after(2) }) {
        RelayAnswer::Welcome { own, .. } => assert_eq!(own, Some((Cursor(2), Digest::of(&blob(2, 10))))),
        other => panic!("not a welcome: {other:?}"),
    }
}

pub fn everything_survives_a_reopen<T: RelayTrial>() {
    let mut rig = T::new();
    let named = rig.load(RelayQuery::Open);
    rig.append(run(1, [blob(1, 10), blob(2, 10)]));
    let mut rig = rig.reopen();
    assert_eq!(rig.load(RelayQuery::Open), named);
    assert_eq!(rig.append(run(1, [blob(2, 10), blob(3, 10)])), [duplicate(2), at(3)]);
    assert_eq!(rig.cursors(1, 0), [1, 2, 3]);
}
