//! What the fuzz targets do, as plain functions: bytes in, what was met out, a panic for a defect.
//!
//! `fuzz/fuzz_targets/` hands each function to libFuzzer; `tests/corpora.rs` runs the same functions over the committed inputs, on
//! stable, with every other test. Each reads its bytes as choices (`source`), so that most inputs are sensible runs with something
//! wrong in them and not noise that is refused at the first byte; where a key guards what is under test, the harness holds the key.
//!
//! # Layout
//! - `frames`, `handshake`: what a stranger may send. `records`, `pairing`: what a member or whoever knows a code may seal.
//! - `addresses`, `invites`: what a person may paste.
//! - `source`: choices. `sayings`: messages. `fixture`: keys. `seen`: what was met.

mod addresses;
mod client_inputs;
mod device;
mod fixture;
mod frames;
mod handshake;
mod invites;
mod pairing;
mod peers;
mod records;
mod relay_inputs;
mod relay_rig;
mod rows;
mod sayings;
mod seen;
mod snapshot;
mod source;
mod to_device;
mod to_relay;

pub use self::{
    addresses::addresses, client_inputs::client_inputs, frames::frames, handshake::handshake, invites::invites,
    pairing::pairing, records::records, relay_inputs::relay_inputs, rows::rows, seen::Seen, to_device::to_device,
    to_relay::to_relay,
};

/// Takes an input apart.
pub type Target = fn(&[u8]) -> Seen;

/// Every target by its name, as in `fuzz/fuzz_targets/` and `fuzz/corpus/`.
pub const TARGETS: &[(&str, Target)] = &[
    ("addresses", addresses),
    ("client_inputs", client_inputs),
    ("frames", frames),
    ("handshake", handshake),
    ("invites", invites),
    ("pairing", pairing),
    ("records", records),
    ("relay_inputs", relay_inputs),
    ("rows", rows),
    ("to_device", to_device),
    ("to_relay", to_relay),
];
