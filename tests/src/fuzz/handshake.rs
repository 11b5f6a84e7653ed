//! Handshake bytes and transport frames between a device and a relay, real ones with any damage, and any bytes at all.
//!
//! What must hold: what was not touched arrives as it was sent; what was touched does not open; nothing is said twice; a fault is
//! final.

use std::sync::OnceLock;

use bytes::Bytes;
use zerok_core::{
    channel::{Channel, ChannelFault, ChannelKind, Initiator, Responder},
    ids::{RelayKey, TransportId},
    limits::{MAX_FIRST_FLIGHT, MAX_MESSAGE, MAX_SECOND_FLIGHT},
    seal::keys::LinkSecret,
};

use super::{fixture::draw, seen::Seen, source::Source};

struct Keys {
    device: LinkSecret,
    relay: LinkSecret,
}

fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| Keys { device: LinkSecret::generate(&mut draw(3)), relay: LinkSecret::generate(&mut draw(4)) })
}

/// Plays both sides of a link.
pub fn handshake(data: &[u8]) -> Seen {
    let (mut source, mut seen) = (Source::new(data), Seen::default());
    let kind = if source.flag() { ChannelKind::Noise } else { ChannelKind::Plain };
    let (relay, transport) = (RelayKey(keys().relay.public().0), TransportId::TCP);
    let first = source.bytes(MAX_FIRST_FLIGHT);
    let started = Initiator::new(kind, &keys().device, relay, transport, &first, &mut draw(5));
    let Ok((mut initiator, flight)) = started else { panic!("a good relay key is refused") };

    // To the relay: the flight, damaged or not, or something else instead of it.
    let strange = source.below(4) == 0;
    let sent = Bytes::from(if strange { source.bytes(8192) } else { source.edited(&flight) });
    let elsewhere = source.below(16) == 15;
    let at = if elsewhere { TransportId([1; 32]) } else { transport };
    let mut responder = Responder::new(kind, &keys().relay, at, &mut draw(6));
    let Some(opening) = relay_reads(&mut source, &mut responder, &sent, &mut seen) else { return seen };
    assert!(sent == flight && !elsewhere || kind == ChannelKind::Plain, "only what the device said opens");
    if sent == flight {
        assert_eq!(opening.payload, first);
        assert_eq!(opening.remote, keys().device.public());
    }

    // Back to the device.
    let second = vec![source.byte(); source.place(MAX_SECOND_FLIGHT + 100)];
    let (mut theirs, answer) = match responder.respond(&second) {
        Ok(answer) => answer,
        Err(fault) => {
            assert!(second.len() > MAX_SECOND_FLIGHT);
            note(&mut seen, fault);
            return seen;
        }
    };
    let sent = Bytes::from(source.edited(&answer));
    let Some((payload, mut ours)) = device_reads(&mut source, &mut initiator, &sent, &mut seen) else { return seen };
    if sent.starts_with(&answer) {
        assert_eq!(payload, second);
    } else {
        assert_eq!(kind, ChannelKind::Plain, "only what the relay said opens");
    }

    if sent == answer {
        talk(&mut source, kind, &mut theirs, &mut ours, &mut seen);
        talk(&mut source, kind, &mut ours, &mut theirs, &mut seen);
    }
    seen
}

fn relay_reads(
    source: &mut Source<'_>,
    responder: &mut Responder,
    sent: &Bytes,
    seen: &mut Seen,
) -> Option<zerok_core::channel::Opening> {
    let mut opening = None;
    for piece in source.pieces(sent) {
        match responder.receive(piece) {
            Ok(None) => {}
            Ok(Some(opened)) => {
                assert!(opening.is_none(), "message 1 opens once");
                opening = Some(opened);
            }
            Err(fault) => {
                if let Some(hint) = fault.hint() {
                    let hinted = hinted(hint);
                    assert_eq!(hinted, fault, "the device understands the hint");
                }
                note(seen, fault);
                assert!(responder.receive(Bytes::from_static(b"more")).is_err(), "a fault is final");
                return None;
            }
        }
    }
    opening
}

/// What a device makes of a relay's hint.
fn hinted(hint: Bytes) -> ChannelFault {
    let (relay, transport) = (RelayKey(keys().relay.public().0), TransportId::TCP);
    let started = Initiator::new(ChannelKind::Noise, &keys().device, relay, transport, &[], &mut draw(5));
    let (mut initiator, _) = started.expect("a good relay key");
    initiator.receive(hint).expect_err("a hint ends the link")
}

fn device_reads(
    source: &mut Source<'_>,
    initiator: &mut Initiator,
    sent: &Bytes,
    seen: &mut Seen,
) -> Option<(Bytes, Channel)> {
    let mut answer: Option<(Bytes, Channel)> = None;
    for piece in source.pieces(sent) {
        match &mut answer {
            Some((_, channel)) => channel.feed(piece),
            None => match initiator.receive(piece) {
                Ok(read) => answer = read,
                Err(fault) => {
                    note(seen, fault);
                    assert!(initiator.receive(Bytes::from_static(b"more")).is_err(), "a fault is final");
                    return None;
                }
            },
        }
    }
    answer
}

/// Messages one way; the stream is damaged at most once, and nothing after that opens.
fn talk(source: &mut Source<'_>, kind: ChannelKind, from: &mut Channel, to: &mut Channel, seen: &mut Seen) {
    let mut stream = Vec::new();
    let mut messages = Vec::new();
    for _ in 0..source.below(4) {
        let len = match source.below(8) {
            0 => 65_518 * (1 + source.below(3)) + source.below(4),
            1 => MAX_MESSAGE + source.below(2),
            _ => source.place(1024),
        };
        let message = vec![source.byte(); len];
        let sealed = from.seal(&message);
        assert_eq!(sealed.len(), Channel::sealed_len(len));
        stream.extend_from_slice(&sealed);
        messages.push(message);
    }
    let sent = Bytes::from(source.edited(&stream));
    let common = sent.iter().zip(&stream).take_while(|(sent, said)| sent == said).count();
    let (mut read, mut whole) = (0, 0);
    for piece in source.pieces(&sent) {
        to.feed(piece);
        loop {
            match to.next() {
                Ok(Some(message)) => {
                    assert!(message.len() <= MAX_MESSAGE);
                    whole += messages.get(read).map_or(0, |message| Channel::sealed_len(message.len()));
                    if whole <= common {
                        assert_eq!(messages[read], message);
                    } else {
                        assert_eq!(kind, ChannelKind::Plain, "nothing opens after the damage");
                    }
                    read += 1;
                }
                Ok(None) => break,
                Err(fault) => {
                    note(seen, fault);
                    to.feed(Bytes::from_static(b"more"));
                    assert_eq!(to.next(), Err(fault), "a fault is final");
                    return;
                }
            }
        }
    }
}

fn note(seen: &mut Seen, fault: ChannelFault) {
    match fault {
        ChannelFault::Misbehaved(fault) => seen.misbehaviour(fault),
        ChannelFault::Incompatible(fault) => seen.fault("Incompatible", fault),
    }
}
