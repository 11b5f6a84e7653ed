//! The new device's side of the exchange.
//!
//! ```text
//!            e, ee        creator's proof        last piece          confirm
//!   Answer ────────► Proof ────────────► Pieces ────────────► Done ────────► Done
//!      └───────────────┴── any fault ──────┴──► Over
//! ```

use core::fmt;

use bytes::Bytes;
use snow::HandshakeState;
use zeroize::{Zeroize as _, Zeroizing};

use super::{
    PairingSecret,
    exchange::{
        CREATOR_LABEL, DONE, DONE_LEN, JOINER_LABEL, KEYS, KEYS_LEN, MAX_PIECES, PIECE, PIECE_LEN, PROOF, PROOF_LEN,
        PairingFault, Received, TAG, Tunnel, handshake, read_handshake, write_handshake,
    },
    handover::Handover,
};
use crate::{
    ids::GroupId,
    limits::MAX_NAME,
    rng::Draw,
    seal::{
        keys::{DeviceKeys, DevicePublic, verify, verifying_key},
        roster::clean_name,
    },
    wire::message::Signature,
};

/// What a new device does next.
#[derive(Debug)]
pub enum JoinerStep {
    /// Leave this in the mailbox.
    Send(Bytes),
    /// Nothing until the next message.
    Waiting,
    /// The group is here. Make its keys durable, then send what [`Joiner::confirm`] gives.
    Welcome(Box<Handover>),
}

/// The new device.
pub struct Joiner {
    state: State,
    received: Received,
    keys: DeviceKeys,
    name: String,
    creator: Option<[u8; 32]>,
}

enum State {
    Answer(Box<HandshakeState>),
    Proof(Tunnel),
    Pieces { tunnel: Tunnel, group: GroupId, pieces: usize, bytes: Zeroizing<Vec<u8>> },
    Done(Bytes),
    Over,
}

/// A model checker starts from a group that has formed: a pairing under way is never cloned there.
#[cfg(feature = "model")]
impl Clone for Joiner {
    fn clone(&self) -> Self {
        unreachable!("models start with their groups formed")
    }
}

impl Joiner {
    /// Starts, and gives the first message. `creator_sign` is the key a QR picture named; a typed code names none.
    pub fn start(
        secret: &PairingSecret,
        keys: &DeviceKeys,
        name: &str,
        creator_sign: Option<[u8; 32]>,
        draw: &mut Draw,
    ) -> (Self, Bytes) {
        let mut noise = handshake(secret, true, draw);
        // The first message depends on nothing of the other side's, so writing it cannot fail.
        let first = write_handshake(&mut noise).unwrap_or_default();
        let joiner = Self {
            state: State::Answer(Box::new(noise)),
            received: Received::default(),
            keys: keys.clone(),
            name: clean_name(name),
            creator: creator_sign,
        };
        (joiner, first)
    }

    /// Takes a message of the mailbox.
    ///
    /// # Errors
    /// The exchange is over and the invite void.
    pub fn receive(&mut self, message: &[u8]) -> Result<JoinerStep, PairingFault> {
        if matches!(self.state, State::Over) {
            return Err(PairingFault::OutOfTurn);
        }
        if !self.received.admit(message).inspect_err(|_| self.state = State::Over)? {
            return Ok(JoinerStep::Waiting);
        }
        // Whatever fails below leaves `Over` behind.
        match core::mem::replace(&mut self.state, State::Over) {
            State::Answer(noise) => self.answered(noise, message),
            State::Proof(tunnel) => self.proven(tunnel, message),
            State::Pieces { tunnel, group, pieces, bytes } => self.piece(tunnel, group, pieces, bytes, message),
            State::Done(done) => {
                self.state = State::Done(done);
                Err(PairingFault::OutOfTurn)
            }
            State::Over => Err(PairingFault::OutOfTurn),
        }
    }

    /// The last message, to be sent once the keys are durable; the same each time. `None` before [`JoinerStep::Welcome`].
    pub fn confirm(&self) -> Option<Bytes> {
        if let State::Done(message) = &self.state { Some(message.clone()) } else { None }
    }

    fn answered(&mut self, mut noise: Box<HandshakeState>, message: &[u8]) -> Result<JoinerStep, PairingFault> {
        read_handshake(&mut noise, message)?;
        let mut tunnel = Tunnel::new(*noise)?;
        let device = self.keys.public();
        let signature = self.keys.sign(&joiner_text(&tunnel.hash, &device, &self.name));

        let mut plain = Vec::with_capacity(KEYS_LEN);
        plain.push(KEYS);
        plain.extend_from_slice(&device.encode());
        plain.push(u8::try_from(self.name.len()).unwrap_or(u8::MAX));
        plain.extend_from_slice(self.name.as_bytes());
        plain.resize(KEYS_LEN - 64, 0);
        plain.extend_from_slice(&signature.0);
        let keys = tunnel.seal(&plain)?;
        self.state = State::Proof(tunnel);
        Ok(JoinerStep::Send(keys))
    }

    fn proven(&mut self, mut tunnel: Tunnel, message: &[u8]) -> Result<JoinerStep, PairingFault> {
        if message.len() != PROOF_LEN + TAG {
            return Err(PairingFault::Length);
        }
        let plain = tunnel.open(message, PROOF)?;
        let (mut sign, mut group, mut signature) = ([0; 32], [0; 32], [0; 64]);
        sign.copy_from_slice(&plain[1..33]);
        group.copy_from_slice(&plain[33..65]);
        signature.copy_from_slice(&plain[65..]);
        let group = GroupId(group);
        if self.creator.is_some_and(|creator| creator != sign) {
            return Err(PairingFault::WrongCreator);
        }
        if verifying_key(&sign).is_none() {
            return Err(PairingFault::WeakKey);
        }
        if !verify(&sign, &creator_text(&tunnel.hash, &group), &Signature(signature)) {
            return Err(PairingFault::Signature);
        }
        self.state = State::Pieces { tunnel, group, pieces: 0, bytes: Zeroizing::new(Vec::new()) };
        Ok(JoinerStep::Waiting)
    }

    fn piece(
        &mut self,
        mut tunnel: Tunnel,
        group: GroupId,
        pieces: usize,
        mut bytes: Zeroizing<Vec<u8>>,
        message: &[u8],
    ) -> Result<JoinerStep, PairingFault> {
        let plain = tunnel.open(message, PIECE)?;
        let (last, piece) = plain[1..].split_first().ok_or(PairingFault::Malformed)?;
        if pieces == MAX_PIECES || piece.is_empty() || *last > 1 || *last == 0 && piece.len() != PIECE_LEN {
            return Err(PairingFault::Malformed);
        }
        append(&mut bytes, piece);
        if *last == 0 {
            self.state = State::Pieces { tunnel, group, pieces: pieces + 1, bytes };
            return Ok(JoinerStep::Waiting);
        }
        let handover = Handover::decode(&bytes)?;
        if handover.group != group {
            return Err(PairingFault::Handover);
        }
        handover.check()?;
        self.state = State::Done(tunnel.seal(&[DONE; DONE_LEN])?);
        Ok(JoinerStep::Welcome(Box::new(handover)))
    }
}

impl fmt::Debug for Joiner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Joiner(..)")
    }
}

/// What the new device signs: that it holds its key, in this very exchange.
pub(super) fn joiner_text(hash: &[u8; 32], device: &DevicePublic, name: &str) -> Vec<u8> {
    debug_assert!(name.len() <= MAX_NAME);
    [JOINER_LABEL, hash, &device.encode(), name.as_bytes()].concat()
}

/// What the member signs: that it speaks for this group, in this very exchange.
pub(super) fn creator_text(hash: &[u8; 32], group: &GroupId) -> Vec<u8> {
    [CREATOR_LABEL, hash, &group.0].concat()
}

/// Appends secret bytes, wiping what a larger allocation leaves behind.
fn append(bytes: &mut Zeroizing<Vec<u8>>, more: &[u8]) {
    if bytes.capacity() - bytes.len() < more.len() {
        let mut larger = Vec::with_capacity((bytes.len() + more.len()) * 2);
        larger.extend_from_slice(bytes);
        bytes.zeroize();
        **bytes = larger;
    }
    bytes.extend_from_slice(more);
}
