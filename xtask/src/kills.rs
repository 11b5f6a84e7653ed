//! `kills`: a device and a relay, killed with -9 again and again on real SQLite, and what they kept of their word.
//!
//! The work is done by the example `kills` of the testkit; here it is built, with the relay beside it, and started.

use std::time::Instant;

use crate::shell::{self, Failure};

const HELP: &str = "\
Kills a device and a relay with -9, N times each, under load, and checks what they had acknowledged.

usage: cargo xtask kills [--count N] [--only device|relay] [--seed S]

  --count N   kills of each (2000)
  --only X    one of the two alone
  --seed S    of the moments; the machine's own timing is never the same twice";

/// `cargo xtask kills`.
pub(crate) fn main(arguments: &[String]) -> Result<(), Failure> {
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        println!("{HELP}");
        return Ok(());
    }
    check(arguments)?;
    let began = Instant::now();
    shell::run(&mut shell::cargo(["build", "--package", "zerok-relay", "--bin", "zerok-relay"]))?;
    let mut command = shell::cargo(["run", "--package", "zerok-testkit", "--example", "kills", "--"]);
    if !arguments.iter().any(|argument| argument == "--count") {
        command.args(["--count", "2000"]);
    }
    shell::run(command.args(arguments))?;
    println!("{:.0} s", began.elapsed().as_secs_f64());
    Ok(())
}

fn check(arguments: &[String]) -> Result<(), Failure> {
    let mut rest = arguments.iter();
    while let Some(name) = rest.next() {
        let value = rest.next().map(String::as_str);
        let good = match name.as_str() {
            "--count" | "--seed" => value.is_some_and(|value| value.parse::<u32>().is_ok()),
            "--only" => matches!(value, Some("device" | "relay")),
            _ => return Err(Failure::new(format!("kills knows no `{name}`\n\n{HELP}"))),
        };
        if !good {
            return Err(Failure::new(format!("`{name}` wants another value\n\n{HELP}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(arguments: &[&str]) -> bool {
        check(&arguments.iter().map(|&argument| argument.to_owned()).collect::<Vec<_>>()).is_ok()
    }

    #[test]
    fn a_wrong_argument_is_refused_before_anything_is_built() {
        assert!(checked(&[]) && checked(&["--count", "5", "--only", "relay", "--seed", "2"]));
        for wrong in [&["--count"][..], &["--count", "many"], &["--only", "phone"], &["--fast"], &["--seed", "-1"]] {
            assert!(!checked(wrong), "{wrong:?}");
        }
    }
}
