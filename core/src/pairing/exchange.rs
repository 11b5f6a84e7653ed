//! The exchange between a new device and a member, through a mailbox that the relay can neither read nor imitate.
//!
//! Two pure machines, [`Joiner`] and [`Creator`], turn mailbox messages into mailbox messages. They know nothing of links, mailboxes
//! or stores, and they never write the roster: that is the client's, between [`CreatorStep::Admit`] and [`Creator::hand_over`].
//!
//! ```text
//! joiner                                                    creator
//!   │ Noise_NNpsk0: e                               48 bytes  │   prologue "0k/1/pairing", empty payloads
//!   ├────────────────────────────────────────────────────────►│   the first bad tag ends the invite
//!   │ e, ee                                         48 bytes  │
//!   │◄────────────────────────────────────────────────────────┤
//!   │ 1 ‖ sign ‖ link ‖ box ‖ name(1 + 64) ‖ sig   242 bytes  │   sig over "0k/1/pair-j" ‖ h ‖ sign ‖ link ‖ box ‖ name
//!   ├────────────────────────────────────────────────────────►│
//!   │                          ADD durable here and at the relay
//!   │ 2 ‖ creator's sign ‖ group id ‖ sig          145 bytes  │   sig over "0k/1/pair-c" ‖ h ‖ group id
//!   │◄────────────────────────────────────────────────────────┤
//!   │ 3 ‖ last(0 or 1) ‖ piece of the handover  ≤ 16384 bytes │   all but the last piece are full
//!   │◄────────────────────────────────────────────────────────┤
//! keys durable                                                │
//!   │ 4                                             17 bytes  │
//!   ├────────────────────────────────────────────────────────►│
//! ```
//! h is the handshake hash; lengths include Noise's 16-byte tags. Every message has the one length its place allows, so that a
//! ciphertext cannot be stretched to try many secrets at once. A message a mailbox delivers again is ignored; any other fault ends
//! the exchange for good.
//!
//! Limits: 64 messages of 16 KiB a side, of which a handover has 60.

use bytes::Bytes;
use snow::{HandshakeState, TransportState};
use thiserror::Error;
use zeroize::Zeroizing;

use super::PairingSecret;
pub use super::{
    creator::{Candidate, Creator, CreatorStep},
    handover::Handover,
    joiner::{Joiner, JoinerStep},
};
use crate::{
    ids::Digest,
    limits::{MAX_MAILBOX_MESSAGE, MAX_MAILBOX_MESSAGES, MAX_NAME},
    noise,
    rng::Draw,
    seal::keys::DevicePublic,
};

/// Bytes of either handshake message.
pub(super) const HANDSHAKE: usize = 48;
/// What sealing adds.
pub(super) const TAG: usize = 16;
pub(super) const JOINER_LABEL: &[u8] = b"0k/1/pair-j";
pub(super) const CREATOR_LABEL: &[u8] = b"0k/1/pair-c";
const PROLOGUE: &[u8] = b"0k/1/pairing";

/// The first byte of every sealed message.
pub(super) const KEYS: u8 = 1;
pub(super) const PROOF: u8 = 2;
pub(super) const PIECE: u8 = 3;
pub(super) const DONE: u8 = 4;

/// Plain lengths of the messages that have one.
pub(super) const KEYS_LEN: usize = 1 + DevicePublic::LEN + 1 + MAX_NAME + 64;
pub(super) const PROOF_LEN: usize = 1 + 32 + 32 + 64;
pub(super) const DONE_LEN: usize = 1;
/// Bytes of the handover in a full piece.
pub(super) const PIECE_LEN: usize = MAX_MAILBOX_MESSAGE - TAG - 2;
/// Most pieces of a handover.
pub(super) const MAX_PIECES: usize = 60;

/// Why an exchange ended. The invite is void.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum PairingFault {
    /// A message of a length its place does not allow.
    #[error("a message has an impossible length")]
    Length,
    /// The other side does not know the secret, or a message was altered.
    #[error("a message does not decrypt")]
    BadTag,
    /// A message after the end, or more than a side may send.
    #[error("a message came out of turn")]
    OutOfTurn,
    /// A message that decrypts but makes no sense.
    #[error("a message is malformed")]
    Malformed,
    /// An invalid or low-order public key.
    #[error("a public key is refused")]
    WeakKey,
    /// The other side does not hold the key it names.
    #[error("a signature is wrong")]
    Signature,
    /// Another device than the one that showed the QR picture answered.
    #[error("the answer is not from the device that made the invite")]
    WrongCreator,
    /// What was handed over is not the group that was signed for, or its secret is not the one its genesis names.
    #[error("the handover does not fit its group")]
    Handover,
    /// The group's history of members does not fit into the messages of one exchange.
    #[error("the handover is too large")]
    TooLarge,
}

/// A handshake under way.
pub(super) fn handshake(secret: &PairingSecret, initiator: bool, draw: &mut Draw) -> HandshakeState {
    noise::builder(noise::NNPSK0, draw)
        .and_then(|builder| builder.prologue(PROLOGUE))
        .and_then(|builder| builder.psk(0, &secret.psk))
        .and_then(|builder| if initiator { builder.build_initiator() } else { builder.build_responder() })
        // Fails only for an unknown pattern, a missing key or a parameter given twice.
        .expect("the pattern is fixed and has all it needs")
}

/// Writes this side's handshake message.
pub(super) fn write_handshake(state: &mut HandshakeState) -> Result<Bytes, PairingFault> {
    let mut out = [0; HANDSHAKE];
    match state.write_message(&[], &mut out) {
        Ok(HANDSHAKE) => Ok(Bytes::copy_from_slice(&out)),
        // Only a low-order key of the other side gets here.
        _ => Err(PairingFault::WeakKey),
    }
}

/// Reads the other side's handshake message.
pub(super) fn read_handshake(state: &mut HandshakeState, message: &[u8]) -> Result<(), PairingFault> {
    if message.len() != HANDSHAKE {
        return Err(PairingFault::Length);
    }
    match state.read_message(message, &mut [0; HANDSHAKE]) {
        Ok(0) => Ok(()),
        Ok(_) => Err(PairingFault::Malformed),
        Err(snow::Error::Dh) => Err(PairingFault::WeakKey),
        Err(_) => Err(PairingFault::BadTag),
    }
}

/// What the two sides share after the handshake.
pub(super) struct Tunnel {
    noise: TransportState,
    /// The handshake hash, which both sides sign.
    pub(super) hash: [u8; 32],
}

impl Tunnel {
    pub(super) fn new(state: HandshakeState) -> Result<Self, PairingFault> {
        let mut hash = [0; 32];
        hash.copy_from_slice(state.get_handshake_hash());
        let noise = state.into_transport_mode().map_err(|_| PairingFault::OutOfTurn)?;
        Ok(Self { noise, hash })
    }

    pub(super) fn seal(&mut self, plain: &[u8]) -> Result<Bytes, PairingFault> {
        let mut out = vec![0; plain.len() + TAG];
        let len = self.noise.write_message(plain, &mut out).map_err(|_| PairingFault::TooLarge)?;
        out.truncate(len);
        Ok(Bytes::from(out))
    }

    /// The content of a message that starts with `tag`.
    pub(super) fn open(&mut self, message: &[u8], tag: u8) -> Result<Zeroizing<Vec<u8>>, PairingFault> {
        let mut out = Zeroizing::new(vec![0; message.len()]);
        let len = self.noise.read_message(message, &mut out).map_err(|_| PairingFault::BadTag)?;
        out.truncate(len);
        if out.first() == Some(&tag) { Ok(out) } else { Err(PairingFault::Malformed) }
    }
}

/// What a side has received, so that a mailbox may deliver again after a lost link.
#[derive(Default)]
pub(super) struct Received(Vec<Digest>);

impl Received {
    /// Whether the message is new.
    ///
    /// # Errors
    /// A message above the limits.
    pub(super) fn admit(&mut self, message: &[u8]) -> Result<bool, PairingFault> {
        let digest = Digest::of(message);
        if self.0.contains(&digest) {
            return Ok(false);
        }
        if message.len() > MAX_MAILBOX_MESSAGE {
            return Err(PairingFault::Length);
        }
        if self.0.len() >= MAX_MAILBOX_MESSAGES as usize {
            return Err(PairingFault::OutOfTurn);
        }
        self.0.push(digest);
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
