//! How a device joins a group: a code to type or a QR payload to scan, and the exchange behind either.
//!
//! An invite holds a secret that both devices know and the relay does not. From it and the relay's key come the name of a mailbox
//! and a key for the handshake in it; one wrong guess ends the invite. No key of the group is in a code, a QR picture or a
//! mailbox in clear.

pub mod code;
pub mod exchange;
pub mod invite;

mod creator;
mod handover;
mod joiner;

use core::fmt;

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::ids::{MailboxId, RelayKey};

/// What an invite becomes at one relay: a mailbox's name and the handshake's shared key.
#[derive(Clone)]
pub struct PairingSecret {
    /// Where the two devices meet.
    pub mailbox: MailboxId,
    /// What only they know.
    pub psk: Zeroizing<[u8; 32]>,
}

impl PairingSecret {
    /// Derives both from the 10 bytes of a code or the 32 of a QR payload.
    pub fn derive(secret: &[u8], relay: &RelayKey) -> Self {
        let salt = [&b"0k/1/pair"[..], &relay.0].concat();
        let prk = Hkdf::<Sha256>::new(Some(&salt), secret);
        let (mut mailbox, mut psk) = ([0; 16], Zeroizing::new([0; 32]));
        // HKDF refuses only outputs above 8160 bytes.
        let _ = prk.expand(b"0k/1/mbox", &mut mailbox);
        let _ = prk.expand(b"0k/1/psk", &mut *psk);
        Self { mailbox: MailboxId(mailbox), psk }
    }
}

impl fmt::Debug for PairingSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PairingSecret(..)")
    }
}

#[cfg(test)]
mod tests;
