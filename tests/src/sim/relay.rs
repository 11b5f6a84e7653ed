//! One simulated relay: machines over one store, joined by announcements.

use std::collections::VecDeque;

use zerok_core::{
    address::RelayAddress,
    channel::ChannelKind,
    ids::{LinkId, RelayId, RelayKey},
    limits::RelayLimits,
    machine::{Machine, StoreOutput},
    relay::{
        Relay, RelayConfig,
        io::{RelayInput, RelayOutput},
        store::RelayStore,
    },
    rng::Seed,
    seal::keys::LinkSecret,
    time::{Duration, Time},
};

use crate::{recorder::Tape, store::relay::MemoryRelayStore};

/// The key of the first relay, and the one it has when it is another.
const SECRET: [u8; 32] = [99; 32];
const OTHER_SECRET: [u8; 32] = [3; 32];

/// A relay of the simulation.
pub struct RelayNode {
    /// Its machines; empty after a crash, until it is started again.
    pub machines: Vec<Relay>,
    /// What a crash leaves.
    pub store: MemoryRelayStore,
    /// What a batch takes beyond the usual.
    pub disk_delay: Duration,
    /// Its disk answers nothing until it is released.
    pub disk_stalled: bool,
    /// How far its wall clock is from the world's, milliseconds. Read at the next start.
    pub clock_skew: i64,
    /// What its machines know of that.
    pub(super) told_skew: i64,
    /// The next announcement between its machines is lost, and they know that one was.
    pub lose_announcements: bool,
    /// One of its machines has ended by itself since the last start.
    pub stopped: bool,
    pub(super) queues: Vec<VecDeque<StoreOutput<RelayStore>>>,
    /// Machines whose disk that stands still owes an answer.
    pub(super) disk_owed: Vec<usize>,
    pub(super) life: u64,
    pub(super) next_link: LinkId,
    pub(super) next_machine: usize,
    /// What went into each running machine and came out of it; empty when nobody wants to know.
    pub(super) running: Vec<Tape<Relay>>,
    /// The same of machines that have ended.
    pub(super) tapes: Vec<Tape<Relay>>,
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
            disk_delay: Duration::ZERO,
            disk_stalled: false,
            clock_skew: 0,
            told_skew: 0,
            lose_announcements: false,
            stopped: false,
            queues: Vec::new(),
            disk_owed: Vec::new(),
            life: 0,
            next_link: LinkId(0),
            next_machine: 0,
            running: Vec::new(),
            tapes: Vec::new(),
            secret: SECRET,
            kind,
            limits,
            count,
        }
    }

    pub(super) fn start(&mut self, now: Time) {
        self.crash();
        self.stopped = false;
        self.next_link = LinkId(0);
        self.queues = (0..self.count).map(|_| VecDeque::new()).collect();
        for machine in 0..self.count {
            let mut seed = [200; 32];
            seed[0] = machine as u8;
            seed[1..9].copy_from_slice(&self.life.to_le_bytes());
            let config =
                RelayConfig { secret: LinkSecret::new(self.secret), kind: self.kind, limits: self.limits.clone() };
            self.machines.push(Relay::new(config, Seed::new(seed), now));
        }
    }

    /// Another relay like this one, with an empty database.
    pub(super) fn sibling(&self, number: u8) -> Self {
        let mut sibling = Self::new(self.count, self.kind, self.limits.clone());
        sibling.secret = [SECRET[0] - number; 32];
        sibling.store = MemoryRelayStore::new(RelayId([7 + number; 16]));
        sibling
    }

    /// Puts the running machines on tape from now on.
    pub(super) fn record(&mut self) {
        self.running = self.machines.iter().cloned().map(Tape::new).collect();
    }

    /// Tells one of its machines something, if it runs.
    pub(super) fn handle(&mut self, machine: usize, now: Time, input: RelayInput) {
        let Some(relay) = self.machines.get_mut(machine) else { return };
        let kept = (!self.running.is_empty()).then(|| input.clone());
        let answer = relay.handle(now, input);
        if let (Some(tape), Some(input)) = (self.running.get_mut(machine), kept) {
            tape.told(now, input, answer);
        }
        answer.expect("the simulation is a correct driver");
    }

    /// Takes what one of its machines gives.
    pub(super) fn poll(&mut self, machine: usize) -> Option<RelayOutput> {
        let output = self.machines.get_mut(machine)?.poll();
        if let Some(tape) = self.running.get_mut(machine) {
            tape.gave(output.clone());
        }
        output
    }

    pub(super) fn crash(&mut self) {
        self.tapes.append(&mut self.running);
        self.machines.clear();
        self.queues.clear();
        self.disk_owed.clear();
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
        self.secret = OTHER_SECRET;
    }

    /// Takes its own key back, should it have another.
    pub(super) fn take_own_key(&mut self) {
        self.secret = SECRET;
    }
}
