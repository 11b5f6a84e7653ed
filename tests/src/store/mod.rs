//! Stores in memory: what the simulator crashes and rewinds, and what real stores are compared with.

pub mod client;
pub mod relay;
