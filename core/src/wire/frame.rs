//! Frames: a u16 length, little endian, and that many bytes.
//!
//! [`Frames`] cuts a byte stream, split anywhere, into frame bodies. It knows nothing of what is inside one and never decrypts.
//!
//! Invariants: memory follows the bytes received, never a length claimed; a frame that arrives whole is handed out as a slice of
//! what was fed; the same stream gives the same frames however it is split.
//!
//! Limits: the caller names the lengths that make sense in its state, and any other ends the stream at its header.

use core::ops::RangeInclusive;

use bytes::{Buf, Bytes, BytesMut};

use crate::error::Misbehaviour;

/// Bytes of a frame before its body.
pub const HEADER: usize = 2;

/// Cuts a byte stream into frames.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Frames {
    /// A frame that began in earlier input, header included. Empty when none did.
    partial: BytesMut,
    /// Input not looked at yet.
    input: Bytes,
}

impl Frames {
    /// Takes the next bytes of the stream. Cheapest when [`next`](Self::next) has returned `None` since the last call.
    pub fn feed(&mut self, bytes: Bytes) {
        if self.input.is_empty() {
            self.input = bytes;
        } else {
            let mut joined = core::mem::take(&mut self.input).try_into_mut().unwrap_or_else(BytesMut::from);
            joined.extend_from_slice(&bytes);
            self.input = joined.freeze();
        }
    }

    /// The body of the next whole frame, or `None` when more bytes are needed.
    ///
    /// # Errors
    /// [`Misbehaviour::FrameLength`] as soon as a header names a length outside `lengths`.
    pub fn next(&mut self, lengths: RangeInclusive<usize>) -> Result<Option<Bytes>, Misbehaviour> {
        if self.partial.is_empty() && self.input.len() >= HEADER {
            let whole = HEADER + body_len(&self.input, &lengths)?;
            if self.input.len() >= whole {
                let mut frame = self.input.split_to(whole);
                frame.advance(HEADER);
                return Ok(Some(frame));
            }
        }
        if !self.fill(HEADER) {
            return Ok(None);
        }
        let whole = HEADER + body_len(&self.partial, &lengths)?;
        if !self.fill(whole) {
            return Ok(None);
        }
        let mut frame = core::mem::take(&mut self.partial).freeze();
        frame.advance(HEADER);
        Ok(Some(frame))
    }

    /// Whether every byte fed so far was part of a frame handed out.
    pub fn is_empty(&self) -> bool {
        self.partial.is_empty() && self.input.is_empty()
    }

    /// Moves input into the partial frame until that has `len` bytes; says whether it has.
    fn fill(&mut self, len: usize) -> bool {
        let missing = len.saturating_sub(self.partial.len());
        let taken = self.input.split_to(missing.min(self.input.len()));
        self.partial.extend_from_slice(&taken);
        self.partial.len() >= len
    }
}

fn body_len(header: &[u8], lengths: &RangeInclusive<usize>) -> Result<usize, Misbehaviour> {
    let len = usize::from(u16::from_le_bytes([header[0], header[1]]));
    if lengths.contains(&len) { Ok(len) } else { Err(Misbehaviour::FrameLength) }
}

#[cfg(test)]
mod tests;
