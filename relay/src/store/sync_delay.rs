//! A slower disk, for benchmarks: each commit waits so much longer until it counts as synced.
//!
//! Group commit shows on disks that take milliseconds to sync, and a benchmark's own disk may not be one. Built only with the feature
//! `sync-delay`, which no relay that is served has.

use std::{sync::OnceLock, thread, time::Duration};

/// Microseconds; without it there is no delay.
const VARIABLE: &str = "ZEROK_SYNC_DELAY_US";

/// Waits.
pub(super) fn wait() {
    static DELAY: OnceLock<Duration> = OnceLock::new();
    let delay = DELAY.get_or_init(|| {
        let told = std::env::var(VARIABLE).ok().and_then(|text| text.parse().ok());
        Duration::from_micros(told.unwrap_or(0))
    });
    thread::sleep(*delay);
}
