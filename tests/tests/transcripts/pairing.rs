//! From an invite to a member of the group, or not.

use std::time::Duration;

use zerok_core::{
    channel::ChannelKind,
    client::command::ClientCommand,
    pairing::{code::PairingCode, invite::Invite},
};
use zerok_testkit::sim::World;

use crate::{
    common::{founder, invite, invites, join, newcomer, online, push},
    told,
};

#[test]
fn pairing_by_a_typed_code() {
    let mut world = World::new(ChannelKind::Plain);
    let laptop = founder(&mut world, "laptop");
    world.run_until("connected", |world| world.devices[laptop].is_synced());
    let code = invite(&mut world, laptop);
    let phone = newcomer(&mut world, "phone");
    join(&mut world, phone, code, "phone").expect("a good code");
    world.run(Duration::from_secs(1));
    told!(world);
}

#[test]
fn pairing_by_a_picture() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    let (_, picture) = invites(&mut world, laptop);
    world.transcript.clear();
    // It knows no relay: the picture names it.
    let phone = world.add_device("phone");
    join(&mut world, phone, Invite::Qr(picture), "phone").expect("a good picture");
    world.run(Duration::from_secs(1));
    told!(world);
}

#[test]
fn a_wrong_code() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    invite(&mut world, laptop);
    let phone = newcomer(&mut world, "phone");
    world.transcript.clear();
    let wrong: PairingCode = "0000-0000-0000-0000".parse().expect("a code in form");
    join(&mut world, phone, Invite::Code(wrong), "phone").expect_err("nobody made it");
    world.run(Duration::from_secs(5));
    told!(world);
}

#[test]
fn two_joiners_of_one_invite() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    let code = invite(&mut world, laptop);
    let [phone, tablet] = ["phone", "tablet"].map(|name| newcomer(&mut world, name));
    world.transcript.clear();
    for (device, name) in [(phone, "phone"), (tablet, "tablet")] {
        world.send(device, ClientCommand::Join { invite: code.clone(), name: name.into() });
    }
    world.run(Duration::from_secs(3));
    told!(world);
}

#[test]
fn an_invite_that_nobody_uses() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    world.transcript.clear();
    let code = invite(&mut world, laptop);
    world.run(Duration::from_secs(601));
    let phone = newcomer(&mut world, "phone");
    join(&mut world, phone, code, "phone").expect_err("too late");
    told!(world);
}

#[test]
fn an_invite_that_is_cancelled() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    world.transcript.clear();
    invite(&mut world, laptop);
    world.call(laptop, ClientCommand::CancelInvite).expect("there is one");
    world.run(Duration::from_secs(1));
    told!(world);
}

#[test]
fn a_device_from_a_group_of_one_brings_its_queue() {
    let (mut world, laptop) = online(ChannelKind::Plain);
    let (_, picture) = invites(&mut world, laptop);
    world.transcript.clear();
    let phone = world.add_device("phone");
    world.call(phone, ClientCommand::Enable { name: "phone".into() }).expect("works alone");
    push(&mut world, phone, "milk").expect_err("no relay");
    join(&mut world, phone, Invite::Qr(picture), "phone").expect("a good picture");
    world.run(Duration::from_secs(10));
    told!(world);
}
