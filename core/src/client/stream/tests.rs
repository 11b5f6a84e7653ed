//! Every judgement a chain can pass, and its bookkeeping at the edges of numbers.

use super::*;
use crate::client::claims::Word;

const TABLET: DeviceId = DeviceId([1; 8]);
const DESK: DeviceId = DeviceId([2; 8]);
const KEPT: Word = Word { differs: false, kept: true };
const SETTLED: Word = Word { differs: false, kept: false };

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
fn a9_a_record_that_differs_from_what_a_member_named_is_disputed_by_that_member() {
    let mut stream = held(3);
    assert_eq!(stream.named(TABLET, 4, short(hash(99)), Time(1)), KEPT);
    assert_eq!(stream.named(DESK, 4, short(hash(4)), Time(1)), Word { differs: true, ..KEPT });
    assert_eq!(judge(&stream, 4), Judgement::Next);
    assert_eq!(stream.disputed_by(4, hash(4)), [TABLET]);
    assert_eq!(stream.disputed_by(4, hash(99)), [DESK]);
    assert_eq!(stream.named(TABLET, 4, short(hash(98)), Time(1)), Word { differs: true, kept: false });
    assert_eq!(stream.named(TABLET, 3, short(hash(3)), Time(1)), SETTLED);
    assert_eq!(stream.named(TABLET, 3, short(hash(98)), Time(1)), Word { differs: true, kept: false });
}

/// What is waited for: number, author, since when.
fn untold(stream: &Stream) -> Vec<(u64, DeviceId, Time)> {
    stream.claims.untold().collect()
}

#[test]
fn what_a_member_holds_is_waited_for_since_it_was_first_named_and_until_it_is_here() {
    let mut stream = held(3);
    assert_eq!(untold(&stream), []);
    stream.named(TABLET, 5, short(hash(5)), Time(1));
    stream.named(TABLET, 7, short(hash(7)), Time(2));
    assert_eq!(stream.named(TABLET, 6, short(hash(6)), Time(3)), SETTLED);
    assert_eq!(untold(&stream), [(7, TABLET, Time(1))]);
    (4..=7).for_each(|seq| stream.accept(seq, hash(seq), Cursor(seq)));
    assert_eq!(untold(&stream), []);
    assert!(stream.claims.is_empty());
}

#[test]
fn a8_what_was_reported_missing_is_not_reported_again_and_may_still_come() {
    let mut stream = held(3);
    stream.named(TABLET, 5, short(hash(5)), Time(1));
    assert_eq!(stream.tell_claim(TABLET), Some((4, 5)));
    assert_eq!(untold(&stream), []);
    assert_eq!(judge(&stream, 4), Judgement::Next);
    stream.named(TABLET, 6, short(hash(6)), Time(9));
    assert_eq!(untold(&stream), [(6, TABLET, Time(9))]);
    assert_eq!(stream.tell_claim(TABLET), Some((6, 6)));
    assert_eq!(stream.skip_before(9), Some((7, 8)), "only what nobody was told of");
}

#[test]
fn two_members_with_the_same_word_are_one_report() {
    let mut stream = held(3);
    stream.named(TABLET, 5, short(hash(5)), Time(1));
    stream.named(DESK, 5, short(hash(5)), Time(2));
    assert_eq!(stream.tell_claim(TABLET), Some((4, 5)));
    assert_eq!(stream.tell_claim(DESK), None);
    stream.named(DESK, 7, short(hash(7)), Time(3));
    assert_eq!(stream.tell_claim(DESK), Some((6, 7)), "what the report before lacked");
}

#[test]
fn a8_a_member_that_names_the_end_of_numbers_hides_nothing_that_another_names() {
    let mut stream = held(3);
    stream.named(TABLET, u64::MAX, [1; 8], Time(1));
    assert_eq!(stream.tell_claim(TABLET), Some((4, u64::MAX)));
    assert_eq!(stream.named(DESK, 6, short(hash(6)), Time(2)), KEPT);
    assert_eq!(untold(&stream), [(6, DESK, Time(2))]);
    assert_eq!(stream.tell_claim(DESK), Some((4, 6)));
    assert_eq!(stream.skip_before(9), Some((7, 8)), "nor what the chain itself shows");
}

#[test]
fn the_clock_of_what_is_waited_for_starts_anew_with_the_process() {
    let mut stream = held(3);
    stream.named(TABLET, 5, short(hash(5)), Time(1));
    stream.named(DESK, 6, short(hash(6)), Time(1));
    stream.tell_claim(DESK);
    let mut stored: Stream = postcard::from_bytes(&postcard::to_allocvec(&stream).unwrap()).unwrap();
    assert_eq!(untold(&stored), []);
    stored.claims.resume(Time(7));
    assert_eq!(untold(&stored), [(5, TABLET, Time(7))], "what was told stays told");
}

#[test]
fn the_largest_numbers_overflow_nothing() {
    let mut stream = held(1);
    assert_eq!(stream.judge(u64::MAX, hash(0), hash(1)), Judgement::Ahead);
    stream.named(TABLET, u64::MAX, short(hash(5)), Time(1));
    assert_eq!(stream.tell_claim(TABLET), Some((2, u64::MAX)));
    assert_eq!(stream.tell_claim(TABLET), None);
    assert_eq!(stream.skip_before(u64::MAX), Some((2, u64::MAX - 1)), "the chain itself shows it now");
    assert_eq!(stream.last, u64::MAX - 1);
    stream.accept(u64::MAX, hash(9), Cursor(3));
    assert_eq!(stream.judge(u64::MAX, hash(0), hash(9)), Judgement::Known);
    assert_eq!((stream.missing_before(u64::MAX), untold(&stream)), (None, vec![]));
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

#[test]
fn own_records_that_are_taken_back_leave_the_chain_as_it_was() {
    for from in 1..=5 {
        let mut stream = held(5);
        stream.take_back(from, Some(hash(from - 1)).filter(|_| from > 1));
        assert_eq!(stream.known(from - 1), held(from - 1).known(from - 1));
        assert_eq!((stream.last, stream.known(from)), (from - 1, None));
        stream.accept(from, hash(99), Cursor(9));
        assert_eq!(stream.reach(), (from, Some(hash(99))));
    }
}
