//! Can this machine's clock be right?
//!
//! A relay never tells its time over the protocol, so this judges by what is known: when this program can have been written at the
//! earliest, what this device itself wrote down under its clock, and what other devices wrote into their latest records under theirs.
//! The clock labels records and seeds cursors; a wrong one loses nothing, but shows wrong times and, far ahead, uses up cursors.
//!
//! Limits: a clock that is wrong by less than [`ALLOWANCE`], that stands still, or that is ahead of all others is not found this way, nor
//! one that is behind a device which has long been silent; `--health` compares it with the relay's.

use zerok_core::{client::command::Report, time::UnixMillis};

use super::report::{Check, State};

/// 1 April 2026: the compiler that builds this is no older.
const EARLIEST: u64 = 1_775_001_600_000;
/// Longer than any version is in use.
const LATEST: u64 = EARLIEST + 20 * 365 * 86_400_000;
/// What two clocks may differ by without anybody's harm.
pub(crate) const ALLOWANCE: u64 = 10 * 60_000;

/// What is known of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// The latest time that this device wrote down under its own clock.
    pub(crate) own: Option<UnixMillis>,
    /// The latest time that another device wrote under its own.
    pub(crate) others: Option<UnixMillis>,
}

impl Evidence {
    /// What a report tells. A position is at least the seconds of a clock that this device once had, times a million.
    pub(crate) fn of(report: &Report) -> Self {
        let position = (report.head.0 > 0).then_some(UnixMillis(report.head.0 / 1000));
        // When others were heard is by this device's clock, however theirs go.
        let heard = report.devices.iter().filter_map(|device| device.last_heard).max();
        let written = report.devices.iter().filter(|device| !device.own).filter_map(|device| device.last_written).max();
        Self { own: position.max(report.status.last_synced_at).max(heard), others: written }
    }
}

/// Judges.
pub(crate) fn check(now: UnixMillis, evidence: &Evidence, checks: &mut Vec<Check>) {
    const SET: &str = "Set this machine's clock, best by the network.";
    let ahead =
        |known: Option<UnixMillis>| known.and_then(|known| known.0.checked_sub(now.0)).filter(|by| *by > ALLOWANCE);
    let found = if now.0 < EARLIEST {
        Some(("This machine's clock is years behind: it shows a time before this program was written.".to_owned(), SET))
    } else if now.0 > LATEST {
        Some(("This machine's clock is decades ahead.".to_owned(), SET))
    } else if let Some(by) = ahead(evidence.own) {
        Some((format!("This machine's clock was set back: this device has written {} ahead of it.", span(by)), SET))
    } else {
        ahead(evidence.others).map(|by| {
            let message =
                format!("Another device's clock is {} ahead of this one's; one of the two is wrong.", span(by));
            (message, "Compare the clocks of both machines.")
        })
    };
    checks.push(match found {
        Some((message, advice)) => Check::odd("clock", State::Problem, message, advice),
        None => Check::fine("clock", "Nothing speaks against this machine's clock."),
    });
}

/// A length of time as a person says it.
pub(crate) fn span(millis: u64) -> String {
    match millis / 1000 {
        seconds @ 0..120 => format!("{seconds} seconds"),
        seconds @ 120..7200 => format!("{} minutes", seconds / 60),
        seconds @ 7200..172_800 => format!("{} hours", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}
