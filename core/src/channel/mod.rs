//! Secure state on a link: who is at the other end, and whole messages that only the two ends can read or write.
//!
//! Knows bytes and keys, nothing of messages' meaning, time or links. The machine that owns a channel closes the link on the first
//! fault, ends handshakes that take too long, and asks [`Channel::spent`] when a new one is due.
//!
//! ```text
//!   device  Initiator ── preamble, message 1 ──►  Responder  relay
//!               │                                     │ Opening { remote, payload }
//!               │       ◄──────────── message 2 ──────┤ respond(payload)
//!            Channel    ◄════ transport frames ════► Channel
//! ```
//!
//! Preamble = `"0k"` ‖ version ‖ 0. Then frames ([`crate::wire::frame`]), each one Noise message. The prologue of the handshake is the
//! preamble and the [`TransportId`], so an edited version byte or another transport's recording does not open. A transport frame's
//! plaintext is a flag (0 last, 1 more follows) and a piece of a message; every frame but the last is full, so a message has one cut.
//!
//! A relay that cannot speak or open what it got answers a *hint*, four plaintext bytes: a frame of length 2, shorter than any
//! handshake message, holding `0xff` and a code. Nobody vouches for a hint.
//!
//! Invariants: a fault is final, whatever is fed afterwards; a frame altered, repeated, left out or moved does not open.
//!
//! Limits: message 1 carries [`MAX_FIRST_FLIGHT`], message 2 [`MAX_SECOND_FLIGHT`], a reassembled message [`MAX_MESSAGE`](crate::limits::MAX_MESSAGE).

mod noise;
#[cfg(feature = "model")]
mod plain;
mod transport;

use core::fmt;

use bytes::{Buf, Bytes};
use thiserror::Error;

pub use self::transport::Channel;
use crate::{
    error::{CloseReason, Incompatible, Misbehaviour},
    ids::{LinkKey, RelayKey, TransportId},
    limits::{MAX_FIRST_FLIGHT, MAX_SECOND_FLIGHT},
    rng::Draw,
    seal::keys::LinkSecret,
    wire::frame::Frames,
};

/// The protocol version of the preamble.
pub const VERSION: u8 = 1;

/// What a handshake message is longer than its payload: 1 is `e` 32, `s` 32 + 16, tag 16; 2 is `e` 32, tag 16.
const MESSAGE_1: usize = 96;
const MESSAGE_2: usize = 48;
const PREAMBLE: usize = 4;
const HINT: usize = 2;
const HINT_MARK: u8 = 0xff;

/// Which channel a machine speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ChannelKind {
    /// Noise IK: the only one on a real link.
    #[default]
    Noise,
    /// Readable frames for a model checker. No real peer accepts their first byte.
    #[cfg(feature = "model")]
    Plain,
}

impl ChannelKind {
    const fn preamble(self) -> [u8; PREAMBLE] {
        match self {
            Self::Noise => [b'0', b'k', VERSION, 0],
            #[cfg(feature = "model")]
            Self::Plain => [b'?', b'k', VERSION, 0],
        }
    }
}

/// Why a channel ends. Everything but a hint of the peer's is certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum ChannelFault {
    /// The peer broke the protocol.
    #[error("peer misbehaved: {0}")]
    Misbehaved(#[from] Misbehaviour),
    /// The peer speaks something else or is someone else.
    #[error("peer incompatible: {0}")]
    Incompatible(#[from] Incompatible),
}

impl ChannelFault {
    /// What a relay says in plaintext before it closes, if anything.
    pub fn hint(&self) -> Option<Bytes> {
        let code = match self {
            Self::Incompatible(Incompatible::Version) => 1,
            Self::Incompatible(Incompatible::CannotOpen) => 2,
            _ => return None,
        };
        Some(Bytes::copy_from_slice(&[HINT as u8, 0, HINT_MARK, code]))
    }
}

impl From<ChannelFault> for CloseReason {
    fn from(fault: ChannelFault) -> Self {
        match fault {
            ChannelFault::Misbehaved(how) => Self::PeerMisbehaved(how),
            ChannelFault::Incompatible(why) => Self::PeerIncompatible(why),
        }
    }
}

/// The device's side of a handshake.
#[cfg_attr(feature = "model", derive(Clone, PartialEq, Eq, Hash))]
pub struct Initiator {
    frames: Frames,
    /// Gone once the handshake is over, well or badly.
    handshake: Option<Handshake>,
}

impl Initiator {
    /// Starts a handshake with the holder of `relay`. The bytes are the first flight: preamble and message 1 around `payload`, which
    /// has at most [`MAX_FIRST_FLIGHT`] bytes.
    ///
    /// # Errors
    /// [`Incompatible::Handshake`] when no handshake with such a relay key is possible.
    pub fn new(
        kind: ChannelKind,
        secret: &LinkSecret,
        relay: RelayKey,
        transport: TransportId,
        payload: &[u8],
        draw: &mut Draw,
    ) -> Result<(Self, Bytes), Incompatible> {
        let preamble = kind.preamble();
        let prologue = prologue(preamble, transport);
        let mut handshake = match kind {
            ChannelKind::Noise => Handshake::Noise(Opaque(Box::new(
                noise::Handshake::initiator(secret, relay, &prologue, draw).map_err(|_| Incompatible::Handshake)?,
            ))),
            #[cfg(feature = "model")]
            ChannelKind::Plain => Handshake::Plain(plain::Handshake::initiator(secret, relay, transport)),
        };
        let message = handshake.write(payload).map_err(|_| Incompatible::Handshake)?;
        let mut flight = Vec::with_capacity(PREAMBLE + 2 + message.len());
        flight.extend_from_slice(&preamble);
        push_frame(&mut flight, &message);
        Ok((Self { frames: Frames::default(), handshake: Some(handshake) }, flight.into()))
    }

    /// Takes bytes of the relay. Once message 2 is whole: its payload, and the channel, which keeps bytes that came after it.
    ///
    /// # Errors
    /// The link is over. A hint of the relay's reads as [`Incompatible::Version`] or [`Incompatible::CannotOpen`].
    pub fn receive(&mut self, bytes: Bytes) -> Result<Option<(Bytes, Channel)>, ChannelFault> {
        self.frames.feed(bytes);
        let Some(mut handshake) = self.handshake.take() else { return Err(Misbehaviour::OutOfState.into()) };
        let Some(message) = self.frames.next(HINT..=MESSAGE_2 + MAX_SECOND_FLIGHT)? else {
            self.handshake = Some(handshake);
            return Ok(None);
        };
        match message[..] {
            [HINT_MARK, 1] => return Err(Incompatible::Version.into()),
            [HINT_MARK, 2] => return Err(Incompatible::CannotOpen.into()),
            _ if message.len() < MESSAGE_2 => return Err(Misbehaviour::FrameLength.into()),
            _ => {}
        }
        let payload = handshake.read(&message).map_err(|refused| refused.unless(Incompatible::Handshake))?;
        Ok(Some((payload, handshake.into_channel(core::mem::take(&mut self.frames)))))
    }
}

/// What the first flight said.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Opening {
    /// The key that message 1 authenticates. Not yet proven live: a recording may be repeated.
    pub remote: LinkKey,
    /// The payload of message 1; empty from a joiner.
    pub payload: Bytes,
}

/// The relay's side of a handshake. Does nothing costly before message 1 is whole.
#[cfg_attr(feature = "model", derive(Clone, PartialEq, Eq, Hash))]
pub struct Responder {
    kind: ChannelKind,
    transport: TransportId,
    frames: Frames,
    state: Responding,
}

#[cfg_attr(feature = "model", derive(Clone, PartialEq, Eq, Hash))]
enum Responding {
    /// So many bytes of the preamble were right.
    Preamble(usize, Opaque<Waiting>),
    Message(Opaque<Waiting>),
    Opened(Handshake),
    Failed,
}

/// What a responder needs once message 1 is there.
#[cfg_attr(feature = "model", derive(Clone, Hash))]
struct Waiting {
    secret: LinkSecret,
    draw: Draw,
}

impl Responder {
    /// Waits for a device. `secret` is the relay's identity.
    pub fn new(kind: ChannelKind, secret: &LinkSecret, transport: TransportId, draw: &mut Draw) -> Self {
        let waiting = Waiting { secret: secret.clone(), draw: draw.child() };
        Self { kind, transport, frames: Frames::default(), state: Responding::Preamble(0, Opaque(waiting)) }
    }

    /// Takes bytes of the device. Once message 1 is whole: what it said. Bytes behind it are refused until [`respond`](Self::respond).
    ///
    /// # Errors
    /// The link is over; send [`ChannelFault::hint`] first, if there is one.
    pub fn receive(&mut self, mut bytes: Bytes) -> Result<Option<Opening>, ChannelFault> {
        match core::mem::replace(&mut self.state, Responding::Failed) {
            Responding::Preamble(mut seen, waiting) => {
                let expected = self.kind.preamble();
                while seen < PREAMBLE {
                    if bytes.is_empty() {
                        self.state = Responding::Preamble(seen, waiting);
                        return Ok(None);
                    }
                    if bytes.get_u8() != expected[seen] {
                        // Behind the magic, it is a peer of ours from another time.
                        let fault = if seen < 2 { Misbehaviour::BadFrame.into() } else { Incompatible::Version.into() };
                        return Err(fault);
                    }
                    seen += 1;
                }
                self.message_1(bytes, waiting)
            }
            Responding::Message(waiting) => self.message_1(bytes, waiting),
            Responding::Opened(_) | Responding::Failed => Err(Misbehaviour::OutOfState.into()),
        }
    }

    /// Answers with message 2 around `payload`, which has at most [`MAX_SECOND_FLIGHT`] bytes.
    ///
    /// # Errors
    /// The device's static key is refused, the payload is too long, or [`receive`](Self::receive) has not returned an [`Opening`].
    pub fn respond(self, payload: &[u8]) -> Result<(Channel, Bytes), ChannelFault> {
        let Responding::Opened(mut handshake) = self.state else { return Err(Misbehaviour::OutOfState.into()) };
        if payload.len() > MAX_SECOND_FLIGHT {
            return Err(Misbehaviour::TooLarge.into());
        }
        let message = handshake.write(payload).map_err(|refused| refused.unless(Incompatible::Handshake))?;
        let mut flight = Vec::with_capacity(2 + message.len());
        push_frame(&mut flight, &message);
        Ok((handshake.into_channel(self.frames), flight.into()))
    }

    fn message_1(&mut self, bytes: Bytes, mut waiting: Opaque<Waiting>) -> Result<Option<Opening>, ChannelFault> {
        self.frames.feed(bytes);
        let Some(message) = self.frames.next(MESSAGE_1..=MESSAGE_1 + MAX_FIRST_FLIGHT)? else {
            self.state = Responding::Message(waiting);
            return Ok(None);
        };
        if !self.frames.is_empty() {
            // Nothing can follow message 1 before message 2 was seen.
            return Err(Misbehaviour::OutOfState.into());
        }
        let mut handshake = match self.kind {
            ChannelKind::Noise => Handshake::Noise(Opaque(Box::new(
                noise::Handshake::responder(
                    &waiting.0.secret,
                    &prologue(self.kind.preamble(), self.transport),
                    &mut waiting.0.draw,
                )
                .map_err(|refused| refused.unless(Incompatible::Handshake))?,
            ))),
            #[cfg(feature = "model")]
            ChannelKind::Plain => Handshake::Plain(plain::Handshake::responder(&waiting.0.secret, self.transport)),
        };
        let payload = handshake.read(&message).map_err(|refused| refused.unless(Incompatible::CannotOpen))?;
        let remote = handshake.remote().ok_or(Incompatible::CannotOpen)?;
        self.state = Responding::Opened(handshake);
        Ok(Some(Opening { remote, payload }))
    }
}

/// Why a handshake step failed, before it is known what that means for its side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    /// A public key that contributes nothing.
    WeakKey,
    /// Anything else.
    Unreadable,
}

impl Refused {
    fn unless(self, otherwise: Incompatible) -> ChannelFault {
        match self {
            Self::WeakKey => Misbehaviour::WeakKey.into(),
            Self::Unreadable => otherwise.into(),
        }
    }
}

#[cfg_attr(feature = "model", derive(Clone, PartialEq, Eq, Hash))]
enum Handshake {
    Noise(Opaque<Box<noise::Handshake>>),
    #[cfg(feature = "model")]
    Plain(plain::Handshake),
}

impl Handshake {
    fn write(&mut self, payload: &[u8]) -> Result<Vec<u8>, Refused> {
        match self {
            Self::Noise(noise) => noise.0.write(payload),
            #[cfg(feature = "model")]
            Self::Plain(plain) => Ok(plain.write(payload)),
        }
    }

    fn read(&mut self, message: &[u8]) -> Result<Bytes, Refused> {
        match self {
            Self::Noise(noise) => noise.0.read(message),
            #[cfg(feature = "model")]
            Self::Plain(plain) => plain.read(message),
        }
    }

    fn remote(&self) -> Option<LinkKey> {
        match self {
            Self::Noise(noise) => noise.0.remote(),
            #[cfg(feature = "model")]
            Self::Plain(plain) => plain.remote(),
        }
    }

    fn into_channel(self, frames: Frames) -> Channel {
        match self {
            Self::Noise(noise) => Channel::new(transport::Cipher::Noise(Opaque(noise.0.into_transport())), frames),
            #[cfg(feature = "model")]
            Self::Plain(_) => Channel::new(transport::Cipher::Plain, frames),
        }
    }
}

fn prologue(preamble: [u8; PREAMBLE], transport: TransportId) -> [u8; PREAMBLE + TransportId::LEN] {
    let mut out = [0; PREAMBLE + TransportId::LEN];
    out[..PREAMBLE].copy_from_slice(&preamble);
    out[PREAMBLE..].copy_from_slice(&transport.0);
    out
}

/// Appends a frame. No handshake message is longer than a frame.
fn push_frame(out: &mut Vec<u8>, message: &[u8]) {
    out.extend_from_slice(&(message.len() as u16).to_le_bytes());
    out.extend_from_slice(message);
}

/// State a model checker never meets: it builds machines on the plain channel, so this is neither cloned nor compared there.
struct Opaque<T>(T);

#[cfg(feature = "model")]
mod opaque {
    use super::{Opaque, Waiting};

    impl Clone for Opaque<Waiting> {
        fn clone(&self) -> Self {
            Self(self.0.clone())
        }
    }

    impl Clone for Opaque<Box<super::noise::Handshake>> {
        fn clone(&self) -> Self {
            unreachable!("a model's machines are built on the plain channel")
        }
    }

    impl Clone for Opaque<Box<super::noise::Transport>> {
        fn clone(&self) -> Self {
            unreachable!("a model's machines are built on the plain channel")
        }
    }

    impl<T> PartialEq for Opaque<T> {
        fn eq(&self, _: &Self) -> bool {
            true
        }
    }

    impl<T> Eq for Opaque<T> {}

    impl<T> core::hash::Hash for Opaque<T> {
        fn hash<H: core::hash::Hasher>(&self, _: &mut H) {}
    }
}

impl fmt::Debug for Initiator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Initiator(..)")
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Responder(..)")
    }
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opening({}, {} bytes)", self.remote, self.payload.len())
    }
}

#[cfg(test)]
mod tests;
