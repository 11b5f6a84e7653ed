//! The member's side of the exchange.
//!
//! ```text
//!          e              joiner's keys             hand_over              done
//!   Open ─────► Keys ────────────────────► Admitting ─────────► Confirming ─────► Over
//!     └──────────┴──────── any fault ───────────┴──► Over
//! ```

use core::fmt;

use bytes::Bytes;
use snow::HandshakeState;

use super::{
    PairingSecret,
    exchange::{
        DONE, DONE_LEN, KEYS, KEYS_LEN, MAX_PIECES, PIECE, PIECE_LEN, PROOF, PROOF_LEN, PairingFault, Received, TAG,
        Tunnel, handshake, read_handshake, write_handshake,
    },
    handover::Handover,
    joiner::{creator_text, joiner_text},
};
use crate::{
    ids::GroupId,
    limits::MAX_NAME,
    rng::Draw,
    seal::{
        SealFault,
        bytes::Reader,
        keys::{DeviceKeys, DevicePublic, verify},
        roster::read_name,
    },
    wire::message::Signature,
};

/// A device that knows the secret and holds the keys it names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Candidate {
    /// Its keys, none of them weak.
    pub device: DevicePublic,
    /// How it wants to be called.
    pub name: String,
}

/// What a member does next.
#[derive(Debug)]
pub enum CreatorStep {
    /// Leave this in the mailbox.
    Send(Bytes),
    /// Nothing until the next message.
    Waiting,
    /// Write an ADD record, wait until the relay holds it, then send what [`Creator::hand_over`] gives.
    Admit(Candidate),
    /// The new device holds its keys durably.
    Finished,
}

/// The member that made the invite.
pub struct Creator {
    state: State,
    received: Received,
    keys: DeviceKeys,
    group: GroupId,
}

enum State {
    Open(Box<HandshakeState>),
    Keys(Tunnel),
    Admitting(Tunnel),
    Confirming(Tunnel),
    Over,
}

/// A model checker starts from a group that has formed: a pairing under way is never cloned there.
#[cfg(feature = "model")]
impl Clone for Creator {
    fn clone(&self) -> Self {
        unreachable!("models start with their groups formed")
    }
}

impl Creator {
    /// Waits for a new device's first message.
    pub fn start(secret: &PairingSecret, keys: &DeviceKeys, group: GroupId, draw: &mut Draw) -> Self {
        let noise = Box::new(handshake(secret, false, draw));
        Self { state: State::Open(noise), received: Received::default(), keys: keys.clone(), group }
    }

    /// Takes a message of the mailbox.
    ///
    /// # Errors
    /// The exchange is over and the invite void: the first wrong guess was the last.
    pub fn receive(&mut self, message: &[u8]) -> Result<CreatorStep, PairingFault> {
        if matches!(self.state, State::Over) {
            return Err(PairingFault::OutOfTurn);
        }
        if !self.received.admit(message).inspect_err(|_| self.state = State::Over)? {
            return Ok(CreatorStep::Waiting);
        }
        // Whatever fails below leaves `Over` behind.
        match core::mem::replace(&mut self.state, State::Over) {
            State::Open(mut noise) => {
                read_handshake(&mut noise, message)?;
                let answer = write_handshake(&mut noise)?;
                self.state = State::Keys(Tunnel::new(*noise)?);
                Ok(CreatorStep::Send(answer))
            }
            State::Keys(mut tunnel) => {
                let candidate = read_keys(&mut tunnel, message)?;
                self.state = State::Admitting(tunnel);
                Ok(CreatorStep::Admit(candidate))
            }
            State::Confirming(mut tunnel) => {
                if message.len() != DONE_LEN + TAG {
                    return Err(PairingFault::Length);
                }
                tunnel.open(message, DONE)?;
                Ok(CreatorStep::Finished)
            }
            // A joiner has nothing to say while it is admitted or after the end.
            State::Admitting(_) | State::Over => Err(PairingFault::OutOfTurn),
        }
    }

    /// The messages that make the new device a member: this side's proof, then the handover in pieces.
    ///
    /// # Errors
    /// [`PairingFault::OutOfTurn`] unless a device is being admitted, [`PairingFault::TooLarge`] above 60 pieces.
    pub fn hand_over(&mut self, handover: &Handover) -> Result<Vec<Bytes>, PairingFault> {
        let State::Admitting(mut tunnel) = core::mem::replace(&mut self.state, State::Over) else {
            return Err(PairingFault::OutOfTurn);
        };
        let bytes = handover.encode();
        let pieces = bytes.chunks(PIECE_LEN).len();
        if pieces > MAX_PIECES {
            return Err(PairingFault::TooLarge);
        }
        let mut proof = Vec::with_capacity(PROOF_LEN);
        proof.push(PROOF);
        proof.extend_from_slice(&self.keys.public().sign);
        proof.extend_from_slice(&self.group.0);
        proof.extend_from_slice(&self.keys.sign(&creator_text(&tunnel.hash, &self.group)).0);
        let mut messages = Vec::with_capacity(1 + pieces);
        messages.push(tunnel.seal(&proof)?);
        for (i, piece) in bytes.chunks(PIECE_LEN).enumerate() {
            let mut plain = zeroize::Zeroizing::new(Vec::with_capacity(2 + piece.len()));
            plain.extend_from_slice(&[PIECE, u8::from(i + 1 == pieces)]);
            plain.extend_from_slice(piece);
            messages.push(tunnel.seal(&plain)?);
        }
        self.state = State::Confirming(tunnel);
        Ok(messages)
    }
}

impl fmt::Debug for Creator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Creator(..)")
    }
}

fn read_keys(tunnel: &mut Tunnel, message: &[u8]) -> Result<Candidate, PairingFault> {
    if message.len() != KEYS_LEN + TAG {
        return Err(PairingFault::Length);
    }
    let plain = tunnel.open(message, KEYS)?;
    let mut reader = Reader::new(&plain[1..]);
    let fields = |reader: &mut Reader<'_>| -> Result<_, SealFault> {
        let device = DevicePublic::read(reader)?;
        let before = reader.left();
        let name = read_name(reader)?;
        let padding = reader.take((1 + MAX_NAME).saturating_sub(before - reader.left()))?;
        if padding.iter().any(|byte| *byte != 0) {
            return Err(SealFault::Structure);
        }
        let signature = Signature(reader.array()?);
        reader.end().map(|()| (device, name, signature))
    };
    let (device, name, signature) = fields(&mut reader).map_err(|fault| match fault {
        SealFault::WeakKey => PairingFault::WeakKey,
        _ => PairingFault::Malformed,
    })?;
    if !verify(&device.sign, &joiner_text(&tunnel.hash, &device, &name), &signature) {
        return Err(PairingFault::Signature);
    }
    Ok(Candidate { device, name })
}
