//! What went into a machine and what came out of it, as a list: to be read, compared, and played again.
//!
//! A [`Recorder`] is a machine around a machine, so that any driver can drive it and notices nothing. What it writes is a [`Tape`]. A
//! tape keeps the machine as it was before the first input; [`Tape::replay`] tells a copy of it the same inputs at the same times, takes
//! outputs where they were taken, and gives the tape of that.
//!
//! Never judges: [`Tape::difference`] says where two runs part, and whoever wanted them alike says what that means.
//!
//! Limits: a tape keeps everything. A machine with a link on Noise cannot be copied, so that recording one begins before its first link.

use std::fmt::{self, Debug};

use zerok_core::{
    ids::Digest,
    machine::{Machine, Misuse},
    time::Time,
};

/// Characters of an input or output in print; what is longer is named by its digest.
const SHOWN: usize = 160;

/// One thing that passed between a driver and its machine.
#[derive(Debug, Clone)]
pub enum Entry<I, O> {
    /// The driver told it something.
    Told {
        /// When, as the driver had it.
        now: Time,
        /// What.
        input: I,
        /// What the machine said to that.
        answer: Result<(), Misuse>,
    },
    /// The driver took an output.
    Gave(O),
    /// The driver asked for one, and there was none.
    Drained,
}

/// A run of one machine.
pub struct Tape<M: Machine> {
    start: M,
    entries: Vec<Entry<M::Input, M::Output>>,
}

impl<M: Machine> Tape<M> {
    /// An empty tape of a machine as it is now.
    pub const fn new(start: M) -> Self {
        Self { start, entries: Vec::new() }
    }

    /// Notes an input.
    pub fn told(&mut self, now: Time, input: M::Input, answer: Result<(), Misuse>) {
        self.entries.push(Entry::Told { now, input, answer });
    }

    /// Notes what came of asking for an output.
    pub fn gave(&mut self, output: Option<M::Output>) {
        self.entries.push(output.map_or(Entry::Drained, Entry::Gave));
    }

    /// The machine before the first input.
    pub const fn start(&self) -> &M {
        &self.start
    }

    /// Everything, in order.
    pub fn entries(&self) -> &[Entry<M::Input, M::Output>] {
        &self.entries
    }

    /// What came out, in order.
    pub fn outputs(&self) -> impl Iterator<Item = &M::Output> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Gave(output) => Some(output),
            Entry::Told { .. } | Entry::Drained => None,
        })
    }
}

impl<M> Tape<M>
where
    M: Machine<Input: Clone, Output: Clone> + Clone,
{
    /// Plays it again on a machine that begins as the first one did.
    pub fn replay(&self) -> Self {
        let mut recorder = Recorder::new(self.start.clone());
        for entry in &self.entries {
            match entry {
                // A mistake of the driver was named the first time; on the new tape its answer stands again.
                Entry::Told { now, input, .. } => drop(recorder.handle(*now, input.clone())),
                Entry::Gave(_) | Entry::Drained => drop(recorder.poll()),
            }
        }
        recorder.into_tape()
    }
}

impl<M: Machine<Input: Debug, Output: Debug>> Tape<M> {
    /// Where another tape first says something else, in words.
    pub fn difference(&self, other: &Self) -> Option<String> {
        let places = self.entries.len().max(other.entries.len());
        (0..places).find_map(|place| {
            let line = |tape: &Self| tape.entries.get(place).map(|entry| format!("{entry:?}"));
            let (one, two) = (line(self), line(other));
            let end = || "the end".to_owned();
            (one != two)
                .then(|| format!("entry {place}: {}\n    against {}", one.unwrap_or_else(end), two.unwrap_or_else(end)))
        })
    }
}

/// `@0.020s < …` for an input and `@0.020s > …` for an output, one a line.
impl<M: Machine<Input: Debug, Output: Debug>> fmt::Display for Tape<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut time = Time(0);
        for entry in &self.entries {
            let (mark, what) = match entry {
                Entry::Told { now, input, answer } => {
                    time = time.max(*now);
                    let misuse = answer.err().map_or_else(String::new, |misuse| format!("  ({misuse})"));
                    ('<', short(&format!("{input:?}")) + &misuse)
                }
                Entry::Gave(output) => ('>', short(&format!("{output:?}"))),
                Entry::Drained => continue,
            };
            writeln!(f, "@{}.{:03}s {mark} {what}", time.0 / 1_000_000, time.0 / 1000 % 1000)?;
        }
        Ok(())
    }
}

/// A machine whose inputs and outputs are kept.
pub struct Recorder<M: Machine> {
    machine: M,
    tape: Tape<M>,
}

impl<M: Machine + Clone> Recorder<M> {
    /// Begins with a machine as it is.
    pub fn new(machine: M) -> Self {
        Self { tape: Tape::new(machine.clone()), machine }
    }

    /// The machine, to be asked what it is like.
    pub const fn machine(&self) -> &M {
        &self.machine
    }

    /// The tape so far.
    pub const fn tape(&self) -> &Tape<M> {
        &self.tape
    }

    /// The tape, at the end.
    pub fn into_tape(self) -> Tape<M> {
        self.tape
    }
}

impl<M> Machine for Recorder<M>
where
    M: Machine<Input: Clone, Output: Clone>,
{
    type Input = M::Input;
    type Output = M::Output;

    fn handle(&mut self, now: Time, input: M::Input) -> Result<(), Misuse> {
        let answer = self.machine.handle(now, input.clone());
        self.tape.told(now, input, answer);
        answer
    }

    fn poll(&mut self) -> Option<M::Output> {
        let output = self.machine.poll();
        self.tape.gave(output.clone());
        output
    }

    fn deadline(&self) -> Option<Time> {
        self.machine.deadline()
    }
}

fn short(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        None => text.to_owned(),
        Some((end, _)) => {
            let digest = Digest::of(text.as_bytes()).to_string();
            format!("{}… {} characters #{}", &text[..end], text.chars().count(), &digest[..4])
        }
    }
}

#[cfg(test)]
mod tests;
