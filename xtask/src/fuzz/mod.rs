//! `fuzz`: runs the fuzz targets for a while and says what came of it.
//!
//! # Layout
//! - [`target`]: one target's run, its finding made small, its corpus made small. [`figures`]: what libFuzzer prints, read.
//!
//! Needs the nightly toolchain and cargo-fuzz; says so where the first is missing, installs the second. Built without a sanitizer:
//! the code of this repository is safe Rust, so what there is to find are panics, and a sanitizer would halve the executions. What a
//! run learns lies in fuzz/work, which nobody commits; `--keep` turns it into the committed corpora, which every `cargo test` replays.

mod figures;
mod target;

use std::path::PathBuf;

use crate::shell::{self, Failure};
use target::Run;

const HELP: &str = "\
Runs the fuzz targets one after the other and ends with a table: executions, coverage, findings.

usage: cargo xtask fuzz [--seconds N] [--target T]... [--keep] [--list]

  --seconds N   for each target (60)
  --target T    this target alone (may be repeated)
  --keep        afterwards make the committed corpora anew: at most 200 files and 90 KiB a target, chosen to cover what was covered
  --list        name the targets and stop

A finding is made as small as 20 seconds allow, its input is kept in fuzz/artifacts, and the command fails.";

const SECONDS: u64 = 60;
/// A day: longer runs are better done in pieces, whose corpora build on each other.
const MOST_SECONDS: u64 = 24 * 3600;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Choice {
    seconds: u64,
    targets: Vec<String>,
    keep: bool,
    list: bool,
}

/// `cargo xtask fuzz`.
pub(crate) fn main(arguments: &[String]) -> Result<(), Failure> {
    let known = targets()?;
    let Some(choice) = Choice::parse(arguments, &known)? else {
        println!("{HELP}");
        return Ok(());
    };
    if choice.list {
        println!("{}", known.join("\n"));
        return Ok(());
    }
    let host = nightly()?;
    if !shell::cargo_has("fuzz") {
        println!("cargo fuzz is missing; building it takes a few minutes, once.");
        shell::run(&mut shell::cargo(["install", "cargo-fuzz", "--locked"]))?;
    }
    build()?;
    let programs = shell::root().join("fuzz/target").join(host).join("release");
    let mut runs = Vec::new();
    for name in known.into_iter().filter(|name| choice.targets.is_empty() || choice.targets.contains(name)) {
        println!("\n━━ {name}, {} s", choice.seconds);
        let run = Run::of(&programs, &name, choice.seconds)?;
        println!("{}", run.line());
        runs.push(run);
    }
    if choice.keep {
        for run in &runs {
            run.keep(&programs)?;
        }
    }
    report(&runs)
}

impl Choice {
    /// Nothing when only help is wanted.
    fn parse(arguments: &[String], known: &[String]) -> Result<Option<Self>, Failure> {
        let mut choice = Self { seconds: SECONDS, targets: Vec::new(), keep: false, list: false };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match argument.as_str() {
                "--help" | "-h" => return Ok(None),
                "--keep" => choice.keep = true,
                "--list" => choice.list = true,
                "--seconds" => {
                    let seconds = rest.next().and_then(|text| text.parse().ok());
                    choice.seconds = seconds
                        .filter(|seconds| (1..=MOST_SECONDS).contains(seconds))
                        .ok_or_else(|| Failure::new(format!("--seconds takes a number from 1 to {MOST_SECONDS}")))?;
                }
                "--target" => match rest.next() {
                    Some(target) if known.contains(target) => choice.targets.push(target.clone()),
                    _ => return Err(Failure::new(format!("which target? There are: {}", known.join(", ")))),
                },
                other => return Err(Failure::new(format!("fuzz knows no `{other}`\n\n{HELP}"))),
            }
        }
        Ok(Some(choice))
    }
}

/// The targets there are: one file each.
fn targets() -> Result<Vec<String>, Failure> {
    let folder = shell::root().join("fuzz/fuzz_targets");
    let entries = std::fs::read_dir(&folder).map_err(|e| Failure::io(folder.display(), &e))?;
    let files = entries.filter_map(|entry| Some(PathBuf::from(entry.ok()?.file_name())));
    let mut names: Vec<String> =
        files.filter_map(|file| Some(file.file_stem()?.to_string_lossy().into_owned())).collect();
    names.sort();
    Ok(names)
}

/// The platform that the nightly toolchain builds for, where there is one.
fn nightly() -> Result<String, Failure> {
    let missing = |failure: Failure| {
        Failure::new(format!(
            "fuzzing needs the nightly toolchain: `rustup toolchain install nightly --profile minimal`\n({failure})"
        ))
    };
    let version = shell::capture(&mut shell::program("rustup", ["run", "nightly", "rustc", "-vV"])).map_err(missing)?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Failure::new("rustc does not say what it builds for"))
}

/// Whether the fuzz programs compile; they are in no workspace that the other checks build. `false` without the toolchain for it.
pub(crate) fn check() -> Result<bool, Failure> {
    if nightly().is_err() {
        return Ok(false);
    }
    let arguments = ["run", "nightly", "cargo", "check", "--locked", "--manifest-path", "fuzz/Cargo.toml"];
    on_nightly(&arguments).map(|()| true)
}

fn build() -> Result<(), Failure> {
    on_nightly(&["run", "nightly", "cargo", "fuzz", "build", "--fuzz-dir", "fuzz", "--sanitizer", "none"])
}

fn on_nightly(arguments: &[&str]) -> Result<(), Failure> {
    let mut command = shell::program("rustup", arguments.iter().copied());
    // What `cargo xtask` was started with must not reach the other toolchain.
    shell::run(command.env_remove("CARGO").env_remove("RUSTC").env_remove("RUSTUP_TOOLCHAIN"))
}

fn report(runs: &[Run]) -> Result<(), Failure> {
    println!("\n{}", figures::TABLE_HEAD);
    runs.iter().for_each(|run| println!("{}", run.row()));
    let findings: Vec<String> = runs.iter().filter_map(Run::finding).collect();
    if findings.is_empty() { Ok(()) } else { Err(Failure::new(findings.join("\n"))) }
}

#[cfg(test)]
mod tests;
