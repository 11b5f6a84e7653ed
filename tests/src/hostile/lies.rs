//! The words of each attack: what a relay says in place of something honest.
//!
//! Where the honest words carry blobs, the lie is in them. Where they do not, it is news of the newest blob, so that an attack on
//! blobs bites at every position. A second flight can only be another second flight.

use bytes::Bytes;
use zerok_core::{
    ids::{Cursor, Digest, GroupId, Lane, RelayId},
    rng::Seed,
    seal::{
        keys::DeviceKeys,
        padding::Padding,
        record::{self, Kind, Record},
        roster::AddPayload,
    },
    wire::message::{News, Page, Refusal, Request, ToDevice, Welcome, WireCode},
};

use super::{Attack, Insider, relay::Step, speech::Speech};
use crate::store::relay::MemoryRelayStore;

/// News of one storm.
const STORM: u64 = 300;

type Entries = Vec<(Cursor, Bytes)>;

/// What a liar knows.
pub(super) struct Liar<'a> {
    pub(super) insider: &'a mut Insider,
    /// The relay's store, as it is.
    pub(super) store: &'a MemoryRelayStore,
    pub(super) position: usize,
    /// A lasting attack goes on.
    pub(super) again: bool,
}

impl Liar<'_> {
    /// The steps of an attack, instead of these honest words.
    pub(super) fn lie(&mut self, attack: Attack, honest: &Speech) -> Vec<Step> {
        match attack {
            Attack::RollBack => self.roll_back(),
            Attack::Wipe => vec![Step::Restart(Box::new(MemoryRelayStore::new(RelayId([8; 16]))))],
            Attack::OtherKey => vec![Step::OtherKey],
            Attack::Expire => vec![Step::Expire(self.insider.group, self.head()), Step::Say(honest.clone())],
            _ => self.words(attack, honest).into_iter().map(Step::Say).collect(),
        }
    }

    fn words(&mut self, attack: Attack, honest: &Speech) -> Vec<Speech> {
        match attack {
            Attack::FlipBit => self.spoil(honest, Self::flip),
            Attack::Resize => self.spoil(honest, Self::resize),
            Attack::Swap => self.spoil(honest, Self::swap),
            Attack::Foreign => self.spoil(honest, Self::foreign),
            Attack::Repeat => self.spoil(honest, Self::repeat),
            Attack::Reorder => self.spoil(honest, Self::reorder),
            Attack::Omit => self.spoil(honest, |_, entries| drop(entries.remove(0))),
            Attack::Fork => self.spoil(honest, Self::fork),
            Attack::Equivocate => self.spoil(honest, Self::equivocate),
            Attack::Forge => self.spoil(honest, Self::forge),
            Attack::Probe => self.spoil(honest, Self::probe),
            Attack::Roster => self.spoil(honest, Self::roster),
            Attack::Relabel => self.spoil(honest, Self::relabel),
            Attack::Withhold => withhold(honest),
            Attack::Intercept => intercept(honest),
            Attack::RefusePushes => self.refuse_pushes(honest),
            _ if matches!(honest, Speech::Open) => vec![honest.clone()],
            Attack::Cursors => self.cursors(honest),
            Attack::Acknowledge => self.acknowledge(honest),
            Attack::EmptyPage => self.empty_page(honest),
            Attack::Storm => self.storm(honest),
            Attack::Refuse => {
                let code = WireCode::ALL[self.position % WireCode::ALL.len()];
                let refusal = ToDevice::Error(Refusal { code, request: Request::Link, retry_after: u32::MAX });
                beside(honest, vec![refusal])
            }
            Attack::RollBack | Attack::Wipe | Attack::OtherKey | Attack::Expire => vec![],
        }
    }

    /// Changes the blobs of these words, or of news that nobody else would have told.
    fn spoil(&mut self, honest: &Speech, change: impl FnOnce(&mut Self, &mut Entries)) -> Vec<Speech> {
        let made_up = || self.log().pop().map(|(cursor, blob)| (cursor.next(), blob));
        let mut entries = match honest {
            Speech::Open => return vec![honest.clone()],
            Speech::Flight(_, page) | Speech::Message(ToDevice::Page(page)) if !page.entries.is_empty() => {
                page.entries.clone()
            }
            Speech::Message(ToDevice::News(News { cursor, blob: Some(blob), .. })) => vec![(*cursor, blob.clone())],
            _ => made_up().into_iter().collect(),
        };
        if entries.is_empty() {
            return vec![honest.clone()];
        }
        change(self, &mut entries);
        match honest.clone() {
            Speech::Flight(mut welcome, page) => {
                let page = carry(&page, entries);
                welcome.head = welcome.head.max(page.head);
                vec![Speech::Flight(welcome, page)]
            }
            Speech::Message(ToDevice::Page(page)) => vec![Speech::Message(ToDevice::Page(carry(&page, entries)))],
            _ => entries.into_iter().map(told).collect(),
        }
    }

    fn flip(&mut self, entries: &mut Entries) {
        change(&mut entries[0].1, |blob| {
            // The version, the key's name, the nonce, the ciphertext, the tag.
            let at = [0, 5, 20, 60, blob.len() - 1][self.position % 5].min(blob.len() - 1);
            blob[at] ^= 1 << (self.position % 8);
        });
    }

    fn resize(&mut self, entries: &mut Entries) {
        let len = entries[0].1.len();
        let len = [0, 1, len - 1, len + 1, len + 5000][self.position % 5];
        change(&mut entries[0].1, |blob| blob.resize(len, 7));
    }

    fn swap(&mut self, entries: &mut Entries) {
        let log = self.log();
        match entries.as_mut_slice() {
            [one, other, ..] => std::mem::swap(&mut one.1, &mut other.1),
            [one] => one.1 = log.iter().rev().nth(1).map_or(one.1.clone(), |(_, blob)| blob.clone()),
            [] => {}
        }
    }

    fn foreign(&mut self, entries: &mut Entries) {
        let insider = &self.insider;
        let Ok(opened) = record::open(&entries[0].1, &insider.group, &insider.epoch) else { return };
        let mut draw = Seed::new([8; 32]).draw("foreign");
        let group = GroupId([9; 32]);
        entries[0].1 =
            record::seal(&opened.record, &insider.keys, &group, &insider.epoch, Padding::Padme, &mut draw).blob;
    }

    fn repeat(&mut self, entries: &mut Entries) {
        let old = self.log().first().map(|(_, blob)| blob.clone());
        let again = old.unwrap_or_else(|| entries[0].1.clone());
        append(entries, again);
    }

    fn reorder(&mut self, entries: &mut Entries) {
        if entries.len() == 1 {
            let log = self.log();
            log.iter().rev().skip(1).take(2).for_each(|(_, blob)| append(entries, blob.clone()));
        }
        let mut blobs: Vec<Bytes> = entries.iter().map(|(_, blob)| blob.clone()).collect();
        blobs.reverse();
        entries.iter_mut().zip(blobs).for_each(|(entry, blob)| entry.1 = blob);
    }

    fn fork(&mut self, entries: &mut Entries) {
        let own = entries.iter().position(|(_, blob)| self.own_data(blob).is_some()).unwrap_or(0);
        let twin = self.twin(&entries[own].1);
        entries[own].1 = twin;
    }

    fn equivocate(&mut self, entries: &mut Entries) {
        let own = entries.iter().position(|(_, blob)| self.own_data(blob).is_some()).unwrap_or(0);
        let twin = self.twin(&entries[own].1);
        append(entries, twin);
    }

    fn forge(&mut self, entries: &mut Entries) {
        let record = match self.newest(Kind::Data) {
            Some(last) => self.insider.after(&last, "forged"),
            None => self.insider.first(9, "forged"),
        };
        append(entries, self.insider.seal_badly(&record));
    }

    fn probe(&mut self, entries: &mut Entries) {
        // As long as it was: lengths are no secret.
        self.seal_badly_again(entries, |record| record.payload = vec![b'?'; record.payload.len()].into());
    }

    fn relabel(&mut self, entries: &mut Entries) {
        self.seal_badly_again(entries, |record| {
            record.kind = if record.kind == Kind::Add as u8 { Kind::Data as u8 } else { Kind::Add as u8 };
        });
    }

    /// A true record with something changed, so that its signature is not the author's.
    fn seal_badly_again(&mut self, entries: &mut Entries, change: impl FnOnce(&mut Record)) {
        let insider = &mut *self.insider;
        let Ok(opened) = record::open(&entries[0].1, &insider.group, &insider.epoch) else { return };
        let mut record = opened.record;
        change(&mut record);
        entries[0].1 = insider.seal_badly(&record);
    }

    fn roster(&mut self, entries: &mut Entries) {
        let insider = &mut *self.insider;
        let is_add = |blob: &Bytes| {
            record::open(blob, &insider.group, &insider.epoch).is_ok_and(|opened| opened.record.kind == Kind::Add as u8)
        };
        if entries.iter().any(|(_, blob)| is_add(blob)) {
            return entries.retain(|(_, blob)| !is_add(blob));
        }
        let stranger = DeviceKeys::generate(&mut Seed::new([3; 32]).draw("stranger"));
        let add = AddPayload { device: stranger.public(), name: "stranger".into() };
        let last = self.newest(Kind::Add);
        let record = last.map_or_else(|| self.insider.first(9, ""), |last| self.insider.after(&last, ""));
        let record = Record { kind: Kind::Add as u8, payload: add.encode().into(), ..record };
        append(entries, self.insider.seal_badly(&record));
    }

    fn cursors(&self, honest: &Speech) -> Vec<Speech> {
        let head = self.head();
        match honest.clone() {
            Speech::Flight(mut welcome, mut page) => {
                match self.position % 3 {
                    0 => (welcome.head, page.head) = (Cursor(u64::MAX), Cursor(u64::MAX)),
                    1 => page.floor = Cursor(1 << 63),
                    _ => welcome.floor = Cursor(u64::MAX),
                }
                vec![Speech::Flight(welcome, page)]
            }
            Speech::Message(ToDevice::Page(mut page)) => {
                match (self.position % 3, page.entries.first().cloned()) {
                    (0, Some(first)) => page.entries.push(first),
                    (1, Some(_)) => page.head = Cursor(0),
                    _ => page.floor = Cursor(u64::MAX),
                }
                vec![Speech::Message(ToDevice::Page(page))]
            }
            _ => {
                let news = |prev: u64, cursor: u64| {
                    let (prev, cursor) = (Cursor(prev), Cursor(cursor));
                    ToDevice::News(News { prev, cursor, digest: Digest([9; 16]), blob: None })
                };
                let lies = [news(u64::MAX - 1, u64::MAX), news(head.0, 1), news(0, 0), news(1 << 63, (1 << 63) + 1)];
                vec![Speech::Message(lies[self.position % lies.len()].clone())]
            }
        }
    }

    fn acknowledge(&self, honest: &Speech) -> Vec<Speech> {
        let foreign = self.log().pop().map(|(cursor, blob)| (Digest::of(&blob), cursor));
        let nothing = (Digest([9; 16]), Cursor(u64::MAX));
        let stored = foreign.into_iter().chain([nothing, nothing]).collect();
        beside(honest, vec![ToDevice::Pushed { stored }])
    }

    fn empty_page(&self, honest: &Speech) -> Vec<Speech> {
        let nothing = |page: &Page| Page { entries: vec![], more: true, head: Cursor(u64::MAX), ..page.clone() };
        match honest {
            Speech::Flight(welcome, page) => vec![Speech::Flight(welcome.clone(), nothing(page))],
            Speech::Message(ToDevice::Page(page)) => vec![Speech::Message(ToDevice::Page(nothing(page)))],
            _ => {
                let after = self.head();
                let page = Page { after, floor: Cursor(0), reset: false, entries: vec![], head: after, more: true };
                vec![Speech::Message(ToDevice::Page(page))]
            }
        }
    }

    fn storm(&self, honest: &Speech) -> Vec<Speech> {
        let head = self.head().0;
        let news = |number: u64| {
            let (prev, cursor) = (Cursor(head + 2 + number), Cursor(head + 3 + number));
            ToDevice::News(News { prev, cursor, digest: Digest([0; 16]), blob: None })
        };
        beside(honest, (0..STORM).map(news).collect())
    }

    /// Pushes that the machine has already taken; later ones it does not hear of (see [`refused`]).
    fn refuse_pushes(&self, honest: &Speech) -> Vec<Speech> {
        let refusals = [refused(Lane::Control), refused(Lane::Data)];
        match honest {
            Speech::Message(ToDevice::Pushed { .. }) => refusals.to_vec(),
            _ if self.again => vec![honest.clone()],
            _ => [honest.clone()].into_iter().chain(refusals).collect(),
        }
    }

    fn roll_back(&self) -> Vec<Step> {
        let mut log = self.log();
        log.truncate(log.len().saturating_sub(2));
        let mut store = self.store.clone();
        store.rewrite(&self.insider.group, log);
        vec![Step::Restart(Box::new(store))]
    }

    fn log(&self) -> Entries {
        self.store.log(&self.insider.group)
    }

    fn head(&self) -> Cursor {
        self.store.head(&self.insider.group)
    }

    fn newest(&self, kind: Kind) -> Option<record::Opened> {
        self.insider.own(&self.log(), kind).pop()
    }

    /// The insider's own data record in this blob, if it is one.
    fn own_data(&self, blob: &Bytes) -> Option<Record> {
        let insider = &self.insider;
        let opened = record::open(blob, &insider.group, &insider.epoch).ok()?;
        let is_own = opened.record.sender == insider.keys.id() && opened.record.kind == Kind::Data as u8;
        is_own.then_some(opened.record)
    }

    /// Another record of the insider for the place of this one, or of its newest.
    fn twin(&mut self, blob: &Bytes) -> Bytes {
        let record = self.own_data(blob).or_else(|| self.newest(Kind::Data).map(|opened| opened.record));
        let record = record.unwrap_or_else(|| self.insider.first(9, ""));
        self.insider.seal(&Record { payload: Bytes::from_static(TWIN.as_bytes()), ..record })
    }
}

/// What the second record of a place says: a member signed it, so an application may be given it.
pub(super) const TWIN: &str = "another";

/// The answer to a push that is not taken.
pub(super) fn refused(lane: Lane) -> Speech {
    let (code, request) = (WireCode::GroupFull, Request::Push(lane));
    Speech::Message(ToDevice::Error(Refusal { code, request, retry_after: 60_000 }))
}

fn change(blob: &mut Bytes, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = blob.to_vec();
    change(&mut bytes);
    *blob = bytes.into();
}

/// One more blob, at the next cursor.
fn append(entries: &mut Entries, blob: Bytes) {
    let cursor = entries.last().map_or(Cursor(1), |(cursor, _)| cursor.next());
    entries.push((cursor, blob));
}

fn carry(page: &Page, entries: Entries) -> Page {
    let last = entries.last().map_or(page.head, |(cursor, _)| *cursor);
    Page { entries, head: page.head.max(last), ..page.clone() }
}

fn told((cursor, blob): (Cursor, Bytes)) -> Speech {
    let (prev, digest) = (Cursor(cursor.0.saturating_sub(1)), Digest::of(&blob));
    Speech::Message(ToDevice::News(News { prev, cursor, digest, blob: Some(blob) }))
}

/// These words alone; behind a second flight, which cannot be left out.
fn beside(honest: &Speech, words: Vec<ToDevice>) -> Vec<Speech> {
    let flight = matches!(honest, Speech::Flight(..)).then(|| honest.clone());
    flight.into_iter().chain(words.into_iter().map(Speech::Message)).collect()
}

/// A message for the other side of a pairing, with one bit changed.
fn intercept(honest: &Speech) -> Vec<Speech> {
    match honest.clone() {
        Speech::Message(ToDevice::MailboxMessage { id, mut body }) => {
            change(&mut body, |bytes| bytes.iter_mut().take(1).for_each(|byte| *byte ^= 1));
            vec![Speech::Message(ToDevice::MailboxMessage { id, body })]
        }
        other => vec![other],
    }
}

/// What is left of these words when nothing new is in them.
fn withhold(honest: &Speech) -> Vec<Speech> {
    let nothing = |page: &Page| Page { entries: vec![], head: page.after, more: false, ..page.clone() };
    match honest {
        Speech::Flight(welcome, page) => {
            let head = page.after.max(welcome.floor);
            vec![Speech::Flight(Welcome { head, ..welcome.clone() }, Page { head, ..nothing(page) })]
        }
        Speech::Message(ToDevice::Page(page)) => vec![Speech::Message(ToDevice::Page(nothing(page)))],
        Speech::Message(ToDevice::News(_)) => vec![],
        _ => vec![honest.clone()],
    }
}
