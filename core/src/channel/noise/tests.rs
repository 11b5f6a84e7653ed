//! C1: published vectors, through this crate's own handshake, resolver and transport ciphers.

use serde_json::Value;

use super::*;
use crate::rng::Seed;

fn vectors(pattern: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("../../../../tests/vectors/noise.json")).unwrap();
    let found: Vec<_> =
        all["vectors"].as_array().unwrap().iter().filter(|v| v["protocol_name"] == pattern).cloned().collect();
    assert!(!found.is_empty(), "no vector for {pattern}");
    found
}

fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn key(value: &Value) -> [u8; 32] {
    bytes(value).try_into().unwrap()
}

/// One side of a vector, with the ephemeral key it names.
fn side(pattern: &str, vector: &Value, name: &str) -> Handshake {
    let field = |field: &str| &vector[format!("{name}_{field}")];
    let mut draw = Seed::new([0; 32]).draw("unused");
    let (prologue, ephemeral) = (bytes(field("prologue")), bytes(field("ephemeral")));
    let secret = field("static").as_str().map(|_| key(field("static")));
    let remote = field("remote_static").as_str().map(|_| key(field("remote_static")));
    let psk = field("psks").get(0).map(key);
    let mut builder = noise::builder(pattern, &mut draw).unwrap();
    builder = builder.prologue(&prologue).unwrap().fixed_ephemeral_key_for_testing_only(&ephemeral);
    if let Some(secret) = &secret {
        builder = builder.local_private_key(secret).unwrap();
    }
    if let Some(remote) = &remote {
        builder = builder.remote_public_key(remote).unwrap();
    }
    if let Some(psk) = &psk {
        builder = builder.psk(0, psk).unwrap();
    }
    let state = if name == "init" { builder.build_initiator() } else { builder.build_responder() };
    Handshake { state: state.unwrap() }
}

fn replay(pattern: &str) {
    for vector in vectors(pattern) {
        let (mut init, mut resp) = (side(pattern, &vector, "init"), side(pattern, &vector, "resp"));
        let messages = vector["messages"].as_array().unwrap();
        let (first, second) = (&messages[0], &messages[1]);
        assert_eq!(init.write(&bytes(&first["payload"])).unwrap(), bytes(&first["ciphertext"]));
        assert_eq!(resp.read(&bytes(&first["ciphertext"])).unwrap(), bytes(&first["payload"]));
        assert_eq!(resp.write(&bytes(&second["payload"])).unwrap(), bytes(&second["ciphertext"]));
        assert_eq!(init.read(&bytes(&second["ciphertext"])).unwrap(), bytes(&second["payload"]));
        if vector["handshake_hash"].is_string() {
            assert_eq!(init.state.get_handshake_hash(), bytes(&vector["handshake_hash"]));
            assert_eq!(resp.state.get_handshake_hash(), bytes(&vector["handshake_hash"]));
        }
        let (mut init, mut resp) = (init.into_transport(), resp.into_transport());
        for (count, message) in messages[2..].iter().enumerate() {
            // Transport messages take turns, the initiator first.
            let (sender, receiver) = if count % 2 == 0 { (&mut init, &mut resp) } else { (&mut resp, &mut init) };
            let mut text = bytes(&message["payload"]);
            let tag = sender.seal(&mut text);
            assert_eq!([&text[..], &tag].concat(), bytes(&message["ciphertext"]));
            assert!(receiver.open(&mut text, &tag));
            assert_eq!(text, bytes(&message["payload"]));
        }
    }
}

#[test]
fn c1_the_published_vectors_of_ik_hold_byte_for_byte() {
    replay(noise::IK);
}

#[test]
fn c1_the_published_vectors_of_nnpsk0_hold_byte_for_byte() {
    replay(noise::NNPSK0);
}

#[test]
fn c8_a_nonce_near_its_end_still_differs_from_the_one_before() {
    let mut direction = Direction::new(&[1; 32]);
    direction.nonce = u64::MAX - 2;
    let (first, second) = (direction.next(), direction.next());
    assert_ne!(first, second);
    assert_eq!(&second[4..], (u64::MAX - 1).to_le_bytes());
}
