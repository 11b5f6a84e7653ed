//! What a blob costs the core must not rise unseen: counted instructions and allocations against the committed ones.
//!
//! The counts are exact, so this is the guard against slower code that a clock on a shared machine cannot be. The tolerance is for
//! other C libraries, other versions of valgrind, and changes that mean nothing. A rise beyond it fails: either it was not meant, or it
//! is worth it and its commit writes the new counts. A fall beyond it passes and asks for the same, so that it is not lost again.

use super::{
    Mode,
    report::{Outcome, Skip},
};
use crate::{
    instructions::{self, Cost, Counts},
    shell::{self, Failure},
};

/// In per cent, either way.
const TOLERANCE: f64 = 3.0;

type Amount = (&'static str, fn(&Cost) -> f64);

const AMOUNTS: [Amount; 3] = [
    ("instructions", |cost| cost.instructions),
    ("instructions of hashing", |cost| cost.hashing),
    ("allocations", |cost| cost.allocations),
];

pub(super) fn check(mode: Mode) -> Result<Outcome, Failure> {
    if let Err(why) = instructions::comparable() {
        return Ok(Outcome::Skipped(Skip::NothingToBeDone(why)));
    }
    if !shell::installed("valgrind") {
        return Ok(Outcome::Skipped(Skip::ToolMissing("valgrind is not installed".to_owned())));
    }
    judge(&instructions::baseline()?, &instructions::count(mode.locked())?)
}

fn judge(before: &Counts, now: &Counts) -> Result<Outcome, Failure> {
    let (mut risen, mut fallen) = (Vec::new(), Vec::new());
    for (figure, cost) in &now.costs {
        let Some(known) = before.costs.get(figure) else { continue };
        for (what, amount) in AMOUNTS {
            let (was, is) = (amount(known), amount(cost));
            // Two decimals of an allocation are what the baseline keeps.
            let change = if (is - was).abs() < 0.01 { 0.0 } else { (is / was - 1.0) * 100.0 };
            let line = format!("{figure}: {was:.2} {what} a blob before, {is:.2} now ({change:+.1} %)");
            println!("{line}");
            if change > TOLERANCE {
                risen.push(line);
            } else if change < -TOLERANCE {
                fallen.push(line);
            }
        }
    }
    let refresh = "`cargo xtask instructions` writes the new counts down";
    if !risen.is_empty() {
        let compiler = if before.compiler == now.compiler {
            String::new()
        } else {
            format!(" The counts are of another compiler: {}, this is {}.", before.compiler, now.compiler)
        };
        let risen = risen.join("\n");
        return Err(Failure::new(format!(
            "a blob costs more than it did; if that is meant, {refresh}.{compiler}\n{risen}"
        )));
    }
    match fallen.len() {
        0 => Ok(Outcome::passed()),
        count => Ok(Outcome::Passed(format!("{count} counts fell, {refresh}"))),
    }
}

#[cfg(test)]
mod tests;
