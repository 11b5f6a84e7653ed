use super::*;

fn counts(instructions: f64, allocations: f64) -> Counts {
    let costs = [("push".to_owned(), Cost { instructions, hashing: 100.0, allocations })].into();
    Counts { compiler: "rustc 1".to_owned(), costs }
}

#[test]
fn what_stays_within_the_tolerance_passes() {
    for now in [counts(1000.0, 10.0), counts(1029.0, 10.2), counts(971.0, 9.8)] {
        assert_eq!(judge(&counts(1000.0, 10.0), &now), Ok(Outcome::passed()));
    }
    // From nothing to nothing is no change, though it is no ratio either.
    assert_eq!(judge(&counts(1000.0, 0.0), &counts(1000.0, 0.0)), Ok(Outcome::passed()));
}

#[test]
fn a_rise_of_either_fails_and_says_by_how_much() {
    let failure = judge(&counts(1000.0, 10.0), &counts(1031.0, 10.0)).unwrap_err().to_string();
    assert!(failure.contains("push: 1000.00 instructions a blob before, 1031.00 now (+3.1 %)"), "{failure}");
    assert!(judge(&counts(1000.0, 10.0), &counts(900.0, 10.5)).is_err());
    assert!(judge(&counts(1000.0, 0.0), &counts(1000.0, 1.0)).is_err());
}

#[test]
fn a_rise_under_another_compiler_names_both() {
    let other = Counts { compiler: "rustc 2".to_owned(), ..counts(1100.0, 10.0) };
    let failure = judge(&counts(1000.0, 10.0), &other).unwrap_err().to_string();
    assert!(failure.contains("rustc 1, this is rustc 2"), "{failure}");
}

#[test]
fn a_fall_passes_and_asks_to_be_written_down() {
    let Ok(Outcome::Passed(note)) = judge(&counts(1000.0, 10.0), &counts(900.0, 8.0)) else { panic!("it passes") };
    assert!(note.starts_with("2 counts fell"), "{note}");
}
