//! Devices and relays in virtual time: real machines, in-memory links and stores, one event at a time.
//!
//! [`World`] runs them; [`Transcript`] says what happened in words a reader can follow. Nothing here sleeps or draws randomness of
//! its own: the same calls give the same run, byte for byte.

mod device;
mod disasters;
mod faults;
mod harm;
mod impostor;
mod links;
mod meddle;
mod path;
mod relay;
mod tap;
mod tapes;
mod transcript;
mod world;

pub use self::{
    device::{DeviceNode, Disk, Driver},
    harm::Harm,
    path::Path,
    relay::RelayNode,
    tap::{Said, Tap},
    tapes::Tapes,
    transcript::Transcript,
    world::{Happened, Node, World},
};
