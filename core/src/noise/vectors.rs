//! The published vectors of both patterns, byte for byte.

use serde_json::Value;
use snow::HandshakeState;

use super::{IK, NNPSK0, builder};
use crate::rng::Seed;

fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

fn side(vector: &Value, pattern: &str, side: &str) -> HandshakeState {
    let field = |name: &str| vector.get(format!("{side}_{name}")).map(hex);
    let (prologue, ephemeral) = (field("prologue").unwrap(), field("ephemeral").unwrap());
    let (own, remote) = (field("static"), field("remote_static"));
    let psk: Option<[u8; 32]> = vector.get(format!("{side}_psks")).map(|psks| hex(&psks[0]).try_into().unwrap());
    let mut draw = Seed::new([1; 32]).draw("vectors");
    let mut builder = builder(pattern, &mut draw).unwrap().prologue(&prologue).unwrap();
    builder = builder.fixed_ephemeral_key_for_testing_only(&ephemeral);
    if let Some(key) = &own {
        builder = builder.local_private_key(key).unwrap();
    }
    if let Some(key) = &remote {
        builder = builder.remote_public_key(key).unwrap();
    }
    if let Some(psk) = &psk {
        builder = builder.psk(0, psk).unwrap();
    }
    if side == "init" { builder.build_initiator().unwrap() } else { builder.build_responder().unwrap() }
}

#[test]
fn the_published_vectors_hold() {
    let file: Value = serde_json::from_str(include_str!("../../../tests/vectors/noise.json")).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    let names: Vec<_> = vectors.iter().map(|vector| vector["protocol_name"].as_str().unwrap()).collect();
    assert!(names.contains(&IK) && names.contains(&NNPSK0));
    for (vector, name) in vectors.iter().zip(names) {
        let mut sides = [side(vector, name, "init"), side(vector, name, "resp")];
        let messages = vector["messages"].as_array().unwrap();
        let mut buffer = [0; 256];
        // Both patterns have two handshake messages; the rest is transport, from either side in turn.
        for (i, message) in messages[..2].iter().enumerate() {
            let len = sides[i].write_message(&hex(&message["payload"]), &mut buffer).unwrap();
            assert_eq!(buffer[..len], hex(&message["ciphertext"]), "{name} message {i}");
            let sent = buffer[..len].to_vec();
            let len = sides[1 - i].read_message(&sent, &mut buffer).unwrap();
            assert_eq!(buffer[..len], hex(&message["payload"]), "{name} payload {i}");
        }
        if let Some(hash) = vector.get("handshake_hash") {
            assert_eq!(sides[0].get_handshake_hash(), hex(hash), "{name}");
        }
        let mut sides = sides.map(|side| side.into_transport_mode().unwrap());
        for (i, message) in messages[2..].iter().enumerate() {
            let len = sides[i % 2].write_message(&hex(&message["payload"]), &mut buffer).unwrap();
            assert_eq!(buffer[..len], hex(&message["ciphertext"]), "{name} transport {i}");
            let sent = buffer[..len].to_vec();
            let len = sides[1 - i % 2].read_message(&sent, &mut buffer).unwrap();
            assert_eq!(buffer[..len], hex(&message["payload"]), "{name} transport payload {i}");
        }
    }
}
