use super::*;

fn judge(expression: &str) -> Option<bool> {
    satisfied(expression, &|licence| matches!(licence, "MIT" | "ISC" | "Apache-2.0" | "Apache-2.0 WITH LLVM-exception"))
}

#[test]
fn a_choice_needs_one_accepted_licence() {
    assert_eq!(judge("MIT"), Some(true));
    assert_eq!(judge("MIT OR GPL-3.0-only"), Some(true));
    assert_eq!(judge("MIT/GPL-3.0-only"), Some(true));
    assert_eq!(judge("GPL-3.0-only / AGPL-3.0-only"), Some(false));
}

#[test]
fn a_conjunction_needs_all_of_them_and_binds_tighter() {
    assert_eq!(judge("Apache-2.0 AND ISC"), Some(true));
    assert_eq!(judge("Apache-2.0 AND OpenSSL"), Some(false));
    assert_eq!(judge("MIT OR Apache-2.0 AND OpenSSL"), Some(true));
    assert_eq!(judge("(MIT OR Apache-2.0) AND OpenSSL"), Some(false));
}

#[test]
fn an_exception_makes_another_licence() {
    assert_eq!(judge("Apache-2.0 WITH LLVM-exception"), Some(true));
    assert_eq!(judge("MIT WITH LLVM-exception"), Some(false));
}

#[test]
fn what_cannot_be_read_is_refused() {
    for malformed in ["", "MIT OR", "AND MIT", "(MIT", "MIT)", "MIT ISC", "MIT OR OR ISC", "MIT WITH", "see LICENSE"] {
        assert_eq!(judge(malformed), None, "{malformed:?}");
    }
}
