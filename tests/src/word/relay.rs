//! A relay's word: what it acknowledged.

use std::collections::BTreeSet;

use zerok_core::ids::{Cursor, Digest};

/// Each acknowledged blob stands at its cursor, and each blob once; panics otherwise.
pub fn keeps_its_word(log: &[Digest], acked: &[(Digest, Cursor)]) {
    let mut once = BTreeSet::new();
    assert!(log.iter().all(|digest| once.insert(*digest)), "a blob stands twice in the log");
    for (digest, cursor) in acked {
        let place = usize::try_from(cursor.0).expect("a log of this machine") - 1;
        assert_eq!(log.get(place), Some(digest), "what was acknowledged at {} is not there", cursor.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Digest = Digest([1; 16]);
    const SECOND: Digest = Digest([2; 16]);

    #[test]
    fn a_log_with_everything_acknowledged_and_more_is_sound() {
        keeps_its_word(&[FIRST, SECOND], &[(SECOND, Cursor(2)), (SECOND, Cursor(2))]);
    }

    #[test]
    #[should_panic(expected = "what was acknowledged at 2")]
    fn an_acknowledged_blob_that_is_missing_is_noticed() {
        keeps_its_word(&[FIRST], &[(FIRST, Cursor(1)), (SECOND, Cursor(2))]);
    }

    #[test]
    #[should_panic(expected = "what was acknowledged at 1")]
    fn a_cursor_that_was_used_again_is_noticed() {
        keeps_its_word(&[SECOND], &[(FIRST, Cursor(1))]);
    }

    #[test]
    #[should_panic(expected = "twice")]
    fn a_blob_stored_twice_is_noticed() {
        keeps_its_word(&[FIRST, SECOND, FIRST], &[]);
    }
}
