//! Kills a device and a relay with -9, again and again, under load, on real SQLite, and looks whether they kept their word.
//!
//! `kills --count N [--only device|relay] [--seed S]`; built and run by `cargo xtask kills` and, with a small count, by a test. Needs
//! `zerok-relay` built beside it. Ends with a line of figures for each, or with the first promise that was broken and where the files
//! lie.
//!
//! What is checked after each kill, on a copy, so that the next process meets what the kill left: `PRAGMA integrity_check`. What is
//! checked over all lives: nothing acknowledged is missing, no cursor names two blobs, none comes out of order, nothing that the
//! application acknowledged comes again, and honest devices and relays are never accused.
//!
//! # Layout
//! `process`: children and their files. `relay`: the relay as victim. `device`: the device as victim, seen from outside; `victim`: what
//! runs inside it.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test in the shape of a program: it talks, and ends at the first surprise"
)]

mod device;
mod process;
mod relay;
mod victim;

use std::time::Instant;

use zerok_core::rng::{Draw, Seed};

/// After so many kills everything begins anew, so that logs stay short enough to be read whole.
const WORLD: u32 = 50;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == victim::COMMAND) {
        return victim::main(&arguments[1..]);
    }
    let value = |name: &str| arguments.iter().position(|found| found == name).and_then(|at| arguments.get(at + 1));
    let number = |name: &str, usual: u32| value(name).map_or(usual, |text| text.parse().expect("a number"));
    let count = number("--count", 60);
    let mut seed = [0; 32];
    seed[..4].copy_from_slice(&number("--seed", 1).to_le_bytes());
    let mut draw = Seed::new(seed).draw("kills");
    let wanted = |what: &str| value("--only").is_none_or(|only| only == what);
    if wanted("relay") {
        println!("{}", worlds("relay", count, &mut draw, relay::world));
    }
    if wanted("device") {
        println!("{}", worlds("device", count, &mut draw, device::world));
    }
}

/// What happened, for the report.
#[derive(Default)]
struct Figures {
    kills: u32,
    /// Of these, before the process had come up.
    starting: u32,
    acknowledged: usize,
    /// Acknowledged or not, what was found again in the end.
    found: usize,
    integrity_checks: u32,
    /// Records that a device issued anew because its counter was ahead of its database.
    reissued: usize,
}

fn worlds(name: &str, count: u32, draw: &mut Draw, world: fn(u32, &mut Draw, &mut Figures)) -> String {
    let began = Instant::now();
    let mut figures = Figures::default();
    while figures.kills < count {
        world(WORLD.min(count - figures.kills), draw, &mut figures);
        eprintln!("{name}: {} of {count} kills after {:.0} s", figures.kills, began.elapsed().as_secs_f64());
    }
    let Figures { kills, starting, acknowledged, found, integrity_checks, reissued } = figures;
    format!(
        "{name}: {kills} kills with -9 ({starting} while it started) in {:.0} s; {acknowledged} acknowledged, 0 of them missing; \
         {found} found in the end, each once and in order; {integrity_checks} integrity checks clean; {reissued} records issued anew",
        began.elapsed().as_secs_f64()
    )
}
