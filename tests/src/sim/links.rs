//! The links of a world: who is joined to whom, and how bytes get across or do not.

use std::collections::VecDeque;

use bytes::Bytes;
use zerok_core::{
    channel::ChannelKind,
    client::io::ClientInput,
    ids::{LinkId, RelayKey, TransportId},
    machine::{LinkFailure, LinkInput, LinkOutput, Origin},
    relay::io::RelayInput,
    time::{Duration, Time},
};

use super::{
    Harm, Path, World,
    path::roll,
    tap::{Said, Tap},
    world::{Happened, Machined, Node},
};

/// One link, and where each end knows it.
pub(super) struct Wire {
    pub(super) device: usize,
    pub(super) device_link: LinkId,
    pub(super) at: Machined,
    pub(super) relay_link: LinkId,
    up: Pipe,
    down: Pipe,
    /// It has lost bytes, and with them everything after.
    dead: bool,
    /// Who spoke last: the device, or the relay.
    last_up: Option<bool>,
}

/// One direction.
#[derive(Default)]
struct Pipe {
    tap: Tap,
    /// When the last byte sent so far arrives, without the usual latency.
    clear: Time,
    /// Sent while nothing moves.
    held: VecDeque<Bytes>,
}

impl World {
    pub(super) fn dial(&mut self, device: usize, link: LinkId, target: RelayKey) {
        let name = self.devices[device].name;
        self.dials += 1;
        self.devices[device].dials(link);
        let path = self.devices[device].path;
        let relay = self.relays().position(|relay| relay.address().key == target).unwrap_or(0);
        let nobody = self.relay_node(relay).machines.is_empty();
        if !self.network || !self.devices[device].online || nobody || path.refused {
            self.transcript.note(self.now, name, "dial: nobody answers");
            match (self.network, self.devices[device].online) {
                (false, _) => self.harm(Node::Relay(0), Harm::Partitioned),
                (_, false) => self.harm_device(device, Harm::Offline),
                _ if path.refused => self.harm_device(device, Harm::Refused),
                _ => {}
            }
            let cause = if path.refused { LinkFailure::Refused } else { LinkFailure::Unreachable };
            return self.later(device, self.half * 2, ClientInput::Link(LinkInput::OpenFailed { link, cause }));
        }
        if path.dial > Duration::ZERO {
            self.harm_device(device, Harm::DialledSlowly);
        }
        if let Some(code) = self.devices[device].impostor.take() {
            return self.answer_instead(device, link, relay, code);
        }
        self.transcript.note(self.now, name, "dial");
        let node = self.relay_node(relay);
        let machine = node.next_machine % node.machines.len();
        node.next_machine += 1;
        node.next_link = node.next_link.next();
        let (at, relay_link) = (Machined { relay, machine }, node.next_link);
        let wire = Wire {
            device,
            device_link: link,
            at,
            relay_link,
            up: Pipe::default(),
            down: Pipe::default(),
            dead: false,
            last_up: None,
        };
        self.wires.push(wire);
        let (transport, origin) = (TransportId::TCP, Origin::default());
        let opened = LinkInput::Opened { link: relay_link, transport, origin };
        self.later_relay(at, self.half, RelayInput::Link(opened));
        let delay = self.half * 2 + path.dial;
        self.later(device, delay, ClientInput::Link(LinkInput::Opened { link, transport, origin }));
    }

    pub(super) fn device_link(&mut self, device: usize, output: LinkOutput) {
        let name = self.devices[device].name;
        match output {
            LinkOutput::Transmit { link, bytes } => {
                self.devices[device].unwritten += bytes.len();
                let Some(index) = self.wires.iter().position(|w| w.device == device && w.device_link == link) else {
                    self.transcript.note(self.now, name, "says something into a dead link");
                    let written = LinkInput::Written { link, len: bytes.len() };
                    self.later(device, Duration::ZERO, ClientInput::Link(written));
                    return self.tell_impostor(device, link, bytes);
                };
                if self.wires[index].last_up.is_none() {
                    self.first_flights.push((device, bytes.clone()));
                }
                let said = self.tap(index, true, &bytes);
                let swallowed = self.overhear(device, &said);
                self.transcript.device_says(self.now, name, &said);
                if let Some(answer) = swallowed {
                    return self.swallow(index, bytes.len(), &answer);
                }
                self.send_over(index, true, bytes);
            }
            LinkOutput::Close { link, reason } => {
                self.transcript.note(self.now, name, &format!("close: {reason}"));
                self.saw(|| Happened::Closed(device, reason));
                if let Some(index) = self.wires.iter().position(|w| w.device == device && w.device_link == link) {
                    let wire = self.wires.remove(index);
                    if !self.devices[device].path.stalled && !wire.dead {
                        let closed = LinkInput::Closed { link: wire.relay_link, cause: LinkFailure::Eof };
                        let delay = self.half + wire.up.clear.since(self.now);
                        self.later_relay(wire.at, delay, RelayInput::Link(closed));
                    }
                }
                let closed = LinkInput::Closed { link, cause: LinkFailure::Local };
                self.later(device, Duration::ZERO, ClientInput::Link(closed));
            }
            LinkOutput::SetReading { .. } => {}
        }
    }

    pub(super) fn relay_link(&mut self, at: Machined, output: LinkOutput) {
        match output {
            LinkOutput::Transmit { link, bytes } => {
                let Some(index) = self.wires.iter().position(|w| w.at == at && w.relay_link == link) else {
                    let written = LinkInput::Written { link, len: bytes.len() };
                    self.to_strangers.push(bytes);
                    return self.later_relay(at, Duration::ZERO, RelayInput::Link(written));
                };
                if self.is_meddled(at) {
                    return self.meddle(index, LinkOutput::Transmit { link, bytes });
                }
                let said = self.tap(index, false, &bytes);
                self.transcript.relay_says(self.now, self.devices[self.wires[index].device].name, &said);
                self.send_over(index, false, bytes);
            }
            LinkOutput::Close { link, reason } => {
                self.transcript.note(self.now, "relay", &format!("close: {reason}"));
                if let Some(index) = self.wires.iter().position(|w| w.at == at && w.relay_link == link) {
                    let wire = self.wires.remove(index);
                    if !self.devices[wire.device].path.stalled && !wire.dead {
                        let closed = LinkInput::Closed { link: wire.device_link, cause: LinkFailure::Eof };
                        let delay = self.half + wire.down.clear.since(self.now);
                        self.later(wire.device, delay, ClientInput::Link(closed));
                    }
                }
                let closed = LinkInput::Closed { link, cause: LinkFailure::Local };
                self.later_relay(at, Duration::ZERO, RelayInput::Link(closed));
            }
            LinkOutput::SetReading { .. } => {}
        }
    }

    /// Sets what the network does to a device's links. What stood still moves on when it may.
    pub fn set_path(&mut self, device: usize, path: Path) {
        self.devices[device].path = path;
        if path.stalled {
            return;
        }
        for index in 0..self.wires.len() {
            for up in [true, false] {
                while self.wires.get(index).is_some_and(|wire| wire.device == device) {
                    let pipe = self.wires[index].pipe(up);
                    let Some(bytes) = pipe.held.pop_front() else { break };
                    self.send_over(index, up, bytes);
                }
            }
        }
    }

    /// Sends bytes over a wire, as the device's path has it.
    fn send_over(&mut self, index: usize, up: bool, bytes: Bytes) {
        let device = self.wires[index].device;
        let path = self.devices[device].path;
        let dead = &mut self.wires[index].dead;
        *dead |= self.silent || path.hole;
        if *dead {
            if path.hole {
                self.harm_device(device, Harm::Swallowed);
            }
            return self.written(index, up, Duration::ZERO, bytes.len());
        }
        if path.stalled {
            self.harm_device(device, Harm::Stalled);
            return self.wires[index].pipe(up).held.push_back(bytes);
        }
        if path.tear && bytes.len() > 1 {
            self.devices[device].path.tear = false;
            self.harm_device(device, Harm::Torn);
            let some = usize::try_from(roll(&mut self.dice)).unwrap_or(0) % bytes.len();
            self.arrive(index, up, self.half, bytes.slice(..some));
            return self.tear(index);
        }
        let bytes = if path.damage && !bytes.is_empty() {
            self.devices[device].path.damage = false;
            self.harm_device(device, Harm::Damaged);
            let mut damaged = bytes.to_vec();
            let bit = usize::try_from(roll(&mut self.dice)).unwrap_or(0);
            let at = bit % damaged.len();
            damaged[at] ^= 1 << (bit % 8);
            damaged.into()
        } else {
            bytes
        };
        let len = bytes.len();
        let (now, mut dice) = (self.now, self.dice);
        let pieces = path.pieces(&mut dice, up, &mut self.wires[index].pipe(up).clear, now, &bytes);
        self.dice = dice;
        path.harms(up, pieces.len()).for_each(|harm| self.harm_device(device, harm));
        for (delay, piece) in pieces {
            self.arrive(index, up, self.half + delay, piece);
        }
        // An operating system takes what fits its buffers, and then as much as leaves them.
        let leaves = if path.rate > 0 { self.wires[index].pipe(up).clear.since(now) } else { Duration::ZERO };
        self.written(index, up, leaves, len);
    }

    fn written(&mut self, index: usize, up: bool, delay: Duration, len: usize) {
        let Wire { device, device_link, at, relay_link, .. } = self.wires[index];
        if up {
            self.later(device, delay, ClientInput::Link(LinkInput::Written { link: device_link, len }));
        } else {
            self.later_relay(at, delay, RelayInput::Link(LinkInput::Written { link: relay_link, len }));
        }
    }

    pub(super) fn arrive(&mut self, index: usize, up: bool, delay: Duration, bytes: Bytes) {
        let Wire { device, device_link, at, relay_link, .. } = self.wires[index];
        if bytes.is_empty() {
            return;
        }
        if up {
            self.later_relay(at, delay, RelayInput::Link(LinkInput::Bytes { link: relay_link, bytes }));
        } else {
            self.later(device, delay, ClientInput::Link(LinkInput::Bytes { link: device_link, bytes }));
        }
    }

    /// A link breaks; what was sent before still arrives.
    pub(super) fn tear(&mut self, index: usize) {
        let wire = self.wires.remove(index);
        let delay = self.half + wire.up.clear.max(wire.down.clear).since(self.now);
        let cause = LinkFailure::Reset;
        self.later_relay(wire.at, delay, RelayInput::Link(LinkInput::Closed { link: wire.relay_link, cause }));
        self.later(wire.device, delay, ClientInput::Link(LinkInput::Closed { link: wire.device_link, cause }));
    }

    fn tap(&mut self, index: usize, up: bool, bytes: &Bytes) -> Vec<Said> {
        if self.wires[index].last_up.replace(up) != Some(up) {
            self.flights += 1;
        }
        if self.kind != ChannelKind::Plain || self.transcript.is_quiet() && self.hostile.is_none() {
            return Vec::new();
        }
        let wire = &mut self.wires[index];
        if up { wire.up.tap.device_says(bytes) } else { wire.down.tap.relay_says(bytes) }
    }

    /// Breaks the links of a node: the other ends notice.
    pub(super) fn cut(&mut self, node: Node) {
        let (gone, stay) = std::mem::take(&mut self.wires).into_iter().partition::<Vec<_>, _>(|wire| match node {
            Node::Device(device) => wire.device == device,
            Node::Relay(relay) => wire.at.relay == relay,
        });
        self.wires = stay;
        for wire in gone {
            self.lose_in_flight(&wire);
            let cause = LinkFailure::Reset;
            self.later_relay(wire.at, self.half, RelayInput::Link(LinkInput::Closed { link: wire.relay_link, cause }));
            self.later(wire.device, self.half, ClientInput::Link(LinkInput::Closed { link: wire.device_link, cause }));
        }
    }
}

impl Wire {
    /// What the relay has said with these bytes.
    pub(super) fn words(&mut self, bytes: &Bytes) -> Vec<Said> {
        self.down.tap.relay_says(bytes)
    }

    fn pipe(&mut self, up: bool) -> &mut Pipe {
        if up { &mut self.up } else { &mut self.down }
    }
}
