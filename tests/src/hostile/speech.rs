//! What a relay says at once, as a whole, and its bytes on the plain channel.
//!
//! On that channel frames have no counters and no secrets, so a message can be put in, left out or repeated between a real relay and
//! a real device: what a relay could do that holds the keys. What the network can do to sealed frames is tested elsewhere (C7).

use bytes::Bytes;
use zerok_core::{
    ids::RelayKey,
    limits::MAX_NOISE,
    wire::{
        codec,
        message::{Page, ToDevice, Welcome},
    },
};

use crate::sim::Said;

/// What message 2 has before its payload: the relay's key, and zeros up to here.
const HEADER_2: usize = 48;
const TAG: usize = 16;
/// The largest piece of a message in one frame, behind its flag.
const PIECE: usize = MAX_NOISE - TAG - 1;

/// The unit of saying.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Speech {
    /// The second flight to a device without a group, or before a refusal: nothing.
    Open,
    /// The second flight.
    Flight(Welcome, Page),
    /// Anything after it.
    Message(ToDevice),
}

impl Speech {
    /// Puts together what a tap heard.
    pub(crate) fn of(said: Vec<Said>) -> Vec<Self> {
        let mut speeches = Vec::new();
        let mut greeting = None;
        for part in said {
            match (part, greeting.take()) {
                (Said::Open, _) => speeches.push(Self::Open),
                (Said::ToDevice(ToDevice::Welcome(welcome)), _) => greeting = Some(welcome),
                (Said::ToDevice(ToDevice::Page(page)), Some(welcome)) => speeches.push(Self::Flight(welcome, page)),
                (Said::ToDevice(message), _) => speeches.push(Self::Message(message)),
                (Said::ToRelay(_) | Said::Claim | Said::Hint, _) => {}
            }
        }
        speeches
    }

    /// The same, as a tap would hear it.
    pub(crate) fn said(&self) -> Vec<Said> {
        match self.clone() {
            Self::Open => vec![Said::Open],
            Self::Flight(welcome, page) => {
                vec![Said::ToDevice(ToDevice::Welcome(welcome)), Said::ToDevice(ToDevice::Page(page))]
            }
            Self::Message(message) => vec![Said::ToDevice(message)],
        }
    }

    /// Its frames, from the relay with this key.
    pub(crate) fn bytes(&self, relay: RelayKey) -> Bytes {
        match self {
            Self::Open => second_flight(relay, &[]),
            Self::Flight(welcome, page) => second_flight(relay, &codec::encode_second_flight(welcome, page)),
            Self::Message(message) => frames(&codec::encode(message)),
        }
    }
}

fn second_flight(relay: RelayKey, payload: &[u8]) -> Bytes {
    let mut message = relay.0.to_vec();
    message.resize(HEADER_2, 0);
    message.extend_from_slice(payload);
    let mut out = Vec::with_capacity(2 + message.len());
    push_frame(&mut out, &message);
    out.into()
}

fn frames(message: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(message.len() + 64);
    let mut pieces = message.chunks(PIECE).peekable();
    while let Some(piece) = pieces.next() {
        let mut frame = vec![u8::from(pieces.peek().is_some())];
        frame.extend_from_slice(piece);
        frame.extend_from_slice(&[0; TAG]);
        push_frame(&mut out, &frame);
    }
    out.into()
}

fn push_frame(out: &mut Vec<u8>, frame: &[u8]) {
    // At most MAX_NOISE, which is what two bytes hold.
    out.extend_from_slice(&(frame.len() as u16).to_le_bytes());
    out.extend_from_slice(frame);
}
