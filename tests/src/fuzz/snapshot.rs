//! A device of a group of two that has pushed and pulled, made once by the simulator: where most runs begin.

use std::sync::OnceLock;

use bytes::Bytes;
use zerok_core::{
    address::RelayAddress,
    channel::ChannelKind,
    client::command::{ClientCommand, Reply},
    ids::{Cursor, DeviceId, GroupId, Incarnation, Kid, Lane, RecordHash, StreamId},
    pairing::invite::Invite,
    seal::{
        keys::{DeviceKeys, EpochSecret, LinkSecret},
        record::Opened,
    },
    time::Duration,
};

use super::fixture::seal_plain;
use crate::{hostile::Insider, sim::World, store::client::MemoryClientStore};

/// The device's store, the group's secrets and the relay's log.
pub(super) struct Snapshot {
    pub(super) store: MemoryClientStore,
    pub(super) store_key: [u8; 32],
    relay_secret: [u8; 32],
    pub(super) address: RelayAddress,
    pub(super) group: GroupId,
    pub(super) secret: EpochSecret,
    pub(super) kid: Kid,
    /// This device, and the other.
    pub(super) keys: [DeviceKeys; 2],
    pub(super) log: Vec<(Cursor, Bytes)>,
    /// The last record of each of the other device's lanes.
    pub(super) ends: Vec<(StreamId, u64, RecordHash)>,
}

impl Snapshot {
    /// The same in every run.
    pub(super) fn shared() -> &'static Self {
        static SHARED: OnceLock<Snapshot> = OnceLock::new();
        SHARED.get_or_init(Self::make)
    }

    fn make() -> Self {
        let mut world = World::new(ChannelKind::Plain);
        let address = world.relay.address();
        let devices = ["laptop", "phone"].map(|name| {
            let device = world.add_device(name);
            world.call(device, ClientCommand::Configure(address.clone())).expect("a first relay");
            device
        });
        let [laptop, phone] = devices;
        world.call(laptop, ClientCommand::Enable { name: "laptop".into() }).expect("works alone");
        world.run_until("connected", |world| world.devices[0].is_connected());
        let Ok(Reply::Invited { code, .. }) = world.call(laptop, ClientCommand::CreateInvite) else {
            panic!("no invite")
        };
        world.call(phone, ClientCommand::Join { invite: Invite::Code(code), name: "phone".into() }).expect("joins");
        for (device, text) in [(laptop, "one"), (phone, "two"), (laptop, "three"), (phone, "four")] {
            let data = Bytes::from_static(text.as_bytes());
            world.call(device, ClientCommand::Push { data, key: None, detached: false }).expect("pushed");
        }
        world.run(Duration::from_secs(20));
        world.set_network(false);
        let data = Bytes::from_static(b"queued");
        world.call(laptop, ClientCommand::Push { data, key: None, detached: true }).expect("queued");
        let insiders = devices.map(|device| Insider::of(&world.devices[device]));
        let own = insiders[0].keys.id();
        let log = world.relay.store.log(&insiders[0].group);
        let ends = ends(&insiders[0], &log, own);
        Self {
            store: world.devices[laptop].store.clone(),
            store_key: *world.devices[laptop].store_key().as_bytes(),
            relay_secret: *world.relay.secret().as_bytes(),
            address,
            group: insiders[0].group,
            secret: insiders[0].secret.clone(),
            kid: insiders[0].epoch.kid,
            keys: insiders.map(|insider| insider.keys),
            log,
            ends,
        }
    }

    pub(super) fn relay_secret(&self) -> LinkSecret {
        LinkSecret::new(self.relay_secret)
    }

    /// Any bytes, sealed as a record of the group.
    pub(super) fn seal(&self, plain: &[u8]) -> Bytes {
        seal_plain(plain, &self.secret, &self.group, self.kid)
    }
}

fn ends(insider: &Insider, log: &[(Cursor, Bytes)], own: DeviceId) -> Vec<(StreamId, u64, RecordHash)> {
    let mut ends: Vec<(StreamId, u64, RecordHash)> = Vec::new();
    for (_, blob) in log {
        let opened: Opened = insider.open(blob);
        let (device, inc): (DeviceId, Incarnation) = (opened.record.sender, opened.record.inc);
        let heads = opened.record.kind == zerok_core::seal::record::Kind::Heads as u8;
        if device == own || heads {
            continue;
        }
        let lane: Lane = opened.record.lane();
        let stream = StreamId { device, inc, lane };
        ends.retain(|(known, ..)| *known != stream);
        ends.push((stream, opened.record.seq, opened.hash));
    }
    ends
}
