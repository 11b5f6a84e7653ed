//! The steps that Cargo and its tools carry out.

use super::{
    Mode,
    report::{Outcome, Skip},
};
use crate::{
    shell::{self, Failure},
    window,
};

/// Storms in one run.
const SEEDS: &str = "2000";

/// Every package, or on a machine without the window layer all but those that need it. What is left out, the step `plugin` reports.
fn packages() -> Vec<&'static str> {
    if window::libraries() { vec!["--workspace"] } else { without_window() }
}

fn without_window() -> Vec<&'static str> {
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

/// Without iroh there must still be a relay and a device, over TCP.
pub(super) fn features(mode: Mode) -> Result<Outcome, Failure> {
    for package in ["zerok-relay", "zerok"] {
        // One package a call: together, one could switch on what the other lacks. Clippy, as what iroh alone uses must not be left over.
        let mut command = shell::cargo(["clippy", "--package", package, "--no-default-features"]);
        shell::run(command.args(mode.locked()).args(["--", "-D", "warnings"]))?;
    }
    Ok(Outcome::passed())
}

pub(super) fn tests(mode: Mode) -> Result<Outcome, Failure> {
    if shell::cargo_has("nextest") {
        nextest(&without_window(), mode)?;
        return Ok(Outcome::passed());
    }
    if mode == Mode::Strict {
        return Ok(Outcome::Skipped(Skip::ToolMissing("cargo-nextest is not installed".to_owned())));
    }
    // Tests of one crate then share a process, and nothing keeps the heavy ones apart.
    println!("cargo-nextest is not installed; falling back to cargo test");
    // The examples too: one of them is the process that the tests of the testkit kill.
    shell::run(shell::cargo(["test", "--lib", "--bins", "--tests", "--examples"]).args(without_window()))?;
    Ok(Outcome::Passed("by cargo test, as cargo-nextest is not installed".to_owned()))
}

/// The tests of some packages.
pub(super) fn nextest(packages: &[&str], mode: Mode) -> Result<(), Failure> {
    let profile = match mode {
        Mode::Usual => "default",
        Mode::Strict => "ci",
    };
    let mut command = shell::cargo(["nextest", "run", "--profile", profile]);
    shell::run(command.args(packages).args(mode.locked()))
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
    shell::run(shell::cargo(["test", "--doc"]).args(packages()).args(mode.locked()))?;
    Ok(Outcome::passed())
}

pub(super) fn docs(mode: Mode) -> Result<Outcome, Failure> {
    let mut command = shell::cargo(["doc", "--no-deps"]);
    shell::run(command.args(packages()).args(mode.locked()).env("RUSTDOCFLAGS", "-D warnings"))?;
    Ok(Outcome::passed())
}
