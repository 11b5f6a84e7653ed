//! Frames and the messages inside them, before any key is known.
//!
//! What must hold: a stream gives the same frames and the same fault however it is split and whenever it is drained; what decodes
//! encodes to the same bytes; what is within the limits decodes to what it was made of.

use core::ops::RangeInclusive;

use bytes::Bytes;
use zerok_core::{
    error::Misbehaviour,
    wire::{codec, frame::Frames},
};

use super::{
    sayings::{Pool, to_device, to_relay},
    seen::Seen,
    source::Source,
};

/// Cuts and decodes what a stranger may send.
pub fn frames(data: &[u8]) -> Seen {
    let (mut source, mut seen) = (Source::new(data), Seen::default());
    let lengths = [0..=65_535, 2..=60_048, 17..=65_535, 96..=4192, 1..=4];
    let lengths = source.pick(&lengths).unwrap_or(0..=65_535);
    let cuts = source.array::<6>();
    let stream = match source.below(3) {
        0 => Bytes::copy_from_slice(source.rest()),
        _ => said(&mut source),
    };
    let whole = cut([stream.clone()], &lengths, true);
    let split = |cuts: &[u8]| {
        let mut rest = stream.clone();
        let mut pieces = Vec::new();
        for cut in cuts.iter().cycle().take(200) {
            pieces.push(rest.split_to(usize::from(*cut).min(rest.len())));
        }
        pieces.push(rest);
        pieces
    };
    assert_eq!(cut(split(&cuts), &lengths, true), whole, "split anywhere");
    assert_eq!(cut(split(&cuts), &lengths, false), whole, "drained at the end");
    for frame in &whole.0 {
        decode(frame, &mut seen);
    }
    if let Some(fault) = whole.1 {
        seen.misbehaviour(fault);
    }
    decode(&stream, &mut seen);
    seen
}

type Cut = (Vec<Bytes>, Option<Misbehaviour>);

fn cut(pieces: impl IntoIterator<Item = Bytes>, lengths: &RangeInclusive<usize>, at_once: bool) -> Cut {
    let (mut frames, mut found) = (Frames::default(), Vec::new());
    let mut drain = |frames: &mut Frames| loop {
        match frames.next(lengths.clone()) {
            Ok(Some(body)) => found.push(body),
            Ok(None) => return None,
            Err(fault) => return Some(fault),
        }
    };
    for piece in pieces {
        frames.feed(piece);
        if at_once && let Some(fault) = drain(&mut frames) {
            return (found, Some(fault));
        }
    }
    let fault = drain(&mut frames);
    (found, fault)
}

/// Every decoder on the same bytes.
fn decode(bytes: &Bytes, seen: &mut Seen) {
    match codec::decode_to_relay(bytes.clone()) {
        Ok(message) => assert_eq!(codec::encode(&message), *bytes),
        Err(fault) => seen.misbehaviour(fault),
    }
    match codec::decode_to_device(bytes.clone()) {
        Ok(message) => assert_eq!(codec::encode(&message), *bytes),
        Err(fault) => seen.misbehaviour(fault),
    }
    match codec::decode_first_flight(bytes.clone()) {
        Ok((hello, pull)) => assert_eq!(codec::encode_first_flight(&hello, &pull), *bytes),
        Err(fault) => seen.misbehaviour(fault),
    }
    match codec::decode_second_flight(bytes.clone()) {
        Ok((welcome, page)) => assert_eq!(codec::encode_second_flight(&welcome, &page), *bytes),
        Err(fault) => seen.misbehaviour(fault),
    }
}

/// Messages in frames, some of them damaged.
fn said(source: &mut Source<'_>) -> Bytes {
    let pool = Pool::default();
    let mut stream = Vec::new();
    for _ in 0..=source.below(4) {
        let message = if source.flag() {
            let message = to_relay(source, &pool);
            let bytes = Bytes::from(codec::encode(&message));
            if let Ok(read) = codec::decode_to_relay(bytes.clone()) {
                assert_eq!(read, message);
            }
            bytes
        } else {
            let message = to_device(source, &pool);
            let bytes = Bytes::from(codec::encode(&message));
            if let Ok(read) = codec::decode_to_device(bytes.clone()) {
                assert_eq!(read, message);
            }
            bytes
        };
        let message = source.edited(&message);
        let len = if source.below(8) == 7 { source.number() as u16 } else { message.len() as u16 };
        stream.extend_from_slice(&len.to_le_bytes());
        stream.extend_from_slice(&message);
    }
    stream.into()
}
