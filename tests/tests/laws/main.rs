//! What holds in every run, whatever happens.
//!
//! # Layout
//! - [`run`]: two devices, a relay, and what befalls them. [`story`]: the same, with every machine on tape.
//! - [`role`]: what a law needs to know of a machine's inputs and outputs; client and relay. [`player`]: a tape, played with changes.
//! - [`converge`]: laws of the whole. [`tapes`]: laws of each machine: what may be done to its inputs without anybody noticing.
//!   [`outputs`]: laws of what comes out. [`edges`]: bounds, at the bound.

mod converge;
mod edges;
mod outputs;
mod player;
mod role;
mod run;
mod story;
mod tapes;
