//! What a client keeps, as operations that read like the protocol.
//!
//! Everything secret or personal reaches the store sealed: the vault and ledger under the device's store key, blobs under the
//! group's. A store needs no cryptography. Batches are atomic and in order; see [`crate::machine::StoreOutput`].

use bytes::Bytes;

use crate::{
    ids::{BlobId, Cursor, Digest, IdempotencyKey, Incarnation, Lane, OutboxId, Position, RecordHash, StreamId},
    machine::StoreRole,
};

/// The client's store vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientStore {}

impl StoreRole for ClientStore {
    type Op = ClientOp;
    type Outcome = ();
    type Query = ClientQuery;
    type Answer = ClientAnswer;
}

/// One operation of a client's batch.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ClientOp {
    /// Replaces the sealed keys and group identity. Changes rarely.
    Vault(Bytes),
    /// Replaces the sealed positions and settings. In most batches; only the last of a transaction matters.
    Ledger(Bytes),
    /// Replaces the sealed state of one chain of records.
    Stream {
        /// Which chain.
        stream: StreamId,
        /// Its state.
        state: Bytes,
    },
    /// Raises the counter kept beside the store key, outside this database, before the batch commits. It tells a restored database.
    Reserve(u64),
    /// Adds a sealed blob to the outbox.
    Enqueue(OutboxRow),
    /// The relay holds this blob durably; it now has a place of its own among the device's positions.
    Acked {
        /// Which row.
        id: OutboxId,
        /// Its position, for data.
        position: Option<Position>,
    },
    /// The relay no longer holds this blob: it must go out again. It keeps its position.
    Unacked(OutboxId),
    /// Removes a row: every device has it, or another row replaces it.
    Remove(OutboxId),
    /// Adds a received blob to the inbox.
    Deliver(InboxRow),
    /// Removes the inbox rows up to and including this position.
    Trim(Position),
    /// Keeps a blob that cannot be processed yet.
    Hold(HeldRow),
    /// Forgets a held blob.
    Release(Digest),
    /// Keeps a sealed roster record, to be given to newcomers, in place of any row with its number.
    Roster(RosterRow),
    /// Keeps a verdict until it is read.
    Verdict {
        /// Strictly increasing.
        id: u64,
        /// The verdict, sealed.
        verdict: Bytes,
    },
    /// Forgets verdicts up to and including this one.
    Settle(u64),
    /// Removes everything. The first operation of its batch.
    Erase,
}

/// A sealed blob on its way out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OutboxRow {
    /// Everything but the bytes.
    pub entry: OutboxEntry,
    /// The sealed bytes, resent as they are.
    pub blob: Bytes,
}

/// What the machine remembers of an outbox row without its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OutboxEntry {
    /// Order of enqueueing.
    pub id: OutboxId,
    /// Which lane it is pushed on.
    pub lane: Lane,
    /// The record's kind byte.
    pub kind: u8,
    /// The record's incarnation.
    pub inc: Incarnation,
    /// The record's number in its lane; 0 for heads.
    pub seq: u64,
    /// The record's hash.
    pub hash: RecordHash,
    /// The blob's digest.
    pub digest: Digest,
    /// What the application calls it.
    pub blob_id: BlobId,
    /// The application's own name for it.
    pub key: Option<IdempotencyKey>,
    /// Sealed size, bytes.
    pub size: u32,
    /// Set once the relay holds it.
    pub acked: bool,
    /// Its position once the relay holds it, for data.
    pub position: Option<Position>,
}

/// A received data blob, still sealed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct InboxRow {
    /// Its place in this device's inbox.
    pub position: Position,
    /// The sealed bytes.
    pub blob: Bytes,
}

/// A blob that waits for a key, a roster record or its predecessors.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HeldRow {
    /// Its digest.
    pub digest: Digest,
    /// Where the relay has it.
    pub cursor: Cursor,
    /// The sealed bytes.
    pub blob: Bytes,
}

/// One record of the roster, still sealed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RosterRow {
    /// Order of acceptance. A device's new name takes the number of the one before.
    pub number: u64,
    /// The sealed record.
    pub blob: Bytes,
}

/// One question of a client.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ClientQuery {
    /// Everything but blob bytes of outbox and inbox. Also ends a refusal after a failure that may pass.
    Open,
    /// The bytes of these outbox rows, in order of id, those that exist.
    Outbox(Vec<OutboxId>),
    /// Blobs after a position, in order, up to so many bytes but at least one if there is one.
    Inbox {
        /// Above this one.
        after: Position,
        /// Total of blob bytes.
        max_bytes: u32,
        /// Also the device's own acknowledged blobs that are still in the outbox.
        own: bool,
    },
}

/// The answer to a [`ClientQuery`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ClientAnswer {
    /// To `Open`.
    Opened(Box<ClientImage>),
    /// To `Outbox`.
    Outbox(Vec<(OutboxId, Bytes)>),
    /// To `Inbox`.
    Inbox(Vec<InboxRow>),
}

/// A client's store as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct ClientImage {
    /// The counter kept beside the store key, outside the database.
    pub reserved: u64,
    /// The last vault, if any.
    pub vault: Option<Bytes>,
    /// The last ledger, if any.
    pub ledger: Option<Bytes>,
    /// Every chain's state.
    pub streams: Vec<(StreamId, Bytes)>,
    /// The outbox without bytes, by id.
    pub outbox: Vec<OutboxEntry>,
    /// The inbox without bytes: position and size, by position.
    pub inbox: Vec<(Position, u32)>,
    /// What is held.
    pub held: Vec<HeldRow>,
    /// The roster chain, by number.
    pub roster: Vec<RosterRow>,
    /// Unread verdicts, by id.
    pub verdicts: Vec<(u64, Bytes)>,
}
