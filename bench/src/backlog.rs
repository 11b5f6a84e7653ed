//! What a backlog costs.

use crate::{
    figure::{Figure, Goal, Outcome, Row, Series},
    load::{Args, Times},
    naive,
    relay_process::{RelayProcess, Settings},
    run::Run,
    spread::{Duel, median},
    trouble::Trouble,
};

/// The figures of this module.
pub const FIGURES: &[Figure] = &[Figure {
    name: "backlog",
    title: "push rate, connect time and first page at a backlog of 50,000; rates of a naive relay on the way there",
    measure: backlog,
}];

/// What the chart shows a rate at.
pub const STEPS: [usize; 6] = [0, 10_000, 20_000, 30_000, 40_000, 50_000];
/// The last of them.
const FULL: usize = 50_000;
/// Blobs of one round.
const COUNT: usize = 8_000;
/// Dials of one round.
const DIALS: usize = 60;
/// The group with the backlog, the one that holds a thousand, and the one that holds a single blob; new groups count up from the next.
const FULL_GROUP: u8 = 0;
const SOME_GROUP: u8 = 1;
const LAST_GROUP: u8 = 2;
const FIRST_NEW: u8 = 3;

/// Bare devices with ready-made blobs of what 1 KiB seals into, so that nothing but the relay can slow down: 64 under way, on a relay that
/// holds 50,000 blobs of the group, and in a new group. For connecting, a device that has everything dials, from before the TCP
/// connection until the second flight is read; for the first page, one that has nothing, against the same in a log of 1,000. A
/// device is on the same relay either way, so that caches, files and processes are the same; and no group is the last of the relay's
/// table, as only one of a relay's can be: SQLite appends there for a sixth fewer pages, whatever the group holds.
///
/// The naive relay is driven by the same window. Its log is filled behind its back: pushed one by one, fifty thousand would take minutes.
fn backlog(run: &Run) -> Result<Outcome, Trouble> {
    let relay = RelayProcess::start(run, &Settings::default())?;
    let mut ours = Series { name: "0k-Sync".to_owned(), points: Vec::new() };
    for step in STEPS {
        ours.points.push((step as f64, push(run, &relay, FULL_GROUP, step)?));
    }
    // Founded in the order in which their logs shall lie in the table.
    let new = |round: usize| FIRST_NEW.saturating_add(u8::try_from(round).unwrap_or(u8::MAX));
    for group in std::iter::once(SOME_GROUP).chain((0..run.rounds).map(new)).chain([LAST_GROUP]) {
        let held = if group == SOME_GROUP { 1_000 } else { 0 };
        group_args("bare-push", &relay, group).count(1).with("--backlog", held.to_string()).rate(run)?;
    }

    let rate =
        Duel::fight(run.rounds, |_| push(run, &relay, FULL_GROUP, FULL), |round| push(run, &relay, new(round), 0))?;
    let connect = |group: u8, first_page: bool| {
        let wish = group_args("connect", &relay, group).count(DIALS);
        let times: Times = run.load(if first_page { wish.switch("--first-page") } else { wish })?;
        Ok(median(&times.micros)? / 1e3)
    };
    let up_to_date = Duel::fight(run.rounds, |_| connect(FULL_GROUP, false), |_| connect(LAST_GROUP, false))?;
    let first_page = Duel::fight(run.rounds, |_| connect(FULL_GROUP, true), |_| connect(SOME_GROUP, true))?;
    let rows = vec![
        Row::duel("push at a backlog of 50k", "blobs/s", "in a new group", rate, Goal::AtLeast(0.9)),
        Row::duel("connect at a backlog of 50k", "ms", "in a new group", up_to_date, Goal::AtMost(1.1)),
        Row::duel("connect and first page of 50k", "ms", "of 1k", first_page, Goal::AtMost(1.1)),
    ];
    Ok(Outcome { rows, series: vec![ours, naive::rates(run, &STEPS)?] })
}

/// Blobs a second, once the group's log holds so many.
fn push(run: &Run, relay: &RelayProcess, group: u8, backlog: usize) -> Result<f64, Trouble> {
    group_args("bare-push", relay, group).count(COUNT).with("--backlog", backlog.to_string()).rate(run)
}

fn group_args(load: &str, relay: &RelayProcess, group: u8) -> Args {
    Args::of(load, relay).with("--group", group.to_string())
}
