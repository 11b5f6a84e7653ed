//! The first record of a group: who founded it and which secret its first epoch commits to.
//!
//! Signed without a group id, because the group id is made of its hash. A value of this type has a valid signature.

use sha2::{Digest as _, Sha256};

use super::{DeviceKeys, DevicePublic, EpochSecret, group_id, verify};
use crate::{
    ids::{AccessKey, GroupId},
    rng::Draw,
    seal::{
        SealFault,
        bytes::Reader,
        roster::{clean_name, read_name, write_name},
    },
    wire::message::Signature,
};

const VERSION: u8 = 1;
const LABEL: &[u8] = b"0k/1/genesis";

/// A group's root.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Genesis {
    device: DevicePublic,
    random: [u8; 16],
    name: String,
    commit: [u8; 32],
    signature: Signature,
}

impl Genesis {
    /// Founds a group of one. The name is shortened as [`clean_name`] says.
    pub fn create(keys: &DeviceKeys, name: &str, secret: &EpochSecret, draw: &mut Draw) -> Self {
        let mut genesis = Self {
            device: keys.public(),
            random: draw.bytes(),
            name: clean_name(name),
            commit: secret.commit(),
            signature: Signature([0; 64]),
        };
        genesis.signature = keys.sign(&genesis.signed_text());
        genesis
    }

    /// The bytes that are hashed and travel as a record's payload.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.signed_text();
        out.drain(..LABEL.len());
        out.extend_from_slice(&self.signature.0);
        out
    }

    /// Reads and verifies.
    ///
    /// # Errors
    /// Any of version, structure, weak key, signature.
    pub fn decode(bytes: &[u8]) -> Result<Self, SealFault> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return Err(SealFault::Version);
        }
        let device = DevicePublic::read(&mut reader)?;
        let random = reader.array()?;
        let name = read_name(&mut reader)?;
        let commit = reader.array()?;
        let genesis = Self { device, random, name, commit, signature: Signature(reader.array()?) };
        reader.end()?;
        let valid = verify(&device.sign, &genesis.signed_text(), &genesis.signature);
        if valid { Ok(genesis) } else { Err(SealFault::Signature) }
    }

    /// SHA-256 of the encoded bytes.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.encode()).into()
    }

    /// The group this genesis and its first access key make up.
    pub fn group(&self, access: &AccessKey) -> GroupId {
        group_id(access, &self.hash())
    }

    /// The founder's keys.
    pub fn device(&self) -> &DevicePublic {
        &self.device
    }

    /// The founder's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The commitment to the secret of epoch 0; see [`super::Epoch::matches`].
    pub fn commit(&self) -> &[u8; 32] {
        &self.commit
    }

    fn signed_text(&self) -> Vec<u8> {
        let mut out = LABEL.to_vec();
        out.push(VERSION);
        out.extend_from_slice(&self.device.encode());
        out.extend_from_slice(&self.random);
        write_name(&mut out, &self.name);
        out.extend_from_slice(&self.commit);
        out
    }
}
