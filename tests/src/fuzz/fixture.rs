//! A group whose every secret the harness holds: what an insider, a thief of keys or a relay with a stolen device could say.
//!
//! Seals any bytes, also such as no honest device would write. Keys are derived here from the labels of the protocol, not by the
//! code under test.

use std::sync::OnceLock;

use bytes::Bytes;
use chacha20poly1305::{AeadInPlace as _, KeyInit as _, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use sha2::Sha256;
use zerok_core::{
    ids::{AccessKey, GroupId, Kid},
    rng::{Draw, Seed},
    seal::{
        keys::{DeviceKeys, Epoch, EpochSecret, Genesis, group_id},
        record::Record,
    },
    wire::message::Signature,
};

/// One group, its founder and another member.
pub(super) struct Fixture {
    pub(super) founder: DeviceKeys,
    pub(super) member: DeviceKeys,
    pub(super) secret: EpochSecret,
    pub(super) epoch: Epoch,
    pub(super) group: GroupId,
    pub(super) access: AccessKey,
    pub(super) genesis: Genesis,
}

impl Fixture {
    /// The same in every run.
    pub(super) fn shared() -> &'static Self {
        static SHARED: OnceLock<Fixture> = OnceLock::new();
        SHARED.get_or_init(|| {
            let mut draw = draw(1);
            let founder = DeviceKeys::generate(&mut draw);
            let member = DeviceKeys::generate(&mut draw);
            let secret = EpochSecret::generate(&mut draw);
            let genesis = Genesis::create(&founder, "founder", &secret, &mut draw);
            let access = secret.access();
            let group = group_id(&access, &genesis.hash());
            let epoch = Epoch::derive(&secret, &group);
            Self { founder, member, secret, epoch, group, access, genesis }
        })
    }

    /// Any bytes, sealed as a record is.
    pub(super) fn seal(&self, plain: &[u8]) -> Bytes {
        seal_plain(plain, &self.secret, &self.group, self.epoch.kid)
    }
}

/// Randomness of the harness's own.
pub(super) fn draw(number: u8) -> Draw {
    Seed::new([number; 32]).draw("fuzz")
}

/// version ‖ kid ‖ nonce ‖ ciphertext ‖ tag, whatever the plaintext is. The nonce follows from the length: nobody else sees it.
pub(super) fn seal_plain(plain: &[u8], secret: &EpochSecret, group: &GroupId, kid: Kid) -> Bytes {
    let mut key = [0; 32];
    let prk = Hkdf::<Sha256>::new(Some(b"0k/1/epoch"), secret.as_bytes());
    prk.expand_multi_info(&[b"0k/1/blob", &group.0], &mut key).expect("32 bytes are not too many");
    let mut nonce = [0; 24];
    nonce[..8].copy_from_slice(&(plain.len() as u64).to_le_bytes());
    let mut blob = vec![1];
    blob.extend_from_slice(&kid.0);
    blob.extend_from_slice(&nonce);
    let mut body = plain.to_vec();
    let associated = [&b"0k/1/blob"[..], &group.0, &[1], &kid.0].concat();
    let tag = XChaCha20Poly1305::new(&key.into())
        .encrypt_in_place_detached(&XNonce::from(nonce), &associated, &mut body)
        .expect("it is short enough");
    blob.extend_from_slice(&body);
    blob.extend_from_slice(&tag);
    blob.into()
}

/// A record as an honest device lays it out, signed by whoever's keys these are.
pub(super) fn lay_out(record: &Record, keys: &DeviceKeys, group: &GroupId) -> Vec<u8> {
    let mut plain = Vec::with_capacity(record.encoded_len());
    plain.extend_from_slice(&record.sender.0);
    plain.extend_from_slice(&record.inc.0);
    plain.extend_from_slice(&record.seq.to_le_bytes());
    plain.extend_from_slice(&record.prev.0);
    plain.push(record.kind);
    plain.push(u8::from(!record.seen.is_empty()));
    plain.extend_from_slice(&record.ms.0.to_le_bytes());
    if !record.seen.is_empty() {
        plain.extend_from_slice(&(record.seen.len() as u16).to_le_bytes());
        for entry in &record.seen {
            plain.extend_from_slice(&entry.device.0);
            plain.extend_from_slice(&entry.inc.0);
            plain.push(entry.lane as u8);
            plain.extend_from_slice(&entry.seq.to_le_bytes());
            plain.extend_from_slice(&entry.hash);
        }
    }
    plain.extend_from_slice(&(record.payload.len() as u32).to_le_bytes());
    plain.extend_from_slice(&record.payload);
    let signature = sign_record(keys, group, &plain);
    plain.extend_from_slice(&signature.0);
    plain
}

/// What a record's signature covers before the record itself.
pub(super) fn sign_record(keys: &DeviceKeys, group: &GroupId, unsigned: &[u8]) -> Signature {
    keys.sign(&[&b"0k/1/rec"[..], &group.0, unsigned].concat())
}
