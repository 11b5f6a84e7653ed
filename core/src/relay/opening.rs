//! From an open transport to a peer that is proven live: two flights and a first frame.
//!
//! Never persists, subscribes, or moves anything before the first frame. A recorded message 1 that is played again earns one
//! message 2, which its player cannot read, and a link that ends at the deadline (C3, G8).
//!
//! Invariants: a wrong proof and an unknown group meet the same code at the same cost, because a Hello is judged by itself before
//! any store is asked; from transport to live takes at most [`HANDSHAKE`] in total, however the bytes trickle.
//!
//! Limits: `links`, `half_open`, `links_per_origin`, `handshakes`.

use bytes::Bytes;

use crate::{
    channel::{Opening, Responder},
    error::{Capacity, CloseReason, LocalReason, Misbehaviour},
    ids::{Cursor, Digest, LinkId, LinkKey, RelayKey, TransportId},
    limits::{HANDSHAKE, MAX_BLOB, MAX_ENTRIES, MAX_MESSAGE, MAX_SECOND_FLIGHT},
    machine::Origin,
    relay::{
        Relay,
        effects::{Purpose, Timer},
        link::{Greeting, Link, Mail, Member, Party, Stage, Talk},
        store::{LogPage, PageQuery, RelayQuery},
    },
    seal::keys,
    wire::{
        codec,
        message::{Page, Pull, Refusal, Request, ToDevice, Welcome, WireCode},
    },
};

/// What an entry of a page may weigh beside its blob.
const ENTRY: usize = 16;
/// What a page and a welcome may weigh beside their entries.
const ENVELOPE: usize = 256;

impl Relay {
    /// A transport is up. What is over a cap is closed before any cryptography.
    pub(super) fn opened(&mut self, id: LinkId, transport: TransportId, origin: Origin) {
        let now = self.fx.now;
        if let Err(reason) = self.admit(origin) {
            self.fx.stats.links_refused += 1;
            let mut link = Link::new(id, origin, Stage::Over, now);
            link.close(&mut self.fx, reason);
            self.links.insert(id, link);
            return;
        }
        let responder = Responder::new(self.config.kind, &self.config.secret, transport, &mut self.draw);
        self.links.insert(id, Link::new(id, origin, Stage::Opening(Box::new(responder)), now));
        self.fx.stats.links += 1;
        self.fx.stats.half_open += 1;
        *self.origins.entry(origin).or_default() += 1;
        self.fx.timers.set(Timer::Handshake(id), now + HANDSHAKE);
    }

    fn admit(&mut self, origin: Origin) -> Result<(), CloseReason> {
        let limits = &self.fx.limits;
        if !self.admits() {
            return Err(CloseReason::Local(LocalReason::Draining));
        }
        if self.fx.stats.links >= limits.links {
            return Err(CloseReason::Limit(Capacity::Links));
        }
        if self.fx.stats.half_open >= limits.half_open {
            return Err(CloseReason::Limit(Capacity::HalfOpen));
        }
        if self.origins.get(&origin).copied().unwrap_or(0) >= limits.links_per_origin {
            return Err(CloseReason::Limit(Capacity::Origin));
        }
        self.handshakes.take(self.fx.now, origin, 1).map_err(|_| CloseReason::Limit(Capacity::Handshakes))
    }

    /// Bytes of a peer that has no channel yet.
    pub(super) fn opening_bytes(&mut self, id: LinkId, bytes: Bytes) {
        let ready = self.is_ready();
        let Some(link) = self.links.get_mut(&id) else { return };
        let fault = match &mut link.stage {
            Stage::Opening(responder) => match responder.receive(bytes) {
                Ok(None) => return,
                Ok(Some(opening)) if ready => return self.first_flight(id, opening),
                Ok(Some(opening)) => return self.early.push((id, opening)),
                Err(fault) => fault,
            },
            // Before message 2 no honest peer has keys to say more.
            _ => Misbehaviour::OutOfState.into(),
        };
        if let Some(hint) = fault.hint() {
            link.transmit(&mut self.fx, hint);
        }
        self.close(id, fault.into());
    }

    /// Message 1 is whole: who is it, and what does it say?
    pub(super) fn first_flight(&mut self, id: LinkId, Opening { remote, payload }: Opening) {
        if !self.links.get(&id).is_some_and(|link| link.open) {
            // It was early, and is over by now.
            return;
        }
        if payload.is_empty() {
            let joiner = Party::Joiner { key: remote, claimed: None };
            return self.answer(id, joiner, &[]);
        }
        let (hello, pull) = match codec::decode_first_flight(payload) {
            Ok(flight) => flight,
            Err(fault) => return self.close(id, fault.into()),
        };
        let member = Member::new(hello.group, hello.access, remote);
        if !keys::verify_hello(&hello, &RelayKey(self.config.secret.public().0), &remote) {
            return self.refuse_hello(id, remote);
        }
        let Some(link) = self.links.get_mut(&id) else { return };
        // Watched before the store is asked, so that no growth falls between its answer and the subscription.
        self.groups.entry(hello.group).or_default().watchers += 1;
        link.watched = Some(hello.group);
        let stage = core::mem::replace(&mut link.stage, Stage::Over);
        if let Stage::Opening(responder) = stage {
            link.stage = Stage::Greeting(Box::new(Greeting { responder: *responder, member, pull }));
        }
        self.greet(id);
    }

    /// Asks the store what the second flight says.
    fn greet(&mut self, id: LinkId) {
        let Some(Link { stage: Stage::Greeting(greeting), .. }) = self.links.get(&id) else { return };
        let Pull { after, tag, max_bytes } = greeting.pull;
        let max_bytes = max_bytes.min(self.fx.limits.page_bytes).min((MAX_SECOND_FLIGHT - ENVELOPE) as u32);
        let page = PageQuery { after, tag, max_bytes, at_least_one: false };
        let (group, link) = (greeting.member.group, greeting.member.key);
        self.fx.load(RelayQuery::Welcome { group, link, page }, Purpose::Welcome(id));
    }

    /// The store has said it: the second flight leaves.
    pub(super) fn welcomed(&mut self, id: LinkId, own: Option<(Cursor, Digest)>, page: LogPage) {
        let Some(relay_id) = self.relay_id else { return };
        let Some(Link { stage: Stage::Greeting(greeting), .. }) = self.links.get_mut(&id) else { return };
        let (head, floor) = (page.head, page.floor);
        let max_blob = MAX_BLOB as u32;
        let welcome = Welcome { relay_id, head, floor, own, max_blob };
        let page = into_page(page, greeting.pull.after, MAX_SECOND_FLIGHT - ENVELOPE);
        let mut member = Member::new(greeting.member.group, greeting.member.access, greeting.member.key);
        member.told = head;
        self.fx.stats.pages += 1;
        let group = member.group;
        self.answer(id, Party::Member(Box::new(member)), &codec::encode_second_flight(&welcome, &page));
        // For the first link of a group this is where its head becomes known; for others it may be ahead of the announcement.
        self.announced(group, head);
    }

    /// Message 2. The peer is provisional until its first frame.
    fn answer(&mut self, id: LinkId, party: Party, payload: &[u8]) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let responder = match core::mem::replace(&mut link.stage, Stage::Over) {
            Stage::Opening(responder) => *responder,
            Stage::Greeting(greeting) => greeting.responder,
            other => {
                link.stage = other;
                return;
            }
        };
        match responder.respond(payload) {
            Ok((channel, bytes)) => {
                link.stage = Stage::Provisional(Box::new(Talk { channel, party, mail: Mail::default() }));
                link.transmit(&mut self.fx, bytes);
            }
            Err(fault) => self.close(id, fault.into()),
        }
    }

    /// A wrong proof. The code goes inside the channel, behind an empty message 2: nobody else learns that it was refused.
    fn refuse_hello(&mut self, id: LinkId, key: LinkKey) {
        self.fx.stats.refuse(WireCode::NotMember);
        let refusal = Refusal { code: WireCode::NotMember, request: Request::Link, retry_after: 0 };
        self.answer(id, Party::Joiner { key, claimed: None }, &[]);
        let Some(link) = self.links.get_mut(&id) else { return };
        if let Stage::Provisional(talk) = &mut link.stage {
            let bytes = talk.channel.seal(&codec::encode(&ToDevice::Error(refusal)));
            link.transmit(&mut self.fx, bytes);
            self.close(id, Misbehaviour::Proof.into());
        }
    }

    /// The first frame: the peer is there, and now counts.
    pub(super) fn proven(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        match core::mem::replace(&mut link.stage, Stage::Over) {
            Stage::Provisional(talk) => link.stage = Stage::Live(talk),
            other => {
                link.stage = other;
                return;
            }
        }
        link.half_open = false;
        self.fx.stats.half_open -= 1;
        self.fx.stats.handshakes_ok += 1;
        self.fx.timers.cancel(Timer::Handshake(id));
        self.fx.timers.set(Timer::Watch(id), link.watch_until(&self.fx));
        let Some(member) = link.member() else { return };
        let (group, key) = (member.group, member.key);
        self.see(group, key, Cursor(0));
        self.subscribe(id, group);
    }
}

/// A page as it goes on the wire, cut where its message would grow too large: a count of tiny blobs weighs more than their bytes.
pub(super) fn into_page(log: LogPage, after: Cursor, room: usize) -> Page {
    let LogPage { floor, head, reset, mut entries, .. } = log;
    let mut used = 0;
    let fit = entries.iter().take(MAX_ENTRIES).take_while(|(_, blob)| {
        used += blob.len() + ENTRY;
        used <= room
    });
    entries.truncate(fit.count());
    let last = entries.last().map_or(after.max(floor), |(cursor, _)| *cursor);
    Page { after, floor, reset, entries, head, more: !reset && last < head }
}

/// Room for a page's entries outside the first flight.
pub(super) const PAGE_ROOM: usize = MAX_MESSAGE - ENVELOPE;
