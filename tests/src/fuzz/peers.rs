//! Everyone a device talks to: a relay that answers well or badly, another member that writes records, and the far end of a pairing.
//!
//! Decides nothing by itself: each call takes its choices from the input.

use std::collections::VecDeque;

use bytes::Bytes;
use zerok_core::{
    channel::Responder,
    ids::{Cursor, Digest, Incarnation, Lane, MailboxId, RecordHash, RelayId, StreamId, TransportId},
    limits::MAX_BLOB,
    machine::{LinkFailure, LinkInput, Origin},
    pairing::{
        code::PairingCode,
        exchange::{Creator, CreatorStep, Handover, Joiner, JoinerStep},
    },
    seal::{
        keys::DeviceKeys,
        record::{Kind, Record, SeenEntry},
        roster::{AddPayload, HeadsPayload, RenamePayload},
    },
    time::UnixMillis,
    wire::{
        codec,
        message::{Page, ToDevice, ToRelay, Welcome},
    },
};

use super::{
    device::DeviceRig,
    fixture::{Fixture, draw, lay_out},
    sayings::{Pool, any_page, any_welcome, to_device},
    snapshot::Snapshot,
    source::Source,
};
use zerok_core::client::io::ClientInput;

/// The far side of everything.
pub(super) struct Peers {
    pub(super) pool: Pool,
    /// The log as far as it was shown.
    log: Vec<(Cursor, Bytes)>,
    /// Where the other member's chains end.
    ends: Vec<(StreamId, u64, RecordHash)>,
    /// Blobs of the device that the relay has not acknowledged.
    unacked: Vec<Digest>,
    /// What the far end of a pairing has said and the relay has not delivered.
    mail: VecDeque<Bytes>,
    joiner: Option<Joiner>,
    creator: Option<Creator>,
    newcomer: DeviceKeys,
}

/// The code behind which [`Peers`] lets a device join.
pub(super) fn known_code() -> PairingCode {
    PairingCode::new(*b"fuzzed-cod")
}

impl Peers {
    pub(super) fn new() -> Self {
        let snapshot = Snapshot::shared();
        Self {
            pool: Pool {
                blobs: snapshot.log.iter().map(|(_, blob)| blob.clone()).collect(),
                mailboxes: vec![MailboxId([1; 16])],
                cursor: 0,
            },
            log: snapshot.log.clone(),
            ends: snapshot.ends.clone(),
            unacked: Vec::new(),
            mail: VecDeque::new(),
            joiner: None,
            creator: None,
            newcomer: Fixture::shared().member.clone(),
        }
    }

    /// The transport is up, and the first flight is read.
    pub(super) fn accept(&mut self, rig: &mut DeviceRig) {
        let secret = rig.secret.clone();
        let Some(wire) = rig.wire.as_mut().filter(|wire| !wire.opened && !wire.closing) else { return };
        wire.opened = true;
        wire.responder = Some(Responder::new(rig.kind, &secret, TransportId::TCP, &mut draw(11)));
        let (link, transport, origin) = (wire.id, TransportId::TCP, Origin::default());
        rig.tell(ClientInput::Link(LinkInput::Opened { link, transport, origin }));
        self.listen(rig);
    }

    /// The second flight: a good one, or one that cannot be.
    pub(super) fn welcome(&mut self, source: &mut Source<'_>, rig: &mut DeviceRig) {
        let Some(wire) = rig.wire.as_mut().filter(|wire| !wire.closing) else { return };
        let Some(responder) = wire.responder.take() else { return };
        let choice = source.below(8);
        let payload = match (wire.member, choice) {
            (false, 0..=6) => Vec::new(),
            (true, 0..=4) => {
                let page = self.next_page(source);
                let head = page.head;
                let welcome = Welcome {
                    relay_id: RelayId([7; 16]),
                    head,
                    floor: page.floor,
                    own: None,
                    max_blob: MAX_BLOB as u32,
                };
                codec::encode_second_flight(&welcome, &page)
            }
            (_, 5 | 6) => codec::encode_second_flight(&any_welcome(source, &self.pool), &any_page(source, &self.pool)),
            _ => source.bytes(4096),
        };
        if let Ok((channel, bytes)) = responder.respond(&payload) {
            let link = wire.id;
            wire.channel = Some(channel);
            rig.tell(ClientInput::Link(LinkInput::Bytes { link, bytes }));
        }
        self.listen(rig);
    }

    /// The link ends.
    pub(super) fn cut(&mut self, rig: &mut DeviceRig) {
        if let Some(wire) = rig.wire.take() {
            let (link, cause) = (wire.id, LinkFailure::Reset);
            let ended =
                if wire.opened { LinkInput::Closed { link, cause } } else { LinkInput::OpenFailed { link, cause } };
            rig.tell(ClientInput::Link(ended));
        }
    }

    /// Bytes leave: all of them.
    pub(super) fn flush(rig: &mut DeviceRig) {
        for _ in 0..16 {
            let Some(wire) = rig.wire.as_mut().filter(|wire| wire.unwritten > 0) else { return };
            let (link, len) = (wire.id, std::mem::take(&mut wire.unwritten));
            rig.tell(ClientInput::Link(LinkInput::Written { link, len }));
        }
    }

    /// Takes in what the device has said.
    pub(super) fn listen(&mut self, rig: &mut DeviceRig) {
        while let Some(message) = rig.heard.pop_front() {
            match message {
                ToRelay::Pull(pull) => self.pool.cursor = pull.after.0,
                ToRelay::Ack { cursor } => self.pool.cursor = cursor.0,
                ToRelay::Push { blobs, .. } => {
                    self.unacked.extend(blobs.iter().map(|blob| Digest::of(blob)));
                    self.pool.blobs.extend(blobs);
                }
                ToRelay::MailboxOpen { code, qr } => self.pool.mailboxes.extend([code, qr]),
                ToRelay::MailboxClaim { id } => self.pool.mailboxes.push(id),
                ToRelay::MailboxSend { id, body } => {
                    self.pool.mailboxes.push(id);
                    self.pair(&body);
                }
                _ => {}
            }
        }
        let many = self.pool.blobs.len().saturating_sub(32);
        self.pool.blobs.drain(..many);
        let many = self.pool.mailboxes.len().saturating_sub(8);
        self.pool.mailboxes.drain(..many);
    }

    /// Something of a relay's.
    pub(super) fn speak(&mut self, source: &mut Source<'_>, rig: &mut DeviceRig) {
        let message = match source.below(10) {
            0..=3 => ToDevice::Page(self.next_page(source)),
            4 => {
                let next = self.log.last().map_or(Cursor(1), |(cursor, _)| cursor.next());
                let stored = std::mem::take(&mut self.unacked).into_iter().map(|digest| (digest, next)).collect();
                ToDevice::Pushed { stored }
            }
            5 => {
                let Some(id) = self.mailbox(source) else { return };
                ToDevice::MailboxOpened { id }
            }
            6 => {
                let Some(id) = self.mailbox(source) else { return };
                let Some(body) = self.mail.pop_front() else { return };
                let body = if source.below(8) == 7 { source.edited(&body).into() } else { body };
                ToDevice::MailboxMessage { id, body }
            }
            7 => return rig.say_plain(&source.bytes(2048)),
            _ => to_device(source, &self.pool),
        };
        rig.say(&message);
        self.listen(rig);
    }

    fn mailbox(&self, source: &mut Source<'_>) -> Option<MailboxId> {
        let newest = self.pool.mailboxes.len().checked_sub(1 + source.below(2))?;
        self.pool.mailboxes.get(newest).copied()
    }

    /// What follows in the log, with new records of the other member, or a page that lies.
    fn next_page(&mut self, source: &mut Source<'_>) -> Page {
        if source.below(8) == 7 {
            return any_page(source, &self.pool);
        }
        for _ in 0..source.below(4) {
            let blob = self.record(source);
            let step = 1 + u64::from(source.below(8) == 7);
            let cursor = Cursor(self.log.last().map_or(0, |(cursor, _)| cursor.0).max(self.pool.cursor) + step);
            self.pool.blobs.push(blob.clone());
            self.log.push((cursor, blob));
        }
        let after = Cursor(self.pool.cursor);
        let entries: Vec<_> = self.log.iter().filter(|(cursor, _)| *cursor > after).take(20).cloned().collect();
        let head = self.log.last().map_or(after, |(cursor, _)| *cursor).max(after);
        let more = entries.last().is_some_and(|(cursor, _)| *cursor < head);
        Page { after, floor: Cursor(0), reset: false, entries, head, more }
    }

    /// A record of a member: the next of its chain, or nearly.
    fn record(&mut self, source: &mut Source<'_>) -> Bytes {
        let snapshot = Snapshot::shared();
        let kinds = [Kind::Data as u8, Kind::Data as u8, Kind::Heads as u8, Kind::Add as u8, Kind::Rename as u8, 9];
        let kind = source.pick(&kinds).unwrap_or_default();
        let lane = if kind == Kind::Data as u8 { Lane::Data } else { Lane::Control };
        let known = self.ends.iter().find(|(stream, ..)| stream.lane == lane).copied();
        let other = snapshot.keys[1].id();
        let fresh = StreamId { device: other, inc: Incarnation([source.byte(); 8]), lane };
        let (mut stream, mut last, mut hash) = known.unwrap_or((fresh, 0, RecordHash([0; 16])));
        match source.below(16) {
            12 => last = last.saturating_add(u64::from(source.byte())),
            13 => last = source.number(),
            14 => hash = RecordHash([source.byte(); 16]),
            15 => stream = fresh,
            _ => {}
        }
        let heads = kind == Kind::Heads as u8;
        let name = source.text(40);
        let payload = match Kind::of(kind) {
            Some(Kind::Add) => AddPayload { device: self.newcomer.public(), name }.encode(),
            Some(Kind::Rename) => RenamePayload { name }.encode(),
            Some(Kind::Heads) => {
                let control = self.ends.iter().find(|(stream, ..)| stream.lane == Lane::Control);
                let (_, seq, hash) = control.copied().unwrap_or((stream, 0, RecordHash([0; 16])));
                let seq = if source.below(4) == 3 { source.number() } else { seq };
                HeadsPayload { control_seq: seq, control_hash: hash }.encode()
            }
            _ => name.into_bytes(),
        };
        let count = source.below(3);
        let record = Record {
            sender: stream.device,
            inc: stream.inc,
            seq: if heads { last } else { last.saturating_add(1) },
            prev: hash,
            kind,
            ms: UnixMillis(source.number()),
            seen: (0..count).map(|_| self.seen(source)).collect(),
            payload: payload.into(),
        };
        let signer = source.below(8);
        let signer = if signer == 7 { &self.newcomer } else { &snapshot.keys[usize::from(signer < 6)] };
        let plain = lay_out(&record, signer, &snapshot.group);
        let blob = if source.below(16) == 15 {
            snapshot.seal(&source.edited(&plain))
        } else {
            let mut padded = plain;
            padded.resize(padded.len().max(256), 0);
            snapshot.seal(&padded)
        };
        if !heads && known.is_some_and(|(known, ..)| known == stream) {
            let hash = record_hash(&record, signer, snapshot);
            self.ends.retain(|(known, ..)| *known != stream);
            self.ends.push((stream, record.seq, hash));
        }
        blob
    }

    /// What a member may claim to hold.
    fn seen(&self, source: &mut Source<'_>) -> SeenEntry {
        let snapshot = Snapshot::shared();
        let known = source.pick(&self.ends);
        let (stream, last, hash) = known.unwrap_or((
            StreamId { device: snapshot.keys[0].id(), inc: Incarnation([0; 8]), lane: Lane::Data },
            0,
            RecordHash([0; 16]),
        ));
        let mut short = [0; 8];
        short.copy_from_slice(&hash.0[..8]);
        let device = snapshot.keys[source.below(2)].id();
        let inc = if source.below(4) == 3 { Incarnation([source.byte(); 8]) } else { stream.inc };
        let seq = if source.flag() { last } else { source.number() };
        let hash = if source.below(4) == 3 { [source.byte(); 8] } else { short };
        SeenEntry { device, inc, lane: stream.lane, seq, hash }
    }

    /// Somebody uses an invite that the device made.
    pub(super) fn use_invite(&mut self, source: &mut Source<'_>, rig: &DeviceRig) {
        let Some((code, qr)) = rig.invites.last() else { return };
        let secret = if source.flag() { code.secret(&qr.relay.key) } else { qr.pairing_secret() };
        let (joiner, first) = Joiner::start(&secret, &self.newcomer, "newcomer", None, &mut draw(12));
        self.mail = VecDeque::from([first]);
        self.joiner = Some(joiner);
        self.creator = None;
    }

    /// Somebody waits behind the known code.
    pub(super) fn make_invite(&mut self) {
        let fixture = Fixture::shared();
        let secret = known_code().secret(&Snapshot::shared().address.key);
        self.creator = Some(Creator::start(&secret, &fixture.founder, fixture.group, &mut draw(13)));
        self.joiner = None;
        self.mail.clear();
    }

    /// The far end of a pairing hears a message.
    fn pair(&mut self, body: &[u8]) {
        if let Some(joiner) = &mut self.joiner {
            match joiner.receive(body) {
                Ok(JoinerStep::Send(answer)) => self.mail.push_back(answer),
                Ok(JoinerStep::Welcome(_)) => self.mail.extend(joiner.confirm()),
                _ => {}
            }
        } else if let Some(creator) = &mut self.creator {
            match creator.receive(body) {
                Ok(CreatorStep::Send(answer)) => self.mail.push_back(answer),
                Ok(CreatorStep::Admit(candidate)) => {
                    let handover = handover(&candidate.device, &candidate.name);
                    self.mail.extend(creator.hand_over(&handover).unwrap_or_default());
                }
                _ => {}
            }
        }
    }
}

/// The fixture's group, with the newcomer in it.
fn handover(device: &zerok_core::seal::keys::DevicePublic, name: &str) -> Handover {
    let fixture = Fixture::shared();
    let mut prev = RecordHash([0; 16]);
    let mut roster = Vec::new();
    let payloads = [
        (Kind::Genesis, fixture.genesis.encode()),
        (Kind::Add, AddPayload { device: *device, name: name.to_owned() }.encode()),
    ];
    for (seq, (kind, payload)) in (1..).zip(payloads) {
        let record = Record {
            sender: fixture.founder.id(),
            inc: Incarnation([1; 8]),
            seq,
            prev,
            kind: kind as u8,
            ms: UnixMillis(0),
            seen: Vec::new(),
            payload: payload.into(),
        };
        let plain = lay_out(&record, &fixture.founder, &fixture.group);
        prev = hash_of(&plain);
        roster.push(fixture.seal(&plain));
    }
    let stream = StreamId { device: fixture.founder.id(), inc: Incarnation([1; 8]), lane: Lane::Control };
    Handover {
        group: fixture.group,
        access: fixture.access,
        genesis_hash: fixture.genesis.hash(),
        epochs: vec![fixture.secret.clone()],
        relay: Snapshot::shared().address.clone(),
        since_reset: None,
        roster,
        baseline: vec![(stream, 2, prev)],
    }
}

fn record_hash(record: &Record, signer: &DeviceKeys, snapshot: &Snapshot) -> RecordHash {
    hash_of(&lay_out(record, signer, &snapshot.group))
}

/// First 16 bytes of SHA-256 of a record with its signature: the digest of any bytes is made alike.
fn hash_of(raw: &[u8]) -> RecordHash {
    RecordHash(Digest::of(raw).0)
}
