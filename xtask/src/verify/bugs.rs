//! `bugs`: seeded bugs of core/src/bugs.rs are switched on, one at a time, and some check must find each.
//!
//! Two layers look: storms, by seeds, and the model checker, by states. `verify` asks the model alone, for the bugs within its reach;
//! `cargo xtask sim --bugs` asks both for all of them. The feature `bugs` builds the core and the test kit once more, in the same target
//! folder.

use std::collections::BTreeMap;

use super::{Mode, report::Outcome};
use crate::{
    marked,
    shell::{self, Failure},
};

/// Seeds after which storms give a bug up.
const SEEDS: &str = "300";
/// What the model must catch at least; its own tests demand each bug by name.
const FEWEST: usize = 8;
/// Where the list of bugs stands.
const LIST: &str = "core/src/bugs.rs";

pub(super) fn check(_: Mode) -> Result<Outcome, Failure> {
    let caught = model()?.len();
    if caught < FEWEST {
        return Err(Failure::new(format!("the model caught {caught} seeded bugs, of {FEWEST} at least")));
    }
    Ok(Outcome::Passed(format!("{caught} bugs")))
}

/// Hunts all of them, prints a table, and writes it into docs/verification.md if so asked. Answers how many there are.
pub(crate) fn hunt(recorded: bool) -> Result<usize, Failure> {
    let listed = std::fs::read_to_string(shell::root().join(LIST)).map_err(|e| Failure::io(LIST, &e))?;
    let names = names(&listed);
    let table = Table { names, storms: storms()?, states: model()? };
    let text = table.text();
    println!("{text}");
    if recorded {
        marked::write("docs/verification.md", "bugs", &text)?;
    }
    match table.missed().as_slice() {
        [] => Ok(table.names.len()),
        missed => Err(Failure::new(format!("nothing catches {}", missed.join(", ")))),
    }
}

/// Bugs as they are listed: `Variant = "name", "What is done wrong.";`
fn names(source: &str) -> Vec<String> {
    let list = source.split_once("bugs! {").map_or("", |(_, list)| list);
    let rows = list.lines().take_while(|line| !line.starts_with('}'));
    rows.filter_map(|row| row.split_once(" = \"")?.1.split('"').next().map(str::to_owned)).collect()
}

/// By bug: how many seeds found it, of how many, and the first.
fn storms() -> Result<BTreeMap<String, [u64; 3]>, Failure> {
    let file = shell::root().join("target/sim-bugs");
    let mut command = shell::cargo(["run", "--package", "zerok-testkit", "--features", "bugs", "--bin", "sim", "--"]);
    shell::run(command.args(["--bugs", "--seeds", SEEDS, "--counts"]).arg(&file))?;
    let lines = std::fs::read_to_string(&file).map_err(|e| Failure::io(file.display(), &e))?;
    Ok(lines.lines().filter_map(seeds).collect())
}

fn seeds(line: &str) -> Option<(String, [u64; 3])> {
    let mut words = line.split(' ');
    let name = words.next()?.to_owned();
    let mut number = || words.next()?.parse().ok();
    Some((name, [number()?, number()?, number()?]))
}

/// By bug: after how many states the model found it.
fn model() -> Result<BTreeMap<String, u64>, Failure> {
    let mut command = shell::cargo(["test", "--package", "zerok-testkit", "--features", "bugs", "--test", "model"]);
    // A bug is switched on for a whole process, so one at a time.
    command.args(["--", "--nocapture", "--test-threads=1", "bugs::"]);
    println!("$ cargo test --package zerok-testkit --features bugs --test model -- bugs::");
    let told = shell::capture(&mut command)?;
    let lines = told.lines().filter_map(|line| Some(&line[line.find("model bug ")?..]));
    lines.clone().for_each(|line| println!("{line}"));
    Ok(lines.filter_map(states).collect())
}

/// `model bug NAME: after 123 states: …`, or that it was missed.
fn states(line: &str) -> Option<(String, u64)> {
    let (name, found) = line.strip_prefix("model bug ")?.split_once(": ")?;
    let number = found.split(' ').find_map(|word| word.replace(',', "").parse().ok());
    number.filter(|_| !found.contains("MISSED")).map(|states| (name.to_owned(), states))
}

struct Table {
    names: Vec<String>,
    storms: BTreeMap<String, [u64; 3]>,
    states: BTreeMap<String, u64>,
}

impl Table {
    fn missed(&self) -> Vec<String> {
        let found = |name: &&String| self.storms.contains_key(*name) || self.states.contains_key(*name);
        self.names.iter().filter(|name| !found(name)).cloned().collect()
    }

    fn text(&self) -> String {
        let head = "| bug | layer | caught |\n|---|---|---|".to_owned();
        self.names.iter().fold(head, |table, name| {
            let storm = self.storms.get(name);
            let storm = storm.map(|[caught, all, first]| format!("in {caught} of {all} seeds, first {first}"));
            let model = self.states.get(name).map(|states| format!("after {states} states"));
            let (layer, caught) = match (storm, model) {
                (Some(storm), Some(model)) => ("storms, model", format!("{storm}; {model}")),
                (Some(storm), None) => ("storms", storm),
                (None, Some(model)) => ("model", model),
                (None, None) => ("none", "never".to_owned()),
            };
            format!("{table}\n| `{name}` | {layer} | {caught} |")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_bugs_is_read_from_the_core() {
        let listed = std::fs::read_to_string(shell::root().join(LIST)).unwrap_or_default();
        let names = names(&listed);
        assert!(names.len() >= 24 && names.iter().any(|name| name == "reset-ignored"), "{names:?}");
    }

    #[test]
    fn what_no_layer_found_is_named() {
        let table = Table {
            names: ["a", "b", "c", "d"].map(str::to_owned).to_vec(),
            storms: ["a 3 24 7", "b 1 24 9", "nonsense"].into_iter().filter_map(seeds).collect(),
            states: [
                "model bug b: after 120 states: a rule",
                "model bug c: after 5 states",
                "model bug d: MISSED in 99 states",
            ]
            .into_iter()
            .filter_map(states)
            .collect(),
        };
        assert_eq!(table.missed(), ["d"]);
        let rows = [
            "| `a` | storms | in 3 of 24 seeds, first 7 |",
            "| `b` | storms, model | in 1 of 24 seeds, first 9; after 120 states |",
            "| `c` | model | after 5 states |",
            "| `d` | none | never |",
        ];
        rows.iter().for_each(|row| assert!(table.text().contains(row), "{row}"));
    }
}
