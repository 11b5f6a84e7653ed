//! How many blobs a device gets out of a relay.

use crate::{
    figure::{Figure, Goal, Outcome, Row},
    floors,
    load::Args,
    push::SEALED,
    relay_process::{RelayProcess, Settings},
    run::Run,
    spread::Duel,
    trouble::Trouble,
};

/// The figures of this module.
pub const FIGURES: &[Figure] = &[Figure {
    name: "pull",
    title: "pull of 10,000 blobs of 1 KiB, opened and verified, against raw page reads",
    measure: pull,
}];

/// Blobs in the log.
pub const COUNT: usize = 10_000;
/// Bytes that a device asks for with one pull.
const PAGE: usize = 512 * 1024;

/// A member comes back after 10,000 payloads of 1 KiB were written by another: from dialling until the last one is opened, verified by
/// its chain and in the inbox, which is in memory. The floor reads rows of the same size from the relay's table in pages of the same
/// size: no link, no decryption, no signatures.
fn pull(run: &Run) -> Result<Outcome, Trouble> {
    let relay = RelayProcess::start(run, &Settings::default())?;
    let duel = Duel::fight(run.rounds, |_| rate(run, &relay), |_| floors::page_read(run, COUNT, SEALED, PAGE))?;
    Ok(Row::duel("pull of 10k × 1 KiB, opened and verified", "blobs/s", "raw page read", duel, Goal::Shown).into())
}

/// Blobs a second that a device pulls, opens and verifies, in a new group on this relay.
///
/// # Errors
/// The load's.
pub fn rate(run: &Run, relay: &RelayProcess) -> Result<f64, Trouble> {
    Args::of("pull", relay).count(COUNT).window(512).rate(run)
}
