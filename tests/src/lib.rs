//! Simulator, recorder and conformance suites for 0k-Sync.

pub mod store;
