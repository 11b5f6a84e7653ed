//! `zerok`: a 0k-Sync device on the command line.
//!
//! For people at a terminal, scripts and tests. It never implements a rule of the protocol: every command is a few calls of
//! [`zerok_tokio::SyncClient`] and their answers in words, in JSON and as an exit status. docs/cli.md is its reference.
//!
//! # Layout
//! - `args`: what can be typed. `place`: what the system supplies otherwise. `command`: what each command does. `doctor`: `doctor`.
//! - `device`: opening and closing. `dialer`: the transports. `queue`, `lines`: pushes in order. `names`: devices by name.
//! - `output`, `shape`: results as text and as JSON. `progress`, `qr`: for terminals. `exit`: failures and the exit status.
//! - `signals`: how `watch` and `invite` are ended.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod args;
mod command;
mod device;
mod dialer;
mod doctor;
mod exit;
mod lines;
mod names;
mod output;
mod place;
mod progress;
mod qr;
mod queue;
mod shape;
mod signals;

use std::process::ExitCode;

use clap::{Parser as _, error::ErrorKind};
use zerok_core::error::Code;

use crate::{
    args::{Args, Command},
    command::{group, init, invite, join, pull, push, relay, status, watch},
    device::Setting,
    exit::{Failure, Outcome, exit_code, sentence},
    output::Output,
};

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return usage(&error),
    };
    let mut output = Output::standard(args.json);
    let outcome = start(args, &mut output);
    if let Err(failure) = &outcome {
        output.fail(failure);
    }
    exit_code(&outcome)
}

fn start(args: Args, output: &mut Output) -> Outcome {
    let data = args.data.clone().or_else(place::data_dir);
    let Some(data) = data else {
        return Err(Failure::new(Code::InvalidArgs, "There is no home directory: use --data."));
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Code::StorageFailed, format!("{error}.")))?;
    let outcome = runtime.block_on(async {
        let setting = Setting {
            data,
            key_storage: args.key_storage.into(),
            patience: args.patience(),
            ways: dialer::ways(),
            afresh: false,
        };
        run(&setting, output, args.command).await
    });
    // A thread that waits for input or for a name server must not hold up the end.
    runtime.shutdown_background();
    outcome
}

async fn run(setting: &Setting, output: &mut Output, command: Command) -> Outcome {
    match command {
        Command::Init { relay, name, afresh } => {
            let setting = Setting { afresh, ..setting.clone() };
            init::run(&setting, output, relay.as_deref(), name).await
        }
        Command::Invite => invite::run(setting, output).await,
        Command::Join { invite, relay, name } => {
            join::run(setting, output, invite.as_deref(), relay.as_deref(), name).await
        }
        Command::Push { lines, file } => push::run(setting, output, lines, file.as_deref()).await,
        Command::Pull { all, after, own, offline } => {
            let wish = pull::Wish { after: if all { Some(0) } else { after }, own: own || all, offline };
            pull::run(setting, output, wish).await
        }
        Command::Watch { push_stdin } => watch::run(setting, output, push_stdin).await,
        Command::Status { offline } => status::status(setting, output, offline).await,
        Command::Devices => status::devices(setting, output).await,
        Command::Rename { name } => group::rename(setting, output, &name).await,
        Command::Leave { force } => group::leave(setting, output, force).await,
        Command::SetRelay { address } => relay::set_relay(setting, output, &address).await,
        Command::Sync => relay::sync(setting, output).await,
        Command::Doctor { relay, health, full, settle } => {
            let asked = doctor::Asked { relay, health, full, settle };
            doctor::run(setting, output, &asked).await
        }
    }
}

/// Help and version are what was asked for; anything else is a failure in our own words.
fn usage(error: &clap::Error) -> ExitCode {
    if let ErrorKind::DisplayHelp | ErrorKind::DisplayVersion = error.kind() {
        // Nobody to tell when standard output takes nothing.
        let _unheard = error.print();
        return ExitCode::SUCCESS;
    }
    let json = std::env::args_os().any(|argument| argument == "--json");
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    // The first paragraph says what is wrong; the usage that follows is a call of `--help` away.
    let first = text.split("\n\n").next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    let what = match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            "There is no command.".to_owned()
        }
        _ => sentence(&first),
    };
    let failure = Failure::new(Code::InvalidArgs, format!("{what} See `zerok --help`."));
    Output::standard(json).fail(&failure);
    exit_code(&Err(failure))
}
