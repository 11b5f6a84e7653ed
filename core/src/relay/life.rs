//! The machine's own life: when it begins to serve, what its timers do, and how it ends.
//!
//! A drain lets every link finish what is under way, then says goodbye; it lasts no longer than the stall timeout, so that one peer
//! that does not read cannot hold it up. Nothing comes after the stop.
//!
//! Invariant: every timer that is set again is set ahead, so that a tick cannot spin.

use crate::{
    error::{CloseReason, LocalReason, Wait},
    ids::LinkId,
    limits::CHANNEL_AGE,
    relay::{
        MIN_SWEEP, Phase, ROOM_RETRY, Relay,
        effects::{Consequence, Purpose, Timer},
        store::{RelayOp, RelayQuery},
    },
    time::{Duration, UnixMillis},
    timers::Timers,
    wire::message::WireCode,
};

impl Relay {
    pub(super) fn is_ready(&self) -> bool {
        self.relay_id.is_some() && self.clock.is_some()
    }

    /// Begins to serve, once the store is open and the clock known.
    pub(super) fn start(&mut self) {
        if self.is_ready() {
            self.fx.timers.start(Timer::Sweep, self.fx.now + self.fx.limits.sweep.max(MIN_SWEEP));
            for (link, opening) in core::mem::take(&mut self.early) {
                self.first_flight(link, opening);
            }
        }
    }

    /// The wall clock now.
    pub(super) fn wall(&self) -> UnixMillis {
        let (wall, at) = self.clock.unwrap_or_default();
        UnixMillis(wall.0.saturating_add(u64::try_from(self.fx.now.since(at).as_millis()).unwrap_or(u64::MAX)))
    }

    /// Whether new links are taken.
    pub(super) fn admits(&self) -> bool {
        self.phase == Phase::Serving
    }

    /// Why nothing can be stored now, if so, and how long to wait.
    pub(super) fn refuses_pushes(&self) -> Option<(WireCode, Duration)> {
        if self.phase == Phase::Draining {
            return Some((WireCode::Draining, self.fx.limits.drain_retry));
        }
        self.full.then_some((WireCode::DiskFull, ROOM_RETRY))
    }

    pub(super) fn due(&mut self, timer: Timer) {
        match timer {
            Timer::Handshake(link) => self.close(link, CloseReason::Timeout(Wait::Handshake)),
            Timer::Watch(link) => self.watch_due(link),
            Timer::Stall(link) => {
                if self.links.get(&link).is_some_and(|link| link.is_stalled(&mut self.fx)) {
                    self.close(link, CloseReason::Timeout(Wait::Stall));
                }
            }
            Timer::Invite(id) => self.invite_due(id),
            Timer::Seen => self.write_seen(),
            Timer::Sweep => {
                self.sweep();
                self.fx.timers.set(Timer::Sweep, self.fx.now + self.fx.limits.sweep.max(MIN_SWEEP));
            }
            Timer::Reopen => {
                // What expired makes room, so it goes first.
                self.fx.load(RelayQuery::Open, Purpose::Open);
                self.sweep();
            }
            Timer::Drain => self.stop(CloseReason::Local(LocalReason::Draining)),
        }
    }

    fn watch_due(&mut self, id: LinkId) {
        let Some(link) = self.links.get(&id) else { return };
        if link.opened + CHANNEL_AGE <= self.fx.now {
            self.close(id, CloseReason::Local(LocalReason::Spent));
        } else if link.heard + self.fx.limits.idle <= self.fx.now {
            self.close(id, CloseReason::Timeout(Wait::Idle));
        } else {
            self.fx.timers.set(Timer::Watch(id), link.watch_until(&self.fx));
        }
    }

    fn sweep(&mut self) {
        if !self.fx.batches.values().any(|batch| matches!(batch, Consequence::Sweep)) {
            let sweep = RelayOp::Sweep { now: self.wall(), clamp: self.fx.limits.sweep_clamp };
            self.fx.persist(vec![sweep], Consequence::Sweep);
        }
    }

    pub(super) fn drain(&mut self) {
        if self.phase == Phase::Serving {
            self.phase = Phase::Draining;
            self.fx.timers.set(Timer::Drain, self.fx.now + self.fx.limits.stall);
            let links: Vec<_> = self.links.keys().copied().collect();
            links.into_iter().for_each(|link| self.reading(link));
        }
    }

    /// While draining: says goodbye to links that have nothing under way, and stops when there is nothing left.
    pub(super) fn finish(&mut self) {
        if self.fx.stats.links > 0 {
            self.dismiss();
        }
        if !self.links.is_empty() {
            return;
        }
        if !self.seen.is_empty() && !self.full {
            self.write_seen();
        }
        if self.fx.batches.is_empty() {
            self.stop(CloseReason::Local(LocalReason::Draining));
        }
    }

    fn dismiss(&mut self) {
        let quiet: Vec<_> =
            self.links.values().filter(|link| link.open && link.is_quiet()).map(|link| link.id).collect();
        quiet.into_iter().for_each(|link| self.close(link, CloseReason::Local(LocalReason::Draining)));
    }

    /// The store failed: what it holds is unknown, so nothing more is said.
    pub(super) fn fail(&mut self) {
        self.stop(CloseReason::Local(LocalReason::Storage));
    }

    fn stop(&mut self, reason: CloseReason) {
        let links: Vec<_> = self.links.keys().copied().collect();
        links.into_iter().for_each(|link| self.close(link, reason));
        self.phase = Phase::Stopped;
        self.fx.timers = Timers::default();
        self.fx.batches.clear();
        self.fx.loads.clear();
        self.fx.stopped();
    }
}
