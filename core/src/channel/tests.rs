use proptest::prelude::*;

use super::*;
use crate::rng::Seed;

pub(super) const KINDS: &[ChannelKind] = &[
    ChannelKind::Noise,
    #[cfg(feature = "model")]
    ChannelKind::Plain,
];

const TRANSPORT: TransportId = TransportId([3; 32]);

fn draw(seed: u8) -> Draw {
    Seed::new([seed; 32]).draw("test")
}

fn relay() -> LinkSecret {
    LinkSecret::new([0x11; 32])
}

fn device() -> LinkSecret {
    LinkSecret::new([0x22; 32])
}

fn relay_key() -> RelayKey {
    RelayKey(relay().public().0)
}

fn initiator(kind: ChannelKind, payload: &[u8]) -> (Initiator, Bytes) {
    Initiator::new(kind, &device(), relay_key(), TRANSPORT, payload, &mut draw(1)).unwrap()
}

fn responder(kind: ChannelKind) -> Responder {
    Responder::new(kind, &relay(), TRANSPORT, &mut draw(2))
}

/// A finished handshake: the device's channel, then the relay's.
pub(super) fn pair(kind: ChannelKind) -> (Channel, Channel) {
    let (mut initiator, flight) = initiator(kind, b"hello");
    let mut responder = responder(kind);
    responder.receive(flight).unwrap().unwrap();
    let (relay, flight) = responder.respond(b"welcome").unwrap();
    let (_, device) = initiator.receive(flight).unwrap().unwrap();
    (device, relay)
}

#[test]
fn both_flights_carry_their_payload_and_the_relay_learns_the_device_key() {
    for &kind in KINDS {
        let (mut initiator, flight) = initiator(kind, b"hello");
        assert_eq!(flight.len(), PREAMBLE + 2 + MESSAGE_1 + 5);
        let mut responder = responder(kind);
        let opening = responder.receive(flight).unwrap().unwrap();
        assert_eq!((opening.remote, &opening.payload[..]), (device().public(), &b"hello"[..]));
        let (mut relay, flight) = responder.respond(b"welcome").unwrap();
        assert_eq!(flight.len(), 2 + MESSAGE_2 + 7);
        let (payload, mut device) = initiator.receive(flight).unwrap().unwrap();
        assert_eq!(&payload[..], b"welcome");
        device.feed(relay.seal(b"one"));
        assert_eq!(device.next().unwrap().unwrap(), &b"one"[..]);
        relay.feed(device.seal(b"two"));
        assert_eq!(relay.next().unwrap().unwrap(), &b"two"[..]);
    }
}

#[test]
fn a_joiner_opens_with_nothing_to_say() {
    let (_, flight) = initiator(ChannelKind::Noise, b"");
    let opening = responder(ChannelKind::Noise).receive(flight).unwrap().unwrap();
    assert!(opening.payload.is_empty());
}

#[test]
fn the_largest_payloads_of_both_flights_fit_and_larger_ones_do_not() {
    let (mut device, flight) = initiator(ChannelKind::Noise, &[1; MAX_FIRST_FLIGHT]);
    let mut relay = responder(ChannelKind::Noise);
    relay.receive(flight).unwrap().unwrap();
    let (_, flight) = relay.respond(&[2; MAX_SECOND_FLIGHT]).unwrap();
    assert_eq!(device.receive(flight).unwrap().unwrap().0.len(), MAX_SECOND_FLIGHT);

    let (_, flight) = initiator(ChannelKind::Noise, &[1; MAX_FIRST_FLIGHT + 1]);
    let mut relay = responder(ChannelKind::Noise);
    assert_eq!(relay.receive(flight).unwrap_err(), Misbehaviour::FrameLength.into());

    let (_, flight) = initiator(ChannelKind::Noise, b"");
    let mut relay = responder(ChannelKind::Noise);
    relay.receive(flight).unwrap().unwrap();
    assert_eq!(relay.respond(&[2; MAX_SECOND_FLIGHT + 1]).unwrap_err(), Misbehaviour::TooLarge.into());
}

#[test]
fn frames_that_follow_message_2_at_once_reach_the_channel() {
    for &kind in KINDS {
        let (mut initiator, flight) = initiator(kind, b"");
        let mut responder = responder(kind);
        responder.receive(flight).unwrap().unwrap();
        let (mut relay, flight) = responder.respond(b"").unwrap();
        let mut bytes = flight.to_vec();
        bytes.extend_from_slice(&relay.seal(b"at once"));
        let (_, mut device) = initiator.receive(bytes.into()).unwrap().unwrap();
        assert_eq!(device.next().unwrap().unwrap(), &b"at once"[..]);
    }
}

#[test]
fn bytes_behind_message_1_are_refused_before_message_2() {
    let (_, flight) = initiator(ChannelKind::Noise, b"");
    let mut more = flight.to_vec();
    more.push(0);
    assert_eq!(responder(ChannelKind::Noise).receive(more.into()).unwrap_err(), Misbehaviour::OutOfState.into());
    let mut relay = responder(ChannelKind::Noise);
    relay.receive(flight).unwrap().unwrap();
    assert_eq!(relay.receive(Bytes::from_static(&[0])).unwrap_err(), Misbehaviour::OutOfState.into());
}

#[test]
fn c2_a_relay_with_another_static_key_cannot_open_message_1_and_says_so() {
    for &kind in KINDS {
        let (mut initiator, flight) = initiator(kind, b"hello");
        let mut wrong = Responder::new(kind, &LinkSecret::new([0x33; 32]), TRANSPORT, &mut draw(2));
        let fault = wrong.receive(flight).unwrap_err();
        assert_eq!(fault, Incompatible::CannotOpen.into());
        let hint = fault.hint().unwrap();
        assert_eq!(hint.len(), 4);
        assert_eq!(initiator.receive(hint).unwrap_err(), Incompatible::CannotOpen.into());
    }
}

#[test]
fn a_flight_for_another_transport_does_not_open() {
    for &kind in KINDS {
        let (_, flight) = initiator(kind, b"hello");
        let mut other = Responder::new(kind, &relay(), TransportId::TCP, &mut draw(2));
        assert_eq!(other.receive(flight).unwrap_err(), Incompatible::CannotOpen.into());
    }
}

#[test]
fn c5_handshake_messages_of_any_other_length_are_refused() {
    let (_, flight) = initiator(ChannelKind::Noise, b"hello");
    let body = &flight[PREAMBLE + 2..];
    for len in (0..body.len()).chain([body.len() + 1]) {
        let mut bytes = flight[..PREAMBLE].to_vec();
        let mut message = body.to_vec();
        message.resize(len, 0);
        push_frame(&mut bytes, &message);
        let fault = responder(ChannelKind::Noise).receive(bytes.into()).unwrap_err();
        let expected = if len < MESSAGE_1 { Misbehaviour::FrameLength.into() } else { Incompatible::CannotOpen.into() };
        assert_eq!(fault, expected, "{len}");
    }
    let mut relay = responder(ChannelKind::Noise);
    relay.receive(flight).unwrap().unwrap();
    let (_, answer) = relay.respond(b"welcome").unwrap();
    for len in (0..answer.len() - 2).chain([answer.len() - 1]) {
        let mut message = answer[2..].to_vec();
        message.resize(len, 0);
        let mut bytes = Vec::new();
        push_frame(&mut bytes, &message);
        let fault = initiator(ChannelKind::Noise, b"hello").0.receive(bytes.into()).unwrap_err();
        let expected = if len < MESSAGE_2 { Misbehaviour::FrameLength.into() } else { Incompatible::Handshake.into() };
        assert_eq!(fault, expected, "{len}");
    }
}

#[test]
fn c6_an_edited_preamble_fails_at_its_first_wrong_byte() {
    for &kind in KINDS {
        let (_, flight) = initiator(kind, b"hello");
        for at in 0..PREAMBLE {
            for bit in 0..8 {
                let mut edited = flight.to_vec();
                edited[at] ^= 1 << bit;
                // Only what precedes and the edited byte itself: the rest need not arrive.
                let fault = responder(kind).receive(edited[..=at].to_vec().into()).unwrap_err();
                let expected = if at < 2 { Misbehaviour::BadFrame.into() } else { Incompatible::Version.into() };
                assert_eq!(fault, expected, "byte {at} bit {bit}");
                assert_eq!(fault.hint().is_some(), at >= 2);
            }
        }
    }
}

#[test]
fn c6_the_preamble_is_part_of_what_message_1_authenticates() {
    let mut other = prologue([b'0', b'k', 2, 0], TRANSPORT);
    let message = |prologue: &[u8]| {
        let mut handshake = noise::Handshake::initiator(&device(), relay_key(), prologue, &mut draw(1)).unwrap();
        handshake.write(b"hello").unwrap()
    };
    let reads = |prologue: &[u8], message: &[u8]| {
        noise::Handshake::responder(&relay(), prologue, &mut draw(2)).unwrap().read(message).is_ok()
    };
    let version_2 = message(&other);
    assert!(reads(&other, &version_2));
    other[2] = VERSION;
    assert!(!reads(&other, &version_2));
}

#[test]
fn c6_a_hint_of_the_version_is_told_apart_and_split_anywhere() {
    let hint = ChannelFault::from(Incompatible::Version).hint().unwrap();
    for &kind in KINDS {
        let (mut initiator, _) = initiator(kind, b"hello");
        for byte in &hint[..3] {
            assert!(initiator.receive(Bytes::copy_from_slice(&[*byte])).unwrap().is_none());
        }
        assert_eq!(initiator.receive(hint.slice(3..)).unwrap_err(), Incompatible::Version.into());
    }
    assert!(ChannelFault::from(Misbehaviour::BadFrame).hint().is_none());
    assert!(ChannelFault::from(Incompatible::Handshake).hint().is_none());
}

/// The u-coordinates of small order, canonical and not, as every implementation of X25519 must meet them.
const SMALL_ORDER: [[u8; 32]; 7] = {
    let mut points = [[0; 32]; 7];
    points[1][0] = 1;
    points[2] = [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09,
        0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ];
    points[3] = [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44,
        0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    ];
    let mut at = 4;
    while at < 7 {
        // p - 1, p and p + 1.
        points[at] = [0xff; 32];
        points[at][0] = 0xec + (at as u8 - 4);
        points[at][31] = 0x7f;
        at += 1;
    }
    points
};

#[test]
fn c9_small_order_keys_are_refused_as_relay_key_and_in_every_message() {
    let prologue = prologue(ChannelKind::Noise.preamble(), TRANSPORT);
    for point in SMALL_ORDER {
        let made = Initiator::new(ChannelKind::Noise, &device(), RelayKey(point), TRANSPORT, b"", &mut draw(1));
        assert_eq!(made.err(), Some(Incompatible::Handshake), "relay key {point:?}");

        let (_, flight) = initiator(ChannelKind::Noise, b"hello");
        let mut bytes = flight.to_vec();
        bytes[PREAMBLE + 2..PREAMBLE + 34].copy_from_slice(&point);
        let fault = responder(ChannelKind::Noise).receive(bytes.into()).unwrap_err();
        assert_eq!(fault, Misbehaviour::WeakKey.into(), "ephemeral of message 1 {point:?}");

        let (mut device, _) = initiator(ChannelKind::Noise, b"hello");
        let mut bytes = vec![48, 0];
        bytes.extend_from_slice(&point);
        bytes.resize(50, 0);
        assert_eq!(device.receive(bytes.into()).unwrap_err(), Misbehaviour::WeakKey.into(), "ephemeral of message 2");
    }
    // A device's static key travels encrypted: a device that lies about it must break its own side first.
    let mut relay = noise::Handshake::responder(&relay(), &prologue, &mut draw(2)).unwrap();
    let message = tests_support::message_1_with_static(&prologue, relay_key(), [0; 32]);
    assert_eq!(relay.read(&message), Err(Refused::WeakKey));
}

/// Message 1 of IK by hand, with any static key: what no honest device can send.
mod tests_support {
    use chacha20poly1305::{AeadInPlace, ChaCha20Poly1305, KeyInit, Nonce};
    use hkdf::Hkdf;
    use sha2::{Digest, Sha256};

    use super::*;

    fn hash(parts: &[&[u8]]) -> [u8; 32] {
        parts.iter().fold(Sha256::new(), Digest::chain_update).finalize().into()
    }

    pub(super) fn message_1_with_static(prologue: &[u8], relay: RelayKey, key: [u8; 32]) -> Vec<u8> {
        let name = crate::noise::IK.as_bytes();
        let mut ck = [0; 32];
        ck[..name.len()].copy_from_slice(name);
        let h = hash(&[&hash(&[&ck, prologue]), &relay.0]);
        let ephemeral = [0x44; 32];
        let public = x25519_dalek::x25519(ephemeral, x25519_dalek::X25519_BASEPOINT_BYTES);
        let h = hash(&[&h, &public]);
        let mut keys = [0; 64];
        Hkdf::<Sha256>::new(Some(&ck), &x25519_dalek::x25519(ephemeral, relay.0)).expand(&[], &mut keys).unwrap();
        let mut sealed = key;
        let tag = ChaCha20Poly1305::new(keys[32..].into())
            .encrypt_in_place_detached(&Nonce::default(), &h, &mut sealed)
            .unwrap();
        [&public[..], &sealed, &tag, &[0; 16]].concat()
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let run = |seed: u8| {
        let (mut initiator, first) =
            Initiator::new(ChannelKind::Noise, &device(), relay_key(), TRANSPORT, b"hello", &mut draw(seed)).unwrap();
        let mut responder = Responder::new(ChannelKind::Noise, &relay(), TRANSPORT, &mut draw(seed ^ 0x80));
        responder.receive(first.clone()).unwrap().unwrap();
        let (mut relay, second) = responder.respond(b"welcome").unwrap();
        let (_, mut device) = initiator.receive(second.clone()).unwrap().unwrap();
        [first, second, device.seal(b"up"), relay.seal(b"down")]
    };
    assert_eq!(run(1), run(1));
    for (one, other) in run(1).iter().zip(&run(2)) {
        assert_ne!(one, other);
    }
}

#[test]
fn c3_a_repeated_message_1_earns_another_message_2_that_its_sender_cannot_use() {
    let (mut honest, flight) = initiator(ChannelKind::Noise, b"hello");
    let answer = |seed: u8| {
        let mut responder = Responder::new(ChannelKind::Noise, &relay(), TRANSPORT, &mut draw(seed));
        responder.receive(flight.clone()).unwrap().unwrap();
        responder.respond(b"welcome").unwrap()
    };
    let ((mut first, second_flight), (_, replayed)) = (answer(7), answer(8));
    assert_ne!(second_flight, replayed);
    let (_, mut device) = honest.receive(replayed).unwrap().unwrap();
    // The answer to the repetition does not fit the first responder's channel.
    first.feed(device.seal(b"x"));
    assert_eq!(first.next().unwrap_err(), Misbehaviour::BadFrame.into());
}

#[cfg(feature = "model")]
#[test]
fn a_real_relay_refuses_the_first_byte_of_the_readable_channel() {
    let (_, flight) = initiator(ChannelKind::Plain, b"hello");
    assert_eq!(responder(ChannelKind::Noise).receive(flight.slice(..1)).unwrap_err(), Misbehaviour::BadFrame.into());
}

#[cfg(feature = "model")]
#[test]
fn readable_handshakes_and_channels_clone_and_compare() {
    let (initiator, flight) = initiator(ChannelKind::Plain, b"hello");
    assert!(initiator.clone() == initiator);
    let mut relay = responder(ChannelKind::Plain);
    let before = relay.clone();
    assert!(before == relay);
    relay.receive(flight).unwrap().unwrap();
    assert!(before != relay);
    let (device, mut relay) = pair(ChannelKind::Plain);
    assert!(device == device.clone());
    let mut fed = device.clone();
    fed.feed(relay.seal(b"half").slice(..5));
    assert!(fed != device);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn e12_handshakes_split_anywhere_end_alike(cuts in prop::collection::vec(1_usize..40, 1..5)) {
        for &kind in KINDS {
            let (mut initiator, flight) = initiator(kind, b"hello");
            let mut responder = responder(kind);
            let mut opening = None;
            for piece in split(&flight, &cuts) {
                prop_assert!(opening.is_none());
                opening = responder.receive(piece).unwrap();
            }
            prop_assert_eq!(&opening.unwrap().payload[..], b"hello");
            let (_, flight) = responder.respond(b"welcome").unwrap();
            let mut done = None;
            for piece in split(&flight, &cuts) {
                prop_assert!(done.is_none());
                done = initiator.receive(piece).unwrap();
            }
            prop_assert_eq!(&done.unwrap().0[..], b"welcome");
        }
    }

    #[test]
    fn c13_garbage_in_a_handshake_never_panics_and_never_opens(
        garbage in prop::collection::vec(any::<u8>(), 0..400),
        kept in 0_usize..120,
        cuts in prop::collection::vec(1_usize..80, 1..4),
    ) {
        for &kind in KINDS {
            let (mut initiator, flight) = initiator(kind, b"hello");
            let mut responder = responder(kind);
            let mut bytes = flight[..kept.min(flight.len() - 1)].to_vec();
            bytes.extend_from_slice(&garbage);
            if !flight.starts_with(&bytes) && !bytes.starts_with(&flight) {
                for piece in split(&bytes, &cuts) {
                    if let Ok(opened) = responder.receive(piece) {
                        // The readable channel protects nothing: a changed payload opens.
                        prop_assert!(opened.is_none() || kind != ChannelKind::Noise);
                    }
                }
            }
            for piece in split(&garbage, &cuts) {
                if let Ok(opened) = initiator.receive(piece) {
                    prop_assert!(opened.is_none());
                }
            }
        }
    }
}

pub(super) fn split(stream: &[u8], sizes: &[usize]) -> Vec<Bytes> {
    let mut rest = stream;
    let mut out = Vec::new();
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (head, tail) = rest.split_at((*size).min(rest.len()));
        out.push(Bytes::copy_from_slice(head));
        rest = tail;
    }
    out
}
