//! Placeholder.

/// Placeholder.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RelayAddress {
    /// The relay's pinned key.
    pub key: crate::ids::RelayKey,
    /// TCP addresses, `host:port`.
    pub tcp: Vec<String>,
    /// The way over iroh, if there is one.
    pub iroh: Option<IrohRoute>,
}

/// Placeholder.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IrohRoute {
    /// The endpoint's key.
    pub endpoint: [u8; 32],
    /// Direct addresses, `ip:port`.
    pub direct: Vec<String>,
    /// An iroh relay's URL.
    pub relay: Option<String>,
}
