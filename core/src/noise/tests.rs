use super::*;
use crate::rng::Seed;

fn draw() -> Draw {
    Seed::new([7; 32]).draw("test")
}

#[test]
fn the_same_seed_makes_the_same_handshake() {
    let message = |seed: u8| {
        let mut draw = Seed::new([seed; 32]).draw("test");
        let psk = [9; 32];
        let mut state = builder(NNPSK0, &mut draw).unwrap().psk(0, &psk).unwrap().build_initiator().unwrap();
        let mut out = [0; 64];
        let len = state.write_message(&[], &mut out).unwrap();
        out[..len].to_vec()
    };
    assert_eq!(message(1).len(), 48);
    assert_eq!(message(1), message(1));
    assert_ne!(message(1), message(2));
}

#[test]
fn c6_a_low_order_ephemeral_key_is_refused_by_the_responder() {
    let psk = [9; 32];
    let relay = [5; 32];
    let mut responder = builder(IK, &mut draw()).unwrap().local_private_key(&relay).unwrap().build_responder().unwrap();
    let mut message = vec![0; 96];
    assert_eq!(responder.read_message(&message, &mut [0; 96]), Err(Error::Dh), "the zero point");
    message[0] = 1;
    let mut responder = builder(IK, &mut draw()).unwrap().local_private_key(&relay).unwrap().build_responder().unwrap();
    assert_eq!(responder.read_message(&message, &mut [0; 96]), Err(Error::Dh), "a point of order one");

    let mut creator = builder(NNPSK0, &mut draw()).unwrap().psk(0, &psk).unwrap().build_responder().unwrap();
    assert_eq!(creator.read_message(&[0; 48], &mut [0; 48]), Err(Error::Decrypt), "nothing without the psk");
}
