//! `sim`: storms of devices and relays in virtual time, run by their seeds, and what they went through.
//!
//! The work is done by the program `sim` of the test kit; here it is built and started. With `--record` the numbers of the run go
//! into the README and docs/verification.md, with the commit they belong to: nobody types them.

use std::collections::BTreeMap;

use crate::{
    marked,
    shell::{self, Failure},
    verify::bugs,
};

const HELP: &str = "\
Runs storms: devices and relays in virtual time, with real cryptography and faults of every kind, and checks what must hold.

usage: cargo xtask sim [--seeds N] [--from S] [--trace] [--keep A,B,…] [--plain] [--demand] [--record] [--bug NAME | --bugs]

  --seeds N     how many (200)
  --from S      the first seed (0)
  --trace       print the story of each run
  --keep A,B,…  only these acts of the plan, by number
  --plain       links without encryption: faster, and traces say what is said
  --demand      fail, too, if a run, a kind of fault or a code was seen too seldom; for 2000 seeds and more
  --record      write the numbers into README.md and docs/verification.md
  --bug NAME    switch on one of the mistakes of core/src/bugs.rs, and count the seeds that find it
  --bugs        hunt every one of them, here and in the model checker: each must be found

A seed that fails is shortened; the last line is the command that shows it again.";

/// `cargo xtask sim`.
pub(crate) fn main(arguments: &[String]) -> Result<(), Failure> {
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        println!("{HELP}");
        return Ok(());
    }
    check(arguments)?;
    let recorded = arguments.iter().any(|argument| argument == "--record");
    if arguments.iter().any(|argument| argument == "--bugs") {
        return bugs::hunt(recorded).map(|_| ());
    }
    let mut command = shell::cargo(["run", "--package", "zerok-testkit"]);
    if arguments.iter().any(|argument| argument == "--bug") {
        command.args(["--features", "bugs"]);
    }
    command.args(["--bin", "sim", "--"]);
    command.args(arguments.iter().filter(|argument| *argument != "--record"));
    if !recorded {
        return shell::run(&mut command);
    }
    let numbers = shell::root().join("target/sim-counts");
    shell::run(command.arg("--counts").arg(&numbers))?;
    let lines = std::fs::read_to_string(&numbers).map_err(|e| Failure::io(numbers.display(), &e))?;
    record(&Numbers::read(&lines))
}

fn check(arguments: &[String]) -> Result<(), Failure> {
    let mut rest = arguments.iter();
    while let Some(name) = rest.next() {
        let good = match name.as_str() {
            "--seeds" | "--from" => rest.next().is_some_and(|value| value.parse::<u64>().is_ok()),
            "--keep" => rest.next().is_some_and(|value| value.split(',').all(|act| act.parse::<usize>().is_ok())),
            "--bug" => rest.next().is_some_and(|value| !value.starts_with('-')),
            "--trace" | "--plain" | "--demand" | "--record" | "--bugs" => true,
            _ => return Err(Failure::new(format!("sim knows no `{name}`\n\n{HELP}"))),
        };
        if !good {
            return Err(Failure::new(format!("`{name}` wants another value\n\n{HELP}")));
        }
    }
    Ok(())
}

/// What a run came to, by name.
struct Numbers(BTreeMap<String, u64>);

impl Numbers {
    /// Reads lines of a name, which may have spaces, and a number.
    fn read(lines: &str) -> Self {
        let split = lines.lines().filter_map(|line| line.rsplit_once(' '));
        Self(split.filter_map(|(name, number)| Some((name.to_owned(), number.parse().ok()?))).collect())
    }

    fn of(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    fn below<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, u64)> {
        self.0.iter().filter_map(move |(name, number)| Some((name.strip_prefix(prefix)?, *number)))
    }

    fn sentence(&self) -> String {
        format!(
            "{} seeds, {} days of virtual time, {} pushes, {} faults of {} kinds, at least {} in each run: nothing lost, repeated, \
             reordered or wrongly accused.",
            grouped(self.of("seeds")),
            grouped(self.of("seconds") / 86_400),
            grouped(self.of("pushes")),
            grouped(self.below("fault.").map(|(_, count)| count).sum()),
            self.below("fault.").count(),
            self.of("fewest"),
        )
    }

    fn table(&self, of: &str, prefix: &str) -> String {
        let head = format!("| {of} | times |\n|---|---|");
        self.below(prefix).fold(head, |table, (name, count)| format!("{table}\n| {name} | {} |", grouped(count)))
    }
}

fn record(numbers: &Numbers) -> Result<(), Failure> {
    let commit = shell::capture(&mut shell::program("git", ["show", "--no-patch", "--format=%h of %cs", "HEAD"]))?;
    let sentence = format!("At commit {}: {}", commit.trim(), numbers.sentence());
    marked::write("README.md", "sim", &sentence)?;
    let tables = [numbers.table("fault", "fault."), numbers.table("code", "code.")];
    marked::write("docs/verification.md", "sim", &format!("{sentence}\n\n{}", tables.join("\n\n")))
}

/// 1234567 as 1,234,567.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_argument_is_refused_before_anything_is_built() {
        let checked = |arguments: &[&str]| {
            check(&arguments.iter().map(|&argument| argument.to_owned()).collect::<Vec<_>>()).is_ok()
        };
        assert!(
            checked(&[])
                && checked(&["--seeds", "5", "--from", "7", "--trace", "--keep", "1,2", "--plain", "--bug", "x"])
        );
        for wrong in
            [&["--seeds"][..], &["--seeds", "many"], &["--keep", "1;2"], &["--fast"], &["--from", "-1"], &["--bug"]]
        {
            assert!(!checked(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn numbers_become_a_sentence_and_tables() {
        let numbers =
            Numbers::read("seeds 2000\nseconds 172800\npushes 1234567\nfewest 51\nfault.black hole 9\nfault.reset 1");
        assert!(
            numbers.sentence().starts_with(
                "2,000 seeds, 2 days of virtual time, 1,234,567 pushes, 10 faults of 2 kinds, at least 51"
            )
        );
        assert_eq!(numbers.table("fault", "fault."), "| fault | times |\n|---|---|\n| black hole | 9 |\n| reset | 1 |");
    }
}
