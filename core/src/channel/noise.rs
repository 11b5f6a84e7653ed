//! Noise IK on a link. The handshake is snow's; the two keys it ends in are used here directly.
//!
//! snow's own transport state copies every plaintext twice and leaves its keys in memory. The ciphers below work in place, inside the
//! buffer that goes to the link, and wipe their keys when they are dropped. Published vectors cover both parts.
//!
//! Invariant: a nonce is used once. The counters cannot wrap: a channel is spent some 2^40 times earlier.

use bytes::Bytes;
use chacha20poly1305::{AeadInPlace, ChaCha20Poly1305, Key, KeyInit, Nonce, Tag};
use snow::{Builder, HandshakeState};
use zeroize::Zeroize;

use super::{MESSAGE_1, Refused};
use crate::{
    ids::{LinkKey, RelayKey},
    noise,
    rng::Draw,
    seal::keys::LinkSecret,
};

/// A handshake under way, on either side.
pub(super) struct Handshake {
    state: HandshakeState,
}

impl Handshake {
    pub(super) fn initiator(
        secret: &LinkSecret,
        relay: RelayKey,
        prologue: &[u8],
        draw: &mut Draw,
    ) -> Result<Self, Refused> {
        let builder = start(noise::builder(noise::IK, draw)?, secret, prologue)?;
        Ok(Self { state: builder.remote_public_key(&relay.0)?.build_initiator()? })
    }

    pub(super) fn responder(secret: &LinkSecret, prologue: &[u8], draw: &mut Draw) -> Result<Self, Refused> {
        let builder = start(noise::builder(noise::IK, draw)?, secret, prologue)?;
        Ok(Self { state: builder.build_responder()? })
    }

    pub(super) fn write(&mut self, payload: &[u8]) -> Result<Vec<u8>, Refused> {
        // The longer of the two overheads: snow wants room, and says how much of it was used.
        let mut message = vec![0; MESSAGE_1 + payload.len()];
        let len = self.state.write_message(payload, &mut message)?;
        message.truncate(len);
        Ok(message)
    }

    pub(super) fn read(&mut self, message: &[u8]) -> Result<Bytes, Refused> {
        let mut payload = vec![0; message.len()];
        let len = self.state.read_message(message, &mut payload)?;
        payload.truncate(len);
        Ok(payload.into())
    }

    /// The static key of the other side, once it is known.
    pub(super) fn remote(&self) -> Option<LinkKey> {
        self.state.get_remote_static()?.try_into().ok().map(LinkKey)
    }

    pub(super) fn into_transport(mut self) -> Box<Transport> {
        let (mut ours, mut theirs) = self.state.dangerously_get_raw_split();
        if !self.state.is_initiator() {
            core::mem::swap(&mut ours, &mut theirs);
        }
        let transport = Transport { sending: Direction::new(&ours), receiving: Direction::new(&theirs) };
        ours.zeroize();
        theirs.zeroize();
        Box::new(transport)
    }
}

fn start<'a>(builder: Builder<'a>, secret: &'a LinkSecret, prologue: &'a [u8]) -> Result<Builder<'a>, snow::Error> {
    builder.local_private_key(secret.as_bytes())?.prologue(prologue)
}

impl From<snow::Error> for Refused {
    fn from(error: snow::Error) -> Self {
        match error {
            snow::Error::Dh => Self::WeakKey,
            _ => Self::Unreadable,
        }
    }
}

/// Both directions of a finished handshake.
pub(super) struct Transport {
    sending: Direction,
    receiving: Direction,
}

struct Direction {
    cipher: ChaCha20Poly1305,
    nonce: u64,
}

impl Transport {
    /// Encrypts `text` where it lies and returns its tag.
    pub(super) fn seal(&mut self, text: &mut [u8]) -> [u8; 16] {
        let nonce = self.sending.next();
        // The cipher refuses only what exceeds 256 GiB. Were it to, the zero tag would close the link at the peer.
        self.sending.cipher.encrypt_in_place_detached(&nonce, &[], text).map_or([0; 16], Into::into)
    }

    /// Decrypts `text` where it lies, or says that it is not the peer's next frame.
    pub(super) fn open(&mut self, text: &mut [u8], tag: &[u8; 16]) -> bool {
        let nonce = self.receiving.next();
        self.receiving.cipher.decrypt_in_place_detached(&nonce, &[], text, Tag::from_slice(tag)).is_ok()
    }
}

impl Direction {
    fn new(key: &[u8; 32]) -> Self {
        Self { cipher: ChaCha20Poly1305::new(Key::from_slice(key)), nonce: 0 }
    }

    fn next(&mut self) -> Nonce {
        let mut nonce = Nonce::default();
        nonce[4..].copy_from_slice(&self.nonce.to_le_bytes());
        self.nonce += 1;
        nonce
    }
}

#[cfg(test)]
mod tests;
