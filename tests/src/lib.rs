//! Simulator, recorder and conformance suites for 0k-Sync.
//!
//! # Layout
//! - [`sim`]: devices and relays in virtual time. [`storm`]: faults and work by seed, and what must hold. [`hostile`]: relays and members
//!   that lie. [`word`]: what killed processes had promised.
//! - [`recorder`]: what went into one machine and came out of it, to be played again.
//! - [`conformance`]: what every driver and every store promises. [`store`]: the stores of the simulator. [`blocking`]: a
//!   device on a blocking socket.
//! - [`fuzz`]: what the fuzz targets do.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod blocking;
pub mod conformance;
pub mod fuzz;
pub mod hostile;
pub mod recorder;
pub mod sim;
pub mod slow_path;
pub mod store;
pub mod storm;
pub mod word;
