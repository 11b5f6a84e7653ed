//! Runs storms by their seeds and prints what they went through. `cargo xtask sim` starts it.

#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool talks on its standard streams")]

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use zerok_core::channel::ChannelKind;
use zerok_testkit::storm::{
    count::Counts,
    many::run_many,
    plan::Plan,
    run_on,
    shrink::{alike, shrink},
};

/// Failing seeds after which no more are begun.
const MOST_FAILURES: usize = 40;

const HELP: &str = "\
Runs simulated storms: many devices and relays in virtual time, real cryptography, faults of every kind.

usage: sim [--seeds N] [--from S] [--every E] [--jobs J] [--trace] [--keep A,B,…] [--plain] [--brief] [--demand] [--counts FILE]
           [--bug NAME | --bugs]

  --seeds N     how many (200)
  --from S      the first seed (0)
  --every E     only each E-th from there on (1)
  --jobs J      threads (2)
  --trace       print the story of each run
  --keep A,B,…  only these acts of the plan, by number
  --plain       links without encryption: faster, and traces say what is said
  --brief       do not shorten a failing run
  --demand      fail, too, if a run, a kind of fault or a code was seen too seldom; for 2000 seeds and more
  --counts FILE write counts there, as lines of a name and a number
  --bug NAME    switch on a seeded bug, and count the seeds that find it
  --bugs        the same with every bug, each until it is found; a line NAME, found, of, first for each goes to the counts";

#[derive(Debug, Default)]
struct Choice {
    seeds: u64,
    from: u64,
    jobs: usize,
    every: u64,
    trace: bool,
    demand: bool,
    counts: Option<PathBuf>,
    brief: bool,
    plain: bool,
    keep: Option<Vec<usize>>,
    bug: Option<String>,
    bugs: bool,
}

impl Choice {
    fn kind(&self) -> ChannelKind {
        if self.plain { ChannelKind::Plain } else { ChannelKind::Noise }
    }
}

fn main() -> ExitCode {
    let Some(choice) = parse() else {
        eprintln!("{HELP}");
        return ExitCode::FAILURE;
    };
    // A broken promise is reported once, with its seed, and not by the thread that met it.
    std::panic::set_hook(Box::new(|_| {}));
    if choice.bugs || choice.bug.is_some() {
        return hunt(&choice);
    }
    if choice.trace || choice.keep.is_some() {
        return one(&choice);
    }
    many(&choice)
}

fn parse() -> Option<Choice> {
    let mut choice = Choice { seeds: 200, jobs: 2, every: 1, ..Choice::default() };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--seeds" => choice.seeds = arguments.next()?.parse().ok()?,
            "--from" => choice.from = arguments.next()?.parse().ok()?,
            "--every" => choice.every = arguments.next()?.parse().ok()?,
            "--jobs" => choice.jobs = arguments.next()?.parse().ok()?,
            "--trace" => choice.trace = true,
            "--plain" => choice.plain = true,
            "--brief" => choice.brief = true,
            "--demand" => choice.demand = true,
            "--bugs" => choice.bugs = true,
            "--bug" => choice.bug = Some(arguments.next()?),
            "--counts" => choice.counts = Some(arguments.next()?.into()),
            "--keep" => {
                let numbers: Result<Vec<usize>, _> = arguments.next()?.split(',').map(str::parse).collect();
                choice.keep = Some(numbers.ok()?);
            }
            _ => return None,
        }
    }
    Some(choice)
}

/// Tells the story of one run after the other.
fn one(choice: &Choice) -> ExitCode {
    let mut failed = false;
    for seed in choice.from..choice.from + choice.seeds {
        let plan = Plan::of(seed);
        let plan = choice.keep.as_ref().map_or(plan.clone(), |keep| plan.keep(keep));
        let outcome = run_on(&plan, choice.kind(), true);
        println!("{}", outcome.trace);
        match &outcome.failure {
            Some(failure) => println!("seed {seed} fails: {failure}"),
            None => println!("seed {seed} holds"),
        }
        failed |= outcome.failure.is_some();
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn many(choice: &Choice) -> ExitCode {
    let start = Instant::now();
    let every = usize::try_from(choice.every.max(1)).unwrap_or(usize::MAX);
    let seeds = (choice.from..choice.from + choice.seeds * choice.every.max(1)).step_by(every);
    let counts = Mutex::new(Counts::default());
    let failures = Mutex::new(Vec::new());
    run_many(seeds, choice.jobs, choice.kind(), |seed, outcome| {
        counts.lock().unwrap_or_else(PoisonError::into_inner).add(&outcome.counts);
        let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(failure) = outcome.failure {
            println!("seed {seed} fails: {failure}");
            failures.push(seed);
        }
        failures.len() < MOST_FAILURES
    });
    let counts = counts.into_inner().unwrap_or_default();
    tell(&counts, start.elapsed().as_secs_f64());
    if let Some(file) = &choice.counts
        && let Err(error) = std::fs::write(file, counts.lines())
    {
        eprintln!("{}: {error}", file.display());
        return ExitCode::FAILURE;
    }
    let mut failures = failures.into_inner().unwrap_or_default();
    failures.sort_unstable();
    if let Some(seed) = failures.first() {
        if !choice.brief {
            explain(*seed, choice.kind());
        }
        println!("{} of {} seeds failed: {failures:?}", failures.len(), counts.seeds);
        return ExitCode::FAILURE;
    }
    let wanting = if choice.demand { counts.wanting() } else { Vec::new() };
    wanting.iter().for_each(|what| println!("seen too seldom: {what}"));
    if wanting.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn tell(counts: &Counts, took: f64) {
    println!(
        "{} seeds, {:.1} days of virtual time, {} events, {} links, {} pushes, {} reads, {} faults (at least {} a seed), {took:.1} s",
        counts.seeds,
        counts.seconds as f64 / 86_400.0,
        counts.steps,
        counts.dials,
        counts.pushes,
        counts.reads,
        counts.total_faults(),
        counts.fewest,
    );
    let list = |items: Vec<(&str, u64)>| {
        items.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
    };
    println!("faults: {}", list(counts.faults().collect()));
    println!("codes: {}", list(counts.codes().collect()));
}

/// The shortest story of a failure, and how to see it again.
fn explain(seed: u64, kind: ChannelKind) {
    println!("\nshortening seed {seed} …");
    let (plan, outcome) = shrink(&Plan::of(seed), kind);
    let numbers: Vec<String> = plan.acts.iter().map(|act| act.number.to_string()).collect();
    let failure = outcome.failure.unwrap_or_default();
    // Where it fails in the same way without encryption, the story says what was said.
    let plain = run_on(&plan, ChannelKind::Plain, true);
    let same = plain.failure.as_deref().is_some_and(|other| alike(other, &failure));
    let told = if same { plain } else { run_on(&plan, kind, true) };
    println!("{}", told.trace);
    println!("\n{:?}", plan.shape);
    plan.acts.iter().for_each(|act| println!("{act}"));
    println!("seed {seed} fails: {failure}");
    let channel = if kind == ChannelKind::Plain { " --plain" } else { "" };
    println!("again: cargo xtask sim --seeds 1 --from {seed} --keep {} --trace{channel}", numbers.join(","));
}

/// Which seeds find the bugs that are asked for, and whether each was found.
#[cfg(feature = "bugs")]
fn hunt(choice: &Choice) -> ExitCode {
    use std::fmt::Write as _;
    use zerok_core::bugs::Bug;
    let named = |bug: &&Bug| choice.bug.as_deref().is_none_or(|name| name == bug.name());
    let bugs: Vec<Bug> = Bug::ALL.iter().filter(named).copied().collect();
    let mut lines = String::new();
    let mut missed = bugs.is_empty();
    for bug in bugs {
        let seeds = choice.from..choice.from + choice.seeds;
        let found = zerok_testkit::storm::many::hunt(bug, seeds, choice.jobs, choice.bug.is_some());
        let (name, all) = (bug.name(), found.seeds);
        match &found.first {
            Some((first, failure)) => {
                println!("storm bug {name}: {} of {all} seeds, first {first}: {failure:.160}", found.caught);
                let _infallible = writeln!(lines, "{name} {} {all} {first}", found.caught);
            }
            None => println!("storm bug {name}: MISSED in {all} seeds"),
        }
        missed |= found.first.is_none();
    }
    if let Some(file) = &choice.counts {
        if let Err(error) = std::fs::write(file, lines) {
            eprintln!("{}: {error}", file.display());
            return ExitCode::FAILURE;
        }
        // Whoever reads them judges.
        return ExitCode::SUCCESS;
    }
    if missed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

#[cfg(not(feature = "bugs"))]
fn hunt(_: &Choice) -> ExitCode {
    eprintln!("this build has no seeded bugs; build it with --features bugs");
    ExitCode::FAILURE
}
