//! A1-A7, A11, A14, A17, A20, A23, A25: each attack on the log at every one of its places and over every way a blob can take to a device.
//!
//! The log is four records of the laptop, "1" to "4"; the phone has read everything before them. After each run: nothing but honest
//! text was delivered, the honest blobs are there, the event is the one expected, the link was not dialled over and over, and what the
//! phone has to say still goes out.

use std::time::Duration;

use bytes::Bytes;
use zerok_core::{
    channel::ChannelKind,
    client::{
        command::{ClientCommand, ClientEvent, Rejection},
        verdict::Verdict,
    },
    error::Code,
    ids::{Cursor, GroupId, Kid, Lane},
    seal::{
        padding::Padding,
        record::{self, Kind, Record},
    },
    wire::message::{Refusal, Request, ToDevice, ToRelay, WireCode},
};
use zerok_testkit::hostile::page;

use crate::messages::{Played, play};

/// How a blob comes to a device.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// In the second flight.
    FirstPage,
    /// In the answer to a pull.
    LaterPage,
    /// Unasked, as it was pushed.
    News,
}

const WAYS: [Way; 3] = [Way::FirstPage, Way::LaterPage, Way::News];
const TEXTS: [&str; 4] = ["1", "2", "3", "4"];
const PLACES: std::ops::Range<usize> = 0..4;

/// What a run must end with.
#[derive(Debug, PartialEq)]
struct End {
    texts: Vec<&'static str>,
    verdicts: Vec<Verdict>,
}

impl Played {
    /// Serves the log, as it is now, in this way.
    fn play_out(&mut self, way: Way) {
        let (after, head) = (Cursor(self.cursor), self.head());
        self.relay.accept();
        let all = self.log.clone();
        match way {
            Way::FirstPage => self.welcome(head, &page(after, head, &all)),
            Way::LaterPage => self.welcome(head, &page(after, head, &[])),
            Way::News => {
                self.welcome(self.cursor, &page(after, self.cursor, &[]));
                for index in 0..all.len() {
                    let news = self.news(index);
                    self.relay.say(&news);
                }
            }
        }
        self.serve();
        for _ in 0..4 {
            self.relay.run(Duration::from_secs(10));
            self.serve();
        }
    }

    /// What the application was left with; and that the phone can still be heard.
    fn end(&mut self, what: &str) -> End {
        assert_eq!(self.relay.dials, 2, "{what}: it dials over and over");
        assert_eq!(self.relay.closed, None, "{what}");
        let read = self.texts();
        let honest = TEXTS.into_iter().filter(|text| read.iter().any(|heard| heard == text));
        let texts: Vec<&'static str> = honest.collect();
        assert_eq!(read, texts, "{what}: something else was delivered, or out of order, or twice");
        self.relay.heard();
        self.relay.command(ClientCommand::Push { data: Bytes::from_static(b"own"), key: None, detached: true });
        let pushed = self.relay.heard().iter().any(|message| matches!(message, ToRelay::Push { .. }));
        assert!(pushed, "{what}: the phone is silent");
        End { texts, verdicts: self.relay.verdicts() }
    }

    /// The gap that a missing blob leaves, once a later one shows it. "hello" was number 1.
    fn gap(&self, place: usize) -> Option<Verdict> {
        let opened = self.insider.open(&self.honest[0].1).record;
        let seq = place as u64 + 2;
        let (sender, inc) = (opened.sender, opened.inc);
        let gap = Verdict::Gap { sender, inc, lane: Lane::Data, from: seq, to: seq, expired: false, by: None };
        (place < 3).then_some(gap)
    }

    /// Puts one more blob before this place; what follows moves up.
    fn insert(&mut self, place: usize, blob: Bytes) {
        self.log.insert(place, (Cursor(0), blob));
        self.number();
    }

    fn number(&mut self) {
        for (index, entry) in self.log.iter_mut().enumerate() {
            entry.0 = Cursor(self.cursor + 1 + index as u64);
        }
    }

    fn change(&mut self, place: usize, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = self.log[place].1.to_vec();
        change(&mut bytes);
        self.log[place].1 = bytes.into();
    }
}

fn but(place: usize) -> Vec<&'static str> {
    TEXTS.into_iter().enumerate().filter(|(index, _)| *index != place).map(|(_, text)| text).collect()
}

/// Runs one attack at every place, in every way.
fn sweep(name: &str, places: std::ops::Range<usize>, attack: impl Fn(&mut Played, usize) -> End) {
    for way in WAYS {
        for place in places.clone() {
            let what = format!("{name} at {place}, {way:?}");
            let mut played = play(ChannelKind::Plain);
            let expected = attack(&mut played, place);
            played.play_out(way);
            assert_eq!(played.end(&what), expected, "{what}");
        }
    }
}

/// What somebody on the way does to a blob.
type Spoiler = fn(&mut Vec<u8>);

/// Ways to spoil a blob so that it is not what its author sealed. The name of its key is another matter.
fn spoilers() -> Vec<(&'static str, Spoiler)> {
    vec![
        ("a flipped version", |blob| blob[0] ^= 1),
        ("a flipped nonce", |blob| blob[20] ^= 0x80),
        ("a flipped ciphertext", |blob| blob[60] ^= 4),
        ("a flipped tag", |blob| *blob.last_mut().expect("it has bytes") ^= 1),
    ]
}

#[test]
fn a1_a_flipped_bit_is_named_at_every_place_and_on_every_way() {
    for (name, spoil) in spoilers() {
        sweep(name, PLACES, |played, place| {
            played.change(place, spoil);
            let tampered = Verdict::Tampered { cursor: played.log[place].0 };
            let verdicts = [tampered].into_iter().chain(played.gap(place)).collect();
            End { texts: but(place), verdicts }
        });
    }
    sweep("a flipped key name", PLACES, |played, place| {
        played.change(place, |blob| blob[5] ^= 1);
        let kid = Kid(played.log[place].1[1..9].try_into().expect("eight bytes"));
        let verdicts = [Verdict::MissingEpoch { kid }].into_iter().chain(played.gap(place)).collect();
        End { texts: but(place), verdicts }
    });
}

#[test]
fn a2_a_blob_of_another_length_is_named_at_every_place_and_on_every_way() {
    for len in [0, 1, 48, 300, 700] {
        sweep(&format!("{len} bytes"), PLACES, |played, place| {
            played.change(place, |blob| blob.resize(len, 7));
            let tampered = Verdict::Tampered { cursor: played.log[place].0 };
            let verdicts = [tampered].into_iter().chain(played.gap(place)).collect();
            End { texts: but(place), verdicts }
        });
    }
}

#[test]
fn a3_a5_a6_moved_and_repeated_blobs_are_delivered_once_and_in_order_wherever_they_stand() {
    let all = || End { texts: TEXTS.to_vec(), verdicts: Vec::new() };
    sweep("two change places", PLACES, |played, place| {
        let other = (place + 1) % 4;
        let (mine, theirs) = (played.log[place].1.clone(), played.log[other].1.clone());
        (played.log[place].1, played.log[other].1) = (theirs, mine);
        all()
    });
    sweep("the log turned", PLACES, |played, place| {
        played.log.rotate_left(place);
        played.number();
        all()
    });
    sweep("the first comes again", 1..5, |played, place| {
        let again = played.log[0].1.clone();
        played.insert(place, again);
        all()
    });
    sweep("the last came before", 0..4, |played, place| {
        let early = played.log[3].1.clone();
        played.insert(place, early);
        all()
    });
}

#[test]
fn a7_a_dropped_blob_is_a_gap_of_its_exact_number_wherever_it_stood() {
    sweep("dropped", PLACES, |played, place| {
        played.log.remove(place);
        played.number();
        End { texts: but(place), verdicts: played.gap(place).into_iter().collect() }
    });
}

#[test]
fn a4_a14_a20_what_no_member_signed_for_this_place_is_named_wherever_it_stands() {
    sweep("forged by somebody with the group's key", 0..5, |played, place| {
        let last = played.insider.open(&played.honest[3].1);
        let forged = played.insider.after(&last, "forged");
        let forged = played.insider.seal_badly(&forged);
        played.insert(place, forged);
        End { texts: TEXTS.to_vec(), verdicts: vec![Verdict::Tampered { cursor: played.log[place].0 }] }
    });
    sweep("a true record under another kind", 0..5, |played, place| {
        let record = played.insider.open(&played.honest[1].1).record;
        let relabelled = played.insider.seal_badly(&Record { kind: Kind::Add as u8, ..record });
        played.insert(place, relabelled);
        End { texts: TEXTS.to_vec(), verdicts: vec![Verdict::Tampered { cursor: played.log[place].0 }] }
    });
    sweep("sealed for another group", 0..5, |played, place| {
        let foreign = foreign(played, 1);
        played.insert(place, foreign);
        End { texts: TEXTS.to_vec(), verdicts: vec![Verdict::Tampered { cursor: played.log[place].0 }] }
    });
}

/// A true record, sealed by its author for a group of another name.
fn foreign(played: &Played, place: usize) -> Bytes {
    let insider = &played.insider;
    let record = insider.open(&played.honest[place].1).record;
    let mut draw = zerok_core::rng::Seed::new([8; 32]).draw("foreign");
    record::seal(&record, &insider.keys, &GroupId([9; 32]), &insider.epoch, Padding::Padme, &mut draw).blob
}

#[test]
fn a11_a_second_record_for_a_place_names_its_author_wherever_it_comes_after_the_first() {
    for first in PLACES {
        sweep(&format!("a second record {first}"), first + 1..5, |played, place| {
            let twin = played.insider.open(&played.honest[first].1).record;
            let (device, inc, seq) = (twin.sender, twin.inc, twin.seq);
            let twin = Record { payload: Bytes::from_static(b"another"), ..twin };
            let twin = played.insider.seal(&twin);
            played.insert(place, twin);
            let verdicts = vec![Verdict::Equivocation { device, inc, lane: Lane::Data, seq }];
            End { texts: TEXTS.to_vec(), verdicts }
        });
    }
}

#[test]
fn a17_what_a_device_says_does_not_depend_on_which_check_a_blob_failed() {
    type Change = fn(&mut Played, usize);
    let changes: [(&str, Change); 6] = [
        ("version", |played, place| played.change(place, |blob| blob[0] ^= 1)),
        ("ciphertext", |played, place| played.change(place, |blob| blob[60] ^= 4)),
        ("tag", |played, place| played.change(place, |blob| *blob.last_mut().expect("it has bytes") ^= 1)),
        ("group", |played, place| played.log[place].1 = foreign(played, place)),
        ("signature", |played, place| {
            let record = played.insider.open(&played.log[place].1).record;
            // Another text, or its successor would vouch for it.
            let record = Record { payload: Bytes::from_static(b"?"), ..record };
            played.log[place].1 = played.insider.seal_badly(&record);
        }),
        ("length", |played, place| played.change(place, |blob| blob.truncate(200))),
    ];
    for place in PLACES {
        for way in WAYS {
            let said = changes.map(|(name, change)| {
                let mut played = play(ChannelKind::Plain);
                change(&mut played, place);
                let before = played.said.len();
                played.play_out(way);
                (name, played.said.split_off(before))
            });
            for (name, words) in &said[1..] {
                assert_eq!(*words, said[0].1, "{name} and {} at {place}, {way:?}", said[0].0);
            }
        }
    }
}

#[test]
fn a23_a25_a_refusal_of_any_code_between_any_two_messages_is_a_code_to_the_application_and_costs_only_time() {
    let requests = [Request::Link, Request::Push(Lane::Data), Request::Push(Lane::Control), Request::Pull];
    for code in WireCode::ALL {
        for request in requests {
            for place in 0..=4 {
                let mut played = play(ChannelKind::Plain);
                played.relay.accept();
                let (after, cursor) = (Cursor(played.cursor), played.cursor);
                played.welcome(cursor, &page(after, cursor, &[]));
                let own = ClientCommand::Push { data: Bytes::from_static(b"own"), key: None, detached: false };
                played.relay.command(own);
                for index in 0..=4 {
                    if index == place {
                        let refusal = Refusal { code: *code, request, retry_after: u32::MAX };
                        played.relay.say(&ToDevice::Error(refusal));
                    }
                    if index < 4 {
                        let news = played.news(index);
                        played.relay.say(&news);
                    }
                }
                let dials = played.relay.dials;
                played.relay.run(Duration::from_secs(30));
                let what = format!("{code:?} for {request:?} at {place}");
                assert!(played.relay.dials - dials <= 5, "{what}: it dials over and over");
                assert_eq!(played.relay.verdicts(), [], "{what}");
                let expected = Code::from(*code);
                let met = match request {
                    // The blob stays queued; the call that waited for the relay is told so, and the status says why.
                    Request::Push(Lane::Data) => {
                        let answer = played.relay.replies.pop();
                        assert!(
                            matches!(answer, Some(Err(Rejection { code: Code::Pending, .. }))),
                            "{what}: {answer:?}"
                        );
                        true
                    }
                    // Nothing of that lane is under way.
                    Request::Push(Lane::Control) => false,
                    _ => played.relay.events.contains(&ClientEvent::Disconnected { code: expected }),
                };
                assert_eq!(met, request != Request::Push(Lane::Control), "{what}: {:?}", played.relay.events);
                // Nothing is lost: an honest relay is asked for the rest, and gets what was refused.
                played.relay.run(Duration::from_secs(3600));
                played.finish();
            }
        }
    }
}
