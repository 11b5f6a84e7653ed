use proptest::prelude::*;

use super::*;
use crate::seal::tests::draw;

#[test]
fn a_code_is_four_groups_of_four() {
    let code = PairingCode::new([0, 0x44, 0x32, 0x14, 0xc7, 0x42, 0x54, 0xb6, 0x35, 0xcf]);
    assert_eq!(code.to_string(), "0123-4567-89AB-CDEF");
    assert_eq!("0123-4567-89AB-CDEF".parse(), Ok(code));
    assert_eq!(PairingCode::new([0xff; 10]).to_string(), "ZZZZ-ZZZZ-ZZZZ-ZZZZ");
}

#[test]
fn b16_what_people_type_is_forgiven() {
    let code: PairingCode = "0123-1567-89AB-CDEF".parse().unwrap();
    for typed in [
        "0123156789abcdef",
        " 0123 1567 89ab cdef ",
        "o123-I567-89AB-CDEF",
        "OL23-i567-89AB-cdef",
        "0123\u{2013}1567\u{2014}89AB\u{2212}CDEF",
        "0123\t1567\n89ab_cdef",
    ] {
        assert_eq!(typed.parse(), Ok(code.clone()), "{typed}");
    }
}

#[test]
fn what_is_no_code_is_named_so() {
    let read = |text: &str| text.parse::<PairingCode>();
    assert_eq!(read(""), Err(CodeFault::Length));
    assert_eq!(read("0123-4567-89AB-CDE"), Err(CodeFault::Length));
    assert_eq!(read("0123-4567-89AB-CDEF0"), Err(CodeFault::Length));
    assert_eq!(read("0123-4567-89AB-CDEU"), Err(CodeFault::Alphabet));
    assert_eq!(read("0123-4567-89AB-CDE!"), Err(CodeFault::Alphabet));
    assert_eq!(read("0123-4567-89AB-CDEé"), Err(CodeFault::Alphabet));
}

#[test]
fn a_code_prints_only_where_it_is_meant_to() {
    assert_eq!(format!("{:?}", PairingCode::new([9; 10])), "PairingCode(..)");
}

#[test]
fn codes_are_drawn_not_counted() {
    let mut draw = draw("codes");
    assert_ne!(PairingCode::generate(&mut draw), PairingCode::generate(&mut draw));
}

proptest! {
    #[test]
    fn every_code_can_be_typed(bytes in any::<[u8; 10]>()) {
        let code = PairingCode::new(bytes);
        prop_assert_eq!(code.to_string().parse::<PairingCode>(), Ok(code.clone()));
        prop_assert_eq!(code.to_string().to_lowercase().replace('0', "o").parse::<PairingCode>(), Ok(code));
    }

    #[test]
    fn any_text_is_no_panic(text in ".{0,60}") {
        let _ = text.parse::<PairingCode>();
    }
}
