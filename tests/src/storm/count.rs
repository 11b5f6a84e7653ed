//! What a run went through, in numbers: how long, how often each fault took effect, which codes applications met.
//!
//! Counts of many runs add up, and travel between processes as lines of a name and a number.

use std::{collections::BTreeMap, fmt::Write as _};

use zerok_core::error::Code;

use super::plan::Fault;

/// Codes that only shells around the core give.
const SHELLS_OWN: [Code; 2] = [Code::AlreadyConsuming, Code::NotAllowed];

/// Faults that each run must have met.
const FAULTS_A_RUN: u64 = 50;
/// How often all runs together must have met each kind of fault.
const TIMES_A_FAULT: u64 = 1000;

/// Numbers of one run or of many.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts {
    /// Runs.
    pub seeds: u64,
    /// Virtual time, seconds.
    pub seconds: u64,
    /// Events of the simulated world.
    pub steps: u64,
    /// Links that devices asked for.
    pub dials: u64,
    /// Pushes that were durable on their device.
    pub pushes: u64,
    /// Blobs that applications read.
    pub reads: u64,
    /// The fewest faults of any run.
    pub fewest: u64,
    faults: BTreeMap<&'static str, u64>,
    codes: BTreeMap<&'static str, u64>,
}

impl Counts {
    /// A fault took effect.
    pub fn fault(&mut self, fault: Fault) {
        *self.faults.entry(fault.name()).or_default() += 1;
    }

    /// An application met a code.
    pub fn code(&mut self, code: Code) {
        *self.codes.entry(code.name()).or_default() += 1;
    }

    /// Faults that took effect.
    pub fn total_faults(&self) -> u64 {
        self.faults.values().sum()
    }

    /// How often each kind of fault took effect.
    pub fn faults(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Fault::ALL.iter().map(|fault| (fault.name(), self.faults.get(fault.name()).copied().unwrap_or_default()))
    }

    /// How often each code of the core was met.
    pub fn codes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let own = Code::ALL.iter().filter(|code| !SHELLS_OWN.contains(code));
        own.map(|code| (code.name(), self.codes.get(code.name()).copied().unwrap_or_default()))
    }

    /// What was seen too seldom for the runs to prove much: a run with few faults, a kind of fault, a code.
    pub fn wanting(&self) -> Vec<String> {
        let run = (self.fewest < FAULTS_A_RUN).then(|| format!("faults in one run: {} of {FAULTS_A_RUN}", self.fewest));
        let seldom = self.faults().filter(|(_, count)| *count < TIMES_A_FAULT);
        let faults = seldom.map(|(name, count)| format!("{name}: {count} of {TIMES_A_FAULT}"));
        let codes = self.codes().filter(|(_, count)| *count == 0).map(|(name, _)| name.to_owned());
        run.into_iter().chain(faults).chain(codes).collect()
    }

    /// Adds the numbers of other runs.
    pub fn add(&mut self, other: &Self) {
        self.fewest = match (self.seeds, other.seeds) {
            (0, _) => other.fewest,
            (_, 0) => self.fewest,
            _ => self.fewest.min(other.fewest),
        };
        self.seeds += other.seeds;
        self.seconds += other.seconds;
        self.steps += other.steps;
        self.dials += other.dials;
        self.pushes += other.pushes;
        self.reads += other.reads;
        other.faults.iter().for_each(|(name, count)| *self.faults.entry(name).or_default() += count);
        other.codes.iter().for_each(|(name, count)| *self.codes.entry(name).or_default() += count);
    }

    /// As lines of a name and a number.
    pub fn lines(&self) -> String {
        let mut text = String::new();
        let numbers = [
            ("seeds", self.seeds),
            ("seconds", self.seconds),
            ("steps", self.steps),
            ("dials", self.dials),
            ("pushes", self.pushes),
            ("reads", self.reads),
            ("fewest", self.fewest),
        ];
        for (name, number) in numbers {
            let _infallible = writeln!(text, "{name} {number}");
        }
        for (name, count) in self.faults() {
            let _infallible = writeln!(text, "fault.{name} {count}");
        }
        for (name, count) in self.codes() {
            let _infallible = writeln!(text, "code.{name} {count}");
        }
        text
    }
}
