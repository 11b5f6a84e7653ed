//! Whole messages over an established channel: cut into frames, sealed in place, opened in place, put together again.
//!
//! Never interprets a message. A fault is remembered and returned for ever.
//!
//! Limits: [`MAX_MESSAGE`] after reassembly, and memory follows what was opened; [`CHANNEL_BYTES`] and [`CHANNEL_FRAMES`] in either
//! direction make a channel [`spent`](Channel::spent), which its owner heeds; it goes on working meanwhile.

use core::fmt;

use bytes::{Buf, Bytes, BytesMut};

use super::{Opaque, noise};
use crate::{
    error::Misbehaviour,
    limits::{CHANNEL_BYTES, CHANNEL_FRAMES, MAX_MESSAGE, MAX_NOISE},
    wire::frame::{Frames, HEADER},
};

const TAG: usize = 16;
const FLAG: usize = 1;
/// What a frame is longer than its piece of a message.
const OVERHEAD: usize = HEADER + FLAG + TAG;
/// The largest piece of a message in one frame.
const PIECE: usize = MAX_NOISE - TAG - FLAG;

const LAST: u8 = 0;
const MORE: u8 = 1;

/// An established channel: messages in, frames out, and the other way round.
#[cfg_attr(feature = "model", derive(Clone, PartialEq, Eq, Hash))]
pub struct Channel {
    cipher: Cipher,
    frames: Frames,
    /// A flag byte and the pieces of the message under way; empty between messages.
    assembly: BytesMut,
    fault: Option<Misbehaviour>,
    sent: Used,
    received: Used,
}

/// How frames are protected.
#[cfg_attr(feature = "model", derive(Clone, PartialEq, Eq, Hash))]
pub(super) enum Cipher {
    Noise(Opaque<Box<noise::Transport>>),
    #[cfg(feature = "model")]
    Plain,
}

/// What one direction has carried.
#[derive(Default)]
#[cfg_attr(feature = "model", derive(Clone))]
struct Used {
    bytes: u64,
    frames: u64,
}

impl Channel {
    pub(super) fn new(cipher: Cipher, frames: Frames) -> Self {
        Self {
            cipher,
            frames,
            assembly: BytesMut::new(),
            fault: None,
            sent: Used::default(),
            received: Used::default(),
        }
    }

    /// Takes bytes of the link, split anywhere. Call [`next`](Self::next) until it is `None` afterwards.
    pub fn feed(&mut self, bytes: Bytes) {
        if self.fault.is_none() {
            self.frames.feed(bytes);
        }
    }

    /// The next whole message, in a buffer of its own.
    ///
    /// # Errors
    /// The peer broke the protocol; the link must be closed. Every later call says the same.
    #[allow(clippy::should_implement_trait, reason = "a fallible step, not an iterator")]
    pub fn next(&mut self) -> Result<Option<Bytes>, super::ChannelFault> {
        if let Some(fault) = self.fault {
            return Err(fault.into());
        }
        let step = self.step();
        if let Err(fault) = step {
            self.fault = Some(fault);
            self.frames = Frames::default();
            self.assembly = BytesMut::new();
        }
        Ok(step?)
    }

    /// A message as one or more frames.
    pub fn seal(&mut self, message: &[u8]) -> Bytes {
        let mut out = Vec::with_capacity(Self::sealed_len(message.len()));
        let mut rest = message;
        loop {
            let (piece, behind) = rest.split_at(rest.len().min(PIECE));
            rest = behind;
            // At most MAX_NOISE, which is what a u16 holds.
            out.extend_from_slice(&((FLAG + piece.len() + TAG) as u16).to_le_bytes());
            let start = out.len();
            out.push(if rest.is_empty() { LAST } else { MORE });
            out.extend_from_slice(piece);
            let tag = self.cipher.seal(&mut out[start..]);
            out.extend_from_slice(&tag);
            self.sent.count(OVERHEAD + piece.len());
            if rest.is_empty() {
                return out.into();
            }
        }
    }

    /// How many bytes [`seal`](Self::seal) makes of a message of this length.
    pub fn sealed_len(message_len: usize) -> usize {
        message_len + OVERHEAD * message_len.div_ceil(PIECE).max(1)
    }

    /// Whether either direction has carried so much that a new handshake is due.
    pub fn spent(&self) -> bool {
        self.sent.is_spent() || self.received.is_spent()
    }

    fn step(&mut self) -> Result<Option<Bytes>, Misbehaviour> {
        while let Some(frame) = self.frames.next(FLAG + TAG..=MAX_NOISE)? {
            self.received.count(HEADER + frame.len());
            if self.open(&frame)? == LAST {
                let mut message = core::mem::take(&mut self.assembly).freeze();
                message.advance(FLAG);
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// Opens one frame at the end of the assembly and returns its flag.
    ///
    /// Each plaintext starts with its flag, but the pieces must touch. So a later frame is decrypted one byte early, over the last byte
    /// of the piece before, which is put back: one copy of each byte, none moved again.
    fn open(&mut self, frame: &[u8]) -> Result<u8, Misbehaviour> {
        let (text, tag) = frame.split_last_chunk::<TAG>().ok_or(Misbehaviour::FrameLength)?;
        let covered = self.assembly.last().copied();
        let start = self.assembly.len().saturating_sub(FLAG);
        if start + text.len() > FLAG + MAX_MESSAGE {
            return Err(Misbehaviour::TooLarge);
        }
        self.assembly.truncate(start);
        if covered.is_none() && text.len() == FLAG + PIECE {
            // A full frame is seldom the last. Without room for the next one, that would move this one.
            self.assembly.reserve(2 * text.len());
        }
        self.assembly.extend_from_slice(text);
        let opened = &mut self.assembly[start..];
        if !self.cipher.open(opened, tag) {
            return Err(Misbehaviour::BadFrame);
        }
        let flag = opened[0];
        if let Some(covered) = covered {
            opened[0] = covered;
        }
        let piece = text.len() - FLAG;
        match flag {
            // One cut for every message: frames before the last are full, and the last has something in it.
            MORE if piece == PIECE => Ok(MORE),
            LAST if piece > 0 || covered.is_none() => Ok(LAST),
            _ => Err(Misbehaviour::BadFrame),
        }
    }
}

impl Cipher {
    fn seal(&mut self, text: &mut [u8]) -> [u8; TAG] {
        match self {
            Self::Noise(noise) => noise.0.seal(text),
            #[cfg(feature = "model")]
            Self::Plain => [0; TAG],
        }
    }

    fn open(&mut self, text: &mut [u8], tag: &[u8; TAG]) -> bool {
        match self {
            Self::Noise(noise) => noise.0.open(text, tag),
            #[cfg(feature = "model")]
            Self::Plain => *tag == [0; TAG],
        }
    }
}

impl Used {
    fn count(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        self.frames += 1;
    }

    fn is_spent(&self) -> bool {
        self.bytes >= CHANNEL_BYTES || self.frames >= CHANNEL_FRAMES
    }
}

/// A model's states do not differ by how much a channel has carried: it never carries enough to matter.
#[cfg(feature = "model")]
mod used {
    use super::Used;

    impl PartialEq for Used {
        fn eq(&self, _: &Self) -> bool {
            true
        }
    }

    impl Eq for Used {}

    impl core::hash::Hash for Used {
        fn hash<H: core::hash::Hasher>(&self, _: &mut H) {}
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Channel(..)")
    }
}

#[cfg(test)]
mod tests;
