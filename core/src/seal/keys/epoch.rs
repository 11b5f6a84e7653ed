//! One epoch of a group: a random secret, and the keys derived from it.

use core::fmt;

use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305};
use ed25519_dalek::{Signer as _, SigningKey};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::secret;
use crate::{
    ids::{AccessKey, GroupId, Kid},
    wire::message::Signature,
};

secret! {
    /// What the members of a group share in one epoch. Random, never derived from an earlier one.
    EpochSecret
}

impl EpochSecret {
    /// What a genesis names, so that nobody can be handed another secret under the same name. Needs no group id.
    pub fn commit(&self) -> [u8; 32] {
        *expand(&self.extract(), &[b"0k/1/commit"])
    }

    /// The public half of the epoch's access key. Needs no group id, because the group id is made of it.
    pub fn access(&self) -> AccessKey {
        AccessKey(self.access_pair().verifying_key().to_bytes())
    }

    fn access_pair(&self) -> SigningKey {
        SigningKey::from_bytes(&expand(&self.extract(), &[b"0k/1/access"]))
    }

    fn extract(&self) -> Hkdf<Sha256> {
        Hkdf::new(Some(b"0k/1/epoch"), self.as_bytes())
    }
}

/// An epoch's keys, ready for use: the cipher is keyed once.
#[derive(Clone)]
pub struct Epoch {
    /// The blob key's name, in clear on every blob.
    pub kid: Kid,
    /// The commitment to the epoch's secret.
    pub commit: [u8; 32],
    /// The public half of the access key.
    pub access: AccessKey,
    access_pair: SigningKey,
    pub(in crate::seal) cipher: XChaCha20Poly1305,
}

impl Epoch {
    /// Derives an epoch's keys for one group.
    pub fn derive(secret: &EpochSecret, group: &GroupId) -> Self {
        let prk = secret.extract();
        let kid: Zeroizing<[u8; 8]> = expand(&prk, &[b"0k/1/kid", &group.0]);
        let blob: Zeroizing<[u8; 32]> = expand(&prk, &[b"0k/1/blob", &group.0]);
        Self {
            kid: Kid(*kid),
            commit: secret.commit(),
            access: secret.access(),
            access_pair: secret.access_pair(),
            cipher: XChaCha20Poly1305::new((&*blob).into()),
        }
    }

    /// Whether this is the epoch that a genesis or a key message speaks of.
    pub fn matches(&self, commit: &[u8; 32]) -> bool {
        super::same(&self.commit, commit)
    }

    /// Signs with the access key. The caller's text starts with its own label.
    pub(super) fn sign(&self, text: &[u8]) -> Signature {
        Signature(self.access_pair.sign(text).to_bytes())
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Epoch({}, ..)", self.kid)
    }
}

fn expand<const N: usize>(prk: &Hkdf<Sha256>, info: &[&[u8]]) -> Zeroizing<[u8; N]> {
    let mut out = Zeroizing::new([0; N]);
    // HKDF refuses only outputs above 255 hashes, 8160 bytes; ours are at most 32.
    debug_assert!(N <= 32);
    let _ = prk.expand_multi_info(info, &mut *out);
    out
}
