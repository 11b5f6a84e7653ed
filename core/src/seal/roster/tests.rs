use proptest::prelude::*;

use super::*;
use crate::seal::tests::found;

#[test]
fn payloads_survive_their_bytes() {
    let add = AddPayload { device: found("roster").keys.public(), name: "Téléphone".to_owned() };
    assert_eq!(AddPayload::decode(&add.encode()), Ok(add));
    let rename = RenamePayload { name: "desk".to_owned() };
    assert_eq!(RenamePayload::decode(&rename.encode()), Ok(rename));
    let heads = HeadsPayload { control_seq: 7, control_hash: RecordHash([9; 16]) };
    assert_eq!(HeadsPayload::decode(&heads.encode()), Ok(heads));
}

#[test]
fn trailing_or_missing_bytes_are_refused() {
    let add = AddPayload { device: found("roster").keys.public(), name: "phone".to_owned() }.encode();
    let rename = RenamePayload { name: "desk".to_owned() }.encode();
    let heads = HeadsPayload { control_seq: 7, control_hash: RecordHash([9; 16]) }.encode();
    for bytes in [add, rename, heads] {
        let longer = [&bytes[..], &[0]].concat();
        for bytes in [&bytes[..bytes.len() - 1], &longer] {
            assert!(AddPayload::decode(bytes).is_err());
            assert!(RenamePayload::decode(bytes).is_err());
            assert!(HeadsPayload::decode(bytes).is_err());
        }
    }
}

#[test]
fn names_are_cut_at_64_bytes_on_a_characters_edge() {
    assert_eq!(clean_name(&"a".repeat(65)).len(), 64);
    assert_eq!(clean_name(&"é".repeat(40)).len(), 64);
    assert_eq!(clean_name(&format!("{}€", "a".repeat(62))).len(), 62, "three bytes do not fit into two");
    assert_eq!(clean_name("  my\u{1b}[31m\nphone "), "my[31mphone");
    assert_eq!(clean_name(&format!("{} b", "a".repeat(63))), "a".repeat(63), "no space is left at the cut");
    assert_eq!(clean_name("\u{1b} phone\u{202e}"), "phone", "nor where a control character was");
    let long = RenamePayload { name: "x".repeat(1000) };
    assert_eq!(RenamePayload::decode(&long.encode()).unwrap().name.len(), MAX_NAME);
}

#[test]
fn a_name_that_could_play_tricks_on_a_terminal_is_refused() {
    for name in [&b"a\x1b[2J"[..], b"a\nb", b" a", b"\xff", "a\u{202e}b".as_bytes()] {
        let bytes = [&[u8::try_from(name.len()).unwrap()], name].concat();
        assert_eq!(RenamePayload::decode(&bytes), Err(SealFault::Structure), "{name:?}");
    }
    let long = [&[65][..], &[b'a'; 65]].concat();
    assert_eq!(RenamePayload::decode(&long), Err(SealFault::Structure));
}

proptest! {
    #[test]
    fn every_cleaned_name_can_be_read_back(name in "[ \\x00-\\x1f a-z\u{e9}\u{20ac}\u{202e}]{0,100}") {
        let rename = RenamePayload { name: clean_name(&name) };
        prop_assert_eq!(RenamePayload::decode(&rename.encode()), Ok(rename));
    }

    #[test]
    fn any_bytes_are_no_panic_and_have_one_form(bytes in proptest::collection::vec(any::<u8>(), 0..170)) {
        if let Ok(payload) = AddPayload::decode(&bytes) {
            prop_assert_eq!(payload.encode(), bytes.clone());
        }
        if let Ok(payload) = RenamePayload::decode(&bytes) {
            prop_assert_eq!(payload.encode(), bytes);
        }
    }
}
