//! `bench`: builds what is measured, in the release profile, and starts the program that measures.
//!
//! Everything about figures is in the crate `zerok-bench`; here is only what has to be there before it runs.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::shell::{self, Failure};

const HELP: &str = "\
Measures against floors that are built in and against a naive relay, and prints one table. Under ten minutes; loopback only.

usage: cargo xtask bench [--list] [--figure NAME]... [--rounds N] [--json FILE]
       cargo xtask bench chart RESULT.json FILE.svg
       cargo xtask bench page RESULT.json FILE.md

  --list         name the figures and stop
  --figure NAME  measure this one alone (may be repeated)
  --rounds N     rounds of each comparison (5)
  --json FILE    keep the result
  chart          draw push rate against backlog from a kept result
  page           write the table of a kept result between the two marks of a page";

/// `cargo xtask bench`.
pub(crate) fn main(arguments: &[String]) -> Result<(), Failure> {
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        println!("{HELP}");
        return Ok(());
    }
    let folder = target().join("release");
    let kept = matches!(arguments.first().map(String::as_str), Some("chart" | "page" | "--list"));
    if !kept {
        relays(&folder)?;
    }
    build(&["--package", "zerok-bench"])?;
    let program = folder.join(format!("bench{}", std::env::consts::EXE_SUFFIX));
    shell::run(shell::program(&program.display().to_string(), []).args(arguments))
}

/// The relay as people run it; and before it, as it bears the same name, the one whose commits can be made slower. Each by itself:
/// built in one go, one would have the features of the other.
fn relays(folder: &Path) -> Result<(), Failure> {
    let relay = |suffix: &str| folder.join(format!("zerok-relay{suffix}{}", std::env::consts::EXE_SUFFIX));
    let delayed = relay("-sync-delay");
    build(&["--package", "zerok-relay", "--no-default-features", "--features", "sync-delay"])?;
    fs::copy(relay(""), &delayed).map_err(|e| Failure::io(delayed.display(), &e))?;
    build(&["--package", "zerok-relay"])
}

fn build(what: &[&str]) -> Result<(), Failure> {
    shell::run(shell::cargo(["build", "--release"]).args(what))
}

fn target() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    shell::root().join(target)
}
