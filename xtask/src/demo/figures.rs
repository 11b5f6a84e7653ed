//! What the demo measured, for people and for programs.
//!
//! These are figures of one run of one build on one machine, in processes that share it. They say that things work and about how
//! fast; the benchmarks compare.

use std::{fmt, time::Duration};

use serde_json::json;

/// The demo's measurements.
#[derive(Debug, Clone)]
pub(super) struct Figures {
    pub(super) transport: &'static str,
    pub(super) optimised: bool,
    /// Records on each device in the end.
    pub(super) records: usize,
    pub(super) pairing: Duration,
    /// Blobs delivered before the relay was killed, both ways together, and how long that took.
    pub(super) rate_blobs: usize,
    pub(super) rate_time: Duration,
    /// From the relay's restart until both devices had what was written meanwhile.
    pub(super) relay_recovery: Duration,
    /// From the device's restart until the other had what survived in it.
    pub(super) device_recovery: Duration,
    /// Of the lines given to the killed device: how many it had kept.
    pub(super) kept: usize,
    pub(super) given: usize,
    /// Deliveries repeated across the kill, because the application had not acknowledged them.
    pub(super) again: usize,
    /// From writing a line to one device until the other printed it, one at a time.
    pub(super) latencies: Vec<Duration>,
    pub(super) total: Duration,
}

impl Figures {
    pub(super) fn json(&self) -> String {
        let ms = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
        json!({
            "transport": self.transport,
            "optimised": self.optimised,
            "match": true,
            "records": self.records,
            "pairingMs": ms(self.pairing),
            "blobsPerSecond": self.rate().round(),
            "relayRecoveryMs": ms(self.relay_recovery),
            "deviceRecoveryMs": ms(self.device_recovery),
            "keptByKilledDevice": self.kept,
            "givenToKilledDevice": self.given,
            "deliveredAgain": self.again,
            "latencyP50Ms": ms(self.quantile(0.5)),
            "latencyMaxMs": ms(self.quantile(1.0)),
            "totalMs": ms(self.total),
        })
        .to_string()
    }

    fn rate(&self) -> f64 {
        // A first delivery takes time, so this is no division by zero.
        self.rate_blobs as f64 / self.rate_time.as_secs_f64().max(1e-6)
    }

    /// The latency that a share of all does not exceed; zero when none was measured.
    pub(super) fn quantile(&self, share: f64) -> Duration {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let rank = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let build = if self.optimised { "optimised" } else { "development" };
        writeln!(f, "Both devices hold the same {} records.", self.records)?;
        writeln!(f)?;
        writeln!(f, "  links over            {}, {build} build", self.transport)?;
        writeln!(f, "  pairing               {:.0?}", self.pairing)?;
        writeln!(
            f,
            "  both ways, at once    {:.0} blobs/s ({} in {:.0?})",
            self.rate(),
            self.rate_blobs,
            self.rate_time
        )?;
        writeln!(f, "  relay back            all caught up {:.1?} after its restart", self.relay_recovery)?;
        writeln!(f, "  device back           all caught up {:.1?} after its restart", self.device_recovery)?;
        writeln!(
            f,
            "  killed device         had kept {} of the {} lines it was given; any others were given again",
            self.kept, self.given
        )?;
        writeln!(f, "  delivered again       {} across that kill, unacknowledged before", self.again)?;
        let (middle, worst) = (self.quantile(0.5), self.quantile(1.0));
        writeln!(f, "  device to device      {middle:.1?} median, {worst:.1?} at most of {}", self.latencies.len())?;
        write!(f, "  in all                {:.1?}", self.total)
    }
}
