//! The messages of the protocol. Plain data: `codec` turns them into bytes and back.

use bytes::Bytes;
use thiserror::Error;

use crate::ids::{AccessKey, Cursor, Digest, GroupId, Kid, Lane, MailboxId, RelayId, Tag};

/// What a device says to a relay.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ToRelay {
    /// Who asks. Only in the first flight.
    Hello(Box<Hello>),
    /// Send what follows a cursor.
    Pull(Pull),
    /// Store these blobs, in this order.
    Push {
        /// The chain they belong to.
        lane: Lane,
        /// Sealed blobs.
        blobs: Vec<Bytes>,
    },
    /// Everything up to here is processed durably.
    Ack {
        /// Up to here.
        cursor: Cursor,
    },
    /// Are you there?
    Ping,
    /// Going.
    Bye,
    /// Open two mailboxes for one invite, or attach to them again.
    MailboxOpen {
        /// The mailbox of the typed code.
        code: MailboxId,
        /// The mailbox of the QR payload.
        qr: MailboxId,
    },
    /// Claim a mailbox, or attach to it again with the same key.
    MailboxClaim {
        /// Which.
        id: MailboxId,
    },
    /// Leave a message for the other side.
    MailboxSend {
        /// Which.
        id: MailboxId,
        /// The message.
        body: Bytes,
    },
    /// End a mailbox.
    MailboxClose {
        /// Which.
        id: MailboxId,
    },
    /// Reserved: a new epoch's access key.
    Rotate,
    /// Reserved: delete a group.
    Forget,
}

/// The proof that a device belongs to a group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Hello {
    /// Which group.
    pub group: GroupId,
    /// Under which epoch.
    pub kid: Kid,
    /// The group's first access key; with the genesis hash it makes up the group id.
    pub access: AccessKey,
    /// SHA-256 of the genesis structure.
    pub genesis: [u8; 32],
    /// Reserved: later access keys, each signed by the one before. Empty in version 1.
    pub chain: Vec<(AccessKey, Signature)>,
    /// Ed25519 by the epoch's access key; see [`crate::seal::keys::hello_text`].
    pub proof: Signature,
}

/// An Ed25519 signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signature(pub [u8; 64]);

/// Asks for a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Pull {
    /// Above this cursor.
    pub after: Cursor,
    /// Tag of the blob there, or zeros.
    pub tag: Tag,
    /// At most so many bytes of blobs.
    pub max_bytes: u32,
}

/// What a relay says to a device.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ToDevice {
    /// The second flight's first message.
    Welcome(Welcome),
    /// An answer to a pull.
    Page(Page),
    /// These blobs are durable here.
    Pushed {
        /// Digest and cursor of each.
        stored: Vec<(Digest, Cursor)>,
    },
    /// A page of one entry that nobody asked for.
    News(News),
    /// An answer to a ping.
    Pong,
    /// Going; come back after so many milliseconds.
    Bye {
        /// Milliseconds.
        retry_after: u32,
    },
    /// Both mailboxes are open and attached; or, to a joiner, the claim holds.
    MailboxOpened {
        /// The one that was opened first, or claimed.
        id: MailboxId,
    },
    /// A message of the other side.
    MailboxMessage {
        /// Which mailbox.
        id: MailboxId,
        /// The message.
        body: Bytes,
    },
    /// The mailbox has ended.
    MailboxClosed {
        /// Which.
        id: MailboxId,
    },
    /// A refusal.
    Error(Refusal),
}

/// What the relay says first.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Welcome {
    /// The database behind this relay.
    pub relay_id: RelayId,
    /// Newest cursor of the group; 0 for one it does not know yet.
    pub head: Cursor,
    /// Blobs at or below this cursor are gone.
    pub floor: Cursor,
    /// What this device's link key stored last.
    pub own: Option<(Cursor, Digest)>,
    /// Largest sealed blob it takes, bytes.
    pub max_blob: u32,
}

/// A piece of the log.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Page {
    /// Echo of the request.
    pub after: Cursor,
    /// Blobs at or below this cursor are gone.
    pub floor: Cursor,
    /// The log is not the one the request spoke of.
    pub reset: bool,
    /// Cursors and sealed blobs, increasing.
    pub entries: Vec<(Cursor, Bytes)>,
    /// Newest cursor of the group.
    pub head: Cursor,
    /// Whether another pull would find more now.
    pub more: bool,
}

/// A new entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct News {
    /// The cursor before it.
    pub prev: Cursor,
    /// Its cursor.
    pub cursor: Cursor,
    /// Its digest.
    pub digest: Digest,
    /// The blob, if small and not the receiver's own.
    pub blob: Option<Bytes>,
}

/// A refusal on the wire. Codes only: no text crosses a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Refusal {
    /// Why.
    pub code: WireCode,
    /// What was refused.
    pub request: Request,
    /// Milliseconds after which it may work; 0 when waiting does not help.
    pub retry_after: u32,
}

/// What a refusal speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Request {
    /// The link as a whole.
    Link,
    /// A push on this lane, and every later one until the link is new.
    Push(Lane),
    /// A pull.
    Pull,
    /// A mailbox request.
    Mailbox(MailboxId),
}

macro_rules! wire_codes {
    ($($(#[doc = $doc:literal])* #[error($text:literal)] $variant:ident = $number:literal,)*) => {
        /// Why a relay refuses. Numbered in ranges: 1xxx message, 2xxx limits, 3xxx relay state, 4xxx membership, 5xxx pairing.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Error)]
        #[non_exhaustive]
        #[repr(u16)]
        pub enum WireCode {
            $($(#[doc = $doc])* #[error($text)] $variant = $number,)*
        }

        impl WireCode {
            /// Every code there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The code with this number.
            pub const fn from_number(number: u16) -> Option<Self> {
                match number {
                    $($number => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// Its number.
            pub const fn number(self) -> u16 {
                self as u16
            }
        }
    };
}

wire_codes! {
    /// A message that does not decode.
    #[error("message does not decode")]
    BadMessage = 1001,
    /// A message that makes no sense now.
    #[error("message out of turn")]
    OutOfState = 1002,
    /// A blob above the limit.
    #[error("blob too large")]
    BlobTooLarge = 2001,
    /// Too many requests.
    #[error("rate limited")]
    RateLimited = 2002,
    /// The group's quota is used up.
    #[error("group quota reached")]
    GroupFull = 2003,
    /// Too many new groups from one origin today.
    #[error("too many new groups")]
    TooManyGroups = 2004,
    /// Too many links.
    #[error("too many links")]
    TooManyLinks = 2005,
    /// The relay's disk is full.
    #[error("relay disk full")]
    DiskFull = 3001,
    /// The relay is going down.
    #[error("relay draining")]
    Draining = 3002,
    /// The relay's store does not answer.
    #[error("relay store unavailable")]
    Unavailable = 3003,
    /// Wrong proof or unknown group: never told apart.
    #[error("not a member")]
    NotMember = 4001,
    /// Reserved: the epoch has been replaced.
    #[error("stale epoch")]
    StaleEpoch = 4002,
    /// Reserved: this device was removed.
    #[error("revoked")]
    Revoked = 4003,
    /// No such mailbox, or it has ended: never told apart.
    #[error("no such invite")]
    InviteUnknown = 5001,
    /// Somebody else has claimed it.
    #[error("invite already used")]
    InviteUsed = 5002,
    /// Too many mailboxes or messages.
    #[error("mailbox full")]
    MailboxFull = 5003,
}
