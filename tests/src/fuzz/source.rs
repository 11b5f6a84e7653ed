//! Bytes of a fuzzer, read as choices.
//!
//! Never fails: when the bytes are used up every choice is the first one, every number zero, so that any input is a whole run and a
//! shorter one a simpler run.

use arbitrary::Unstructured;
use bytes::Bytes;

/// What is left of an input.
pub(super) struct Source<'a>(Unstructured<'a>);

impl<'a> Source<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self(Unstructured::new(data))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    pub(super) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// One of so many choices, at most 256; the first without any.
    pub(super) fn below(&mut self, choices: usize) -> usize {
        if choices == 0 { 0 } else { usize::from(self.byte()) % choices }
    }

    /// A place in something of this length.
    pub(super) fn place(&mut self, len: usize) -> usize {
        if len == 0 { 0 } else { usize::from(u16::from_le_bytes(self.array())) % len }
    }

    pub(super) fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        from.get(self.below(from.len())).cloned()
    }

    /// A number: mostly small, sometimes at an edge, sometimes anything.
    pub(super) fn number(&mut self) -> u64 {
        match self.byte() {
            small @ 0..=199 => u64::from(small),
            200..=215 => u64::MAX - u64::from(self.byte()),
            216..=231 => 1_u64.checked_shl(u32::from(self.byte())).unwrap_or(1 << 53),
            _ => u64::from_le_bytes(self.array()),
        }
    }

    pub(super) fn number32(&mut self) -> u32 {
        u32::try_from(self.number() & u64::from(u32::MAX)).unwrap_or(u32::MAX)
    }

    pub(super) fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        // Fills up with zeros; never errs.
        let _ = self.0.fill_buffer(&mut out);
        out
    }

    /// So many bytes or fewer; one length byte for short ones.
    pub(super) fn bytes(&mut self, most: usize) -> Vec<u8> {
        let len = match self.byte() {
            255 => usize::from(u16::from_le_bytes(self.array())),
            short => usize::from(short),
        };
        let len = len.min(most).min(self.0.len());
        self.0.bytes(len).map(<[u8]>::to_vec).unwrap_or_default()
    }

    /// Everything that is left.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        let len = self.0.len();
        self.0.bytes(len).unwrap_or_default()
    }

    pub(super) fn text(&mut self, most: usize) -> String {
        String::from_utf8_lossy(&self.bytes(most)).into_owned()
    }

    /// The same bytes, or up to three changes to them.
    pub(super) fn edited(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = bytes.to_vec();
        for _ in 0..self.below(4) {
            let at = self.place(out.len());
            match self.below(8) {
                _ if out.is_empty() => out = self.bytes(64),
                0 => out[at] ^= 1 << self.below(8),
                1 => out[at] = self.byte(),
                2 => out.truncate(at),
                3 => drop(out.splice(at..at, self.bytes(64))),
                4 => drop(out.remove(at)),
                5 => {
                    let end = (at + 1 + self.below(64)).min(out.len());
                    out.extend_from_within(at..end);
                }
                6 => {
                    let number = self.number().to_le_bytes();
                    out.iter_mut().skip(at).zip(number).for_each(|(byte, new)| *byte = new);
                }
                _ => out.extend(self.bytes(64)),
            }
        }
        out
    }

    /// The same bytes in pieces.
    pub(super) fn pieces(&mut self, bytes: &Bytes) -> Vec<Bytes> {
        let mut rest = bytes.clone();
        let mut pieces = Vec::new();
        for _ in 0..self.below(6) {
            let at = self.place(rest.len());
            if at > 0 {
                pieces.push(rest.split_to(at));
            }
        }
        if !rest.is_empty() {
            pieces.push(rest);
        }
        pieces
    }
}
