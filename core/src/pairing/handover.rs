//! What a new device is given: the group's keys, its roster, its relay, and where every chain stood.
//!
//! ```text
//! handover = group id(32) ‖ access key(32) ‖ SHA-256 of genesis(32)
//!            ‖ epochs: n(u8) × secret(32)                 from epoch 0
//!            ‖ relay: len(u16) ‖ address bytes
//!            ‖ since its log was last lost(u64)            milliseconds; all ones when the creator knows of no loss
//!            ‖ roster: n(u16) × (len(u32) ‖ sealed blob)  authors before whom they admit; the first is the genesis
//!            ‖ baseline: n(u16) × (device(8) ‖ inc(8) ‖ lane(u8) ‖ seq(u64) ‖ hash(16))
//! ```
//! [`Handover::check`] proves that all of it belongs to one group down to the epoch secret. The rest of the roster is judged by the
//! client, record by record, as if it had come from a relay.

use bytes::Bytes;
use zeroize::Zeroizing;

use super::exchange::{MAX_PIECES, PIECE_LEN, PairingFault};
use crate::{
    address::RelayAddress,
    ids::{AccessKey, DeviceId, GroupId, Incarnation, RecordHash, StreamId},
    seal::{
        SealFault,
        bytes::Reader,
        keys::{Epoch, EpochSecret, Genesis, group_id},
        record::{Kind, open},
    },
    time::Duration,
};

/// Bytes of one baseline entry.
const BASELINE: usize = 8 + 8 + 1 + 8 + 16;

/// Everything that makes a device a member.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "model", derive(Hash))]
pub struct Handover {
    /// The group.
    pub group: GroupId,
    /// Its first access key.
    pub access: AccessKey,
    /// SHA-256 of its genesis.
    pub genesis_hash: [u8; 32],
    /// The secrets of its epochs, from epoch 0; one in version 1.
    pub epochs: Vec<EpochSecret>,
    /// Its relay.
    pub relay: RelayAddress,
    /// How long ago the creator found that the relay had another log, if ever. Until it is refilled a newcomer must be as patient.
    pub since_reset: Option<Duration>,
    /// The records that make up its roster, sealed, authors before whom they admit. The first is the genesis.
    pub roster: Vec<Bytes>,
    /// The last record of every chain at the time of joining: nothing at or below is missing.
    pub baseline: Vec<(StreamId, u64, RecordHash)>,
}

impl Handover {
    /// Whether group id, access key, genesis and the secret of epoch 0 belong together; gives the genesis.
    ///
    /// # Errors
    /// [`PairingFault::Handover`].
    pub fn check(&self) -> Result<Genesis, PairingFault> {
        let first = self.epochs.first().ok_or(PairingFault::Handover)?;
        let epoch = Epoch::derive(first, &self.group);
        let certified = group_id(&self.access, &self.genesis_hash) == self.group && epoch.access == self.access;
        let genesis = self.roster.first().and_then(|blob| {
            let opened = open(blob, &self.group, &epoch).ok()?;
            let genesis = Genesis::decode(&opened.record.payload).ok()?;
            let signed = opened.verify(&genesis.device().sign, &self.group);
            (opened.record.kind == Kind::Genesis as u8 && signed).then_some(genesis)
        });
        genesis
            .filter(|genesis| certified && genesis.hash() == self.genesis_hash && epoch.matches(genesis.commit()))
            .ok_or(PairingFault::Handover)
    }

    /// Whether it can be handed over with so many bytes of roster more.
    pub fn fits(&self, more: usize) -> bool {
        self.size() + more <= MAX_PIECES * PIECE_LEN
    }

    fn size(&self) -> usize {
        let roster: usize = self.roster.iter().map(|blob| 4 + blob.len()).sum();
        let relay = self.relay.to_bytes().len();
        96 + 1 + 32 * self.epochs.len() + 2 + relay + 8 + 2 + roster + 2 + BASELINE * self.baseline.len()
    }

    /// Its bytes, which wipe themselves.
    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let relay = self.relay.to_bytes();
        // Room for all of it, so that no copy of a secret stays behind in freed memory.
        let room = self.size();
        let mut out = Zeroizing::new(Vec::with_capacity(room));
        out.extend_from_slice(&self.group.0);
        out.extend_from_slice(&self.access.0);
        out.extend_from_slice(&self.genesis_hash);
        out.push(u8::try_from(self.epochs.len()).unwrap_or(u8::MAX));
        for epoch in &self.epochs {
            out.extend_from_slice(epoch.as_bytes());
        }
        out.extend_from_slice(&count(relay.len()));
        out.extend_from_slice(&relay);
        let since = self.since_reset.map_or(u64::MAX, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
        out.extend_from_slice(&since.to_le_bytes());
        out.extend_from_slice(&count(self.roster.len()));
        for blob in &self.roster {
            out.extend_from_slice(&u32::try_from(blob.len()).unwrap_or(u32::MAX).to_le_bytes());
            out.extend_from_slice(blob);
        }
        out.extend_from_slice(&count(self.baseline.len()));
        for (stream, seq, hash) in &self.baseline {
            out.extend_from_slice(&stream.device.0);
            out.extend_from_slice(&stream.inc.0);
            out.push(stream.lane as u8);
            out.extend_from_slice(&seq.to_le_bytes());
            out.extend_from_slice(&hash.0);
        }
        debug_assert_eq!(out.len(), room);
        out
    }

    /// Reads what the other side wrote; says nothing yet of whether it fits together.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, PairingFault> {
        let mut reader = Reader::new(bytes);
        let fields = |reader: &mut Reader<'_>| -> Result<Self, SealFault> {
            let (group, access, genesis_hash) = (GroupId(reader.array()?), AccessKey(reader.array()?), reader.array()?);
            let epochs = (0..reader.u8()?).map(|_| reader.array().map(EpochSecret::new)).collect::<Result<_, _>>()?;
            let len = reader.u16()?;
            let relay = RelayAddress::from_bytes(reader.take(usize::from(len))?).map_err(|_| SealFault::Structure)?;
            let since_reset = Some(reader.u64()?).filter(|since| *since != u64::MAX).map(Duration::from_millis);
            // Both lists grow only as entries are found, whatever their counts claim.
            let mut roster = Vec::new();
            for _ in 0..reader.u16()? {
                let len = usize::try_from(reader.u32()?).map_err(|_| SealFault::Structure)?;
                roster.push(Bytes::copy_from_slice(reader.take(len)?));
            }
            let mut baseline = Vec::new();
            for _ in 0..reader.u16()? {
                let (device, inc) = (DeviceId(reader.array()?), Incarnation(reader.array()?));
                let stream = StreamId { device, inc, lane: reader.lane()? };
                baseline.push((stream, reader.u64()?, RecordHash(reader.array()?)));
            }
            reader.end()?;
            Ok(Self { group, access, genesis_hash, epochs, relay, since_reset, roster, baseline })
        };
        fields(&mut reader).map_err(|_| PairingFault::Malformed)
    }
}

fn count(len: usize) -> [u8; 2] {
    u16::try_from(len).unwrap_or(u16::MAX).to_le_bytes()
}
