//! What a relay keeps, as operations that read like the protocol.
//!
//! The store is the truth: cursors are assigned inside its insert transaction and seen by readers only after the commit, so that
//! several machines, and several processes, can share one store.

use bytes::Bytes;

use crate::{
    ids::{AccessKey, Cursor, Digest, GroupId, Lane, LinkKey, MailboxId, RelayId, Tag},
    machine::{Origin, StoreRole},
    time::{Duration, UnixMillis},
    wire::message::WireCode,
};

/// The relay's store vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RelayStore {}

impl StoreRole for RelayStore {
    type Op = RelayOp;
    type Outcome = RelayOutcome;
    type Query = RelayQuery;
    type Answer = RelayAnswer;
}

/// One operation of a relay's batch.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RelayOp {
    /// Adds one link's run of blobs to a group's log, which it creates if need be, and stops at the first refusal.
    /// Reports [`RelayOutcome::Appended`].
    Append(Append),
    /// Remembers what a member's link has acknowledged and that it was seen. Creates nothing for an unknown group.
    Seen {
        /// Which group.
        group: GroupId,
        /// Which member.
        link: LinkKey,
        /// Highest acknowledged cursor; never goes back.
        acked: Cursor,
        /// When.
        now: UnixMillis,
    },
    /// Opens a mailbox for a member. Reports [`RelayOutcome::Mailbox`].
    OpenMailbox {
        /// Its id.
        id: MailboxId,
        /// The other mailbox of the same invite: a claim of one closes the other.
        twin: MailboxId,
        /// Whose it is.
        group: GroupId,
        /// When it ends by itself.
        expires: UnixMillis,
        /// Most open mailboxes of one group.
        limit: u32,
    },
    /// Claims a mailbox for a joiner, once. Reports [`RelayOutcome::Mailbox`].
    ClaimMailbox {
        /// Which.
        id: MailboxId,
        /// The joiner's one-time key; the same key may claim again after a reconnect.
        link: LinkKey,
        /// When, to judge expiry.
        now: UnixMillis,
    },
    /// Leaves a message for the other side. Reports [`RelayOutcome::Mailbox`].
    SendMailbox {
        /// Which.
        id: MailboxId,
        /// Who writes.
        side: Side,
        /// The message.
        body: Bytes,
        /// When, to judge expiry.
        now: UnixMillis,
    },
    /// Ends a mailbox and its twin.
    CloseMailbox {
        /// Which.
        id: MailboxId,
    },
    /// Expires blobs and mailboxes and enforces the share of acknowledged blobs. Reports [`RelayOutcome::Swept`].
    Sweep {
        /// The relay's wall clock.
        now: UnixMillis,
        /// The expiry clock advances by at most this much.
        clamp: Duration,
    },
}

/// One link's run of blobs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Append {
    /// Which group.
    pub group: GroupId,
    /// Its access key, for a group not known yet.
    pub access: AccessKey,
    /// Who pushes.
    pub link: LinkKey,
    /// Where the pusher comes from: new groups are counted by it.
    pub origin: Origin,
    /// On which lane: blobs of the control lane may use the reserve of a full group.
    pub lane: Lane,
    /// The blobs, in the lane's order.
    pub blobs: Vec<(Digest, Bytes)>,
    /// The relay's wall clock.
    pub now: UnixMillis,
    /// How long to keep them.
    pub retention: Duration,
    /// Stored bytes a group may have.
    pub group_bytes: u64,
    /// Stored blobs a group may have.
    pub group_blobs: u64,
    /// New groups per origin and day.
    pub groups_per_day: u32,
}

/// The two sides of a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The member who opened it.
    Creator,
    /// The one who claimed it.
    Joiner,
}

impl Side {
    /// The other side.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Creator => Self::Joiner,
            Self::Joiner => Self::Creator,
        }
    }
}

/// What a committed operation reports.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RelayOutcome {
    /// To `Append`: one result per blob, in order.
    Appended {
        /// The group's head before this run.
        before: Cursor,
        /// The group's head now.
        head: Cursor,
        /// The results.
        results: Vec<Stored>,
    },
    /// To a mailbox operation.
    Mailbox(Result<(), WireCode>),
    /// To `Sweep`: the groups whose floor moved.
    Swept(Vec<(GroupId, Cursor)>),
}

/// What became of one blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stored {
    /// New; it has this cursor.
    At(Cursor),
    /// Known; it has had this cursor.
    Duplicate(Cursor),
    /// Not stored, and nothing after it.
    Refused(WireCode),
}

/// One question of a relay.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RelayQuery {
    /// What a relay needs to start. Purges mailboxes that have ended.
    Open,
    /// What the second flight says to a member: head, floor, what it stored last, and a first page.
    Welcome {
        /// Which group.
        group: GroupId,
        /// Which member.
        link: LinkKey,
        /// The first page.
        page: PageQuery,
    },
    /// One page.
    Page {
        /// Which group.
        group: GroupId,
        /// Which page.
        page: PageQuery,
    },
    /// The heads of these groups, after announcements may have been lost.
    Heads(Vec<GroupId>),
    /// A mailbox's messages for one side, after so many.
    Mailbox {
        /// Which.
        id: MailboxId,
        /// Who reads.
        side: Side,
        /// How many that side has had.
        after: u32,
    },
}

/// Which page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PageQuery {
    /// Above this cursor.
    pub after: Cursor,
    /// The tag of the blob there; compared unless zeros or below the floor.
    pub tag: Tag,
    /// Total of blob bytes.
    pub max_bytes: u32,
    /// Return the first blob even when it alone is larger.
    pub at_least_one: bool,
}

/// The answer to a [`RelayQuery`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RelayAnswer {
    /// To `Open`.
    Opened {
        /// This database's name.
        relay_id: RelayId,
    },
    /// To `Welcome`.
    Welcome {
        /// What this link stored last.
        own: Option<(Cursor, Digest)>,
        /// The first page.
        page: LogPage,
    },
    /// To `Page`.
    Page(LogPage),
    /// To `Heads`.
    Heads(Vec<(GroupId, Cursor)>),
    /// To `Mailbox`: the messages, and whether the mailbox still exists and was claimed.
    Mailbox {
        /// Messages from the other side, in order.
        messages: Vec<Bytes>,
        /// Whether it still exists.
        open: bool,
        /// Whether a joiner has claimed it.
        claimed: bool,
    },
}

/// A page of a group's log. An unknown group is an empty page with head 0.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct LogPage {
    /// The cursor the page follows.
    pub after: Cursor,
    /// Blobs at or below this cursor are gone.
    pub floor: Cursor,
    /// The log's newest cursor.
    pub head: Cursor,
    /// Another blob stands at `after` than the tag names, or `after` lies beyond the head: the log was rolled back.
    pub reset: bool,
    /// The blobs.
    pub entries: Vec<(Cursor, Bytes)>,
}
