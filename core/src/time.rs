//! Time as the core knows it: a number its driver hands in.
//!
//! [`Time`] counts microseconds of a clock that includes suspend and never goes back; all deadlines are in it.
//! [`UnixMillis`] is the wall clock, which may be wrong or jump: it labels records and seeds cursors, and decides nothing else.

pub use core::time::Duration;

use serde::{Deserialize, Serialize};

/// Microseconds on a monotonic clock that keeps counting while the machine sleeps. The zero point is the driver's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Time(pub u64);

impl Time {
    /// The time `seconds` after the clock's zero point.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds * 1_000_000)
    }

    /// How long ago `earlier` was; zero when it lies ahead.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl core::ops::Add<Duration> for Time {
    type Output = Self;

    fn add(self, delay: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(delay.as_micros()).unwrap_or(u64::MAX)))
    }
}

/// Milliseconds since 1970 by a wall clock that nobody vouches for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct UnixMillis(pub u64);
