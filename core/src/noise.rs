//! What both Noise patterns of the protocol share: their names, and a crypto resolver whose randomness is a [`Draw`].
//!
//! The core has no operating-system randomness, so ephemeral keys come from the machine's seed: the same seed and the same inputs
//! give the same handshake bytes. Hash and cipher are snow's own. Diffie-Hellman is ours for two reasons: a low-order public key,
//! which yields an all-zero result, is refused on both sides, and private keys are wiped when a handshake ends.

use snow::{
    Builder, Error,
    params::{CipherChoice, DHChoice, HashChoice},
    resolvers::{CryptoResolver, DefaultResolver},
    types::{Cipher, Dh, Hash, Random},
};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::rng::Draw;

/// Device to relay: the relay's static key is known, the device's travels encrypted in message 1.
pub(crate) const IK: &str = "Noise_IK_25519_ChaChaPoly_SHA256";
/// Device to device while pairing: nothing but a shared secret.
pub(crate) const NNPSK0: &str = "Noise_NNpsk0_25519_ChaChaPoly_SHA256";

/// A handshake builder for `pattern` ([`IK`] or [`NNPSK0`]) that draws from a child of `draw`. Build once: it holds one stream.
///
/// # Errors
/// An unknown pattern name; never for the two constants.
pub(crate) fn builder<'a>(pattern: &str, draw: &mut Draw) -> Result<Builder<'a>, Error> {
    Ok(Builder::with_resolver(pattern.parse()?, Box::new(Resolver { draw: draw.child() })))
}

struct Resolver {
    draw: Draw,
}

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(DrawRandom(self.draw.clone())))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        match choice {
            DHChoice::Curve25519 => Some(Box::new(ContributoryX25519::default())),
            DHChoice::Curve448 => None,
        }
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }
}

struct DrawRandom(Draw);

impl Random for DrawRandom {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Error> {
        self.0.fill(dest);
        Ok(())
    }
}

/// X25519 that fails when the peer's point contributes nothing.
#[derive(Default, Zeroize, ZeroizeOnDrop)]
struct ContributoryX25519 {
    private: [u8; 32],
    public: [u8; 32],
}

impl ContributoryX25519 {
    fn derive_public(&mut self) {
        // By the base point's table, a third of the time of the general ladder.
        self.public = PublicKey::from(&StaticSecret::from(self.private)).to_bytes();
    }
}

impl Dh for ContributoryX25519 {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        32
    }

    fn priv_len(&self) -> usize {
        32
    }

    fn set(&mut self, private: &[u8]) {
        // snow checks the length when a builder is given a key.
        for (to, from) in self.private.iter_mut().zip(private) {
            *to = *from;
        }
        self.derive_public();
    }

    fn generate(&mut self, random: &mut dyn Random) -> Result<(), Error> {
        random.try_fill_bytes(&mut self.private)?;
        self.derive_public();
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        &self.public
    }

    fn privkey(&self) -> &[u8] {
        &self.private
    }

    fn dh(&self, public: &[u8], out: &mut [u8]) -> Result<(), Error> {
        let point = public.get(..32).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()).ok_or(Error::Dh)?;
        let mut shared = x25519_dalek::x25519(self.private, point);
        let nothing = shared.iter().fold(0, |all, byte| all | byte) == 0;
        if !nothing {
            out.get_mut(..32).ok_or(Error::Dh)?.copy_from_slice(&shared);
        }
        shared.zeroize();
        if nothing { Err(Error::Dh) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
