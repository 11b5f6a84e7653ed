//! The stores of the simulator, held to the contract of real ones. What they say is what the simulation proves things about.

use std::collections::VecDeque;

use zerok_core::{
    client::store::ClientStore,
    ids::{BatchId, LoadId, RelayId},
    machine::{StoreInput, StoreOutput},
    relay::store::{RelayOp, RelayQuery, RelayStore},
};
use zerok_testkit::{
    conformance::{client_store::ClientTrial, relay_store::RelayTrial},
    store::{client::MemoryClientStore, relay::MemoryRelayStore},
};

/// A device's store and what it answered.
#[derive(Default)]
struct Device {
    store: MemoryClientStore,
    answers: VecDeque<StoreInput<ClientStore>>,
}

impl ClientTrial for Device {
    type Copy = MemoryClientStore;

    fn new() -> Self {
        Self::default()
    }

    fn with_little_room() -> Self {
        let mut trial = Self::default();
        trial.store.set_room(512 * 1024);
        trial
    }

    fn ask(&mut self, request: StoreOutput<ClientStore>) {
        self.answers.push_back(self.store.perform(request));
    }

    fn answer(&mut self) -> StoreInput<ClientStore> {
        self.answers.pop_front().expect("it answers at once")
    }

    fn reopen(self) -> Self {
        Self { store: self.store, ..Self::default() }
    }

    fn copy(self) -> (MemoryClientStore, Self) {
        (self.store.clone(), self)
    }

    fn restore(self, mut copy: MemoryClientStore) -> Self {
        copy.set_reserved(self.store.reserved());
        Self { store: copy, ..Self::default() }
    }
}

mod device {
    zerok_testkit::client_store_suite!(super::Device);
}

/// The relay's store and what it answered.
struct Relay {
    store: MemoryRelayStore,
    batch: BatchId,
    load: LoadId,
    answers: VecDeque<StoreInput<RelayStore>>,
}

impl RelayTrial for Relay {
    fn new() -> Self {
        let store = MemoryRelayStore::new(RelayId([1; 16]));
        Self { store, batch: BatchId(0), load: LoadId(0), answers: VecDeque::new() }
    }

    fn with_room(bytes: u64) -> Self {
        let mut trial = Self::new();
        trial.store.set_room(bytes);
        trial
    }

    fn reopen(self) -> Self {
        Self { store: self.store, ..Self::new() }
    }

    fn submit(&mut self, _machine: usize, ops: Vec<RelayOp>) -> BatchId {
        self.batch = self.batch.next();
        self.answers.push_back(self.store.perform(StoreOutput::Persist { batch: self.batch, ops }));
        self.batch
    }

    fn ask(&mut self, _machine: usize, query: RelayQuery) -> LoadId {
        self.load = self.load.next();
        self.answers.push_back(self.store.perform(StoreOutput::Load { load: self.load, query }));
        self.load
    }

    fn answer(&mut self, _machine: usize) -> StoreInput<RelayStore> {
        self.answers.pop_front().expect("it answers at once")
    }
}

mod relay {
    zerok_testkit::relay_store_suite!(super::Relay);
}
