//! Somebody with the relay's key and its store, who lets a device in, shows it a true page, and sends it away.
//!
//! It answers one link of a real device of the world, so whatever the device concludes, its application hears and its store keeps.
//! It writes nothing. After the refusal it is silent: who is sent away ends the link.

use bytes::Bytes;
use zerok_core::{
    channel::Responder,
    client::io::ClientInput,
    ids::{LinkId, LoadId, TransportId},
    limits::MAX_BLOB,
    machine::{LinkInput, Origin, StoreInput, StoreOutput},
    relay::store::{PageQuery, RelayAnswer, RelayQuery},
    rng::Seed,
    time::Duration,
    wire::{
        codec,
        message::{Page, Refusal, Request, ToDevice, Welcome, WireCode},
    },
};

use super::{Harm, World};

/// What a page in the second flight may weigh.
const PAGE: u32 = 16 * 1024;

/// One link that is answered so.
pub(super) struct Impostor {
    device: usize,
    link: LinkId,
    relay: usize,
    code: WireCode,
    /// Until it has answered.
    responder: Option<Responder>,
}

impl World {
    /// Takes a dialled link in place of a relay's machine.
    pub(super) fn answer_instead(&mut self, device: usize, link: LinkId, relay: usize, code: WireCode) {
        self.transcript.note(self.now, self.devices[device].name, "dial: an impostor answers");
        let mut seed = [201; 32];
        seed[..8].copy_from_slice(&self.dials.to_le_bytes());
        let mut draw = Seed::new(seed).draw("impostor");
        let secret = self.relay_node(relay).secret();
        let responder = Some(Responder::new(self.kind, &secret, TransportId::TCP, &mut draw));
        self.impostors.retain(|other| other.device != device);
        self.impostors.push(Impostor { device, link, relay, code, responder });
        let opened = LinkInput::Opened { link, transport: TransportId::TCP, origin: Origin::default() };
        self.later(device, self.half * 2, ClientInput::Link(opened));
    }

    /// Bytes of a device on a link that no machine answers.
    pub(super) fn tell_impostor(&mut self, device: usize, link: LinkId, bytes: Bytes) {
        let Some(index) = self.impostors.iter().position(|one| one.device == device && one.link == link) else {
            return;
        };
        let Some(mut responder) = self.impostors[index].responder.take() else { return };
        let opening = match responder.receive(bytes) {
            Ok(Some(opening)) => opening,
            Ok(None) => return self.impostors[index].responder = Some(responder),
            Err(_) => return,
        };
        let (relay, code) = (self.impostors[index].relay, self.impostors[index].code);
        // A joiner says nothing, and is told nothing.
        let payload = if opening.payload.is_empty() {
            Vec::new()
        } else {
            let Ok((hello, pull)) = codec::decode_first_flight(opening.payload) else { return };
            let (after, tag, max_bytes) = (pull.after, pull.tag, pull.max_bytes.min(PAGE));
            let page = PageQuery { after, tag, max_bytes, at_least_one: false };
            let query = RelayQuery::Welcome { group: hello.group, link: opening.remote, page };
            let store = &mut self.relay_node(relay).store;
            let answer = store.perform(StoreOutput::Load { load: LoadId(0), query });
            let StoreInput::Loaded { answer: Ok(RelayAnswer::Welcome { own, page }), .. } = answer else { return };
            let (head, floor) = (page.head, page.floor);
            let last = page.entries.last().map_or(after.max(floor), |(cursor, _)| *cursor);
            let max_blob = u32::try_from(MAX_BLOB).unwrap_or(u32::MAX);
            let welcome = Welcome { relay_id: store.relay_id(), head, floor, own, max_blob };
            let (reset, more) = (page.reset, !page.reset && last < head);
            codec::encode_second_flight(&welcome, &Page { after, floor, reset, entries: page.entries, head, more })
        };
        let Ok((mut channel, answer)) = responder.respond(&payload) else { return };
        let refusal = Refusal { code, request: Request::Link, retry_after: 0 };
        let refused = channel.seal(&codec::encode(&ToDevice::Error(refusal)));
        self.transcript.note(self.now, "impostor", &format!("refuses: {code}"));
        for (bytes, delay) in [(answer, self.half), (refused, self.half + Duration::from_millis(1))] {
            self.later(device, delay, ClientInput::Link(LinkInput::Bytes { link, bytes }));
        }
        self.harm_device(device, Harm::SentAway);
    }
}
