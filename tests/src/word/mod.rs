//! What a process that is killed at any moment said it had done, and whether it kept its word.
//!
//! - [`device`]: what a device printed over all its lives, against what another device received.
//! - [`relay`]: what a relay acknowledged, against its log.

pub mod device;
pub mod relay;
