//! What befalls machines as a whole: crashes in the middle of writing, databases put back or copied, and whoever taps the wire.

use bytes::Bytes;
use zerok_core::{
    client::store::ClientOp,
    ids::TransportId,
    machine::{LinkInput, Origin, StoreOutput},
    relay::io::RelayInput,
    time::UnixMillis,
};

use super::{
    Harm, World,
    world::{EPOCH, Happened, Machined, Node},
};
use crate::store::{client::MemoryClientStore, relay::MemoryRelayStore};

impl World {
    /// Batches that a device has handed to its disk and that are not written yet.
    pub fn unwritten(&self, device: usize) -> usize {
        self.devices[device].queue.iter().filter(|request| matches!(request, StoreOutput::Persist { .. })).count()
    }

    /// What the machines of a relay have asked of its disk and were not answered.
    pub fn relay_unwritten(&mut self, relay: usize) -> usize {
        self.relay_node(relay).queues.iter().map(std::collections::VecDeque::len).sum()
    }

    /// Kills a device's process while its disk is at work: so many of the batches in flight were still written. A disk that has
    /// refused one writes none after it.
    pub fn kill_device_after(&mut self, device: usize, batches: usize) {
        let node = &self.devices[device];
        let batches = if node.refusing { 0 } else { batches };
        let persists = node.queue.iter().filter_map(|request| match request {
            StoreOutput::Persist { ops, .. } => Some(ops),
            StoreOutput::Load { .. } => None,
        });
        let written: Vec<Vec<ClientOp>> = persists.take(batches).cloned().collect();
        for ops in written {
            self.devices[device].store.apply(&ops);
            self.saw(|| Happened::Persisted(device, ops));
        }
        self.kill_device(device);
    }

    /// The same for a relay: of what each of its machines had asked for, so much was still done.
    pub fn kill_relay_after(&mut self, relay: usize, batches: usize) {
        for machine in 0..self.relay_node(relay).queues.len() {
            for _ in 0..batches {
                if let Some(request) = self.relay_node(relay).queues[machine].pop_front() {
                    let _nobody_hears = self.relay_performs(relay, request);
                }
            }
        }
        self.kill_relay_of(relay);
    }

    /// A relay is told to finish what is under way and end.
    pub fn drain_relay_of(&mut self, relay: usize) {
        for machine in 0..self.relay_node(relay).machines.len() {
            self.tell_relay(Machined { relay, machine }, RelayInput::Drain);
        }
    }

    /// Sets a relay's wall clock so far from the world's, and tells it.
    pub fn set_relay_clock(&mut self, relay: usize, skew: i64) {
        self.relay_node(relay).clock_skew = skew;
        self.tell_relay_clock(relay);
    }

    pub(super) fn tell_relay_clock(&mut self, relay: usize) {
        let now = self.now;
        let node = self.relay_node(relay);
        let (skew, machines) = (node.clock_skew, node.machines.len());
        if machines > 0 && std::mem::replace(&mut node.told_skew, skew) != skew {
            self.harm(Node::Relay(relay), Harm::ClockJumped);
        }
        let millis = UnixMillis((EPOCH.0 + now.0 / 1000).saturating_add_signed(skew));
        for machine in 0..machines {
            self.tell_relay(Machined { relay, machine }, RelayInput::WallClock(millis));
        }
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
        self.swap_relay_of(0, store);
    }

    /// Restarts one of the relays over another database.
    pub fn swap_relay_of(&mut self, relay: usize, store: MemoryRelayStore) {
        self.kill_relay_of(relay);
        self.relay_node(relay).store = store;
        self.start_relay_of(relay);
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
        let at = Machined { relay: 0, machine: 0 };
        self.later_relay(at, half, RelayInput::Link(opened));
        self.later_relay(at, half, RelayInput::Link(LinkInput::Bytes { link, bytes }));
    }

    /// What the relay has sent to strangers.
    pub fn to_strangers(&self) -> &[Bytes] {
        &self.to_strangers
    }
}
