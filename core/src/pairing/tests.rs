use super::{code::PairingCode, *};

#[test]
fn b2_mailbox_and_key_both_depend_on_the_whole_secret_and_on_the_relay() {
    let relay = RelayKey([5; 32]);
    let base = PairingCode::new([9; 10]).secret(&relay);
    let mut others =
        vec![PairingCode::new([9; 10]).secret(&RelayKey([6; 32])), PairingSecret::derive(&[9; 32], &relay)];
    others.extend((0..80).map(|bit| {
        let mut code = [9; 10];
        code[bit / 8] ^= 1 << (bit % 8);
        PairingCode::new(code).secret(&relay)
    }));
    for other in others {
        assert_ne!(base.mailbox, other.mailbox);
        assert_ne!(base.psk, other.psk);
    }
}

#[test]
fn both_sides_derive_the_same() {
    let relay = RelayKey([5; 32]);
    let (a, b) = (PairingCode::new([9; 10]).secret(&relay), PairingSecret::derive(&[9; 10], &relay));
    assert_eq!((a.mailbox, a.psk), (b.mailbox, b.psk));
}
