//! The repository's own commands: setup, demo, verify, sim, kills, fuzz, bench, instructions.
//!
//! # Layout
//! - [`shell`]: running other programs. [`json`]: reading what they print. [`setup`]: installing what is missing.
//! - [`window`]: what the Tauri plugin and the notes app need of the system and of npm.
//! - [`verify`]: every check this repository has, in one run.
//! - [`demo`]: a relay and two devices as real processes, killed on the way. [`kills`]: the same thousands of times, for the durability.
//! - [`sim`]: storms in virtual time, by seed. [`fuzz`]: the fuzz targets, on the nightly toolchain.
//! - [`mod@bench`]: how fast it all is. [`instructions`]: what a blob costs the core, counted by valgrind. [`marked`]: the parts of documents that commands write.
//!
//! Kept small on purpose: the first `cargo xtask` of a newcomer builds this crate and nothing else.

#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool talks on its standard streams")]

mod bench;
mod demo;
mod fuzz;
mod instructions;
mod json;
mod kills;
mod marked;
mod setup;
mod shell;
mod sim;
mod verify;
mod window;

use std::process::ExitCode;

use shell::Failure;

const HELP: &str = "\
The commands of this repository.

usage: cargo xtask <command> [options]

  verify   run every check: format, links, policy, lints, tests, the plugin, the app's windows, documentation
  demo     start a relay and two devices, pair them, sync, kill some of them, compare; --app: two windows of the notes app
  sim      run storms of devices and relays in virtual time, by seed
  kills    kill a device and a relay with -9, 2000 times each, and check what they had acknowledged
  fuzz     hunt for inputs that break something, for so many seconds a target
  bench    measure against floors and a naive relay, and print one table
  instructions
           count what a blob costs the core and write it down, for verify to compare with
  setup    install the tools that verify wants and does not find

`cargo xtask <command> --help` says more about each.";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next();
    let rest: Vec<String> = arguments.collect();
    let outcome = match command.as_deref() {
        None | Some("help" | "--help" | "-h") => {
            println!("{HELP}");
            Ok(())
        }
        Some("verify") => verify::main(&rest),
        Some("demo") if rest.iter().any(|argument| argument == "--app") => demo::app::main(&rest),
        Some("demo") => demo::main(&rest),
        Some("sim") => sim::main(&rest),
        Some("kills") => kills::main(&rest),
        Some("fuzz") => fuzz::main(&rest),
        Some("bench") => bench::main(&rest),
        Some("instructions") => instructions::main(&rest),
        Some("setup") => setup::main(&rest),
        Some(other) => Err(Failure::new(format!("no such command: {other}\n\n{HELP}"))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}
