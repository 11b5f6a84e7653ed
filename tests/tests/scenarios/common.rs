//! Builders that hide nothing of the protocol.

use bytes::Bytes;
use zerok_core::{
    channel::ChannelKind,
    client::command::{Blob, ClientCommand, ClientEvent, Pulled, Rejection, Reply, Report},
    error::Code,
    ids::{BlobId, IdempotencyKey, Position},
    limits::{ClientLimits, RelayLimits},
    pairing::invite::{Invite, QrPayload},
};
use zerok_testkit::sim::World;

/// A device that knows the relay and is a group of one.
pub(crate) fn founder(world: &mut World, name: &'static str) -> usize {
    let device = world.add_device(name);
    let address = world.relay.address();
    world.call(device, ClientCommand::Configure(address)).expect("a first relay is adopted");
    world.call(device, ClientCommand::Enable { name: name.into() }).expect("enabling works offline");
    device
}

/// An open invite of a device.
pub(crate) fn invite(world: &mut World, device: usize) -> Invite {
    match world.call(device, ClientCommand::CreateInvite) {
        Ok(Reply::Invited { code, .. }) => Invite::Code(code),
        other => panic!("no invite: {other:?}"),
    }
}

/// A new device that joins the group of another by a typed code.
pub(crate) fn joiner(world: &mut World, of: usize, name: &'static str) -> usize {
    let invite = invite(world, of);
    let device = world.add_device(name);
    let address = world.relay.address();
    world.call(device, ClientCommand::Configure(address)).expect("a first relay is adopted");
    join(world, device, invite, name).expect("a good code joins");
    device
}

pub(crate) fn join(world: &mut World, device: usize, invite: Invite, name: &str) -> Result<Reply, Rejection> {
    world.call(device, ClientCommand::Join { invite, name: name.into() })
}

/// Two devices of one group, online and quiet.
pub(crate) fn pair(kind: ChannelKind) -> (World, usize, usize) {
    pair_with(kind, ClientLimits::default(), RelayLimits::default())
}

/// The same with bounds of one's own.
pub(crate) fn pair_with(kind: ChannelKind, limits: ClientLimits, relay: RelayLimits) -> (World, usize, usize) {
    let mut world = World::with_limits(kind, limits, relay, 1);
    let laptop = founder(&mut world, "laptop");
    world.run_until("the laptop is connected", |world| world.devices[laptop].is_synced());
    let phone = joiner(&mut world, laptop, "phone");
    world.run(std::time::Duration::from_secs(20));
    (world, laptop, phone)
}

pub(crate) fn push(world: &mut World, device: usize, data: &str) -> Result<Reply, Rejection> {
    let data = Bytes::copy_from_slice(data.as_bytes());
    world.call(device, ClientCommand::Push { data, key: None, detached: false })
}

pub(crate) fn pull(world: &mut World, device: usize, after: Option<Position>) -> Pulled {
    match world.call(device, ClientCommand::Pull { after, max_bytes: 1 << 20, own: false }) {
        Ok(Reply::Pulled(pulled)) => pulled,
        other => panic!("no pull: {other:?}"),
    }
}

pub(crate) fn texts(blobs: &[Blob]) -> Vec<String> {
    blobs.iter().map(|blob| String::from_utf8_lossy(&blob.data).into_owned()).collect()
}

/// A device alone in its group, connected and quiet.
pub(crate) fn online(kind: ChannelKind) -> (World, usize) {
    let mut world = World::new(kind);
    let device = founder(&mut world, "laptop");
    world.run_until("the laptop is connected", |world| world.devices[device].is_synced());
    (world, device)
}

pub(crate) fn code(result: Result<Reply, Rejection>) -> Code {
    result.expect_err("it is refused").code
}

pub(crate) fn pushed(result: Result<Reply, Rejection>) -> (BlobId, Position) {
    match result {
        Ok(Reply::Pushed { blob_id, cursor }) => (blob_id, cursor),
        other => panic!("not pushed: {other:?}"),
    }
}

pub(crate) fn key_push(world: &mut World, device: usize, data: &str, key: IdempotencyKey) -> Result<Reply, Rejection> {
    let data = Bytes::copy_from_slice(data.as_bytes());
    world.call(device, ClientCommand::Push { data, key: Some(key), detached: false })
}

pub(crate) fn report(world: &mut World, device: usize) -> Report {
    match world.call(device, ClientCommand::Inspect) {
        Ok(Reply::Report(report)) => *report,
        other => panic!("no report: {other:?}"),
    }
}

/// Everything in the inbox after the acknowledged position, acknowledged afterwards.
pub(crate) fn drain(world: &mut World, device: usize) -> Vec<Blob> {
    let mut blobs = Vec::new();
    let mut after = None;
    loop {
        let pulled = pull(world, device, after);
        after = Some(pulled.max_cursor);
        blobs.extend(pulled.blobs);
        if !pulled.has_more {
            world.call(device, ClientCommand::Ack(pulled.max_cursor)).expect("it was returned");
            return blobs;
        }
    }
}

/// Names of the other devices it said had joined, in order.
pub(crate) fn greeted(world: &World, device: usize) -> Vec<(String, bool)> {
    let joined = |event: &ClientEvent| match event {
        ClientEvent::DeviceJoined { name, wants_full_push, .. } => Some((name.clone(), *wants_full_push)),
        _ => None,
    };
    world.devices[device].events.iter().filter_map(joined).collect()
}

/// Both forms of one open invite.
pub(crate) fn invites(world: &mut World, device: usize) -> (Invite, QrPayload) {
    match world.call(device, ClientCommand::CreateInvite) {
        Ok(Reply::Invited { code, qr, .. }) => (Invite::Code(code), *qr),
        other => panic!("no invite: {other:?}"),
    }
}

/// A device that knows the relay and belongs to no group.
pub(crate) fn newcomer(world: &mut World, name: &'static str) -> usize {
    let device = world.add_device(name);
    let address = world.relay.address();
    world.call(device, ClientCommand::Configure(address)).expect("a first relay is adopted");
    device
}
