use proptest::prelude::*;

use super::*;

#[test]
fn the_published_examples_hold() {
    for (plain, text) in [
        ("", ""),
        ("f", "my"),
        ("fo", "mzxq"),
        ("foo", "mzxw6"),
        ("foob", "mzxw6yq"),
        ("fooba", "mzxw6ytb"),
        ("foobar", "mzxw6ytboi"),
    ] {
        assert_eq!(encode(RFC4648, plain.as_bytes()), text);
        assert_eq!(decode(RFC4648, text).unwrap(), plain.as_bytes());
        assert_eq!(decode(RFC4648, &text.to_uppercase()).unwrap(), plain.as_bytes());
    }
}

#[test]
fn a_second_form_of_the_same_bytes_is_refused() {
    assert_eq!(decode(RFC4648, "mz"), None, "bits left over say something");
    assert_eq!(decode(RFC4648, "mya"), None, "a whole unused character");
    assert_eq!(decode(RFC4648, "m"), None);
    assert_eq!(decode(RFC4648, "my======"), None);
    assert_eq!(decode(RFC4648, "m1"), None, "not in the alphabet");
    assert_eq!(decode(CROCKFORD, "U0"), None, "not in Crockford's");
}

proptest! {
    #[test]
    fn what_is_written_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        for alphabet in [RFC4648, CROCKFORD] {
            prop_assert_eq!(decode(alphabet, &encode(alphabet, &bytes)), Some(bytes.clone()));
        }
    }

    #[test]
    fn what_is_read_has_one_form(text in "[a-z2-7]{0,40}") {
        if let Some(bytes) = decode(RFC4648, &text) {
            prop_assert_eq!(encode(RFC4648, &bytes), text);
        }
    }
}
