//! What a second relay machine brings.

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use crate::{
    figure::{Figure, Goal, Outcome, Row},
    load::Args,
    relay_process::{RelayProcess, Settings},
    run::Run,
    spread::Duel,
    trouble::Trouble,
};

/// The figures of this module.
pub const FIGURES: &[Figure] =
    &[Figure { name: "machines", title: "throughput with two relay machines against one", measure: machines }];

/// Links at once, dealt out over the machines.
const LINKS: usize = 8;
/// Blobs of one round.
const COUNT: usize = 20_480;
/// Blobs of the log that everybody reads.
const LOG: usize = 8_000;

/// Eight links from one process: each of its own group and pushing 64 blobs at a time, and then all reading one log. Blobs are ready-made,
/// so that the load takes as little of the machine as it can; but it takes some. Where there are two cores, the load has one, and two
/// machines, the store's writer and the load share what one core of the relay had alone: the note says which thread took how much.
fn machines(run: &Run) -> Result<Outcome, Trouble> {
    let start = |machines| RelayProcess::start(run, &Settings { machines: Some(machines), ..Settings::default() });
    let (two, one) = (start(2)?, start(1)?);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut rows = Vec::new();
    for (load, count, title) in [
        ("crowd", COUNT, "push, 8 links, two relay machines"),
        ("readers", LOG * LINKS, "pull, 8 links, two relay machines"),
    ] {
        for relay in [&one, &two] {
            Args::of("bare-push", relay).count(1).with("--backlog", LOG.to_string()).rate(run)?;
        }
        let (mut number, mut threads) = (0_u8, Vec::new());
        let mut rate = |relay: &RelayProcess| -> Result<f64, Trouble> {
            let mut wish = Args::of(load, relay).count(count).with("--links", LINKS.to_string());
            if load == "crowd" {
                // New groups each time, so that no round meets the backlog of the one before.
                number = number.wrapping_add(1);
                wish = wish.with("--group", (number.wrapping_mul(LINKS as u8).wrapping_add(1)).to_string());
            }
            let before = threads_of(relay)?;
            let rate = wish.rate(run)?;
            threads.push((relay.id(), shares(&before, &threads_of(relay)?, count as f64 / rate)));
            Ok(rate)
        };
        let mut pairs = Vec::new();
        for _ in 0..run.rounds {
            pairs.push((rate(&two)?, rate(&one)?));
        }
        let of = |relay: &RelayProcess| {
            threads.iter().rev().find(|(id, _)| *id == relay.id()).map(|(_, shares)| shares.clone())
        };
        let row = Row::duel(title, "blobs/s", "one machine", Duel::of(&pairs)?, Goal::AtLeast(1.5));
        let shares = [("two", of(&two)), ("one", of(&one))];
        let told = shares.map(|(machines, shares)| format!("{machines}: {}", shares.unwrap_or_default()));
        rows.push(
            row.note(format!("CPU of the relay's threads on {cores} cores, the load aside; {}", told.join("; "))),
        );
    }
    Ok(rows.into())
}

/// CPU time of each kind of thread so far.
fn threads_of(relay: &RelayProcess) -> Result<BTreeMap<String, Duration>, Trouble> {
    let folder = PathBuf::from(format!("/proc/{}/task", relay.id()));
    let mut threads = BTreeMap::new();
    for entry in fs::read_dir(&folder).map_err(Trouble::at(&folder))? {
        let path = entry.map_err(Trouble::at(&folder))?.path().join("schedstat");
        // One that has ended meanwhile is not told of.
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let name = fs::read_to_string(path.with_file_name("comm")).unwrap_or_default();
        let nanos = text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0);
        let kind = name.trim().trim_end_matches(|it: char| it.is_ascii_digit() || it == '-').to_owned();
        *threads.entry(kind).or_default() += Duration::from_nanos(nanos);
    }
    Ok(threads)
}

fn shares(before: &BTreeMap<String, Duration>, after: &BTreeMap<String, Duration>, seconds: f64) -> String {
    let busy = after.iter().map(|(kind, now)| (kind, *now - before.get(kind).copied().unwrap_or_default()));
    let told = busy.filter(|(_, time)| time.as_secs_f64() > 0.01 * seconds);
    told.map(|(kind, time)| format!("{kind} {:.0} %", time.as_secs_f64() / seconds * 100.0))
        .collect::<Vec<_>>()
        .join(", ")
}
