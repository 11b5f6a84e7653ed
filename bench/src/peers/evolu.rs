//! Evolu's relay: end-to-end encrypted CRDT messages over WebSockets, on SQLite, in Node.
//!
//! The load is its own library's, in bench/peers/evolu/load.mjs. A push there is one message of 1 KiB and its answer; a pull is Evolu's
//! set reconciliation into an empty SQLite database in memory, without decrypting. Evolu's rates fall as a log grows, because each
//! message goes into a skip list on disk; so does what a figure compares, at a stated backlog.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
};

use serde::{Deserialize, de::DeserializeOwned};

use super::{Peer, set_up};
use crate::{
    figure::{Figure, Goal, Outcome, Row, Series},
    load::{Args, Times},
    pull,
    relay_process::{RelayProcess, Settings, cpu_of},
    run::Run,
    spread::{Duel, median},
    trouble::Trouble,
};

/// The figures of this module.
pub const FIGURES: &[Figure] = &[
    Figure { name: "evolu-push", title: "durable push, window 64, against Evolu's relay", measure: push },
    Figure { name: "evolu-pull", title: "pull of 10,000 blobs of 1 KiB, against Evolu's relay", measure: pulled },
    Figure {
        name: "evolu-visible",
        title: "push → opened on the other device, against Evolu's relay",
        measure: visible,
    },
    Figure { name: "evolu-backlog", title: "Evolu's push rate against its backlog, for the chart", measure: backlog },
];

/// Pushes of a round: ours is over too soon with as few as Evolu's takes seconds for.
const OURS: usize = 10_000;
const EVOLUS: usize = 2_000;
const WINDOW: usize = 64;
/// Blobs pushed one at a time, each seen before the next.
const SEEN: usize = 200;
/// How far the chart follows.
const BACKLOG: usize = 20_000;

fn push(run: &Run) -> Result<Outcome, Trouble> {
    let evolu = Evolu::start(run)?;
    let relay = RelayProcess::start(run, &Settings::default())?;
    let mut cpu = Vec::new();
    let duel = Duel::fight(
        run.rounds,
        |_| Args::of("push", &relay).count(OURS).window(WINDOW).rate(run),
        |round| {
            let before = cpu_of(evolu.process.0.id())?;
            let took: Took = evolu.load("push", round, EVOLUS, Some(WINDOW))?;
            cpu.push((cpu_of(evolu.process.0.id())? - before).as_secs_f64() * 1e3 / EVOLUS as f64);
            Ok(EVOLUS as f64 / (took.took / 1e6))
        },
    )?;
    let row = Row::duel("durable push, window 64", "blobs/s", "Evolu", duel, Goal::AtLeast(60.0));
    Ok(row.note(format!("Evolu's relay took {:.2} ms CPU for each of {EVOLUS}", median(&cpu)?)).into())
}

fn pulled(run: &Run) -> Result<Outcome, Trouble> {
    let evolu = Evolu::start(run)?;
    let _filled: Took = evolu.load("batch", 0, pull::COUNT, Some(200))?;
    let relay = RelayProcess::start(run, &Settings::default())?;
    let duel = Duel::fight(
        run.rounds,
        |_| pull::rate(run, &relay),
        |_| {
            let took: Took = evolu.load("pull", 0, pull::COUNT, None)?;
            Ok(pull::COUNT as f64 / (took.took / 1e6))
        },
    )?;
    let row = Row::duel("pull of 10k × 1 KiB, opened and verified", "blobs/s", "Evolu", duel, Goal::AtLeast(10.0));
    Ok(row.note("Evolu's pull stores what it got in memory and decrypts nothing").into())
}

fn visible(run: &Run) -> Result<Outcome, Trouble> {
    let evolu = Evolu::start(run)?;
    let relay = RelayProcess::start(run, &Settings::default())?;
    let duel = Duel::fight(
        run.rounds,
        |_| {
            let times: Times = run.load(Args::of("visible", &relay).count(SEEN))?;
            Ok(median(&times.micros)? / 1e3)
        },
        |round| {
            let seen: Seen = evolu.load("visible", round, SEEN, None)?;
            Ok(median(&seen.times)? / 1e3)
        },
    )?;
    Ok(Row::duel("push → opened on the other device, p50", "ms", "Evolu", duel, Goal::Shown).into())
}

fn backlog(run: &Run) -> Result<Outcome, Trouble> {
    let evolu = Evolu::start(run)?;
    let took: Took = evolu.load("push", 0, BACKLOG, Some(WINDOW))?;
    let tenth = BACKLOG as f64 / 10.0;
    // A tenth's rate belongs to its middle.
    let points = took.tenths.iter().enumerate().map(|(n, micros)| ((n as f64 + 0.5) * tenth, tenth / (micros / 1e6)));
    Ok(Outcome { rows: Vec::new(), series: vec![Series { name: "Evolu".to_owned(), points: points.collect() }] })
}

/// What a push or a pull took.
#[derive(Debug, Deserialize)]
struct Took {
    /// Microseconds.
    took: f64,
    /// Of each tenth of the messages.
    #[serde(default)]
    tenths: Vec<f64>,
}

/// What each blob took to be seen, microseconds.
#[derive(Debug, Deserialize)]
struct Seen {
    times: Vec<f64>,
}

/// A relay on a new database.
struct Evolu {
    process: Peer,
    node: PathBuf,
    folder: PathBuf,
    port: String,
}

impl Evolu {
    fn start(run: &Run) -> Result<Self, Trouble> {
        let folder = set_up(run, "evolu", "ready")?;
        let own = folder.join("node");
        let node = if own.exists() { own } else { "node".into() };
        let mut command = Command::new(&node);
        command.arg(folder.join("relay.mjs")).current_dir(run.folder("evolu")?).stdout(Stdio::piped());
        let mut process = Peer::start(&mut command)?;
        let mut line = String::new();
        if let Some(out) = process.0.stdout.take() {
            BufReader::new(out).read_line(&mut line).map_err(Trouble::io("Evolu's relay"))?;
        }
        match line.trim().strip_prefix("listening ") {
            Some(port) => Ok(Self { process, node, folder, port: port.to_owned() }),
            None => Err(Trouble::Process("Evolu's relay does not listen".to_owned())),
        }
    }

    fn load<T: DeserializeOwned>(
        &self,
        mode: &str,
        owner: usize,
        count: usize,
        extra: Option<usize>,
    ) -> Result<T, Trouble> {
        let mut command = Command::new(&self.node);
        command.arg(self.folder.join("load.mjs")).args([mode, &self.port, &owner.to_string(), &count.to_string()]);
        command.args(extra.map(|extra| extra.to_string()));
        Run::hear(command, || Ok(()))
    }
}
