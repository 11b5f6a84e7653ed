//! The sans-IO core of 0k-Sync: two machines, [`client::Client`] and [`relay::Relay`], and everything they say and keep.
//!
//! # Layout
//! - [`machine`], [`time`], [`rng`], [`ids`], [`limits`], [`error`]: what a driver and a machine share.
//! - [`gate`], [`timers`]: durable-before-visible, and deadlines.
//! - [`wire`]: frames, messages and their bytes. [`channel`]: the secure state on a link.
//! - [`seal`]: end-to-end sealing, records, chains. [`pairing`]: codes, invites, the exchange. [`address`]: where a relay is.
//! - [`client`], [`relay`]: the machines. [`driver`]: the loop around one.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

// The relay's tests share their store with the simulator, which knows this crate by its name.
#[cfg(test)]
extern crate self as zerok_core;

#[macro_use]
#[cfg(feature = "bugs")]
pub mod bugs;
#[macro_use]
#[cfg(not(feature = "bugs"))]
mod bugs;

pub mod address;
mod base32;
pub mod channel;
pub mod client;
pub mod driver;
pub mod error;
pub mod gate;
pub mod ids;
pub mod limits;
pub mod machine;
mod noise;
pub mod pairing;
pub mod relay;
pub mod rng;
pub mod seal;
pub mod time;
pub mod timers;
#[cfg(feature = "model")]
mod unhashed;
pub mod wire;
