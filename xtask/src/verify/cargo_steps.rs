//! The steps that Cargo and its tools carry out.

use super::{
    Mode, model,
    report::{Outcome, Skip},
};
use crate::{
    shell::{self, Failure},
    window,
};

/// Storms in one run.
const SEEDS: &str = "2000";
/// Blobs that each device of a demo writes: the fewest it takes.
const BLOBS: &str = "100";

/// Every package, or on a machine without the window layer all but those that need it. What is left out, the step `plugin` reports.
fn packages() -> Vec<&'static str> {
    if window::libraries() { vec!["--workspace"] } else { without_window() }
}

pub(super) fn without_window() -> Vec<&'static str> {
    window::CRATES
        .iter()
        .fold(vec!["--workspace"], |arguments, package| [arguments, vec!["--exclude", package]].concat())
}

pub(super) fn format(_: Mode) -> Result<Outcome, Failure> {
    shell::run(&mut shell::cargo(["fmt", "--all", "--check"]))?;
    Ok(Outcome::passed())
}

pub(super) fn lints(mode: Mode) -> Result<Outcome, Failure> {
    let mut command = shell::cargo(["clippy", "--all-targets"]);
    shell::run(command.args(packages()).args(mode.locked()).args(["--", "-D", "warnings"]))?;
    Ok(Outcome::passed())
}

/// Without iroh and keychain there must still be a relay and a device, over TCP and with a key file. Some of their tests exist only so.
pub(super) fn features(mode: Mode) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::passed();
    for package in ["zerok-relay", "zerok"] {
        // One package a call: together, one could switch on what the other lacks. Clippy, as what iroh alone uses must not be left over.
        let only = ["--package", package, "--no-default-features"];
        let mut command = shell::cargo(["clippy", "--all-targets"]);
        shell::run(command.args(only).args(mode.locked()).args(["--", "-D", "warnings"]))?;
        outcome = tested(&only, mode)?;
    }
    Ok(outcome)
}

pub(super) fn tests(mode: Mode) -> Result<Outcome, Failure> {
    tested(&without_window(), mode)
}

fn tested(packages: &[&str], mode: Mode) -> Result<Outcome, Failure> {
    if shell::cargo_has("nextest") {
        nextest(packages, mode)?;
        return Ok(Outcome::passed());
    }
    if mode == Mode::Strict {
        return Ok(Outcome::Skipped(Skip::ToolMissing("cargo-nextest is not installed".to_owned())));
    }
    // Tests of one crate then share a process, and nothing keeps the heavy ones apart.
    println!("cargo-nextest is not installed; falling back to cargo test");
    // The examples too: one of them is the process that the tests of the testkit kill.
    let mut command = shell::cargo(["test", "--lib", "--bins", "--tests", "--examples"]);
    shell::run(command.args(packages).args(["--", "--skip", model::SEARCH]))?;
    Ok(Outcome::Passed("by cargo test, as cargo-nextest is not installed".to_owned()))
}

/// The tests of some packages, less the one that is a step of its own.
pub(super) fn nextest(packages: &[&str], mode: Mode) -> Result<(), Failure> {
    let profile = match mode {
        Mode::Usual => "default",
        Mode::Strict => "ci",
    };
    let mut command = shell::cargo(["nextest", "run", "--profile", profile]);
    shell::run(command.args(packages).args(mode.locked()).arg("-E").arg(format!("not test(={})", model::SEARCH)))
}

/// The story of the README, short: it ends well only if both devices hold the same in the end.
pub(super) fn demo(_: Mode) -> Result<Outcome, Failure> {
    for transport in ["iroh", "tcp"] {
        crate::demo::main(&["--transport", transport, "--blobs", BLOBS].map(str::to_owned))?;
    }
    Ok(Outcome::Passed(format!("{BLOBS} blobs each way, over iroh and TCP")))
}

/// Storms, in virtual time; the tests run none.
pub(super) fn storms(_: Mode) -> Result<Outcome, Failure> {
    crate::sim::main(&["--seeds", SEEDS, "--demand"].map(str::to_owned))?;
    Ok(Outcome::Passed(format!("{SEEDS} seeds")))
}

/// The fuzz programs, which another toolchain builds. Their functions are in the testkit, and its tests run them.
pub(super) fn fuzz(_: Mode) -> Result<Outcome, Failure> {
    if crate::fuzz::check()? {
        return Ok(Outcome::passed());
    }
    Ok(Outcome::Skipped(Skip::ToolMissing("the nightly toolchain is not installed".to_owned())))
}

pub(super) fn doctests(mode: Mode) -> Result<Outcome, Failure> {
    // Grouped as the tests were: other packages beside them would give them other features, and most would be built once more.
    let window = window::CRATES.iter().flat_map(|package| ["--package", package]).collect();
    for packages in [Some(without_window()), window::libraries().then_some(window)].into_iter().flatten() {
        shell::run(shell::cargo(["test", "--doc"]).args(packages).args(mode.locked()))?;
    }
    Ok(Outcome::passed())
}

pub(super) fn docs(mode: Mode) -> Result<Outcome, Failure> {
    let mut command = shell::cargo(["doc", "--no-deps"]);
    shell::run(command.args(packages()).args(mode.locked()).env("RUSTDOCFLAGS", "-D warnings"))?;
    Ok(Outcome::passed())
}
