//! The conformance suites for what lies in this repository and in no crate that can run them itself: the tokio driver over TCP, over
//! iroh and in memory, and the stores of the simulator.
//!
//! The same driver drives all three transports. Time is real here, as in every driver.

#![allow(clippy::unwrap_used, reason = "what these helpers cannot have, no test can go on without")]

mod bench;
mod iroh;
mod memory;
mod simulated;
mod tcp;
