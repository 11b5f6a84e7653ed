//! No path breaks a rule: scopes are searched to their end, one larger than that in part, and the states are counted.

use stateright::{Checker as _, Model as _};

use crate::{ARRIVED, CALM, COMPLETE, RECOVERED, RULES, Scope, universe::Budget};

/// More steps than any scope has that is searched to its end.
const WHOLE: usize = 20_000_000;
/// Steps into one that is too large for that.
const PART: usize = 3_000_000;
/// What a search of less would not be worth its name.
const STATES: usize = 1_000_000;

#[test]
#[allow(clippy::print_stdout, reason = "verify repeats the last line")]
fn load_no_order_of_events_breaks_a_rule() {
    let relay_dies = Budget { relay_crashes: 1, ticks: 1, ..CALM };
    let link_breaks = Budget { cuts: 1, ticks: 1, ..CALM };
    let scopes: [(&str, &[&str], &[&str], Budget); 7] = [
        ("one writes twice", &["one", "two"], &[], CALM),
        ("both write", &["one"], &["two"], CALM),
        ("a device dies twice", &["one"], &[], Budget { device_crashes: 2, ..CALM }),
        ("two on their way while a device dies", &["one", "two"], &[], Budget { device_crashes: 1, ..CALM }),
        ("both write while a device dies", &["one"], &["two"], Budget { device_crashes: 1, ..CALM }),
        ("the relay dies", &["one"], &[], relay_dies),
        ("a link breaks", &["one"], &[], link_breaks),
    ];
    let count = scopes.len();
    let mut states = 0;
    for (name, laptop, phone, budget) in scopes {
        let (found, whole) = search(name, laptop, phone, budget, WHOLE);
        assert!(whole, "{name} was not searched to its end");
        states += found;
    }
    let (more, _) = search("both write while the relay dies", &["one"], &["two"], relay_dies, PART);
    states += more;
    assert!(states >= STATES, "{states} states are fewer than {STATES}");
    println!("model: {states} unique states, {count} scopes to their end and {more} states of a larger one");
}

/// So many steps of a scope: no rule is ever broken, and the good end is reached. Answers how many states there are, and whether these
/// are all.
#[allow(clippy::print_stdout, reason = "the figures are part of the report")]
fn search(name: &str, laptop: &[&'static str], phone: &[&'static str], budget: Budget, steps: usize) -> (usize, bool) {
    let scope = Scope::new(laptop, phone, budget);
    let checker = scope.checker().threads(2).target_state_count(steps).spawn_dfs().join();
    for (rule, _) in RULES {
        checker.assert_no_discovery(rule);
    }
    checker.assert_no_discovery(ARRIVED);
    checker.assert_any_discovery(COMPLETE);
    if budget.device_crashes + budget.relay_crashes > 0 {
        checker.assert_any_discovery(RECOVERED);
    }
    let states = checker.unique_state_count();
    println!("model scope {name}: {states} unique states, depth {}", checker.max_depth());
    (states, checker.state_count() < steps)
}
