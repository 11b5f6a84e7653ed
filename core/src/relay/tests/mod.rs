//! The relay machine, driven through its inputs and outputs with a store in memory and real channels on the devices' side.

mod abuse;
mod crowd;
mod laws;
mod links;
mod logs;
mod mail;
#[allow(dead_code, unreachable_pub, reason = "public where the simulator shares it")]
#[path = "../../../../tests/src/store/relay.rs"]
mod memory;
mod world;
