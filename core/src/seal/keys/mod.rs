//! Every key of a device and a group, and what each may sign.
//!
//! Never stores or sends anything. Secrets wipe themselves, print as `Name(..)` and compare in constant time; a key has one role
//! and each use its own label (table in [`crate::seal`]).

mod device;
mod epoch;
mod genesis;
mod hello;
mod secret;

use ed25519_dalek::VerifyingKey;
use sha2::{Digest as _, Sha256};

pub use self::{
    device::{BoxSecret, DeviceKeys, DevicePublic, LinkSecret, contributory},
    epoch::{Epoch, EpochSecret},
    genesis::Genesis,
    hello::{hello_text, prove, verify_hello},
};
pub use super::rest::{StoreKey, open_at_rest, seal_at_rest};
pub(crate) use secret::secret;

use crate::{
    ids::{AccessKey, GroupId},
    wire::message::Signature,
};

/// The group that an access key and a genesis make up. Nobody can name a group without them, so an id cannot be squatted.
pub fn group_id(access: &AccessKey, genesis_hash: &[u8; 32]) -> GroupId {
    let hash = Sha256::new().chain_update(b"0k/1/group").chain_update(access.0).chain_update(genesis_hash);
    GroupId(hash.finalize().into())
}

/// Checks an Ed25519 signature strictly: no small-order key or commitment, no second encoding of one signature.
pub fn verify(sign_pk: &[u8; 32], text: &[u8], signature: &Signature) -> bool {
    verifying_key(sign_pk).is_some_and(|key| verify_by(&key, text, signature))
}

/// The key these bytes encode, unless it is invalid or of small order.
pub(crate) fn verifying_key(sign_pk: &[u8; 32]) -> Option<VerifyingKey> {
    VerifyingKey::from_bytes(sign_pk).ok().filter(|key| !key.is_weak())
}

pub(crate) fn verify_by(key: &VerifyingKey, text: &[u8], signature: &Signature) -> bool {
    key.verify_strict(text, &ed25519_dalek::Signature::from_bytes(&signature.0)).is_ok()
}

/// Whether two secrets are equal, in a time that does not depend on where they differ.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    let differences = a.iter().zip(b).fold(0, |all, (a, b)| core::hint::black_box(all | (a ^ b)));
    a.len() == b.len() && differences == 0
}

#[cfg(test)]
mod tests;
