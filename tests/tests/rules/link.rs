//! What a device says to a relay and believes of it.

use bytes::Bytes;
use zerok_core::{
    client::{
        command::{ClientEvent, Lifecycle},
        io::ClientInput,
    },
    error::{CloseReason, Code, Misbehaviour, Wait},
    ids::{Cursor, Digest, Tag},
    seal::record::Kind,
    time::Duration,
    wire::message::{News, Refusal, Request, ToDevice, ToRelay, Welcome, WireCode},
};

use crate::hand::{Hand, page, pushed, welcome};

fn misbehaved(hand: &Hand) -> Option<Misbehaviour> {
    match hand.closed.last() {
        Some(CloseReason::PeerMisbehaved(how)) => Some(*how),
        _ => None,
    }
}

#[test]
fn l8_a_device_that_is_refused_waits_for_the_reason_and_says_it() {
    let mut hand = Hand::founder();
    hand.open();
    hand.refuse_hello();
    assert_eq!(hand.heard(), [], "nothing is said to a relay that did not welcome");
    hand.say(&ToDevice::Error(Refusal { code: WireCode::NotMember, request: Request::Link, retry_after: 0 }));
    let last = hand.events.iter().rev().find_map(|event| match event {
        ClientEvent::Status(status) => Some(status.last_error),
        _ => None,
    });
    assert_eq!(last, Some(Some(Code::NotMember)));
}

#[test]
fn l12_a_device_with_nothing_to_say_still_proves_itself_live() {
    let mut hand = Hand::connected();
    hand.break_link();
    hand.run(Duration::from_secs(10));
    hand.open();
    hand.welcome(&welcome(1), &page(0, &[], 1));
    assert!(!hand.heard().is_empty(), "it pulls");

    let mut hand = Hand::connected();
    hand.say(&ToDevice::News(News { prev: Cursor(0), cursor: Cursor(1), digest: own_digest(&hand), blob: None }));
    hand.heard();
    hand.break_link();
    hand.run(Duration::from_secs(10));
    let (_, pull) = hand.open();
    assert_eq!(pull.after, Cursor(1));
    let own = Some((Cursor(1), own_digest(&hand)));
    hand.welcome(&Welcome { own, ..welcome(1) }, &page(1, &[], 1));
    assert_eq!(hand.heard(), [ToRelay::Ack { cursor: Cursor(1) }], "nothing to push or pull, so it acknowledges");
}

/// Of the genesis, which was acknowledged last.
fn own_digest(hand: &Hand) -> Digest {
    let roster = hand.store.image().roster;
    Digest::of(&roster.first().expect("a genesis").blob)
}

#[test]
fn l20_a_silent_relay_is_asked_and_then_given_up() {
    let mut hand = Hand::connected();
    // Whatever it still owes an answer to is asked about first.
    hand.run(Duration::from_secs(300));
    assert!(hand.closed.contains(&CloseReason::Timeout(Wait::Answer)), "{:?}", hand.closed);

    let mut hand = Hand::connected();
    hand.say(&ToDevice::News(News { prev: Cursor(0), cursor: Cursor(1), digest: own_digest(&hand), blob: None }));
    hand.heard();
    hand.run(Duration::from_secs(239));
    assert_eq!(hand.heard(), []);
    hand.run(Duration::from_secs(2));
    assert_eq!(hand.heard(), [ToRelay::Ping]);
    hand.say(&ToDevice::Pong);
    hand.run(Duration::from_secs(239));
    assert!(hand.is_linked());
}

#[test]
fn l21_a_device_waits_longer_after_each_failure_and_not_after_a_resume() {
    let mut hand = Hand::founder();
    // What was under way when the application started counts for nothing.
    hand.refuse_dial();
    for base in [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000] {
        let (failed, dialled) = (hand.now, hand.dials.len());
        hand.refuse_dial();
        while hand.dials.len() == dialled {
            hand.run(Duration::from_millis(100));
        }
        let waited = hand.now.since(failed).as_millis();
        assert!((base..=base + 5100).contains(&waited), "{waited} ms after a base of {base}");
    }
    hand.refuse_dial();
    let before = hand.dials.len();
    hand.tell(ClientInput::Lifecycle(Lifecycle::Resumed { slept: Duration::from_secs(3600) }));
    assert_eq!(hand.dials.len(), before + 1, "a resume dials at once");
}

#[test]
fn m7_pages_that_make_no_sense_end_the_link() {
    let blob = Bytes::from_static(b"anything");
    let good = page(0, &[(1, blob.clone()), (2, blob.clone())], 2);
    let mut falling = good.clone();
    falling.entries[1].0 = Cursor(1);
    let mut before = good.clone();
    before.entries[0].0 = Cursor(0);
    let mut beyond = good.clone();
    beyond.head = Cursor(1);
    let mut floor = good.clone();
    floor.floor = Cursor(3);
    for (what, bad) in [("falling", falling), ("before", before), ("beyond the head", beyond), ("floor", floor)] {
        let mut hand = Hand::founder();
        hand.open();
        hand.welcome(&welcome(2), &bad);
        assert_eq!(misbehaved(&hand), Some(Misbehaviour::Cursors), "{what}");
    }
    // Only the first page may be empty although there is more.
    let mut hand = Hand::founder();
    hand.open();
    hand.welcome(&welcome(2), &page(0, &[], 2));
    assert_eq!(misbehaved(&hand), None);
    assert!(hand.heard().iter().any(|message| matches!(message, ToRelay::Pull(_))), "it pulls on");
    hand.say(&ToDevice::Page(page(0, &[], 2)));
    assert_eq!(misbehaved(&hand), Some(Misbehaviour::Cursors));
}

#[test]
fn m8_a_page_that_does_not_follow_moves_nothing() {
    let mut hand = Hand::connected();
    let stranger = Bytes::from_static(b"stranger");
    let news = News { prev: Cursor(5), cursor: Cursor(6), digest: Digest::of(&stranger), blob: Some(stranger) };
    hand.say(&ToDevice::News(news));
    let heard = hand.heard();
    assert!(!heard.iter().any(|message| matches!(message, ToRelay::Ack { .. })), "{heard:?}");
    let pull = heard.iter().find_map(|message| if let ToRelay::Pull(pull) = message { Some(*pull) } else { None });
    assert_eq!(pull.expect("it pulls instead").after, Cursor(0), "Pushed did not move the cursor either");
}

#[test]
fn m10_news_whose_blob_has_another_digest_ends_the_link() {
    let mut hand = Hand::connected();
    let news = News {
        prev: Cursor(0),
        cursor: Cursor(1),
        digest: Digest([1; 16]),
        blob: Some(Bytes::from_static(b"another")),
    };
    hand.say(&ToDevice::News(news));
    assert_eq!(misbehaved(&hand), Some(Misbehaviour::BadMessage));
}

#[test]
fn m16_a_page_nobody_asked_for_ends_the_link() {
    let mut hand = Hand::connected();
    hand.say(&ToDevice::Page(page(0, &[], 0)));
    assert_eq!(misbehaved(&hand), Some(Misbehaviour::OutOfState));
}

#[test]
fn m17_a_relay_that_takes_less_than_the_largest_blob_is_refused() {
    let mut hand = Hand::founder();
    hand.open();
    let mut small = welcome(0);
    small.max_blob -= 1;
    hand.welcome(&small, &page(0, &[], 0));
    assert_eq!(misbehaved(&hand), Some(Misbehaviour::Cursors));
}

#[test]
fn r6_records_count_from_one_and_name_the_one_before() {
    let mut hand = Hand::founder();
    let (hello, _) = hand.open();
    hand.welcome(&welcome(0), &page(0, &[], 0));
    for text in ["milk", "bread", "tea"] {
        hand.push(text);
    }
    let records: Vec<_> = pushed(&hand.heard()).iter().map(|blob| hand.opened(&hello.group, blob)).collect();
    let (genesis, data) = records.split_first().expect("a genesis and three pushes");
    assert_eq!((genesis.record.seq, genesis.record.prev.0), (1, [0; 16]));
    assert_eq!(
        data.iter().map(|opened| opened.record.seq).collect::<Vec<_>>(),
        [1, 2, 3],
        "each lane has its own chain"
    );
    assert_eq!(data[0].record.prev.0, [0; 16]);
    assert_eq!([data[1].record.prev, data[2].record.prev], [data[0].hash, data[1].hash]);
}

#[test]
fn r11_the_same_bytes_go_out_again_after_a_lost_link() {
    let mut hand = Hand::connected();
    hand.push("milk");
    let first = pushed(&hand.heard());
    assert_eq!(first.len(), 1);
    hand.break_link();
    hand.run(Duration::from_secs(10));
    hand.open();
    hand.welcome(&welcome(0), &page(0, &[], 0));
    assert_eq!(pushed(&hand.heard()), first);
}

#[test]
fn h15_an_own_blob_in_a_page_counts_as_its_acknowledgement() {
    let mut hand = Hand::connected();
    hand.push("milk");
    let blob = pushed(&hand.heard()).remove(0);
    hand.break_link();
    hand.run(Duration::from_secs(10));
    let (_, pull) = hand.open();
    let genesis = hand.store.image().roster[0].blob.clone();
    let entries = [(1, genesis), (2, blob)];
    hand.welcome(&welcome(2), &page(pull.after.0, &entries, 2));
    assert_eq!(pushed(&hand.heard()), [] as [Bytes; 0], "nothing is left to push");
    assert!(hand.events.iter().any(|event| matches!(event, ClientEvent::BlobSynced { .. })));
}

#[test]
fn c1_cursor_and_tag_go_out_with_each_pull() {
    let mut hand = Hand::founder();
    let (_, pull) = hand.open();
    assert_eq!((pull.after, pull.tag), (Cursor(0), Tag::default()));
    hand.welcome(&welcome(0), &page(0, &[], 0));
    let genesis = pushed(&hand.heard()).remove(0);
    hand.say(&ToDevice::Pushed { stored: vec![(Digest::of(&genesis), Cursor(1))] });
    hand.say(&ToDevice::News(News { prev: Cursor(0), cursor: Cursor(1), digest: Digest::of(&genesis), blob: None }));
    hand.break_link();
    hand.run(Duration::from_secs(10));
    let (_, pull) = hand.open();
    assert_eq!((pull.after, pull.tag), (Cursor(1), Digest::of(&genesis).tag()));
}

#[test]
fn h13_in_the_run_that_founded_the_group_only_what_followed_is_said_again() {
    let mut hand = Hand::founder();
    hand.open();
    hand.welcome(&welcome(0), &page(0, &[], 0));
    hand.heard();
    hand.break_link();
    hand.push("one");
    hand.run(Duration::from_secs(10));
    let group = hand.open().0.group;
    // A relay it has met before names a blob this store never wrote.
    let own = Some((Cursor(1), Digest::of(b"of a newer copy")));
    let newer = (1, Bytes::from_static(b"of a newer copy"));
    hand.welcome(&Welcome { own, ..welcome(1) }, &page(0, &[newer], 1));
    let blobs = pushed(&hand.heard());
    let records: Vec<_> = blobs.iter().map(|blob| hand.opened(&group, blob).record).collect();
    let of = |kind: Kind| records.iter().filter(|record| record.kind == kind as u8).collect::<Vec<_>>();
    let (genesis, data) = (of(Kind::Genesis), of(Kind::Data));
    assert_eq!((genesis.len(), data.len()), (1, 1), "{records:?}");
    assert_ne!(genesis[0].inc, data[0].inc, "the founding record stays as it was written");
}
