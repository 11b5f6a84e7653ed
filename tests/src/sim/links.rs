//! The links of a world: who is joined to whom, and how bytes get across or do not.

use bytes::Bytes;
use zerok_core::{
    channel::ChannelKind,
    client::io::ClientInput,
    ids::{LinkId, TransportId},
    machine::{LinkFailure, LinkInput, LinkOutput, Origin},
    relay::io::RelayInput,
    time::Duration,
};

use super::{
    World,
    tap::{Said, Tap},
    world::Node,
};

/// One link, and where each end knows it.
pub(super) struct Wire {
    pub(super) device: usize,
    pub(super) device_link: LinkId,
    pub(super) machine: usize,
    pub(super) relay_link: LinkId,
    up: Tap,
    down: Tap,
    /// It has lost bytes, and with them everything after.
    dead: bool,
    /// Who spoke last: the device, or the relay.
    last_up: Option<bool>,
}

impl World {
    pub(super) fn dial(&mut self, device: usize, link: LinkId) {
        let name = self.devices[device].name;
        self.dials += 1;
        self.devices[device].link = Some(link);
        if !self.network || !self.devices[device].online || self.relay.machines.is_empty() {
            self.transcript.note(self.now, name, "dial: nobody answers");
            let cause = LinkFailure::Unreachable;
            return self.later(device, self.half * 2, ClientInput::Link(LinkInput::OpenFailed { link, cause }));
        }
        self.transcript.note(self.now, name, "dial");
        let machine = self.relay.next_machine % self.relay.machines.len();
        self.relay.next_machine += 1;
        self.relay.next_link = self.relay.next_link.next();
        let relay_link = self.relay.next_link;
        let wire = Wire {
            device,
            device_link: link,
            machine,
            relay_link,
            up: Tap::default(),
            down: Tap::default(),
            dead: false,
            last_up: None,
        };
        self.wires.push(wire);
        let (transport, origin) = (TransportId::TCP, Origin::default());
        let opened = LinkInput::Opened { link: relay_link, transport, origin };
        self.later_relay(machine, self.half, RelayInput::Link(opened));
        self.later(device, self.half * 2, ClientInput::Link(LinkInput::Opened { link, transport, origin }));
    }

    pub(super) fn device_link(&mut self, device: usize, output: LinkOutput) {
        let name = self.devices[device].name;
        match output {
            LinkOutput::Transmit { link, bytes } => {
                let len = bytes.len();
                if let Some(index) = self.wires.iter().position(|w| w.device == device && w.device_link == link) {
                    if self.wires[index].last_up.is_none() {
                        self.first_flights.push((device, bytes.clone()));
                    }
                    let said = self.tap(index, true, &bytes);
                    self.transcript.device_says(self.now, name, &said);
                    let (machine, link) = (self.wires[index].machine, self.wires[index].relay_link);
                    if self.carries(index) {
                        self.later_relay(machine, self.half, RelayInput::Link(LinkInput::Bytes { link, bytes }));
                    }
                }
                self.later(device, Duration::ZERO, ClientInput::Link(LinkInput::Written { link, len }));
            }
            LinkOutput::Close { link, reason } => {
                self.transcript.note(self.now, name, &format!("close: {reason}"));
                if let Some(index) = self.wires.iter().position(|w| w.device == device && w.device_link == link) {
                    let wire = self.wires.remove(index);
                    let closed = LinkInput::Closed { link: wire.relay_link, cause: LinkFailure::Eof };
                    self.later_relay(wire.machine, self.half, RelayInput::Link(closed));
                    let closed = LinkInput::Closed { link, cause: LinkFailure::Local };
                    self.later(device, Duration::ZERO, ClientInput::Link(closed));
                }
            }
            LinkOutput::SetReading { .. } => {}
        }
    }

    pub(super) fn relay_link(&mut self, machine: usize, output: LinkOutput) {
        match output {
            LinkOutput::Transmit { link, bytes } => {
                let len = bytes.len();
                if let Some(index) = self.wires.iter().position(|w| w.machine == machine && w.relay_link == link) {
                    let said = self.tap(index, false, &bytes);
                    let (device, device_link) = (self.wires[index].device, self.wires[index].device_link);
                    self.transcript.relay_says(self.now, self.devices[device].name, &said);
                    let input = LinkInput::Bytes { link: device_link, bytes };
                    if self.carries(index) {
                        self.later(device, self.half, ClientInput::Link(input));
                    }
                } else {
                    self.to_strangers.push(bytes);
                }
                self.later_relay(machine, Duration::ZERO, RelayInput::Link(LinkInput::Written { link, len }));
            }
            LinkOutput::Close { link, reason } => {
                self.transcript.note(self.now, "relay", &format!("close: {reason}"));
                if let Some(index) = self.wires.iter().position(|w| w.machine == machine && w.relay_link == link) {
                    let wire = self.wires.remove(index);
                    let closed = LinkInput::Closed { link: wire.device_link, cause: LinkFailure::Eof };
                    self.later(wire.device, self.half, ClientInput::Link(closed));
                    let closed = LinkInput::Closed { link, cause: LinkFailure::Local };
                    self.later_relay(machine, Duration::ZERO, RelayInput::Link(closed));
                }
            }
            LinkOutput::SetReading { .. } => {}
        }
    }

    fn carries(&mut self, index: usize) -> bool {
        self.wires[index].dead |= self.silent;
        !self.wires[index].dead
    }

    fn tap(&mut self, index: usize, up: bool, bytes: &Bytes) -> Vec<Said> {
        if self.wires[index].last_up.replace(up) != Some(up) {
            self.flights += 1;
        }
        if self.kind != ChannelKind::Plain {
            return Vec::new();
        }
        let wire = &mut self.wires[index];
        if up { wire.up.device_says(bytes) } else { wire.down.relay_says(bytes) }
    }

    /// Breaks the links of a node: the other ends notice.
    pub(super) fn cut(&mut self, node: Node) {
        let (gone, stay) = std::mem::take(&mut self.wires).into_iter().partition::<Vec<_>, _>(|wire| match node {
            Node::Device(device) => wire.device == device,
            Node::Relay(_) => true,
        });
        self.wires = stay;
        for wire in gone {
            self.lose_in_flight(&wire);
            let cause = LinkFailure::Reset;
            self.later_relay(
                wire.machine,
                self.half,
                RelayInput::Link(LinkInput::Closed { link: wire.relay_link, cause }),
            );
            self.later(wire.device, self.half, ClientInput::Link(LinkInput::Closed { link: wire.device_link, cause }));
        }
    }
}
