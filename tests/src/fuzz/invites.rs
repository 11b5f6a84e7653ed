//! Codes that people type and pictures that they scan: any text, and every way of writing a good one.
//!
//! What must hold: a code is the same however it is typed; a picture's text reads back to what it was made of, in capitals too; and
//! nothing that reads holds an impossible key.

use zeroize::Zeroizing;
use zerok_core::{
    pairing::{
        code::PairingCode,
        invite::{Invite, InviteFault, QrPayload},
    },
    seal::keys::contributory,
};

use super::{addresses::any_address, fixture::Fixture, seen::Seen, source::Source};
use zerok_core::address::MAX_TEXT;

/// Reads what may be typed or scanned.
pub fn invites(data: &[u8]) -> Seen {
    let (mut source, mut seen) = (Source::new(data), Seen::default());
    match source.below(3) {
        0 => any_text(&String::from_utf8_lossy(source.rest()), &mut seen),
        1 => code(&mut source, &mut seen),
        _ => picture(&mut source, &mut seen),
    }
    seen
}

fn any_text(text: &str, seen: &mut Seen) {
    match text.parse::<Invite>() {
        Ok(Invite::Code(code)) => assert_eq!(code.to_string().parse(), Ok(code)),
        Ok(Invite::Qr(payload)) => {
            assert!(contributory(&payload.relay.key.0));
            assert_eq!(payload.to_url("0k").parse(), Ok(payload));
        }
        Err(InviteFault::Code(fault)) => seen.fault("CodeFault", fault),
        Err(InviteFault::Qr(fault)) => seen.fault("QrFault", fault),
        Err(_) => {}
    }
    if let Err(fault) = text.parse::<PairingCode>() {
        seen.fault("CodeFault", fault);
    }
}

/// A good code as people type it.
fn code(source: &mut Source<'_>, seen: &mut Seen) {
    let code = PairingCode::new(source.array());
    let shown = code.to_string();
    let mut typed = String::new();
    for symbol in shown.chars() {
        match (source.below(8), symbol) {
            (1, '0') => typed.push('o'),
            (2, '0') => typed.push('O'),
            (1, '1') => typed.push('l'),
            (2, '1') => typed.push('I'),
            (3, '-') => {}
            (4, _) => typed.extend([' ', symbol]),
            (5, _) => typed.extend([symbol, '\u{2013}']),
            (6, _) => typed.extend([symbol, '_', '\u{a0}']),
            (7, _) => typed.extend(symbol.to_lowercase()),
            _ => typed.push(symbol),
        }
    }
    assert_eq!(typed.parse(), Ok(code.clone()), "{typed}");
    assert_eq!(typed.parse(), Ok(Invite::Code(code)), "{typed}");
    let edited = source.edited(typed.as_bytes());
    any_text(&String::from_utf8_lossy(&edited), seen);
}

/// A picture of any relay and any keys, and what becomes of its text on the way.
fn picture(source: &mut Source<'_>, seen: &mut Seen) {
    let sign = match source.below(3) {
        0 => [0; 32],
        1 => source.array(),
        _ => Fixture::shared().founder.public().sign,
    };
    let relay = any_address(source);
    let sound = relay.check().is_ok();
    let payload = QrPayload { relay, creator_sign: sign, secret: Zeroizing::new([source.byte(); 32]) };
    let url = payload.to_url("zerok");
    let read = url.parse::<QrPayload>();
    match &read {
        Ok(read) => assert!(sound && *read == payload, "what reads is what was written"),
        Err(fault) => {
            let ours = sign == Fixture::shared().founder.public().sign;
            assert!(!sound || !ours || url.len() > MAX_TEXT, "{fault}: {url}");
            seen.fault("QrFault", fault);
        }
    }
    assert_eq!(url.to_uppercase().parse::<QrPayload>().ok(), read.clone().ok(), "scanners like capitals");
    assert_eq!(
        format!(" {url}&x=1#top\n").parse::<QrPayload>().ok().is_some(),
        read.is_ok() && url.len() + 9 <= MAX_TEXT
    );
    let edited = source.edited(url.as_bytes());
    any_text(&String::from_utf8_lossy(&edited), seen);
}
