//! Joining by a code or a picture, what each side hears, and everything that may come between.

use std::time::Duration;

use crate::common::{
    code, drain, founder, greeted, invite, invites, join, joiner, newcomer, online, pair, pull, push, report, texts,
};
use zerok_core::{
    channel::ChannelKind,
    client::command::{ClientCommand, ClientEvent, Reply},
    error::Code,
    limits::{ClientLimits, RelayLimits},
    pairing::{code::PairingCode, invite::Invite},
};
use zerok_testkit::sim::World;

const KINDS: [ChannelKind; 2] = [ChannelKind::Plain, ChannelKind::Noise];

#[test]
fn b1_a_typed_code_joins_and_data_flows_both_ways() {
    for kind in KINDS {
        let (mut world, laptop, phone) = pair(kind);
        push(&mut world, laptop, "milk").expect("the relay holds it");
        push(&mut world, phone, "bread").expect("the relay holds it");
        world.run(Duration::from_secs(1));
        assert_eq!(texts(&pull(&mut world, phone, None).blobs), ["milk"]);
        assert_eq!(texts(&pull(&mut world, laptop, None).blobs), ["bread"]);
    }
}

#[test]
fn b1_a_picture_joins_a_device_that_knows_no_relay() {
    for kind in KINDS {
        let (mut world, laptop) = online(kind);
        let (_, qr) = invites(&mut world, laptop);
        let phone = world.add_device("phone");
        join(&mut world, phone, Invite::Qr(qr), "phone").expect("a good picture joins");
        world.run(Duration::from_secs(20));
        assert_eq!(report(&mut world, phone).relay, Some(world.relay.address()));
        assert_eq!(greeted(&world, laptop), [("phone".to_owned(), true)]);
        assert_eq!(world.relay.store.mailbox_count(), 0, "both mailboxes of the invite are closed");
    }
}

#[test]
fn b2_a_wrong_code_is_unknown_and_claims_nothing() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    let good = invite(&mut world, laptop);
    let phone = newcomer(&mut world, "phone");
    let wrong: PairingCode = "0000-0000-0000-0000".parse().expect("a code in form");
    assert_eq!(code(join(&mut world, phone, Invite::Code(wrong), "phone")), Code::InviteUnknown);
    join(&mut world, phone, good, "phone").expect("the good one still works");
}

#[test]
fn a_code_without_a_relay_says_so_and_an_empty_name_too() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    let good = invite(&mut world, laptop);
    let phone = world.add_device("phone");
    assert_eq!(code(join(&mut world, phone, good.clone(), "phone")), Code::NoRelay);
    assert_eq!(code(join(&mut world, phone, good, " ")), Code::InvalidArgs);
}

#[test]
fn b5_of_two_joiners_exactly_one_wins_and_the_other_is_told() {
    for kind in KINDS {
        let (mut world, laptop) = online(kind);
        let good = invite(&mut world, laptop);
        let [phone, tablet] = ["phone", "tablet"].map(|name| newcomer(&mut world, name));
        let ids = [phone, tablet]
            .map(|device| world.send(device, ClientCommand::Join { invite: good.clone(), name: "new".into() }));
        world.run(Duration::from_secs(30));
        let mut results =
            [phone, tablet].map(|device| world.devices[device].replies[&ids[usize::from(device == tablet)]].clone());
        results.sort_by_key(Result::is_err);
        assert!(matches!(results[0], Ok(Reply::Joined { .. })), "{results:?}");
        assert!(
            matches!(results[1], Err(rejection) if matches!(rejection.code, Code::InviteUsed | Code::InviteUnknown))
        );
        assert_eq!(report(&mut world, laptop).devices.len(), 2);
    }
}

#[test]
fn b8_a_code_that_was_used_does_not_work_again() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    let good = invite(&mut world, laptop);
    let phone = newcomer(&mut world, "phone");
    join(&mut world, phone, good.clone(), "phone").expect("a good code");
    let tablet = newcomer(&mut world, "tablet");
    let refused = code(join(&mut world, tablet, good, "tablet"));
    assert!(matches!(refused, Code::InviteUsed | Code::InviteUnknown), "{refused:?}");
}

#[test]
fn b6_after_ten_minutes_the_invite_is_over_on_both_sides() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    let good = invite(&mut world, laptop);
    world.run(Duration::from_secs(601));
    assert!(world.devices[laptop].events.contains(&ClientEvent::InviteEnded { code: Code::InviteExpired }));
    let phone = newcomer(&mut world, "phone");
    assert_eq!(code(join(&mut world, phone, good, "phone")), Code::InviteUnknown);
}

#[test]
fn an_invite_made_at_the_end_of_time_overflows_nothing() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    world.kill_device(laptop);
    world.devices[laptop].clock_skew = i64::MAX;
    world.start_device(laptop);
    world.run(Duration::from_secs(5));
    let Ok(Reply::Invited { expires_at, .. }) = world.call(laptop, ClientCommand::CreateInvite) else {
        panic!("no invite");
    };
    assert!(expires_at.0 > i64::MAX as u64, "{expires_at:?}");
}

#[test]
fn b6_an_invite_ages_while_its_device_sleeps() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    let good = invite(&mut world, laptop);
    world.fall_asleep(laptop);
    world.run(Duration::from_secs(605));
    world.wake_up(laptop);
    assert!(world.devices[laptop].events.contains(&ClientEvent::InviteEnded { code: Code::InviteExpired }));
    let phone = newcomer(&mut world, "phone");
    assert_eq!(code(join(&mut world, phone, good, "phone")), Code::InviteUnknown);
}

#[test]
fn a_cancelled_invite_is_unknown_and_a_new_one_works() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    let first = invite(&mut world, laptop);
    world.call(laptop, ClientCommand::CancelInvite).expect("cancelling works");
    assert!(world.devices[laptop].events.contains(&ClientEvent::InviteEnded { code: Code::Cancelled }));
    let phone = newcomer(&mut world, "phone");
    world.run(Duration::from_secs(1));
    assert_eq!(code(join(&mut world, phone, first, "phone")), Code::InviteUnknown);
    let second = invite(&mut world, laptop);
    join(&mut world, phone, second, "phone").expect("a good code");
}

#[test]
fn an_invite_needs_a_relay_that_answers() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    world.set_network(false);
    world.run(Duration::from_secs(2));
    assert_eq!(code(world.call(laptop, ClientCommand::CreateInvite)), Code::Offline);
    world.set_network(true);
    world.run_until("back", |world| world.devices[laptop].is_connected());
    world.set_silent(true);
    let before = world.now();
    assert_eq!(code(world.call(laptop, ClientCommand::CreateInvite)), Code::Offline);
    assert!(world.now().since(before) < Duration::from_secs(30));
}

#[test]
fn a_join_without_network_is_offline_at_once() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    let good = invite(&mut world, laptop);
    let phone = newcomer(&mut world, "phone");
    world.set_online(phone, false);
    let before = world.now();
    assert_eq!(code(join(&mut world, phone, good.clone(), "phone")), Code::Offline);
    assert!(world.now().since(before) < Duration::from_secs(1));
    world.set_online(phone, true);
    join(&mut world, phone, good, "phone").expect("the invite is still good");
}

#[test]
fn a_creator_that_never_answers_fails_the_join_within_a_minute() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    let good = invite(&mut world, laptop);
    world.kill_device(laptop);
    let phone = newcomer(&mut world, "phone");
    let before = world.now();
    assert_eq!(code(join(&mut world, phone, good, "phone")), Code::PairingFailed);
    assert_eq!(world.now().since(before), Duration::from_secs(60));
    assert_eq!(report(&mut world, phone).identity, None);
}

#[test]
fn pairing_survives_a_broken_link_at_every_moment() {
    for (who, name) in ["laptop", "phone"].into_iter().enumerate() {
        for step in 0..24 {
            let (mut world, laptop) = online(ChannelKind::Noise);
            let good = invite(&mut world, laptop);
            let phone = newcomer(&mut world, "phone");
            let id = world.send(phone, ClientCommand::Join { invite: good, name: "phone".into() });
            world.run(Duration::from_millis(25 * step));
            world.break_link(who);
            world.run_until("answered", |world| world.devices[phone].replies.contains_key(&id));
            // Before the exchange has begun a joiner that loses its link is told at once.
            if let Err(rejection) = &world.devices[phone].replies[&id] {
                assert_eq!((rejection.code, name), (Code::Offline, "phone"), "at step {step}");
                continue;
            }
            world.run(Duration::from_secs(30));
            assert_eq!(greeted(&world, laptop), [("phone".to_owned(), true)], "{name} at step {step}");
            push(&mut world, phone, "milk").expect("a member");
            world.run(Duration::from_secs(1));
            assert_eq!(texts(&drain(&mut world, laptop)), ["milk"]);
        }
    }
}

#[test]
fn pairing_survives_a_restart_of_the_relay_that_forgets_its_mailboxes() {
    for step in 0..16 {
        let (mut world, laptop) = online(ChannelKind::Noise);
        let good = invite(&mut world, laptop);
        let phone = newcomer(&mut world, "phone");
        world.send(phone, ClientCommand::Join { invite: good.clone(), name: "phone".into() });
        world.run(Duration::from_millis(40 * step));
        world.kill_relay();
        world.relay.store.forget_mailboxes();
        world.run(Duration::from_millis(500));
        world.start_relay();
        world.run(Duration::from_secs(90));
        if report(&mut world, phone).identity.is_none() {
            // The newcomer came back first and found no mailbox yet, or had not begun: told, and the invite holds.
            let again = match join(&mut world, phone, good, "phone") {
                Ok(_) => Ok(()),
                Err(_) => {
                    let fresh = invite(&mut world, laptop);
                    join(&mut world, phone, fresh, "phone").map(|_| ())
                }
            };
            again.expect("a retry works");
            world.run(Duration::from_secs(20));
        }
        assert_eq!(report(&mut world, laptop).devices.len(), 2, "one roster entry at step {step}");
    }
}

#[test]
fn b7_a_joiner_killed_at_any_moment_has_keys_only_as_a_member_and_retries_as_one_device() {
    for step in 0..70 {
        let (mut world, laptop) = online(ChannelKind::Plain);
        let good = invite(&mut world, laptop);
        let phone = newcomer(&mut world, "phone");
        world.send(phone, ClientCommand::Join { invite: good, name: "phone".into() });
        world.run(Duration::from_millis(10 * step));
        world.kill_device(phone);
        world.start_device(phone);
        world.run(Duration::from_secs(5));
        let member = report(&mut world, phone).identity.is_some();
        if member {
            assert!(report(&mut world, laptop).devices.len() == 2, "keys without membership at step {step}");
        } else {
            let fresh = invite(&mut world, laptop);
            join(&mut world, phone, fresh, "phone").expect("a retry works");
        }
        world.run(Duration::from_secs(20));
        assert_eq!(report(&mut world, laptop).devices.len(), 2, "one roster entry, step {step}");
        assert_eq!(greeted(&world, laptop), [("phone".to_owned(), true)], "step {step}");
    }
}

#[test]
fn b7_a_creator_killed_at_any_moment_hands_nothing_to_a_non_member_and_a_retry_works() {
    for step in 0..35 {
        let (mut world, laptop) = online(ChannelKind::Plain);
        let good = invite(&mut world, laptop);
        let phone = newcomer(&mut world, "phone");
        let id = world.send(phone, ClientCommand::Join { invite: good, name: "phone".into() });
        world.run(Duration::from_millis(20 * step));
        world.kill_device(laptop);
        let handed = report(&mut world, phone).identity.is_some();
        world.run(Duration::from_secs(2));
        world.start_device(laptop);
        world.run(Duration::from_secs(1));
        // Whoever had the keys when the creator died is a member by what the creator's disk says.
        let members = report(&mut world, laptop).devices.len();
        assert!(!handed || members == 2, "keys without membership at step {step}");
        world.run_until("answered", |world| world.devices[phone].replies.contains_key(&id));
        if world.devices[phone].replies[&id].is_err() {
            let fresh = invite(&mut world, laptop);
            join(&mut world, phone, fresh, "phone").expect("a retry works");
        }
        world.run(Duration::from_secs(20));
        assert_eq!(report(&mut world, laptop).devices.len(), 2, "one roster entry, step {step}");
        assert_eq!(report(&mut world, phone).devices.len(), 2);
    }
}

#[test]
fn b13_every_member_hears_once_of_a_new_device_also_the_one_that_was_away() {
    let (mut world, laptop, phone) = pair(ChannelKind::Noise);
    world.kill_device(phone);
    let tablet = joiner(&mut world, laptop, "tablet");
    world.run(Duration::from_secs(20));
    world.start_device(phone);
    world.run(Duration::from_secs(20));
    for device in [laptop, phone] {
        world.kill_device(device);
        world.start_device(device);
    }
    world.run(Duration::from_secs(20));
    assert_eq!(greeted(&world, phone), [("tablet".to_owned(), false)]);
    assert_eq!(greeted(&world, tablet), []);
    assert_eq!(report(&mut world, phone).devices.len(), 3);
}

#[test]
fn a_wish_for_a_full_push_is_told_at_each_enable_until_it_is_accepted() {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    push(&mut world, phone, "milk").expect("the relay holds it");
    world.run(Duration::from_secs(1));
    let told = ("phone".to_owned(), true);
    assert_eq!(greeted(&world, laptop), std::slice::from_ref(&told));
    world.kill_device(laptop);
    world.start_device(laptop);
    world.run(Duration::from_secs(5));
    assert_eq!(greeted(&world, laptop).len(), 1, "nobody listens yet");
    push(&mut world, laptop, "a keystroke").expect("the relay holds it");
    assert!(report(&mut world, laptop).wants_full_push, "what else is pushed settles nothing");
    world.call(laptop, ClientCommand::Enable { name: "laptop".into() }).expect("as at every start");
    world.call(laptop, ClientCommand::Enable { name: "laptop".into() }).expect("idempotent");
    assert_eq!(greeted(&world, laptop), [told.clone(), told.clone(), told]);
    world.call(laptop, ClientCommand::AcceptFullPush).expect("it is noted");
    assert!(!report(&mut world, laptop).wants_full_push);
    world.kill_device(laptop);
    world.start_device(laptop);
    world.call(laptop, ClientCommand::Enable { name: "laptop".into() }).expect("as at every start");
    world.run(Duration::from_secs(5));
    assert_eq!(greeted(&world, laptop).len(), 3);
}

#[test]
fn what_a_device_brings_into_a_group_is_asked_for_at_each_enable_until_it_is_accepted() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    let phone = founder(&mut world, "phone");
    world.run_until("it is online", |world| world.devices[phone].is_synced());
    push(&mut world, phone, "milk").expect("the relay holds it");
    let good = invite(&mut world, laptop);
    join(&mut world, phone, good, "phone").expect("it joins");
    let asked = |world: &World| {
        let asks = |event: &&ClientEvent| matches!(event, ClientEvent::Joined { needs_full_push: true, .. });
        world.devices[phone].events.iter().filter(asks).count()
    };
    assert_eq!(asked(&world), 1);
    world.kill_device(phone);
    world.start_device(phone);
    world.call(phone, ClientCommand::Enable { name: "phone".into() }).expect("as at every start");
    assert_eq!(asked(&world), 2);
    world.call(phone, ClientCommand::AcceptFullPush).expect("it is noted");
    world.call(phone, ClientCommand::Enable { name: "phone".into() }).expect("idempotent");
    assert_eq!(asked(&world), 2);
    world.call(phone, ClientCommand::Leave { force: true }).expect("it leaves");
    assert_eq!(code(world.call(phone, ClientCommand::AcceptFullPush)), Code::NotEnabled);
}

#[test]
fn a_push_before_the_newcomer_is_heard_of_does_not_settle_its_wish() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    let good = invite(&mut world, laptop);
    let phone = newcomer(&mut world, "phone");
    world.send(phone, ClientCommand::Join { invite: good, name: "phone".into() });
    world.run_until("admitted", |world| {
        world.devices[laptop].events.iter().any(|event| matches!(event, ClientEvent::InviteUsed { .. }))
    });
    push(&mut world, laptop, "something else").expect("the relay holds it");
    world.run(Duration::from_secs(20));
    assert_eq!(greeted(&world, laptop), [("phone".to_owned(), true)]);
}

#[test]
fn b14_two_founders_can_meet_and_one_that_has_others_cannot() {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    let other = founder(&mut world, "other");
    world.run_until("connected", |world| world.devices[other].is_synced());
    let theirs = invite(&mut world, other);
    // Also what has not left yet stays where it was sealed for.
    let groups = world.relay.store.groups();
    let logs = |world: &World| groups.iter().map(|group| world.relay.store.log(group).len()).collect::<Vec<_>>();
    let before = logs(&world);
    world.set_network(false);
    let data = bytes::Bytes::from_static(b"ours");
    world.call(laptop, ClientCommand::Push { data, key: None, detached: true }).expect("it is queued");
    assert_eq!(code(join(&mut world, laptop, theirs, "laptop")), Code::AlreadyInGroup);
    assert_eq!(report(&mut world, laptop).devices.len(), 2);
    world.set_network(true);
    world.run(Duration::from_secs(60));
    assert_eq!(texts(&pull(&mut world, phone, None).blobs), ["ours"]);
    assert_eq!(pull(&mut world, other, None).blobs, []);
    let grown = before.iter().zip(logs(&world)).filter(|(before, after)| **before < *after).count();
    assert_eq!((world.relay.store.groups().len(), grown), (2, 1), "in its own group and in no other");
}

/// A founder on a relay with bounds of its own.
fn founder_with(relay: RelayLimits) -> (World, usize) {
    let mut world = World::with_limits(ChannelKind::Plain, ClientLimits::default(), relay, 1);
    let laptop = founder(&mut world, "laptop");
    world.run_until("the laptop is connected", |world| world.devices[laptop].is_synced());
    (world, laptop)
}

#[test]
fn p10_a_second_invite_for_the_same_device_waits_for_the_admission_of_the_first() {
    // Room for the genesis, not for an admission.
    let (mut world, laptop) = founder_with(RelayLimits { group_blobs: 1, ..RelayLimits::default() });
    let phone = newcomer(&mut world, "phone");
    for attempt in 1..=2 {
        let good = invite(&mut world, laptop);
        assert_eq!(code(join(&mut world, phone, good, "phone")), Code::PairingFailed, "attempt {attempt}");
        assert_eq!(report(&mut world, phone).identity, None, "no key left before the relay held the admission");
    }
    assert_eq!(report(&mut world, laptop).devices.len(), 2);
    let used = |event: &ClientEvent| matches!(event, ClientEvent::InviteUsed { .. });
    assert!(!world.devices[laptop].events.iter().any(used));
}

#[test]
fn an_invite_that_the_relay_refuses_ends_at_once_with_its_code() {
    let (mut world, laptop) = founder_with(RelayLimits { mailboxes_per_group: 1, ..RelayLimits::default() });
    let before = world.now();
    assert_eq!(code(world.call(laptop, ClientCommand::CreateInvite)), Code::RateLimited);
    assert!(world.now().since(before) < Duration::from_secs(5));
}

#[test]
fn q8_an_invite_on_a_full_relay_is_refused_at_once_and_works_when_there_is_room() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    world.relay.store.set_full(true);
    let before = world.now();
    assert_eq!(code(world.call(laptop, ClientCommand::CreateInvite)), Code::RelayFull);
    assert!(world.now().since(before) < Duration::from_secs(5));
    world.relay.store.set_full(false);
    world.run(Duration::from_secs(10));
    let good = invite(&mut world, laptop);
    let phone = newcomer(&mut world, "phone");
    join(&mut world, phone, good, "phone").expect("a good code joins");
}

#[test]
fn q8_a_relay_that_fills_up_at_any_moment_of_a_pairing_leaves_no_member_without_keys_and_a_retry_works() {
    let mut codes = std::collections::BTreeSet::new();
    for step in 0..30 {
        let (mut world, laptop) = online(ChannelKind::Plain);
        let good = invite(&mut world, laptop);
        let phone = newcomer(&mut world, "phone");
        let id = world.send(phone, ClientCommand::Join { invite: good, name: "phone".into() });
        world.run(Duration::from_millis(20 * step));
        world.relay.store.set_full(true);
        world.run_until("answered", |world| world.devices[phone].replies.contains_key(&id));
        let answer = world.devices[phone].replies[&id].clone();
        world.relay.store.set_full(false);
        world.run(Duration::from_secs(15));
        match answer {
            Ok(_) => {}
            Err(rejection) => {
                codes.insert(rejection.code);
                assert_eq!(report(&mut world, phone).identity, None, "keys without membership at step {step}");
                let fresh = invite(&mut world, laptop);
                join(&mut world, phone, fresh, "phone").expect("a retry works");
            }
        }
        world.run(Duration::from_secs(20));
        for device in [laptop, phone] {
            assert_eq!(report(&mut world, device).devices.len(), 2, "one roster entry at step {step}");
        }
        push(&mut world, phone, "milk").expect("a member");
        world.run(Duration::from_secs(1));
        assert_eq!(texts(&drain(&mut world, laptop)), ["milk"], "step {step}");
    }
    assert!(codes.contains(&Code::RelayFull), "{codes:?}");
}
