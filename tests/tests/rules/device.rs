//! What an application and a user may rely on, over a simulated relay.

use std::time::Duration;

use bytes::Bytes;
use zerok_core::{
    channel::ChannelKind,
    client::{
        command::{Blob, ClientCommand, ClientEvent, Pulled, Rejection, Reply, Report},
        status::{ConnectionState, Indicator},
        verdict::Verdict,
    },
    error::Code,
    ids::{Position, RelayId},
    limits::{ClientLimits, RelayLimits},
    pairing::invite::Invite,
};
use zerok_testkit::{sim::World, store::relay::MemoryRelayStore};

fn newcomer(world: &mut World, name: &'static str) -> usize {
    let device = world.add_device(name);
    let address = world.relay.address();
    world.call(device, ClientCommand::Configure(address)).expect("a first relay is adopted");
    device
}

fn founder(world: &mut World, name: &'static str) -> usize {
    let device = newcomer(world, name);
    world.call(device, ClientCommand::Enable { name: name.into() }).expect("enabling works offline");
    device
}

fn invite(world: &mut World, device: usize) -> Invite {
    match world.call(device, ClientCommand::CreateInvite) {
        Ok(Reply::Invited { code, .. }) => Invite::Code(code),
        other => panic!("no invite: {other:?}"),
    }
}

fn join(world: &mut World, device: usize, invite: Invite) -> Result<Reply, Rejection> {
    let name = world.devices[device].name.to_owned();
    world.call(device, ClientCommand::Join { invite, name })
}

fn pair_with(limits: ClientLimits) -> (World, usize, usize) {
    let mut world = World::with_limits(ChannelKind::Plain, limits, RelayLimits::default(), 1);
    let laptop = founder(&mut world, "laptop");
    world.run_until("the laptop is connected", |world| world.devices[laptop].is_synced());
    let phone = newcomer(&mut world, "phone");
    let invite = invite(&mut world, laptop);
    join(&mut world, phone, invite).expect("a good code joins");
    world.run(Duration::from_secs(30));
    (world, laptop, phone)
}

fn pair() -> (World, usize, usize) {
    pair_with(ClientLimits::default())
}

fn push(world: &mut World, device: usize, text: &str) -> Result<Reply, Rejection> {
    let data = Bytes::copy_from_slice(text.as_bytes());
    world.call(device, ClientCommand::Push { data, key: None, detached: false })
}

fn pull(world: &mut World, device: usize, after: Option<Position>) -> Pulled {
    match world.call(device, ClientCommand::Pull { after, max_bytes: 1 << 20, own: false }) {
        Ok(Reply::Pulled(pulled)) => pulled,
        other => panic!("no pull: {other:?}"),
    }
}

fn texts(blobs: &[Blob]) -> Vec<String> {
    blobs.iter().map(|blob| String::from_utf8_lossy(&blob.data).into_owned()).collect()
}

fn report(world: &mut World, device: usize) -> Report {
    match world.call(device, ClientCommand::Inspect) {
        Ok(Reply::Report(report)) => *report,
        other => panic!("no report: {other:?}"),
    }
}

fn code(result: Result<Reply, Rejection>) -> Code {
    result.expect_err("it is refused").code
}

fn log_len(world: &mut World, device: usize) -> usize {
    let group = report(world, device).identity.expect("it has a group").group;
    world.relay.store.log(&group).len()
}

#[test]
fn r15_a_renamed_device_has_its_new_name_everywhere() {
    let (mut world, laptop, phone) = pair();
    world.call(laptop, ClientCommand::Rename("kitchen".into())).expect("a good name");
    world.run(Duration::from_secs(1));
    for device in [laptop, phone] {
        let names: Vec<_> = report(&mut world, device).devices.into_iter().map(|device| device.name).collect();
        assert!(names.contains(&"kitchen".to_owned()) && names.contains(&"phone".to_owned()), "{names:?}");
    }
}

#[test]
fn r20_heads_follow_applied_data_after_five_quiet_seconds_and_nothing_else() {
    let (mut world, laptop, _) = pair();
    let before = log_len(&mut world, laptop);
    world.run(Duration::from_secs(600));
    assert_eq!(log_len(&mut world, laptop), before, "nothing is said about nothing");
    push(&mut world, laptop, "milk").expect("the relay holds it");
    world.run(Duration::from_secs(4));
    assert_eq!(log_len(&mut world, laptop), before + 1);
    world.run(Duration::from_secs(3));
    assert_eq!(log_len(&mut world, laptop), before + 2, "the phone's heads");
    world.run(Duration::from_secs(600));
    assert_eq!(log_len(&mut world, laptop), before + 2, "heads are not answered by heads");
}

#[test]
fn h11_a_blob_leaves_the_outbox_once_the_others_say_they_have_it() {
    // Nothing stays readable, so that what the outbox holds is held for someone.
    let (mut world, laptop, phone) = pair_with(ClientLimits { inbox_read: 0, ..ClientLimits::default() });
    world.kill_device(phone);
    push(&mut world, laptop, "milk").expect("the relay holds it");
    world.run(Duration::from_secs(26 * 3600));
    let rows = |world: &World| world.devices[laptop].store.image().outbox.iter().filter(|row| row.kind == 0).count();
    assert_eq!(rows(&world), 1, "the relay holds it, the phone does not");
    world.start_device(phone);
    world.run(Duration::from_secs(26 * 3600));
    assert_eq!(rows(&world), 0, "the phone's heads covered it, and a day has passed");
}

#[test]
fn h9_a_relay_that_lost_its_log_is_noticed_and_refilled() {
    let (mut world, laptop, phone) = pair();
    world.kill_device(phone);
    push(&mut world, laptop, "milk").expect("the relay holds it");
    world.kill_relay();
    world.relay.store = MemoryRelayStore::new(RelayId([8; 16]));
    world.start_relay();
    world.run(Duration::from_secs(60));
    let lost = |event: &ClientEvent| matches!(event, ClientEvent::Verdict { verdict: Verdict::RelayReset, .. });
    assert!(world.devices[laptop].events.iter().any(lost));
    world.start_device(phone);
    world.run(Duration::from_secs(30));
    assert_eq!(texts(&pull(&mut world, phone, None).blobs), ["milk"], "the laptop had kept it for the phone");
}

#[test]
fn h1_a_finding_stays_until_it_is_settled_also_over_a_restart() {
    let (mut world, laptop, _) = pair();
    world.kill_relay();
    world.relay.store = MemoryRelayStore::new(RelayId([8; 16]));
    world.start_relay();
    world.run(Duration::from_secs(60));
    world.kill_device(laptop);
    world.start_device(laptop);
    let verdicts = report(&mut world, laptop).verdicts;
    assert_eq!(verdicts.iter().map(|(_, verdict)| *verdict).collect::<Vec<_>>(), [Verdict::RelayReset]);
    world.call(laptop, ClientCommand::Settle(verdicts[0].0)).expect("it exists");
    assert_eq!(report(&mut world, laptop).verdicts, []);
    world.run(Duration::from_secs(1));
    world.kill_device(laptop);
    world.start_device(laptop);
    assert_eq!(report(&mut world, laptop).verdicts, [], "settled for good");
}

#[test]
fn h13_a_restored_store_starts_a_new_incarnation() {
    let (mut world, laptop, phone) = pair();
    push(&mut world, laptop, "milk").expect("the relay holds it");
    let copy = world.devices[laptop].store.clone();
    push(&mut world, laptop, "bread").expect("the relay holds it");
    world.kill_device(laptop);
    let reserved = world.devices[laptop].store.reserved();
    world.devices[laptop].store = copy;
    world.devices[laptop].store.set_reserved(reserved);
    world.start_device(laptop);
    world.run(Duration::from_secs(5));
    push(&mut world, laptop, "tea").expect("the relay holds it");
    world.run(Duration::from_secs(30));
    assert_eq!(texts(&pull(&mut world, phone, None).blobs), ["milk", "bread", "tea"]);
    assert_eq!(report(&mut world, phone).verdicts, [], "no number was used twice");
}

#[test]
fn h6_a_joiner_misses_nothing_at_or_below_its_baseline() {
    let limits = RelayLimits { retention: Duration::from_secs(3600), ..RelayLimits::default() };
    let mut world = World::with_limits(ChannelKind::Plain, ClientLimits::default(), limits, 1);
    let laptop = founder(&mut world, "laptop");
    for text in ["a", "b"] {
        push(&mut world, laptop, text).expect("the relay holds it");
    }
    world.run(Duration::from_secs(4 * 3600));
    assert_eq!(log_len(&mut world, laptop), 0, "everything has expired");
    let phone = newcomer(&mut world, "phone");
    let invite = invite(&mut world, laptop);
    let reply = join(&mut world, phone, invite);
    assert!(matches!(reply, Ok(Reply::Joined { history_complete: false, .. })), "{reply:?}");
    push(&mut world, laptop, "c").expect("the relay holds it");
    world.run(Duration::from_secs(1800));
    assert_eq!(texts(&pull(&mut world, phone, None).blobs), ["c"]);
    assert_eq!(report(&mut world, phone).verdicts, [], "what is at or below the baseline is nobody's fault");
}

#[test]
fn c2_positions_grow_and_never_repeat() {
    let (mut world, laptop, phone) = pair();
    let mut seen = Vec::new();
    for (n, text) in ["a", "b", "c"].into_iter().enumerate() {
        push(&mut world, laptop, text).expect("the relay holds it");
        world.run(Duration::from_secs(1));
        if n == 1 {
            world.kill_device(phone);
            world.start_device(phone);
            world.run(Duration::from_secs(10));
        }
        let pulled = pull(&mut world, phone, None);
        seen.extend(pulled.blobs.iter().map(|blob| blob.cursor));
        world.call(phone, ClientCommand::Ack(pulled.max_cursor)).expect("it was returned");
    }
    assert_eq!(seen.len(), 3);
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "{seen:?}");
}

#[test]
fn c4_an_unassigned_position_is_refused_and_the_highest_named() {
    let (mut world, laptop, phone) = pair();
    push(&mut world, laptop, "milk").expect("the relay holds it");
    world.run(Duration::from_secs(1));
    let highest = report(&mut world, phone).head;
    let beyond = Position(highest.0 + 1);
    for command in
        [ClientCommand::Ack(beyond), ClientCommand::Pull { after: Some(beyond), max_bytes: 1 << 20, own: false }]
    {
        let rejection = world.call(phone, command).expect_err("never assigned");
        assert_eq!((rejection.code, rejection.last_cursor), (Code::CursorUnknown, Some(highest)));
    }
}

#[test]
fn p10_nothing_is_handed_over_before_the_relay_holds_the_admission() {
    // Room for the genesis alone: the record that admits the phone is refused.
    let limits = RelayLimits { group_blobs: 1, ..RelayLimits::default() };
    let mut world = World::with_limits(ChannelKind::Plain, ClientLimits::default(), limits, 1);
    let laptop = founder(&mut world, "laptop");
    world.run_until("the laptop is connected", |world| world.devices[laptop].is_synced());
    let phone = newcomer(&mut world, "phone");
    let invite = invite(&mut world, laptop);
    join(&mut world, phone, invite).expect_err("it cannot become a member");
    assert!(world.devices[phone].store.image().roster.is_empty(), "it was given nothing");
    assert!(!world.devices[laptop].events.iter().any(|event| matches!(event, ClientEvent::InviteUsed { .. })));
}

#[test]
fn p16_every_member_hears_of_a_new_device_and_its_creator_is_asked_for_all() {
    let (mut world, laptop, phone) = pair();
    let invite = invite(&mut world, laptop);
    let tablet = newcomer(&mut world, "tablet");
    let reply = join(&mut world, tablet, invite);
    assert!(matches!(reply, Ok(Reply::Joined { history_complete: true, .. })), "{reply:?}");
    world.run(Duration::from_secs(30));
    for (device, asked) in [(laptop, true), (phone, false)] {
        let heard = |event: &ClientEvent| match event {
            ClientEvent::DeviceJoined { name, wants_full_push, .. } if name == "tablet" => Some(*wants_full_push),
            _ => None,
        };
        assert_eq!(world.devices[device].events.iter().find_map(heard), Some(asked));
    }
}

#[test]
fn p17_a_group_of_one_moves_its_queue_and_a_larger_one_refuses() {
    let (mut world, laptop, phone) = pair();
    let tablet = newcomer(&mut world, "tablet");
    world.set_network(false);
    world.call(tablet, ClientCommand::Enable { name: "tablet".into() }).expect("offline too");
    assert_eq!(code(push(&mut world, tablet, "note")), Code::Pending);
    world.set_network(true);
    world.signal(laptop, zerok_core::client::command::Lifecycle::NetworkChanged { available: true });
    world.run_until("the laptop is back", |world| world.devices[laptop].is_synced());
    let first = invite(&mut world, laptop);
    let reply = join(&mut world, tablet, first);
    assert!(matches!(reply, Ok(Reply::Joined { .. })), "{reply:?}");
    world.run(Duration::from_secs(60));
    assert_eq!(texts(&pull(&mut world, laptop, None).blobs).last().map(String::as_str), Some("note"));
    let second = invite(&mut world, laptop);
    assert_eq!(code(join(&mut world, phone, second)), Code::AlreadyInGroup);
}

#[test]
fn p18_another_relay_is_a_warning_until_it_is_set() {
    let mut world = World::new(ChannelKind::Plain);
    let laptop = founder(&mut world, "laptop");
    let mut elsewhere = world.relay.address();
    elsewhere.tcp = vec!["moved.test:7040".into()];
    world.call(laptop, ClientCommand::Configure(elsewhere.clone())).expect("the same relay at another address");
    assert_eq!(report(&mut world, laptop).relay, Some(elsewhere.clone()));
    let mut other = elsewhere.clone();
    other.key.0[0] ^= 1;
    assert_eq!(code(world.call(laptop, ClientCommand::Configure(other.clone()))), Code::RelayMismatch);
    assert_eq!(report(&mut world, laptop).relay, Some(elsewhere));
    world.call(laptop, ClientCommand::SetRelay(other.clone())).expect("on purpose");
    assert_eq!(report(&mut world, laptop).relay, Some(other));
}

#[test]
fn a1_enabling_twice_is_one_group_and_works_offline() {
    let mut world = World::new(ChannelKind::Plain);
    world.set_network(false);
    let laptop = world.add_device("laptop");
    for bad in ["", "  ", "a\nb", &"x".repeat(65)] {
        assert_eq!(code(world.call(laptop, ClientCommand::Enable { name: bad.into() })), Code::InvalidArgs);
    }
    world.call(laptop, ClientCommand::Enable { name: "laptop".into() }).expect("offline too");
    let first = report(&mut world, laptop).identity;
    world.call(laptop, ClientCommand::Enable { name: "other".into() }).expect("again");
    assert!(first.is_some());
    assert_eq!(report(&mut world, laptop).identity, first);
}

#[test]
fn a2_a_push_is_pending_offline_and_goes_out_by_itself() {
    let (mut world, laptop, phone) = pair();
    world.set_network(false);
    world.run(Duration::from_secs(1));
    let rejection = push(&mut world, laptop, "milk").expect_err("it is offline");
    assert_eq!(rejection.code, Code::Pending);
    let id = rejection.blob_id.expect("it is queued");
    world.set_network(true);
    world.run(Duration::from_secs(90));
    let synced = |event: &ClientEvent| matches!(event, ClientEvent::BlobSynced { id: synced, .. } if *synced == id);
    assert_eq!(world.devices[laptop].events.iter().filter(|event| synced(event)).count(), 1);
    assert_eq!(pull(&mut world, phone, None).blobs.iter().map(|blob| blob.id).collect::<Vec<_>>(), [id]);
}

#[test]
fn a4_a_pull_says_what_it_covers_and_leaves_own_blobs_out() {
    let (mut world, laptop, phone) = pair();
    push(&mut world, phone, "own").expect("the relay holds it");
    for text in ["a", "b"] {
        push(&mut world, laptop, text).expect("the relay holds it");
    }
    world.run(Duration::from_secs(1));
    // At least one, even where none fits.
    let first = match world.call(phone, ClientCommand::Pull { after: None, max_bytes: 1, own: false }) {
        Ok(Reply::Pulled(pulled)) => pulled,
        other => panic!("no pull: {other:?}"),
    };
    assert_eq!((texts(&first.blobs), first.has_more), (vec!["a".to_owned()], true));
    assert_eq!(first.max_cursor, first.blobs[0].cursor);
    let rest = pull(&mut world, phone, Some(first.max_cursor));
    assert_eq!((texts(&rest.blobs), rest.has_more), (vec!["b".to_owned()], false));
    let none = pull(&mut world, phone, Some(rest.max_cursor));
    assert_eq!((none.blobs.len(), none.max_cursor), (0, rest.max_cursor));
}

#[test]
fn a5_nothing_unseen_can_be_acknowledged() {
    let (mut world, laptop, phone) = pair();
    for text in ["a", "b"] {
        push(&mut world, laptop, text).expect("the relay holds it");
    }
    world.run(Duration::from_secs(1));
    let head = report(&mut world, phone).head;
    world.call(phone, ClientCommand::Ack(head)).expect("it was assigned");
    assert_eq!(
        texts(&pull(&mut world, phone, None).blobs),
        ["a", "b"],
        "nothing was returned, so nothing was acknowledged"
    );
    world.call(phone, ClientCommand::Ack(head)).expect("it was assigned");
    assert_eq!(pull(&mut world, phone, None).blobs, []);
}

#[test]
fn a6_read_blobs_stay_for_a_day_and_then_an_answer_is_truncated() {
    let (mut world, laptop, phone) = pair();
    push(&mut world, laptop, "a").expect("the relay holds it");
    world.run(Duration::from_secs(1));
    let before = report(&mut world, phone).acked;
    let pulled = pull(&mut world, phone, None);
    world.call(phone, ClientCommand::Ack(pulled.max_cursor)).expect("it was returned");
    world.run(Duration::from_secs(23 * 3600));
    let again = pull(&mut world, phone, Some(before));
    assert_eq!((texts(&again.blobs), again.truncated), (vec!["a".to_owned()], false));
    world.run(Duration::from_secs(2 * 3600));
    let late = pull(&mut world, phone, Some(before));
    assert_eq!((late.blobs.len(), late.truncated), (0, true));
}

#[test]
fn a7_a_full_inbox_stops_pulling_and_not_pushing() {
    let (mut world, laptop, phone) = pair_with(ClientLimits { inbox_unread: 2000, ..ClientLimits::default() });
    for text in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"] {
        push(&mut world, laptop, text).expect("the relay holds it");
    }
    world.run(Duration::from_secs(1));
    let status = report(&mut world, phone).status;
    assert_eq!((status.indicator, status.last_error), (Indicator::Failed, Some(Code::InboxFull)));
    push(&mut world, phone, "still").expect("pushing goes on");
    let mut read = Vec::new();
    while read.len() < 10 {
        let pulled = pull(&mut world, phone, None);
        read.extend(texts(&pulled.blobs));
        world.call(phone, ClientCommand::Ack(pulled.max_cursor)).expect("it was returned");
        world.run(Duration::from_secs(60));
    }
    assert_eq!(read, ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"], "the rest came once there was room");
}

#[test]
fn a8_the_indicator_follows_link_and_queue() {
    let mut world = World::new(ChannelKind::Plain);
    let laptop = world.add_device("laptop");
    let status = |world: &mut World| report(world, laptop).status;
    assert_eq!(status(&mut world).state, ConnectionState::Disabled);
    world.call(laptop, ClientCommand::Enable { name: "laptop".into() }).expect("offline too");
    assert_eq!(status(&mut world).indicator, Indicator::Offline, "no relay is known");
    let address = world.relay.address();
    world.call(laptop, ClientCommand::Configure(address)).expect("a first relay is adopted");
    world.run(Duration::from_secs(5));
    assert_eq!(
        (status(&mut world).state, status(&mut world).indicator),
        (ConnectionState::Connected, Indicator::Synced)
    );
    world.set_network(false);
    let lost = world.dials;
    let shown = |world: &World| world.devices[laptop].client.as_ref().map(|client| client.status().indicator);
    assert_eq!(shown(&world), Some(Indicator::Synced), "nothing waits");
    assert_eq!(code(push(&mut world, laptop, "milk")), Code::Pending);
    world.run_until("the third dial", |world| world.dials == lost + 3);
    assert_eq!(shown(&world), Some(Indicator::Pending), "two dials have failed");
    world.run(Duration::from_secs(1));
    assert_eq!(shown(&world), Some(Indicator::Offline), "and now the third");
    assert_eq!(status(&mut world).state, ConnectionState::Reconnecting);
}

#[test]
fn a10_a_sync_answers_when_queue_and_log_are_done_and_says_offline() {
    let (mut world, laptop, phone) = pair();
    let data = Bytes::from_static(b"milk");
    world.call(laptop, ClientCommand::Push { data, key: None, detached: true }).expect("it is queued");
    assert_eq!(world.call(laptop, ClientCommand::SyncNow), Ok(Reply::Done));
    assert_eq!(report(&mut world, laptop).status.pending, 0);
    assert_eq!(world.call(phone, ClientCommand::SyncNow), Ok(Reply::Done));
    assert_eq!(texts(&pull(&mut world, phone, None).blobs), ["milk"]);
    world.set_network(false);
    world.run(Duration::from_secs(1));
    assert_eq!(code(world.call(laptop, ClientCommand::SyncNow)), Code::Offline);
}

#[test]
fn a11_leaving_refuses_while_something_is_queued_and_forgets_all() {
    let (mut world, laptop, _) = pair();
    world.set_network(false);
    world.run(Duration::from_secs(1));
    assert_eq!(code(push(&mut world, laptop, "milk")), Code::Pending);
    assert_eq!(code(world.call(laptop, ClientCommand::Leave { force: false })), Code::LeavePending);
    world.call(laptop, ClientCommand::Leave { force: true }).expect("by force");
    world.run(Duration::from_secs(1));
    let image = world.devices[laptop].store.image();
    assert!(image.outbox.is_empty() && image.roster.is_empty() && image.streams.is_empty());
    let report = report(&mut world, laptop);
    assert!(report.identity.is_none() && report.relay.is_some());
}
