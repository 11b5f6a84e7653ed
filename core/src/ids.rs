//! Names of things: every identifier of the protocol and of the machines, each a type of its own.
//!
//! Machine ids (`LinkId`, `BatchId`, …) count up within one machine and are never reused. Protocol ids are fixed-size bytes.

use core::fmt;

use serde::{Deserialize, Serialize};

macro_rules! counter {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        pub struct $name(pub u64);

        impl $name {
            /// The id after this one.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }
    )*};
}

counter! {
    /// One transport connection. The client machine numbers the links it dials, a relay's driver those it accepts.
    LinkId;
    /// One atomic batch of store operations, numbered by the machine.
    BatchId;
    /// One query to the store, numbered by the machine.
    LoadId;
    /// One command of the application, numbered by the driver.
    CommandId;
    /// A place in a group's log at one relay. Valid for one [`RelayId`] only.
    Cursor;
    /// A place in a device's own inbox: what applications see as "cursor". Strictly increasing, with holes, never reused.
    Position;
    /// A row of the outbox, in the order of enqueueing.
    OutboxId;
}

macro_rules! bytes_id {
    ($($(#[$doc:meta])* $name:ident[$len:literal];)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// How many bytes it has.
            pub const LEN: usize = $len;
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
    )*};
}

bytes_id! {
    /// A group: SHA-256 over its access key and genesis, so it certifies itself.
    GroupId[32];
    /// A device within a group: the first 8 bytes of its signing key.
    DeviceId[8];
    /// One run of a device's counters. A restored or cloned store starts a new one.
    Incarnation[8];
    /// The clear name of an epoch's blob key.
    Kid[8];
    /// First 16 bytes of SHA-256 of a sealed blob. Both sides compute it; it never travels with the blob.
    Digest[16];
    /// First 16 bytes of SHA-256 of a record including its signature.
    RecordHash[16];
    /// What applications call a blob: the same on every device, never transmitted.
    BlobId[16];
    /// One relay database; another one means the log was reset.
    RelayId[16];
    /// A pairing mailbox. The relay learns nothing else of a code.
    MailboxId[16];
    /// A relay's static X25519 key, pinned by its address.
    RelayKey[32];
    /// A device's static X25519 key towards relays.
    LinkKey[32];
    /// The public half of an epoch's access key pair; proves membership.
    AccessKey[32];
    /// What binds a link to its transport: the relay's iroh endpoint id, or zeros on TCP.
    TransportId[32];
    /// An application's own name for a push, so that its retry after a crash is the same push.
    IdempotencyKey[16];
}

impl TransportId {
    /// A transport without an identity of its own.
    pub const TCP: Self = Self([0; 32]);
}

impl Digest {
    /// The digest of sealed bytes.
    pub fn of(blob: &[u8]) -> Self {
        Self(sha256_prefix(blob))
    }

    /// The first 8 bytes, with which a pull names the blob it follows.
    pub fn tag(&self) -> Tag {
        let mut tag = [0; 8];
        tag.copy_from_slice(&self.0[..8]);
        Tag(tag)
    }
}

/// The first 8 bytes of the digest of the blob at a cursor; zeros are not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Tag(pub [u8; 8]);

/// The two chains of a device. A full quota for data never blocks a roster record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Lane {
    /// Application data.
    Data = 0,
    /// Roster records and heads.
    Control = 1,
}

/// One chain of records: a device, its incarnation, a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StreamId {
    /// Who writes it.
    pub device: DeviceId,
    /// Which run of the writer's counters.
    pub inc: Incarnation,
    /// Which of the writer's two lanes.
    pub lane: Lane,
}

pub(crate) fn sha256_prefix(bytes: &[u8]) -> [u8; 16] {
    use sha2::Digest as _;
    let full = sha2::Sha256::digest(bytes);
    let mut out = [0; 16];
    out.copy_from_slice(&full[..16]);
    out
}
