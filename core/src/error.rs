//! Every way a thing can go wrong, by who is at fault.
//!
//! [`Code`] is what applications meet: stable names, documented in docs/protocol.md. [`CloseReason`] says why a link ended. Both are
//! plain values: they appear in transcripts and model states, and carry no text of a peer's.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::machine::LinkFailure;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $retryable:literal, $sentence:literal;)*) => {
        /// What an application is told. Names are stable; the sentence says what to do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Error)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* #[error($sentence)] #[serde(rename = $name)] $variant,)*
        }

        impl Code {
            /// Every code there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The stable camelCase name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Whether the same call may succeed later without anyone doing anything.
            pub const fn retryable(self) -> bool {
                match self { $(Self::$variant => $retryable,)* }
            }
        }
    };
}

codes! {
    /// The relay is out of reach.
    Offline = "offline", true, "The relay cannot be reached. Changes are kept on this device and go out when it can.";
    /// Durable here, not yet at the relay.
    Pending = "pending", true, "Stored on this device and queued. It goes out once the relay can be reached; do not push it again.";
    /// Sync was not enabled.
    NotEnabled = "notEnabled", false, "Sync is not enabled. Enable it first; nothing was stored.";
    /// This device belongs to a group with other members.
    AlreadyInGroup = "alreadyInGroup", false, "This device is already in a group with other devices. Leave that group first.";
    /// Another process has the data directory open.
    AlreadyRunning = "alreadyRunning", false, "Another process uses this data directory. Close it first.";
    /// No such invite, or it has ended.
    InviteUnknown = "inviteUnknown", false, "No such invite: the code is wrong, or the invite was used or has expired. Check the code, or make a new one.";
    /// The invite's ten minutes are over.
    InviteExpired = "inviteExpired", false, "The invite has expired. Make a new one.";
    /// Somebody else used the invite.
    InviteUsed = "inviteUsed", false, "The invite was already used. Make a new one.";
    /// The other side proved a different secret, or broke off.
    PairingFailed = "pairingFailed", false, "Pairing failed and the invite is void. Make a new one.";
    /// Payload above the limit.
    BlobTooLarge = "blobTooLarge", false, "The data exceeds 960 KiB. Split it.";
    /// Too much unsent data.
    OutboxFull = "outboxFull", true, "Too much unsent data is queued. Connect to the relay, then try again.";
    /// Too much unread data.
    InboxFull = "inboxFull", true, "Too much received data is unread. Pull and acknowledge it.";
    /// A second consumer.
    AlreadyConsuming = "alreadyConsuming", false, "Something is consuming already. Stop it first.";
    /// A cursor this device never assigned.
    CursorUnknown = "cursorUnknown", false, "This device never assigned that cursor. Pull from the last known one.";
    /// No room on this device.
    StorageFull = "storageFull", true, "The disk is full. Free some space; nothing already stored is lost.";
    /// The local store failed.
    StorageFailed = "storageFailed", false, "The local store cannot be read or written. Run the doctor.";
    /// Data without its key.
    KeyLost = "keyLost", false, "The key of this device's data is gone from the keychain. Restore it, or start afresh and pair again.";
    /// The keychain refuses.
    KeychainLocked = "keychainLocked", true, "The keychain is locked or missing. Unlock it and try again.";
    /// The relay speaks another version.
    RelayIncompatible = "relayIncompatible", false, "The relay speaks no version this device accepts. Update the older one.";
    /// The relay could not prove the pinned key.
    RelayUnverified = "relayUnverified", true, "Whoever answers is not the pinned relay. If the relay has a new key, set its new address.";
    /// The configured relay is not the stored one.
    RelayMismatch = "relayMismatch", false, "The configured relay differs from the one this device uses. Set the relay to change it.";
    /// The relay's quota or disk is full.
    RelayFull = "relayFull", true, "The relay has no room for this group. Data stays queued on this device.";
    /// Too many requests.
    RateLimited = "rateLimited", true, "The relay asks to slow down. Syncing resumes by itself.";
    /// The relay refuses this device.
    NotMember = "notMember", false, "The relay does not accept this device as a member of the group.";
    /// Records of a device are missing.
    Gap = "gap", false, "Records of a device are missing.";
    /// Something was altered.
    Tampered = "tampered", false, "A blob was altered or forged. It was not delivered.";
    /// Written by a newer version.
    UpdateNeeded = "updateNeeded", false, "A newer version wrote this, here or on another device. Update this one; nothing is lost meanwhile.";
    /// Two histories.
    Fork = "fork", false, "Devices were shown different histories.";
    /// A device signed two records for one place.
    Equivocation = "equivocation", false, "A device signed two different records for one place in its history.";
    /// The relay lost its log.
    RelayReset = "relayReset", true, "The relay lost or replaced its log. Devices refill it.";
    /// Data under a key this device does not have.
    MissingEpoch = "missingEpoch", false, "Data is sealed with a key this device does not have.";
    /// Records of a device that nobody admitted, as far as this one knows.
    UnknownDevice = "unknownDevice", false, "Records came from a device whose admission is not here. Pair this device again to read them.";
    /// A device that began anew more often than others follow.
    RestoredTooOften = "restoredTooOften", false, "A device was restored too often to be followed. Pair that device again, as a new one.";
    /// No relay is known.
    NoRelay = "noRelay", false, "No relay is set. Give its address.";
    /// The arguments make no sense.
    InvalidArgs = "invalidArgs", false, "An argument is missing or makes no sense here.";
    /// The caller lacks permission.
    NotAllowed = "notAllowed", false, "The caller lacks the permission for this.";
    /// Leaving would lose queued data.
    LeavePending = "leavePending", false, "Queued data would be lost. Sync first, or force it.";
    /// Too many commands at once.
    Busy = "busy", true, "Too many calls are in flight. Wait for some to finish.";
    /// The caller gave up, or the client stopped.
    Cancelled = "cancelled", true, "The call was cancelled.";
}

/// Why a link ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// The peer broke the protocol.
    #[error("peer misbehaved: {0}")]
    PeerMisbehaved(#[from] Misbehaviour),
    /// The peer speaks something else or is someone else.
    #[error("peer incompatible: {0}")]
    PeerIncompatible(Incompatible),
    /// The peer took too long.
    #[error("timed out: {0}")]
    Timeout(Wait),
    /// One of our limits.
    #[error("limit: {0}")]
    Limit(Capacity),
    /// We were done with it.
    #[error("closed here: {0}")]
    Local(LocalReason),
    /// The transport failed.
    #[error("transport failed: {0:?}")]
    Transport(LinkFailure),
}

/// How a peer broke the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum Misbehaviour {
    /// A frame that does not decrypt.
    #[error("a frame does not decrypt")]
    BadFrame,
    /// A frame of impossible length.
    #[error("a frame has an impossible length")]
    FrameLength,
    /// A message that does not decode, or has bytes left over.
    #[error("a message does not decode")]
    BadMessage,
    /// A message above its limit.
    #[error("a message is above its limit")]
    TooLarge,
    /// A message that makes no sense now.
    #[error("a message came out of turn")]
    OutOfState,
    /// A wrong membership proof.
    #[error("the membership proof is wrong")]
    Proof,
    /// Cursors that do not increase, pages that do not fit the request.
    #[error("cursors make no sense")]
    Cursors,
    /// A low-order or otherwise refused public key.
    #[error("a public key is refused")]
    WeakKey,
}

/// Why two sides cannot talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum Incompatible {
    /// No common version; a hint from an unauthenticated peer.
    #[error("no common version")]
    Version,
    /// The peer does not hold the pinned key; a hint from an unauthenticated peer.
    #[error("the peer cannot open what is sealed to the pinned key")]
    CannotOpen,
    /// The handshake does not verify.
    #[error("the handshake does not verify")]
    Handshake,
}

/// What took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum Wait {
    /// The handshake.
    #[error("handshake")]
    Handshake,
    /// Writing: the peer does not read.
    #[error("writing")]
    Stall,
    /// An answer.
    #[error("an answer")]
    Answer,
    /// Any sign of life.
    #[error("a sign of life")]
    Idle,
}

/// Which limit was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum Capacity {
    /// Links in all.
    #[error("links")]
    Links,
    /// Links before proof.
    #[error("half-open links")]
    HalfOpen,
    /// Links of one origin.
    #[error("links of one origin")]
    Origin,
    /// Handshakes of one origin.
    #[error("handshake rate")]
    Handshakes,
}

/// Why this side closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum LocalReason {
    /// Nothing more to do.
    #[error("done")]
    Done,
    /// The channel has been used long enough; a new handshake follows.
    #[error("channel spent")]
    Spent,
    /// Draining before a stop.
    #[error("draining")]
    Draining,
    /// The store failed.
    #[error("storage")]
    Storage,
    /// A newer link replaces it.
    #[error("replaced")]
    Replaced,
    /// The group or relay this link was for changed.
    #[error("no longer wanted")]
    Unwanted,
    /// The peer said goodbye or refused.
    #[error("dismissed by the peer")]
    Dismissed,
}
