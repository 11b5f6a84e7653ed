//! What is lost or repeated when a relay is killed under load.

use std::fs;

use serde::{Deserialize, Serialize};

use crate::{
    figure::{Figure, Goal, Outcome, Row},
    load::Args,
    relay_process::{RelayProcess, Settings},
    run::Run,
    spread::Spread,
    trouble::Trouble,
};

/// The figures of this module.
pub const FIGURES: &[Figure] = &[Figure {
    name: "losses",
    title: "blobs lost or repeated by eight writers and a following reader while the relay is killed with -9",
    measure: losses,
}];

/// Blobs of each writer.
const COUNT: usize = 500;
/// The file by which the load says that a quarter of all has arrived.
pub const QUARTER: &str = "quarter";

/// What the reader counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counted {
    /// Blobs that arrived.
    pub arrived: usize,
    /// Blobs that never came.
    pub lost: usize,
    /// Blobs that came again, or in another order than their writer's.
    pub repeated: usize,
}

/// Eight real devices push 500 blobs each; a ninth pulls, acknowledges, and follows. When it has a quarter, the relay's process is killed with
/// -9 and started again on what its disk holds. A count, so it is done once. The same runs with each `verify` over both
/// transports, and thousands of kills with `cargo xtask kills`.
fn losses(run: &Run) -> Result<Outcome, Trouble> {
    let mut relay = RelayProcess::start(run, &Settings::default())?;
    let folder = run.folder("devices")?;
    let quarter = folder.join(QUARTER);
    let mut killed = false;
    let counted: Counted =
        run.load_while(Args::of("eight-writers", &relay).count(COUNT).with("--folder", &folder), || {
            if !killed && quarter.exists() {
                killed = true;
                relay.kill_and_restart()?;
            }
            Ok(())
        })?;
    if !killed {
        return Err(Trouble::Absurd("all had arrived before the relay was killed".to_owned()));
    }
    let _removed = fs::remove_file(quarter);
    let wrong = (counted.lost + counted.repeated) as f64;
    let row =
        Row::alone("lost or repeated, 8 writers, reader, kill -9", "blobs", Spread::one(wrong), Goal::AtMost(0.0));
    Ok(row.note(format!("{counted:?} of {}", 8 * COUNT)).into())
}
