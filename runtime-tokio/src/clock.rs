//! Time for machines: one clock that counts while the machine sleeps, and the wall clock's jumps.
//!
//! A machine is told the wall clock once, and again when it moves against the other clock; in between it adds elapsed time itself.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use zerok_core::time::{Time, UnixMillis};

/// The wall clock has jumped when it moved so much further than time did.
const JUMP: Duration = Duration::from_millis(500);

/// Reads both clocks.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    monotonic: Monotonic,
    /// Wall clock minus monotonic clock, milliseconds, as last told to the machine.
    told: Option<i128>,
}

impl Clock {
    /// A clock that has not told the wall clock yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Now, including time asleep (D7).
    pub fn now(&self) -> Time {
        self.monotonic.now()
    }

    /// The wall clock.
    pub fn wall(&self) -> UnixMillis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// The wall clock if the machine does not know it yet or it has jumped since.
    pub fn jumped(&mut self) -> Option<UnixMillis> {
        let wall = self.wall();
        self.moved(self.now(), wall).then_some(wall)
    }

    fn moved(&mut self, now: Time, wall: UnixMillis) -> bool {
        let offset = i128::from(wall.0) - i128::from(now.0 / 1000);
        let moved = self.told.is_none_or(|told| offset.abs_diff(told) > JUMP.as_millis());
        if moved {
            self.told = Some(offset);
        }
        moved
    }
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
#[derive(Debug, Clone, Copy, Default)]
struct Monotonic;

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
impl Monotonic {
    fn now(self) -> Time {
        use rustix::time::{ClockId, clock_gettime};
        // Apple's monotonic clock counts sleep, as `CLOCK_BOOTTIME` does here; Linux's own monotonic clock does not.
        #[cfg(target_vendor = "apple")]
        const ID: ClockId = ClockId::Monotonic;
        #[cfg(not(target_vendor = "apple"))]
        const ID: ClockId = ClockId::Boottime;
        let read = clock_gettime(ID);
        let (seconds, nanos) = (u64::try_from(read.tv_sec).unwrap_or(0), u64::try_from(read.tv_nsec).unwrap_or(0));
        Time(seconds * 1_000_000 + nanos / 1000)
    }
}

/// Elsewhere the standard library's clock must do. On Windows it counts sleep.
#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
#[derive(Debug, Clone, Copy)]
struct Monotonic(std::time::Instant);

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
impl Default for Monotonic {
    fn default() -> Self {
        Self(std::time::Instant::now())
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
impl Monotonic {
    fn now(self) -> Time {
        Time(u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests;
