//! Retention: what goes when, what the floor says, and what a wild clock may do.

use super::*;

const CLAMP: Duration = Duration::from_secs(3600);
/// Far more than any clock in these tests moves.
const NO_CLAMP: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

fn kept_a_day(blobs: impl IntoIterator<Item = Bytes>, now: u64) -> Append {
    Append { retention: Duration::from_secs(24 * 3600), now: UnixMillis(now), ..run(1, blobs) }
}

pub fn blobs_expire_after_their_retention_and_the_floor_says_so<T: RelayTrial>() {
    let mut rig = T::new();
    rig.append(kept_a_day([blob(1, 10), blob(2, 10)], NOON));
    rig.append(kept_a_day([blob(3, 10)], NOON + 2 * HOUR));
    assert_eq!(rig.sweep(NOON + DAYS - 1, NO_CLAMP), []);
    assert_eq!(rig.sweep(NOON + DAYS, NO_CLAMP), [(group_id(1), Cursor(2))]);
    let page = rig.page(1, all_after(0));
    assert_eq!((page.floor, page.head, page.entries.len()), (Cursor(2), Cursor(3), 1));
    assert_eq!(rig.sweep(NOON + DAYS + 2 * HOUR, NO_CLAMP), [(group_id(1), Cursor(3))]);
    assert_eq!(rig.page(1, all_after(3)).head, Cursor(3), "an empty log keeps its head");
    assert_eq!(rig.append(kept_a_day([blob(4, 10)], NOON + 2 * DAYS)), [at(4)], "no cursor comes twice");
}

pub fn the_tag_at_the_floor_outlives_its_blob_and_below_it_nothing_is_compared<T: RelayTrial>() {
    let mut rig = T::new();
    rig.append(kept_a_day([blob(1, 10), blob(2, 10)], NOON));
    rig.append(kept_a_day([blob(3, 10)], NOON + 2 * HOUR));
    rig.sweep(NOON + DAYS, NO_CLAMP);
    let mut reset = |after, n| {
        rig.page(1, PageQuery { after: Cursor(after), tag: Digest::of(&blob(n, 10)).tag(), ..all_after(0) }).reset
    };
    assert!(!reset(2, 2));
    assert!(reset(2, 9));
    assert!(!reset(1, 9), "below the floor");
}

pub fn a_blob_is_known_until_it_expires_and_new_after_that<T: RelayTrial>() {
    let mut rig = T::new();
    rig.append(kept_a_day([blob(1, 10)], NOON));
    assert_eq!(rig.append(kept_a_day([blob(1, 10)], NOON + HOUR)), [duplicate(1)]);
    rig.sweep(NOON + DAYS, NO_CLAMP);
    assert_eq!(rig.append(kept_a_day([blob(1, 10)], NOON + DAYS)), [at(2)]);
}

pub fn expiry_gives_back_what_the_quota_counted<T: RelayTrial>() {
    let mut rig = T::new();
    let tight = |n| Append { group_bytes: 100_000, ..kept_a_day([blob(n, 60_000)], NOON) };
    assert_eq!(rig.append(tight(1)), [at(1)]);
    assert_eq!(rig.append(tight(2)), [Stored::Refused(WireCode::GroupFull)]);
    rig.sweep(NOON + DAYS, NO_CLAMP);
    assert_eq!(rig.append(tight(2)), [at(2)]);
}

pub fn g13_a_clock_that_jumps_ten_years_expires_an_hour_a_sweep<T: RelayTrial>() {
    let mut rig = T::new();
    rig.append(kept_a_day([blob(1, 10)], NOON));
    let wild = NOON + 3650 * DAYS;
    for _ in 0..23 {
        assert_eq!(rig.sweep(wild, CLAMP), []);
    }
    assert_eq!(rig.sweep(wild, CLAMP), [(group_id(1), Cursor(1))], "the 24th hour");
}

pub fn g13_a_clock_set_back_shortens_no_retention_and_stops_no_expiry<T: RelayTrial>() {
    let mut rig = T::new();
    rig.append(kept_a_day([blob(1, 10)], NOON));
    rig.sweep(NOON + 12 * HOUR, NO_CLAMP);
    rig.append(kept_a_day([blob(2, 10)], NOON - 100 * DAYS));
    assert_eq!(rig.sweep(NOON - 100 * DAYS, NO_CLAMP), [], "the clock never goes back");
    assert_eq!(rig.sweep(NOON + DAYS, NO_CLAMP), [(group_id(1), Cursor(1))]);
    assert_eq!(rig.sweep(NOON + DAYS + 12 * HOUR, NO_CLAMP), [(group_id(1), Cursor(2))]);
}

pub fn g13_blobs_stored_under_a_clock_ten_years_ahead_go_with_their_successors<T: RelayTrial>() {
    let mut rig = T::new();
    rig.append(kept_a_day([blob(1, 10)], NOON));
    rig.append(kept_a_day([blob(2, 10)], NOON + 3650 * DAYS));
    rig.append(kept_a_day([blob(3, 10)], NOON + HOUR));
    assert_eq!(rig.sweep(NOON + DAYS + HOUR, NO_CLAMP), [(group_id(1), Cursor(3))]);
}

pub fn the_expiry_clock_survives_a_restart<T: RelayTrial>() {
    let mut rig = T::new();
    rig.append(kept_a_day([blob(1, 10)], NOON));
    rig.sweep(NOON + 10 * HOUR, NO_CLAMP);
    let mut rig = rig.reopen();
    for _ in 0..13 {
        assert_eq!(rig.sweep(NOON + 3650 * DAYS, CLAMP), []);
    }
    assert_eq!(rig.sweep(NOON + 3650 * DAYS, CLAMP), [(group_id(1), Cursor(1))]);
}
