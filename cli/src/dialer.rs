//! The ways this program knows to reach a relay, in order of preference.

use std::sync::Arc;

use zerok_tokio::{FirstOf, link::Dialer, tcp::TcpDialer};

/// One kind of transport.
#[derive(Clone)]
pub(crate) struct Way {
    /// What a person calls it.
    pub(crate) name: &'static str,
    /// What dials it.
    pub(crate) dialer: Arc<dyn Dialer>,
}

/// All of them.
pub(crate) fn ways() -> Vec<Way> {
    vec![Way { name: "tcp", dialer: Arc::new(TcpDialer) }]
}

/// All of them as one.
pub(crate) fn first_of(ways: &[Way]) -> Arc<dyn Dialer> {
    Arc::new(FirstOf(ways.iter().map(|way| Arc::clone(&way.dialer)).collect()))
}
