//! Simulator, recorder and conformance suites for 0k-Sync.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod blocking;
pub mod conformance;
pub mod fuzz;
pub mod hostile;
pub mod sim;
pub mod slow_path;
pub mod store;
pub mod storm;
pub mod word;
