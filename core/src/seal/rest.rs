//! What a device keeps on its disk is sealed with one key that lives in the keychain.
//!
//! A sealed value is bound to its label, so a store cannot pass one kind off as another. It is not bound to a time: an old value
//! put back in place opens. That is what the counter beside the key is for (see `inc` in [`crate::seal::record`]).

use bytes::Bytes;
use chacha20poly1305::{AeadInPlace as _, KeyInit as _, Tag, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::keys::secret;
use crate::rng::Draw;

const VERSION: u8 = 1;
const NONCE: usize = 24;
const TAG: usize = 16;

secret! {
    /// Seals everything a device stores about its group.
    StoreKey
}

/// Seals `plain` for `label`.
pub fn seal_at_rest(key: &StoreKey, label: &str, plain: &[u8], draw: &mut Draw) -> Bytes {
    let nonce: [u8; NONCE] = draw.bytes();
    let mut out = Vec::with_capacity(1 + NONCE + plain.len() + TAG);
    out.push(VERSION);
    out.extend_from_slice(&nonce);
    out.extend_from_slice(plain);
    let cipher = XChaCha20Poly1305::new(key.as_bytes().into());
    let tag = cipher.encrypt_in_place_detached(&XNonce::from(nonce), &associated(label), &mut out[1 + NONCE..]);
    // The cipher refuses only above 256 GiB, which no memory holds; without a tag the value does not open.
    out.extend_from_slice(&tag.unwrap_or_default());
    Bytes::from(out)
}

/// Opens what [`seal_at_rest`] made with the same key and label. The plain bytes wipe themselves.
pub fn open_at_rest(key: &StoreKey, label: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (version, rest) = sealed.split_first()?;
    let (nonce, rest) = rest.split_first_chunk::<NONCE>()?;
    let (body, tag) = rest.split_last_chunk::<TAG>()?;
    let mut plain = Zeroizing::new(body.to_vec());
    let cipher = XChaCha20Poly1305::new(key.as_bytes().into());
    cipher
        .decrypt_in_place_detached(&XNonce::from(*nonce), &associated(label), &mut plain, &Tag::from(*tag))
        .ok()
        .filter(|()| *version == VERSION)
        .map(|()| plain)
}

fn associated(label: &str) -> Vec<u8> {
    [b"0k/1/rest", label.as_bytes()].concat()
}

#[cfg(test)]
mod tests;
