//! Placeholder.

/// Placeholder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QrPayload {}

/// Placeholder.
#[derive(Debug, Clone)]
pub enum Invite {}
