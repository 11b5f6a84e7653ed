use super::*;

#[test]
fn the_wall_clock_is_told_once_and_again_when_it_jumps_either_way() {
    let mut clock = Clock::new();
    assert!(clock.moved(Time(5_000_000), UnixMillis(1_000_000)));
    assert!(!clock.moved(Time(65_000_000), UnixMillis(1_060_300)));
    assert!(clock.moved(Time(66_000_000), UnixMillis(1_062_000)));
    assert!(!clock.moved(Time(67_000_000), UnixMillis(1_063_000)));
    assert!(clock.moved(Time(68_000_000), UnixMillis(900_000)));
}

#[test]
fn d7_time_never_goes_back() {
    let clock = Clock::new();
    let earlier = clock.now();
    assert!(clock.now() >= earlier);
}
