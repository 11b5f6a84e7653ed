//! How many blobs a relay takes durably.

use std::time::Duration;

use crate::{
    figure::{Figure, Goal, Outcome, Row},
    floors,
    load::Args,
    open,
    relay_process::{RelayProcess, Settings},
    run::Run,
    spread::{Duel, Spread, median},
    table::number,
    trouble::Trouble,
};

/// The figures of this module.
pub const FIGURES: &[Figure] = &[
    Figure {
        name: "push",
        title: "durable push, window 64, end to end with sealing, against raw group commit",
        measure: push,
    },
    Figure {
        name: "sync-delay",
        title: "the same on a disk that takes 5 ms to sync, against one at a time",
        measure: sync_delay,
    },
];

/// What a payload of 1 KiB is when sealed with padding.
pub const SEALED: usize = 1201;
/// Blobs of one round: enough for the kernel's ticks of CPU time, and for several checkpoints of the write-ahead log.
const COUNT: usize = 10_000;
/// What the slow disk takes.
const DELAY: Duration = Duration::from_millis(5);

/// One member pushes 10,000 payloads of 1 KiB, 64 under way, each acknowledged only when durable. Everything a device does to a payload
/// is in it (numbering, signing, hashing, padding, sealing, the link), and everything a relay does; of the whole path only the member's
/// own disk is left out, because it is the same disk here and another one in life. The floor inserts rows of the same size into the
/// relay's table, 64 in a transaction: what would be left if all of that were free. A device has one thread; what that can sign and seal
/// is noted, as on a fast disk it is less than the floor.
fn push(run: &Run) -> Result<Outcome, Trouble> {
    let relay = RelayProcess::start(run, &Settings::default())?;
    let mut cpu = Vec::new();
    let duel = Duel::fight(
        run.rounds,
        |_| {
            let before = relay.cpu()?;
            let rate = Args::of("push", &relay).count(COUNT).rate(run)?;
            cpu.push((relay.cpu()? - before).as_secs_f64() * 1e3 / COUNT as f64);
            Ok(rate)
        },
        |_| floors::group_commit(run, COUNT, SEALED, 64),
    )?;
    let row =
        Row::duel("durable push, window 64, sealed", "blobs/s", "raw group commit of 64", duel, Goal::AtLeast(0.5));
    let sealed = (0..run.rounds).map(|_| open::seal_rate()).collect::<Vec<_>>();
    let note =
        format!("one thread that only signs and seals makes {} of them a second", number(median(&sealed)?.round()));
    Ok(row.cpu(Spread::of(&cpu)?.median).note(note).into())
}

/// Both sides are ours, on the same relay, whose every commit waits 5 ms longer than the disk needs: 64 blobs under way, and one. The
/// theory's ceiling is 56: a window of 64 in 5 ms and what 64 rows take, against one in 5 ms and a round trip.
fn sync_delay(run: &Run) -> Result<Outcome, Trouble> {
    let relay = RelayProcess::start(run, &Settings { sync_delay: Some(DELAY), ..Settings::default() })?;
    let rate = |count, window| Args::of("push", &relay).count(count).window(window).rate(run);
    let duel = Duel::fight(run.rounds, |_| rate(6400, 64), |_| rate(100, 1))?;
    let title = "the same with 5 ms for each sync";
    Ok(Row::duel(title, "blobs/s", "one at a time", duel, Goal::AtLeast(40.0)).into())
}
