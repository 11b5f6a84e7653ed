//! Keys. Only the link secret yet.

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{ids::LinkKey, rng::Draw};

/// A static X25519 secret: a device's towards relays, or a relay's own.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct LinkSecret([u8; 32]);

impl LinkSecret {
    /// Takes its bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A new one.
    pub fn generate(draw: &mut Draw) -> Self {
        Self(draw.bytes())
    }

    /// Its public half.
    pub fn public(&self) -> LinkKey {
        LinkKey(x25519_dalek::x25519(self.0, x25519_dalek::X25519_BASEPOINT_BYTES))
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0
    }
}
