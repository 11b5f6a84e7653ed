//! The proof of membership that a relay checks without knowing the group: the id certifies itself, the access key signs.
//!
//! The proof names the relay's key and the link key that the handshake authenticated, so it is worth nothing at another relay or
//! on another device's link.

use super::{Epoch, group_id, verify};
use crate::{
    ids::{GroupId, Kid, LinkKey, RelayKey},
    wire::message::{Hello, Signature},
};

const LABEL: &[u8; 11] = b"0k/1/member";

/// What the access key signs: label ‖ relay key ‖ group id ‖ kid ‖ link key.
pub fn hello_text(relay: &RelayKey, group: &GroupId, kid: &Kid, link: &LinkKey) -> [u8; 115] {
    let mut text = [0; 115];
    let mut at = 0;
    for part in [&LABEL[..], &relay.0, &group.0, &kid.0, &link.0] {
        text[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
    text
}

/// Proves membership on the link whose static key is `link`.
pub fn prove(epoch: &Epoch, relay: &RelayKey, group: &GroupId, link: &LinkKey) -> Signature {
    epoch.sign(&hello_text(relay, group, &epoch.kid, link))
}

/// Whether `hello` was made by a member of its group, for this relay and this link. Does the same work whatever is wrong.
pub fn verify_hello(hello: &Hello, relay: &RelayKey, link: &LinkKey) -> bool {
    let certified = group_id(&hello.access, &hello.genesis) == hello.group;
    let proven = verify(&hello.access.0, &hello_text(relay, &hello.group, &hello.kid, link), &hello.proof);
    // Later access keys are reserved: version 1 knows only the first.
    certified & proven & hello.chain.is_empty()
}
