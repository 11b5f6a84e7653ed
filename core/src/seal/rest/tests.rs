use super::*;
use crate::seal::tests::draw;

#[test]
fn what_is_sealed_opens_with_the_same_key_and_label_only() {
    let key = StoreKey::new([1; 32]);
    let sealed = seal_at_rest(&key, "vault", b"secrets", &mut draw("rest"));
    assert_eq!(**open_at_rest(&key, "vault", &sealed).unwrap(), *b"secrets");
    assert!(open_at_rest(&key, "ledger", &sealed).is_none());
    assert!(open_at_rest(&StoreKey::new([2; 32]), "vault", &sealed).is_none());
}

#[test]
fn any_changed_bit_or_missing_byte_is_noticed() {
    let key = StoreKey::new([1; 32]);
    let sealed = seal_at_rest(&key, "vault", b"secrets", &mut draw("rest"));
    for at in 0..sealed.len() {
        let mut bytes = sealed.to_vec();
        bytes[at] ^= 1;
        assert!(open_at_rest(&key, "vault", &bytes).is_none(), "byte {at}");
        assert!(open_at_rest(&key, "vault", &sealed[..at]).is_none(), "{at} bytes");
    }
}

#[test]
fn nothing_is_sealed_twice_alike() {
    let (key, mut draw) = (StoreKey::new([1; 32]), draw("rest"));
    assert_ne!(seal_at_rest(&key, "vault", b"x", &mut draw), seal_at_rest(&key, "vault", b"x", &mut draw));
    assert!(open_at_rest(&key, "vault", &seal_at_rest(&key, "vault", b"", &mut draw)).unwrap().is_empty());
}
