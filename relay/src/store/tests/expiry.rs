//! Retention, as far as it is this store's own: hours, and work in chunks. What every store promises is in the testkit's suite.

use super::{log::count, *};

/// Far more than any clock in these tests moves.
const NO_CLAMP: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

fn kept_a_day(blobs: impl IntoIterator<Item = Bytes>, now: u64) -> Append {
    Append { retention: Duration::from_secs(24 * 3600), now: UnixMillis(now), ..run(1, blobs) }
}

#[test]
fn blobs_of_one_hour_expire_together_and_never_early() {
    let mut rig = rig();
    let start = NOON - NOON % HOUR;
    rig.append(kept_a_day([blob(1, 10)], start));
    rig.append(kept_a_day([blob(2, 10)], start + HOUR - 1));
    assert_eq!(rig.sweep(start + DAYS + HOUR - 2, NO_CLAMP), []);
    assert_eq!(rig.sweep(start + DAYS + HOUR - 1, NO_CLAMP), [(group_id(1), Cursor(2))]);
    assert_eq!(count(&rig, "marks"), 0);
}

#[test]
fn a_sweep_with_much_to_do_finishes_between_other_work() {
    let mut rig = rig();
    for batch in 0..7 {
        rig.append(kept_a_day((0..500).map(|n| blob(batch * 500 + n, 10)), NOON));
    }
    assert_eq!(rig.sweep(NOON + DAYS, NO_CLAMP), [(group_id(1), Cursor(999))], "one chunk is reported at once");
    // The rest needs no further sweep; appends go on meanwhile.
    let mut pushed = 3500;
    while rig.page(1, all_after(0)).floor < Cursor(3500) {
        pushed += 1;
        assert_eq!(rig.append(kept_a_day([blob(pushed, 10)], NOON + DAYS)), [at(pushed)]);
    }
    assert_eq!(rig.sweep(NOON + DAYS, NO_CLAMP), [(group_id(1), Cursor(3500))], "and is reported by the next");
    assert_eq!(count(&rig, "blobs"), i64::try_from(pushed - 3500).unwrap());
}
