//! Round trips on a path of fifty milliseconds.
//!
//! Three network namespaces with a proxy between them that holds everything for half a round trip: what a figure takes, divided by the
//! round trip, is the number of times a device waited for the other end, plus what both ends computed. Needs Linux, root and iproute2.
//!
//! # Layout
//! `path`: namespaces, relay, proxies. [`load`]: what a device does.

pub mod load;
mod path;

use zerok_core::address::RelayAddress;

use self::{
    load::{Flushed, Opened, Told},
    path::{From, HALF, SlowPath},
};
use crate::{
    bridge::Over,
    figure::{Figure, Goal, Outcome, Row},
    run::Run,
    spread::{Duel, Spread},
    trouble::Trouble,
};

/// The figures of this module.
pub const FIGURES: &[Figure] =
    &[Figure { name: "slow-path", title: "round trips of 50 ms: first page, push, pause", measure: slow_path }];

/// What counts as one round trip: the tenth is for what both ends compute and for the proxy's own inaccuracy.
const ONE: Goal = Goal::AtMost(1.1);
/// What a platform gives an app that goes into the background, milliseconds.
const BUDGET: f64 = 500.0;
/// How often each is done for one round of the run: they are short, and a busy machine delays single ones.
const TIMES: usize = 4;

/// Each row compares a time to the path's round trip, so its ratio is a number of round trips. *After the transport is up* is seen behind
/// a proxy that answers a TCP dial itself; *from the dial* behind one that charges the dial its round trip.
fn slow_path(run: &Run) -> Result<Outcome, Trouble> {
    let path = SlowPath::new(run)?;
    let count = run.rounds * TIMES;
    let mut rows = Vec::new();
    for (over, name) in [(Over::Tcp, "TCP"), (Over::Iroh, "iroh")] {
        let cold: Opened = load(&path, "cold", over, From::Up, count, run)?;
        rows.push(trips(format!("50 ms path, {name}: transport up → first page"), &cold.page, ONE)?);
        let whole: Opened = match over {
            Over::Tcp => load(&path, "cold", over, From::Dial, count, run)?,
            // QUIC's handshake crosses the path by itself.
            Over::Iroh => cold,
        };
        rows.push(trips(format!("50 ms path, {name}: dial → first page"), &whole.whole(), Goal::Shown)?);
        if over == Over::Iroh {
            let warm: Opened = load(&path, "resumed", over, From::Dial, count, run)?;
            rows.push(resumed(&warm)?);
        }
        let told: Told = load(&path, "live", over, From::Dial, count, run)?;
        rows.push(trips(format!("50 ms path, {name}: push → held by the relay"), &told.held, Goal::Shown)?);
        rows.push(trips(format!("50 ms path, {name}: push → opened on the other device"), &told.visible, Goal::Shown)?);
        let flushed: Flushed = load(&path, "paused", over, From::Dial, run.rounds, run)?;
        rows.push(paused(name, &flushed, run.rounds)?);
    }
    Ok(rows.into())
}

fn load<T: serde::de::DeserializeOwned>(
    path: &SlowPath<'_>,
    what: &str,
    over: Over,
    from: From,
    count: usize,
    run: &Run,
) -> Result<T, Trouble> {
    let relay: RelayAddress = path.relay(over, from);
    let data = run.folder("devices")?;
    let (relay, count, data) = (relay.to_string(), count.to_string(), data.display().to_string());
    path.load(["near", what, "--relay", &relay, "--over", over.word(), "--count", &count, "--data", &data])
}

fn trips(title: String, millis: &[f64], goal: Goal) -> Result<Row, Trouble> {
    let trip = 2.0 * HALF.as_secs_f64() * 1e3;
    let pairs: Vec<_> = millis.iter().map(|millis| (*millis, trip)).collect();
    Ok(Row::duel(title, "ms", "one round trip", Duel::of(&pairs)?, goal))
}

/// With a ticket the transport takes bytes at once, and the first flight leaves with the first packet; without one the dial takes a round
/// trip before.
fn resumed(warm: &Opened) -> Result<Row, Trouble> {
    let trip = 2.0 * HALF.as_secs_f64() * 1e3;
    let early = warm.up.iter().filter(|millis| **millis < trip / 2.0).count();
    let row = trips("50 ms path, iroh: dial → first page, resumed".to_owned(), &warm.whole(), ONE)?;
    Ok(row.note(format!("{early} of {} had a ticket and sent their first flight with the first packet", warm.up.len())))
}

fn paused(name: &str, flushed: &Flushed, of: usize) -> Result<Row, Trouble> {
    let title = format!("50 ms path, {name}: started and paused with 20 blobs queued → all held");
    // The budget is waited out where it was not enough, so that such a time is above it.
    let took = Spread::of(&flushed.took)?;
    let row = Row::alone(title, "ms", Spread { median: took.max, ..took }, Goal::AtMost(BUDGET));
    Ok(row.note(format!("the slowest of {of}; {} were held within {BUDGET} ms", flushed.held)))
}
