//! Several ways to one relay: the first that works wins.
//!
//! Each way starts when the one before has failed or has had its head start, so a preferred way that works is the only one tried, and
//! one that hangs costs a moment.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinSet;
use zerok_core::{address::RelayAddress, machine::LinkFailure};

use crate::link::{BoxFuture, Dialer, Opened};

/// What a way gets before the next one starts as well.
const HEAD_START: Duration = Duration::from_millis(250);

/// Dialers in order of preference.
#[derive(Clone)]
pub struct FirstOf(pub Vec<Arc<dyn Dialer>>);

impl std::fmt::Debug for FirstOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FirstOf({})", self.0.len())
    }
}

impl Dialer for FirstOf {
    fn dial(&self, target: &RelayAddress) -> BoxFuture<'static, Result<Opened, LinkFailure>> {
        Box::pin(first_of(self.0.iter().map(|dialer| dialer.dial(target)).collect()))
    }

    fn network_changed(&self) -> BoxFuture<'static, ()> {
        let told: Vec<_> = self.0.iter().map(|dialer| dialer.network_changed()).collect();
        Box::pin(async {
            told.into_iter().collect::<JoinSet<()>>().join_all().await;
        })
    }
}

/// Races attempts. Fails as the last one failed that had a transport to try at all.
pub(crate) async fn first_of(
    attempts: Vec<BoxFuture<'static, Result<Opened, LinkFailure>>>,
) -> Result<Opened, LinkFailure> {
    let mut waiting = attempts.into_iter();
    let mut running = JoinSet::new();
    let mut failure = LinkFailure::NoTransport;
    loop {
        match waiting.next() {
            Some(attempt) => drop(running.spawn(attempt)),
            None if running.is_empty() => return Err(failure),
            None => {}
        }
        let ended = tokio::select! {
            ended = running.join_next() => ended,
            () = tokio::time::sleep(HEAD_START), if waiting.len() > 0 => None,
        };
        match ended {
            Some(Ok(Ok(opened))) => return Ok(opened),
            Some(Ok(Err(LinkFailure::NoTransport))) | None => {}
            Some(Ok(Err(cause))) => failure = cause,
            Some(Err(_panicked)) => failure = LinkFailure::Unreachable,
        }
    }
}

#[cfg(test)]
mod tests;
