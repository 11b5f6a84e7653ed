//! What platform signals do: one [`Trigger`], one function.
//!
//! Platforms send their signals unreliably: twice, in any order, or not at all; a process may also just be killed. So nothing depends on
//! them: what is queued is durable before a push is answered or even sent. A signal only makes syncing sooner.
//!
//! | signal | trigger |
//! |---|---|
//! | plugin setup | [`Trigger::Launched`] |
//! | window focused, window resumed (mobile), page visible | [`Trigger::Foreground`] |
//! | window suspended (mobile), page hidden | [`Trigger::Background`] |
//! | `RunEvent::Exit` | [`Trigger::Exit`] |
//! | none of Tauri's; an app that knows may say so | [`Trigger::NetworkChanged`] |
//!
//! Bounds: signals of one return to the front count as one, acted on at once and, if more came, once again a second later. Going to the
//! background and exit take no longer than the flush budget.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use zerok_core::time::Time;
use zerok_tokio::clock::Clock;

use crate::{error::Error, slot::Want, state::SyncState};

/// Signals within this time count as one.
const COALESCE: Duration = Duration::from_secs(1);

/// What the platform says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// The app started.
    Launched,
    /// The app is in front of its user, again or still.
    Foreground,
    /// The app is out of sight and may be frozen.
    Background,
    /// Another network, or none.
    NetworkChanged {
        /// Whether any network is there.
        available: bool,
    },
    /// The app ends.
    Exit,
}

impl SyncState {
    /// Does what a trigger asks for. Safe in any order, repeated, or never called.
    ///
    /// [`Trigger::Background`] and [`Trigger::Exit`] resolve within the flush budget; the others need not be waited for. Failures show in
    /// the status and as events: nobody is there to handle them here.
    pub async fn on(&self, trigger: Trigger) {
        match trigger {
            Trigger::Launched => told_elsewhere(self.slot().client(Want::Again).await),
            Trigger::Foreground => self.foreground().await,
            Trigger::Background => {
                self.pulse().left();
                if let Some(client) = self.slot().now() {
                    client.flush(self.limits().flush_budget).await;
                }
            }
            Trigger::NetworkChanged { available } => {
                if let Some(client) = self.slot().now() {
                    client.network_changed(available);
                }
            }
            Trigger::Exit => self.slot().close(self.limits().flush_budget).await,
        }
    }

    /// Probes the link, dials anew if it is dead, pushes, pulls. What could not be opened before is tried again.
    async fn foreground(&self) {
        let Some(wait) = self.pulse().returned() else { return };
        tokio::time::sleep(wait).await;
        let away = self.pulse().acts();
        match self.slot().client(Want::Again).await {
            Ok(client) => client.sync_pending_then_pull_after(away).await,
            Err(error) => told_elsewhere(Err::<(), _>(error)),
        }
    }
}

/// Status and events say it where someone listens; the log says it for whoever looks for it.
fn told_elsewhere<T>(outcome: Result<T, Error>) {
    if let Err(error) = outcome {
        tracing::debug!(code = error.code.name(), "not opened");
    }
}

/// Remembers when signals came, to count those of one moment as one.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    clock: Clock,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// When a return to the front was last acted on.
    acted: Option<Time>,
    /// Another one is going to be.
    due: bool,
    /// Since when the app is out of sight.
    left: Option<Time>,
}

impl Pulse {
    /// The app is in front: how long to wait before acting on it, or nothing when somebody is about to.
    fn returned(&self) -> Option<Duration> {
        self.with(Seen::returned)
    }

    /// Acts now. Answers for how long the app was away.
    fn acts(&self) -> Duration {
        self.with(Seen::acts)
    }

    fn left(&self) {
        self.with(|seen, now| seen.left = seen.left.or(Some(now)));
    }

    fn with<T>(&self, change: impl FnOnce(&mut Seen, Time) -> T) -> T {
        // Read under the lock, so that times go up.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut seen, self.clock.now())
    }
}

impl Seen {
    fn returned(&mut self, now: Time) -> Option<Duration> {
        if std::mem::replace(&mut self.due, true) {
            return None;
        }
        Some(self.acted.map_or(Duration::ZERO, |acted| (acted + COALESCE).since(now)))
    }

    fn acts(&mut self, now: Time) -> Duration {
        self.due = false;
        self.acted = Some(now);
        self.left.take().map_or(Duration::ZERO, |left| now.since(left))
    }
}

#[cfg(test)]
mod tests;
