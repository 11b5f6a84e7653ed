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

/// All of them. TCP comes first: it is the cheaper one where it gets through, and iroh starts a moment later where it does not.
pub(crate) fn ways() -> Vec<Way> {
    let tcp = Way { name: "tcp", dialer: Arc::new(TcpDialer) };
    std::iter::once(tcp).chain(iroh()).collect()
}

/// An endpoint of this process alone: who a device is, is none of the transport's business. Binds nothing before it dials.
#[cfg(feature = "iroh")]
fn iroh() -> Option<Way> {
    let mut secret = [0; 32];
    // Without randomness there is no key to make either; what needs one will say so.
    getrandom::fill(&mut secret).ok()?;
    Some(Way { name: "iroh", dialer: Arc::new(zerok_iroh::IrohDialer::new(zerok_iroh::Options::new(&secret))) })
}

#[cfg(not(feature = "iroh"))]
fn iroh() -> Option<Way> {
    None
}

/// All of them as one.
pub(crate) fn first_of(ways: &[Way]) -> Arc<dyn Dialer> {
    Arc::new(FirstOf(ways.iter().map(|way| Arc::clone(&way.dialer)).collect()))
}
