//! The relay machine, driven through its inputs and outputs with a store in memory and real channels on the devices' side.

mod abuse;
mod laws;
mod links;
mod logs;
mod mail;
#[path = "../../../../tests/src/store/relay.rs"]
mod memory;
mod world;
