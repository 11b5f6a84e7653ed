//! One device's keys within one group: signing, linking, and a reserved box key. Never reused across roles or groups.

use core::fmt;

use ed25519_dalek::{Signer as _, SigningKey};
use zeroize::Zeroizing;

use super::{secret, verifying_key};
use crate::{
    ids::{DeviceId, LinkKey},
    rng::Draw,
    seal::{SealFault, bytes::Reader},
    wire::message::Signature,
};

secret! {
    /// A static X25519 key of the Noise handshake: a device's towards relays, or a relay's identity.
    LinkSecret
}

impl LinkSecret {
    /// The public half. A relay's is its [`RelayKey`](crate::ids::RelayKey).
    pub fn public(&self) -> LinkKey {
        LinkKey(x25519_dalek::x25519(self.0, x25519_dalek::X25519_BASEPOINT_BYTES))
    }
}

secret! {
    /// An X25519 key to which later epochs will be sealed. Reserved; only its public half is used in version 1.
    BoxSecret
}

impl BoxSecret {
    /// The public half.
    pub fn public(&self) -> [u8; 32] {
        x25519_dalek::x25519(self.0, x25519_dalek::X25519_BASEPOINT_BYTES)
    }
}

/// A device's three key pairs.
#[derive(Clone)]
pub struct DeviceKeys {
    sign: SigningKey,
    link: LinkSecret,
    box_: BoxSecret,
    public: DevicePublic,
}

impl DeviceKeys {
    /// Draws three fresh keys.
    pub fn generate(draw: &mut Draw) -> Self {
        Self::new(&Zeroizing::new(draw.bytes()), LinkSecret::generate(draw), BoxSecret::generate(draw))
    }

    /// Takes what [`Self::to_bytes`] gave.
    pub fn from_bytes(bytes: &[u8; 96]) -> Self {
        let part = |at: usize| {
            let mut out = Zeroizing::new([0; 32]);
            out.copy_from_slice(&bytes[at..at + 32]);
            out
        };
        Self::new(&part(0), LinkSecret::new(*part(32)), BoxSecret::new(*part(64)))
    }

    /// Signing, link and box secret, to be stored. The copy wipes itself.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 96]> {
        let mut out = Zeroizing::new([0; 96]);
        out[..32].copy_from_slice(self.sign.as_bytes());
        out[32..64].copy_from_slice(self.link.as_bytes());
        out[64..].copy_from_slice(self.box_.as_bytes());
        out
    }

    /// The device's name in records.
    pub fn id(&self) -> DeviceId {
        self.public.id()
    }

    /// The three public halves.
    pub fn public(&self) -> DevicePublic {
        self.public
    }

    /// The static key of this device's links.
    pub fn link(&self) -> &LinkSecret {
        &self.link
    }

    /// Signs. The caller's text starts with its own label.
    pub fn sign(&self, text: &[u8]) -> Signature {
        Signature(self.sign.sign(text).to_bytes())
    }

    fn new(sign: &[u8; 32], link: LinkSecret, box_: BoxSecret) -> Self {
        let sign = SigningKey::from_bytes(sign);
        let public = DevicePublic { sign: sign.verifying_key().to_bytes(), link: link.public(), box_: box_.public() };
        Self { sign, link, box_, public }
    }
}

impl fmt::Debug for DeviceKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceKeys(..)")
    }
}

/// What a group knows of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DevicePublic {
    /// Ed25519; its first 8 bytes are the device id.
    pub sign: [u8; 32],
    /// X25519, the Noise static key towards relays.
    pub link: LinkKey,
    /// X25519, reserved.
    pub box_: [u8; 32],
}

impl DevicePublic {
    /// How many bytes it has when encoded.
    pub const LEN: usize = 96;

    /// The device's name in records.
    pub fn id(&self) -> DeviceId {
        let mut id = [0; 8];
        id.copy_from_slice(&self.sign[..8]);
        DeviceId(id)
    }

    /// sign ‖ link ‖ box.
    pub fn encode(&self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        out[..32].copy_from_slice(&self.sign);
        out[32..64].copy_from_slice(&self.link.0);
        out[64..].copy_from_slice(&self.box_);
        out
    }

    /// Reads and judges three keys.
    ///
    /// # Errors
    /// [`SealFault::WeakKey`] for an invalid or low-order key, [`SealFault::Structure`] when bytes are missing or left over.
    pub fn decode(bytes: &[u8]) -> Result<Self, SealFault> {
        let mut reader = Reader::new(bytes);
        let device = Self::read(&mut reader)?;
        reader.end().map(|()| device)
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, SealFault> {
        let device = Self { sign: reader.array()?, link: LinkKey(reader.array()?), box_: reader.array()? };
        let sound = verifying_key(&device.sign).is_some() && contributory(&device.link.0) && contributory(&device.box_);
        if sound { Ok(device) } else { Err(SealFault::WeakKey) }
    }
}

/// Whether a Diffie-Hellman with this X25519 key depends on the other side's secret. Low-order points yield zeros with any.
pub fn contributory(public: &[u8; 32]) -> bool {
    x25519_dalek::x25519([0x42; 32], *public) != [0; 32]
}
