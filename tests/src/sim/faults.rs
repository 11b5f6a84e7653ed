//! What goes wrong in a world: networks, clocks, sleep. Disks are a device's own ([`super::Disk`]); kills are in `world`.

use zerok_core::{
    client::{command::Lifecycle, io::ClientInput},
    machine::{LinkFailure, LinkInput},
    relay::io::RelayInput,
    time::{Duration, UnixMillis},
};

use super::{
    Harm, World,
    world::{EPOCH, Node},
};

impl World {
    /// Whether anything travels from now on. Open links break, and both ends notice.
    pub fn set_network(&mut self, on: bool) {
        self.transcript.note(self.now, "network", if on { "back" } else { "gone" });
        self.network = on;
        if !on {
            for device in 0..self.devices.len() {
                if self.is_linked(device) {
                    self.harm(Node::Relay(0), Harm::Partitioned);
                }
                self.cut(Node::Device(device));
            }
        }
    }

    /// The same for one device.
    pub fn set_online(&mut self, device: usize, on: bool) {
        self.transcript.note(self.now, self.devices[device].name, if on { "network back" } else { "network gone" });
        self.devices[device].online = on;
        if !on {
            if self.is_linked(device) && self.devices[device].is_running() {
                self.harm_device(device, Harm::Offline);
            }
            self.cut(Node::Device(device));
        }
    }

    /// Breaks a device's link; it may dial again at once.
    pub fn break_link(&mut self, device: usize) {
        self.transcript.note(self.now, self.devices[device].name, "link breaks");
        self.cut(Node::Device(device));
    }

    /// Whether links carry nothing although nobody hears of it: connections come up, bytes vanish.
    pub fn set_silent(&mut self, silent: bool) {
        self.transcript.note(self.now, "network", if silent { "swallows everything" } else { "carries again" });
        self.silent = silent;
    }

    /// A device's link is gone, and only the relay knows: what a long sleep leaves.
    pub fn lose_link_unnoticed(&mut self, device: usize) {
        self.transcript.note(self.now, self.devices[device].name, "link dies unnoticed");
        let (gone, stay) = std::mem::take(&mut self.wires).into_iter().partition::<Vec<_>, _>(|w| w.device == device);
        self.wires = stay;
        for wire in gone {
            self.lose_in_flight(&wire);
            let closed = LinkInput::Closed { link: wire.relay_link, cause: LinkFailure::Reset };
            self.later_relay(wire.at, self.half, RelayInput::Link(closed));
        }
    }

    /// The process stops running but lives, as a phone in a pocket does.
    pub fn fall_asleep(&mut self, device: usize) {
        self.transcript.note(self.now, self.devices[device].name, "asleep");
        self.devices[device].asleep = Some(self.now);
    }

    /// It runs again: first what happened meanwhile, then the platform's signal.
    pub fn wake_up(&mut self, device: usize) {
        let Some(since) = self.devices[device].asleep.take() else { return };
        self.transcript.note(self.now, self.devices[device].name, "awake");
        self.devices[device].woken = Some(self.now);
        for input in std::mem::take(&mut self.devices[device].missed) {
            self.tell(device, input);
        }
        self.signal(device, Lifecycle::Resumed { slept: self.now.since(since) });
    }

    /// Sets a device's wall clock so far from the world's, and tells it.
    pub fn set_clock(&mut self, device: usize, skew: i64) {
        self.devices[device].clock_skew = skew;
        self.tell_clock(device);
    }

    /// The platform says what its wall clock shows.
    pub(super) fn tell_clock(&mut self, device: usize) {
        let (clock, node) = (self.wall_clock_of(device), &mut self.devices[device]);
        if node.client.is_some() && std::mem::replace(&mut node.told_skew, node.clock_skew) != node.clock_skew {
            self.harm_device(device, Harm::ClockJumped);
        }
        self.tell(device, ClientInput::WallClock(clock));
    }

    /// What a device's wall clock shows.
    pub fn wall_clock_of(&self, device: usize) -> UnixMillis {
        UnixMillis((EPOCH.0 + self.now.0 / 1000).saturating_add_signed(self.devices[device].clock_skew))
    }

    /// How long bytes take one way from now on.
    pub fn set_latency(&mut self, one_way: Duration) {
        self.half = one_way;
    }
}
