//! What a figure is, and the list of all there are.
//!
//! A figure measures when it is asked to and answers rows of the table, each with its goal; whether the goal is met is computed, never
//! said. What it compares and why that is fair stands in the doc comment of its function.

use serde::{Deserialize, Serialize};

use crate::{
    allocations, backlog, idle, large, losses, machines, network, open, overhead,
    peers::{atuin, evolu},
    pull, push,
    run::Run,
    spread::{Duel, Spread},
    trouble::Trouble,
    visible,
};

/// One thing that can be measured by its name.
#[derive(Debug, Clone, Copy)]
pub struct Figure {
    /// What `--figure` calls it.
    pub name: &'static str,
    /// What is measured, for `--list`.
    pub title: &'static str,
    /// Measures it.
    pub measure: fn(&Run) -> Result<Outcome, Trouble>,
}

/// Every figure, in the order of the table.
pub fn all() -> Vec<Figure> {
    [
        push::FIGURES,
        pull::FIGURES,
        open::FIGURES,
        visible::FIGURES,
        backlog::FIGURES,
        overhead::FIGURES,
        machines::FIGURES,
        losses::FIGURES,
        allocations::FIGURES,
        network::FIGURES,
        idle::FIGURES,
        large::FIGURES,
        evolu::FIGURES,
        atuin::FIGURES,
    ]
    .concat()
}

/// What a figure found.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// Lines of the table.
    pub rows: Vec<Row>,
    /// Curves of the chart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub series: Vec<Series>,
}

impl From<Row> for Outcome {
    fn from(row: Row) -> Self {
        vec![row].into()
    }
}

impl From<Vec<Row>> for Outcome {
    fn from(rows: Vec<Row>) -> Self {
        Self { rows, series: Vec::new() }
    }
}

/// A rate against a backlog, as one system showed it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Whose.
    pub name: String,
    /// Blobs held before, and pushes per second then.
    pub points: Vec<(f64, f64)>,
}

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What was measured.
    pub title: String,
    /// Of what `ours` and `base` are.
    pub unit: String,
    /// Ours.
    pub ours: Spread,
    /// What it is held against, if anything.
    pub base: Option<Base>,
    /// Ours by base.
    pub ratio: Option<Spread>,
    /// What is demanded of the ratio, or of `ours` where there is no ratio.
    pub goal: Goal,
    /// Milliseconds of CPU that the relay's process took for each item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relay_cpu: Option<f64>,
    /// What a reader should know besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// The other side of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Base {
    /// What it is.
    pub name: String,
    /// What it did.
    pub value: Spread,
}

impl Row {
    /// Two sides that were measured in turns.
    pub fn duel(title: impl Into<String>, unit: &str, base: &str, duel: Duel, goal: Goal) -> Self {
        let base = Some(Base { name: base.to_owned(), value: duel.base });
        Self { base, ratio: Some(duel.ratio), ..Self::alone(title, unit, duel.ours, goal) }
    }

    /// A number that speaks for itself: a count, or bytes by bytes.
    pub fn alone(title: impl Into<String>, unit: &str, ours: Spread, goal: Goal) -> Self {
        let (title, unit) = (title.into(), unit.to_owned());
        Self { title, unit, ours, base: None, ratio: None, goal, relay_cpu: None, notes: Vec::new() }
    }

    /// The same with a remark.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// The same with what the relay's process took, milliseconds of CPU for each item.
    #[must_use]
    pub fn cpu(mut self, millis: f64) -> Self {
        self.relay_cpu = Some(millis);
        self
    }

    /// What the goal speaks of.
    pub fn judged(&self) -> Spread {
        self.ratio.unwrap_or(self.ours)
    }

    /// Whether the goal is met, where there is one.
    pub fn met(&self) -> Option<bool> {
        self.goal.met(self.judged().median)
    }
}

/// What is demanded.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Goal {
    /// Not less than this.
    AtLeast(f64),
    /// Not more than this.
    AtMost(f64),
    /// Nothing: shown for comparison.
    Shown,
}

impl Goal {
    /// Whether a number satisfies it, if it demands anything.
    pub fn met(self, number: f64) -> Option<bool> {
        match self {
            Self::AtLeast(least) => Some(number >= least),
            Self::AtMost(most) => Some(number <= most),
            Self::Shown => None,
        }
    }
}

#[cfg(test)]
mod tests;
