//! Where a command speaks: results on standard output, everything else on standard error.
//!
//! Invariants: a result is written and flushed before anything that follows from it, such as acknowledging a blob; each line is one
//! write. Into a pipe nothing is said that was not asked for. What other devices wrote cannot steer a terminal.

use std::{
    fmt::Display,
    io::{self, IsTerminal as _, Write},
};

use serde::Serialize;
use zerok_core::error::Code;

use crate::exit::{Failure, Outcome};

/// Standard output and standard error, or what stands for them.
pub(crate) struct Output {
    results: Box<dyn Write + Send>,
    notes: Box<dyn Write + Send>,
    json: bool,
    /// Whether a person reads the results, and the notes.
    seen: (bool, bool),
}

impl Output {
    /// The process's own.
    pub(crate) fn standard(json: bool) -> Self {
        let (results, notes) = (io::stdout(), io::stderr());
        let seen = (results.is_terminal(), notes.is_terminal());
        Self { results: Box::new(results), notes: Box::new(notes), json, seen }
    }

    #[cfg(test)]
    pub(crate) fn into(results: Box<dyn Write + Send>, json: bool, terminal: bool) -> Self {
        Self { results, notes: Box::new(io::sink()), json, seen: (terminal, terminal) }
    }

    /// Whether a person reads the results.
    pub(crate) fn is_seen(&self) -> bool {
        self.seen.0
    }

    /// Whether something that moves may be drawn on standard error.
    pub(crate) fn may_draw(&self) -> bool {
        self.seen.1 && !self.json
    }

    /// One object, when objects are wanted.
    pub(crate) fn object(&mut self, shape: &impl Serialize) -> Outcome<()> {
        if !self.json {
            return Ok(());
        }
        // Plain structs with string keys: there is nothing in them that JSON could not carry.
        let mut line = serde_json::to_vec(shape).unwrap_or_default();
        line.push(b'\n');
        self.write(&line)
    }

    /// One line for people, when objects are not wanted.
    pub(crate) fn line(&mut self, line: impl Display) -> Outcome<()> {
        if self.json { Ok(()) } else { self.write(format!("{line}\n").as_bytes()) }
    }

    /// A payload: as it is and a line's end into a pipe; with its sender and harmless on a terminal.
    pub(crate) fn payload(&mut self, sender: &str, data: &[u8]) -> Outcome<()> {
        if self.json {
            return Ok(());
        }
        if self.is_seen() {
            let text = std::str::from_utf8(data).map_or_else(|_| format!("({} bytes)", data.len()), harmless);
            return self.write(format!("{}: {}\n", harmless(sender), text.trim_end()).as_bytes());
        }
        let mut line = data.to_vec();
        if line.last() != Some(&b'\n') {
            line.push(b'\n');
        }
        self.write(&line)
    }

    /// Something a person at a terminal may like to know.
    pub(crate) fn note(&mut self, note: impl Display) {
        if self.may_draw() {
            // Nothing can be done about a standard error that takes nothing.
            let _unheard = self.notes.write_all(format!("{note}\n").as_bytes());
        }
    }

    /// Something that must be said wherever standard error goes.
    pub(crate) fn warn(&mut self, code: Code, sentence: impl Display) {
        let _unheard = self.notes.write_all(format!("warning[{}]: {sentence}\n", code.name()).as_bytes());
    }

    /// How a command failed.
    pub(crate) fn fail(&mut self, failure: &Failure) {
        if let Some(object) = failure.object() {
            let _unheard = self.notes.write_all(format!("{failure}\n").as_bytes());
            let _unheard = self.object(&object);
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Outcome<()> {
        let written = self.results.write_all(bytes).and_then(|()| self.results.flush());
        written.map_err(|error| Failure::of_output(&error))
    }
}

/// Without what steers a terminal: other devices' names and data are shown, never obeyed.
pub(crate) fn harmless(text: &str) -> String {
    let steers = |c: char| {
        c.is_control() && !matches!(c, '\n' | '\t') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if steers(c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
pub(crate) mod tests;
