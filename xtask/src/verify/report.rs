//! What came of the steps, as a table and one closing line.

use std::time::Duration;

use super::Mode;
use crate::shell::Failure;

/// What came of one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It holds. The note may be empty.
    Passed(String),
    /// It does not.
    Failed(Failure),
    /// It was not looked at.
    Skipped(Skip),
}

/// Why a step was not looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Skip {
    /// The person said so.
    Asked,
    /// An install would mend it, so a strict run does not accept it.
    ToolMissing(String),
    /// No install can mend it; a strict run accepts it. Each use is listed in CONTRIBUTING.md.
    NothingToBeDone(String),
}

/// One row.
pub(super) struct Line {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) outcome: Outcome,
    pub(super) took: Duration,
}

impl Outcome {
    /// Passed, with nothing to add.
    pub(super) const fn passed() -> Self {
        Self::Passed(String::new())
    }

    /// What a strict run makes of it.
    pub(super) fn judged(self, mode: Mode) -> Self {
        match (mode, self) {
            (Mode::Strict, Self::Skipped(Skip::ToolMissing(what))) => {
                Self::Failed(Failure::new(format!("{what} (a strict run does not skip this)")))
            }
            (_, outcome) => outcome,
        }
    }

    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Passed(_) => "passed ",
            Self::Failed(_) => "FAILED ",
            Self::Skipped(_) => "skipped",
        }
    }

    pub(super) fn why(&self) -> String {
        match self {
            Self::Passed(note) if note.is_empty() => String::new(),
            Self::Passed(note) => format!(": {note}"),
            Self::Failed(failure) => format!(": {failure}"),
            Self::Skipped(Skip::Asked) => ": left out on request".to_owned(),
            Self::Skipped(Skip::ToolMissing(what) | Skip::NothingToBeDone(what)) => format!(": {what}"),
        }
    }
}

/// Prints the table and the closing line. An error when a step failed, or when nothing was checked at all.
pub(super) fn print(lines: &[Line]) -> Result<(), Failure> {
    println!();
    for line in lines {
        // A failure may be many lines long; it was printed in full where it happened.
        let why = line.outcome.why();
        let why = why.lines().next().unwrap_or_default();
        println!("{} {:>7.1} s  {:<13}{}{why}", line.outcome.word(), line.took.as_secs_f64(), line.id, line.title);
    }
    let closing = closing(lines);
    println!("\n{closing}");
    let failed = lines.iter().filter(|line| matches!(line.outcome, Outcome::Failed(_))).count();
    let passed = lines.iter().filter(|line| matches!(line.outcome, Outcome::Passed(_))).count();
    match (passed, failed) {
        (_, 1..) => Err(Failure::new("verify found something wrong, see above")),
        (0, 0) => Err(Failure::new("verify checked nothing")),
        _ => Ok(()),
    }
}

/// `12 passed, 0 failed, 1 skipped`.
pub(super) fn closing(lines: &[Line]) -> String {
    let count = |wanted: fn(&Outcome) -> bool| lines.iter().filter(|line| wanted(&line.outcome)).count();
    format!(
        "{} passed, {} failed, {} skipped",
        count(|outcome| matches!(outcome, Outcome::Passed(_))),
        count(|outcome| matches!(outcome, Outcome::Failed(_))),
        count(|outcome| matches!(outcome, Outcome::Skipped(_))),
    )
}
