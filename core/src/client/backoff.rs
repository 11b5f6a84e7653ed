//! Reconnect backoff: when may the client dial again?
//!
//! Knows attempts and time, nothing of links. Never dials; the client asks [`Backoff::until`].
//!
//! Invariant: between two failures at least [`STEPS`]`[0]` passes; a reset allows one immediate attempt, and so does the failure of
//! an attempt that was forgiven because it began before the world changed.
//!
//! ```text
//!            failed                 time passed
//!   Ready ───────────► Waiting(n) ───────────────► Ready
//!     ▲                    │ reset (opened, resumed, network changed)
//!     └────────────────────┘
//! ```

use crate::{
    rng::Draw,
    time::{Duration, Time},
};

/// Seconds before each next attempt; the last repeats.
const STEPS: [u64; 6] = [1, 2, 4, 8, 16, 30];
/// Dials in a row that have to fail until the relay counts as out of reach.
const UNREACHED: u32 = 3;
/// Up to so many milliseconds are added, so that clients do not return in step.
const JITTER_MILLIS: u32 = 5_000;

/// Growing delay with added jitter.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Backoff {
    attempt: u32,
    /// Dials that failed since the last success. A link that was up and is lost is an attempt and no dial.
    dials: u32,
    until: Option<Time>,
    /// The next failure says nothing about now.
    forgiven: bool,
}

impl Backoff {
    /// The earliest time of the next attempt, or `None` when one may start now.
    pub(super) fn until(&self, now: Time) -> Option<Time> {
        self.until.filter(|until| *until > now)
    }

    /// Failed attempts since the last success.
    pub(super) fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Whether one dial after the other has failed.
    pub(super) fn unreached(&self) -> bool {
        self.dials >= UNREACHED
    }

    /// Records that a link is lost that was up, which says nothing yet of the next dial.
    pub(super) fn lost(&mut self, now: Time, at_least: Duration, draw: &mut Draw) {
        let dials = self.dials;
        self.failed(now, at_least, draw);
        self.dials = dials;
    }

    /// Records a failed attempt. `at_least` is what the relay asked for.
    pub(super) fn failed(&mut self, now: Time, at_least: Duration, draw: &mut Draw) {
        if std::mem::take(&mut self.forgiven) {
            self.until = Some(now + at_least);
            return;
        }
        let step = STEPS[(self.attempt as usize).min(STEPS.len() - 1)];
        let jitter = Duration::from_millis(u64::from(draw.below(JITTER_MILLIS)));
        self.attempt = self.attempt.saturating_add(1);
        self.dials = self.dials.saturating_add(1);
        self.until = Some(now + Duration::from_secs(step).max(at_least) + jitter);
    }

    /// The next attempt may start at once; failures still count until one succeeds.
    pub(super) fn hurry(&mut self) {
        self.until = None;
    }

    /// What is under way began before the network or the process changed: should it fail, the next attempt follows at once.
    pub(super) fn forgive(&mut self) {
        self.forgiven = true;
    }

    /// What is under way works after all.
    pub(super) fn proven(&mut self) {
        self.forgiven = false;
    }

    /// Forgets failures.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests;
