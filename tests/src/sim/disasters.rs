//! What befalls machines as a whole: crashes in the middle of writing, databases put back or copied, and whoever taps the wire.

use bytes::Bytes;
use zerok_core::{
    ids::TransportId,
    machine::{LinkInput, Origin, StoreOutput},
    relay::io::RelayInput,
};

use super::World;
use crate::store::{client::MemoryClientStore, relay::MemoryRelayStore};

impl World {
    /// Batches that a device has handed to its disk and that are not written yet.
    pub fn unwritten(&self, device: usize) -> usize {
        self.devices[device].queue.iter().filter(|request| matches!(request, StoreOutput::Persist { .. })).count()
    }

    /// Kills a device's process while its disk is at work: so many of the batches in flight were still written.
    pub fn kill_device_after(&mut self, device: usize, batches: usize) {
        let node = &mut self.devices[device];
        let persists = node.queue.iter().filter_map(|request| match request {
            StoreOutput::Persist { ops, .. } => Some(ops),
            StoreOutput::Load { .. } => None,
        });
        persists.take(batches).for_each(|ops| node.store.apply(ops));
        self.kill_device(device);
    }

    /// Copies a device, store and keychain, to another machine and starts it there.
    pub fn clone_device(&mut self, device: usize, name: &'static str) -> usize {
        let copy = self.devices[device].copy(name);
        self.devices.push(copy);
        self.start_device(self.devices.len() - 1);
        self.devices.len() - 1
    }

    /// Puts an older copy of a device's database back. The counter beside its key is not part of the copy.
    pub fn restore_device(&mut self, device: usize, mut store: MemoryClientStore) {
        self.transcript.note(self.now, self.devices[device].name, "database restored from a copy");
        store.set_reserved(self.devices[device].store.reserved());
        self.devices[device].store = store;
    }

    /// Restarts the relay over another database.
    pub fn swap_relay(&mut self, store: MemoryRelayStore) {
        self.kill_relay();
        self.relay.store = store;
        self.start_relay();
    }

    /// The first flights devices have sent, as whoever records the network has them: device and bytes.
    pub fn first_flights(&self) -> &[(usize, Bytes)] {
        &self.first_flights
    }

    /// A stranger dials the relay and says these bytes. What comes back is in [`World::to_strangers`].
    pub fn stranger(&mut self, bytes: Bytes) {
        let half = self.half;
        self.relay.next_link = self.relay.next_link.next();
        let link = self.relay.next_link;
        let opened = LinkInput::Opened { link, transport: TransportId::TCP, origin: Origin::default() };
        self.later_relay(0, half, RelayInput::Link(opened));
        self.later_relay(0, half, RelayInput::Link(LinkInput::Bytes { link, bytes }));
    }

    /// What the relay has sent to strangers.
    pub fn to_strangers(&self) -> &[Bytes] {
        &self.to_strangers
    }
}
