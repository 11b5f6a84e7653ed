//! Every machine of a world on tape, for whoever wants to play it again.

use zerok_core::{client::Client, relay::Relay};

use super::World;
use crate::recorder::Tape;

/// What went into the machines of a world and came out of them, one tape a process.
pub struct Tapes {
    /// Of the devices' processes.
    pub devices: Vec<Tape<Client>>,
    /// Of the relays' machines.
    pub relays: Vec<Tape<Relay>>,
}

impl World {
    /// Puts every machine on tape from now on. On Noise it must come before the first link: what has one cannot be copied.
    pub fn record(&mut self) {
        self.recording = true;
        self.devices.iter_mut().for_each(super::DeviceNode::record);
        self.relay.record();
        self.others.iter_mut().for_each(super::RelayNode::record);
    }

    /// The tapes so far. Nothing is recorded any more until somebody says so again.
    pub fn tapes(&mut self) -> Tapes {
        self.recording = false;
        let mut tapes = Tapes { devices: Vec::new(), relays: Vec::new() };
        for node in &mut self.devices {
            tapes.devices.append(&mut node.tapes);
            tapes.devices.extend(node.tape.take());
        }
        for relay in 0..=self.others.len() {
            let node = self.relay_node(relay);
            tapes.relays.append(&mut node.tapes);
            tapes.relays.append(&mut node.running);
        }
        tapes
    }
}
