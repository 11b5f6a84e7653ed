//! The creator's side of pairing: an invite, two mailboxes, and the admission of one device.
//!
//! ```text
//!           MailboxOpened          first message            ADD acked             kept, or heard of as a member
//!  Opening ──────────────► Waiting ─────────────► Exchanging ─────────► Admitted ───────────────────────────► (none)
//!     └──────── expired, cancelled, failed, mailbox closed ─────────────┘
//! ```
//!
//! Invariant: the roster record that admits the device is durable here and acknowledged by the relay before any key leaves.

use bytes::Bytes;

use crate::{
    client::{
        Client, Timer,
        command::{ClientEvent, Reply},
    },
    error::Code,
    ids::{CommandId, DeviceId, MailboxId, OutboxId},
    limits::{INVITE_TTL, MAX_ADD_BLOB, MAX_DEVICES},
    pairing::{
        PairingSecret,
        code::PairingCode,
        exchange::{Candidate, Creator, CreatorStep, Handover},
        invite::QrPayload,
    },
    seal::{record::Kind, roster::AddPayload},
    time::UnixMillis,
    wire::message::ToRelay,
};

/// Room for the ADD, with its length.
const ADMISSION: usize = MAX_ADD_BLOB + 4;

/// An invite that is open.
#[derive(Debug)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) struct OpenInvite {
    command: Option<CommandId>,
    code: PairingCode,
    qr: QrPayload,
    by_code: PairingSecret,
    by_qr: PairingSecret,
    expires_at: UnixMillis,
    /// Mailboxes that have not closed: the unused one closes when the other is claimed.
    open: Vec<MailboxId>,
    exchange: Option<(MailboxId, Creator)>,
    /// What was said last, and not answered: said again over a new link, for the relay may have lost it.
    last: Vec<Bytes>,
    admitting: Option<(OutboxId, DeviceId)>,
    /// The device that was handed everything.
    admitted: Option<DeviceId>,
}

impl OpenInvite {
    pub(super) fn command(&self) -> Option<CommandId> {
        self.command
    }

    pub(super) fn waits(&self, command: CommandId) -> bool {
        self.command == Some(command)
    }

    /// Whether the relay was asked for mailboxes and has not answered.
    pub(super) fn is_opening(&self) -> bool {
        self.command.is_some()
    }

    /// The mailbox that is in use, or stands for both.
    fn mailbox(&self) -> MailboxId {
        self.exchange.as_ref().map(|(id, _)| *id).or(self.open.first().copied()).unwrap_or(self.by_code.mailbox)
    }
}

impl Client {
    pub(super) fn create_invite(&mut self, command: CommandId) {
        if self.ledger.enabled {
            self.asked_for();
        }
        let (Some(group), true) = (&self.group, self.ledger.enabled) else {
            return self.reject(command, Code::NotEnabled);
        };
        let Some(relay) = self.relay.clone() else { return self.reject(command, Code::NoRelay) };
        if self.joining.is_some() {
            return self.reject(command, Code::Busy);
        }
        // P20: it would end in the same way, once somebody has typed it.
        if group.roster.len() >= MAX_DEVICES {
            return self.reject(command, Code::PairingFailed);
        }
        if !self.is_connected() && !self.may_connect() || self.backoff.attempt() > 0 {
            return self.reject(command, Code::Offline);
        }
        let code = PairingCode::generate(&mut self.draws.pairing);
        let qr = QrPayload::generate(relay, group.keys.public().sign, &mut self.draws.pairing);
        self.end_invite(Code::Cancelled);
        let (by_code, by_qr) = (code.secret(&qr.relay.key), qr.pairing_secret());
        // A wall clock may show anything.
        let lifetime = u64::try_from(INVITE_TTL.as_millis()).unwrap_or(u64::MAX);
        let expires_at = UnixMillis(self.wall().0.saturating_add(lifetime));
        self.timers.set(Timer::Invite, self.now + INVITE_TTL);
        let open = vec![by_code.mailbox, by_qr.mailbox];
        self.invite = Some(OpenInvite {
            command: Some(command),
            open,
            code,
            qr,
            by_code,
            by_qr,
            expires_at,
            exchange: None,
            last: Vec::new(),
            admitting: None,
            admitted: None,
        });
        self.attach_invite();
    }

    /// Opens the mailboxes, or attaches to them again over a new link.
    pub(super) fn attach_invite(&mut self) {
        if let (Some(invite), true) = (&self.invite, self.is_connected()) {
            let message = ToRelay::MailboxOpen { code: invite.by_code.mailbox, qr: invite.by_qr.mailbox };
            let again: Vec<ToRelay> = invite
                .last
                .iter()
                .map(|body| ToRelay::MailboxSend { id: invite.mailbox(), body: body.clone() })
                .collect();
            self.say_now(&message);
            // Behind the open: the relay answers them in this order. What it had after all, the joiner knows again.
            again.iter().for_each(|message| self.say_now(message));
        }
    }

    pub(super) fn cancel_invite(&mut self, command: CommandId) {
        self.end_invite(Code::Cancelled);
        self.done(command, Ok(Reply::Done));
    }

    /// Ends the open invite without a new device.
    pub(super) fn end_invite(&mut self, code: Code) {
        self.timers.cancel(Timer::Invite);
        let Some(invite) = self.invite.take() else { return };
        self.say_now(&ToRelay::MailboxClose { id: invite.mailbox() });
        match (invite.command, invite.admitted) {
            (Some(command), _) => self.reject(command, code),
            (None, None) => self.event(ClientEvent::InviteEnded { code }),
            // It has led to a new device, and its end is no news.
            (None, Some(_)) => {}
        }
    }

    /// An invite can only be opened online; one that is open survives a lost link.
    pub(super) fn invite_offline(&mut self, code: Code) {
        if self.invite.as_ref().is_some_and(|invite| invite.command.is_some()) {
            self.end_invite(code);
        }
    }

    pub(super) fn mailbox_opened(&mut self, id: MailboxId) {
        if let Some(invite) = &mut self.invite {
            if id == invite.by_code.mailbox
                && let Some(command) = invite.command.take()
            {
                let reply = Reply::Invited {
                    code: invite.code.clone(),
                    qr: Box::new(invite.qr.clone()),
                    expires_at: invite.expires_at,
                };
                self.done(command, Ok(reply));
            }
            return;
        }
        self.mailbox_claimed(id);
    }

    pub(super) fn mailbox_message(&mut self, id: MailboxId, body: &Bytes) {
        if self.invite.is_none() {
            return self.joiner_message(id, body);
        }
        let Some((group, keys)) = self.group.as_ref().map(|group| (group.id, &group.keys)) else { return };
        let Some(invite) = &mut self.invite else { return };
        let secret = match id {
            id if id == invite.by_code.mailbox => &invite.by_code,
            id if id == invite.by_qr.mailbox => &invite.by_qr,
            _ => return,
        };
        let (mailbox, creator) =
            invite.exchange.get_or_insert_with(|| (id, Creator::start(secret, keys, group, &mut self.draws.pairing)));
        // One invite admits one device: what comes through the other mailbox meanwhile is refused by the relay, and here.
        if *mailbox != id {
            return;
        }
        match creator.receive(body) {
            Ok(CreatorStep::Send(body)) => {
                invite.last = vec![body.clone()];
                self.say_now(&ToRelay::MailboxSend { id, body });
            }
            Ok(CreatorStep::Admit(candidate)) => self.admit(&candidate),
            Ok(CreatorStep::Finished) => self.invite_done(),
            Ok(CreatorStep::Waiting) => {}
            // B3: one wrong tag and the invite is void: one guess for whoever sits in the middle.
            Err(_) => self.end_invite(Code::PairingFailed),
        }
    }

    /// The other side proved the code and its keys: write the record that admits it.
    fn admit(&mut self, candidate: &Candidate) {
        let device = candidate.device.id();
        let known = self
            .group
            .as_ref()
            .and_then(|group| group.roster.get(device))
            .map(|member| member.public == candidate.device);
        match known {
            // B15: an id names one key for ever.
            Some(false) => self.end_invite(Code::PairingFailed),
            // Pairing the same key again changes nothing in the roster. Its admission may still be on its way, or an earlier one that
            // this chain rests on: then no key leaves before the relay has it (P10).
            Some(true) => match self.outbox.last_unsent(Kind::Add) {
                Some(row) => {
                    if let Some(invite) = &mut self.invite {
                        invite.admitting = Some((row, device));
                    }
                }
                None => self.hand_over(device),
            },
            // What cannot be handed over admits nobody: an ADD all the same would leave a member behind that never was.
            None if !self.may_admit() => self.end_invite(Code::PairingFailed),
            None => {
                let payload = AddPayload { device: candidate.device, name: candidate.name.clone() }.encode();
                match self.write_record(Kind::Add, payload.into(), None) {
                    Ok(row) => {
                        if let Some(invite) = &mut self.invite {
                            invite.admitting = Some((row, device));
                        }
                        self.ledger.wants_full_push.insert(device);
                        let now = self.wall();
                        self.ledger.heard.insert(device, now);
                        if bug!(KeysBeforeAdd) {
                            self.hand_over(device);
                        }
                    }
                    Err(code) => self.end_invite(code),
                }
            }
        }
    }

    /// Whether there is room for another device: in the group, where others may have admitted some since the invite was made, and in
    /// what it is handed.
    fn may_admit(&self) -> bool {
        let room = self.group.as_ref().is_some_and(|group| group.roster.len() < MAX_DEVICES);
        room && self.handover().is_some_and(|handover| handover.fits(ADMISSION))
    }

    /// A row reached the relay: perhaps the one that admits a device.
    pub(super) fn row_acked(&mut self, row: OutboxId) {
        let admitted =
            self.invite.as_ref().and_then(|invite| invite.admitting).filter(|(admitting, _)| *admitting == row);
        if let Some((_, device)) = admitted {
            self.hand_over(device);
        }
    }

    /// The record that admits a device goes out as another row.
    pub(super) fn admission_reissued(&mut self, old: OutboxId, new: OutboxId) {
        if let Some((row, _)) = self.invite.as_mut().and_then(|invite| invite.admitting.as_mut())
            && *row == old
        {
            *row = new;
        }
    }

    /// What a new device is given as things stand.
    fn handover(&self) -> Option<Handover> {
        let (group, relay) = (self.group.as_ref()?, self.relay.clone()?);
        let baseline = group
            .streams
            .iter()
            .filter_map(|(id, stream)| match stream.reach() {
                (seq, Some(hash)) => Some((*id, seq, hash)),
                _ => None,
            })
            .collect();
        Some(Handover {
            group: group.id,
            access: group.access,
            genesis_hash: group.genesis,
            epochs: group.secrets(),
            relay,
            since_reset: self.since_reset(),
            roster: group.roster_blobs(),
            baseline,
        })
    }

    fn hand_over(&mut self, device: DeviceId) {
        let Some(handover) = self.handover() else { return };
        let Some((id, creator)) = self.invite.as_mut().and_then(|invite| {
            invite.admitting = None;
            invite.exchange.as_mut()
        }) else {
            return;
        };
        let id = *id;
        let Ok(messages) = creator.hand_over(&handover) else { return self.end_invite(Code::PairingFailed) };
        if let Some(invite) = &mut self.invite {
            invite.last.clone_from(&messages);
            invite.admitted = Some(device);
        }
        for body in messages {
            if bug!(KeysBeforeAdd) {
                self.say_now(&ToRelay::MailboxSend { id, body });
                continue;
            }
            self.say(ToRelay::MailboxSend { id, body });
        }
        self.event(ClientEvent::InviteUsed { device });
    }

    /// The new device has its keys.
    fn invite_done(&mut self) {
        self.timers.cancel(Timer::Invite);
        if let Some(invite) = self.invite.take() {
            self.say(ToRelay::MailboxClose { id: invite.mailbox() });
        }
    }

    /// A member was heard of: perhaps the one that was handed everything.
    pub(super) fn invite_heard(&mut self, device: DeviceId) {
        if self.invite.as_ref().is_some_and(|invite| invite.admitted == Some(device)) {
            self.invite_done();
        }
    }

    pub(super) fn mailbox_closed(&mut self, id: MailboxId, code: Code) {
        let Some(invite) = &mut self.invite else { return self.join_refused(id, code) };
        if invite.is_opening() && invite.open.contains(&id) {
            // The relay would not open it: whoever asked must not wait for what never comes.
            return self.end_invite(code);
        }
        invite.open.retain(|open| *open != id);
        if invite.exchange.as_ref().is_some_and(|(used, _)| *used == id) {
            // The other side broke off, or the relay did.
            self.end_invite(Code::PairingFailed);
        } else if invite.open.is_empty() {
            self.end_invite(code);
        }
    }
}

#[cfg(test)]
mod tests;
