//! The joiner's side of pairing: claim a mailbox, prove the code, receive the group, keep it, say so.
//!
//! ```text
//!          claimed            welcome                durable             member link up
//!  Reaching ─────► Exchanging ───────► Adopting ────────────► Confirming ─────────────► (none)
//!     └─ refused, offline, failed, cancelled ──┘ (nothing was kept)
//! ```
//!
//! Invariant: keys of the new group are durable here before the creator is told; until then the old state stands untouched.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{
    address::RelayAddress,
    client::{
        Client, Load, Timer,
        command::{ClientEvent, Reply},
        commit::Effect,
        group::Group,
        receive::{may_follow, stream_of},
        store::OutboxEntry,
    },
    error::{Code, LocalReason},
    ids::{CommandId, Cursor, Lane, MailboxId, OutboxId, RecordHash, StreamId},
    machine::StoreFailure,
    pairing::{
        PairingSecret,
        exchange::{Handover, Joiner, JoinerStep},
        invite::Invite,
    },
    seal::{
        keys::{DeviceKeys, LinkSecret},
        record::{self, Kind},
    },
    time::Duration,
    wire::message::ToRelay,
};

/// How long a join may take in all.
const PATIENCE: Duration = Duration::from_secs(60);

/// A join under way.
#[derive(Debug)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) struct Joining {
    command: Option<CommandId>,
    relay: RelayAddress,
    secret: PairingSecret,
    creator_sign: Option<[u8; 32]>,
    /// For links to the mailbox: the claim belongs to it.
    link: LinkSecret,
    name: String,
    exchange: Option<Joiner>,
    /// What was said last, and not answered: said again over a new link, for the relay may have lost it.
    last: Option<Bytes>,
    handover: Option<Box<Handover>>,
    /// The group is ours: what remains is to sync.
    kept: bool,
}

impl Joining {
    pub(super) fn command(&self) -> Option<CommandId> {
        self.command
    }

    pub(super) fn link(&self) -> &LinkSecret {
        &self.link
    }

    pub(super) fn relay(&self) -> RelayAddress {
        self.relay.clone()
    }

    /// Whether the link to the mailbox is still needed.
    pub(super) fn needs_mailbox(&self) -> bool {
        !self.kept
    }
}

impl Client {
    pub(super) fn join(&mut self, command: CommandId, invite: &Invite, name: String) {
        if !super::lifecycle::is_name(&name) {
            return self.reject(command, Code::InvalidArgs);
        }
        if self.group.as_ref().is_some_and(|group| !group.is_solo()) {
            return self.reject(command, Code::AlreadyInGroup);
        }
        if self.joining.is_some() {
            return self.reject(command, Code::Busy);
        }
        if matches!(invite, Invite::Qr(qr) if qr.relay.check().is_err()) {
            return self.reject(command, Code::InvalidArgs);
        }
        let (relay, secret, creator_sign) = match invite {
            Invite::Qr(qr) => (qr.relay.clone(), qr.pairing_secret(), Some(qr.creator_sign)),
            Invite::Code(code) => {
                let Some(relay) = self.relay.clone() else { return self.reject(command, Code::NoRelay) };
                let secret = code.secret(&relay.key);
                (relay, secret, None)
            }
        };
        self.end_invite(Code::Cancelled);
        self.asked_for();
        self.drop_link(LocalReason::Unwanted);
        self.backoff.reset();
        self.joining = Some(Joining {
            command: Some(command),
            relay,
            secret,
            creator_sign,
            link: LinkSecret::generate(&mut self.draws.link),
            name,
            exchange: None,
            last: None,
            handover: None,
            kept: false,
        });
        self.timers.set(Timer::Join, self.now + PATIENCE);
    }

    /// The joiner's link is up.
    pub(super) fn claim_mailbox(&mut self) {
        self.backoff.reset();
        if let Some(id) = self.joining.as_ref().map(|joining| joining.secret.mailbox) {
            self.say_now(&ToRelay::MailboxClaim { id });
        }
    }

    /// The claim holds: prove the code. After a reconnect the exchange goes on where it was.
    pub(super) fn mailbox_claimed(&mut self, id: MailboxId) {
        let Some(joining) = self.joining.as_mut().filter(|joining| joining.secret.mailbox == id) else { return };
        if joining.exchange.is_some() {
            if let Some(body) = joining.last.clone() {
                self.say(ToRelay::MailboxSend { id, body });
            }
            return;
        }
        if self.candidate.is_none() {
            // B7: durable before anyone sees them. A creator that admits them admits the same ones again after a crash here.
            self.candidate = Some(DeviceKeys::generate(&mut self.draws.keys));
            self.keep_vault();
        }
        let (Some(keys), Some(joining)) = (&self.candidate, &mut self.joining) else { return };
        let (joiner, body) =
            Joiner::start(&joining.secret, keys, &joining.name, joining.creator_sign, &mut self.draws.pairing);
        joining.exchange = Some(joiner);
        joining.last = Some(body.clone());
        self.say(ToRelay::MailboxSend { id, body });
    }

    pub(super) fn joiner_message(&mut self, id: MailboxId, body: &Bytes) {
        let Some(joining) =
            self.joining.as_mut().filter(|joining| joining.secret.mailbox == id && joining.handover.is_none())
        else {
            return;
        };
        let Some(exchange) = &mut joining.exchange else { return };
        match exchange.receive(body) {
            Ok(JoinerStep::Send(body)) => {
                joining.last = Some(body.clone());
                self.say(ToRelay::MailboxSend { id, body });
            }
            Ok(JoinerStep::Waiting) => {}
            Ok(JoinerStep::Welcome(handover)) => {
                joining.handover = Some(handover);
                self.moving(&[], &[]);
            }
            Err(_) => self.end_join(Code::PairingFailed),
        }
    }

    /// What this device queued alone moves along: its bytes are sealed for the old group and must be read first, also those that
    /// were queued meanwhile.
    pub(super) fn moving(&mut self, asked: &[OutboxId], rows: &[(OutboxId, Bytes)]) {
        let data = |row: &&OutboxEntry| !row.acked && row.kind == Kind::Data as u8;
        let ids: Vec<OutboxId> = self.outbox.rows().filter(data).map(|row| row.id).collect();
        if !ids.iter().all(|id| asked.contains(id)) {
            return self.load_rows(ids.clone(), Load::Moving(ids));
        }
        let open = |id: &OutboxId| {
            let entry = self.outbox.get(*id).copied()?;
            let (_, blob) = rows.iter().find(|(row, _)| row == id)?;
            Some((entry, self.payload_of(blob)?))
        };
        match ids.iter().map(open).collect::<Option<Vec<_>>>() {
            Some(moved) => self.adopt(moved),
            // What was queued is not in the store as it was written: nothing may be erased that could still be saved.
            None => self.store_failed(StoreFailure::Corrupt),
        }
    }

    /// Becomes a member: the new group's state and the moved records in one batch.
    fn adopt(&mut self, moved: Vec<(OutboxEntry, Bytes)>) {
        let Some(joining) = &mut self.joining else { return };
        let (Some(handover), Some(keys)) = (joining.handover.take(), self.candidate.clone()) else { return };
        let Some(mut group) = Group::from_handover(keys, &handover) else { return self.end_join(Code::PairingFailed) };
        let had_data = self.group.as_ref().is_some_and(Group::has_written_data);
        let mut waiting = std::mem::take(&mut self.pushes);
        self.forget_group();
        self.ledger.enabled = true;
        self.ledger.inc = self.draws.keys.bytes();
        self.ledger.reset_at = handover.since_reset.map(|since| self.before(since));
        self.ledger.greeted.extend(group.roster.iter().map(|(id, _)| id));
        self.batch.touched.extend(group.streams.keys());
        self.keep_handed(&mut group);
        self.group = Some(group);
        self.candidate = None;
        self.relay = Some(handover.relay.clone());
        self.keep_vault();
        for (entry, payload) in moved {
            let Ok(row) = self.write_record(Kind::Data, payload, entry.key) else { continue };
            if let Some(command) = waiting.remove(&entry.id) {
                self.pushes.insert(row, command);
            }
            if let Some(new) = self.outbox.get(row).map(|row| row.blob_id) {
                self.event(ClientEvent::BlobReissued { old: entry.blob_id, new });
            }
        }
        self.cancel_pushes(waiting);
        self.begin_opening();
        self.ledger.joining = Some(had_data);
        self.ledger.heads_due = true;
        self.batch.effects.push(Effect::JoinKept);
    }

    /// The new group is durable here: now the creator may know.
    pub(super) fn join_kept(&mut self) {
        let Some(joining) = &mut self.joining else { return };
        joining.kept = true;
        let id = joining.secret.mailbox;
        let body = joining.exchange.as_ref().and_then(Joiner::confirm);
        if let Some(body) = body {
            self.say_now(&ToRelay::MailboxSend { id, body });
            self.say_now(&ToRelay::Bye);
        }
        self.drop_link(LocalReason::Done);
        self.ledger.enabled = true;
    }

    /// The first welcome as a member completes the join.
    pub(super) fn finish_joining(&mut self) {
        let Some(needs_full_push) = self.ledger.joining.take() else { return };
        self.ledger.owes_full_push = needs_full_push;
        let history_complete = self.is_history_complete();
        if let Some(group) = self.group.as_ref().map(|group| group.id) {
            self.event(ClientEvent::Joined { group, history_complete, needs_full_push });
        }
        self.send_heads();
        self.timers.cancel(Timer::Join);
        if let Some(command) = self.joining.take().and_then(|joining| joining.command) {
            self.done(command, Ok(Reply::Joined { history_complete, needs_full_push }));
        }
    }

    /// The relay refused the mailbox.
    pub(super) fn join_refused(&mut self, id: MailboxId, code: Code) {
        if self.joining.as_ref().is_some_and(|joining| joining.secret.mailbox == id && !joining.kept) {
            self.end_join(code);
        }
    }

    /// A joiner that cannot reach the relay is told at once; once the group is kept it syncs like any member.
    pub(super) fn join_offline(&mut self, code: Code) {
        if self.joining.as_ref().is_some_and(|joining| joining.exchange.is_none()) {
            self.end_join(code);
        }
    }

    /// It has taken too long: the relay is out of reach, or nobody answers behind it.
    pub(super) fn join_overdue(&mut self) {
        let begun = self.joining.as_ref().is_some_and(|joining| joining.exchange.is_some());
        self.end_join(if begun { Code::PairingFailed } else { Code::Offline });
    }

    /// Gives up, or, when the group is already this device's, leaves the rest to ordinary syncing.
    pub(super) fn end_join(&mut self, code: Code) {
        self.timers.cancel(Timer::Join);
        let Some(joining) = self.joining.take() else { return };
        match (joining.command, self.ledger.joining) {
            (Some(command), Some(needs_full_push)) => {
                self.done(command, Ok(Reply::Joined { history_complete: false, needs_full_push }));
            }
            (Some(command), None) => {
                self.say_now(&ToRelay::MailboxClose { id: joining.secret.mailbox });
                self.reject(command, code);
            }
            (None, _) => {}
        }
    }
}

impl Group {
    /// A group as its creator handed it over; `None` unless signatures prove all of it.
    ///
    /// F6: the exchange has checked that the genesis makes up the group id and commits to the epoch; the records must admit this
    /// device by members' signatures. Nothing else is believed. They come without those between them that changed nothing, so their
    /// places prove nothing; holes and forks were judged, and named, by the members who saw them.
    pub(super) fn from_handover(keys: DeviceKeys, handover: &Handover) -> Option<Self> {
        let mut group =
            Self::new(keys, handover.group, handover.access, handover.genesis_hash, handover.epochs.clone());
        let mut places: BTreeMap<StreamId, BTreeMap<u64, RecordHash>> = BTreeMap::new();
        for blob in &handover.roster {
            let epoch = group.epoch_of(record::kid_of(blob)?)?;
            let opened = record::open(blob, &group.id, epoch).ok()?;
            let key = group.signing_key(&opened)?;
            if !opened.verify(&key, &group.id) {
                return None;
            }
            group.take_handed(&opened, blob);
            places.entry(stream_of(&opened)).or_default().insert(opened.record.seq, opened.hash);
        }
        group.take_places(places);
        group.take_baseline(&handover.baseline);
        let admitted = group.roster.get(group.device).is_some_and(|member| member.public == group.keys.public());
        admitted.then_some(group)
    }

    /// Where the handed records stand in their chains: they, and what lies between them, are not taken again.
    fn take_places(&mut self, places: BTreeMap<StreamId, BTreeMap<u64, RecordHash>>) {
        for (id, records) in places {
            if !may_follow(&self.streams, id) {
                continue;
            }
            let stream = self.streams.entry(id).or_default();
            records.into_iter().for_each(|(seq, hash)| stream.accept(seq, hash, Cursor(0)));
        }
    }

    /// Where every chain ended for the creator: at or below, holes are nobody's fault. No more chains than this device would follow.
    fn take_baseline(&mut self, baseline: &[(StreamId, u64, RecordHash)]) {
        for (id, seq, hash) in baseline {
            let of_other = self.roster.get(id.device).is_some() && id.device != self.device;
            if of_other && may_follow(&self.streams, *id) {
                self.streams.entry(*id).or_default().set_baseline(*seq, *hash);
            }
        }
    }

    fn has_written_data(&self) -> bool {
        self.streams.iter().any(|(id, stream)| id.device == self.device && id.lane == Lane::Data && stream.last > 0)
    }
}
