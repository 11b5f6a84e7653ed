//! What an application asks of a client, and what it hears.
//!
//! Exactly one [`Reply`] or [`Rejection`] answers each command. Events are hints; reads are the truth.

use bytes::Bytes;

use crate::{
    address::RelayAddress,
    client::{status::Status, verdict::Verdict},
    error::Code,
    ids::{BlobId, DeviceId, GroupId, IdempotencyKey, Kid, Position, RelayId},
    pairing::invite::Invite,
    time::{Duration, UnixMillis},
};

/// A request of the application.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "model", derive(Hash))]
pub enum ClientCommand {
    /// Start syncing. Without a group it makes device keys and a group of one, offline too. Idempotent: to be said at every start,
    /// and each time those are reported again who want a full push.
    Enable {
        /// The device's name within the group, used when a group is made.
        name: String,
    },
    /// Stop syncing. Keys and queue stay.
    Disable,
    /// Queue a blob: durable here first, then at the relay.
    Push {
        /// The payload, up to 960 KiB.
        data: Bytes,
        /// Makes an application's own retry the same push.
        key: Option<IdempotencyKey>,
        /// Answer once it is durable here instead of waiting for the relay.
        detached: bool,
    },
    /// Read the inbox.
    Pull {
        /// After this position; the acknowledged one if absent. Acknowledges up to it.
        after: Option<Position>,
        /// Total of payload bytes; at least one blob is returned if there is one.
        max_bytes: u32,
        /// Also this device's own blobs.
        own: bool,
    },
    /// Acknowledge up to a position. Never more than was returned by pulls.
    Ack(Position),
    /// Open an invite for a new device.
    CreateInvite,
    /// End the open invite.
    CancelInvite,
    /// Join the group behind an invite.
    Join {
        /// A typed code or a QR payload.
        invite: Invite,
        /// This device's name within the group.
        name: String,
    },
    /// Forget the group and everything stored.
    Leave {
        /// Even with queued data.
        force: bool,
    },
    /// Push everything, pull everything, then answer.
    SyncNow,
    /// Change this device's name.
    Rename(String),
    /// Use another relay from now on; treated like a reset of the old one.
    SetRelay(RelayAddress),
    /// The relay named by configuration: adopted when none is stored, else compared.
    Configure(RelayAddress),
    /// Describe everything a user or the doctor may want to see.
    Inspect,
    /// Forget verdicts up to this id.
    Settle(u64),
    /// The application has noted durably that it pushes its full state: whoever was reported to want that need not be reported again.
    AcceptFullPush,
}

/// What the platform reports. Any order, repetition or absence is safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lifecycle {
    /// The application started: push what is queued, then pull.
    Started,
    /// Back in the foreground after this long.
    Resumed {
        /// How long the process slept, if known.
        slept: Duration,
    },
    /// Going to the background: flush what fits.
    Suspending,
    /// About to end: one flight, then close.
    Closing,
    /// Another network, or none.
    NetworkChanged {
        /// Whether any network is there.
        available: bool,
    },
}

/// A good answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "model", derive(Hash))]
pub enum Reply {
    /// Done.
    Done,
    /// To `Push`: the relay holds it durably.
    Pushed {
        /// Its id.
        blob_id: BlobId,
        /// Its own position.
        cursor: Position,
    },
    /// To a detached `Push`: durable here.
    Queued {
        /// Its id.
        blob_id: BlobId,
    },
    /// To `Pull`.
    Pulled(Pulled),
    /// To `CreateInvite`.
    Invited {
        /// The code to type.
        code: crate::pairing::code::PairingCode,
        /// The payload of the QR picture.
        qr: Box<crate::pairing::invite::QrPayload>,
        /// When it ends, by the wall clock.
        expires_at: UnixMillis,
    },
    /// To `Join`.
    Joined {
        /// Whether the relay still has the group's whole history.
        history_complete: bool,
        /// Whether this device had data of its own that the group should get.
        needs_full_push: bool,
    },
    /// To `Inspect`.
    Report(Box<Report>),
}

/// An answer to a pull.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct Pulled {
    /// In order of cursor.
    pub blobs: Vec<Blob>,
    /// Whether the inbox holds more after `max_cursor`.
    pub has_more: bool,
    /// The last position this answer covers, else the one it was asked after.
    pub max_cursor: Position,
    /// Whether blobs after the asked position are no longer readable.
    pub truncated: bool,
}

/// A received blob, opened.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Blob {
    /// The same on every device.
    pub id: BlobId,
    /// Its position on this device.
    pub cursor: Position,
    /// Who sealed it.
    pub sender: DeviceId,
    /// When, by the sender's wall clock.
    pub timestamp: UnixMillis,
    /// The payload.
    pub data: Bytes,
}

/// A bad answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rejection {
    /// Why.
    pub code: Code,
    /// The queued blob, with `pending`.
    pub blob_id: Option<BlobId>,
    /// The highest assigned position, with `cursorUnknown`.
    pub last_cursor: Option<Position>,
}

impl From<Code> for Rejection {
    fn from(code: Code) -> Self {
        Self { code, blob_id: None, last_cursor: None }
    }
}

/// Something the application may want to know.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ClientEvent {
    /// The status changed.
    Status(Status),
    /// A link to the relay is up and proven.
    Connected {
        /// The database behind it.
        relay: RelayId,
    },
    /// The link is down.
    Disconnected {
        /// Why, as far as an application cares.
        code: Code,
    },
    /// A blob is in the inbox.
    BlobAvailable {
        /// Its id.
        id: BlobId,
        /// Its position.
        cursor: Position,
        /// Who sealed it.
        sender: DeviceId,
        /// When, by the sender's wall clock.
        timestamp: UnixMillis,
        /// Payload bytes.
        size: u32,
    },
    /// A queued blob is durable at the relay.
    BlobSynced {
        /// Its id.
        id: BlobId,
        /// Its own position.
        cursor: Position,
    },
    /// A queued blob has a new id: the store was restored, or moved into another group.
    BlobReissued {
        /// Before.
        old: BlobId,
        /// Now.
        new: BlobId,
    },
    /// A device's first own record arrived.
    DeviceJoined {
        /// Which.
        device: DeviceId,
        /// Its name.
        name: String,
        /// This device admitted it and should push its full state.
        wants_full_push: bool,
    },
    /// This device joined a group.
    Joined {
        /// Which.
        group: GroupId,
        /// Whether the relay still has the group's whole history.
        history_complete: bool,
        /// Whether the application should push its full state.
        needs_full_push: bool,
    },
    /// Somebody claimed the open invite and was admitted.
    InviteUsed {
        /// Who.
        device: DeviceId,
    },
    /// The open invite ended without a new device.
    InviteEnded {
        /// Why.
        code: Code,
    },
    /// How far a sync has come.
    Progress {
        /// Blobs left to push.
        to_push: u64,
        /// Log entries left to pull.
        to_pull: u64,
    },
    /// Something is wrong with the history; kept until settled.
    Verdict {
        /// Its id.
        id: u64,
        /// What.
        verdict: Verdict,
    },
    /// Something went wrong that no call answers for.
    Problem(Code),
}

/// Everything there is to see of a client.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Report {
    /// The status.
    pub status: Status,
    /// Group, device and epoch, once there is one.
    pub identity: Option<Identity>,
    /// The relay in use.
    pub relay: Option<RelayAddress>,
    /// The devices of the group.
    pub devices: Vec<Device>,
    /// Unsettled verdicts.
    pub verdicts: Vec<(u64, Verdict)>,
    /// Blobs not yet at the relay, oldest first.
    pub pending: Vec<BlobId>,
    /// Highest position assigned.
    pub head: Position,
    /// Acknowledged position.
    pub acked: Position,
    /// Somebody wants this device's full state, and the application has not accepted that yet.
    pub wants_full_push: bool,
    /// The place in the relay's log.
    pub relay_cursor: crate::ids::Cursor,
    /// How far the relay's clock, as told by records it delivered, is from ours is unknown to a client; the wall clock as last reported.
    pub wall_clock: UnixMillis,
}

/// Who a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The group.
    pub group: GroupId,
    /// This device.
    pub device: DeviceId,
    /// The current epoch.
    pub kid: Kid,
}

/// A member.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Device {
    /// Its id.
    pub id: DeviceId,
    /// Its name.
    pub name: String,
    /// Whether it is this one.
    pub own: bool,
    /// When a record of its own last came in, by this device's wall clock. Nothing of the device itself, nothing before its first.
    pub last_heard: Option<UnixMillis>,
    /// What its own wall clock showed when it wrote its latest record here.
    pub last_written: Option<UnixMillis>,
}
