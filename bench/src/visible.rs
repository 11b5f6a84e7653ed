//! How long until the other device has it.

use crate::{
    figure::{Figure, Goal, Outcome, Row},
    floors,
    load::{Args, Times},
    push::SEALED,
    relay_process::{RelayProcess, Settings},
    run::Run,
    spread::{Duel, Spread, median, percentile},
    trouble::Trouble,
};

/// The figures of this module.
pub const FIGURES: &[Figure] = &[Figure {
    name: "visible",
    title: "push → opened on the other device, against two echoes and a sync",
    measure: visible,
}];

/// Blobs of one round: the hundredth part of them is still some.
const COUNT: usize = 500;

/// One blob of 1 KiB at a time, from the call to the event on the other device, over a relay that syncs it in between. Physics demands
/// a way to the relay, a sync there, and a way from it; the floor is two echoes over loopback, both ways each, and one `fdatasync` of a
/// page. The devices' own disks are left out on our side as they are in the floor; a second row has them in, on both sides: a device
/// syncs what it pushes before it leaves, and what it received before it tells.
fn visible(run: &Run) -> Result<Outcome, Trouble> {
    let relay = RelayProcess::start(run, &Settings::default())?;
    let mut rows = Vec::new();
    let sides = [
        ("visible", 1.0, Goal::AtMost(2.5), "push → opened on the other device, p50"),
        ("visible-disks", 3.0, Goal::Shown, "the same with both devices' disks"),
    ];
    for (load, syncs, goal, title) in sides {
        let mut tails = Vec::new();
        let duel = Duel::fight(
            run.rounds,
            |_| {
                let mut wish = Args::of(load, &relay).count(COUNT);
                if syncs > 1.0 {
                    wish = wish.with("--folder", run.folder("devices")?);
                }
                let times: Times = run.load(wish)?;
                tails.push(percentile(&times.micros, 99)? / 1e3);
                Ok(median(&times.micros)? / 1e3)
            },
            |_| Ok((2.0 * floors::echo(SEALED, COUNT)? + syncs * floors::sync(run, COUNT / 2)?) / 1e3),
        )?;
        let base = if syncs > 1.0 { "2 echoes + 3 fdatasync" } else { "2 echoes + 1 fdatasync" };
        let tail = Spread::of(&tails)?.median;
        rows.push(Row::duel(title, "ms", base, duel, goal).note(format!("p99 {tail:.2} ms")));
    }
    Ok(rows.into())
}
