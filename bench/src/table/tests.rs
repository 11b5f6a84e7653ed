use super::*;
use crate::{figure::Outcome, report::Machine, spread::Duel};

fn report() -> Report {
    let duel = Duel {
        ours: Spread::one(41_234.5),
        base: Spread::one(80_000.0),
        ratio: Spread { median: 0.515, min: 0.48, max: 0.53 },
    };
    let push = Row::duel("push", "1/s", "raw", duel, Goal::AtLeast(0.5)).cpu(0.0123).note("on one link");
    let lost = Row::alone("lost", "blobs", Spread::one(0.0), Goal::AtMost(0.0));
    let measured = |name: &str, rows: Vec<Row>, left_out: Option<&str>| Measured {
        name: name.to_owned(),
        outcome: Outcome::from(rows),
        left_out: left_out.map(str::to_owned),
        took: 1.0,
    };
    Report {
        commit: "abc".to_owned(),
        date: "2026-11-30".to_owned(),
        machine: Machine { cpu: "some".to_owned(), cores: 2, kernel: "Linux".to_owned() },
        rounds: 5,
        figures: vec![measured("push", vec![push, lost], None), measured("peers", vec![], Some("not asked for"))],
    }
}

#[test]
fn the_table_says_whether_each_goal_is_met_and_what_was_left_out() {
    let expected = "\
figure  ours                           floor or peer  ratio              goal   met
push    41,234 1/s, 0.012 ms CPU each  raw: 80,000    0.515 (0.480–0.530)  ≥ 0.500  yes";
    let text = text(&report());
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(words(&lines[..2].join(" ")), words(expected));
    assert!(text.contains("push: on one link"), "{text}");
    assert!(text.contains("peers: left out: not asked for"), "{text}");
}

#[test]
fn the_page_has_the_same_lines() {
    let page = markdown(&report());
    assert!(page.contains("| lost | 0 blobs |  |  | ≤ 0 | yes |\n"), "{page}");
    assert!(page.contains("\n- peers: left out: not asked for"), "{page}");
}

#[test]
fn numbers_have_three_digits_that_say_something() {
    let shown: Vec<String> = [0.0, 0.5, 1.17, 12.34, 123.4, 1234.5, 1_234_567.0].into_iter().map(number).collect();
    assert_eq!(shown, ["0", "0.500", "1.17", "12.3", "123", "1,234", "1,234,567"]);
}
