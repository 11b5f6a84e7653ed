//! The steps that Cargo and its tools carry out.

use super::{
    Mode,
    report::{Outcome, Skip},
};
use crate::shell::{self, Failure};

pub(super) fn format(_: Mode) -> Result<Outcome, Failure> {
    shell::run(&mut shell::cargo(["fmt", "--all", "--check"]))?;
    Ok(Outcome::passed())
}

pub(super) fn lints(mode: Mode) -> Result<Outcome, Failure> {
    let mut command = shell::cargo(["clippy", "--workspace", "--all-targets"]);
    shell::run(command.args(mode.locked()).args(["--", "-D", "warnings"]))?;
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
        let profile = match mode {
            Mode::Usual => "default",
            Mode::Strict => "ci",
        };
        let mut command = shell::cargo(["nextest", "run", "--workspace", "--profile", profile]);
        shell::run(command.args(mode.locked()))?;
        return Ok(Outcome::passed());
    }
    if mode == Mode::Strict {
        return Ok(Outcome::Skipped(Skip::ToolMissing("cargo-nextest is not installed".to_owned())));
    }
    // Tests of one crate then share a process, and nothing keeps the heavy ones apart.
    println!("cargo-nextest is not installed; falling back to cargo test");
    shell::run(&mut shell::cargo(["test", "--workspace", "--lib", "--bins", "--tests"]))?;
    Ok(Outcome::Passed("by cargo test, as cargo-nextest is not installed".to_owned()))
}

pub(super) fn doctests(mode: Mode) -> Result<Outcome, Failure> {
    shell::run(shell::cargo(["test", "--workspace", "--doc"]).args(mode.locked()))?;
    Ok(Outcome::passed())
}

pub(super) fn docs(mode: Mode) -> Result<Outcome, Failure> {
    let mut command = shell::cargo(["doc", "--workspace", "--no-deps"]);
    shell::run(command.args(mode.locked()).env("RUSTDOCFLAGS", "-D warnings"))?;
    Ok(Outcome::passed())
}
