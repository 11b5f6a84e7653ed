//! The channel a model checker runs on: the same flights, frames and lengths as Noise, readable, without randomness or counters.
//!
//! Protects nothing. Exists because a checker clones, compares and hashes machines by the million, which a handshake of real keys
//! cannot do. Its preamble's first byte is one that no real peer accepts.
//!
//! Message 1 = relay key ‖ device key ‖ transport id ‖ payload; message 2 = 48 bytes of the relay's key and zeros ‖ payload. A peer with
//! another key or transport refuses them as Noise would.

use bytes::Bytes;

use super::{MESSAGE_1, MESSAGE_2, Refused};
use crate::{
    ids::{LinkKey, RelayKey, TransportId},
    seal::keys::LinkSecret,
};

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Handshake {
    relay: RelayKey,
    transport: TransportId,
    role: Role,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Role {
    Initiator(LinkKey),
    Responder(Option<LinkKey>),
}

impl Handshake {
    pub(super) fn initiator(secret: &LinkSecret, relay: RelayKey, transport: TransportId) -> Self {
        Self { relay, transport, role: Role::Initiator(secret.public()) }
    }

    pub(super) fn responder(secret: &LinkSecret, transport: TransportId) -> Self {
        Self { relay: RelayKey(secret.public().0), transport, role: Role::Responder(None) }
    }

    pub(super) fn write(&mut self, payload: &[u8]) -> Vec<u8> {
        let mut out = match &self.role {
            Role::Initiator(own) => self.header_1(own),
            Role::Responder(_) => self.header_2(),
        };
        out.extend_from_slice(payload);
        out
    }

    pub(super) fn read(&mut self, message: &[u8]) -> Result<Bytes, Refused> {
        let header = match self.role {
            Role::Initiator(_) => self.header_2(),
            Role::Responder(_) => {
                let key = message.get(32..64).and_then(|key| key.try_into().ok()).ok_or(Refused::Unreadable)?;
                self.role = Role::Responder(Some(LinkKey(key)));
                self.header_1(&LinkKey(key))
            }
        };
        message.strip_prefix(&header[..]).map(Bytes::copy_from_slice).ok_or(Refused::Unreadable)
    }

    pub(super) fn remote(&self) -> Option<LinkKey> {
        match self.role {
            Role::Initiator(_) => Some(LinkKey(self.relay.0)),
            Role::Responder(remote) => remote,
        }
    }

    fn header_1(&self, device: &LinkKey) -> Vec<u8> {
        let mut out = Vec::with_capacity(MESSAGE_1);
        out.extend_from_slice(&self.relay.0);
        out.extend_from_slice(&device.0);
        out.extend_from_slice(&self.transport.0);
        out
    }

    fn header_2(&self) -> Vec<u8> {
        let mut out = self.relay.0.to_vec();
        out.resize(MESSAGE_2, 0);
        out
    }
}
