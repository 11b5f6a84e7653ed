//! What a hostile relay, network or member can do, and what honest devices conclude: the catalogue's groups A and D, attack by
//! attack. No wrong plaintext is delivered, honest blobs still are, a finding is named, nothing spins.

mod claims;
#[path = "../scenarios/common.rs"]
#[allow(dead_code, reason = "the scenarios use all of it")]
mod common;
mod content;
mod crash;
mod crowd;
mod heads;
mod logs;
mod messages;
mod order;
mod positions;
mod restored;
mod roster;
mod rot;
mod scene;
mod sweep;
mod wire;
