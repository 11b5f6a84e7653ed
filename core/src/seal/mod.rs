//! End-to-end sealing: keys, records, padding, chains.

pub mod chain;
pub mod keys;
pub mod padding;
pub mod record;
pub mod roster;
