//! A15, A16, A18, A22, A24: a relay that says the wrong thing, at every position of an honest run.

use std::time::Duration;

use bytes::Bytes;
use zerok_core::{
    channel::ChannelKind,
    client::{
        command::{ClientCommand, ClientEvent, Reply},
        verdict::Verdict,
    },
    error::{CloseReason, Misbehaviour},
    ids::{Cursor, Digest, RelayId},
    limits::{ClientLimits, MAX_ENTRIES},
    wire::message::{News, Page, ToDevice, ToRelay, Welcome},
};
use zerok_testkit::hostile::{Insider, Scripted, page, welcome};

use crate::scene::Scene;

/// A phone that has read up to `cursor`, and the entries after it: what the laptop pushed.
pub(crate) struct Played {
    pub(crate) relay: Scripted,
    pub(crate) cursor: u64,
    pub(crate) log: Vec<(Cursor, Bytes)>,
    /// The same, never changed.
    pub(crate) honest: Vec<(Cursor, Bytes)>,
    /// What the phone asked while it was served.
    pub(crate) said: Vec<ToRelay>,
    /// The laptop's keys.
    pub(crate) insider: Insider,
    /// What the relay stored last for the phone.
    own: Option<(Cursor, Digest)>,
}

pub(crate) fn play(kind: ChannelKind) -> Played {
    let scene = Scene::new(&["1", "2", "3", "4"]);
    let node = &scene.world.devices[scene.phone];
    let mut relay = Scripted::new(kind, node, &scene.world.relay, ClientLimits::default());
    let cursor = relay.accept().after.0;
    relay.cut();
    relay.await_dial();
    let log = scene.world.relay.store.log(&scene.group);
    let phone = Insider::of(node);
    let own = log.iter().rfind(|(_, blob)| phone.open(blob).record.sender == phone.keys.id());
    let own = own.map(|(cursor, blob)| (*cursor, Digest::of(blob)));
    let log: Vec<_> = log.into_iter().filter(|(at, _)| at.0 > cursor).collect();
    Played { relay, cursor, honest: log.clone(), log, said: Vec::new(), insider: scene.insider, own }
}

impl Played {
    pub(crate) fn welcome(&mut self, head: u64, page: &Page) {
        self.relay.welcome(&welcome(head, self.own), page);
    }

    pub(crate) fn news(&self, index: usize) -> ToDevice {
        let (cursor, blob) = self.log[index].clone();
        let prev = Cursor(cursor.0 - 1);
        ToDevice::News(News { prev, cursor, digest: Digest::of(&blob), blob: Some(blob) })
    }

    pub(crate) fn head(&self) -> u64 {
        self.log[self.log.len() - 1].0.0
    }

    /// An honest relay from here on: whatever happened before, all is read exactly once.
    pub(crate) fn finish(&mut self) {
        for _ in 0..20 {
            self.relay.cut();
            self.relay.await_dial();
            let after = self.relay.accept().after;
            let rest: Vec<_> = self.log.iter().filter(|(cursor, _)| *cursor > after).cloned().collect();
            let reset = after.0 > self.head();
            let page = Page { reset, ..page(after, self.head(), if reset { &[] } else { &rest }) };
            self.welcome(self.head(), &page);
            self.serve();
            if self.relay.delivered() >= 4 {
                break;
            }
        }
        assert_eq!(self.texts(), ["1", "2", "3", "4"]);
    }

    /// Answers pulls and pushes honestly until the client is quiet.
    pub(crate) fn serve(&mut self) {
        for _ in 0..50 {
            let heard = self.relay.heard();
            if heard.is_empty() {
                return;
            }
            self.said.extend(heard.iter().cloned());
            for message in heard {
                match message {
                    ToRelay::Pull(pull) => {
                        let rest: Vec<_> = self.log.iter().filter(|(at, _)| *at > pull.after).cloned().collect();
                        self.relay.say(&ToDevice::Page(page(pull.after, self.head(), &rest)));
                    }
                    ToRelay::Ping => self.relay.say(&ToDevice::Pong),
                    _ => {}
                }
            }
        }
        panic!("the client never falls silent");
    }

    pub(crate) fn texts(&mut self) -> Vec<String> {
        self.relay.command(ClientCommand::Pull { after: None, max_bytes: 1 << 20, own: false });
        match self.relay.replies.pop() {
            Some(Ok(Reply::Pulled(pulled))) => crate::common::texts(&pulled.blobs),
            other => panic!("no pull: {other:?}"),
        }
    }
}

/// Things no honest relay says, and whether they end the link.
fn lies(played: &Played) -> Vec<(&'static str, ToDevice)> {
    let (cursor, blob) = played.log[3].clone();
    let digest = Digest::of(&blob);
    let news = |prev: u64, at: u64, blob: Option<&Bytes>| {
        let digest = blob.map_or(digest, |blob| Digest::of(blob));
        ToDevice::News(News { prev: Cursor(prev), cursor: Cursor(at), digest, blob: blob.cloned() })
    };
    let honest = page(Cursor(played.cursor), played.head(), &played.log);
    vec![
        ("news at cursor 0", news(0, 0, Some(&blob))),
        ("news that goes back", news(played.head(), 1, Some(&blob))),
        ("news from the end of numbers", news(u64::MAX - 1, u64::MAX, Some(&blob))),
        ("news from the middle of numbers", news(1 << 63, (1 << 63) + 1, Some(&blob))),
        ("news of a foreign blob without the blob", news(cursor.0 - 1, cursor.0, None)),
        ("news far ahead", news(cursor.0 + 100, cursor.0 + 101, Some(&blob))),
        ("an acknowledgement of a foreign blob", ToDevice::Pushed { stored: vec![(digest, cursor)] }),
        ("an acknowledgement of nothing", ToDevice::Pushed { stored: vec![(Digest([9; 16]), Cursor(u64::MAX))] }),
        ("a page nobody asked for", ToDevice::Page(honest.clone())),
        (
            "an unsorted page",
            ToDevice::Page(Page { entries: honest.entries.iter().rev().cloned().collect(), ..honest.clone() }),
        ),
        ("a page above its head", ToDevice::Page(Page { head: Cursor(1), ..honest.clone() })),
        ("a floor above the head", ToDevice::Page(Page { floor: Cursor(u64::MAX), ..honest.clone() })),
        (
            "an endless head",
            ToDevice::Page(Page { head: Cursor(u64::MAX), entries: vec![], more: true, ..honest.clone() }),
        ),
        ("a reset of the beginning", ToDevice::Page(Page { reset: true, entries: vec![], ..honest })),
        ("a second welcome", ToDevice::Welcome(Welcome { relay_id: RelayId([1; 16]), ..welcome(9, None) })),
        ("a mailbox", ToDevice::MailboxClosed { id: zerok_core::ids::MailboxId([0; 16]) }),
        ("a pong", ToDevice::Pong),
        ("a bye", ToDevice::Bye { retry_after: u32::MAX }),
    ]
}

#[test]
fn a15_a16_a18_no_lie_at_any_position_moves_the_cursor_past_what_was_not_read() {
    let count = lies(&play(ChannelKind::Plain)).len();
    for lie in 0..count {
        for position in 0..=4 {
            let mut played = play(ChannelKind::Plain);
            let (what, message) = lies(&played).swap_remove(lie);
            let (cursor, first) = (played.cursor, played.log[..1].to_vec());
            played.relay.accept();
            // The relay speaks of one entry more only when it comes.
            played.welcome(cursor + 1, &page(Cursor(cursor), cursor + 1, &first));
            for index in 0..=4 {
                if index == position {
                    played.relay.say(&message);
                }
                if (1..4).contains(&index) {
                    let news = played.news(index);
                    played.relay.say(&news);
                }
            }
            let dials = played.relay.dials;
            played.serve();
            played.relay.run(Duration::from_secs(30));
            assert!(played.relay.dials - dials <= 5, "{what} at {position}: it dials over and over");
            played.finish();
            let mut ids = Vec::new();
            for event in &played.relay.events {
                if let ClientEvent::BlobAvailable { id, .. } = event {
                    assert!(!ids.contains(id), "{what} at {position}: delivered twice");
                    ids.push(*id);
                }
            }
            let verdicts = played.relay.verdicts();
            assert!(verdicts.is_empty(), "{what} at {position}: {verdicts:?}");
        }
    }
}

#[test]
fn a15_the_cursor_follows_processed_entries_and_never_a_welcome_or_an_acknowledgement() {
    let mut played = play(ChannelKind::Noise);
    played.relay.accept();
    let (head, after) = (played.head(), Cursor(played.cursor));
    played.welcome(head, &page(after, head, &[]));
    played.relay.command(ClientCommand::Push { data: Bytes::from_static(b"own"), key: None, detached: true });
    let pushed = played.relay.heard().into_iter().find_map(|message| match message {
        ToRelay::Push { blobs, .. } => blobs.into_iter().next(),
        _ => None,
    });
    let digest = Digest::of(&pushed.expect("it is pushed"));
    played.relay.say(&ToDevice::Pushed { stored: vec![(digest, Cursor(head + 1))] });
    played.relay.say(&ToDevice::News(News { prev: Cursor(head), cursor: Cursor(head + 1), digest, blob: None }));
    played.relay.cut();
    played.relay.await_dial();
    assert_eq!(played.relay.accept().after, after);
}

#[test]
fn own_news_without_its_blob_keeps_the_cursor_in_step() {
    let mut played = play(ChannelKind::Plain);
    let head = played.head();
    played.relay.accept();
    let all = played.log.clone();
    played.welcome(head, &page(Cursor(played.cursor), head, &all));
    played.relay.heard();
    played.relay.command(ClientCommand::Push { data: Bytes::from_static(b"own"), key: None, detached: true });
    let heard = played.relay.heard();
    let [ToRelay::Push { blobs, .. }] = heard.as_slice() else { panic!("{heard:?}") };
    let digest = Digest::of(&blobs[0]);
    played.relay.say(&ToDevice::News(News { prev: Cursor(head), cursor: Cursor(head + 1), digest, blob: None }));
    assert_eq!(played.relay.heard(), [ToRelay::Ack { cursor: Cursor(head + 1) }]);
}

#[test]
fn a18_an_empty_page_that_promises_more_ends_the_link() {
    let mut played = play(ChannelKind::Plain);
    let (cursor, head) = (Cursor(played.cursor), played.head());
    played.relay.accept();
    // In the second flight the first blob may not fit.
    played.welcome(head, &page(cursor, head, &[]));
    assert_eq!(played.relay.closed, None);
    played.relay.say(&ToDevice::Page(page(cursor, head, &[])));
    assert_eq!(played.relay.closed, Some(CloseReason::PeerMisbehaved(Misbehaviour::Cursors)));
    assert_eq!(played.relay.dials, 2, "and the next attempt waits");
    played.finish();
}

/// News of one storm. A million take a quarter of a minute in the tests' build and show nothing more.
const STORM: u64 = 100_000;

#[test]
fn a22_a_storm_of_news_has_one_pull_in_flight_and_leaves_nothing_behind() {
    let mut played = play(ChannelKind::Plain);
    let (cursor, head) = (played.cursor, played.head());
    played.relay.accept();
    played.welcome(cursor, &page(Cursor(cursor), cursor, &[]));
    played.relay.heard();
    let mut sizes = Vec::new();
    for number in 0..STORM {
        let at = Cursor(head + 2 + number);
        let digest = Digest([0; 16]);
        played.relay.say(&ToDevice::News(News { prev: Cursor(at.0 - 1), cursor: at, digest, blob: None }));
        if number == 10 || number + 1 == STORM {
            sizes.push(format!("{:?}", played.relay.client).len());
        }
    }
    // All that a machine holds is in what it prints; numbers may have more digits.
    assert!(sizes[1] <= sizes[0] + 100, "{sizes:?}");
    let heard = played.relay.heard();
    assert!(matches!(heard.as_slice(), [ToRelay::Pull(_)]), "{} messages", heard.len());
    let all = played.log.clone();
    played.relay.say(&ToDevice::Page(page(Cursor(cursor), head, &all)));
    let heard = played.relay.heard();
    assert_eq!(heard.iter().filter(|message| matches!(message, ToRelay::Pull(_))).count(), 1);
    played.relay.say(&ToDevice::Page(page(Cursor(head), head, &[])));
    assert!(!played.relay.heard().iter().any(|message| matches!(message, ToRelay::Pull(_))));
    assert_eq!(played.texts(), ["1", "2", "3", "4"]);
}

#[test]
fn a18_an_endless_stream_of_full_pages_costs_one_pull_each_and_bounded_memory() {
    let mut played = play(ChannelKind::Plain);
    let (mut cursor, junk) = (played.cursor, Bytes::from(vec![7; 60_000]));
    played.relay.accept();
    played.welcome(u64::MAX, &page(Cursor(cursor), u64::MAX, &[]));
    let mut sizes = Vec::new();
    for _ in 0..300 {
        let pulls = played.relay.heard();
        let pulls: Vec<_> = pulls.iter().filter(|message| matches!(message, ToRelay::Pull(_))).collect();
        assert_eq!(pulls.len(), 1, "{pulls:?}");
        let entries: Vec<_> = (1..=8).map(|number| (Cursor(cursor + number), junk.clone())).collect();
        played.relay.say(&ToDevice::Page(page(Cursor(cursor), u64::MAX, &entries)));
        cursor += 8;
        sizes.push(format!("{:?}", played.relay.client).len());
    }
    assert!(sizes[299] <= sizes[30] + 1000, "{sizes:?}");
    assert!(played.relay.store.image().verdicts.len() <= 70);
    assert_eq!((played.relay.dials, played.relay.closed), (2, None));
    let tampered = |verdict: &Verdict| matches!(verdict, Verdict::Tampered { .. });
    assert!(played.relay.verdicts().iter().all(tampered));
    // The log it then turns out to be is shorter than what was read, and is read from its beginning.
    played.finish();
}

#[test]
fn a18_a_page_of_more_entries_than_any_may_have_ends_the_link() {
    let mut played = play(ChannelKind::Plain);
    let cursor = played.cursor;
    played.relay.accept();
    played.welcome(u64::MAX, &page(Cursor(cursor), u64::MAX, &[]));
    let entries: Vec<_> = (1..=MAX_ENTRIES as u64 + 1).map(|number| (Cursor(cursor + number), Bytes::new())).collect();
    played.relay.say(&ToDevice::Page(page(Cursor(cursor), u64::MAX, &entries)));
    assert_eq!(played.relay.closed, Some(CloseReason::PeerMisbehaved(Misbehaviour::TooLarge)));
    assert_eq!(played.relay.verdicts(), [], "none of them was looked at");
    played.finish();
}

#[test]
fn a16_what_was_acknowledged_and_not_stored_is_missed_at_the_next_welcome_and_goes_again() {
    let mut played = play(ChannelKind::Plain);
    let cursor = played.relay.accept().after;
    played.welcome(cursor.0, &page(cursor, cursor.0, &[]));
    played.relay.command(ClientCommand::Push { data: Bytes::from_static(b"own"), key: None, detached: false });
    let first = pushed(&played.relay.heard());
    let stored = vec![(Digest::of(&first[0]), Cursor(cursor.0 + 1))];
    played.relay.say(&ToDevice::Pushed { stored });
    assert!(matches!(played.relay.replies.last(), Some(Ok(Reply::Pushed { .. }))), "it is believed until then");
    played.relay.cut();
    played.relay.await_dial();
    let after = played.relay.accept().after;
    assert_eq!(after, cursor, "no acknowledgement moves the cursor");
    // The log it welcomes with does not have the blob, nor is it this device's last.
    played.welcome(cursor.0, &page(after, cursor.0, &[]));
    assert_eq!(played.relay.verdicts(), [Verdict::RelayReset]);
    played.relay.run(Duration::from_secs(1));
    played.relay.say(&ToDevice::Page(page(Cursor(0), cursor.0, &[])));
    assert!(pushed(&played.relay.heard()).contains(&first[0]), "the same bytes");
}

/// Blobs that were pushed.
fn pushed(heard: &[ToRelay]) -> Vec<Bytes> {
    let blobs = |message: &ToRelay| match message {
        ToRelay::Push { blobs, .. } => blobs.clone(),
        _ => Vec::new(),
    };
    heard.iter().flat_map(blobs).collect()
}

#[test]
fn news_that_comes_while_its_page_is_on_the_way_is_not_lost() {
    let mut played = play(ChannelKind::Plain);
    let cursor = Cursor(played.cursor);
    played.relay.accept();
    played.welcome(played.cursor + 2, &page(cursor, played.cursor + 2, &[]));
    let news = played.news(2);
    played.relay.say(&news);
    played.relay.heard();
    let two = played.log[..2].to_vec();
    played.relay.say(&ToDevice::Page(page(cursor, played.cursor + 2, &two)));
    played.serve();
    assert_eq!(played.texts(), ["1", "2", "3", "4"]);
}

#[test]
fn a16_an_acknowledgement_that_never_came_is_followed_by_the_same_bytes() {
    let mut played = play(ChannelKind::Plain);
    let mut sent = Vec::new();
    for _ in 0..4 {
        let cursor = played.relay.accept().after;
        played.welcome(cursor.0, &page(cursor, cursor.0, &[]));
        if sent.is_empty() {
            played.relay.command(ClientCommand::Push { data: Bytes::from_static(b"own"), key: None, detached: true });
        }
        sent.extend(played.relay.heard().into_iter().filter_map(|message| match message {
            ToRelay::Push { blobs, .. } => Some(blobs),
            _ => None,
        }));
        played.relay.cut();
        played.relay.await_dial();
    }
    assert_eq!(sent.len(), 4);
    assert!(sent.iter().all(|blobs| *blobs == sent[0]));
}
