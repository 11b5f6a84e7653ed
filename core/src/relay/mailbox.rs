//! Mailboxes: how a newcomer and a member of a group exchange a few messages before the newcomer has any key.
//!
//! Knows ids and opaque messages, nothing of codes or keys. The rows are the store's, so any machine can serve either side; this
//! machine remembers only which of its links is attached to which side, and how many messages that link has had. A new attachment
//! is sent all messages from the first: whoever attaches again skips those it knows.
//!
//! Invariants: only members open; only the claiming key speaks as the joiner; unknown, expired and ended mailboxes get the same
//! answer after the same work (B2, B9); a link is attached before the store is asked for messages, so that none falls between.
//!
//! ```text
//! creator: open both ──► attached ─── one claimed ───► attached to that one; the twin is told closed
//! joiner:  claim     ──► attached ─┐                        │
//!                                  └── closed, or expired ◄─┘ ──► told closed, detached
//! ```
//!
//! Limits: `mailboxes_per_group`, `mailboxes_per_origin`, `mailboxes`, [`MAX_MAIL`], [`INVITE_TTL`]; bytes by `push_bytes`, per link and
//! per origin; messages and their size by the store and the codec.

use bytes::Bytes;

use crate::{
    error::Misbehaviour,
    ids::{Lane, LinkId, MailboxId},
    limits::INVITE_TTL,
    machine::StoreFailure,
    relay::{
        Relay,
        effects::{Consequence, Purpose, Timer},
        io::Announce,
        link::{Link, MAX_MAIL, Party},
        store::{RelayAnswer, RelayOp, RelayOutcome, RelayQuery, Side},
    },
    time::{Duration, UnixMillis},
    wire::message::{Request, ToDevice, ToRelay, WireCode},
};

/// What a message weighs beside its bytes while the store has it.
const MAIL_WEIGHT: usize = 256;

/// A link on one side of a mailbox.
#[derive(Debug, Clone, Hash)]
pub(super) struct Attachment {
    link: LinkId,
    /// The other mailbox of the same invite, for its creator.
    twin: Option<MailboxId>,
    /// Messages this link has had.
    had: u32,
    loading: bool,
    /// It changed while it was read, or the link had no credit for all of it.
    stale: bool,
}

impl Attachment {
    fn new(link: LinkId, twin: Option<MailboxId>) -> Self {
        Self { link, twin, had: 0, loading: false, stale: false }
    }
}

impl Relay {
    /// A mailbox request. What follows an open or a claim waits for its outcome.
    pub(super) fn mail(&mut self, id: LinkId, request: ToRelay) {
        let Some(talk) = self.links.get_mut(&id).and_then(Link::talk) else { return };
        if !talk.mail.attaching {
            return self.mail_now(id, request);
        }
        talk.mail.waiting.push_back(request);
        if talk.mail.waiting.len() > MAX_MAIL {
            self.close(id, Misbehaviour::OutOfState.into());
        }
    }

    fn mail_now(&mut self, id: LinkId, request: ToRelay) {
        match request {
            ToRelay::MailboxOpen { code, qr } => self.open_mailbox(id, code, qr),
            ToRelay::MailboxClaim { id: mailbox } => self.claim_mailbox(id, mailbox),
            ToRelay::MailboxSend { id: mailbox, body } => self.send_mailbox(id, mailbox, body),
            ToRelay::MailboxClose { id: mailbox } => self.close_mailbox(id, mailbox),
            _ => self.close(id, Misbehaviour::OutOfState.into()),
        }
    }

    fn open_mailbox(&mut self, id: LinkId, code: MailboxId, qr: MailboxId) {
        let expires = UnixMillis(self.wall().0.saturating_add(INVITE_TTL.as_millis() as u64));
        let limit = self.fx.limits.mailboxes_per_group;
        let Some(link) = self.links.get_mut(&id) else { return };
        let origin = link.origin;
        let Some(talk) = link.talk() else { return };
        let Party::Member(member) = &talk.party else { return self.close(id, Misbehaviour::OutOfState.into()) };
        if code == qr {
            return self.close(id, Misbehaviour::BadMessage.into());
        }
        let group = member.group;
        if let Some((code_, wait)) = self.refuses_pushes() {
            return self.refuse_mail(id, code, code_, wait);
        }
        // A group without a blob costs its maker nothing, so the bound per group alone would bound nobody.
        if !self.openings.take(self.fx.now, origin, &[code, qr]) {
            return self.refuse_mail(id, code, WireCode::MailboxFull, Duration::ZERO);
        }
        self.attaching(id, true);
        let open = |id, twin| RelayOp::OpenMailbox { id, twin, group, expires, limit };
        self.fx.persist(vec![open(code, qr), open(qr, code)], Consequence::OpenMailbox { link: id, code, qr });
    }

    fn claim_mailbox(&mut self, id: LinkId, mailbox: MailboxId) {
        let now = self.wall();
        let Some(link) = self.links.get_mut(&id) else { return };
        let origin = link.origin;
        let Some(talk) = link.talk() else { return };
        let Party::Joiner { key, claimed } = &talk.party else {
            return self.close(id, Misbehaviour::OutOfState.into());
        };
        let key = *key;
        if claimed.is_some_and(|claimed| claimed != mailbox) {
            return self.close(id, Misbehaviour::OutOfState.into());
        }
        // Guessing ids costs as much as new links do (B9).
        let allowed = self.handshakes.take(self.fx.now, origin, 1).map_err(|wait| (WireCode::RateLimited, wait));
        if let Some((code, wait)) = allowed.err().or(self.refuses_pushes()) {
            return self.refuse_mail(id, mailbox, code, wait);
        }
        self.attaching(id, true);
        let claim = RelayOp::ClaimMailbox { id: mailbox, link: key, now };
        self.fx.persist(vec![claim], Consequence::ClaimMailbox { link: id, id: mailbox });
    }

    fn send_mailbox(&mut self, id: LinkId, mailbox: MailboxId, body: Bytes) {
        let Some(side) = self.side_of(id, mailbox) else {
            return self.refuse_mail(id, mailbox, WireCode::InviteUnknown, Duration::ZERO);
        };
        if let Some((code, wait)) = self.refuses_pushes() {
            return self.refuse_mail(id, mailbox, code, wait);
        }
        let weight = body.len() + MAIL_WEIGHT;
        if let Err(wait) = self.charge_mail(id, weight as u64) {
            return self.refuse_mail(id, mailbox, WireCode::RateLimited, wait);
        }
        self.uncommitted += weight;
        if let Some(link) = self.links.get_mut(&id) {
            link.uncommitted += weight;
        }
        let send = RelayOp::SendMailbox { id: mailbox, side, body, now: self.wall() };
        self.fx.persist(vec![send], Consequence::SendMailbox { link: id, id: mailbox, weight });
    }

    /// A message counts as a push of its device does, and for its origin too: a joiner's key costs nothing to make.
    fn charge_mail(&mut self, id: LinkId, weight: u64) -> Result<(), Duration> {
        let now = self.fx.now;
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        let origin = link.origin;
        let Some(talk) = link.talk() else { return Ok(()) };
        let key = match &talk.party {
            Party::Member(member) => member.key,
            Party::Joiner { key, .. } => *key,
        };
        self.pushes.take(now, (key, Lane::Control), weight)?;
        self.mails.take(now, origin, weight)
    }

    /// Either name of an invite ends it: its creator need not know which one was claimed.
    fn close_mailbox(&mut self, id: LinkId, mailbox: MailboxId) {
        let Some(talk) = self.links.get_mut(&id).and_then(Link::talk) else { return };
        let twin = |at: &&(MailboxId, Side)| self.boxes.get(*at).is_some_and(|open| open.twin == Some(mailbox));
        let attached = &talk.mail.attached;
        match attached.iter().find(|at| at.0 == mailbox).or_else(|| attached.iter().find(twin)) {
            Some(&(open, _)) => self.end_mailbox(open),
            None => self.refuse_mail(id, mailbox, WireCode::InviteUnknown, Duration::ZERO),
        }
    }

    fn end_mailbox(&mut self, id: MailboxId) {
        self.fx.persist(vec![RelayOp::CloseMailbox { id }], Consequence::CloseMailbox { id });
    }

    /// An invite's time is over.
    pub(super) fn invite_due(&mut self, id: MailboxId) {
        if self.boxes.contains_key(&(id, Side::Creator)) {
            self.end_mailbox(id);
        }
    }

    /// An open is durable: the creator is attached to what is still to be had.
    pub(super) fn mailbox_opened(&mut self, id: LinkId, pair: [MailboxId; 2], outcomes: &[RelayOutcome]) {
        let [code, qr] = pair;
        let [RelayOutcome::Mailbox(first), RelayOutcome::Mailbox(second)] = outcomes else { return };
        self.attaching(id, false);
        match (*first, *second) {
            (Ok(()), Ok(())) => {
                self.attach(id, code, Side::Creator, Some(qr));
                self.attach(id, qr, Side::Creator, Some(code));
                self.attached(id, code, &[code, qr]);
            }
            // One was claimed before this creator came back; it is the invite now.
            (Ok(()), Err(WireCode::InviteUsed)) => {
                self.attach(id, code, Side::Creator, Some(qr));
                self.attached(id, code, &[code]);
            }
            (Err(WireCode::InviteUsed), Ok(())) => {
                self.attach(id, qr, Side::Creator, Some(code));
                self.attached(id, qr, &[qr]);
            }
            (Ok(()), Err(refused)) => {
                self.end_mailbox(code);
                self.refuse_mail(id, code, refused, Duration::ZERO);
            }
            (Err(refused), Ok(())) => {
                self.end_mailbox(qr);
                self.refuse_mail(id, code, refused, Duration::ZERO);
            }
            (Err(refused), Err(_)) => self.refuse_mail(id, code, refused, Duration::ZERO),
        }
        self.mail_waiting(id);
    }

    /// A claim is durable, or was refused.
    pub(super) fn mailbox_claimed(&mut self, id: LinkId, mailbox: MailboxId, outcome: &RelayOutcome) {
        let RelayOutcome::Mailbox(result) = outcome else { return };
        self.attaching(id, false);
        match *result {
            Ok(()) => {
                if let Some(talk) = self.links.get_mut(&id).and_then(Link::talk)
                    && let Party::Joiner { claimed, .. } = &mut talk.party
                {
                    *claimed = Some(mailbox);
                }
                self.attach(id, mailbox, Side::Joiner, None);
                self.mailbox_changed(mailbox);
                self.attached(id, mailbox, &[mailbox]);
            }
            Err(code) => self.refuse_mail(id, mailbox, code, Duration::ZERO),
        }
        self.mail_waiting(id);
    }

    /// A message is durable, or was refused.
    pub(super) fn mailbox_sent(&mut self, id: LinkId, mailbox: MailboxId, outcome: &RelayOutcome) {
        let RelayOutcome::Mailbox(result) = outcome else { return };
        match *result {
            Ok(()) => {
                self.fx.stats.mailbox_messages += 1;
                self.mailbox_changed(mailbox);
            }
            Err(code) => self.refuse_mail(id, mailbox, code, Duration::ZERO),
        }
    }

    /// A mailbox request did not happen: the disk is full.
    pub(super) fn mailbox_failed(&mut self, id: LinkId, mailbox: MailboxId) {
        self.attaching(id, false);
        self.refuse_mail(id, mailbox, WireCode::DiskFull, super::ROOM_RETRY);
        self.mail_waiting(id);
    }

    /// This machine changed a mailbox: tells the others, and whoever is attached here.
    pub(super) fn mailbox_changed(&mut self, id: MailboxId) {
        self.fx.announce(Announce::Mailbox(id));
        self.mailbox_announced(id);
    }

    /// A mailbox changed: whoever is attached here may have something to read.
    pub(super) fn mailbox_announced(&mut self, id: MailboxId) {
        self.read_mailbox(id, Side::Creator);
        self.read_mailbox(id, Side::Joiner);
    }

    /// Every mailbox may have changed.
    pub(super) fn mailboxes_unknown(&mut self) {
        let attached: Vec<_> = self.boxes.keys().copied().collect();
        attached.into_iter().for_each(|(id, side)| self.read_mailbox(id, side));
    }

    /// A link has credit again: reads what it could not be sent.
    pub(super) fn resume_mail(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if !link.has_credit(&self.fx) {
            return;
        }
        let Some(talk) = link.talk() else { return };
        for (mailbox, side) in talk.mail.attached.clone() {
            if self.boxes.get(&(mailbox, side)).is_some_and(|attachment| attachment.stale) {
                self.read_mailbox(mailbox, side);
            }
        }
    }

    fn read_mailbox(&mut self, id: MailboxId, side: Side) {
        let Some(attachment) = self.boxes.get_mut(&(id, side)) else { return };
        if attachment.loading {
            attachment.stale = true;
            return;
        }
        attachment.loading = true;
        attachment.stale = false;
        self.fx.load(RelayQuery::Mailbox { id, side, after: attachment.had }, Purpose::Mailbox(id, side));
    }

    /// A mailbox was read for one side.
    pub(super) fn mailbox_read(&mut self, id: MailboxId, side: Side, answer: Result<RelayAnswer, StoreFailure>) {
        let Self { fx, links, boxes, .. } = self;
        let Some(attachment) = boxes.get_mut(&(id, side)) else { return };
        let Some(link) = links.get_mut(&attachment.link) else { return };
        attachment.loading = false;
        let Ok(RelayAnswer::Mailbox { messages, open, claimed }) = answer else {
            let link = attachment.link;
            return self.refuse_mail(link, id, WireCode::Unavailable, super::ROOM_RETRY);
        };
        for body in messages {
            if !link.has_credit(fx) {
                // Read again once the peer has taken these: a mailbox is a cursor too.
                attachment.stale = true;
                return;
            }
            attachment.had += 1;
            link.send(fx, &ToDevice::MailboxMessage { id, body });
        }
        let again = attachment.stale;
        if let (true, Some(twin)) = (claimed, attachment.twin) {
            self.tell_closed(twin, side);
        }
        if !open {
            self.tell_closed(id, side);
        } else if again {
            self.read_mailbox(id, side);
        }
    }

    fn tell_closed(&mut self, id: MailboxId, side: Side) {
        let Some(attachment) = self.boxes.remove(&(id, side)) else { return };
        if side == Side::Creator {
            self.fx.timers.cancel(Timer::Invite(id));
        }
        if let Some(link) = self.links.get_mut(&attachment.link) {
            if let Some(talk) = link.talk() {
                talk.mail.attached.retain(|at| *at != (id, side));
            }
            link.send(&mut self.fx, &ToDevice::MailboxClosed { id });
        }
    }

    fn attach(&mut self, id: LinkId, mailbox: MailboxId, side: Side, twin: Option<MailboxId>) {
        let Some(talk) = self.links.get_mut(&id).and_then(Link::talk) else { return };
        if !talk.mail.attached.contains(&(mailbox, side)) {
            talk.mail.attached.push((mailbox, side));
        }
        // The newest link of a side takes over; the one before may be dead without knowing it.
        if let Some(before) = self.boxes.insert((mailbox, side), Attachment::new(id, twin))
            && before.link != id
            && let Some(talk) = self.links.get_mut(&before.link).and_then(Link::talk)
        {
            talk.mail.attached.retain(|at| *at != (mailbox, side));
        }
        if side == Side::Creator {
            self.fx.timers.set(Timer::Invite(mailbox), self.fx.now + INVITE_TTL);
        }
    }

    fn attached(&mut self, id: LinkId, name: MailboxId, mailboxes: &[MailboxId]) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.send(&mut self.fx, &ToDevice::MailboxOpened { id: name });
        self.fx.stats.mailboxes += mailboxes.len() as u64;
        for mailbox in mailboxes {
            self.mailbox_announced(*mailbox);
        }
    }

    /// A link ended: its mailboxes stay, for it to come back to.
    pub(super) fn detach(&mut self, id: LinkId, attached: &[(MailboxId, Side)]) {
        for at in attached {
            if self.boxes.get(at).is_some_and(|attachment| attachment.link == id) {
                self.boxes.remove(at);
                if at.1 == Side::Creator {
                    self.fx.timers.cancel(Timer::Invite(at.0));
                }
            }
        }
    }

    fn side_of(&self, id: LinkId, mailbox: MailboxId) -> Option<Side> {
        let attached = |side| self.boxes.get(&(mailbox, side)).is_some_and(|attachment| attachment.link == id);
        [Side::Creator, Side::Joiner].into_iter().find(|side| attached(*side))
    }

    fn attaching(&mut self, id: LinkId, on: bool) {
        if let Some(talk) = self.links.get_mut(&id).and_then(Link::talk) {
            talk.mail.attaching = on;
        }
    }

    fn mail_waiting(&mut self, id: LinkId) {
        loop {
            let Some(talk) = self.links.get_mut(&id).and_then(Link::talk) else { return };
            if talk.mail.attaching {
                return;
            }
            let Some(request) = talk.mail.waiting.pop_front() else { return };
            self.mail_now(id, request);
        }
    }

    fn refuse_mail(&mut self, id: LinkId, mailbox: MailboxId, code: WireCode, wait: Duration) {
        if let Some(link) = self.links.get_mut(&id) {
            let wait = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
            link.refuse(&mut self.fx, code, Request::Mailbox(mailbox), wait);
        }
    }
}
