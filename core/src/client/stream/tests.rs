//! Every judgement a chain can pass, and its bookkeeping at the edges of numbers.

use super::*;

fn hash(n: u64) -> RecordHash {
    let mut out = [0; 16];
    out[..8].copy_from_slice(&n.to_le_bytes());
    out[15] = 1;
    RecordHash(out)
}

/// A chain that holds 1 to `last`.
fn held(last: u64) -> Stream {
    let mut stream = Stream::default();
    (1..=last).for_each(|seq| stream.accept(seq, hash(seq), Cursor(seq)));
    stream
}

fn judge(stream: &Stream, seq: u64) -> Judgement {
    stream.judge(seq, hash(seq.wrapping_sub(1)), hash(seq))
}

#[test]
fn without_a_baseline_each_number_has_one_judgement() {
    for last in 0..4 {
        let stream = held(last);
        for seq in 0..8 {
            let expected = match seq {
                0 => Judgement::Impossible,
                seq if seq <= last => Judgement::Known,
                seq if seq == last + 1 => Judgement::Next,
                _ => Judgement::Ahead,
            };
            assert_eq!(judge(&stream, seq), expected, "last {last}, seq {seq}");
        }
    }
}

#[test]
fn with_a_baseline_what_lies_at_or_below_it_is_never_ahead() {
    for base in 1..5 {
        for last in 0..base {
            let mut stream = held(last);
            stream.set_baseline(base, hash(base));
            for seq in 1..9 {
                let expected = match seq {
                    seq if seq <= last => Judgement::Known,
                    seq if seq <= base + 1 => Judgement::Next,
                    _ => Judgement::Ahead,
                };
                assert_eq!(judge(&stream, seq), expected, "base {base}, last {last}, seq {seq}");
                let missing = (seq > base + 1).then(|| (base + 1, seq - 1));
                assert_eq!(stream.missing_before(seq), missing, "base {base}, last {last}, seq {seq}");
            }
        }
    }
}

#[test]
fn a_baseline_below_what_is_held_says_nothing() {
    let mut stream = held(5);
    stream.set_baseline(3, hash(99));
    assert_eq!(stream, held(5));
}

#[test]
fn another_record_at_a_place_that_is_held_is_equivocation_within_the_window() {
    let stream = held(100);
    assert_eq!(stream.judge(100, hash(99), hash(7)), Judgement::Equivocation);
    assert_eq!(stream.judge(37, hash(36), hash(7)), Judgement::Equivocation);
    assert_eq!(stream.judge(36, hash(35), hash(7)), Judgement::Known, "beyond the window nothing is remembered");
    assert_eq!(stream.known(36), None);
    assert_eq!(stream.known(101), None);
}

#[test]
fn a_record_that_names_another_predecessor_is_next_and_a_fork_at_that_place() {
    assert_eq!(held(3).judge(4, hash(99), hash(4)), Judgement::NextOfFork(3));
    let mut stream = Stream::default();
    stream.set_baseline(5, hash(5));
    assert_eq!(stream.judge(6, hash(99), hash(6)), Judgement::NextOfFork(5));
    assert_eq!(stream.judge(5, hash(4), hash(99)), Judgement::NextOfFork(5));
    assert_eq!(stream.judge(4, hash(98), hash(99)), Judgement::Next, "nothing is known below a baseline");
    assert_eq!(Stream::default().judge(1, hash(99), hash(1)), Judgement::Next, "it names an earlier run");
}

#[test]
fn after_a_declared_gap_the_next_record_may_name_anything() {
    let mut stream = held(3);
    assert_eq!(stream.skip_before(7), Some((4, 6)));
    assert_eq!(stream.judge(7, hash(99), hash(7)), Judgement::Next);
    assert_eq!(stream.judge(5, hash(4), hash(5)), Judgement::Known);
    assert_eq!((stream.last, stream.head), (6, None));
    assert_eq!(stream.skip_before(7), None, "once");
}

#[test]
fn a9_a_record_that_differs_from_what_another_device_named_is_a_fork() {
    let mut stream = held(3);
    assert_eq!(stream.named(4, short(hash(99)), Time(1)), Naming::Beyond);
    assert_eq!(stream.judge(4, hash(3), hash(4)), Judgement::NextOfFork(4));
    assert_eq!(stream.judge(4, hash(3), hash(99)), Judgement::Next);
    assert_eq!(stream.named(4, short(hash(98)), Time(1)), Naming::Differs);
    assert_eq!(stream.named(3, short(hash(3)), Time(1)), Naming::Agrees);
    assert_eq!(stream.named(3, short(hash(98)), Time(1)), Naming::Differs);
}

#[test]
fn what_another_device_holds_is_wanted_since_it_was_first_named_and_until_it_is_here() {
    let mut stream = held(3);
    assert_eq!(stream.missing_wanted(), None);
    stream.named(5, short(hash(5)), Time(1));
    stream.named(7, short(hash(7)), Time(2));
    assert_eq!(stream.named(6, short(hash(6)), Time(3)), Naming::Agrees);
    assert_eq!((stream.missing_wanted(), stream.wanted_since), (Some((4, 7)), Some(Time(1))));
    (4..=7).for_each(|seq| stream.accept(seq, hash(seq), Cursor(seq)));
    assert_eq!((stream.missing_wanted(), stream.wanted_since), (None, None));
}

#[test]
fn a8_what_was_reported_missing_is_not_reported_again_and_may_still_come() {
    let mut stream = held(3);
    stream.named(5, short(hash(5)), Time(1));
    stream.tell_wanted();
    assert_eq!((stream.missing_wanted(), stream.wanted_since), (None, None));
    assert_eq!(judge(&stream, 4), Judgement::Next);
    stream.named(6, short(hash(6)), Time(9));
    assert_eq!((stream.missing_wanted(), stream.wanted_since), (Some((6, 6)), Some(Time(9))));
    assert_eq!(stream.skip_before(9), Some((6, 8)), "only what nobody was told of");
}

#[test]
fn the_clock_of_what_is_wanted_starts_anew_with_the_process() {
    let mut stream = held(3);
    stream.named(5, short(hash(5)), Time(1));
    let mut stored: Stream = postcard::from_bytes(&postcard::to_allocvec(&stream).unwrap()).unwrap();
    assert_eq!(stored.wanted_since, None);
    stored.resume(Time(7));
    assert_eq!(stored.wanted_since, Some(Time(7)));
    let mut quiet = held(3);
    quiet.resume(Time(7));
    assert_eq!(quiet.wanted_since, None);
}

#[test]
fn the_largest_numbers_overflow_nothing() {
    let mut stream = held(1);
    assert_eq!(stream.judge(u64::MAX, hash(0), hash(1)), Judgement::Ahead);
    stream.named(u64::MAX, short(hash(5)), Time(1));
    assert_eq!(stream.missing_wanted(), Some((2, u64::MAX)));
    stream.tell_wanted();
    assert_eq!(stream.missing_wanted(), None);
    assert_eq!(stream.skip_before(u64::MAX), None, "all of it was told");
    assert_eq!(stream.last, u64::MAX - 1);
    stream.accept(u64::MAX, hash(9), Cursor(3));
    assert_eq!(stream.judge(u64::MAX, hash(0), hash(9)), Judgement::Known);
    assert_eq!((stream.missing_before(u64::MAX), stream.missing_wanted()), (None, None));
    let mut based = Stream::default();
    based.set_baseline(u64::MAX, hash(1));
    assert_eq!(based.missing_before(u64::MAX), None);
    assert_eq!(based.judge(u64::MAX, hash(0), hash(1)), Judgement::Next);
}

#[test]
fn the_reach_is_the_baseline_until_own_records_pass_it() {
    let mut stream = held(2);
    stream.set_baseline(4, hash(4));
    assert_eq!(stream.reach(), (4, Some(hash(4))));
    stream.accept(5, hash(5), Cursor(9));
    assert_eq!(stream.reach(), (5, Some(hash(5))));
    assert_eq!(stream.known(4), None, "a hole ends the window");
}

#[test]
fn a_log_that_is_another_one_has_no_places() {
    let mut stream = held(2);
    assert_eq!(stream.at, Cursor(2));
    stream.forget_place();
    assert_eq!(stream.at, Cursor(0));
}
