//! Stores in memory.

pub mod relay;
