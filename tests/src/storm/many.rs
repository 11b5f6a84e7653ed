//! Many seeds on several threads, and how many of them find a seeded bug.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

#[cfg(feature = "bugs")]
use zerok_core::bugs::{self, Bug};
use zerok_core::channel::ChannelKind;

use super::{Outcome, plan::Plan, run_on};

/// Runs seeds, each begun in order, until there is no more or `go_on` says that it is enough. Outcomes come as they are ready.
pub fn run_many(
    seeds: impl Iterator<Item = u64> + Send,
    jobs: usize,
    kind: ChannelKind,
    go_on: impl Fn(u64, Outcome) -> bool + Sync,
) {
    let seeds = Mutex::new(seeds);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let next = seeds.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some(seed) = next else { return };
                    if !go_on(seed, run_on(&Plan::of(seed), kind, false)) {
                        stop.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
}

/// What storms made of a seeded bug.
#[cfg(feature = "bugs")]
#[derive(Debug, Clone, Default)]
pub struct Hunt {
    /// Seeds that were run.
    pub seeds: u64,
    /// Those that failed.
    pub caught: u64,
    /// The first of them, and which promise it found broken.
    pub first: Option<(u64, String)>,
}

/// Runs storms with a bug switched on: all of these seeds, or no further than the block of seeds in which one failed.
#[cfg(feature = "bugs")]
pub fn hunt(bug: Bug, seeds: std::ops::Range<u64>, jobs: usize, to_the_end: bool) -> Hunt {
    /// Seeds that are begun before it is asked whether one failed.
    const BLOCK: u64 = 24;
    let found = Mutex::new(Hunt::default());
    let mut from = seeds.start;
    bugs::seed(Some(bug));
    while from < seeds.end {
        let until = (from + BLOCK).min(seeds.end);
        run_many(from..until, jobs, ChannelKind::Noise, |seed, outcome| {
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            found.seeds += 1;
            if let Some(failure) = outcome.failure {
                found.caught += 1;
                if found.first.as_ref().is_none_or(|(first, _)| seed < *first) {
                    found.first = Some((seed, failure));
                }
            }
            true
        });
        from = until;
        if !to_the_end && found.lock().unwrap_or_else(PoisonError::into_inner).caught > 0 {
            break;
        }
    }
    bugs::seed(None);
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}
