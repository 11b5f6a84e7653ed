//! End-to-end sealing: keys, records, padding, chains, and what a device keeps at rest.
//!
//! Nothing here knows of links, relays or stores. Bytes are hashed and signed as they stand, never re-encoded; all integers are
//! little endian. Every opener answers with a value or a [`SealFault`], never with a panic, and a fault is never told to a relay.
//!
//! # Labels
//! `P` = `0k/1/`. One hash family: SHA-256. No label is a prefix of another within its column's use.
//!
//! | label | use | what follows it |
//! |---|---|---|
//! | `P"epoch"` | HKDF salt over an epoch secret | nothing |
//! | `P"blob"` | HKDF info of the blob key (32) | group id |
//! | `P"kid"` | HKDF info of the key's clear name (8) | group id |
//! | `P"commit"` | HKDF info of the commitment to the epoch secret (32) | nothing |
//! | `P"access"` | HKDF info of the Ed25519 seed that proves membership (32) | nothing |
//! | `P"genesis"` | Ed25519 by the founder's signing key | genesis without signature |
//! | `P"group"` | SHA-256: the group id | access key of epoch 0 ‖ SHA-256(genesis with signature) |
//! | `P"member"` | Ed25519 by the access key | relay key ‖ group id ‖ kid ‖ link key |
//! | `P"blob"` | associated data of a blob | group id ‖ version ‖ kid |
//! | `P"rec"` | Ed25519 by the sender's signing key | group id ‖ record without signature |
//! | `P"id"` | SHA-256, first 16 bytes: what applications call a blob | group id ‖ sender ‖ inc ‖ seq |
//! | `P"rest"` | associated data of what is sealed at rest | the caller's label |
//! | `P"pair"` | HKDF salt over a code or QR secret | relay key |
//! | `P"mbox"`, `P"psk"` | HKDF info of mailbox id (16) and shared secret (32) | nothing |
//! | `P"pair-j"` | Ed25519 by the joiner | handshake hash ‖ sign ‖ link ‖ box ‖ name |
//! | `P"pair-c"` | Ed25519 by the creator | handshake hash ‖ group id |
//! | `P"address"`, `P"invite"` | SHA-256, first 4 bytes: checksums of pasted strings | version ‖ body |
//!
//! # Layouts
//! ```text
//! blob     = version(1) = 1 ‖ kid(8) ‖ nonce(24) ‖ XChaCha20-Poly1305(blob key, record ‖ zeros) ‖ tag(16)
//! record   = sender(8) ‖ inc(8) ‖ seq(u64) ‖ prev(16) ‖ kind(u8) ‖ flags(u8) ‖ ms(u64)
//!            ‖ [flags bit 0: n(u16) ‖ n × (device(8) ‖ inc(8) ‖ lane(u8) ‖ seq(u64) ‖ hash(8))]
//!            ‖ len(u32) ‖ payload ‖ signature(64)
//! genesis  = version(1) = 1 ‖ sign(32) ‖ link(32) ‖ box(32) ‖ random(16) ‖ name ‖ commit(32) ‖ signature(64)
//! add      = sign(32) ‖ link(32) ‖ box(32) ‖ name
//! rename   = name
//! heads    = last control seq(u64) ‖ its hash(16); the data lane's are the record's own seq and prev
//! name     = len(u8) ≤ 64 ‖ UTF-8 without control characters
//! at rest  = version(1) = 1 ‖ nonce(24) ‖ XChaCha20-Poly1305(store key, plain) ‖ tag(16)
//! ```
//! Kinds: 0 data, 1 heads, 2 genesis, 3 add, 4 remove (reserved), 5 rename, 6 rotate (reserved), 7 snapshot (reserved). Lanes: 0 data,
//! 1 control (every kind but data). Hash of a record = first 16 bytes of SHA-256(record with signature, without padding).

use thiserror::Error;

pub mod chain;
pub mod keys;
pub mod padding;
pub mod record;
pub mod rest;
pub mod roster;

pub(crate) mod bytes;

/// Why sealed or signed bytes were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum SealFault {
    /// A version this build does not know.
    #[error("unknown version")]
    Version,
    /// Sealed under another key than the one at hand.
    #[error("sealed under another key")]
    Kid,
    /// Too short or too long to be one.
    #[error("impossible length")]
    Length,
    /// Altered, or sealed for another group.
    #[error("does not decrypt")]
    Decrypt,
    /// The bytes after the record are not zeros.
    #[error("padding is not zeros")]
    Padding,
    /// Fields that make no sense or do not fill the bytes exactly.
    #[error("malformed")]
    Structure,
    /// An invalid or low-order public key.
    #[error("a public key is refused")]
    WeakKey,
    /// The signature is wrong.
    #[error("wrong signature")]
    Signature,
}

#[cfg(test)]
pub(crate) mod tests;
