use super::status::ago;
use zerok_core::time::UnixMillis;

#[test]
fn times_are_said_as_a_person_says_them() {
    let said = |seconds: u64| ago(UnixMillis(1_000_000_000), UnixMillis(1_000_000_000 + seconds * 1000));
    assert_eq!(
        [said(5), said(60), said(7200), said(86_400 * 3)],
        ["just now", "1 minute ago", "2 hours ago", "3 days ago"]
    );
    assert_eq!(ago(UnixMillis(2000), UnixMillis(1000)), "in the future, says the clock");
}
