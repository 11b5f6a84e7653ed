//! What every part of the relay machine may cause: outputs, batches, loads, timers, counters.
//!
//! Never decides anything. Its invariant is the gate of this role: what depends on a batch is written down as a [`Consequence`]
//! when the batch goes out and is worked off when the store reports it durable. No frame is prepared earlier, because the cursor
//! it would speak of is assigned inside the store's transaction; so nothing has to be held back, and nothing can slip out.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use crate::{
    ids::{BatchId, Cursor, Digest, GroupId, Lane, LinkId, LinkKey, LoadId, MailboxId},
    limits::RelayLimits,
    machine::{LinkOutput, StoreOutput},
    relay::{
        io::{Announce, RelayOutput},
        stats::RelayStats,
        store::{RelayOp, RelayQuery, Side},
    },
    time::Time,
    timers::Timers,
    wire::message::Pull,
};

/// A deadline of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Timer {
    /// The link must have proven itself.
    Handshake(LinkId),
    /// The link's idle time or its channel's age may be over.
    Watch(LinkId),
    /// The link may have stopped taking bytes.
    Stall(LinkId),
    /// The invite's time is over.
    Invite(MailboxId),
    /// What was acknowledged is written down.
    Seen,
    /// Old blobs and mailboxes go.
    Sweep,
    /// The store, full a while ago, is asked again.
    Reopen,
    /// A drain has lasted long enough.
    Drain,
}

/// What happens once a batch is durable, or has failed.
#[derive(Debug)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) enum Consequence {
    /// Answer the pusher, tell the subscribers.
    Append { link: LinkId, group: GroupId, lane: Lane, blobs: Vec<(Digest, Option<Bytes>)>, weight: usize },
    /// Nothing; kept to be tried again.
    Seen(Vec<(GroupId, LinkKey, Cursor)>),
    /// Attach the creator.
    OpenMailbox { link: LinkId, code: MailboxId, qr: MailboxId },
    /// Attach the joiner.
    ClaimMailbox { link: LinkId, id: MailboxId },
    /// Deliver.
    SendMailbox { link: LinkId, id: MailboxId, weight: usize },
    /// Tell both sides.
    CloseMailbox { id: MailboxId },
    /// Nothing.
    Sweep,
}

impl Consequence {
    /// How many outcomes the store reports for it.
    pub(super) fn outcomes(&self) -> usize {
        match self {
            Self::Seen(_) | Self::CloseMailbox { .. } => 0,
            Self::Append { .. } | Self::ClaimMailbox { .. } | Self::SendMailbox { .. } | Self::Sweep => 1,
            Self::OpenMailbox { .. } => 2,
        }
    }
}

/// What an answer of the store is for.
#[derive(Debug, Clone, Copy, Hash)]
pub(super) enum Purpose {
    /// To start, or to go on after the store was full.
    Open,
    /// The second flight of a link.
    Welcome(LinkId),
    /// A pull of a link.
    Page(LinkId, Pull),
    /// What another machine announced.
    News(GroupId),
    /// What may have been announced and lost.
    Heads,
    /// What one side of a mailbox has not had.
    Mailbox(MailboxId, Side),
}

/// The outward side of the machine.
#[derive(Debug)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) struct Effects {
    pub(super) now: Time,
    pub(super) limits: RelayLimits,
    pub(super) timers: Timers<Timer>,
    pub(super) stats: RelayStats,
    pub(super) batches: BTreeMap<BatchId, Consequence>,
    pub(super) loads: BTreeMap<LoadId, Purpose>,
    newest_batch: BatchId,
    newest_load: LoadId,
    outputs: VecDeque<RelayOutput>,
}

impl Effects {
    pub(super) fn new(limits: RelayLimits, now: Time) -> Self {
        Self {
            now,
            limits,
            timers: Timers::default(),
            stats: RelayStats::default(),
            batches: BTreeMap::new(),
            loads: BTreeMap::new(),
            newest_batch: BatchId(0),
            newest_load: LoadId(0),
            outputs: VecDeque::new(),
        }
    }

    pub(super) fn poll(&mut self) -> Option<RelayOutput> {
        self.outputs.pop_front()
    }

    pub(super) fn link(&mut self, output: LinkOutput) {
        if let LinkOutput::Transmit { bytes, .. } = &output {
            self.stats.bytes_out += bytes.len() as u64;
        }
        self.outputs.push_back(RelayOutput::Link(output));
    }

    pub(super) fn persist(&mut self, ops: Vec<RelayOp>, consequence: Consequence) {
        self.newest_batch = self.newest_batch.next();
        self.batches.insert(self.newest_batch, consequence);
        self.outputs.push_back(RelayOutput::Store(StoreOutput::Persist { batch: self.newest_batch, ops }));
    }

    pub(super) fn load(&mut self, query: RelayQuery, purpose: Purpose) {
        self.newest_load = self.newest_load.next();
        self.loads.insert(self.newest_load, purpose);
        self.outputs.push_back(RelayOutput::Store(StoreOutput::Load { load: self.newest_load, query }));
    }

    pub(super) fn announce(&mut self, announce: Announce) {
        self.outputs.push_back(RelayOutput::Announce(announce));
    }

    pub(super) fn stopped(&mut self) {
        self.outputs.push_back(RelayOutput::Stopped);
    }
}
