//! A device's store that costs next to nothing: for figures about a relay, where the load's own disk would be measured otherwise.
//!
//! Keeps what a running machine asks for again, the bytes of outbox and inbox, and nothing that only a restart would read: there is
//! none. Answers at once; every operation is one look into a map, at any backlog. Real devices keep all of it in SQLite.

use std::collections::BTreeMap;

use bytes::Bytes;
use zerok_core::{
    client::store::{ClientAnswer, ClientImage, ClientOp, ClientQuery, ClientStore, InboxRow},
    ids::{OutboxId, Position},
    machine::{StoreInput, StoreOutput},
};

/// What a device may ask for while it runs.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    outbox: BTreeMap<OutboxId, Bytes>,
    inbox: BTreeMap<Position, Bytes>,
}

impl Memory {
    /// Does it, and answers.
    pub(crate) fn perform(&mut self, request: StoreOutput<ClientStore>) -> StoreInput<ClientStore> {
        match request {
            StoreOutput::Persist { batch, ops } => {
                ops.into_iter().for_each(|op| self.apply(op));
                StoreInput::Persisted { batch, outcomes: Vec::new() }
            }
            StoreOutput::Load { load, query } => StoreInput::Loaded { load, answer: Ok(self.answer(&query)) },
        }
    }

    fn apply(&mut self, op: ClientOp) {
        match op {
            ClientOp::Enqueue(row) => drop(self.outbox.insert(row.entry.id, row.blob)),
            ClientOp::Remove(id) => drop(self.outbox.remove(&id)),
            ClientOp::Deliver(row) => drop(self.inbox.insert(row.position, row.blob)),
            ClientOp::Trim(position) => self.inbox = self.inbox.split_off(&position.next()),
            _ => {}
        }
    }

    fn answer(&self, query: &ClientQuery) -> ClientAnswer {
        match query {
            ClientQuery::Open => ClientAnswer::Opened(Box::<ClientImage>::default()),
            ClientQuery::Outbox(ids) => ClientAnswer::Outbox(
                ids.iter().filter_map(|id| self.outbox.get(id).map(|blob| (*id, blob.clone()))).collect(),
            ),
            ClientQuery::Inbox { after, max_bytes, .. } => {
                let mut room = *max_bytes as usize;
                let mut rows = Vec::new();
                for (position, blob) in self.inbox.range(after.next()..) {
                    if !rows.is_empty() && blob.len() > room {
                        break;
                    }
                    room = room.saturating_sub(blob.len());
                    rows.push(InboxRow { position: *position, blob: blob.clone() });
                }
                ClientAnswer::Inbox(rows)
            }
        }
    }
}
