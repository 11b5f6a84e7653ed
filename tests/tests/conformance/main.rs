//! The conformance suites for what lies in this repository and needs tokio: links over TCP, over iroh, and in memory.
//!
//! The same driver drives all three; what differs is the transport. Time is real here, as in every driver.

#![allow(clippy::unwrap_used, reason = "what these helpers cannot have, no test can go on without")]

mod bench;
mod iroh;
mod memory;
mod tcp;
