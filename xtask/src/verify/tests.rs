use std::time::Duration;

use super::*;

fn line(outcome: Outcome) -> Line {
    Line { id: "x", title: "a check", outcome, took: Duration::from_secs(1) }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn the_closing_line_counts_each_outcome() {
    let lines = [
        line(Outcome::passed()),
        line(Outcome::Passed("with a note".to_owned())),
        line(Outcome::Failed(Failure::new("no"))),
        line(Outcome::Skipped(Skip::Asked)),
    ];
    assert_eq!(report::closing(&lines), "2 passed, 1 failed, 1 skipped");
}

#[test]
fn a_run_with_a_failure_and_a_run_that_checked_nothing_both_fail() {
    assert!(report::print(&[line(Outcome::passed())]).is_ok());
    assert!(report::print(&[line(Outcome::passed()), line(Outcome::Failed(Failure::new("no")))]).is_err());
    assert!(report::print(&[line(Outcome::Skipped(Skip::Asked))]).is_err());
}

#[test]
fn only_a_strict_run_turns_a_missing_tool_into_a_failure() {
    let missing = Outcome::Skipped(Skip::ToolMissing("no such tool".to_owned()));
    assert_eq!(missing.clone().judged(Mode::Usual), missing);
    assert!(matches!(missing.judged(Mode::Strict), Outcome::Failed(_)));
    let hopeless = Outcome::Skipped(Skip::NothingToBeDone("no network".to_owned()));
    assert_eq!(hopeless.clone().judged(Mode::Strict), hopeless);
}

#[test]
fn steps_are_chosen_by_name_and_unknown_names_are_refused() {
    let choice = Choice::parse(&words("--only tests --only docs --skip docs")).unwrap();
    let taken: Vec<&str> = STEPS.iter().filter(|step| choice.takes(step)).map(|step| step.id).collect();
    assert_eq!(taken, ["tests"]);
    assert!(Choice::parse(&words("--only nonsense")).is_err());
    assert!(Choice::parse(&words("--only")).is_err());
    assert!(Choice::parse(&words("--fast")).is_err());
}

#[test]
fn each_step_has_a_name_of_its_own() {
    let mut ids: Vec<&str> = STEPS.iter().map(|step| step.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), STEPS.len());
}
