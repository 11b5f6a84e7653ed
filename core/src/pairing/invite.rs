//! An invite as the new device gets it: a typed code, or the payload of a QR picture.
//!
//! ```text
//! url     = scheme ‖ "://join?i=" ‖ payload
//! payload = base32(version(1) = 1 ‖ creator's sign key(32) ‖ secret(32) ‖ relay address as in its own bytes ‖ checksum(4))
//! checksum = first 4 bytes of SHA-256("0k/1/invite" ‖ all before it)
//! ```
//! The picture holds no key of the group. It names the relay, so a new device needs no other configuration, and the creator's key,
//! so that only the device that showed it can answer.

use core::{fmt, str::FromStr};

use thiserror::Error;
use zeroize::Zeroizing;

use super::{
    PairingSecret,
    code::{CodeFault, PairingCode},
};
use crate::{
    address::{AddressFault, MAX_TEXT, RelayAddress, armour, disarm},
    rng::Draw,
    seal::keys::{same, verifying_key},
};

const VERSION: u8 = 1;
const LABEL: &[u8] = b"0k/1/invite";
const QUERY: &str = "://join?i=";

/// What a QR picture says.
#[derive(Clone)]
pub struct QrPayload {
    /// Where the two devices meet.
    pub relay: RelayAddress,
    /// Who must answer.
    pub creator_sign: [u8; 32],
    /// What only the two know.
    pub secret: Zeroizing<[u8; 32]>,
}

impl QrPayload {
    /// Draws a fresh secret.
    pub fn generate(relay: RelayAddress, creator_sign: [u8; 32], draw: &mut Draw) -> Self {
        Self { relay, creator_sign, secret: Zeroizing::new(draw.bytes()) }
    }

    /// The text of the picture. `scheme` makes it open the application.
    pub fn to_url(&self, scheme: &str) -> String {
        let relay = self.relay.to_bytes();
        // Room for all of it and its checksum, so that no copy stays behind in freed memory.
        let mut bytes = Vec::with_capacity(1 + 64 + relay.len() + 4);
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.creator_sign);
        bytes.extend_from_slice(&*self.secret);
        bytes.extend_from_slice(&relay);
        format!("{scheme}{QUERY}{}", armour(LABEL, bytes))
    }

    /// Mailbox and shared key at the relay it names.
    pub fn pairing_secret(&self) -> PairingSecret {
        PairingSecret::derive(&*self.secret, &self.relay.key)
    }
}

impl FromStr for QrPayload {
    type Err = QrFault;

    /// Takes a URL with any scheme, or the payload alone.
    fn from_str(text: &str) -> Result<Self, QrFault> {
        let text = text.trim();
        if text.len() > MAX_TEXT {
            return Err(QrFault::Text(AddressFault::TooLong));
        }
        let bytes = disarm(LABEL, payload_of(text)).map_err(QrFault::Text)?;
        let rest = bytes.get(1..).ok_or(QrFault::Malformed)?;
        let (creator_sign, rest) = rest.split_first_chunk().ok_or(QrFault::Malformed)?;
        let (secret, relay) = rest.split_first_chunk().ok_or(QrFault::Malformed)?;
        if verifying_key(creator_sign).is_none() {
            return Err(QrFault::WeakKey);
        }
        let relay = RelayAddress::from_bytes(relay).map_err(QrFault::Relay)?;
        Ok(Self { relay, creator_sign: *creator_sign, secret: Zeroizing::new(*secret) })
    }
}

impl fmt::Debug for QrPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QrPayload(..)")
    }
}

impl PartialEq for QrPayload {
    fn eq(&self, other: &Self) -> bool {
        self.relay == other.relay && self.creator_sign == other.creator_sign && same(&*self.secret, &*other.secret)
    }
}

impl Eq for QrPayload {}

/// Why a text is no QR payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum QrFault {
    /// Not readable, of a later version, or mistyped.
    #[error("the invite cannot be read: {0}")]
    Text(AddressFault),
    /// Too short.
    #[error("the invite is malformed")]
    Malformed,
    /// The creator's key cannot be a key.
    #[error("the invite holds an impossible key")]
    WeakKey,
    /// The relay's address is not sound.
    #[error("the invite's relay address is wrong: {0}")]
    Relay(AddressFault),
}

/// An invite of either sort.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "model", derive(Hash))]
pub enum Invite {
    /// Typed.
    Code(PairingCode),
    /// Scanned.
    Qr(QrPayload),
}

/// Why a text is no invite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum InviteFault {
    /// It looks like a code.
    #[error("{0}")]
    Code(#[from] CodeFault),
    /// It looks like a QR payload.
    #[error("{0}")]
    Qr(#[from] QrFault),
}

impl FromStr for Invite {
    type Err = InviteFault;

    /// A URL, or anything much longer than a code, is a QR payload.
    fn from_str(text: &str) -> Result<Self, InviteFault> {
        let qr = text.contains("://") || text.chars().filter(char::is_ascii_alphanumeric).count() > 40;
        if qr { Ok(Self::Qr(text.parse()?)) } else { Ok(Self::Code(text.parse()?)) }
    }
}

/// The value of the query's `i`, whatever stands around it; or the text itself when it is no URL.
fn payload_of(text: &str) -> &str {
    let Some((_, after)) = text.split_once("://") else { return text };
    let query = after.split_once('?').map_or("", |(_, query)| query);
    let query = query.split_once('#').map_or(query, |(query, _)| query);
    // Some scanners hand over everything in capitals.
    query.split('&').find_map(|pair| pair.strip_prefix("i=").or_else(|| pair.strip_prefix("I="))).unwrap_or("")
}

#[cfg(test)]
mod tests;
