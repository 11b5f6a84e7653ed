//! A relay's store in memory: what the store contract means, in the fewest lines.
//!
//! Keeps logs with cursors, digests for dedupe, floors, quotas, members' acknowledgements and mailboxes. Several machines may
//! share one. It answers at once; when an answer is handed to the machine, and what a crash forgets, is up to whoever drives it.
//!
//! Invariants: cursors of a group grow by one and are never reused, whatever expires; a batch that failed changed nothing.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
#[cfg(feature = "bugs")]
use zerok_core::bugs::{Bug, is_seeded};
use zerok_core::{
    ids::{Cursor, Digest, GroupId, Lane, LinkKey, MailboxId, RelayId, Tag},
    limits::{MAX_MAILBOX_MESSAGE, MAX_MAILBOX_MESSAGES},
    machine::{Origin, StoreFailure, StoreInput, StoreOutput},
    relay::store::{
        Append, LogPage, PageQuery, RelayAnswer, RelayOp, RelayOutcome, RelayQuery, RelayStore, Side, Stored,
    },
    time::UnixMillis,
    wire::message::WireCode,
};

/// Blobs up to this size may use the reserve of a full group.
const SMALL: usize = 1024;
const DAY_MS: u64 = 24 * 3600 * 1000;

/// The store.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MemoryRelayStore {
    relay_id: RelayId,
    groups: BTreeMap<GroupId, Log>,
    boxes: BTreeMap<MailboxId, Mailbox>,
    created: BTreeMap<(Origin, u64), u32>,
    /// The expiry clock: follows the wall clock, by at most the clamp a sweep.
    expiry: Option<UnixMillis>,
    /// Bytes of blobs it takes in all; beyond, it is full.
    room: u64,
    /// It was full and has not been opened again.
    full: bool,
    /// Nothing at all fits any more, mailboxes included.
    stuffed: bool,
    /// Everything fails like this.
    broken: Option<StoreFailure>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct Log {
    head: Cursor,
    floor: Cursor,
    /// Of the blob that stood at the floor.
    floor_tag: Tag,
    blobs: BTreeMap<Cursor, Row>,
    cursors: BTreeMap<Digest, Cursor>,
    bytes: u64,
    members: BTreeMap<LinkKey, Seen>,
    /// Rows that have a cursor and are not inserted yet, as a seeded bug has it: until so many batches later.
    #[cfg(feature = "bugs")]
    late: Vec<(u8, Cursor, Row)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Row {
    digest: Digest,
    blob: Bytes,
    expires: UnixMillis,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Seen {
    acked: Cursor,
    at: UnixMillis,
    own: Option<(Cursor, Digest)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Mailbox {
    twin: MailboxId,
    group: GroupId,
    expires: UnixMillis,
    claimed: Option<LinkKey>,
    /// It ended before its time; kept until then, so that it cannot be opened again and its last words are read.
    closed: bool,
    messages: BTreeMap<Side, Vec<Bytes>>,
}

impl MemoryRelayStore {
    /// An empty store of this name.
    pub fn new(relay_id: RelayId) -> Self {
        Self {
            relay_id,
            groups: BTreeMap::new(),
            boxes: BTreeMap::new(),
            created: BTreeMap::new(),
            expiry: None,
            room: u64::MAX,
            full: false,
            stuffed: false,
            broken: None,
        }
    }

    /// Its name.
    pub fn relay_id(&self) -> RelayId {
        self.relay_id
    }

    /// Gives it room for so many bytes of blobs.
    pub fn set_room(&mut self, bytes: u64) {
        self.room = bytes;
    }

    /// Its disk has no room for anything, or has again.
    pub fn set_full(&mut self, full: bool) {
        self.stuffed = full;
    }

    /// From now on everything fails.
    pub fn set_broken(&mut self, failure: StoreFailure) {
        self.broken = Some(failure);
    }

    /// What was broken works again.
    pub fn mend(&mut self) {
        self.broken = None;
    }

    /// Loses a row, as a damaged disk does: its place stays empty.
    pub fn lose(&mut self, group: &GroupId, cursor: Cursor) {
        if let Some(log) = self.groups.get_mut(group)
            && let Some(row) = log.blobs.remove(&cursor)
        {
            log.bytes -= row.blob.len() as u64;
        }
    }

    /// Flips a bit of a stored blob, as a damaged disk does, and answers what stands there now. What it was called stays.
    pub fn rot(&mut self, group: &GroupId, cursor: Cursor, byte: usize) -> Option<Bytes> {
        let row = self.groups.get_mut(group)?.blobs.get_mut(&cursor)?;
        let mut blob = row.blob.to_vec();
        let at = byte % blob.len().max(1);
        *blob.get_mut(at)? ^= 1;
        row.blob = blob.into();
        Some(row.blob.clone())
    }

    /// Adds a blob as if somebody had pushed it.
    pub fn inject(&mut self, group: &GroupId, blob: Bytes) {
        if let Some(log) = self.groups.get_mut(group) {
            log.head = log.head.next();
            log.bytes += blob.len() as u64;
            let digest = Digest::of(&blob);
            log.cursors.insert(digest, log.head);
            log.blobs.insert(log.head, Row { digest, blob, expires: UnixMillis(u64::MAX) });
        }
    }

    /// A group's newest cursor.
    pub fn head(&self, group: &GroupId) -> Cursor {
        self.groups.get(group).map(|log| log.head).unwrap_or_default()
    }

    /// A group's blobs in order.
    pub fn log(&self, group: &GroupId) -> Vec<(Cursor, Bytes)> {
        let rows = |log: &Log| log.blobs.iter().map(|(cursor, row)| (*cursor, row.blob.clone())).collect();
        self.groups.get(group).map(rows).unwrap_or_default()
    }

    /// Groups it has.
    pub fn groups(&self) -> Vec<GroupId> {
        self.groups.keys().copied().collect()
    }

    /// Replaces what stands in a group's log, as only a hostile relay can: anything at any cursor. Machines must be started anew,
    /// for the head may go back.
    pub fn rewrite(&mut self, group: &GroupId, blobs: Vec<(Cursor, Bytes)>) {
        let Some(log) = self.groups.get_mut(group) else { return };
        let expires = log.blobs.values().map(|row| row.expires).max().unwrap_or(UnixMillis(u64::MAX));
        log.cursors = blobs.iter().map(|(cursor, blob)| (Digest::of(blob), *cursor)).collect();
        log.bytes = blobs.iter().map(|(_, blob)| blob.len() as u64).sum();
        let row = |blob: Bytes| Row { digest: Digest::of(&blob), blob, expires };
        log.blobs = blobs.into_iter().map(|(cursor, blob)| (cursor, row(blob))).collect();
        log.head = log.blobs.keys().next_back().copied().unwrap_or_default();
    }

    /// Lets everything up to a cursor expire.
    pub fn expire(&mut self, group: &GroupId, through: Cursor) {
        if let Some(log) = self.groups.get_mut(group) {
            while log.blobs.first_key_value().is_some_and(|(cursor, _)| *cursor <= through) {
                log.drop_oldest();
            }
        }
    }

    /// What a member has acknowledged, once it was seen.
    pub fn acked(&self, group: &GroupId, link: &LinkKey) -> Option<Cursor> {
        self.groups.get(group)?.members.get(link).filter(|seen| seen.at.0 > 0).map(|seen| seen.acked)
    }

    /// How many groups it has.
    pub fn group_count(&self) -> usize {
        self.groups.len()
    }

    /// How many mailboxes are open.
    pub fn mailbox_count(&self) -> usize {
        self.boxes.values().filter(|mailbox| !mailbox.closed).count()
    }

    /// Does what a machine asks and answers it.
    pub fn perform(&mut self, request: StoreOutput<RelayStore>) -> StoreInput<RelayStore> {
        match request {
            StoreOutput::Persist { batch, ops } => match self.persist(ops) {
                Ok(outcomes) => StoreInput::Persisted { batch, outcomes },
                Err(failure) => StoreInput::PersistFailed { batch, failure },
            },
            StoreOutput::Load { load, query } => StoreInput::Loaded { load, answer: self.load(query) },
        }
    }

    fn persist(&mut self, ops: Vec<RelayOp>) -> Result<Vec<RelayOutcome>, StoreFailure> {
        if let Some(failure) = self.broken {
            return Err(failure);
        }
        self.full |= self.stuffed;
        if self.full {
            return Err(StoreFailure::Full);
        }
        #[cfg(feature = "bugs")]
        self.groups.values_mut().for_each(Log::insert_late);
        let before = self.clone();
        let outcomes = ops.into_iter().filter_map(|op| self.apply(op)).collect();
        let used: u64 = self.groups.values().map(|log| log.bytes).sum();
        if used > self.room && used > before.groups.values().map(|log| log.bytes).sum() {
            *self = before;
            self.full = true;
            return Err(StoreFailure::Full);
        }
        Ok(outcomes)
    }

    fn apply(&mut self, op: RelayOp) -> Option<RelayOutcome> {
        match op {
            RelayOp::Append(append) => Some(self.append(append)),
            RelayOp::Seen { group, link, acked, now } => {
                let seen = self.groups.get_mut(&group)?.members.entry(link).or_default();
                seen.acked = seen.acked.max(acked);
                seen.at = seen.at.max(now);
                None
            }
            RelayOp::OpenMailbox { id, twin, group, expires, limit } => {
                Some(RelayOutcome::Mailbox(self.open_mailbox(id, twin, group, expires, limit)))
            }
            RelayOp::ClaimMailbox { id, link, now } => Some(RelayOutcome::Mailbox(self.claim(id, link, now))),
            RelayOp::SendMailbox { id, side, body, now } => Some(RelayOutcome::Mailbox(self.send(id, side, body, now))),
            RelayOp::CloseMailbox { id } => {
                let twin = self.boxes.get(&id).map(|mailbox| mailbox.twin);
                for id in [Some(id), twin].into_iter().flatten() {
                    self.end(id);
                }
                None
            }
            RelayOp::Sweep { now, clamp } => {
                let clamp = clamp.as_millis() as u64;
                let expiry = self.expiry.map_or(now, |expiry| now.min(UnixMillis(expiry.0 + clamp)).max(expiry));
                self.expiry = Some(expiry);
                self.boxes.retain(|_, mailbox| mailbox.expires > now);
                let floors = self.groups.iter_mut().filter_map(|(group, log)| {
                    let floor = log.floor;
                    // In order: whatever a wild clock wrote goes with what came after it.
                    let last = log.blobs.iter().rfind(|(_, row)| row.expires <= expiry).map(|(cursor, _)| *cursor);
                    while log.blobs.first_key_value().is_some_and(|(cursor, _)| Some(*cursor) <= last) {
                        log.drop_oldest();
                    }
                    (log.floor > floor).then_some((*group, log.floor))
                });
                Some(RelayOutcome::Swept(floors.collect()))
            }
        }
    }

    fn append(&mut self, append: Append) -> RelayOutcome {
        let Append { group, link, origin, lane, blobs, now, retention, .. } = append;
        let known = self.groups.contains_key(&group);
        if !known {
            let created = self.created.entry((origin, now.0 / DAY_MS)).or_default();
            if *created >= append.groups_per_day {
                let refused = vec![Stored::Refused(WireCode::TooManyGroups)];
                return RelayOutcome::Appended { before: Cursor(0), head: Cursor(0), results: refused };
            }
            *created += 1;
        }
        // A clock set back shortens no retention; one that was never read begins here.
        let now = now.max(*self.expiry.get_or_insert(now));
        let log = self.groups.entry(group).or_default();
        let before = log.head;
        let mut results = Vec::new();
        for (digest, blob) in blobs {
            #[cfg(feature = "bugs")]
            if is_seeded(Bug::RelayForgetsDuplicates) {
                log.cursors.remove(&digest);
            }
            if let Some(cursor) = log.cursors.get(&digest) {
                results.push(Stored::Duplicate(*cursor));
                continue;
            }
            // The last twentieth is for small blobs and the control lane, so that a group full of data can still change its roster.
            let share = if blob.len() <= SMALL || lane == Lane::Control { 20 } else { 19 };
            let fits = |used: u64, more: u64, quota: u64| u128::from(used + more) * 20 <= u128::from(quota) * share;
            let count = log.blobs.len() as u64;
            if !fits(log.bytes, blob.len() as u64, append.group_bytes) || !fits(count, 1, append.group_blobs) {
                results.push(Stored::Refused(WireCode::GroupFull));
                break;
            }
            log.head = log.head.next();
            log.bytes += blob.len() as u64;
            log.cursors.insert(digest, log.head);
            log.members.entry(link).or_default().own = Some((log.head, digest));
            let expires = UnixMillis(now.0 + retention.as_millis() as u64);
            let row = Row { digest, blob, expires };
            #[cfg(feature = "bugs")]
            if is_seeded(Bug::CursorOutsideInsert) && log.head.0.is_multiple_of(2) {
                log.late.push((2, log.head, row));
                results.push(Stored::At(log.head));
                continue;
            }
            log.blobs.insert(log.head, row);
            results.push(Stored::At(log.head));
        }
        RelayOutcome::Appended { before, head: log.head, results }
    }

    /// Purges the mailboxes, as a relay may when it starts.
    pub fn forget_mailboxes(&mut self) {
        self.boxes.clear();
    }

    fn open_mailbox(
        &mut self,
        id: MailboxId,
        twin: MailboxId,
        group: GroupId,
        expires: UnixMillis,
        limit: u32,
    ) -> Result<(), WireCode> {
        let of_group = |mailbox: &&Mailbox| mailbox.group == group && !mailbox.closed;
        match self.boxes.get(&id) {
            Some(mailbox) if mailbox.group != group => return Err(WireCode::InviteUnknown),
            Some(mailbox) if !mailbox.closed => return Ok(()),
            // Its creator learns which half of the invite goes on.
            Some(_) if self.boxes.get(&twin).is_some_and(|twin| !twin.closed) => return Err(WireCode::InviteUsed),
            Some(_) => return Err(WireCode::InviteUnknown),
            None if self.boxes.values().filter(of_group).count() >= limit as usize => {
                return Err(WireCode::MailboxFull);
            }
            None => {}
        }
        // The last words of the group's earlier invites were for those who were there.
        for ended in self.boxes.values_mut().filter(|mailbox| mailbox.group == group && mailbox.closed) {
            ended.messages.clear();
        }
        self.boxes
            .insert(id, Mailbox { twin, group, expires, claimed: None, closed: false, messages: BTreeMap::new() });
        Ok(())
    }

    fn claim(&mut self, id: MailboxId, link: LinkKey, now: UnixMillis) -> Result<(), WireCode> {
        let live = self.boxes.get_mut(&id).filter(|mailbox| !mailbox.closed && mailbox.expires > now);
        let mailbox = live.ok_or(WireCode::InviteUnknown)?;
        match mailbox.claimed {
            Some(holder) if holder != link => Err(WireCode::InviteUsed),
            _ => {
                mailbox.claimed = Some(link);
                let twin = mailbox.twin;
                self.end(twin);
                Ok(())
            }
        }
    }

    fn send(&mut self, id: MailboxId, side: Side, body: Bytes, now: UnixMillis) -> Result<(), WireCode> {
        let live = self.boxes.get_mut(&id).filter(|mailbox| !mailbox.closed && mailbox.expires > now);
        let mailbox = live.ok_or(WireCode::InviteUnknown)?;
        if side == Side::Joiner && mailbox.claimed.is_none() {
            return Err(WireCode::InviteUnknown);
        }
        let messages = mailbox.messages.entry(side).or_default();
        if messages.len() >= MAX_MAILBOX_MESSAGES as usize || body.len() > MAX_MAILBOX_MESSAGE {
            return Err(WireCode::MailboxFull);
        }
        messages.push(body);
        Ok(())
    }

    fn end(&mut self, id: MailboxId) {
        if let Some(mailbox) = self.boxes.get_mut(&id) {
            mailbox.closed = true;
        }
    }

    fn load(&mut self, query: RelayQuery) -> Result<RelayAnswer, StoreFailure> {
        if let Some(failure) = self.broken {
            return Err(failure);
        }
        Ok(match query {
            RelayQuery::Open => {
                self.full = false;
                RelayAnswer::Opened { relay_id: self.relay_id }
            }
            RelayQuery::Welcome { group, link, page } => {
                let own = self.groups.get(&group).and_then(|log| log.members.get(&link)?.own);
                RelayAnswer::Welcome { own, page: self.page(&group, page) }
            }
            RelayQuery::Page { group, page } => RelayAnswer::Page(self.page(&group, page)),
            RelayQuery::Heads(groups) => {
                let groups: BTreeSet<_> = groups.into_iter().collect();
                let head = |group: GroupId| (group, self.groups.get(&group).map_or(Cursor(0), |log| log.head));
                RelayAnswer::Heads(groups.into_iter().map(head).collect())
            }
            RelayQuery::Mailbox { id, side, after } => match self.boxes.get(&id) {
                None => RelayAnswer::Mailbox { messages: Vec::new(), open: false, claimed: false },
                Some(mailbox) => {
                    let messages = mailbox.messages.get(&side.other()).map_or(&[][..], Vec::as_slice);
                    let messages = messages.iter().skip(after as usize).cloned().collect();
                    RelayAnswer::Mailbox { messages, open: !mailbox.closed, claimed: mailbox.claimed.is_some() }
                }
            },
        })
    }

    fn page(&self, group: &GroupId, query: PageQuery) -> LogPage {
        let Some(log) = self.groups.get(group) else {
            return LogPage { after: query.after, reset: query.after > Cursor(0), ..LogPage::default() };
        };
        let known = log.blobs.get(&query.after).map(|row| row.digest.tag());
        let known = known.or((query.after == log.floor && log.floor > Cursor(0)).then_some(log.floor_tag));
        let other = known.is_some_and(|tag| tag != query.tag);
        let reset = query.after > log.head || (query.tag != Tag::default() && other);
        #[cfg(not(feature = "bugs"))]
        let head = log.head;
        #[cfg(feature = "bugs")]
        let head = log.visible_head();
        let mut page = LogPage { after: query.after, floor: log.floor, head, reset, entries: Vec::new() };
        let mut used = 0;
        if !reset {
            for (cursor, row) in log.blobs.range(query.after.next()..) {
                used += row.blob.len();
                let first = page.entries.is_empty() && query.at_least_one;
                if used > query.max_bytes as usize && !first {
                    break;
                }
                page.entries.push((*cursor, row.blob.clone()));
            }
        }
        page
    }
}

#[cfg(feature = "bugs")]
impl Log {
    fn insert_late(&mut self) {
        for (batches, cursor, row) in std::mem::take(&mut self.late) {
            match batches.checked_sub(1) {
                Some(left) => self.late.push((left, cursor, row)),
                None => drop(self.blobs.insert(cursor, row)),
            }
        }
    }

    fn visible_head(&self) -> Cursor {
        if self.late.is_empty() { self.head } else { self.blobs.keys().next_back().copied().unwrap_or(self.floor) }
    }
}

impl Log {
    fn drop_oldest(&mut self) {
        if let Some((cursor, row)) = self.blobs.pop_first() {
            self.floor = cursor;
            self.floor_tag = row.digest.tag();
            self.bytes -= row.blob.len() as u64;
            self.cursors.remove(&row.digest);
        }
    }
}
