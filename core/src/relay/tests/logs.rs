//! Pushes, pages, news and acknowledgements.

use bytes::Bytes;

use super::world::*;
use crate::{
    error::{CloseReason, Misbehaviour},
    ids::{Cursor, Digest, Lane, Tag},
    limits::{MAX_BLOB, MAX_INLINE, RelayLimits},
    relay::{
        io::{Announce, RelayInput},
        store::{RelayOp, RelayQuery},
    },
    time::Duration,
    wire::message::{News, Pull, Request, ToDevice, ToRelay, WireCode},
};

fn nudge(cursor: u64, text: &str) -> ToDevice {
    news(cursor, text, false)
}

fn unseen(cursor: u64) -> ToDevice {
    ToDevice::News(News { prev: Cursor(cursor - 1), cursor: Cursor(cursor), digest: Digest([0; 16]), blob: None })
}

#[test]
fn a_push_is_acknowledged_only_after_the_store_has_it() {
    let mut world = World::new();
    let laptop = world.founder();
    let phone = world.member_of(&laptop);
    let mut writer = world.join(0, &laptop, 0);
    let mut reader = world.join(0, &phone, 0);
    world.store_waits = true;
    world.say(&mut writer, &push(&["milk", "eggs"]));
    assert_eq!(world.hear(&mut writer), []);
    assert_eq!(world.hear(&mut reader), []);
    assert_eq!(world.nodes[0].announced, []);
    world.store_answers();
    assert_eq!(world.hear(&mut writer)[0], pushed(&[("milk", 1), ("eggs", 2)]));
    assert_eq!(world.hear(&mut reader), [news(1, "milk", true), news(2, "eggs", true)]);
    assert_eq!(world.nodes[0].announced, [Announce::Group { group: laptop.group.id, head: Cursor(2) }]);
}

#[test]
fn the_pusher_is_told_of_its_own_blobs_without_their_bytes() {
    let mut world = World::new();
    let laptop = world.founder();
    let mut writer = world.join(0, &laptop, 0);
    let texts: Vec<_> = (0..40).map(|n| format!("blob {n}")).collect();
    world.say(&mut writer, &push(&texts.iter().map(String::as_str).collect::<Vec<_>>()));
    let heard = world.hear(&mut writer);
    assert!(matches!(&heard[0], ToDevice::Pushed { stored } if stored.len() == 40));
    let ToDevice::News(last) = news(40, "blob 39", false) else { panic!("it is news") };
    let run = ToDevice::News(News { prev: Cursor(0), ..last });
    assert_eq!(heard[1..], [run], "the last of the run, so that it need not pull its own blobs back");
}

#[test]
fn a_repeated_push_is_acknowledged_with_its_first_cursor() {
    let mut world = World::new();
    let laptop = world.founder();
    let mut writer = world.join(0, &laptop, 0);
    world.say(&mut writer, &push(&["milk", "eggs"]));
    world.hear(&mut writer);
    world.say(&mut writer, &push(&["milk", "tea"]));
    assert_eq!(world.hear(&mut writer), [pushed(&[("milk", 1), ("tea", 3)]), nudge(3, "tea")]);
    assert_eq!(world.store.log(&laptop.group.id).len(), 3);
    assert_eq!((world.stats(0).blobs_stored, world.stats(0).blobs_duplicate), (3, 1));
}

#[test]
fn pushes_that_arrive_together_become_one_append() {
    let mut world = World::new();
    let laptop = world.founder();
    let mut writer = world.join(0, &laptop, 0);
    world.say_all(&mut writer, &[push(&["milk"]), push(&["eggs"]), push(&["tea"])]);
    assert_eq!(world.hear(&mut writer)[0], pushed(&[("milk", 1), ("eggs", 2), ("tea", 3)]));
    let appends = world.nodes[0].ops.iter().filter(|op| matches!(op, RelayOp::Append(_))).count();
    assert_eq!(appends, 1);
}

#[test]
fn what_arrives_while_an_append_is_in_flight_becomes_the_next_run() {
    let mut world = World::new();
    let laptop = world.founder();
    let mut writer = world.join(0, &laptop, 0);
    world.store_waits = true;
    for text in ["milk", "eggs", "tea"] {
        world.say(&mut writer, &push(&[text]));
    }
    assert_eq!(world.nodes[0].requests.len(), 1, "one append of a lane is in flight");
    world.store_answers();
    let heard = world.hear(&mut writer);
    let acks: Vec<_> = heard.iter().filter(|message| matches!(message, ToDevice::Pushed { .. })).cloned().collect();
    assert_eq!(acks, [pushed(&[("milk", 1)]), pushed(&[("eggs", 2), ("tea", 3)])]);
}

#[test]
fn after_a_refusal_every_later_push_of_the_lane_hears_the_same_code() {
    // 95 % of the quota is for data: room for two of these.
    let mut world = World::with(1, RelayLimits { group_bytes: 6000, ..limits() });
    let laptop = world.founder();
    let mut writer = world.join(0, &laptop, 0);
    let (a, b, c) = ("a".repeat(2000), "b".repeat(2000), "c".repeat(2000));
    world.store_waits = true;
    world.say(&mut writer, &push(&[&a, &b, &c, "small"]));
    world.say(&mut writer, &push(&["tiny"]));
    world.store_answers();
    let full = error(WireCode::GroupFull, Request::Push(Lane::Data));
    let heard = plain(world.hear(&mut writer));
    assert_eq!(heard[0], pushed(&[(&a, 1), (&b, 2)]), "what came before the refusal is stored");
    assert_eq!(heard.iter().filter(|message| **message == full).count(), 1);
    world.say(&mut writer, &push(&["x"]));
    world.say(&mut writer, &push(&["y"]));
    world.store_answers();
    assert_eq!(plain(world.hear(&mut writer)), [full.clone(), full], "though it would fit");
    assert_eq!(world.store.log(&laptop.group.id).len(), 2, "nothing after the refusal was stored");

    world.say(&mut writer, &ToRelay::Push { lane: Lane::Control, blobs: vec![blob("roster")] });
    world.store_answers();
    assert_eq!(world.hear(&mut writer)[0], pushed(&[("roster", 3)]), "the other lane goes on, from the reserve");
    world.store_waits = false;
    let mut again = world.join(0, &laptop, 3);
    world.say(&mut again, &push(&["x"]));
    assert_eq!(world.hear(&mut again)[0], pushed(&[("x", 4)]), "a new link starts afresh");
}

#[test]
fn a_blob_over_the_limit_ends_the_lane_behind_what_came_before_it() {
    let mut world = World::new();
    let laptop = world.founder();
    let mut writer = world.join(0, &laptop, 0);
    let large = Bytes::from(vec![7; MAX_BLOB + 1]);
    world.say(&mut writer, &ToRelay::Push { lane: Lane::Data, blobs: vec![blob("milk"), large, blob("eggs")] });
    let heard = world.hear(&mut writer);
    assert_eq!(heard[0], pushed(&[("milk", 1)]));
    assert!(heard.contains(&error(WireCode::BlobTooLarge, Request::Push(Lane::Data))));
    assert_eq!(world.store.log(&laptop.group.id), [(Cursor(1), blob("milk"))]);
    let exact = Bytes::from(vec![7; MAX_BLOB]);
    world.say(&mut writer, &ToRelay::Push { lane: Lane::Control, blobs: vec![exact.clone()] });
    assert_eq!(world.store.log(&laptop.group.id)[1].1, exact);
}

#[test]
fn pages_follow_the_cursor_and_say_whether_there_is_more() {
    let mut world = World::new();
    let laptop = world.founder();
    let mut peer = world.join(0, &laptop, 0);
    world.say(&mut peer, &push(&["milk", "eggs", "tea"]));
    world.hear(&mut peer);
    let ask = |after, max_bytes| ToRelay::Pull(Pull { after: Cursor(after), tag: Tag::default(), max_bytes });
    world.say(&mut peer, &ask(0, 8));
    assert_eq!(world.hear(&mut peer), [page(0, &[(1, "milk"), (2, "eggs")], 3, true)]);
    world.say(&mut peer, &ask(2, 8));
    assert_eq!(world.hear(&mut peer), [page(2, &[(3, "tea")], 3, false)]);
    world.say(&mut peer, &ask(3, 8));
    assert_eq!(world.hear(&mut peer), [page(3, &[], 3, false)]);
}

#[test]
fn a12_a_log_that_is_not_the_one_asked_about_is_a_reset() {
    let mut world = World::new();
    let laptop = world.founder();
    let mut peer = world.join(0, &laptop, 0);
    world.say(&mut peer, &push(&["milk", "eggs"]));
    world.hear(&mut peer);
    let tag = Digest::of(b"milk").tag();
    let mut reset = |after, tag| {
        world.say(&mut peer, &ToRelay::Pull(Pull { after: Cursor(after), tag, max_bytes: 100 }));
        let heard = world.hear(&mut peer);
        let [ToDevice::Page(page)] = &heard[..] else { panic!("{heard:?}") };
        assert_eq!(page.after, Cursor(after), "the request is echoed");
        page.reset
    };
    assert!(!reset(1, tag));
    assert!(!reset(1, Tag::default()), "zeros are not compared");
    assert!(reset(2, tag));
    assert!(reset(9, Tag::default()));
}

#[test]
fn a_run_of_more_than_eight_is_told_by_its_head_alone() {
    let mut world = World::new();
    let laptop = world.founder();
    let phone = world.member_of(&laptop);
    let mut writer = world.join(0, &laptop, 0);
    let mut reader = world.join(0, &phone, 0);
    let eight: Vec<_> = (0..8).map(|n| format!("a{n}")).collect();
    world.say(&mut writer, &push(&eight.iter().map(String::as_str).collect::<Vec<_>>()));
    let each: Vec<_> = eight.iter().enumerate().map(|(n, text)| news(n as u64 + 1, text, true)).collect();
    assert_eq!(world.hear(&mut reader), each);

    let nine: Vec<_> = (0..9).map(|n| format!("b{n}")).collect();
    world.say(&mut writer, &push(&nine.iter().map(String::as_str).collect::<Vec<_>>()));
    assert_eq!(world.hear(&mut reader), [nudge(17, "b8")]);
}

#[test]
fn a_blob_above_the_inline_limit_is_told_without_its_bytes() {
    let mut world = World::new();
    let laptop = world.founder();
    let phone = world.member_of(&laptop);
    let mut writer = world.join(0, &laptop, 0);
    let mut reader = world.join(0, &phone, 0);
    let (fits, over) = ("x".repeat(MAX_INLINE), "y".repeat(MAX_INLINE + 1));
    world.say(&mut writer, &push(&[&fits]));
    world.say(&mut writer, &push(&[&over]));
    assert_eq!(world.hear(&mut reader), [news(1, &fits, true), nudge(2, &over)]);
}

#[test]
fn a22_a_link_that_was_told_to_pull_hears_no_more_news_until_it_does() {
    let mut world = World::new();
    let laptop = world.founder();
    let phone = world.member_of(&laptop);
    let mut writer = world.join(0, &laptop, 0);
    let mut reader = world.join(0, &phone, 0);
    world.say(&mut writer, &push(&[&"x".repeat(MAX_INLINE + 1)]));
    assert_eq!(world.hear(&mut reader).len(), 1);
    for n in 0..1000 {
        world.say(&mut writer, &push(&[&n.to_string()]));
    }
    assert_eq!(world.hear(&mut reader), []);
    world.say(&mut reader, &pull(0));
    let heard = world.hear(&mut reader);
    let [ToDevice::Page(page)] = &heard[..] else { panic!("{heard:?}") };
    assert_eq!((page.head, page.more), (Cursor(1001), false));
    world.say(&mut writer, &push(&["after"]));
    assert_eq!(world.hear(&mut reader), [news(1002, "after", true)], "in step again");
}

#[test]
fn g7_a_subscriber_that_does_not_read_is_a_number_and_not_a_queue() {
    let window = 4096;
    let mut world = World::with(1, RelayLimits { window, ..limits() });
    let laptop = world.founder();
    let phone = world.member_of(&laptop);
    let mut writer = world.join(0, &laptop, 0);
    let mut reader = world.join(0, &phone, 0);
    world.wire(&reader).stuck = true;
    for n in 0..1000 {
        world.say(&mut writer, &push(&[&format!("{n:0>200}")]));
    }
    assert!(world.wire(&reader).most_unwritten <= window / 2 + 512, "{}", world.wire(&reader).most_unwritten);
    world.unstick(&reader);
    let heard = world.hear(&mut reader);
    let Some(ToDevice::News(last)) = heard.last() else { panic!("{heard:?}") };
    assert!(heard.len() < 20 && last.blob.is_none(), "small while there was credit, then one nudge");
    world.say(&mut reader, &pull(0));
    let heard = world.hear(&mut reader);
    assert!(matches!(&heard[..], [ToDevice::Page(page)] if page.head == Cursor(1000)), "{heard:?}");
}

#[test]
fn pages_leave_only_while_the_window_is_open() {
    let window = 64 * 1024;
    let mut world = World::with(1, RelayLimits { window, page_bytes: 100_000, ..limits() });
    let laptop = world.founder();
    let mut writer = world.join(0, &laptop, 0);
    let large = "x".repeat(90_000);
    let texts: Vec<_> = (0..4).map(|n| format!("{n}{large}")).collect();
    world.say(&mut writer, &push(&texts.iter().map(String::as_str).collect::<Vec<_>>()));
    let phone = world.member_of(&laptop);
    let mut reader = world.join(0, &phone, 4);
    world.wire(&reader).stuck = true;
    world.say_all(&mut reader, &[pull(0), pull(1), pull(2)]);
    let pages = |heard: &[ToDevice]| heard.iter().filter(|message| matches!(message, ToDevice::Page(_))).count();
    assert_eq!(pages(&world.hear(&mut reader)), 1);
    world.unstick(&reader);
    assert_eq!(pages(&world.hear(&mut reader)), 2);
    assert!(world.wire(&reader).most_unwritten < window + 100_000);
}

#[test]
fn more_pulls_at_once_than_anyone_needs_close_the_link() {
    let mut world = World::new();
    let laptop = world.founder();
    let mut peer = world.join(0, &laptop, 0);
    world.store_waits = true;
    for _ in 0..4 {
        world.say(&mut peer, &pull(0));
    }
    assert!(!world.wire(&peer).paused);
    world.say(&mut peer, &pull(0));
    assert!(world.wire(&peer).paused, "first it is not read any more");
    for _ in 0..5 {
        world.say(&mut peer, &pull(0));
    }
    assert_eq!(world.closed(&peer), Some(CloseReason::PeerMisbehaved(Misbehaviour::OutOfState)));
}

#[test]
fn two_machines_joined_by_announcements_deliver_across() {
    let mut world = World::with(2, limits());
    let laptop = world.founder();
    let phone = world.member_of(&laptop);
    let mut writer = world.join(0, &laptop, 0);
    let mut reader = world.join(1, &phone, 0);
    world.say(&mut writer, &push(&["milk"]));
    world.say(&mut writer, &push(&["eggs"]));
    assert_eq!(world.hear(&mut reader), [news(1, "milk", true), news(2, "eggs", true)]);
    world.say(&mut reader, &push(&["tea"]));
    assert_eq!(world.hear(&mut reader), [pushed(&[("tea", 3)]), news(3, "tea", false)]);
    world.hear(&mut writer);
    world.say(&mut writer, &push(&["jam"]));
    assert_eq!(world.hear(&mut writer), [pushed(&[("jam", 4)]), news(4, "jam", false)]);
    assert_eq!(world.hear(&mut reader), [news(4, "jam", true)]);
}

#[test]
fn an_announcement_is_read_once_for_all_subscribers_of_a_machine() {
    let mut world = World::with(2, limits());
    let laptop = world.founder();
    let mut writer = world.join(0, &laptop, 0);
    let mut readers: Vec<_> = (0..5)
        .map(|_| {
            let device = world.member_of(&laptop);
            world.join(1, &device, 0)
        })
        .collect();
    let loads = world.nodes[1].queries.len();
    world.say(&mut writer, &push(&["milk"]));
    assert_eq!(world.nodes[1].queries.len(), loads + 1);
    for reader in &mut readers {
        assert_eq!(world.hear(reader), [news(1, "milk", true)]);
    }
}

#[test]
fn announcements_are_level_triggered_and_collapse() {
    let mut world = World::with(2, limits());
    let laptop = world.founder();
    let phone = world.member_of(&laptop);
    let mut writer = world.join(0, &laptop, 0);
    let mut reader = world.join(1, &phone, 0);
    world.announcing = false;
    for n in 0..20 {
        world.say(&mut writer, &push(&[&n.to_string()]));
    }
    world.store_waits = true;
    for head in [3, 7, 20, 5] {
        let group = laptop.group.id;
        world.input(1, RelayInput::Announced(Announce::Group { group, head: Cursor(head) }));
    }
    assert_eq!(world.nodes[1].requests.len(), 1, "one load is under way at most");
    world.store_answers();
    assert_eq!(world.hear(&mut reader), [news(20, "19", false)], "a long run is told by its head alone");
}

#[test]
fn an_announcement_whose_blobs_are_too_large_to_read_is_a_nudge() {
    let mut world = World::with(2, limits());
    let laptop = world.founder();
    let phone = world.member_of(&laptop);
    let mut writer = world.join(0, &laptop, 0);
    let mut reader = world.join(1, &phone, 0);
    world.say(&mut writer, &push(&[&"x".repeat(100_000)]));
    assert_eq!(world.hear(&mut reader), [unseen(1)]);
}

#[test]
fn blobs_that_expired_before_they_were_told_are_not_skipped_in_silence() {
    let mut world = World::with(2, limits());
    let laptop = world.founder();
    let phone = world.member_of(&laptop);
    let mut writer = world.join(0, &laptop, 0);
    let mut reader = world.join(1, &phone, 0);
    world.announcing = false;
    world.say(&mut writer, &push(&["milk", "eggs"]));
    world.store.expire(&laptop.group.id, Cursor(1));
    world.input(1, RelayInput::Announced(Announce::Group { group: laptop.group.id, head: Cursor(2) }));
    assert_eq!(world.hear(&mut reader), [unseen(2)], "it pulls, and sees the floor");
}

#[test]
fn a_push_to_a_group_with_history_costs_no_read() {
    let mut world = World::new();
    let laptop = world.founder();
    let mut writer = world.join(0, &laptop, 0);
    world.say(&mut writer, &push(&["milk", "eggs"]));
    world.hang_up(&writer);
    let mut writer = world.join(0, &laptop, 2);
    let loads = world.nodes[0].queries.len();
    world.say(&mut writer, &push(&["tea"]));
    assert_eq!(world.hear(&mut writer), [pushed(&[("tea", 3)]), news(3, "tea", false)]);
    assert_eq!(world.nodes[0].queries.len(), loads);
}

#[test]
fn a_push_behind_another_machines_still_reaches_everyone_in_order() {
    let mut world = World::with(2, limits());
    let laptop = world.founder();
    let (phone, tablet) = (world.member_of(&laptop), world.member_of(&laptop));
    let mut writer = world.join(0, &laptop, 0);
    let mut other = world.join(1, &phone, 0);
    let mut reader = world.join(1, &tablet, 0);
    world.announcing = false;
    world.say(&mut writer, &push(&["milk"]));
    world.say(&mut other, &push(&["eggs"]));
    assert_eq!(world.hear(&mut reader), [news(1, "milk", true), news(2, "eggs", true)]);
    let heard = world.hear(&mut other);
    assert_eq!(heard, [pushed(&[("eggs", 2)]), news(1, "milk", true), news(2, "eggs", false)]);
}

#[test]
fn after_lost_announcements_the_heads_of_all_groups_are_asked_for() {
    let mut world = World::with(2, limits());
    let laptop = world.founder();
    let phone = world.member_of(&laptop);
    let mut writer = world.join(0, &laptop, 0);
    let mut reader = world.join(1, &phone, 0);
    world.announcing = false;
    world.say(&mut writer, &push(&["milk"]));
    assert_eq!(world.hear(&mut reader), []);
    world.input(1, RelayInput::AnnouncedUnknown);
    assert!(world.nodes[1].queries.contains(&RelayQuery::Heads(vec![laptop.group.id])));
    assert_eq!(world.hear(&mut reader), [news(1, "milk", true)]);
}

#[test]
fn a_loss_reported_while_heads_are_read_asks_again() {
    let mut world = World::new();
    let laptop = world.founder();
    let _peer = world.join(0, &laptop, 0);
    world.store_waits = true;
    for _ in 0..5 {
        world.input(0, RelayInput::AnnouncedUnknown);
    }
    assert_eq!(world.nodes[0].requests.len(), 1);
    assert!(world.store_answers_one());
    assert_eq!(world.nodes[0].requests.len(), 1, "once more, however often it was reported");
    world.store_answers();
    assert_eq!(world.nodes[0].queries.iter().filter(|query| matches!(query, RelayQuery::Heads(_))).count(), 2);
}

#[test]
fn growth_between_the_second_flight_and_the_proof_is_not_missed() {
    let mut world = World::with(2, limits());
    let laptop = world.founder();
    let phone = world.member_of(&laptop);
    let mut writer = world.join(0, &laptop, 0);
    world.store_waits = true;
    let mut reader = world.dial(1, &phone, 0);
    let answer = world.next_answer(1);
    world.say(&mut writer, &push(&["milk"]));
    let stored = world.next_answer(0);
    world.input(0, RelayInput::Store(stored));
    world.input(1, RelayInput::Store(answer));
    world.store_waits = false;
    world.store_answers();
    assert_eq!(world.welcome(&mut reader).0.head, Cursor(0), "read before the push");
    world.say(&mut reader, &ToRelay::Ping);
    let heard = world.hear(&mut reader);
    assert!(
        matches!(&heard[..], [.., ToDevice::News(news)] | [ToDevice::News(news), ..] if news.cursor == Cursor(1)),
        "{heard:?}"
    );
}

#[test]
fn a_duplicate_of_a_blob_nobody_announced_is_announced() {
    let mut world = World::with(2, limits());
    let laptop = world.founder();
    let phone = world.member_of(&laptop);
    let mut writer = world.join(0, &laptop, 0);
    let mut reader = world.join(1, &phone, 0);
    world.announcing = false;
    world.say(&mut writer, &push(&["milk"]));
    // Its machine died before it could tell; the client comes back to the other one.
    world.hang_up(&writer);
    let mut again = world.join(1, &laptop, 1);
    world.say(&mut again, &push(&["milk"]));
    assert!(world.hear(&mut again).contains(&pushed(&[("milk", 1)])));
    assert_eq!(world.hear(&mut reader), [news(1, "milk", true)]);
}

#[test]
fn acknowledgements_are_gathered_and_written_together() {
    let mut world = World::new();
    let laptop = world.founder();
    let phone = world.member_of(&laptop);
    let mut one = world.join(0, &laptop, 0);
    let mut two = world.join(0, &phone, 0);
    world.say(&mut one, &push(&["milk", "eggs"]));
    world.advance(Duration::from_secs(6));
    let seen = |world: &World| world.nodes[0].ops.iter().filter(|op| matches!(op, RelayOp::Seen { .. })).count();
    let before = seen(&world);
    for cursor in [1, 2, 1] {
        world.say(&mut one, &ToRelay::Ack { cursor: Cursor(cursor) });
        world.say(&mut two, &ToRelay::Ack { cursor: Cursor(cursor) });
    }
    world.hang_up(&two);
    assert_eq!(seen(&world), before);
    world.advance(Duration::from_secs(6));
    assert_eq!(seen(&world), before + 2, "one a member, though it acknowledged thrice or left");
    for device in [&laptop, &phone] {
        assert_eq!(world.store.acked(&laptop.group.id, &device.keys.link().public()), Some(Cursor(2)));
    }
}

#[test]
fn nobody_acknowledges_what_it_was_not_told_of() {
    let mut world = World::new();
    let laptop = world.founder();
    let mut peer = world.join(0, &laptop, 0);
    world.say(&mut peer, &push(&["milk"]));
    world.say(&mut peer, &ToRelay::Ack { cursor: Cursor(u64::MAX) });
    world.advance(Duration::from_secs(6));
    assert_eq!(world.store.acked(&laptop.group.id, &laptop.keys.link().public()), Some(Cursor(1)));
}

#[test]
fn an_announcement_that_the_store_does_not_bear_out_is_not_asked_about_for_ever() {
    let mut world = World::new();
    let laptop = world.founder();
    let mut reader = world.join(0, &laptop, 0);
    let group = laptop.group.id;
    world.store_waits = true;
    world.input(0, RelayInput::Announced(Announce::Group { group, head: Cursor(9) }));
    let answers = (0..100).take_while(|_| world.store_answers_one()).count();
    assert!(answers < 10, "{answers} questions about one announcement");
    world.store_waits = false;
    world.say(&mut reader, &push(&["milk"]));
    let heard = world.hear(&mut reader);
    assert_eq!(heard[0], pushed(&[("milk", 1)]), "it serves on: {heard:?}");
}
