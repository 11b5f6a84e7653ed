//! `bench`: builds what is measured, in the release profile, and starts the program that measures.
//!
//! Everything about figures is in the crate `zerok-bench`; here is only what has to be there before it runs.
//!
//! # Layout
//! - [`peers`]: other systems. [`builds`]: sizes and build times, which no program can measure of itself.

mod builds;
mod peers;

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::shell::{self, Failure};

const HELP: &str = "\
Measures against floors that are built in and against a naive relay, and prints one table. Under ten minutes; loopback only.

usage: cargo xtask bench [--list] [--figure NAME]... [--rounds N] [--peers] [--json FILE]
       cargo xtask bench --builds [--json FILE]
       cargo xtask bench chart RESULT.json FILE.svg
       cargo xtask bench page RESULT.json FILE.md

  --list         name the figures and stop
  --figure NAME  measure this one alone (may be repeated)
  --rounds N     rounds of each comparison (5)
  --peers        set up other systems under target/peers, once, and measure beside them too
  --json FILE    keep the result
  --builds       build relay and command line from nothing, with iroh and without; add what that took to a kept result
  chart          draw push rate against backlog from a kept result
  page           write the table of a kept result between the two marks of a page";

/// `cargo xtask bench`.
pub(crate) fn main(arguments: &[String]) -> Result<(), Failure> {
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        println!("{HELP}");
        return Ok(());
    }
    if arguments.iter().any(|argument| argument == "--builds") {
        let kept = arguments.iter().position(|argument| argument == "--json").and_then(|at| arguments.get(at + 1));
        return builds::main(&target(), kept.map(Path::new));
    }
    let folder = target().join("release");
    let kept = matches!(arguments.first().map(String::as_str), Some("chart" | "page" | "--list"));
    if !kept {
        relays(&folder)?;
    }
    build(&["--package", "zerok-bench"])?;
    let program = folder.join(format!("bench{}", std::env::consts::EXE_SUFFIX));
    let mut command = shell::program(&program.display().to_string(), []);
    for argument in arguments {
        command.arg(argument);
        if argument == "--peers" {
            command.arg(peers::set_up(&target())?);
        }
    }
    shell::run(&mut command)
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
