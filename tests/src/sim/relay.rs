//! One simulated relay: machines over one store, joined by announcements.

use zerok_core::{
    address::RelayAddress,
    channel::ChannelKind,
    ids::{LinkId, RelayId, RelayKey},
    limits::RelayLimits,
    relay::{Relay, RelayConfig},
    rng::Seed,
    seal::keys::LinkSecret,
    time::Time,
};

use crate::store::relay::MemoryRelayStore;

/// A relay of the simulation.
pub struct RelayNode {
    /// Its machines; empty after a crash, until it is started again.
    pub machines: Vec<Relay>,
    /// What a crash leaves.
    pub store: MemoryRelayStore,
    pub(super) life: u64,
    pub(super) next_link: LinkId,
    pub(super) next_machine: usize,
    secret: [u8; 32],
    kind: ChannelKind,
    limits: RelayLimits,
    count: usize,
}

impl RelayNode {
    pub(super) fn new(count: usize, kind: ChannelKind, limits: RelayLimits) -> Self {
        Self {
            machines: Vec::new(),
            store: MemoryRelayStore::new(RelayId([7; 16])),
            life: 0,
            next_link: LinkId(0),
            next_machine: 0,
            secret: [99; 32],
            kind,
            limits,
            count,
        }
    }

    pub(super) fn start(&mut self, now: Time) {
        self.life += 1;
        self.next_link = LinkId(0);
        for machine in 0..self.count {
            let mut seed = [200; 32];
            seed[0] = machine as u8;
            seed[1..9].copy_from_slice(&self.life.to_le_bytes());
            let config =
                RelayConfig { secret: LinkSecret::new(self.secret), kind: self.kind, limits: self.limits.clone() };
            self.machines.push(Relay::new(config, Seed::new(seed), now));
        }
    }

    pub(super) fn crash(&mut self) {
        self.machines.clear();
        self.life += 1;
    }

    /// Its address, as devices pin it.
    pub fn address(&self) -> RelayAddress {
        let key = RelayKey(LinkSecret::new(self.secret).public().0);
        RelayAddress { key, tcp: vec!["relay.test:4433".into()], iroh: None }
    }

    /// The secret half of its key, for a relay that is played by a test.
    pub fn secret(&self) -> LinkSecret {
        LinkSecret::new(self.secret)
    }

    /// Another key from now on: whoever answers is not the pinned relay.
    pub fn change_key(&mut self) {
        self.secret = [98; 32];
    }
}
