//! Reads the messages on a plain link, for transcripts and the model. Knows frames and flags, nothing of machines.

use bytes::{Buf, Bytes, BytesMut};
use zerok_core::wire::{
    codec,
    message::{ToDevice, ToRelay},
};

const PREAMBLE: usize = 4;
const MESSAGE_1: usize = 96;
const MESSAGE_2: usize = 48;
const TAG: usize = 16;

/// One direction of a link.
#[derive(Debug, Clone, Default)]
pub struct Tap {
    buffer: BytesMut,
    assembly: BytesMut,
    frames: u64,
    /// The first frame was too short for any handshake.
    hinted: bool,
}

/// What passed.
#[derive(Debug, Clone)]
pub enum Said {
    /// A message of a device.
    ToRelay(ToRelay),
    /// The first flight of a device without a group.
    Claim,
    /// A message of the relay.
    ToDevice(ToDevice),
    /// The answer to it.
    Open,
    /// The relay's plain word that it cannot answer, before it closes.
    Hint,
}

impl Tap {
    /// Messages that became whole with these bytes, from a device.
    pub fn device_says(&mut self, bytes: &Bytes) -> Vec<Said> {
        if self.frames == 0 && self.buffer.is_empty() {
            self.buffer.extend_from_slice(&bytes[PREAMBLE.min(bytes.len())..]);
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        let mut said = Vec::new();
        while let Some((first, message)) = self.next(MESSAGE_1) {
            if !first {
                said.extend(codec::decode_to_relay(message).ok().map(Said::ToRelay));
            } else if message.is_empty() {
                said.push(Said::Claim);
            } else if let Ok((hello, pull)) = codec::decode_first_flight(message) {
                said.push(Said::ToRelay(ToRelay::Hello(Box::new(hello))));
                said.push(Said::ToRelay(ToRelay::Pull(pull)));
            }
        }
        said
    }

    /// The same from a relay.
    pub fn relay_says(&mut self, bytes: &Bytes) -> Vec<Said> {
        self.buffer.extend_from_slice(bytes);
        let mut said = Vec::new();
        while let Some((first, message)) = self.next(MESSAGE_2) {
            if !first {
                said.extend(codec::decode_to_device(message).ok().map(Said::ToDevice));
            } else if self.hinted {
                said.push(Said::Hint);
            } else if message.is_empty() {
                said.push(Said::Open);
            } else if let Ok((welcome, page)) = codec::decode_second_flight(message) {
                said.push(Said::ToDevice(ToDevice::Welcome(welcome)));
                said.push(Said::ToDevice(ToDevice::Page(page)));
            }
        }
        said
    }

    fn next(&mut self, header: usize) -> Option<(bool, Bytes)> {
        loop {
            let len = usize::from(u16::from_le_bytes([*self.buffer.first()?, *self.buffer.get(1)?]));
            if self.buffer.len() < 2 + len {
                return None;
            }
            self.buffer.advance(2);
            let frame = self.buffer.split_to(len).freeze();
            self.frames += 1;
            if self.frames == 1 {
                self.hinted = frame.len() < header;
                return Some((true, frame.slice(header.min(frame.len())..)));
            }
            self.assembly.extend_from_slice(&frame[1..frame.len() - TAG]);
            if frame[0] == 0 {
                return Some((false, self.assembly.split().freeze()));
            }
        }
    }
}
