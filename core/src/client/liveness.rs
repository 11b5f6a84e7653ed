//! Whether anybody is still there: a quiet link is asked for a sign of life, a doubtful one sooner.
//!
//! Knows times and how many bytes are on their way; closes nothing itself. A timer that fires before an answer came does.

use crate::{
    client::{Client, Timer, link::Link},
    time::Duration,
    wire::message::ToRelay,
};

/// Without a byte received for this long the client asks for a sign of life.
pub(super) const KEEPALIVE: Duration = Duration::from_secs(240);
/// How long the relay may take to give one, or to answer anything else.
pub(super) const ANSWER: Duration = Duration::from_secs(10);
/// How long a link that may have died in sleep is given.
const PROBE: Duration = Duration::from_secs(3);
/// The slowest path that is not called dead, bytes a second: what is on its way delays every answer (E1).
const SLOWEST: u64 = 4096;

impl Client {
    /// Nothing was heard for a while.
    pub(super) fn keep_alive(&mut self) {
        self.ask_for_sign(ANSWER);
    }

    /// The link may have died unnoticed.
    pub(super) fn probe_link(&mut self) {
        self.ask_for_sign(PROBE);
    }

    fn ask_for_sign(&mut self, patience: Duration) {
        if self.link.as_ref().is_some_and(Link::is_live) {
            let delay = self.answer_delay();
            self.say_now(&ToRelay::Ping);
            self.timers.set(Timer::Answer, self.now + patience + delay);
        }
    }

    /// While the relay owes an answer its silence is noticed sooner than on a quiet link.
    pub(super) fn watch_answer(&mut self) {
        let Some(link) = self.link.as_ref().filter(|link| link.is_live()) else { return };
        let owes = link.pulling.is_some()
            || self.outbox.flying_bytes() > 0
            || self.invite.as_ref().is_some_and(super::invite::OpenInvite::is_opening);
        let due = self.now + ANSWER + self.answer_delay();
        if owes && self.timers.when(Timer::Keepalive).is_some_and(|set| set > due) {
            self.timers.set(Timer::Keepalive, due);
        }
    }

    /// What the bytes on their way may take before anything behind them arrives. The operating system's buffers say nothing of it.
    fn answer_delay(&self) -> Duration {
        let unsent = self.link.as_ref().map_or(0, Link::unsent);
        Duration::from_secs((self.outbox.flying_bytes() + unsent) as u64 / SLOWEST)
    }
}
