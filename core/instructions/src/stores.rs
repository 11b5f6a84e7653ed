//! Stores that say yes: no more than the three machines of a [`Rig`](crate::rig::Rig) need in order to go on.
//!
//! Not what a store must be (zerok-testkit has that): nothing is ever looked up again but a page of the log, nothing is refused,
//! there is one group, and a mailbox's owner is believed.

use std::collections::BTreeMap;

use bytes::Bytes;
use zerok_core::{
    client::store::{ClientAnswer, ClientQuery, ClientStore},
    ids::{Cursor, Digest, LinkKey, MailboxId, RelayId},
    machine::{StoreInput, StoreOutput},
    relay::store::{
        Append, LogPage, PageQuery, RelayAnswer, RelayOp, RelayOutcome, RelayQuery, RelayStore, Side, Stored,
    },
};

/// A device's store begins empty and keeps nothing. Batches are reported durable together, as the last of them.
pub(crate) fn client(requests: Vec<StoreOutput<ClientStore>>) -> Vec<StoreInput<ClientStore>> {
    let mut answers = Vec::new();
    let mut newest = None;
    for request in requests {
        match request {
            StoreOutput::Persist { batch, .. } => newest = Some(batch),
            StoreOutput::Load { load, query } => {
                let answer = match query {
                    ClientQuery::Open => ClientAnswer::Opened(Box::default()),
                    ClientQuery::Outbox(_) => ClientAnswer::Outbox(Vec::new()),
                    ClientQuery::Inbox { .. } => ClientAnswer::Inbox(Vec::new()),
                };
                answers.push(StoreInput::Loaded { load, answer: Ok(answer) });
            }
        }
    }
    answers.extend(newest.map(|batch| StoreInput::Persisted { batch, outcomes: Vec::new() }));
    answers
}

/// A relay's rows.
#[derive(Default)]
pub(crate) struct RelayRows {
    /// The only group's log, from cursor 1.
    log: Vec<(Cursor, Bytes)>,
    own: BTreeMap<LinkKey, (Cursor, Digest)>,
    boxes: BTreeMap<MailboxId, Mailbox>,
}

#[derive(Default)]
struct Mailbox {
    claimed: bool,
    messages: Vec<(Side, Bytes)>,
}

impl RelayRows {
    /// Does what the machine asks.
    pub(crate) fn perform(&mut self, request: StoreOutput<RelayStore>) -> StoreInput<RelayStore> {
        match request {
            StoreOutput::Persist { batch, ops } => {
                let outcomes = ops.into_iter().filter_map(|op| self.apply(op)).collect();
                StoreInput::Persisted { batch, outcomes }
            }
            StoreOutput::Load { load, query } => StoreInput::Loaded { load, answer: Ok(self.load(query)) },
        }
    }

    /// Pairing is over.
    pub(crate) fn forget_mailboxes(&mut self) {
        self.boxes.clear();
    }

    fn head(&self) -> Cursor {
        Cursor(self.log.len() as u64)
    }

    fn apply(&mut self, op: RelayOp) -> Option<RelayOutcome> {
        match op {
            RelayOp::Append(Append { link, blobs, .. }) => {
                let before = self.head();
                let store = |(digest, blob): (Digest, Bytes)| {
                    let cursor = self.head().next();
                    self.log.push((cursor, blob));
                    self.own.insert(link, (cursor, digest));
                    Stored::At(cursor)
                };
                let results = blobs.into_iter().map(store).collect();
                Some(RelayOutcome::Appended { before, head: self.head(), results })
            }
            RelayOp::OpenMailbox { id, .. } => {
                self.boxes.entry(id).or_default();
                Some(RelayOutcome::Mailbox(Ok(())))
            }
            RelayOp::ClaimMailbox { id, .. } => {
                self.boxes.entry(id).or_default().claimed = true;
                Some(RelayOutcome::Mailbox(Ok(())))
            }
            RelayOp::SendMailbox { id, side, body, .. } => {
                self.boxes.entry(id).or_default().messages.push((side, body));
                Some(RelayOutcome::Mailbox(Ok(())))
            }
            RelayOp::Sweep { .. } => Some(RelayOutcome::Swept(Vec::new())),
            RelayOp::CloseMailbox { .. } | RelayOp::Seen { .. } => None,
        }
    }

    fn load(&self, query: RelayQuery) -> RelayAnswer {
        match query {
            RelayQuery::Open => RelayAnswer::Opened { relay_id: RelayId([7; 16]) },
            RelayQuery::Welcome { link, page, .. } => {
                RelayAnswer::Welcome { own: self.own.get(&link).copied(), page: self.page(page) }
            }
            RelayQuery::Page { page, .. } => RelayAnswer::Page(self.page(page)),
            RelayQuery::Heads(groups) => {
                RelayAnswer::Heads(groups.into_iter().map(|group| (group, self.head())).collect())
            }
            RelayQuery::Mailbox { id, side, after } => {
                let mailbox = self.boxes.get(&id);
                let others = mailbox.into_iter().flat_map(|mailbox| &mailbox.messages);
                let others = others.filter(|(from, _)| *from != side).skip(after as usize);
                RelayAnswer::Mailbox {
                    messages: others.map(|(_, body)| body.clone()).collect(),
                    open: mailbox.is_some(),
                    claimed: mailbox.is_some_and(|mailbox| mailbox.claimed),
                }
            }
        }
    }

    fn page(&self, query: PageQuery) -> LogPage {
        let PageQuery { after, max_bytes, at_least_one, .. } = query;
        let mut room = max_bytes as usize;
        let fits = |(at, (_, blob)): &(usize, &(Cursor, Bytes))| {
            let first = *at == 0 && at_least_one;
            let fits = first || blob.len() <= room;
            room = room.saturating_sub(blob.len());
            fits
        };
        let entries = self.log.iter().skip(after.0 as usize).enumerate().take_while(fits);
        let entries = entries.map(|(_, entry)| entry.clone()).collect();
        LogPage { after, floor: Cursor(0), head: self.head(), reset: false, entries }
    }
}
