//! Relay addresses: any text, any bytes, any fields.
//!
//! What must hold: what reads has one form, in either case; an address that calls itself sound can be read back; no other can.

use zerok_core::{
    address::{IrohRoute, MAX_TEXT, RelayAddress},
    ids::RelayKey,
};

use super::{seen::Seen, source::Source};

/// Reads what may be pasted.
pub fn addresses(data: &[u8]) -> Seen {
    let (mut source, mut seen) = (Source::new(data), Seen::default());
    match source.below(3) {
        0 => text(&String::from_utf8_lossy(source.rest()), &mut seen),
        1 => match RelayAddress::from_bytes(source.rest()) {
            Ok(address) => text(&address.to_string(), &mut seen),
            Err(fault) => seen.fault("AddressFault", fault),
        },
        _ => {
            let address = any_address(&mut source);
            let written = address.to_string();
            match (address.check(), written.parse::<RelayAddress>()) {
                (Ok(()), read) => assert_eq!(read, Ok(address), "{} characters", written.len()),
                (Err(fault), Err(_)) => seen.fault("AddressFault", fault),
                (Err(fault), Ok(_)) => panic!("{fault} and can be read: {written}"),
            }
            let edited = source.edited(written.as_bytes());
            text(&String::from_utf8_lossy(&edited), &mut seen);
        }
    }
    seen
}

fn text(text: &str, seen: &mut Seen) {
    match text.parse::<RelayAddress>() {
        Ok(address) => {
            assert_eq!(address.check(), Ok(()));
            assert!(text.trim().len() <= MAX_TEXT + 3);
            assert!(text.trim().eq_ignore_ascii_case(&address.to_string()), "one form: {text}");
        }
        Err(fault) => seen.fault("AddressFault", fault),
    }
}

/// Any fields, sound or not.
pub(super) fn any_address(source: &mut Source<'_>) -> RelayAddress {
    let key = match source.below(4) {
        0 => RelayKey([0; 32]),
        1 => RelayKey(source.array()),
        _ => RelayKey([9; 32]),
    };
    let many = |source: &mut Source<'_>, most: usize, one: fn(&mut Source<'_>) -> String| -> Vec<String> {
        let count = source.below(most + 2);
        // A repeated entry lets few bytes say a lot.
        if source.flag() { vec![one(source); count] } else { (0..count).map(|_| one(source)).collect() }
    };
    let tcp = many(source, 8, host_port);
    let iroh = source.flag().then(|| IrohRoute {
        endpoint: [source.byte(); 32],
        direct: many(source, 16, ip_port),
        relay: source.flag().then(|| url(source)),
    });
    RelayAddress { key, tcp, iroh }
}

fn host_port(source: &mut Source<'_>) -> String {
    let port = source.number() as u16;
    match source.below(5) {
        0 => source.text(300),
        1 => format!("{}:{port}", "a".repeat(source.place(300))),
        2 => format!("[::{:x}]:{port}", source.byte()),
        3 => format!("10.0.0.{}:{port}", source.byte()),
        _ => format!("relay.test:{port}"),
    }
}

fn ip_port(source: &mut Source<'_>) -> String {
    let port = source.number() as u16;
    match source.below(3) {
        0 => source.text(80),
        1 => format!("[fe80::{:x}%{}]:{port}", source.byte(), source.number32()),
        _ => format!("10.0.0.{}:{port}", source.byte()),
    }
}

fn url(source: &mut Source<'_>) -> String {
    match source.below(3) {
        0 => source.text(600),
        1 => format!("https://{}", "r".repeat(source.place(600))),
        _ => format!("http://{}", source.text(20)),
    }
}
