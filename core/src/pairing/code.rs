//! Placeholder.

/// Placeholder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairingCode([u8; 10]);
