use super::*;
use crate::{
    limits::{MAX_BLOB, MAX_PAYLOAD, MAX_SEEN},
    seal::record::BLOB_OVERHEAD,
};

#[test]
fn short_records_all_look_alike() {
    for len in 0..=FLOOR {
        assert_eq!(Padding::Padme.padded_len(len), FLOOR);
    }
    assert!(Padding::Padme.padded_len(FLOOR + 1) > FLOOR);
}

#[test]
fn lengths_are_those_of_the_published_scheme() {
    for (len, padded) in [(257, 272), (272, 272), (1000, 1024), (1024, 1024), (1025, 1088), (100_000, 100_352)] {
        assert_eq!(Padding::Padme.padded_len(len), padded, "{len}");
    }
}

#[test]
fn padding_grows_with_the_record_and_costs_at_most_an_eighth() {
    let (mut last, mut sizes) = (0, 0);
    for len in FLOOR..=MAX_BLOB {
        let padded = Padding::Padme.padded_len(len);
        assert!(padded >= len && padded >= last && (padded - len) * 8 <= len, "{len} to {padded}");
        assert_eq!(Padding::Padme.padded_len(padded), padded, "padding again changes nothing");
        sizes += usize::from(padded != last);
        last = padded;
    }
    assert!(sizes < 300, "{sizes} distinct sizes tell little");
}

#[test]
fn none_changes_nothing() {
    for len in [0, 1, 255, 257, MAX_BLOB] {
        assert_eq!(Padding::None.padded_len(len), len);
    }
}

#[test]
fn the_largest_record_fits_into_the_largest_blob() {
    let record = 118 + 2 + 33 * MAX_SEEN + MAX_PAYLOAD;
    assert!(Padding::Padme.padded_len(record) + BLOB_OVERHEAD <= MAX_BLOB);
}
