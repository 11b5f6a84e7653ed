//! Randomness: one seed a machine, labelled child streams, nothing else.
//!
//! A label keeps a draw added in one module from shifting every other module's bytes. The algorithm is fixed for version 1:
//! child key = SHA-256("0k/1/rng" ‖ seed ‖ label), stream = ChaCha20 keyed by it.

use core::fmt;

use rand_chacha::{
    ChaCha20Rng,
    rand_core::{RngCore, SeedableRng},
};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// All randomness a machine will ever see. Comes from the operating system in production and is never stored or logged.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Seed([u8; 32]);

impl Seed {
    /// Takes 32 bytes of entropy.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The stream of draws that belongs to `label`.
    pub fn draw(&self, label: &str) -> Draw {
        let key =
            Sha256::new().chain_update(b"0k/1/rng").chain_update(self.0).chain_update(label.as_bytes()).finalize();
        Draw(ChaCha20Rng::from_seed(key.into()))
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}

/// One labelled stream of random bytes.
#[derive(Clone)]
pub struct Draw(ChaCha20Rng);

impl Draw {
    /// The next `N` bytes of the stream.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        self.0.fill_bytes(&mut out);
        out
    }

    /// Fills `out` with the next bytes of the stream.
    pub fn fill(&mut self, out: &mut [u8]) {
        self.0.fill_bytes(out);
    }

    /// A number in `0..bound`, or 0 when `bound` is 0. The bias of the modulus is below 2^-32 for the bounds used here.
    pub fn below(&mut self, bound: u32) -> u32 {
        if bound == 0 { 0 } else { u32::try_from(self.0.next_u64() % u64::from(bound)).unwrap_or(0) }
    }

    /// A stream of its own for one use, so that how much it draws does not shift this one.
    pub fn child(&mut self) -> Self {
        Self(ChaCha20Rng::from_seed(self.bytes()))
    }
}

impl fmt::Debug for Draw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Draw(..)")
    }
}
