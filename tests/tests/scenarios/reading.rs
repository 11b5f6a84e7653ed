//! Reading: positions, acknowledgement, what is kept and what is said of it.

use std::time::Duration;

use bytes::Bytes;
use zerok_core::{
    channel::ChannelKind,
    client::{
        command::{ClientCommand, ClientEvent, Pulled, Reply},
        status::Indicator,
    },
    error::Code,
    ids::Position,
    limits::{ClientLimits, RelayLimits},
};
use zerok_testkit::sim::World;

use crate::common::{code, drain, pair, pair_with, pull, push, pushed, report, texts};

fn pull_with(world: &mut World, device: usize, after: Option<Position>, max_bytes: u32, own: bool) -> Pulled {
    match world.call(device, ClientCommand::Pull { after, max_bytes, own }) {
        Ok(Reply::Pulled(pulled)) => pulled,
        other => panic!("no pull: {other:?}"),
    }
}

fn send_all(world: &mut World, from: usize, texts: &[&str]) {
    texts.iter().for_each(|text| drop(push(world, from, text).expect("the relay holds it")));
    world.run(Duration::from_secs(1));
}

#[test]
fn a_pull_reads_on_from_what_was_acknowledged_and_says_what_it_covers() {
    for kind in [ChannelKind::Plain, ChannelKind::Noise] {
        let (mut world, laptop, phone) = pair(kind);
        send_all(&mut world, laptop, &["a", "b", "c"]);
        let one = pull_with(&mut world, phone, None, 1, false);
        assert_eq!((texts(&one.blobs), one.has_more), (vec!["a".to_owned()], true));
        assert_eq!(one.max_cursor, one.blobs[0].cursor);
        // Nothing was acknowledged: the same again.
        assert_eq!(texts(&pull(&mut world, phone, None).blobs), ["a", "b", "c"]);
        let rest = pull(&mut world, phone, Some(one.max_cursor));
        assert_eq!((texts(&rest.blobs), rest.has_more), (vec!["b".to_owned(), "c".to_owned()], false));
        assert_eq!(report(&mut world, phone).acked, one.max_cursor);
        let empty = pull(&mut world, phone, Some(rest.max_cursor));
        assert_eq!((empty.blobs.len(), empty.max_cursor, empty.has_more), (0, rest.max_cursor, false));
    }
}

#[test]
fn nothing_above_what_pulls_returned_can_be_acknowledged() {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    send_all(&mut world, laptop, &["a", "b", "c"]);
    let head = report(&mut world, phone).head;
    // An application that missed an event pulls behind the newest: what it never saw stays unread.
    assert_eq!(texts(&pull(&mut world, phone, Some(Position(head.0 - 1))).blobs), ["c"]);
    world.call(phone, ClientCommand::Ack(head)).expect("a known position");
    assert_eq!(report(&mut world, phone).acked, Position(0));
    assert_eq!(report(&mut world, phone).status.last_cursor, Position(0));
    assert_eq!(texts(&pull(&mut world, phone, None).blobs), ["a", "b", "c"]);
    assert_eq!(report(&mut world, phone).status.last_cursor, head);
    world.call(phone, ClientCommand::Ack(head)).expect("a known position");
    assert_eq!(report(&mut world, phone).acked, head);
}

#[test]
fn a_position_that_was_never_assigned_is_unknown_and_the_highest_is_named() {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    send_all(&mut world, laptop, &["a"]);
    let head = report(&mut world, phone).head;
    let after = Some(Position(head.0 + 1));
    let rejection = world.call(phone, ClientCommand::Pull { after, max_bytes: 1, own: false }).expect_err("unknown");
    assert_eq!((rejection.code, rejection.last_cursor), (Code::CursorUnknown, Some(head)));
    assert_eq!(code(world.call(phone, ClientCommand::Ack(Position(head.0 + 1)))), Code::CursorUnknown);
}

#[test]
fn own_blobs_are_left_out_unless_asked_for() {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    world.set_online(laptop, false);
    let (_, cursor) = pushed(push(&mut world, phone, "mine"));
    assert_eq!(pull(&mut world, phone, None).blobs, []);
    let own = pull_with(&mut world, phone, None, 1 << 20, true);
    assert_eq!((texts(&own.blobs), own.blobs[0].cursor), (vec!["mine".to_owned()], cursor));
}

#[test]
fn a_pull_asks_the_relay_only_when_nothing_is_there() {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    world.set_online(phone, false);
    send_all(&mut world, laptop, &["a"]);
    let before = world.now();
    assert_eq!(pull(&mut world, phone, None).blobs, [], "offline it answers with what is there");
    assert!(world.now().since(before) < Duration::from_millis(50));
    world.set_online(phone, true);
    world.run_until("connected", |world| world.devices[phone].is_connected());
    assert_eq!(texts(&pull(&mut world, phone, None).blobs), ["a"]);
}

#[test]
fn e8_positions_grow_over_reopening_with_the_clock_years_off_either_way() {
    let year = 365 * 24 * 3600 * 1000;
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    let mut last = Position(0);
    for skew in [0, 10 * year, -10 * year, 400 * year, 0] {
        world.kill_device(phone);
        world.devices[phone].clock_skew = skew;
        world.start_device(phone);
        world.run_until("connected", |world| world.devices[phone].is_connected());
        send_all(&mut world, laptop, &["a", "b"]);
        for blob in drain(&mut world, phone) {
            assert!(blob.cursor > last && blob.cursor.0 < 1 << 53, "{last:?} then {:?}", blob.cursor);
            last = blob.cursor;
        }
        let (_, own) = pushed(push(&mut world, phone, "mine"));
        assert!(own > last);
        last = own;
    }
}

#[test]
fn e8_a_clock_set_while_running_expires_nothing() {
    let day = 24 * 3600 * 1000;
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    send_all(&mut world, laptop, &["a"]);
    assert_eq!(drain(&mut world, phone).len(), 1);
    for skew in [3650 * day, -3650 * day, 0] {
        world.set_clock(phone, skew);
        world.run(Duration::from_secs(60));
        assert!(world.devices[phone].is_synced());
        assert_eq!(texts(&pull(&mut world, phone, Some(Position(0))).blobs), ["a"], "still readable");
    }
}

#[test]
fn positions_are_not_reused_after_leaving() {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    send_all(&mut world, laptop, &["a"]);
    let last = drain(&mut world, phone)[0].cursor;
    world.call(phone, ClientCommand::Leave { force: true }).expect("it may leave");
    world.call(phone, ClientCommand::Enable { name: "phone".into() }).expect("a group of its own");
    world.run_until("connected", |world| world.devices[phone].is_synced());
    assert!(pushed(push(&mut world, phone, "new")).1 > last);
}

#[test]
fn a_full_inbox_stops_pulling_but_not_pushing_and_says_so() {
    let limits = ClientLimits { inbox_unread: 4_000, page_bytes: 2_000, ..ClientLimits::default() };
    let (mut world, laptop, phone) = pair_with(ChannelKind::Plain, limits, RelayLimits::default());
    for text in 0..30 {
        push(&mut world, laptop, &text.to_string()).expect("the relay holds it");
    }
    world.run(Duration::from_secs(5));
    let status = report(&mut world, phone).status;
    assert_eq!((status.indicator, status.last_error), (Indicator::Failed, Some(Code::InboxFull)));
    assert_eq!(code(world.call(phone, ClientCommand::SyncNow)), Code::InboxFull);
    push(&mut world, phone, "mine").expect("pushing goes on");
    let stored = |world: &World| world.devices[phone].store.image().inbox.len();
    let full = stored(&world);
    for _ in 0..5 {
        world.break_link(phone);
        world.run(Duration::from_secs(20));
    }
    assert_eq!(stored(&world), full, "each reconnect brought more into a full inbox");
    let mut got = Vec::new();
    while got.len() < 30 {
        got.extend(texts(&drain(&mut world, phone)));
        world.run(Duration::from_secs(1));
    }
    assert_eq!(got, (0..30).map(|text| text.to_string()).collect::<Vec<_>>());
    assert_eq!(report(&mut world, phone).status.indicator, Indicator::Synced);
}

#[test]
fn read_blobs_stay_for_a_day_and_an_answer_below_them_says_truncated() {
    for reopen in [false, true] {
        let (mut world, laptop, phone) = pair(ChannelKind::Plain);
        send_all(&mut world, laptop, &["a", "b"]);
        drain(&mut world, phone);
        if reopen {
            world.kill_device(phone);
            world.start_device(phone);
        }
        world.run(Duration::from_secs(23 * 3600));
        let readable = pull(&mut world, phone, Some(Position(0)));
        assert_eq!((readable.blobs.len(), readable.truncated), (2, false));
        world.run(Duration::from_secs(2 * 3600));
        let gone = pull(&mut world, phone, Some(Position(0)));
        assert_eq!((gone.blobs.len(), gone.truncated), (0, true));
        assert!(!pull(&mut world, phone, None).truncated);
    }
}

#[test]
fn read_blobs_are_bounded_by_bytes_oldest_first() {
    let limits = ClientLimits { inbox_read: 1_500, ..ClientLimits::default() };
    let (mut world, laptop, phone) = pair_with(ChannelKind::Plain, limits, RelayLimits::default());
    send_all(&mut world, laptop, &["a", "b", "c", "d", "e", "f"]);
    drain(&mut world, phone);
    let left = pull(&mut world, phone, Some(Position(0)));
    assert!(left.truncated);
    assert_eq!(texts(&left.blobs).last().map(String::as_str), Some("f"));
    assert!(left.blobs.len() < 6);
}

#[test]
fn a_cancelled_pull_has_returned_nothing() {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    send_all(&mut world, laptop, &["a"]);
    let id = world.send(phone, ClientCommand::Pull { after: None, max_bytes: 1 << 20, own: false });
    world.cancel(phone, id);
    world.run(Duration::from_secs(1));
    assert_eq!(code(world.devices[phone].replies[&id].clone()), Code::Cancelled);
    assert_eq!(report(&mut world, phone).status.last_cursor, Position(0));
}

#[test]
fn every_delivered_blob_is_announced_once_with_its_position() {
    let (mut world, laptop, phone) = pair(ChannelKind::Noise);
    let data = Bytes::from(vec![1; 200_000]);
    world.call(laptop, ClientCommand::Push { data, key: None, detached: false }).expect("the relay holds it");
    send_all(&mut world, laptop, &["small"]);
    world.run(Duration::from_secs(5));
    let blobs = drain(&mut world, phone);
    let told: Vec<_> = world.devices[phone]
        .events
        .iter()
        .filter_map(|event| match event {
            ClientEvent::BlobAvailable { id, cursor, size, .. } => Some((*id, *cursor, *size as usize)),
            _ => None,
        })
        .collect();
    assert_eq!(told, blobs.iter().map(|blob| (blob.id, blob.cursor, blob.data.len())).collect::<Vec<_>>());
}
