use std::collections::BTreeSet;

use super::*;

#[test]
fn every_figure_has_a_name_of_its_own_that_a_command_line_can_hold() {
    let names: BTreeSet<&str> = all().iter().map(|figure| figure.name).collect();
    assert_eq!(names.len(), all().len());
    assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')), "{names:?}");
}

#[test]
fn a_goal_speaks_of_the_ratio_where_there_is_one() {
    let duel = Duel { ours: Spread::one(10.0), base: Spread::one(20.0), ratio: Spread::one(0.5) };
    let row = Row::duel("push", "1/s", "floor", duel, Goal::AtLeast(0.5));
    assert_eq!(row.met(), Some(true));
    assert_eq!(Row { goal: Goal::AtMost(0.4), ..row.clone() }.met(), Some(false));
    assert_eq!(Row { goal: Goal::Shown, ..row }.met(), None);
    assert_eq!(Row::alone("lost", "blobs", Spread::one(0.0), Goal::AtMost(0.0)).met(), Some(true));
}
