use super::{Choice, figures::Figures};

fn parse(words: &[&str]) -> Result<Option<Choice>, crate::shell::Failure> {
    let known = ["frames".to_owned(), "rows".to_owned()];
    Choice::parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>(), &known)
}

#[test]
fn a_run_is_bounded_unless_more_is_asked_for() {
    let choice = parse(&[]).unwrap().unwrap();
    assert_eq!((choice.seconds, choice.targets, choice.keep), (60, vec![], false));
    assert_eq!(parse(&["--seconds", "600"]).unwrap().unwrap().seconds, 600);
    assert!(parse(&["--seconds", "0"]).is_err());
    assert!(parse(&["--seconds", "for ever"]).is_err());
    assert!(parse(&["--seconds"]).is_err());
}

#[test]
fn only_targets_that_exist_are_taken() {
    assert_eq!(parse(&["--target", "rows"]).unwrap().unwrap().targets, ["rows"]);
    assert!(parse(&["--target", "cows"]).unwrap_err().to_string().contains("frames, rows"));
    assert!(parse(&["--everything"]).is_err());
    assert_eq!(parse(&["--help"]).unwrap(), None);
}

#[test]
fn the_figures_are_those_of_the_last_line() {
    let printed = "\
INFO: Loaded 1 modules   (12345 inline 8-bit counters): 12345 [0x1, 0x2),
#2	INITED cov: 10 ft: 11 corp: 1/1b exec/s: 0 rss: 27Mb
#681	DONE   cov: 3825 ft: 14784 corp: 217/87Kb lim: 900 exec/s: 26 rss: 32Mb
stat::number_of_executed_units: 700
stat::average_exec_per_sec:     26";
    let expected = Figures { executions: 700, edges: 3825, all_edges: 12_345, features: 14_784, inputs: 217 };
    assert_eq!(Figures::read(printed), expected);
}

#[test]
fn a_run_that_ended_in_a_finding_has_figures_too() {
    let figures = Figures::read("#294\tNEW    cov: 6272 ft: 18415 corp: 198/27Kb lim: 900\nthread panicked at x.rs:1");
    assert_eq!((figures.executions, figures.edges), (294, 6272));
}

#[test]
fn every_target_of_this_repository_is_listed() {
    let targets = super::targets().unwrap();
    assert!(targets.contains(&"client_inputs".to_owned()), "{targets:?}");
    let folder = crate::shell::root().join("fuzz/corpus");
    for target in targets {
        assert!(folder.join(&target).is_dir(), "{target} has no committed corpus");
    }
}
