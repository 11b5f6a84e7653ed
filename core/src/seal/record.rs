//! Records and the blobs they are sealed into.
//!
//! [`seal`] and [`open`] each use one buffer and pass over it once per primitive. The buffer begins with the 40 bytes that a
//! signature covers before the record (label and group id), so that the signed text lies contiguous without a copy:
//!
//! ```text
//! while sealing   "0k/1/rec" ‖ group id ‖ record ‖ signature ‖ zeros
//! sealed          (7 unused) ‖ ver ‖ kid ‖ nonce ‖ ciphertext ‖ tag     the blob is the slice after the unused bytes
//! opened          "0k/1/rec" ‖ group id ‖ record ‖ signature ‖ zeros    payload and raw record are slices of it
//! ```
//!
//! Opening proves that a member of the group sealed the blob, not which one: that is [`Opened::verify`] or
//! [`verify_run`](super::chain::verify_run). A kind this build does not know is kept as its byte.

use bytes::Bytes;
use chacha20poly1305::{AeadInPlace as _, Tag, XNonce};
use ed25519_dalek::VerifyingKey;
use sha2::{Digest as _, Sha256};

use super::{
    SealFault,
    bytes::Reader,
    keys::{DeviceKeys, Epoch, verify_by, verifying_key},
    padding::Padding,
};
use crate::{
    ids::{BlobId, DeviceId, Digest, GroupId, Incarnation, Kid, Lane, RecordHash, sha256_prefix},
    limits::{MAX_BLOB, MAX_PAYLOAD, MAX_SEEN},
    rng::Draw,
    time::UnixMillis,
    wire::message::Signature,
};

const VERSION: u8 = 1;
const LABEL: &[u8; 8] = b"0k/1/rec";
/// Label and group id, before the record in the signed text.
const TEXT_HEAD: usize = LABEL.len() + GroupId::LEN;
const NONCE: usize = 24;
const BLOB_HEAD: usize = 1 + Kid::LEN + NONCE;
const TAG: usize = 16;
const SIGNATURE: usize = 64;
const FLAG_SEEN: u8 = 1;
/// Every record has at least these bytes: fixed fields, payload length, signature.
const SHORTEST: usize = 50 + 4 + SIGNATURE;

/// What a blob has more than its padded record, bytes.
pub const BLOB_OVERHEAD: usize = BLOB_HEAD + TAG;

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Application data.
    Data = 0,
    /// How far the sender's lanes reach and what it has seen. Outside the chains; takes no number.
    Heads = 1,
    /// The group's root.
    Genesis = 2,
    /// A new device.
    Add = 3,
    /// Reserved.
    Remove = 4,
    /// A device's new name.
    Rename = 5,
    /// Reserved.
    Rotate = 6,
    /// Reserved.
    Snapshot = 7,
}

impl Kind {
    /// The kind a byte means, if this build knows it.
    pub const fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::Data,
            1 => Self::Heads,
            2 => Self::Genesis,
            3 => Self::Add,
            4 => Self::Remove,
            5 => Self::Rename,
            6 => Self::Rotate,
            7 => Self::Snapshot,
            _ => return None,
        })
    }

    /// The lane it travels on.
    pub const fn lane(self) -> Lane {
        lane_of(self as u8)
    }
}

/// The lane a kind byte travels on, known or not.
pub const fn lane_of(kind: u8) -> Lane {
    if kind == Kind::Data as u8 { Lane::Data } else { Lane::Control }
}

/// The newest record of one chain that the sender holds durably, with all before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeenEntry {
    /// Whose chain.
    pub device: DeviceId,
    /// In which run of its counters.
    pub inc: Incarnation,
    /// On which lane.
    pub lane: Lane,
    /// Its number.
    pub seq: u64,
    /// First 8 bytes of its hash.
    pub hash: [u8; 8],
}

/// A record's content.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Record {
    /// Who wrote it.
    pub sender: DeviceId,
    /// In which run of its counters.
    pub inc: Incarnation,
    /// Its number in its lane, from 1. In heads, the last data number, which may be 0.
    pub seq: u64,
    /// Hash of the one before it; in heads, of the last data record. Zeros when there is none.
    pub prev: RecordHash,
    /// A [`Kind`], or a byte of a later version.
    pub kind: u8,
    /// The sender's wall clock.
    pub ms: UnixMillis,
    /// What the sender holds of others. At most [`MAX_SEEN`] entries.
    pub seen: Vec<SeenEntry>,
    /// At most [`MAX_PAYLOAD`] bytes.
    pub payload: Bytes,
}

impl Record {
    /// The lane it travels on.
    pub const fn lane(&self) -> Lane {
        lane_of(self.kind)
    }

    /// Bytes when encoded, signature included, padding not.
    pub fn encoded_len(&self) -> usize {
        let seen = if self.seen.is_empty() { 0 } else { 2 + 33 * self.seen.len() };
        SHORTEST + seen + self.payload.len()
    }

    /// Bytes of the blob it will be sealed into.
    pub fn sealed_len(&self, padding: Padding) -> usize {
        padding.padded_len(self.encoded_len()) + BLOB_OVERHEAD
    }
}

/// A record on its way out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SealedRecord {
    /// The sealed bytes.
    pub blob: Bytes,
    /// Their digest.
    pub digest: Digest,
    /// The record's hash, which its successor names.
    pub hash: RecordHash,
}

/// Signs and seals. The caller keeps payload and `seen` within their limits; nobody opens what is above.
pub fn seal(
    record: &Record,
    keys: &DeviceKeys,
    group: &GroupId,
    epoch: &Epoch,
    padding: Padding,
    draw: &mut Draw,
) -> SealedRecord {
    debug_assert!(record.payload.len() <= MAX_PAYLOAD && record.seen.len() <= MAX_SEEN);
    let padded = padding.padded_len(record.encoded_len());
    let mut buffer = Vec::with_capacity(TEXT_HEAD + padded + TAG);
    buffer.extend_from_slice(LABEL);
    buffer.extend_from_slice(&group.0);
    write(&mut buffer, record);
    let signature = keys.sign(&buffer);
    buffer.extend_from_slice(&signature.0);
    let hash = RecordHash(sha256_prefix(&buffer[TEXT_HEAD..]));
    buffer.resize(TEXT_HEAD + padded, 0);

    let nonce: [u8; NONCE] = draw.bytes();
    let tag = epoch.cipher.encrypt_in_place_detached(
        &XNonce::from(nonce),
        &associated(group, &epoch.kid),
        &mut buffer[TEXT_HEAD..],
    );
    // The cipher refuses only above 256 GiB; without a tag the blob opens for nobody.
    buffer.extend_from_slice(&tag.unwrap_or_default());

    let start = TEXT_HEAD - BLOB_HEAD;
    buffer[start] = VERSION;
    buffer[start + 1..start + 9].copy_from_slice(&epoch.kid.0);
    buffer[start + 9..TEXT_HEAD].copy_from_slice(&nonce);
    let blob = Bytes::from(buffer).slice(start..);
    SealedRecord { digest: Digest::of(&blob), blob, hash }
}

/// Under which key a blob is sealed, or `None` when it is no blob of a known version.
pub fn kid_of(blob: &[u8]) -> Option<Kid> {
    let (&version, rest) = blob.split_first()?;
    let (kid, _) = rest.split_first_chunk()?;
    (version == VERSION).then_some(Kid(*kid))
}

/// Decrypts and parses; does not yet know who wrote it.
///
/// # Errors
/// Version, kid, length, decryption, structure or padding, in this order of checking.
pub fn open(blob: &[u8], group: &GroupId, epoch: &Epoch) -> Result<Opened, SealFault> {
    if blob.first().is_some_and(|version| *version != VERSION) {
        return Err(SealFault::Version);
    }
    if blob.len() < BLOB_OVERHEAD + SHORTEST || blob.len() > MAX_BLOB {
        return Err(SealFault::Length);
    }
    let kid = kid_of(blob).ok_or(SealFault::Length)?;
    if kid != epoch.kid {
        return Err(SealFault::Kid);
    }
    let mut nonce = [0; NONCE];
    nonce.copy_from_slice(&blob[9..BLOB_HEAD]);
    let (body, tag) = blob[BLOB_HEAD..].split_last_chunk::<TAG>().ok_or(SealFault::Length)?;

    let mut buffer = Vec::with_capacity(TEXT_HEAD + body.len());
    buffer.extend_from_slice(LABEL);
    buffer.extend_from_slice(&group.0);
    buffer.extend_from_slice(body);
    epoch
        .cipher
        .decrypt_in_place_detached(
            &XNonce::from(nonce),
            &associated(group, &kid),
            &mut buffer[TEXT_HEAD..],
            &Tag::from(*tag),
        )
        .map_err(|_| SealFault::Decrypt)?;
    Opened::parse(&Bytes::from(buffer))
}

/// What applications call the data record at this place: the same on every device, before and after it was sent.
pub fn blob_id(group: &GroupId, sender: DeviceId, inc: Incarnation, seq: u64) -> BlobId {
    let hash = Sha256::new()
        .chain_update(b"0k/1/id")
        .chain_update(group.0)
        .chain_update(sender.0)
        .chain_update(inc.0)
        .chain_update(seq.to_le_bytes())
        .finalize();
    let mut id = [0; 16];
    id.copy_from_slice(&hash[..16]);
    BlobId(id)
}

/// A record out of its blob. Some member sealed it; which one is not yet known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Opened {
    /// Its content.
    pub record: Record,
    /// Its bytes with signature, without padding.
    pub raw: Bytes,
    /// Its hash.
    pub hash: RecordHash,
    /// Label, group id and the record without signature: what the signature covers.
    text: Bytes,
}

impl Opened {
    /// Whether the holder of `sign_pk` signed this record for `group`.
    pub fn verify(&self, sign_pk: &[u8; 32], group: &GroupId) -> bool {
        verifying_key(sign_pk).is_some_and(|key| self.verify_by(&key, group))
    }

    pub(super) fn verify_by(&self, key: &VerifyingKey, group: &GroupId) -> bool {
        let Some(signature) = self.raw.last_chunk() else { return false };
        self.text[LABEL.len()..TEXT_HEAD] == group.0 && verify_by(key, &self.text, &Signature(*signature))
    }

    /// `buffer` = label ‖ group id ‖ record ‖ signature ‖ padding.
    fn parse(buffer: &Bytes) -> Result<Self, SealFault> {
        let plain = &buffer[TEXT_HEAD..];
        let mut reader = Reader::new(plain);
        let sender = DeviceId(reader.array()?);
        let inc = Incarnation(reader.array()?);
        let seq = reader.u64()?;
        let prev = RecordHash(reader.array()?);
        let kind = reader.u8()?;
        let flags = reader.u8()?;
        let ms = UnixMillis(reader.u64()?);
        let seen = match flags {
            0 => Vec::new(),
            FLAG_SEEN => read_seen(&mut reader)?,
            _ => return Err(SealFault::Structure),
        };
        // Only heads may speak of a chain without records.
        if seq == 0 && kind != Kind::Heads as u8 {
            return Err(SealFault::Structure);
        }
        let len = usize::try_from(reader.u32()?).map_err(|_| SealFault::Structure)?;
        if len > MAX_PAYLOAD {
            return Err(SealFault::Structure);
        }
        let start = TEXT_HEAD + plain.len() - reader.left();
        reader.take(len)?;
        reader.take(SIGNATURE)?;
        if reader.take(reader.left())?.iter().any(|byte| *byte != 0) {
            return Err(SealFault::Padding);
        }
        let (payload, raw) = (buffer.slice(start..start + len), buffer.slice(TEXT_HEAD..start + len + SIGNATURE));
        Ok(Self {
            hash: RecordHash(sha256_prefix(&raw)),
            record: Record { sender, inc, seq, prev, kind, ms, seen, payload },
            raw,
            text: buffer.slice(..start + len),
        })
    }
}

/// All of a record but its signature.
fn write(out: &mut Vec<u8>, record: &Record) {
    out.extend_from_slice(&record.sender.0);
    out.extend_from_slice(&record.inc.0);
    out.extend_from_slice(&record.seq.to_le_bytes());
    out.extend_from_slice(&record.prev.0);
    out.push(record.kind);
    out.push(if record.seen.is_empty() { 0 } else { FLAG_SEEN });
    out.extend_from_slice(&record.ms.0.to_le_bytes());
    if !record.seen.is_empty() {
        out.extend_from_slice(&u16::try_from(record.seen.len()).unwrap_or(u16::MAX).to_le_bytes());
        for entry in &record.seen {
            out.extend_from_slice(&entry.device.0);
            out.extend_from_slice(&entry.inc.0);
            out.push(entry.lane as u8);
            out.extend_from_slice(&entry.seq.to_le_bytes());
            out.extend_from_slice(&entry.hash);
        }
    }
    out.extend_from_slice(&u32::try_from(record.payload.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(&record.payload);
}

/// One to [`MAX_SEEN`] entries; the count is judged before anything is allocated.
fn read_seen(reader: &mut Reader<'_>) -> Result<Vec<SeenEntry>, SealFault> {
    let count = usize::from(reader.u16()?);
    if count == 0 || count > MAX_SEEN || reader.left() < 33 * count {
        return Err(SealFault::Structure);
    }
    (0..count)
        .map(|_| {
            Ok(SeenEntry {
                device: DeviceId(reader.array()?),
                inc: Incarnation(reader.array()?),
                lane: reader.lane()?,
                seq: reader.u64()?,
                hash: reader.array()?,
            })
        })
        .collect()
}

fn associated(group: &GroupId, kid: &Kid) -> [u8; 50] {
    let mut out = [0; 50];
    out[..9].copy_from_slice(b"0k/1/blob");
    out[9..41].copy_from_slice(&group.0);
    out[41] = VERSION;
    out[42..].copy_from_slice(&kid.0);
    out
}

#[cfg(test)]
mod tests;
