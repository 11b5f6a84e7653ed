//! What the relay says, one message at a time: decoded once, handled in one `match` that reads like the protocol's table.
//!
//! The relay cursor moves in one place only (`entries`), and only over entries that follow it.

use bytes::Bytes;

use crate::{
    client::{Client, Timer, command::ClientEvent, ledger::Place, link::Purpose, receive::Source},
    error::{Code, Misbehaviour},
    ids::{Cursor, Digest, Tag},
    limits::MAX_BLOB,
    time::{Duration, UnixMillis},
    wire::{
        codec,
        message::{News, Page, Pull, Refusal, Request, ToDevice, ToRelay, Welcome, WireCode},
    },
};

/// What a pull under way is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pulling {
    /// The log, from the relay cursor.
    Log,
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
            self.claim_mailbox();
            return Ok(());
        }
        let (welcome, page) = codec::decode_second_flight(payload)?;
        self.backoff.reset();
        self.last_error = None;
        self.timers.cancel(Timer::Redial);
        self.event(ClientEvent::Connected { relay: welcome.relay_id });
        self.welcome(&welcome)?;
        let before = self.batch.effects.len();
        self.page(page)?;
        self.attach_invite();
        self.finish_joining();
        // With nothing to push, pull or acknowledge the relay would not learn that this side lives.
        if !self.outbox.is_waiting() && self.batch.effects.len() == before {
            self.say_now(&ToRelay::Ack { cursor: self.ledger.place.map(|place| place.cursor).unwrap_or_default() });
        }
        Ok(())
    }

    fn welcome(&mut self, welcome: &Welcome) -> Result<(), Misbehaviour> {
        if welcome.floor > welcome.head || (welcome.max_blob as usize) < MAX_BLOB {
            return Err(Misbehaviour::Cursors);
        }
        let fresh = Place { relay: welcome.relay_id, cursor: Cursor(0), tag: Tag::default(), floor: welcome.floor };
        match self.ledger.place {
            None => self.ledger.place = Some(fresh),
            Some(place) if place.relay != welcome.relay_id || welcome.head < place.cursor => {
                self.relay_reset(Some(fresh));
            }
            Some(ref mut place) => {
                place.floor = place.floor.max(welcome.floor);
                self.ledger.place = Some(*place);
            }
        }
        if let Some((_, digest)) = welcome.own {
            self.check_own(digest);
        }
        Ok(())
    }

    pub(super) fn relay_says(&mut self, message: ToDevice) -> Result<(), Misbehaviour> {
        let joiner = self.link.as_ref().is_some_and(|link| link.purpose == Purpose::Joiner);
        match message {
            ToDevice::Page(page) if !joiner => self.page(page)?,
            ToDevice::News(news) if !joiner => self.news(news)?,
            ToDevice::Pushed { stored } if !joiner => stored.into_iter().for_each(|(digest, _)| self.pushed(digest)),
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
        let Some(pulling) = self.link.as_mut().and_then(|link| link.pulling.take()) else {
            return Err(Misbehaviour::OutOfState);
        };
        if let Some(place) = &mut self.ledger.place {
            place.floor = place.floor.max(page.floor);
        }
        match pulling {
            Pulling::Scan(after) if page.after != after => Err(Misbehaviour::Cursors),
            Pulling::Scan(_) => {
                let last = page.entries.last().map(|(cursor, _)| *cursor);
                self.receive(page.entries, Source::Scan);
                self.scanned(last, page.more);
                Ok(())
            }
            Pulling::Log => self.log_page(page),
        }
    }

    fn log_page(&mut self, page: Page) -> Result<(), Misbehaviour> {
        let Some(place) = self.ledger.place else { return Err(Misbehaviour::OutOfState) };
        if page.reset {
            // A12: another blob stands where this device had read: the log was rolled back and has grown again.
            self.relay_reset(Some(Place { cursor: Cursor(0), tag: Tag::default(), ..place }));
            return Ok(());
        }
        if page.after != place.cursor {
            // A first page answers the cursor of before a reset; the next pull asks again.
            return Ok(());
        }
        if page.more && page.entries.is_empty() && !self.first_page_may_be_empty() {
            // A18: a relay that promises more and gives nothing would keep a client pulling for ever.
            return Err(Misbehaviour::Cursors);
        }
        if self.inbox.is_full(&self.config.limits) {
            // Every first flight pulls; what there is no room for comes again once the application has read.
            return Ok(());
        }
        let fresh = self.syncs.saw_head(page.head);
        self.entries(page.entries);
        if let Some(link) = &mut self.link {
            link.caught_up = !page.more && fresh;
        }
        if !page.more {
            self.log_read();
        }
        Ok(())
    }

    /// Only the page inside message 2 may be empty although there is more: the first blob may not fit it.
    fn first_page_may_be_empty(&mut self) -> bool {
        self.link.as_mut().is_some_and(|link| !std::mem::replace(&mut link.had_page, true))
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
        let follows = news.prev == place.cursor && self.link.as_ref().is_some_and(|link| link.caught_up);
        match news.blob {
            Some(blob) if follows && !self.inbox.is_full(&self.config.limits) => {
                if Digest::of(&blob) != news.digest {
                    return Err(Misbehaviour::BadMessage);
                }
                self.entries(vec![(news.cursor, blob)]);
                self.log_read();
            }
            None if follows && self.is_own(news.digest) => {
                self.pushed(news.digest);
                self.advance(news.cursor, news.digest);
                self.log_read();
            }
            _ => {
                if let Some(link) = &mut self.link {
                    link.caught_up = false;
                }
            }
        }
        Ok(())
    }

    /// Processes entries that follow the relay cursor and moves it over them.
    fn entries(&mut self, entries: Vec<(Cursor, Bytes)>) {
        let Some((last, digest)) = entries.last().map(|(cursor, blob)| (*cursor, Digest::of(blob))) else { return };
        self.receive(entries, Source::Log);
        self.advance(last, digest);
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
        self.look_again();
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
        } else if let Some(after) = self.gaps.scanning() {
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
