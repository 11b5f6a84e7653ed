//! Quotas and a full disk: who is refused, and what a refusal leaves behind.

use super::*;

const FULL: Stored = Stored::Refused(WireCode::GroupFull);

/// A group of 100,000 bytes and many blobs.
fn tight(blobs: impl IntoIterator<Item = Bytes>) -> Append {
    Append { group_bytes: 100_000, ..run(1, blobs) }
}

/// Pushes until the store has no room. Answers how many it took.
pub fn fill<T: RelayTrial>(rig: &mut T) -> u64 {
    for n in 1..100_000 {
        match rig.try_persist(vec![RelayOp::Append(run(1, [blob(n, 4_000)]))]) {
            Ok(_) => {}
            Err(failure) => {
                assert_eq!(failure, StoreFailure::Full);
                return n - 1;
            }
        }
    }
    panic!("a bounded store never fills")
}

pub fn g5_large_blobs_leave_the_last_twentieth_to_small_ones_and_to_the_control_lane<T: RelayTrial>() {
    let mut rig = T::new();
    assert_eq!(rig.append(tight([blob(1, 93_000), blob(2, 2_000), blob(3, 1_025)])), [at(1), at(2), FULL]);
    assert_eq!(rig.append(tight([blob(4, 1_024)])), [at(3)], "small ones may");
    let control = Append { lane: Lane::Control, ..tight([blob(5, 3_000), blob(6, 977), blob(7, 976)]) };
    assert_eq!(rig.append(control), [at(4), FULL], "the control lane may, up to the quota itself");
    let control = Append { lane: Lane::Control, ..tight([blob(7, 976), blob(8, 8)]) };
    assert_eq!(rig.append(control), [at(5), FULL]);
}

pub fn g5_a_quota_of_blobs_holds_whatever_their_size<T: RelayTrial>() {
    let mut rig = T::new();
    let few = |blobs: Vec<Bytes>| Append { group_blobs: 20, ..run(1, blobs) };
    let large = rig.append(few((0..20).map(|n| blob(n, 1_025)).collect()));
    assert_eq!(large.len(), 20, "nothing after the first refusal");
    assert_eq!((large[18], large[19]), (at(19), FULL));
    assert_eq!(rig.append(few(vec![blob(50, 1), blob(51, 1)])), [at(20), FULL]);
}

pub fn a_run_stops_at_its_first_refusal_even_where_the_rest_would_fit<T: RelayTrial>() {
    let mut rig = T::new();
    assert_eq!(rig.append(tight([blob(1, 90_000), blob(2, 50_000), blob(3, 10)])), [at(1), FULL]);
    assert_eq!(rig.cursors(1, 0), [1]);
}

pub fn g5_a_full_group_still_answers_duplicates_and_pulls_and_leaves_others_alone<T: RelayTrial>() {
    let mut rig = T::new();
    rig.append(tight([blob(1, 95_000)]));
    assert_eq!(rig.append(tight([blob(1, 95_000), blob(2, 95_000)])), [duplicate(1), FULL]);
    assert_eq!(rig.cursors(1, 0), [1]);
    assert_eq!(rig.append(Append { group_bytes: 100_000, ..run(2, [blob(1, 95_000)]) }), [at(1)]);
}

pub fn g9_a_full_store_acknowledges_nothing_and_still_serves_and_deletes<T: RelayTrial>() {
    let mut rig = T::with_room(1 << 20);
    let stored = fill(&mut rig);
    assert!(stored > 100, "{stored}");
    assert_eq!(rig.page(1, all_after(stored - 3)).entries.len(), 3, "pulls work");
    assert_eq!(
        rig.try_persist(vec![RelayOp::Append(run(1, [blob(90_000, 10)]))]),
        Err(StoreFailure::Full),
        "latched, though this one would fit: nothing overtakes what was refused"
    );
    rig.load(RelayQuery::Open);
    assert_eq!(rig.sweep(NOON + 30 * DAYS, Duration::from_secs(60 * 24 * 3600)), [(group_id(1), Cursor(stored))]);
    let late = Append { now: UnixMillis(NOON + 30 * DAYS), ..run(1, [blob(1, 4_000)]) };
    assert_eq!(rig.append(late), [at(stored + 1)], "freed room is used again, and no cursor was lost");
}

pub fn what_a_failed_batch_pushed_is_not_remembered<T: RelayTrial>() {
    let mut rig = T::with_room(1 << 20);
    rig.append(run(1, [blob(0, 8)]));
    assert_eq!(
        rig.try_persist(vec![RelayOp::Append(run(1, (1..600).map(|n| blob(n, 4_000))))]),
        Err(StoreFailure::Full)
    );
    rig.load(RelayQuery::Open);
    assert_eq!(rig.append(run(1, [blob(0, 8), blob(1, 4_000), blob(2, 4_000)])), [duplicate(1), at(2), at(3)]);
    assert_eq!(rig.append(run(2, [blob(1, 8)])), [at(1)]);
}
