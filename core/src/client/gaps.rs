//! What cannot be processed yet, and the second look at the log that decides what is missing for good.
//!
//! A record may wait for a key, for the roster record that admits its sender, or for its predecessors. The first two may come
//! later; for the third the log is read once more from its floor. What that does not bring is a gap, and says so. What another
//! device holds and this one does not is looked for in the same way, once it has been missing for a while.
//!
//! Whether a second look is needed follows from the state alone, so a lost link or a crash forgets no reason for one.
//!
//! ```text
//!          a hole, something overdue, or room again for what was dropped
//!   Idle ────────────────────────────────────────────────────────────────► Scanning
//!     ▲             read to where the log stood at its start                  │
//!     └───────────────────────────── conclude ◄───────────────────────────────┘
//! ```
//!
//! Limits: records and bytes held; on overflow the lowest dropped cursor is remembered and the log scanned again from there, but
//! only after a scan that moved something: a relay that fills the room with rubbish must not keep a client reading for ever.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::{
    client::{
        Client, Timer,
        ledger::remember,
        receive::{Candidate, REMEMBERED, Source},
        store::{ClientOp, HeldRow},
        verdict::Verdict,
    },
    ids::{Cursor, DeviceId, Digest, StreamId},
    seal::record::Opened,
    time::{Duration, Time, UnixMillis},
};

/// Within this time of a reset other devices may name records that the relay does not have again yet.
const AFTER_RESET: Duration = Duration::from_secs(24 * 3600);
/// Within this time of a reset a log may be refilled, by devices that refilled one just before.
const AFTER_REFILL: Duration = Duration::from_secs(3600 + 600);

/// Why a blob is held.
#[derive(Debug)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) enum Why {
    /// Its key is unknown.
    Key,
    /// No chain is left for it.
    Room,
    /// Its kind is unknown; its place in the chain is settled.
    Kind,
    /// Its sender is unknown.
    Sender(DeviceId),
    /// Its predecessors are missing. It is verified.
    Ahead(StreamId, Box<Opened>),
    /// It was held when the store was read.
    Restored,
}

#[derive(Debug)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
struct Held {
    cursor: Cursor,
    blob: Bytes,
    why: Why,
    /// The scan that decides about it.
    decided_by: u64,
}

/// Records that a member says it holds, and this device does not. In the order in which they are reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Claimed {
    stream: StreamId,
    seq: u64,
    by: DeviceId,
}

/// One reading of the log beside the relay cursor.
#[derive(Debug, Clone, Copy, Hash)]
struct Scan {
    at: Cursor,
    until: Cursor,
    since: Time,
    /// The lowest cursor dropped since it began.
    dropped: Option<Cursor>,
    /// It brought something this device lacked.
    moved: bool,
    /// A sender became known while it went on: what was dropped before may have been that one's.
    learned: bool,
}

impl Scan {
    /// Whether it passed over what it should have found.
    fn is_blind(&self) -> bool {
        self.learned && self.dropped.is_some()
    }
}

/// What is held, and the scan.
#[derive(Debug, Default)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) struct Gaps {
    held: BTreeMap<Digest, Held>,
    bytes: usize,
    /// Records after a hole for which there was no room: the lowest of each chain, and the scan that decides about it.
    passed: BTreeMap<StreamId, (u64, u64)>,
    /// Senders nobody admitted, of which no one was told, and the scan that decides about each.
    strangers: BTreeMap<DeviceId, u64>,
    scan: Option<Scan>,
    /// Scans begun.
    scans: u64,
    /// What was dropped may have its room, key or sender now.
    again: bool,
    /// Senders became known, or held rows were read from the store.
    known: bool,
    /// When a scan last looked in vain for what members say they hold.
    looked: Time,
}

impl Gaps {
    /// A row of the store. One whose bytes rotted here is no evidence against anyone.
    pub(super) fn restore(&mut self, row: HeldRow) {
        self.bytes += row.blob.len();
        self.known = true;
        let held = Held { cursor: row.cursor, blob: row.blob, why: Why::Restored, decided_by: 0 };
        self.held.insert(row.digest, held);
    }

    pub(super) fn holds_nothing(&self) -> bool {
        self.held.is_empty()
    }

    pub(super) fn holds(&self, digest: Digest) -> bool {
        self.held.contains_key(&digest)
    }

    /// Verified records of a chain that wait for their predecessors, in order.
    pub(super) fn ahead_of(&self, stream: StreamId) -> Vec<&Opened> {
        let mut ahead: Vec<&Opened> = self
            .held
            .values()
            .filter_map(|held| match &held.why {
                Why::Ahead(id, opened) if *id == stream => Some(&**opened),
                _ => None,
            })
            .collect();
        ahead.sort_by_key(|opened| opened.record.seq);
        ahead
    }

    pub(super) fn sender_known(&mut self) {
        self.known = true;
        if let Some(scan) = &mut self.scan {
            scan.learned = true;
        }
    }

    /// What was dropped is worth another look.
    pub(super) fn look_again(&mut self) {
        self.again = true;
    }

    /// Where the scan under way stands.
    pub(super) fn scanning(&self) -> Option<Cursor> {
        self.scan.map(|scan| scan.at)
    }

    /// A scan belongs to one reading of one log. Its reasons are still there and will start another.
    pub(super) fn stop_scan(&mut self) {
        self.again |= self.scan.take().is_some();
    }

    /// Something that was missing came by another way than the relay cursor.
    pub(super) fn moved(&mut self) {
        if let Some(scan) = &mut self.scan {
            scan.moved = true;
        }
    }

    fn decided_by(&self, cursor: Cursor) -> u64 {
        // What the scan under way passes is decided with it; anything newer was not looked for yet.
        self.scans + u64::from(self.scan.is_none_or(|scan| cursor > scan.until))
    }
}

impl Client {
    /// Keeps a blob for later, here and in the store; false when there is no room.
    pub(super) fn hold(&mut self, cursor: Cursor, digest: Digest, blob: Bytes, why: Why) -> bool {
        if self.gaps.holds(digest) {
            return true;
        }
        let (most, most_bytes) = self.config.limits.held;
        let decided_by = self.gaps.decided_by(cursor);
        if self.gaps.held.len() >= most || self.gaps.bytes + blob.len() > most_bytes {
            self.ledger.dropped_from = lowest(self.ledger.dropped_from, cursor);
            if let Some(scan) = &mut self.gaps.scan {
                scan.dropped = lowest(scan.dropped, cursor);
            }
            if let Why::Ahead(id, opened) = why {
                let passed = self.gaps.passed.entry(id).or_insert((u64::MAX, decided_by));
                *passed = (*passed).min((opened.record.seq, decided_by));
            }
            return false;
        }
        self.gaps.bytes += blob.len();
        let released = |op: &ClientOp| matches!(op, ClientOp::Release(other) if *other == digest);
        match self.batch.ops.iter().position(released) {
            // It never left: a store that is merely read again is not written for it.
            Some(at) => drop(self.batch.ops.remove(at)),
            None => self.batch.ops.push(ClientOp::Hold(HeldRow { digest, cursor, blob: blob.clone() })),
        }
        self.gaps.held.insert(digest, Held { cursor, blob, why, decided_by });
        true
    }

    fn release(&mut self, digest: Digest) -> Option<Held> {
        let held = self.gaps.held.remove(&digest)?;
        self.gaps.bytes -= held.blob.len();
        self.batch.ops.push(ClientOp::Release(digest));
        Some(held)
    }

    /// Offers held blobs again whose obstacle is gone, until nothing moves.
    pub(super) fn offer_held_again(&mut self) {
        loop {
            while let Some(digest) = self.first_ready() {
                if let Some(Held { cursor, blob, why: Why::Ahead(_, opened), .. }) = self.release(digest) {
                    self.take(Candidate { cursor, blob, opened: *opened }, Source::Held);
                }
            }
            if !std::mem::take(&mut self.gaps.known) {
                return;
            }
            let Some(group) = &self.group else { return };
            let ready = |held: &Held| match &held.why {
                Why::Sender(device) => group.roster.get(*device).is_some(),
                Why::Restored => true,
                Why::Key | Why::Room | Why::Kind | Why::Ahead(..) => false,
            };
            let mut ready: Vec<(Cursor, Digest)> = self
                .gaps
                .held
                .iter()
                .filter(|(_, held)| ready(held))
                .map(|(digest, held)| (held.cursor, *digest))
                .collect();
            ready.sort_unstable();
            let mut entries = Vec::with_capacity(ready.len());
            for (cursor, digest) in ready {
                let Some(held) = self.release(digest) else { continue };
                if Digest::of(&held.blob) == digest {
                    entries.push((cursor, held.blob));
                } else {
                    // D9: damaged on this device, so the relay is asked for it again.
                    self.ledger.dropped_from = lowest(self.ledger.dropped_from, cursor);
                }
            }
            self.receive(entries, Source::Held);
            self.gaps.look_again();
        }
    }

    /// A record that waited for its predecessors and need not any more.
    fn first_ready(&self) -> Option<Digest> {
        let group = self.group.as_ref()?;
        let ready = self.gaps.held.iter().filter_map(|(digest, held)| match &held.why {
            Why::Ahead(id, opened) => {
                let missing = group.streams.get(id).and_then(|stream| stream.missing_before(opened.record.seq));
                missing.is_none().then_some((held.cursor, *digest))
            }
            _ => None,
        });
        ready.min().map(|(_, digest)| digest)
    }

    /// Starts the second look once the log has been read to its head, if something asks for one.
    pub(super) fn look_for_missing(&mut self) {
        let ready = self.is_connected() && self.link.as_ref().is_some_and(|link| link.caught_up);
        let Some(place) = self.ledger.place.filter(|_| ready && self.gaps.scan.is_none()) else { return };
        let hole = self.holes_settle() <= self.now && self.first_hole(u64::MAX).is_some();
        let missing = hole
            || self.overdue(self.now).next().is_some()
            || !self.gaps.strangers.is_empty() && self.settled_after_reset() <= self.now;
        let next = self.dropped_is_next();
        let dropped = self.ledger.dropped_from.filter(|_| std::mem::take(&mut self.gaps.again) || next);
        let at = match dropped {
            _ if missing => place.floor,
            Some(dropped) => Cursor(dropped.0.saturating_sub(1)).max(place.floor),
            None => return,
        };
        self.gaps.scans += 1;
        self.gaps.passed.clear();
        self.gaps.scan =
            Some(Scan { at, until: place.cursor, since: self.now, dropped: None, moved: false, learned: false });
        if at >= place.cursor {
            self.conclude();
        }
    }

    /// Whether what was dropped may be what a chain waits for: its lowest is next, or came by another way, and others may be next.
    fn dropped_is_next(&self) -> bool {
        let Some(group) = &self.group else { return false };
        let reach = |id: &StreamId| group.streams.get(id).map_or(0, |stream| stream.reach().0);
        self.gaps.passed.iter().any(|(id, (dropped, _))| *dropped <= reach(id).saturating_add(1))
    }

    /// A page of the scan was processed.
    pub(super) fn scanned(&mut self, last: Option<Cursor>, more: bool) {
        match (&mut self.gaps.scan, last) {
            (Some(scan), Some(last)) if more && last < scan.until => scan.at = last,
            _ => self.conclude(),
        }
    }

    /// The second look is over: what it did not bring is missing.
    fn conclude(&mut self) {
        while let Some((stream, next)) = self.first_hole(self.decides_up_to()) {
            self.declare_gap(stream, next);
            self.gaps.moved();
            self.offer_held_again();
        }
        let number = self.decides_up_to();
        let Some(scan) = self.gaps.scan.take() else { return };
        let blind = scan.is_blind();
        // Lower numbers first: what a higher one adds is told behind them.
        let overdue: BTreeSet<Claimed> = self.overdue(scan.since).filter(|_| !blind).collect();
        if !overdue.is_empty() {
            self.gaps.looked = self.now;
        }
        for claim in overdue {
            // What was dropped for want of room is here, and with it perhaps what is named: the look that brings it decides.
            if !self.gaps.passed.contains_key(&claim.stream) {
                self.declare_claimed(claim);
            }
        }
        if self.settled_after_reset() <= scan.since {
            self.declare_strangers(number);
        }
        self.ledger.dropped_from = scan.dropped;
        self.gaps.again |= scan.moved || blind;
    }

    /// The number of the last scan that may decide about holes as things stand.
    fn decides_up_to(&self) -> u64 {
        let blind = self.gaps.scan.as_ref().is_some_and(Scan::is_blind);
        if !blind && self.holes_settle() <= self.now { self.gaps.scans } else { 0 }
    }

    /// A record of the group's came whose sender nobody admitted. Its admission precedes it in an honest log.
    pub(super) fn stranger(&mut self, device: DeviceId, cursor: Cursor) {
        let decided_by = self.gaps.decided_by(cursor);
        let told = self.verdicts.values().filter(|known| matches!(known, Verdict::UnknownDevice { .. })).count();
        // A member that invents senders is heard of until somebody has settled the matter.
        if !self.ledger.strangers.contains(&device) && told + self.gaps.strangers.len() < REMEMBERED {
            self.gaps.strangers.entry(device).or_insert(decided_by);
        }
    }

    /// The log was read from its floor, and does not say who these are.
    fn declare_strangers(&mut self, number: u64) {
        let (decided, open): (BTreeMap<_, _>, _) =
            std::mem::take(&mut self.gaps.strangers).into_iter().partition(|(_, decided_by)| *decided_by <= number);
        self.gaps.strangers = open;
        for device in decided.into_keys() {
            if self.group.as_ref().is_some_and(|group| group.roster.get(device).is_none()) {
                remember(&mut self.ledger.strangers, device, REMEMBERED);
                self.verdict(Verdict::UnknownDevice { device });
            }
        }
    }

    /// A chain with a hole that the scan of this number decides about, and the first record after it.
    fn first_hole(&self, number: u64) -> Option<(StreamId, u64)> {
        let group = self.group.as_ref()?;
        let held = self.gaps.held.values().filter_map(|held| match &held.why {
            Why::Ahead(id, opened) => Some((*id, opened.record.seq, held.decided_by)),
            _ => None,
        });
        let passed = self.gaps.passed.iter().map(|(id, (seq, decided_by))| (*id, *seq, *decided_by));
        let open =
            |id: &StreamId, seq: u64| group.streams.get(id).is_some_and(|stream| stream.missing_before(seq).is_some());
        // What was dropped stands in the log: a hole ends before it, and what is held behind it waits for the look that brings it.
        let behind = |id: &StreamId, seq: u64| {
            let dropped = self.gaps.passed.get(id).map_or(u64::MAX, |(dropped, _)| *dropped);
            dropped < seq && group.streams.get(id).is_some_and(|stream| stream.reach().0 < dropped)
        };
        held.filter(|(id, seq, _)| !behind(id, *seq))
            .chain(passed)
            .filter(|(id, seq, decided_by)| *decided_by <= number && open(id, *seq))
            .map(|(id, seq, _)| (id, seq))
            .min()
    }

    /// Records before `next` will not come: the chain goes on without them.
    fn declare_gap(&mut self, id: StreamId, next: u64) {
        let Some(stream) = self.stream_mut(id) else { return };
        let at = stream.at;
        let missing = stream.skip_before(next);
        self.touch(id);
        self.report_gap(id, at, missing, None);
    }

    /// A member says that it holds records which the relay does not give. Should it ever give them, they are the next ones.
    fn declare_claimed(&mut self, Claimed { stream: id, by, .. }: Claimed) {
        let Some(stream) = self.stream_mut(id) else { return };
        let (at, missing) = (stream.at, stream.tell_claim(by));
        self.touch(id);
        self.report_gap(id, at, missing, Some(by));
    }

    fn report_gap(&mut self, id: StreamId, at: Cursor, missing: Option<(u64, u64)>, by: Option<DeviceId>) {
        if bug!(GapUntold) {
            return;
        }
        let floor = self.ledger.place.map(|place| place.floor).unwrap_or_default();
        if let Some((from, to)) = missing {
            // Records follow their predecessor in the log, so what lies above the floor cannot have expired.
            let expired = floor > at;
            self.verdict(Verdict::Gap { sender: id.device, inc: id.inc, lane: id.lane, from, to, expired, by });
        }
    }

    /// What members say they hold and nobody was told of, and when it is due.
    fn claimed(&self) -> impl Iterator<Item = (Claimed, Time)> {
        let wait = self.config.limits.seen_gap;
        // A member that names one thing after the other must not keep a client reading.
        let earliest = self.settled_after_reset().max(self.gaps.looked + wait);
        let streams = self.group.iter().flat_map(|group| &group.streams);
        streams.flat_map(move |(id, stream)| {
            let due = move |since: Time| (since + wait).max(earliest);
            stream.claims.untold().map(move |(seq, by, since)| (Claimed { stream: *id, seq, by }, due(since)))
        })
    }

    /// What was due by then.
    fn overdue(&self, by: Time) -> impl Iterator<Item = Claimed> {
        self.claimed().filter(move |(_, due)| *due <= by).map(|(claimed, _)| claimed)
    }

    /// Keeps the timer of what has been missing for longest. What is overdue waits for a link, not for time.
    pub(super) fn watch_missing(&mut self) {
        let strangers = (!self.gaps.strangers.is_empty()).then(|| self.settled_after_reset());
        let holes = self.first_hole(u64::MAX).map(|_| self.holes_settle());
        let claims = self.claimed().map(|(_, due)| due);
        match claims.chain(strangers).chain(holes).filter(|due| *due > self.now).min() {
            Some(due) => self.timers.set(Timer::SeenGap, due),
            None => self.timers.cancel(Timer::SeenGap),
        }
    }

    /// From when on a record that others name should be at the relay again.
    fn settled_after_reset(&self) -> Time {
        self.after_reset(AFTER_RESET)
    }

    /// From when on a hole is one: its author may have to wait before it refills a log that was lost twice, and pushes what is new
    /// meanwhile. Given up too early, what it refills then would come too late.
    fn holes_settle(&self) -> Time {
        self.after_reset(AFTER_REFILL)
    }

    fn after_reset(&self, wait: Duration) -> Time {
        let left = self.since_reset().map_or(Duration::ZERO, |since| wait.saturating_sub(since));
        if left.is_zero() { Time(0) } else { self.now + left }
    }

    /// Whether members may still speak of what the relay does not have again.
    pub(super) fn was_reset_lately(&self) -> bool {
        self.since_reset().is_some_and(|since| since < AFTER_RESET)
    }

    /// How long ago the log was last found to be another one.
    pub(super) fn since_reset(&self) -> Option<Duration> {
        let now = self.wall();
        self.ledger.reset_at.map(|at| Duration::from_millis(now.0.saturating_sub(at.0)))
    }

    /// E8: a clock that was set back says nothing about how long ago the log was lost, so that counts as having been just now.
    pub(super) fn redate_lost_log(&mut self) {
        let now = self.wall();
        if self.ledger.reset_at.is_some_and(|at| at > now) {
            self.ledger.reset_at = Some(now);
        }
    }

    /// What the wall clock showed so long ago.
    pub(super) fn before(&self, since: Duration) -> UnixMillis {
        UnixMillis(self.wall().0.saturating_sub(u64::try_from(since.as_millis()).unwrap_or(u64::MAX)))
    }
}

fn lowest(known: Option<Cursor>, cursor: Cursor) -> Option<Cursor> {
    Some(known.map_or(cursor, |known| known.min(cursor)))
}
