use proptest::prelude::*;

use super::*;
use crate::{
    address::IrohRoute,
    ids::RelayKey,
    seal::tests::{draw, found},
};

fn relay() -> RelayAddress {
    RelayAddress {
        key: RelayKey([5; 32]),
        tcp: vec!["relay.example.org:7000".to_owned()],
        iroh: Some(IrohRoute { endpoint: [6; 32], direct: Vec::new(), relay: None }),
    }
}

fn qr() -> QrPayload {
    QrPayload::generate(relay(), found("invite").keys.public().sign, &mut draw("qr"))
}

#[test]
fn a_picture_survives_its_url() {
    let qr = qr();
    let url = qr.to_url("zerok");
    assert!(url.starts_with("zerok://join?i="), "{url}");
    assert_eq!(url.parse(), Ok(qr.clone()));
    assert_eq!(url.trim_start_matches("zerok://join?i=").parse(), Ok(qr.clone()), "the payload alone");
    assert_eq!(url.to_uppercase().parse(), Ok(qr.clone()));
    assert_eq!(format!(" {}&utm=x#top\n", url.replace("?i=", "?a=b&i=")).parse(), Ok(qr));
}

#[test]
fn b8_neither_pictures_nor_codes_hold_any_part_of_the_groups_keys() {
    // Eight bytes of a secret in a row are no accident.
    const PART: usize = 8;
    let founded = found("invite");
    let keys = founded.keys.to_bytes();
    let secrets = [&founded.secret.as_bytes()[..], &founded.group.0, &keys[..]];
    let parts: std::collections::BTreeSet<&[u8]> = secrets.iter().flat_map(|secret| secret.windows(PART)).collect();
    let mut draw = draw("pictures");
    for sample in 0..10_000 {
        let picture = QrPayload::generate(relay(), founded.keys.public().sign, &mut draw).to_url("zerok");
        let bytes = disarm(LABEL, payload_of(&picture)).unwrap();
        assert!(!bytes.windows(PART).any(|window| parts.contains(window)), "picture {sample}");
        let code = PairingCode::generate(&mut draw).to_string();
        assert!(!code.as_bytes().windows(PART).any(|window| parts.contains(window)), "code {sample}");
    }
}

#[test]
fn an_invite_tells_codes_from_pictures() {
    let qr = qr();
    let url = qr.to_url("zerok");
    assert_eq!(url.parse(), Ok(Invite::Qr(qr.clone())));
    assert_eq!(url.trim_start_matches("zerok://join?i=").parse(), Ok(Invite::Qr(qr)));
    let code = PairingCode::new([9; 10]);
    assert_eq!(code.to_string().parse(), Ok(Invite::Code(code)));
    assert_eq!("".parse::<Invite>(), Err(InviteFault::Code(CodeFault::Length)));
    assert_eq!("https://example.org/".parse::<Invite>(), Err(InviteFault::Qr(QrFault::Text(AddressFault::Malformed))));
}

#[test]
fn a_mistyped_or_cut_payload_is_noticed() {
    let url = qr().to_url("zerok");
    let start = "zerok://join?i=".len();
    for at in start..url.len() {
        let mut bytes = url.clone().into_bytes();
        bytes[at] = if bytes[at] == b'q' { b'p' } else { b'q' };
        assert!(String::from_utf8(bytes).unwrap().parse::<QrPayload>().is_err(), "character {at}");
        assert!(url[..at].parse::<QrPayload>().is_err(), "cut at {at}");
    }
}

#[test]
fn an_address_is_no_invite_and_an_invite_no_address() {
    let address = relay().to_string();
    assert_eq!(address.trim_start_matches("0k:").parse::<QrPayload>(), Err(QrFault::Text(AddressFault::Checksum)));
    let payload = qr().to_url("x").replace("x://join?i=", "0k:");
    assert_eq!(payload.parse::<RelayAddress>(), Err(AddressFault::Checksum));
}

#[test]
fn faults_inside_a_payload_are_named() {
    let armoured = |sign: [u8; 32], relay: Vec<u8>| {
        let bytes = [&[VERSION][..], &sign, &[7; 32], &relay].concat();
        armour(LABEL, bytes).parse::<QrPayload>()
    };
    let sign = qr().creator_sign;
    assert!(armoured(sign, relay().to_bytes()).is_ok());
    let mut weak = [0; 32];
    weak[0] = 1;
    assert_eq!(armoured(weak, relay().to_bytes()), Err(QrFault::WeakKey));
    assert_eq!(armoured(sign, Vec::new()), Err(QrFault::Relay(AddressFault::Malformed)));
    let bad = RelayAddress { key: RelayKey([0; 32]), ..relay() };
    assert_eq!(armoured(sign, bad.to_bytes()), Err(QrFault::Relay(AddressFault::WeakKey)));
    assert_eq!(armour(LABEL, vec![VERSION; 40]).parse::<QrPayload>(), Err(QrFault::Malformed));
}

#[test]
fn secrets_print_nothing_of_themselves() {
    let invite = Invite::Qr(qr());
    assert_eq!(format!("{invite:?}"), "Qr(QrPayload(..))");
    assert_eq!(format!("{:?}", Invite::Code(PairingCode::new([9; 10]))), "Code(PairingCode(..))");
    assert_eq!(format!("{:?}", qr().pairing_secret()), "PairingSecret(..)");
}

proptest! {
    #[test]
    fn any_text_is_no_panic(text in ".{0,300}") {
        let _ = text.parse::<Invite>();
        let _ = format!("zerok://join?i={text}").parse::<Invite>();
    }

    #[test]
    fn any_payload_is_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = armour(LABEL, [&[VERSION][..], &bytes].concat()).parse::<QrPayload>();
    }
}
