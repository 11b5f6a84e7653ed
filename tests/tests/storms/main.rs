//! Storms that once failed, each with the defect it found; and that a storm is the same every time.
//!
//! The storms themselves are run by `cargo xtask sim`.

use zerok_core::{channel::ChannelKind, error::Code};
use zerok_testkit::storm::{
    count::Counts,
    plan::{Act, Fault, Plan, Shape, What},
    run, run_on,
};

mod found;

#[test]
fn h1_a_storm_is_the_same_every_time() {
    for kind in [ChannelKind::Noise, ChannelKind::Plain] {
        for seed in 0..4 {
            let (one, other) = (run_on(&Plan::of(seed), kind, true), run_on(&Plan::of(seed), kind, true));
            assert_eq!(one.counts, other.counts, "seed {seed}");
            assert!(one.trace == other.trace && !one.trace.is_empty(), "seed {seed}");
        }
    }
}

#[test]
fn runs_that_saw_too_little_are_told_what_they_lack() {
    let mut counts = one_run(50);
    Code::ALL.iter().for_each(|code| counts.code(*code));
    for _ in 0..1_000 {
        Fault::ALL.iter().for_each(|fault| counts.fault(*fault));
    }
    assert_eq!(counts.wanting(), Vec::<String>::new());
    let mut few = counts.clone();
    few.fewest = 49;
    assert_eq!(few.wanting(), ["faults in one run: 49 of 50"]);
    let mut nothing = one_run(50);
    nothing.fault(Fault::Wiped);
    let wanting = nothing.wanting();
    assert!(wanting.contains(&"relay wiped: 1 of 1000".to_owned()), "{wanting:?}");
    assert!(wanting.contains(&Code::Gap.name().to_owned()), "{wanting:?}");
    assert!(!wanting.contains(&Code::NotAllowed.name().to_owned()), "a shell gives it");
    let mut both = counts.clone();
    both.add(&few);
    assert_eq!((both.seeds, both.fewest), (2, 49));
}

fn one_run(faults: u64) -> Counts {
    let mut counts = Counts::default();
    (counts.seeds, counts.fewest) = (1, faults);
    counts
}

#[test]
fn faults_that_did_harm_are_counted() {
    let calm =
        Shape { members: 2, spares: 1, machines: 1, tight: false, disasters: false, copies: false, lossy: false };
    let faults = |acts: &[(u32, What, u32, u32)]| run(&plan(calm, acts), false).counts.fewest;
    let kill = What::Break(Fault::Kill);
    assert_eq!(faults(&[(0, kill, 0, 0)]), 1);
    assert_eq!(faults(&[(0, What::Break(Fault::DiskFull), 0, 0), (50, kill, 1, 0)]), 2);
}

fn plan(shape: Shape, acts: &[(u32, What, u32, u32)]) -> Plan {
    let act = |(number, &(wait, what, who, much))| Act { number, wait, what, who, much };
    Plan { seed: 0, shape, acts: acts.iter().enumerate().map(act).collect() }
}
