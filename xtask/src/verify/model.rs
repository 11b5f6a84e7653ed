//! The model checker's search: every order of events within its scopes, and how many states that were.
//!
//! One test does the search, and the step that runs all other tests leaves it out: here its last line becomes the figure of the step.

use super::{Mode, cargo_steps, report::Outcome};
use crate::shell::{self, Failure};

/// The test in tests/tests/model.
pub(super) const SEARCH: &str = "search::load_no_order_of_events_breaks_a_rule";

pub(super) fn check(mode: Mode) -> Result<Outcome, Failure> {
    // The packages of the step `tests`, so that nothing is built with other features.
    let mut command = shell::cargo(["test"]);
    command.args(cargo_steps::without_window()).args(mode.locked());
    let printed = shell::capture(command.args(["--test", "model", "--", "--nocapture", "--exact", SEARCH]))?;
    print!("{printed}");
    figure(&printed)
        .map(|figure| Outcome::Passed(figure.to_owned()))
        .ok_or_else(|| Failure::new("the search was not run"))
}

/// What the search says of itself at its end.
fn figure(printed: &str) -> Option<&str> {
    printed.lines().rev().find_map(|line| line.strip_prefix("model: "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figure_is_the_last_word_of_the_search() {
        let printed = "running 1 test\nmodel scope calm: 7 unique states, depth 3\nmodel: 7 unique states in 1 scope\n\ntest x ... ok";
        assert_eq!(figure(printed), Some("7 unique states in 1 scope"));
        assert_eq!(figure("running 0 tests"), None);
    }

    #[test]
    fn the_search_is_where_it_is_looked_for() {
        let path = shell::root().join("tests/tests/model/search.rs");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        assert!(SEARCH.strip_prefix("search::").is_some_and(|name| text.contains(&format!("fn {name}()"))));
    }
}
