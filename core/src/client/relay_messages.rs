//! What the relay says, one message at a time: decoded once, handled in one `match` that reads like the protocol's table.
//!
//! The relay cursor moves in one place only (`entries`), and only over entries that follow it.

use bytes::Bytes;

use crate::{
    client::{
        Client, Timer,
        command::ClientEvent,
        ledger::Place,
        link::{Link, Purpose},
        liveness::ANSWER,
        receive::Source,
    },
    error::{Code, Misbehaviour},
    ids::{Cursor, Digest, Tag},
    limits::MAX_BLOB,
    seal::record,
    time::{Duration, UnixMillis},
    wire::{
        codec,
        message::{News, Page, Pull, Refusal, Request, ToDevice, ToRelay, Welcome, WireCode},
    },
};

/// What a pull under way is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Pulling {
    /// The log, from the relay cursor as it stood.
    Log(Cursor),
    /// A second look, with a cursor of its own.
    Scan(Cursor),
}

impl Client {
    /// Message 2 has opened the channel. The client speaks at once after it, so the relay never waits for a sign of life.
    pub(super) fn second_flight(&mut self, payload: Bytes) -> Result<(), Misbehaviour> {
        if self.link.as_ref().is_some_and(|link| link.purpose == Purpose::Joiner) {
            if !payload.is_empty() {
                return Err(Misbehaviour::OutOfState);
            }
            self.welcomed();
            self.claim_mailbox();
            return Ok(());
        }
        if payload.is_empty() {
            // The relay refuses, and says why in its first frame.
            self.timers.set(Timer::Answer, self.now + ANSWER);
            return Ok(());
        }
        let (welcome, page) = codec::decode_second_flight(payload)?;
        self.welcomed();
        self.backoff.reset();
        self.last_error = None;
        self.timers.cancel(Timer::Redial);
        self.event(ClientEvent::Connected { relay: welcome.relay_id });
        self.welcome(&welcome, page.reset)?;
        let before = self.batch.effects.len();
        self.page(page)?;
        self.attach_invite();
        self.finish_joining();
        // With nothing to push, pull or acknowledge the relay would not learn that this side lives.
        if !self.outbox.is_waiting() && self.batch.effects.len() == before {
            // Where it stands is a claim only once that is durable.
            let cursor = self.ledger.place.map(|place| place.cursor).unwrap_or_default();
            let life = if self.gate.is_clear() { ToRelay::Ack { cursor } } else { ToRelay::Ping };
            self.say_now(&life);
        }
        Ok(())
    }

    fn welcomed(&mut self) {
        if let Some(link) = &mut self.link {
            link.welcomed = true;
        }
    }

    fn welcome(&mut self, welcome: &Welcome, reset: bool) -> Result<(), Misbehaviour> {
        if welcome.floor > welcome.head || (welcome.max_blob as usize) < MAX_BLOB {
            return Err(Misbehaviour::Cursors);
        }
        let own = welcome.own.map_or(Cursor(0), |(cursor, _)| cursor);
        let fresh = Place::beginning(welcome.relay_id, welcome.floor);
        match &mut self.ledger.place {
            None => {
                // A relay that this device comes to, or comes back to, may name any blob of its past: that says nothing of its store.
                self.ledger.place = Some(fresh);
                return Ok(());
            }
            Some(_) if bug!(ResetIgnored) => {}
            // A12: also a log that ends above this cursor, but before what it has acknowledged to this device.
            Some(place)
                if place.relay != welcome.relay_id || welcome.head < place.cursor || own < place.own && !reset =>
            {
                self.relay_reset(Some(fresh));
                return Ok(());
            }
            Some(place) => place.floor = place.floor.max(welcome.floor),
        }
        // A log that was rolled back names an older blob, and that says nothing about this device's store.
        if let Some((_, digest)) = welcome.own.filter(|_| !reset) {
            self.check_own(digest);
        }
        Ok(())
    }

    pub(super) fn relay_says(&mut self, message: ToDevice) -> Result<(), Misbehaviour> {
        let joiner = self.link.as_ref().is_some_and(|link| link.purpose == Purpose::Joiner);
        let welcomed = self.link.as_ref().is_some_and(Link::is_live);
        match message {
            _ if !welcomed && !matches!(message, ToDevice::Error(_) | ToDevice::Bye { .. }) => {
                return Err(Misbehaviour::OutOfState);
            }
            ToDevice::Page(page) if !joiner => self.page(page)?,
            ToDevice::News(news) if !joiner => self.news(news)?,
            ToDevice::Pushed { stored } if !joiner => {
                stored.into_iter().for_each(|(digest, cursor)| self.pushed_at(digest, cursor));
            }
            ToDevice::Pong => {}
            ToDevice::Bye { retry_after } => {
                self.dismissed(Code::Offline, Duration::from_millis(u64::from(retry_after)));
            }
            ToDevice::MailboxOpened { id } => self.mailbox_opened(id),
            ToDevice::MailboxMessage { id, body } => self.mailbox_message(id, &body),
            ToDevice::MailboxClosed { id } => self.mailbox_closed(id, Code::InviteUnknown),
            ToDevice::Error(refusal) => self.refused(refusal),
            ToDevice::Welcome(_) | ToDevice::Page(_) | ToDevice::News(_) | ToDevice::Pushed { .. } => {
                return Err(Misbehaviour::OutOfState);
            }
        }
        Ok(())
    }

    /// An answer to a pull.
    fn page(&mut self, page: Page) -> Result<(), Misbehaviour> {
        check_cursors(&page)?;
        let Some(link) = &mut self.link else { return Err(Misbehaviour::OutOfState) };
        let Some(pulling) = link.pulling.take() else { return Err(Misbehaviour::OutOfState) };
        // Only the page inside message 2 may be empty although there is more: the first blob may not fit it.
        let first = !std::mem::replace(&mut link.had_page, true);
        let (Pulling::Log(after) | Pulling::Scan(after)) = pulling;
        // A18: a relay that promises more and gives nothing, or finds one log after the other replaced, would keep a client pulling
        // for ever.
        let empty_promise = page.more && page.entries.is_empty() && !first;
        let second_reset = page.reset && (after == Cursor(0) || !first);
        if page.after != after || empty_promise || second_reset {
            return Err(Misbehaviour::Cursors);
        }
        match pulling {
            Pulling::Log(_) => self.log_page(page),
            Pulling::Scan(_) => {
                self.raise_floor(page.floor);
                let last = page.entries.last().map(|(cursor, _)| *cursor);
                self.receive(page.entries, Source::Scan);
                self.scanned(last, page.more);
            }
        }
        Ok(())
    }

    fn log_page(&mut self, page: Page) {
        let Some(place) = self.ledger.place.filter(|place| place.cursor == page.after) else {
            // It answers the cursor of before a reset; the next pull asks again.
            return;
        };
        if page.reset && !bug!(ResetIgnored) {
            // A12: another blob stands where this device had read: the log was rolled back and has grown again.
            return self.relay_reset(Some(Place::beginning(place.relay, page.floor)));
        }
        self.raise_floor(page.floor);
        if self.inbox.is_full(&self.config.limits) {
            // Every first flight pulls; what there is no room for comes again once the application has read.
            return;
        }
        let fresh = self.syncs.saw_head(page.head);
        let last = page.entries.last().map(|(_, blob)| Digest::of(blob));
        self.entries(page.entries, last);
        if let Some(link) = &mut self.link {
            link.caught_up = !page.more && !link.behind && fresh;
        }
        if !page.more {
            self.log_read();
        }
    }

    fn raise_floor(&mut self, floor: Cursor) {
        if let Some(place) = &mut self.ledger.place {
            place.floor = place.floor.max(floor);
        }
    }

    /// A page of one entry that nobody asked for.
    fn news(&mut self, news: News) -> Result<(), Misbehaviour> {
        if news.cursor <= news.prev {
            return Err(Misbehaviour::Cursors);
        }
        let Some(place) = self.ledger.place else { return Ok(()) };
        if news.cursor <= place.cursor {
            return Ok(());
        }
        let in_step = news.prev == place.cursor || bug!(NewsOutOfStep);
        let follows = in_step && self.link.as_ref().is_some_and(|link| link.caught_up);
        match news.blob {
            Some(blob) if follows && !self.inbox.is_full(&self.config.limits) => {
                if Digest::of(&blob) != news.digest {
                    return Err(Misbehaviour::BadMessage);
                }
                self.entries(vec![(news.cursor, blob)], Some(news.digest));
                self.log_read();
            }
            None if follows && self.is_own(news.digest) => {
                self.pushed_at(news.digest, news.cursor);
                self.advance(news.cursor, news.digest);
                self.log_read();
            }
            // A22: however many come, one pull is under way and at most one more follows it.
            _ => {
                if let Some(link) = &mut self.link {
                    link.caught_up = false;
                    link.behind = true;
                }
            }
        }
        Ok(())
    }

    /// The relay says that it holds a blob of this device. Of any other blob it proves nothing, and is not believed (A16).
    fn pushed_at(&mut self, digest: Digest, cursor: Cursor) {
        if self.is_own(digest) {
            if let Some(place) = &mut self.ledger.place {
                place.own = place.own.max(cursor);
                if bug!(CursorFromPushed) && cursor > place.cursor {
                    (place.cursor, place.tag) = (cursor, digest.tag());
                }
            }
            self.pushed(digest);
        }
    }

    /// Processes entries that follow the relay cursor, the last of them of this digest, and moves it over them.
    fn entries(&mut self, entries: Vec<(Cursor, Bytes)>, last: Option<Digest>) {
        let (Some((last, blob)), Some(digest)) = (entries.last(), last) else { return };
        let last = *last;
        let keyed =
            record::kid_of(blob).is_some_and(|kid| self.group.as_ref().is_some_and(|g| g.epoch_of(kid).is_some()));
        self.receive(entries, Source::Log);
        self.advance(last, digest);
        let unreadable = !keyed || self.ledger.tampered.contains(&digest);
        if let (Some(place), true) = (&mut self.ledger.place, unreadable) {
            // What rotted on the relay's disk goes there by the digest it once had. To compare would find another log again and again.
            place.tag = Tag::default();
        }
    }

    fn advance(&mut self, cursor: Cursor, digest: Digest) {
        if let Some(place) = &mut self.ledger.place {
            place.cursor = cursor;
            place.tag = digest.tag();
        }
        self.say(ToRelay::Ack { cursor });
    }

    /// Everything there is was read.
    fn log_read(&mut self) {
        if self.outbox.pending() == 0 {
            self.ledger.last_synced_at = Some(UnixMillis(self.wall().0 / 1000 * 1000));
        }
    }

    /// Pulls when there is something to pull, room for it, and no pull under way.
    pub(super) fn pull_if_due(&mut self) {
        let full = self.inbox.is_full(&self.config.limits);
        let Some(link) = self.link.as_ref().filter(|link| link.is_live() && link.purpose == Purpose::Member) else {
            return;
        };
        if link.pulling.is_some() {
            return;
        }
        if !link.caught_up && !full {
            let pull = self.main_pull();
            self.say_now(&ToRelay::Pull(pull));
        } else if let Some(after) = self.gaps.scanning().filter(|_| !full) {
            // What a second look brings takes the same room; it goes on once the application has read.
            if let Some(link) = &mut self.link {
                link.pulling = Some(Pulling::Scan(after));
            }
            let max_bytes = self.config.limits.page_bytes;
            self.say_now(&ToRelay::Pull(Pull { after, tag: Tag::default(), max_bytes }));
        }
    }

    fn refused(&mut self, refusal: Refusal) {
        let code = Code::from(refusal.code);
        let wait = Duration::from_millis(u64::from(refusal.retry_after));
        match refusal.request {
            Request::Push(lane) => {
                self.outbox.refuse(lane, refusal.code);
                self.refused_commands(code);
                self.retry_refused(wait);
            }
            Request::Pull => {
                if let Some(link) = &mut self.link {
                    link.pulling = None;
                }
                self.dismissed(code, wait);
            }
            Request::Mailbox(id) => self.mailbox_closed(id, code),
            Request::Link => self.dismissed(code, wait),
        }
    }
}

/// A15: cursors increase, lie after the request and do not pass the head.
fn check_cursors(page: &Page) -> Result<(), Misbehaviour> {
    let mut last = page.after;
    for (cursor, _) in &page.entries {
        if *cursor <= last {
            return Err(Misbehaviour::Cursors);
        }
        last = *cursor;
    }
    if !page.reset && !page.entries.is_empty() && last > page.head || page.floor > page.head {
        return Err(Misbehaviour::Cursors);
    }
    Ok(())
}

impl From<WireCode> for Code {
    fn from(code: WireCode) -> Self {
        match code {
            WireCode::BadMessage | WireCode::OutOfState => Self::RelayIncompatible,
            WireCode::BlobTooLarge => Self::BlobTooLarge,
            WireCode::RateLimited | WireCode::TooManyLinks => Self::RateLimited,
            WireCode::GroupFull | WireCode::TooManyGroups | WireCode::DiskFull => Self::RelayFull,
            WireCode::Draining | WireCode::Unavailable => Self::Offline,
            WireCode::NotMember | WireCode::Revoked => Self::NotMember,
            WireCode::StaleEpoch => Self::MissingEpoch,
            WireCode::InviteUnknown => Self::InviteUnknown,
            WireCode::InviteUsed => Self::InviteUsed,
            WireCode::MailboxFull => Self::RateLimited,
        }
    }
}
