//! `demo`: a relay and two devices as real processes, killed on the way, which must agree at the end.
//!
//! # Layout
//! - [`process`]: a child that dies with us. [`relay`], [`device`]: the two programs, by their command lines.
//! - [`app`]: two windows of the notes app instead, for a person to use.
//! - [`story`]: what happens, in order. [`ledger`]: what each device was seen to receive. [`figures`]: rates and latencies.
//!
//! Knows the programs only by what they print; links none of their code. The build is the one that the README names, whatever the
//! transport, so that whoever goes on from there builds nothing again: the development profile, with cryptography and SQLite optimised
//! by the workspace's profile. `--release` gives better figures and takes longer to build.

pub(crate) mod app;
mod device;
mod figures;
mod ledger;
mod process;
mod relay;
mod story;

use std::path::PathBuf;

use crate::shell::{self, Failure};
use figures::Figures;

const HELP: &str = "\
Starts a relay and two devices as separate processes, pairs them by a typed code, syncs blobs both ways, kills the relay and one
device with -9 on the way, and compares what both hold in the end. Succeeds only if that is the same.

usage: cargo xtask demo [--transport iroh|tcp] [--blobs N] [--release] [--json] [--bin DIR]
       cargo xtask demo --app

  --app           open two windows of the notes app beside a relay, and leave the rest to you
  --transport T   what carries the links (iroh)
  --blobs N       how many each device writes (1000; at least 100)
  --release       build with optimisation: better figures, a longer wait
  --json          print one line of JSON in the end; the story goes to standard error
  --bin DIR       run the programs in DIR and build nothing";

/// What carries the links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transport {
    Tcp,
    Iroh,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Choice {
    transport: Transport,
    blobs: usize,
    release: bool,
    json: bool,
    bin: Option<PathBuf>,
}

/// Where the two programs are.
struct Programs {
    relay: PathBuf,
    device: PathBuf,
}

/// `cargo xtask demo`.
pub(crate) fn main(arguments: &[String]) -> Result<(), Failure> {
    let Some(choice) = Choice::parse(arguments)? else {
        println!("{HELP}");
        return Ok(());
    };
    let programs = programs(&choice)?;
    let folder = std::env::temp_dir().join(format!("zerok-demo-{}", std::process::id()));
    std::fs::create_dir(&folder).map_err(|e| Failure::io(folder.display(), &e))?;
    let teller = Teller { aside: choice.json };
    match story::tell(&choice, &programs, &folder, teller) {
        Ok(figures) => {
            let _ = std::fs::remove_dir_all(&folder);
            report(&figures, &choice);
            Ok(())
        }
        // What is left there is what explains the failure.
        Err(failure) => Err(Failure::new(format!("{failure}\nData and logs are kept in {}", folder.display()))),
    }
}

/// Says what happens while it happens.
#[derive(Clone, Copy)]
struct Teller {
    /// Keep standard output free for JSON.
    aside: bool,
}

impl Teller {
    fn say(self, sentence: impl std::fmt::Display) {
        if self.aside {
            eprintln!("{sentence}");
        } else {
            println!("{sentence}");
        }
    }
}

impl Choice {
    /// `None` when help is wanted.
    fn parse(arguments: &[String]) -> Result<Option<Self>, Failure> {
        let mut choice = Self { transport: Transport::Iroh, blobs: 1000, release: false, json: false, bin: None };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || rest.next().ok_or_else(|| Failure::new(format!("{argument} wants a value\n\n{HELP}")));
            match argument.as_str() {
                "--help" | "-h" => return Ok(None),
                "--release" => choice.release = true,
                "--json" => choice.json = true,
                "--bin" => choice.bin = Some(PathBuf::from(value()?)),
                "--transport" => {
                    choice.transport = match value()?.as_str() {
                        "tcp" => Transport::Tcp,
                        "iroh" => Transport::Iroh,
                        other => return Err(Failure::new(format!("no transport `{other}`; there are tcp and iroh"))),
                    };
                }
                "--blobs" => {
                    let number = value()?.parse().ok().filter(|number| *number >= 100);
                    choice.blobs = number.ok_or_else(|| Failure::new("--blobs wants a number from 100 on"))?;
                }
                other => return Err(Failure::new(format!("demo knows no `{other}`\n\n{HELP}"))),
            }
        }
        Ok(Some(choice))
    }
}

fn programs(choice: &Choice) -> Result<Programs, Failure> {
    let folder = match &choice.bin {
        Some(folder) => folder.clone(),
        None => build(choice)?,
    };
    let program = |name: &str| folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    Ok(Programs { relay: program("zerok-relay"), device: program("zerok") })
}

/// Builds both programs and answers with the folder they are in.
fn build(choice: &Choice) -> Result<PathBuf, Failure> {
    let mut command = shell::cargo(["build", "--package", "zerok-relay", "--package", "zerok"]);
    if choice.release {
        command.arg("--release");
    }
    // Cargo talks on standard error, so standard output stays ours.
    let told = command.status().map_err(|e| Failure::io("cannot start cargo", &e))?;
    if !told.success() {
        return Err(Failure::new("the programs do not build"));
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    Ok(shell::root().join(target).join(if choice.release { "release" } else { "debug" }))
}

fn report(figures: &Figures, choice: &Choice) {
    if choice.json {
        println!("{}", figures.json());
    } else {
        println!("\n{figures}");
    }
}

#[cfg(test)]
mod tests;
