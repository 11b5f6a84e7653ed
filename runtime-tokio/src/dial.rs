//! Several ways to one relay: the first that works wins; and how long all of them together may take.
//!
//! Each way starts when the one before has failed or has had its head start, so a preferred way that works is the only one tried, and
//! one that hangs costs a moment. A transport that never hears a refusal, such as QUIC, cannot tell a relay that is down from a slow
//! path: `Patient` gives a first dial a short time, so that nobody waits long for a relay that is down, and more after each dial
//! that ran out of it, so that a slow path is taken in the end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::{task::JoinSet, time::timeout};
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

/// What a first dial may take, unless set otherwise: a round trip of a second and one packet lost still come through.
pub(crate) const FIRST_PATIENCE: Duration = Duration::from_secs(3);
/// What a dial may take at most. The machine's handshake has no longer either.
const LONGEST_PATIENCE: Duration = Duration::from_secs(10);

/// A dialer that is not waited for without end.
pub(crate) struct Patient {
    dialer: Arc<dyn Dialer>,
    first: Duration,
    /// Dials in a row that took too long.
    late: Arc<AtomicU32>,
}

impl Patient {
    /// A first dial may take this long; twice, four times as long after dials that were late.
    pub(crate) fn new(dialer: Arc<dyn Dialer>, first: Duration) -> Self {
        Self { dialer, first, late: Arc::default() }
    }

    fn patience(&self) -> Duration {
        let doubled = 1_u32.checked_shl(self.late.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
        self.first.saturating_mul(doubled).min(LONGEST_PATIENCE.max(self.first))
    }
}

impl Dialer for Patient {
    fn dial(&self, target: &RelayAddress) -> BoxFuture<'static, Result<Opened, LinkFailure>> {
        let (dialling, patience, late) = (self.dialer.dial(target), self.patience(), Arc::clone(&self.late));
        Box::pin(async move {
            let dialled = timeout(patience, dialling).await.unwrap_or(Err(LinkFailure::TimedOut));
            match &dialled {
                Ok(_) => late.store(0, Ordering::Relaxed),
                // Two dials at once may count as one: it is no more than a guess.
                Err(LinkFailure::TimedOut) => {
                    late.store(late.load(Ordering::Relaxed).saturating_add(1), Ordering::Relaxed);
                }
                Err(_) => {}
            }
            dialled
        })
    }

    fn network_changed(&self) -> BoxFuture<'static, ()> {
        self.dialer.network_changed()
    }
}

#[cfg(test)]
mod tests;
