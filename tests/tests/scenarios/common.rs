//! Builders that hide nothing of the protocol.

use bytes::Bytes;
use zerok_core::{
    channel::ChannelKind,
    client::command::{Blob, ClientCommand, Pulled, Rejection, Reply},
    ids::Position,
    pairing::invite::Invite,
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
    let mut world = World::new(kind);
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
