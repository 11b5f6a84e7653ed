use proptest::prelude::*;

use super::*;
use crate::{
    ids::RecordHash,
    seal::{
        keys::DeviceKeys,
        padding::Padding,
        record::{Kind, Record, seal},
        tests::{Founded, draw, found},
    },
};

fn judge(founded: &Founded, run: &[Opened]) -> Vec<bool> {
    verify_run(run, &founded.keys.public().sign, &founded.group)
}

/// Says it is the founder's, but signed by somebody else.
fn forge(founded: &Founded, record: &Record) -> Opened {
    let thief = DeviceKeys::generate(&mut draw("thief"));
    let sealed = seal(record, &thief, &founded.group, &founded.epoch, Padding::Padme, &mut draw("forged"));
    founded.open(&sealed.blob)
}

#[test]
fn a_whole_run_is_authentic() {
    let mut founded = found("chain");
    let run = founded.run(5);
    assert_eq!(judge(&founded, &run), [true; 5]);
    assert_eq!(judge(&founded, &[]), [true; 0]);
    let by_reference: Vec<&Opened> = run.iter().collect();
    assert_eq!(verify_run(&by_reference, &founded.keys.public().sign, &founded.group), [true; 5]);
}

#[test]
fn a_record_with_a_broken_signature_counts_once_its_successor_names_it() {
    let mut founded = found("chain");
    let broken = forge(&founded, &founded.record(1, RecordHash([0; 16]), b"mine after all"));
    let next = founded.record(2, broken.hash, b"says so");
    let sealed = founded.seal(&next);
    let next = founded.open(&sealed.blob);
    assert!(!broken.verify(&founded.keys.public().sign, &founded.group));
    assert_eq!(judge(&founded, &[broken.clone(), next]), [true, true], "the sender vouches for it");
    assert_eq!(judge(&founded, &[broken]), [false]);
}

#[test]
fn a14_a_forged_record_takes_nobody_with_it() {
    let mut founded = found("chain");
    let mut run = founded.run(5);
    run[2] = forge(&founded, &founded.record(3, run[1].hash, b"forged"));
    assert_eq!(judge(&founded, &run), [true, true, false, true, true]);
}

#[test]
fn a_forged_end_does_not_spoil_the_run_before_it() {
    let mut founded = found("chain");
    let mut run = founded.run(3);
    run.push(forge(&founded, &founded.record(4, run[2].hash, b"forged")));
    assert_eq!(judge(&founded, &run), [true, true, true, false]);
}

#[test]
fn a_forged_record_vouches_for_nothing() {
    let founded = found("chain");
    let first = forge(&founded, &founded.record(1, RecordHash([0; 16]), b"forged"));
    let second = forge(&founded, &founded.record(2, first.hash, b"forged too"));
    assert_eq!(judge(&founded, &[first, second]), [false, false]);
}

#[test]
fn a7_a_missing_record_only_costs_one_more_signature() {
    let mut founded = found("chain");
    let mut run = founded.run(5);
    run.remove(2);
    assert_eq!(judge(&founded, &run), [true; 4]);
}

#[test]
fn a15_repeated_and_reordered_records_are_still_authentic() {
    let mut founded = found("chain");
    let mut run = founded.run(3);
    run.push(run[0].clone());
    run.push(run[0].clone());
    run.swap(0, 1);
    assert_eq!(judge(&founded, &run), [true; 5]);
}

#[test]
fn heads_vouch_for_the_data_record_they_name() {
    let mut founded = found("chain");
    let mut run = founded.run(2);
    let heads = Record { kind: Kind::Heads as u8, ..founded.record(2, run[1].hash, b"") };
    let sealed = founded.seal(&heads);
    run.push(founded.open(&sealed.blob));
    assert_eq!(judge(&founded, &run), [true; 3]);
}

#[test]
fn nothing_is_authentic_under_another_key_group_or_a_weak_key() {
    let mut founded = found("chain");
    let run = founded.run(3);
    let other = DeviceKeys::generate(&mut draw("other")).public().sign;
    assert_eq!(verify_run(&run, &other, &founded.group), [false; 3]);
    assert_eq!(verify_run(&run, &founded.keys.public().sign, &GroupId([1; 32])), [false; 3]);
    let mut weak = [0; 32];
    weak[0] = 1;
    assert_eq!(verify_run(&run, &weak, &founded.group), [false; 3]);
}

proptest! {
    /// Cutting a run into pages gives the same answers as judging each record by itself, when all are the sender's.
    #[test]
    fn pages_do_not_matter(cut in 0_usize..=6, drop in 0_usize..6) {
        let mut founded = found("pages");
        let mut run = founded.run(6);
        let forged = forge(&founded, &founded.record(9, RecordHash([4; 16]), b"forged"));
        run[drop] = forged;
        let whole = judge(&founded, &run);
        let (first, second) = run.split_at(cut);
        prop_assert_eq!(whole, [judge(&founded, first), judge(&founded, second)].concat());
    }
}
