//! A client's store in memory: the plainest reading of its operations.
//!
//! Cheap to clone, so a simulator keeps one per prefix of batches and goes back to it in a crash. Fails only for lack of room, and only
//! if it was given a bound; other faults are injected around it.

use std::collections::BTreeMap;

use bytes::Bytes;
use zerok_core::{
    client::store::{
        ClientAnswer, ClientImage, ClientOp, ClientQuery, ClientStore, HeldRow, InboxRow, OutboxEntry, OutboxRow,
        RosterRow,
    },
    ids::{Digest, OutboxId, Position, StreamId},
    machine::{StoreFailure, StoreInput, StoreOutput},
};

/// Everything a client keeps.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct MemoryClientStore {
    /// Outside the database: a crash or a restored copy does not take it back.
    reserved: u64,
    vault: Option<Bytes>,
    ledger: Option<Bytes>,
    streams: BTreeMap<StreamId, Bytes>,
    outbox: BTreeMap<OutboxId, OutboxRow>,
    inbox: BTreeMap<Position, Bytes>,
    held: BTreeMap<Digest, HeldRow>,
    roster: BTreeMap<u64, Bytes>,
    verdicts: BTreeMap<u64, Bytes>,
    /// Bytes of blobs it takes, if that is bounded.
    room: Option<u64>,
    /// A batch found no room and it was not opened again.
    full: bool,
}

/// Bytes and rows of a client's store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Bytes of the outbox that the relay does not have.
    pub unsent: usize,
    /// Bytes of the inbox, read and unread.
    pub inbox: usize,
    /// Bytes held for later.
    pub held: usize,
    /// Blobs held for later.
    pub held_rows: usize,
    /// Findings.
    pub verdicts: usize,
}

impl MemoryClientStore {
    /// Does what a machine asks and answers it.
    pub fn perform(&mut self, request: StoreOutput<ClientStore>) -> StoreInput<ClientStore> {
        match request {
            StoreOutput::Persist { batch, ops } => {
                let before = self.clone();
                self.apply(&ops);
                self.full |= self.room.is_some_and(|room| self.bytes() > room);
                if self.full {
                    *self = Self { full: true, ..before };
                    return StoreInput::PersistFailed { batch, failure: StoreFailure::Full };
                }
                StoreInput::Persisted { batch, outcomes: Vec::new() }
            }
            StoreOutput::Load { load, query } => {
                self.full &= query != ClientQuery::Open;
                StoreInput::Loaded { load, answer: Ok(self.load(&query)) }
            }
        }
    }

    /// Gives it room for so many bytes of blobs, as far as [`Self::perform`] is concerned.
    pub fn set_room(&mut self, bytes: u64) {
        self.room = Some(bytes);
    }

    fn bytes(&self) -> u64 {
        let blobs = self.outbox.values().map(|row| &row.blob).chain(self.inbox.values());
        blobs.map(|blob| blob.len() as u64).sum()
    }

    /// Applies a batch.
    pub fn apply(&mut self, batch: &[ClientOp]) {
        for operation in batch {
            self.apply_one(operation);
        }
    }

    /// Answers a question.
    pub fn load(&self, query: &ClientQuery) -> ClientAnswer {
        match query {
            ClientQuery::Open => ClientAnswer::Opened(Box::new(self.image())),
            ClientQuery::Outbox(ids) => ClientAnswer::Outbox(
                self.outbox
                    .iter()
                    .filter(|(id, _)| ids.contains(id))
                    .map(|(id, row)| (*id, row.blob.clone()))
                    .collect(),
            ),
            ClientQuery::Inbox { after, max_bytes, own } => {
                ClientAnswer::Inbox(self.after(*after, *max_bytes as usize, *own))
            }
        }
    }

    /// What it holds, counted.
    pub fn sizes(&self) -> Sizes {
        let unsent = self.outbox.values().filter(|row| !row.entry.acked);
        Sizes {
            unsent: unsent.map(|row| row.blob.len()).sum(),
            inbox: self.inbox.values().map(Bytes::len).sum(),
            held: self.held.values().map(|row| row.blob.len()).sum(),
            held_rows: self.held.len(),
            verdicts: self.verdicts.len(),
        }
    }

    /// What waits for the relay, or for other devices.
    pub fn outbox(&self) -> impl Iterator<Item = &OutboxEntry> {
        self.outbox.values().map(|row| &row.entry)
    }

    /// The counter kept outside the database.
    pub fn reserved(&self) -> u64 {
        self.reserved
    }

    /// Sets the counter, as when an older copy of the database meets a newer keychain.
    pub fn set_reserved(&mut self, counter: u64) {
        self.reserved = counter;
    }

    /// Everything but blob bytes of outbox and inbox.
    pub fn image(&self) -> ClientImage {
        let size = |blob: &Bytes| u32::try_from(blob.len()).unwrap_or(u32::MAX);
        let mut held: Vec<HeldRow> = self.held.values().cloned().collect();
        held.sort_by_key(|row| (row.cursor, row.digest));
        ClientImage {
            reserved: self.reserved,
            vault: self.vault.clone(),
            ledger: self.ledger.clone(),
            streams: self.streams.iter().map(|(stream, state)| (*stream, state.clone())).collect(),
            outbox: self.outbox.values().map(|row| row.entry).collect(),
            inbox: self.inbox.iter().map(|(position, blob)| (*position, size(blob))).collect(),
            held,
            roster: self
                .roster
                .iter()
                .map(|(number, blob)| RosterRow { number: *number, blob: blob.clone() })
                .collect(),
            verdicts: self.verdicts.iter().map(|(id, verdict)| (*id, verdict.clone())).collect(),
        }
    }

    fn after(&self, after: Position, max_bytes: usize, own: bool) -> Vec<InboxRow> {
        let mut rows: Vec<InboxRow> =
            self.inbox.iter().map(|(position, blob)| InboxRow { position: *position, blob: blob.clone() }).collect();
        if own {
            rows.extend(
                self.outbox
                    .values()
                    .filter_map(|row| row.entry.position.map(|position| InboxRow { position, blob: row.blob.clone() })),
            );
        }
        rows.retain(|row| row.position > after);
        rows.sort_by_key(|row| row.position);
        let mut total = 0;
        let mut fits = 0;
        for row in &rows {
            total += row.blob.len();
            if total > max_bytes && fits > 0 {
                break;
            }
            fits += 1;
        }
        rows.truncate(fits);
        rows
    }

    fn apply_one(&mut self, operation: &ClientOp) {
        match operation.clone() {
            ClientOp::Vault(sealed) => self.vault = Some(sealed),
            ClientOp::Ledger(sealed) => self.ledger = Some(sealed),
            ClientOp::Stream { stream, state } => drop(self.streams.insert(stream, state)),
            ClientOp::Reserve(counter) => self.reserved = self.reserved.max(counter),
            ClientOp::Enqueue(row) => drop(self.outbox.insert(row.entry.id, row)),
            ClientOp::Acked { id, position } => {
                if let Some(row) = self.outbox.get_mut(&id) {
                    row.entry.acked = true;
                    row.entry.position = position;
                }
            }
            ClientOp::Unacked(id) => {
                if let Some(row) = self.outbox.get_mut(&id) {
                    row.entry.acked = false;
                }
            }
            ClientOp::Remove(id) => drop(self.outbox.remove(&id)),
            ClientOp::Deliver(row) => drop(self.inbox.insert(row.position, row.blob)),
            ClientOp::Trim(position) => self.inbox.retain(|at, _| *at > position),
            ClientOp::Hold(row) => drop(self.held.insert(row.digest, row)),
            ClientOp::Release(digest) => drop(self.held.remove(&digest)),
            ClientOp::Roster(row) => drop(self.roster.insert(row.number, row.blob)),
            ClientOp::Verdict { id, verdict } => drop(self.verdicts.insert(id, verdict)),
            ClientOp::Settle(id) => self.verdicts.retain(|known, _| *known > id),
            ClientOp::Erase => *self = Self { reserved: self.reserved, room: self.room, ..Self::default() },
        }
    }
}
