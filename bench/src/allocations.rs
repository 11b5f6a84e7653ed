//! What the relay allocates for each blob.

use std::process::Command;

use crate::{
    figure::{Figure, Goal, Outcome, Row},
    run::Run,
    spread::Spread,
    trouble::Trouble,
};

/// The figures of this module.
pub const FIGURES: &[Figure] = &[Figure {
    name: "allocations",
    title: "heap allocations per blob on the relay's push path, at three sizes",
    measure: allocations,
}];

/// Blobs in messages of their own, 64 under way, through the relay's machine and its real store in a process that counts; see its own
/// documentation (`src/bin/allocations.rs`). The second row is the largest size against the smallest: what costs an allocation for each
/// page or piece of a blob would show there. A count, so one round is enough; which pushes share a commit still varies a little.
fn allocations(run: &Run) -> Result<Outcome, Trouble> {
    let program = run.bench.with_file_name(format!("allocations{}", std::env::consts::EXE_SUFFIX));
    let mut command = Command::new(program);
    command.arg(run.folder("allocations")?);
    let counted: Vec<(usize, f64)> = Run::hear(command, || Ok(()))?;
    let each: Vec<f64> = counted.iter().map(|(_, each)| *each).collect();
    let spread = Spread::of(&each)?;
    let (least, most) = (each.first().copied().unwrap_or_default(), each.last().copied().unwrap_or_default());
    let told = counted.iter().map(|(size, each)| format!("{each:.2} at {size} B")).collect::<Vec<_>>().join(", ");
    let worst = Spread { median: spread.max, ..spread };
    Ok(vec![
        Row::alone("allocations per pushed blob", "", worst, Goal::AtMost(6.0)).note(told),
        Row::alone("the same at 64 KiB / at 256 B", "", Spread::one(most / least), Goal::AtMost(1.1)),
    ]
    .into())
}
