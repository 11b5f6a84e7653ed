//! Groups as a machine sees them: a head, and the links that want to know of it.
//!
//! Keeps no log and no queue of news: the store has the log, a subscriber is the cursor it was last told of. A link that cannot be
//! told now is told later, of the newest head only, and pulls (A22, G7).
//!
//! Invariants: a link is told of growing cursors only, and never of one the store has not committed; a group is watched from before
//! the store is asked on a link's behalf until the link ends, so that no growth is missed between; one load per group is under way
//! at most, however many announcements arrive; while a link pulls it is sent no news, because the page will tell it more.
//!
//! ```text
//! told = head ──grown, in step, small──► news with blob, told = head
//!      │                                                           page
//!      └────grown, else──► nudge (head alone, no blob), told = head ───► told = the page's head
//! ```
//!
//! Limits: [`NEWS_RUN`], [`MAX_INLINE`], [`MAX_PULLS`](super::link::MAX_PULLS).

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::{
    error::Misbehaviour,
    ids::{Cursor, Digest, GroupId, LinkId, Tag},
    limits::MAX_INLINE,
    machine::StoreFailure,
    relay::{
        Relay,
        effects::{Effects, Purpose},
        link::{Link, MAX_PULLS},
        opening::{PAGE_ROOM, into_page},
        store::{LogPage, PageQuery, RelayQuery},
    },
    wire::{
        codec,
        message::{News, Pull, Request, ToDevice, WireCode},
    },
};

/// Most entries told one by one; a longer run is better pulled.
pub(super) const NEWS_RUN: usize = 8;
/// Most groups one query asks about.
const HEADS: usize = 1024;
/// Stands for the digest of a blob that was not seen here.
const UNSEEN: Digest = Digest([0; 16]);

/// One group with at least one link on this machine.
#[derive(Debug)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) struct Group {
    /// Links from message 1 on.
    pub(super) watchers: usize,
    /// Links that are live.
    pub(super) subscribers: BTreeSet<LinkId>,
    /// What every subscriber has been told of, or will be.
    head: Cursor,
    /// The digest at the head; zeros when the blob there was not seen here, and then nobody takes the news for its own blob.
    digest: Digest,
    /// What was announced.
    wanted: Cursor,
    /// A page is being read for all subscribers, because this much was announced.
    loading: Option<Cursor>,
}

impl Default for Group {
    fn default() -> Self {
        Self {
            watchers: 0,
            subscribers: BTreeSet::new(),
            head: Cursor(0),
            digest: UNSEEN,
            wanted: Cursor(0),
            loading: None,
        }
    }
}

/// One new blob of a group.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) prev: Cursor,
    pub(super) cursor: Cursor,
    pub(super) digest: Digest,
    /// The blob, if small.
    pub(super) blob: Option<Bytes>,
}

impl Entry {
    fn news(&self) -> Bytes {
        let news = News { prev: self.prev, cursor: self.cursor, digest: self.digest, blob: self.blob.clone() };
        codec::encode(&ToDevice::News(news)).into()
    }
}

impl Relay {
    /// A link is live: it hears of growth from now on, and of what came since its second flight.
    pub(super) fn subscribe(&mut self, id: LinkId, group: GroupId) {
        if let Some(group) = self.groups.get_mut(&group) {
            group.subscribers.insert(id);
        }
        self.catch_up(group);
        self.nudge(id);
    }

    /// A link ended.
    pub(super) fn unwatch(&mut self, id: LinkId, name: GroupId) {
        let Some(group) = self.groups.get_mut(&name) else { return };
        group.subscribers.remove(&id);
        group.watchers -= 1;
        if group.watchers == 0 {
            self.groups.remove(&name);
        }
    }

    /// Whether this head is beyond what this machine knows.
    pub(super) fn is_news(&self, group: GroupId, head: Cursor) -> bool {
        self.groups.get(&group).is_none_or(|group| group.head < head)
    }

    /// A link asks for a page.
    pub(super) fn pull(&mut self, id: LinkId, pull: Pull) {
        let Some(member) = self.links.get_mut(&id).and_then(Link::member) else { return };
        if member.pulls.len() >= MAX_PULLS {
            return self.close(id, Misbehaviour::OutOfState.into());
        }
        member.nudged = None;
        member.pulls.push_back(pull);
        self.next_page(id);
    }

    /// Reads a link's next page, if it has credit for it.
    pub(super) fn next_page(&mut self, id: LinkId) {
        let Self { fx, links, .. } = self;
        let Some(link) = links.get_mut(&id) else { return };
        if !link.has_credit(fx) {
            return;
        }
        let Some(member) = link.member() else { return };
        if member.paging {
            return;
        }
        let Some(pull) = member.pulls.pop_front() else { return };
        member.paging = true;
        let max_bytes = pull.max_bytes.min(fx.limits.page_bytes);
        let page = PageQuery { after: pull.after, tag: pull.tag, max_bytes, at_least_one: true };
        fx.load(RelayQuery::Page { group: member.group, page }, Purpose::Page(id, pull));
    }

    /// A link's page was read.
    pub(super) fn paged(&mut self, id: LinkId, pull: Pull, answer: Result<LogPage, StoreFailure>) {
        let Self { fx, links, .. } = self;
        let Some(link) = links.get_mut(&id) else { return };
        let Some(member) = link.member() else { return };
        member.paging = false;
        let mut grown = None;
        match answer {
            Ok(page) => {
                // It now knows of this head, and has the rest or pulls on.
                member.told = member.told.max(page.head);
                grown = Some((member.group, page.head));
                fx.stats.pages += 1;
                link.send(fx, &ToDevice::Page(into_page(page, pull.after, PAGE_ROOM)));
            }
            Err(_) => link.refuse(fx, WireCode::Unavailable, Request::Pull, super::ROOM_RETRY.as_millis() as u32),
        }
        if let Some((group, head)) = grown {
            self.announced(group, head);
        }
        self.next_page(id);
        self.nudge(id);
    }

    /// A group's log grew, by these entries between `before` and `head`, through this machine.
    pub(super) fn grown(&mut self, name: GroupId, before: Cursor, head: Cursor, entries: &[Entry]) {
        let Some(group) = self.groups.get_mut(&name) else { return };
        if before > group.head {
            // Another machine stored what lies between: read it once for all, rather than have every subscriber pull.
            group.wanted = group.wanted.max(head);
            return self.catch_up(name);
        }
        self.tell(name, head, entries);
    }

    /// Another machine stored something.
    pub(super) fn announced(&mut self, name: GroupId, head: Cursor) {
        let Some(group) = self.groups.get_mut(&name) else { return };
        group.wanted = group.wanted.max(head);
        self.catch_up(name);
    }

    /// Reads what was announced, if anyone is to be told.
    fn catch_up(&mut self, name: GroupId) {
        let Self { fx, links, groups, .. } = self;
        let Some(group) = groups.get_mut(&name) else { return };
        if group.loading.is_some() || group.wanted <= group.head {
            return;
        }
        let wants = |id: &LinkId| links.get_mut(id).and_then(Link::member).is_some_and(|m| m.told < group.wanted);
        if group.subscribers.iter().any(wants) {
            group.loading = Some(group.wanted);
            let max_bytes = (NEWS_RUN * MAX_INLINE) as u32;
            let page = PageQuery { after: group.head, tag: Tag::default(), max_bytes, at_least_one: false };
            fx.load(RelayQuery::Page { group: name, page }, Purpose::News(name));
        } else {
            group.head = group.wanted;
            group.digest = UNSEEN;
        }
    }

    /// What was announced has been read.
    pub(super) fn caught_up(&mut self, name: GroupId, answer: Result<LogPage, StoreFailure>) {
        let Some(group) = self.groups.get_mut(&name) else { return };
        let asked = group.loading.take();
        let (known, wanted) = (group.head, group.wanted);
        match answer {
            Ok(page) if page.head > known => {
                // Blobs that expired unread, or a run too long or too large: each client sees that for itself when it pulls.
                let whole = page.floor <= page.after && page.entries.last().is_some_and(|(last, _)| *last == page.head);
                let entries = if whole { into_entries(page.after, page.entries) } else { Vec::new() };
                self.tell(name, page.head, &entries);
            }
            // The store could not read now: the subscribers are told of the head alone.
            Err(_) => self.tell(name, known.max(wanted), &[]),
            // Announced before the store was asked, and the store does not have it: a store that was put back, a reader that lags. Only
            // a new announcement is worth asking again, else this machine would do nothing but ask.
            Ok(_) if asked == Some(wanted) => group.wanted = known,
            Ok(_) => {}
        }
        self.catch_up(name);
    }

    /// Announcements may have been lost: asks for every watched head.
    pub(super) fn ask_heads(&mut self) {
        if self.asking_heads > 0 {
            // What is under way may have been read before the loss.
            self.ask_again = true;
            return;
        }
        let names: Vec<_> = self.groups.keys().copied().collect();
        for names in names.chunks(HEADS) {
            self.asking_heads += 1;
            self.fx.load(RelayQuery::Heads(names.to_vec()), Purpose::Heads);
        }
    }

    /// Some watched heads.
    pub(super) fn heads(&mut self, heads: Vec<(GroupId, Cursor)>) {
        self.asking_heads -= 1;
        heads.into_iter().for_each(|(group, head)| self.announced(group, head));
        if self.asking_heads == 0 && core::mem::take(&mut self.ask_again) {
            self.ask_heads();
        }
    }

    /// Tells a link that has been told of less than the head, as soon as it can be told at all.
    pub(super) fn nudge(&mut self, id: LinkId) {
        let Self { fx, links, groups, .. } = self;
        let Some(link) = links.get_mut(&id) else { return };
        let Some(member) = link.member() else { return };
        let Some(group) = groups.get(&member.group) else { return };
        tell_link(fx, link, group, &[], &mut []);
    }

    /// The head moved: tells every subscriber, each as it is able.
    fn tell(&mut self, name: GroupId, head: Cursor, entries: &[Entry]) {
        let Self { fx, links, groups, .. } = self;
        let Some(group) = groups.get_mut(&name) else { return };
        if head > group.head {
            group.head = head;
            group.digest = entries.last().filter(|entry| entry.cursor == head).map_or(UNSEEN, |e| e.digest);
        }
        // Every link seals the same bytes, which are made when the first one needs them.
        let mut shared = vec![None; entries.len()];
        for id in &group.subscribers {
            if let Some(link) = links.get_mut(id) {
                tell_link(fx, link, group, entries, &mut shared);
            }
        }
    }
}

/// `shared` is the news of each entry with its blob, once a link has needed it.
fn tell_link(fx: &mut Effects, link: &mut Link, group: &Group, entries: &[Entry], shared: &mut [Option<Bytes>]) {
    let (credit, slow) = (link.has_credit(fx), link.is_slow(fx));
    let Some(member) = link.member() else { return };
    // Told of all, about to be told more by a page, or unable to make use of it: later.
    if member.told >= group.head || member.is_pulling() || member.nudged.is_some() || !credit {
        return;
    }
    let start = entries.iter().position(|entry| entry.prev == member.told);
    let run = start.map_or(&[][..], |start| &entries[start..]);
    let own = run.iter().filter(|entry| member.owns(entry.cursor)).count();
    let foreign = run.len() - own;
    // A pusher's own blobs cost it a few bytes, however many; a page would bring them all back.
    let readable = run.iter().all(|entry| entry.blob.is_some() || member.owns(entry.cursor));
    let reaches = run.last().is_some_and(|entry| entry.cursor == group.head);
    if let (Some(start), true) = (start, readable && reaches && foreign <= NEWS_RUN && (foreign == 0 || !slow)) {
        for (index, entry) in entries.iter().enumerate().skip(start) {
            if !link.has_credit(fx) {
                // The rest is told when the peer has read this much.
                return;
            }
            let Some(member) = link.member() else { return };
            let own = member.owns(entry.cursor);
            if own && entries.get(index + 1).is_some_and(|next| member.owns(next.cursor)) {
                // The last of a run of its own speaks for the run.
                continue;
            }
            let prev = core::mem::replace(&mut member.told, entry.cursor);
            fx.stats.news += 1;
            if own {
                link.send(fx, &ToDevice::News(News { prev, cursor: entry.cursor, digest: entry.digest, blob: None }));
            } else {
                let message = shared[index].get_or_insert_with(|| entry.news()).clone();
                link.post(fx, message);
            }
        }
        return;
    }
    let prev = Cursor(group.head.0.saturating_sub(1));
    // Its own newest blob, alone: it is in step and need not pull.
    let in_step = member.told == prev && member.owns(group.head);
    member.nudged = (!in_step).then_some(group.head);
    member.told = group.head;
    fx.stats.news += 1;
    link.send(fx, &ToDevice::News(News { prev, cursor: group.head, digest: group.digest, blob: None }));
}

fn into_entries(after: Cursor, page: Vec<(Cursor, Bytes)>) -> Vec<Entry> {
    let mut prev = after;
    let entry = |(cursor, blob): (Cursor, Bytes)| {
        let digest = Digest::of(&blob);
        let blob = (blob.len() <= MAX_INLINE).then_some(blob);
        Entry { prev: core::mem::replace(&mut prev, cursor), cursor, digest, blob }
    };
    page.into_iter().map(entry).collect()
}
