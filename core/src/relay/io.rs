//! A relay machine's inputs and outputs.

use crate::{
    ids::{Cursor, GroupId, MailboxId},
    machine::{LinkInput, LinkOutput, StoreInput, StoreOutput},
    relay::store::RelayStore,
    time::UnixMillis,
};

/// What may happen to a relay machine.
#[derive(Debug)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub enum RelayInput {
    /// Time passed.
    Tick,
    /// On a link.
    Link(LinkInput),
    /// In the store.
    Store(StoreInput<RelayStore>),
    /// Another machine announced. Level-triggered: only the highest head per topic counts.
    Announced(Announce),
    /// Announcements may have been lost: reload the heads of every subscribed topic.
    AnnouncedUnknown,
    /// Stop: answer what is under way, say goodbye, close.
    Drain,
    /// The wall clock says.
    WallClock(UnixMillis),
}

/// What a relay machine asks of its driver.
#[derive(Debug)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub enum RelayOutput {
    /// On a link.
    Link(LinkOutput),
    /// To the store.
    Store(StoreOutput<RelayStore>),
    /// Tell the other machines.
    Announce(Announce),
    /// Everything is drained, or the store failed: nothing more will come.
    Stopped,
}

/// Something other machines' subscribers want to know. Durable before it is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Announce {
    /// A group's log grew to this head.
    Group {
        /// Which group.
        group: GroupId,
        /// Its head.
        head: Cursor,
    },
    /// A mailbox changed: a claim, a message, its end.
    Mailbox(MailboxId),
}
