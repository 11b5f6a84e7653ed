//! Placeholder.

/// Placeholder.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RelayAddress {}
