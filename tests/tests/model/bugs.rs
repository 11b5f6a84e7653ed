//! The model can fail: with a seeded bug switched on, some path breaks a rule.

use stateright::{Checker, HasDiscoveries, Model};
use zerok_core::bugs::{Bug, seed};

use crate::{ARRIVED, CALM, RULES, Scope, universe::Budget};

/// What a search of this kind can see. The others need pairing, a relay or member that lies, a restored disk, a full one, or more time:
/// they are the simulator's and the hostile relay's.
const BUGS: [Bug; 8] = [
    Bug::VisibleBeforeDurable,
    Bug::AckBeforeCommit,
    Bug::CursorFromPushed,
    Bug::CursorOutsideInsert,
    Bug::SealAgain,
    Bug::PushedOutOfOrder,
    Bug::ForgetOnSend,
    Bug::SyncedTooSoon,
];

/// A bug that shows in no path of so many states does not show in this scope.
const ENOUGH: usize = 60_000;

/// From the cheapest to the dearest.
fn scopes() -> Vec<Scope> {
    let cut = Budget { cuts: 1, ticks: 1, ..CALM };
    vec![
        Scope::new(&["one", "two"], &[], CALM),
        Scope::new(&["one"], &["two"], CALM),
        Scope::new(&["one"], &[], Budget { device_crashes: 1, ..CALM }),
        Scope::new(&["one"], &[], cut),
        Scope::new(&["one"], &[], Budget { relay_crashes: 1, ticks: 1, ..CALM }),
        Scope::new(&["one", "two"], &[], cut),
        Scope::new(&["one"], &["two"], cut),
    ]
}

#[test]
#[allow(clippy::print_stdout, reason = "verify shows it")]
fn load_every_seeded_bug_breaks_a_rule() {
    let mut missed = Vec::new();
    for bug in BUGS {
        let scopes = scopes();
        seed(Some(bug));
        let mut states = 0;
        let caught = scopes.into_iter().find_map(|scope| {
            let checker =
                scope.checker().finish_when(HasDiscoveries::AnyFailures).target_state_count(ENOUGH).spawn_dfs();
            let checker = checker.join();
            states += checker.unique_state_count();
            let mut rules = RULES.into_iter().map(|(rule, _)| rule).chain([ARRIVED]);
            rules.find(|rule| checker.discovery(rule).is_some())
        });
        seed(None);
        match caught {
            Some(rule) => println!("model bug {}: after {states} states: {rule}", bug.name()),
            None => {
                println!("model bug {}: MISSED in {states} states", bug.name());
                missed.push(bug.name());
            }
        }
    }
    assert!(missed.is_empty(), "no rule broke with {missed:?}");
}
