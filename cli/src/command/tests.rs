use std::collections::BTreeSet;

use super::{invite::newcomer, status::ago};
use zerok_core::{ids::DeviceId, time::UnixMillis};

#[test]
fn times_are_said_as_a_person_says_them() {
    let said = |seconds: u64| ago(UnixMillis(1_000_000_000), UnixMillis(1_000_000_000 + seconds * 1000));
    assert_eq!(
        [said(5), said(60), said(7200), said(86_400 * 3)],
        ["just now", "1 minute ago", "2 hours ago", "3 days ago"]
    );
    assert_eq!(ago(UnixMillis(2000), UnixMillis(1000)), "in the future, says the clock");
}

#[test]
fn whoever_was_not_in_the_group_before_is_the_device_that_was_invited() {
    let id = |n: u8| DeviceId([n; 8]);
    let before = BTreeSet::from([id(1), id(2)]);
    assert_eq!(newcomer([id(1), id(2)].into_iter(), &before), None);
    assert_eq!(newcomer([id(2), id(3), id(1)].into_iter(), &before), Some(id(3)));
}
