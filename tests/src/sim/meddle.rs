//! A hostile relay in a world: its words are changed between the real machine and the wire.
//!
//! Only on the plain channel. Bytes of changed words take the usual latency; what a device's [`super::Path`] does to others it does
//! not do to these.

use bytes::Bytes;
use zerok_core::{
    channel::ChannelKind,
    client::io::ClientInput,
    machine::{LinkInput, LinkOutput},
    relay::io::RelayInput,
    time::Duration,
};

use super::{World, tap::Said, world::Machined};
use crate::hostile::{Attack, HostileRelay, Manner, Speech, Step};

/// Bytes of a hint, which is no second flight.
const HINT: usize = 4;

impl World {
    /// From now on the first relay is this one. It starts anew, so that every link is its from the first byte.
    ///
    /// # Panics
    /// On any but the plain channel.
    pub fn set_hostile(&mut self, relay: HostileRelay) {
        assert_eq!(self.kind, ChannelKind::Plain, "nobody changes the words of a sealed link");
        self.hostile = Some(relay);
        self.kill_relay();
        self.start_relay();
    }

    /// The hostile relay commits this with the next thing it says, to whomever.
    pub fn attack_next(&mut self, attack: Attack, manner: Manner) {
        if let Some(hostile) = &mut self.hostile {
            hostile.attack_next(attack, manner);
        }
    }

    /// The hostile relay, if there is one.
    pub fn hostile(&self) -> Option<&HostileRelay> {
        self.hostile.as_ref()
    }

    /// The relay starts anew, is honest from now on, and proves its own key. Anew, because the machine behind the lies believes that
    /// its devices were told what they were not, and has no reason to say it again on the same link.
    pub fn relent(&mut self) {
        self.transcript.note(self.now, "relay", "relents");
        if let Some(hostile) = &mut self.hostile {
            hostile.relent();
        }
        self.relay.take_own_key();
        self.kill_relay();
        self.start_relay();
    }

    /// Takes bytes of the relay's machine and lets out what becomes of them.
    pub(super) fn meddle(&mut self, index: usize, output: LinkOutput) {
        let LinkOutput::Transmit { link, bytes } = output else { return };
        let (at, device) = (self.wires[index].at, self.wires[index].device);
        let written = LinkInput::Written { link, len: bytes.len() };
        self.later_relay(at, Duration::ZERO, RelayInput::Link(written));
        if bytes.len() == HINT {
            return self.arrive_down(index, bytes);
        }
        for honest in Speech::of(self.wires[index].words(&bytes)) {
            let Some(hostile) = &mut self.hostile else { return };
            for step in hostile.speak(device, honest, &self.relay.store) {
                let index = self.wires.iter().position(|wire| wire.at == at && wire.relay_link == link);
                self.take_step(index, step);
            }
        }
    }

    fn take_step(&mut self, wire: Option<usize>, step: Step) {
        match (step, wire) {
            (Step::Say(speech), Some(index)) => self.say_over(index, &speech, 1),
            (Step::SayHalf(speech), Some(index)) => self.say_over(index, &speech, 2),
            (Step::Say(_) | Step::SayHalf(_) | Step::Cut, None) => {}
            (Step::Cut, Some(index)) => {
                self.transcript.note(self.now, "relay", "cuts the link");
                self.tear(index);
            }
            (Step::Expire(group, through), _) => {
                self.transcript.note(self.now, "relay", &format!("drops everything up to {}", through.0));
                self.relay.store.expire(&group, through);
            }
            (Step::Restart(store), wire) => {
                // What was said before still arrives.
                wire.into_iter().for_each(|index| self.tear(index));
                self.swap_relay(*store);
            }
            (Step::OtherKey, wire) => {
                wire.into_iter().for_each(|index| self.tear(index));
                self.kill_relay();
                self.relay.change_key();
                self.start_relay();
            }
        }
    }

    /// Says something, or one part of so many of its bytes.
    fn say_over(&mut self, index: usize, speech: &Speech, parts: usize) {
        let name = self.devices[self.wires[index].device].name;
        self.transcript.relay_says(self.now, name, &speech.said());
        let bytes = speech.bytes(self.relay.address().key);
        self.arrive_down(index, bytes.slice(..bytes.len() / parts));
    }

    /// A device's words, for whoever listens at the relay. Says what is answered should the honest machine not hear them.
    pub(super) fn overhear(&mut self, device: usize, said: &[Said]) -> Option<Vec<Speech>> {
        let hostile = self.hostile.as_mut()?;
        let mut answer = None;
        for word in said {
            if let Said::ToRelay(message) = word {
                answer = answer.or(hostile.hears(device, message));
            }
        }
        answer
    }

    /// A device's bytes go nowhere, and this is the answer.
    pub(super) fn swallow(&mut self, index: usize, len: usize, answer: &[Speech]) {
        let (device, link) = (self.wires[index].device, self.wires[index].device_link);
        self.later(device, Duration::ZERO, ClientInput::Link(LinkInput::Written { link, len }));
        answer.iter().for_each(|speech| self.say_over(index, speech, 1));
    }

    /// Whether a hostile relay's words pass here.
    pub(super) fn is_meddled(&self, at: Machined) -> bool {
        self.hostile.is_some() && at.relay == 0 && !self.silent
    }

    fn arrive_down(&mut self, index: usize, bytes: Bytes) {
        self.arrive(index, false, self.half, bytes);
    }
}
