//! The payloads of control records: who joins, how a device is called, how far a device's lanes reach.
//!
//! Decoding is strict: no trailing bytes, no control characters in names (see [`clean_name`]), no weak keys. Whether a record may stand is the client's
//! to judge.

use super::{SealFault, bytes::Reader, keys::DevicePublic};
use crate::{ids::RecordHash, limits::MAX_NAME};

/// Admits a device.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AddPayload {
    /// Its keys.
    pub device: DevicePublic,
    /// How it is called.
    pub name: String,
}

impl AddPayload {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.device.encode().to_vec();
        write_name(&mut out, &self.name);
        out
    }

    /// Reads and judges.
    ///
    /// # Errors
    /// [`SealFault::Structure`] or [`SealFault::WeakKey`].
    pub fn decode(bytes: &[u8]) -> Result<Self, SealFault> {
        let mut reader = Reader::new(bytes);
        let payload = Self { device: DevicePublic::read(&mut reader)?, name: read_name(&mut reader)? };
        reader.end().map(|()| payload)
    }
}

/// Calls the sender by another name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RenamePayload {
    /// The new name.
    pub name: String,
}

impl RenamePayload {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1 + self.name.len());
        write_name(&mut out, &self.name);
        out
    }

    /// Reads.
    ///
    /// # Errors
    /// [`SealFault::Structure`].
    pub fn decode(bytes: &[u8]) -> Result<Self, SealFault> {
        let mut reader = Reader::new(bytes);
        let payload = Self { name: read_name(&mut reader)? };
        reader.end().map(|()| payload)
    }
}

/// Where the sender's control lane stands. The data lane's last number and hash are the heads record's own `seq` and `prev`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HeadsPayload {
    /// Last number used on the control lane, or 0.
    pub control_seq: u64,
    /// Its record's hash, or zeros.
    pub control_hash: RecordHash,
}

impl HeadsPayload {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        [&self.control_seq.to_le_bytes()[..], &self.control_hash.0].concat()
    }

    /// Reads.
    ///
    /// # Errors
    /// [`SealFault::Structure`].
    pub fn decode(bytes: &[u8]) -> Result<Self, SealFault> {
        let mut reader = Reader::new(bytes);
        let payload = Self { control_seq: reader.u64()?, control_hash: RecordHash(reader.array()?) };
        reader.end().map(|()| payload)
    }
}

/// A name as it may stand in a record: without characters that move a cursor or turn text around, trimmed, and cut at [`MAX_NAME`]
/// bytes on a character's edge. Cleaning twice changes nothing more.
pub fn clean_name(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars().filter(|c| !plays_tricks(*c)) {
        if out.is_empty() && c.is_whitespace() {
            continue;
        }
        if out.len() + c.len_utf8() > MAX_NAME {
            break;
        }
        out.push(c);
    }
    out.truncate(out.trim_end().len());
    out
}

/// Control characters, and the marks that override the direction of text.
fn plays_tricks(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A length byte and the name, cleaned so that what is written can be read.
pub(crate) fn write_name(out: &mut Vec<u8>, name: &str) {
    let name = clean_name(name);
    out.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(name.as_bytes());
}

pub(crate) fn read_name(reader: &mut Reader<'_>) -> Result<String, SealFault> {
    let len = reader.u8()?;
    let name = core::str::from_utf8(reader.take(usize::from(len))?).map_err(|_| SealFault::Structure)?;
    // One form for each name: what cleaning would change was never written by an honest device.
    if clean_name(name) == name { Ok(name.to_owned()) } else { Err(SealFault::Structure) }
}

#[cfg(test)]
mod tests;
