//! `verify`: every check this repository has, in one run.
//!
//! # Layout
//! - [`report`]: outcomes, the table, the closing line. [`cargo_steps`]: what Cargo and its tools check.
//! - [`purity`]: the core stays free of IO. [`policy`], [`spdx`]: licences, bans, sources, advisories.
//! - [`instructions`]: what a blob costs the core, compared with what it did.
//! - [`model`]: the model checker's search. [`bugs`]: the checks themselves can fail.
//! - [`links`]: the documentation's links. [`locks`]: what npm's lock files may say.
//! - [`window_steps`]: the plugin, its JavaScript package, and the notes app in real windows.
//!
//! A step passes, fails, or is skipped for a named reason. With `ZEROK_STRICT=1`, as the build server runs it, a missing tool is a
//! failure; only what no install can mend stays skipped. A failing step does not stop the later ones: one run tells everything.

pub(crate) mod bugs;
mod cargo_steps;
mod instructions;
mod links;
mod locks;
mod model;
mod policy;
mod purity;
mod report;
mod spdx;
mod window_steps;

use std::time::Instant;

use crate::{setup, shell::Failure};
use report::{Line, Outcome, Skip};

const HELP: &str = "\
Runs every check of this repository and ends with a table.

usage: cargo xtask verify [--list] [--only STEP]... [--skip STEP]... [--no-setup]

  --list        name the steps and stop
  --only STEP   run this step alone (may be repeated)
  --skip STEP   leave this step out (may be repeated)
  --no-setup    install nothing

ZEROK_STRICT=1 turns a step that is skipped because a tool is missing into a failure.";

/// One check.
struct Step {
    id: &'static str,
    title: &'static str,
    check: fn(Mode) -> Result<Outcome, Failure>,
}

/// Cheap ones first: a wrong link should not be heard of after ten minutes of tests.
const STEPS: &[Step] = &[
    Step { id: "format", title: "formatting", check: cargo_steps::format },
    Step { id: "links", title: "links in the documentation", check: links::check },
    Step { id: "locks", title: "npm lock files name no registry", check: locks::check },
    Step { id: "policy", title: "licences, bans and sources of dependencies", check: policy::check },
    Step { id: "purity", title: "the core does no IO and stands alone", check: purity::check },
    Step { id: "js", title: "the plugin's JavaScript package", check: window_steps::js },
    Step { id: "lints", title: "clippy without a warning", check: cargo_steps::lints },
    Step { id: "features", title: "relay and cli without iroh and keychain", check: cargo_steps::features },
    Step { id: "fuzz", title: "the fuzz programs compile", check: cargo_steps::fuzz },
    Step { id: "tests", title: "tests", check: cargo_steps::tests },
    Step { id: "demo", title: "the demo, over both transports", check: cargo_steps::demo },
    Step { id: "model", title: "every order of events, model checked", check: model::check },
    Step { id: "storms", title: "storms in virtual time", check: cargo_steps::storms },
    Step { id: "bugs", title: "seeded bugs that the model must catch", check: bugs::check },
    Step { id: "plugin", title: "tests of the Tauri plugin and the notes app", check: window_steps::plugin },
    Step { id: "app", title: "two notes apps in real windows", check: window_steps::app },
    Step { id: "doctests", title: "examples in the documentation comments", check: cargo_steps::doctests },
    Step { id: "docs", title: "documentation builds without a warning", check: cargo_steps::docs },
    Step { id: "instructions", title: "what a blob costs the core", check: instructions::check },
    Step { id: "advisories", title: "known vulnerabilities of dependencies", check: policy::advisories },
];

/// How sternly to judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// A developer's machine.
    Usual,
    /// The build server: what is missing is a failure, and the lock file is final.
    Strict,
}

impl Mode {
    /// What makes Cargo refuse to change the lock file.
    fn locked(self) -> &'static [&'static str] {
        match self {
            Self::Usual => &[],
            Self::Strict => &["--locked"],
        }
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Choice {
    only: Vec<String>,
    skip: Vec<String>,
    list: bool,
    help: bool,
    no_setup: bool,
}

/// `cargo xtask verify`.
pub(crate) fn main(arguments: &[String]) -> Result<(), Failure> {
    let choice = Choice::parse(arguments)?;
    if choice.help {
        println!("{HELP}");
        return Ok(());
    }
    if choice.list {
        for step in STEPS {
            println!("{:<14}{}", step.id, step.title);
        }
        return Ok(());
    }
    let mode =
        if std::env::var_os("ZEROK_STRICT").is_some_and(|value| value == "1") { Mode::Strict } else { Mode::Usual };
    if !choice.no_setup {
        for install in [setup::usual, setup::window] {
            // A step that needs what is missing says so itself, and in strict mode fails.
            if let Err(failure) = install() {
                println!("setup: {failure}");
            }
        }
    }
    let lines: Vec<Line> = STEPS.iter().map(|step| run(step, &choice, mode)).collect();
    report::print(&lines)
}

impl Choice {
    fn parse(arguments: &[String]) -> Result<Self, Failure> {
        let mut choice = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match argument.as_str() {
                "--help" | "-h" => choice.help = true,
                "--list" => choice.list = true,
                "--no-setup" => choice.no_setup = true,
                "--only" => choice.only.push(Self::step(rest.next())?),
                "--skip" => choice.skip.push(Self::step(rest.next())?),
                other => return Err(Failure::new(format!("verify knows no `{other}`\n\n{HELP}"))),
            }
        }
        Ok(choice)
    }

    fn step(id: Option<&String>) -> Result<String, Failure> {
        let known = || STEPS.iter().map(|step| step.id).collect::<Vec<_>>().join(", ");
        match id {
            Some(id) if STEPS.iter().any(|step| step.id == id) => Ok(id.clone()),
            Some(id) => Err(Failure::new(format!("no step `{id}`; there are: {}", known()))),
            None => Err(Failure::new(format!("which step? There are: {}", known()))),
        }
    }

    fn takes(&self, step: &Step) -> bool {
        let named = |list: &[String]| list.iter().any(|id| id == step.id);
        (self.only.is_empty() || named(&self.only)) && !named(&self.skip)
    }
}

fn run(step: &Step, choice: &Choice, mode: Mode) -> Line {
    let start = Instant::now();
    let outcome = if choice.takes(step) {
        println!("\n━━ {} ({})", step.title, step.id);
        let outcome = (step.check)(mode).unwrap_or_else(Outcome::Failed).judged(mode);
        println!("── {} {:.1} s{}", outcome.word(), start.elapsed().as_secs_f64(), outcome.why());
        outcome
    } else {
        Outcome::Skipped(Skip::Asked)
    };
    Line { id: step.id, title: step.title, outcome, took: start.elapsed() }
}

#[cfg(test)]
mod tests;
