//! The two sealed rows: the vault, which changes rarely and holds every secret, and the ledger, which changes with most batches.
//!
//! Both are postcard under the device's store key, so that a store, a backup or a thief of the database reads neither.

use core::{
    fmt,
    ops::{Deref, DerefMut},
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use zeroize::{Zeroize, Zeroizing};

use crate::{
    client::restore::Unconfirmed,
    error::Code,
    ids::{
        AccessKey, BlobId, Cursor, DeviceId, Digest, GroupId, IdempotencyKey, Incarnation, Kid, Lane, OutboxId,
        Position, RelayId, Tag,
    },
    rng::Draw,
    seal::rest::{StoreKey, open_at_rest, seal_at_rest},
    time::UnixMillis,
};

/// Numbers of a lane that are reserved at once in the counter beside the store key.
pub(super) const RESERVE_BLOCK: u64 = 1024;
/// Idempotency keys remembered after their blob left the outbox.
pub(super) const RECENT_KEYS: usize = 64;

/// Every secret, and what changes as rarely.
#[derive(Clone, Serialize, Deserialize, Default)]
pub(super) struct Vault {
    /// Who this device is, once it belongs to a group.
    pub(super) identity: Option<StoredIdentity>,
    /// The relay in use, as its address string.
    pub(super) relay: Option<String>,
    /// Keys shown to a creator by a join that has not come to its end: shown again at the next, so that a crash between leaves one
    /// roster entry and not two.
    pub(super) candidate: Option<StoredKeys>,
}

/// Signing, link and box secrets, 32 bytes each.
#[derive(Clone, Serialize, Deserialize, Zeroize)]
#[zeroize(drop)]
pub(super) struct StoredKeys(pub(super) Vec<u8>);

/// A device's secrets within its group.
#[derive(Clone, Serialize, Deserialize, Zeroize)]
#[zeroize(drop)]
pub(super) struct StoredIdentity {
    /// Signing, link and box secrets, 32 bytes each.
    pub(super) keys: Vec<u8>,
    #[zeroize(skip)]
    pub(super) group: GroupId,
    #[zeroize(skip)]
    pub(super) access: AccessKey,
    pub(super) genesis: [u8; 32],
    /// Epoch secrets, oldest first.
    pub(super) epochs: Vec<[u8; 32]>,
}

/// Positions, settings and what is known of other devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default, Hash)]
pub(super) struct Ledger {
    pub(super) enabled: bool,
    /// The current incarnation; zeros without a group.
    pub(super) inc: [u8; 8],
    /// The incarnation before, which the first record of this one names.
    pub(super) earlier_inc: Option<Incarnation>,
    /// Numbers below this are reserved beside the store key.
    pub(super) reserved: u64,
    pub(super) next_outbox: OutboxId,
    /// Highest position assigned.
    pub(super) last_position: Position,
    /// Highest position up to which every delivered entry was returned by some pull: `H`.
    pub(super) returned: Position,
    pub(super) acked: Position,
    /// Highest position no longer readable.
    pub(super) trimmed: Position,
    pub(super) place: Option<Place>,
    pub(super) last_synced_at: Option<UnixMillis>,
    /// Digests the relay acknowledged last: `Welcome.own` must be among them, or the store is older than the relay.
    pub(super) own_recent: VecDeque<Digest>,
    /// How far each other device has this device's chains.
    pub(super) covered: BTreeMap<DeviceId, BTreeMap<(Incarnation, Lane), u64>>,
    /// How often each other device's word alone made this one count anew.
    pub(super) believed: BTreeMap<DeviceId, u8>,
    /// And the relay's.
    pub(super) relay_believed: u8,
    /// When each other device was last heard from, by this device's wall clock.
    pub(super) heard: BTreeMap<DeviceId, UnixMillis>,
    /// What each other device's own wall clock showed in its latest record. The latest and not the highest: a clock that is set right
    /// must not look wrong for ever.
    pub(super) written: BTreeMap<DeviceId, UnixMillis>,
    /// Devices whose first own record has been reported.
    pub(super) greeted: BTreeSet<DeviceId>,
    /// Devices this one admitted and whose wish for a full push the application has not accepted yet.
    pub(super) wants_full_push: BTreeSet<DeviceId>,
    pub(super) next_verdict: u64,
    pub(super) next_roster: u64,
    /// When the outbox was last refilled after a reset.
    pub(super) refilled_at: Option<UnixMillis>,
    /// Another refill waits for its hour to pass.
    pub(super) refill_due: bool,
    pub(super) recent_keys: VecDeque<(IdempotencyKey, BlobId, Position)>,
    /// Keys whose absence has been reported.
    pub(super) missing_kids: BTreeSet<Kid>,
    /// Senders of records that were already reported as unknown.
    pub(super) strangers: VecDeque<DeviceId>,
    /// Devices already reported as restored too often.
    pub(super) unfollowed: BTreeSet<DeviceId>,
    /// Blobs already reported as tampered.
    pub(super) tampered: VecDeque<Digest>,
    /// Held blobs of newer kinds, whose place in their chain is settled. At most as many as are held.
    pub(super) for_newer: BTreeSet<Digest>,
    /// A newer record kind was reported.
    pub(super) unknown_kind: bool,
    /// This device joined and has not said so yet; whether its application should push its full state.
    pub(super) joining: Option<bool>,
    /// Data was applied since the last heads record, or pairing ended.
    pub(super) heads_due: bool,
    /// The lowest cursor whose blob was dropped because too much was held.
    pub(super) dropped_from: Option<Cursor>,
    /// When the log was last found to be another one.
    pub(super) reset_at: Option<UnixMillis>,
    /// This device joined with data of its own, and the application has not accepted yet to push all of it.
    pub(super) owes_full_push: bool,
    /// Something was written that no log has confirmed.
    pub(super) unconfirmed: Option<Unconfirmed>,
}

/// The ledger in memory, and whether anybody may have changed it since it was last looked at: whoever gets to it mutably is taken to
/// have. Most inputs change nothing in it, and encoding it to find that out took longer than most inputs.
#[derive(Default)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) struct Watched {
    ledger: Ledger,
    touched: bool,
}

impl Watched {
    /// Whether it may have changed since the last call.
    pub(super) fn take_touched(&mut self) -> bool {
        core::mem::take(&mut self.touched)
    }
}

impl Deref for Watched {
    type Target = Ledger;

    fn deref(&self) -> &Ledger {
        &self.ledger
    }
}

impl DerefMut for Watched {
    fn deref_mut(&mut self) -> &mut Ledger {
        self.touched = true;
        &mut self.ledger
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ledger.fmt(f)
    }
}

/// The place in the relay's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Hash)]
pub(super) struct Place {
    pub(super) relay: RelayId,
    pub(super) cursor: Cursor,
    pub(super) tag: Tag,
    pub(super) floor: Cursor,
    /// The highest cursor at which the relay said it holds a blob of this device.
    pub(super) own: Cursor,
}

impl Place {
    /// The beginning of a log.
    pub(super) fn beginning(relay: RelayId, floor: Cursor) -> Self {
        Self { relay, cursor: Cursor(0), tag: Tag::default(), floor, own: Cursor(0) }
    }
}

/// A row that is sealed under the store key.
pub(super) trait Sealed: Serialize + DeserializeOwned {
    /// What binds the sealed bytes to their place.
    const LABEL: &'static str;

    fn seal(&self, key: &StoreKey, draw: &mut Draw) -> Bytes {
        let plain = Zeroizing::new(encode(self));
        seal_at_rest(key, Self::LABEL, &plain, draw)
    }

    /// # Errors
    /// `keyLost` when the row does not open under this key, `storageFailed` when it opens but makes no sense.
    fn open(key: &StoreKey, sealed: &[u8]) -> Result<Self, Code> {
        let plain = open_at_rest(key, Self::LABEL, sealed).ok_or(Code::KeyLost)?;
        postcard::from_bytes(&plain).map_err(|_| Code::StorageFailed)
    }
}

impl Sealed for Vault {
    const LABEL: &'static str = "vault";
}

impl Sealed for Ledger {
    const LABEL: &'static str = "ledger";
}

impl Sealed for super::stream::Stream {
    const LABEL: &'static str = "stream";
}

impl Sealed for super::verdict::Verdict {
    const LABEL: &'static str = "verdict";
}

/// Plain bytes; these types hold no maps with keys postcard could refuse.
pub(super) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::serialize_with_flavor(value, Roomy(Vec::with_capacity(ROOM))).unwrap_or_default()
}

/// What most rows fit into. Growing there from nothing takes eight steps, each of which may leave a copy behind.
const ROOM: usize = 1024;

/// Postcard's own vector, but for where it begins.
struct Roomy(Vec<u8>);

impl Flavor for Roomy {
    type Output = Vec<u8>;

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<Vec<u8>> {
        Ok(self.0)
    }
}

/// No counter comes near this in any honest life.
const IMPOSSIBLE: u64 = 1 << 62;

impl Ledger {
    /// Whether its numbers can be counted on from. What opens was written by this device, though maybe not by this version of it.
    pub(super) fn is_sound(&self) -> bool {
        let positions = [self.last_position, self.returned, self.acked, self.trimmed];
        let counters = [self.reserved, self.next_outbox.0, self.next_verdict, self.next_roster];
        positions.iter().map(|position| position.0).chain(counters).all(|number| number < IMPOSSIBLE)
            && self.returned <= self.last_position
            && self.acked <= self.returned
    }

    /// The next position, at least `first`.
    pub(super) fn assign_position(&mut self, first: Position) -> Position {
        self.last_position = self.last_position.next().max(if bug!(PositionReused) { Position(0) } else { first });
        self.last_position
    }

    pub(super) fn assign_outbox(&mut self) -> OutboxId {
        self.next_outbox = self.next_outbox.next();
        self.next_outbox
    }

    pub(super) fn assign_verdict(&mut self) -> u64 {
        self.next_verdict += 1;
        self.next_verdict
    }

    pub(super) fn assign_roster(&mut self) -> u64 {
        self.next_roster += 1;
        self.next_roster
    }

    pub(super) fn inc(&self) -> Incarnation {
        Incarnation(self.inc)
    }

    /// Remembers a digest the relay acknowledged.
    pub(super) fn acknowledged(&mut self, digest: Digest) {
        remember(&mut self.own_recent, digest, 8);
    }
}

/// Appends to a bounded list that forgets its oldest.
pub(super) fn remember<T>(list: &mut VecDeque<T>, item: T, most: usize) {
    list.push_back(item);
    if list.len() > most {
        list.pop_front();
    }
}

#[cfg(test)]
mod tests;
