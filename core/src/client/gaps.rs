//! What cannot be processed yet, and the second look at the log that decides what is missing for good.
//!
//! A record may wait for a key, for the roster record that admits its sender, or for its predecessors. The first two may come
//! later; for the third the log is read once more from its floor. What that does not bring is a gap, and says so.
//!
//! Limits: records and bytes held; on overflow the lowest dropped cursor is remembered and the log scanned again from there.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{
    client::{
        Client, Timer,
        receive::Source,
        store::{ClientOp, HeldRow},
        verdict::Verdict,
    },
    ids::{Cursor, DeviceId, Digest, StreamId},
    seal::record::Opened,
    time::{Duration, Time},
};

/// Within this time of a reset other devices may name records that the relay does not have again yet.
const AFTER_RESET: Duration = Duration::from_secs(24 * 3600);

/// Why a blob is held.
#[derive(Debug)]
pub(super) enum Why {
    /// Its key is unknown, or its kind is.
    Key,
    /// Its sender is unknown.
    Sender(DeviceId),
    /// Its predecessors are missing. It is verified.
    Ahead(StreamId, Box<Opened>),
    /// It was held when the store was read.
    Restored,
}

#[derive(Debug)]
struct Held {
    cursor: Cursor,
    blob: Bytes,
    why: Why,
}

/// What is held, and the scan.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    held: BTreeMap<Digest, Held>,
    bytes: usize,
    wanted: bool,
    scan: Option<Cursor>,
    until: Cursor,
    /// Senders that became known while entries were processed.
    known: bool,
}

impl Gaps {
    pub(super) fn restore(&mut self, digest: Digest, cursor: Cursor, blob: Bytes) {
        self.bytes += blob.len();
        self.known = true;
        self.held.insert(digest, Held { cursor, blob, why: Why::Restored });
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
    }

    /// Asks for a second look once the log has been read to its head.
    pub(super) fn look_again(&mut self) {
        self.wanted = true;
    }

    /// Where the scan under way stands.
    pub(super) fn scanning(&self) -> Option<Cursor> {
        self.scan
    }

    /// A scan belongs to one reading of one log.
    pub(super) fn restart(&mut self) {
        self.wanted |= self.scan.take().is_some();
    }

    pub(super) fn link_lost(&mut self) {
        self.restart();
    }
}

impl Client {
    /// Keeps a blob for later, here and in the store.
    pub(super) fn hold(&mut self, cursor: Cursor, digest: Digest, blob: Bytes, why: Why) {
        let (most, most_bytes) = self.config.limits.held;
        if self.gaps.held.len() >= most || self.gaps.bytes + blob.len() > most_bytes {
            self.ledger.dropped_from = Some(self.ledger.dropped_from.map_or(cursor, |dropped| dropped.min(cursor)));
            return;
        }
        self.gaps.bytes += blob.len();
        self.batch.ops.push(ClientOp::Hold(HeldRow { digest, cursor, blob: blob.clone() }));
        self.gaps.held.insert(digest, Held { cursor, blob, why });
    }

    pub(super) fn release(&mut self, digest: Digest) {
        if let Some(held) = self.gaps.held.remove(&digest) {
            self.gaps.bytes -= held.blob.len();
            self.batch.ops.push(ClientOp::Release(digest));
        }
    }

    /// Offers held blobs again whose obstacle is gone, in the order of their chains, until nothing moves.
    pub(super) fn offer_held_again(&mut self) {
        loop {
            let restored = std::mem::take(&mut self.gaps.known);
            let Some(group) = &self.group else { return };
            let ready = |held: &Held| match &held.why {
                Why::Ahead(id, opened) => {
                    group.streams.get(id).is_some_and(|stream| stream.missing_before(opened.record.seq).is_none())
                }
                Why::Sender(device) => restored && group.roster.get(*device).is_some(),
                Why::Restored => restored,
                Why::Key => false,
            };
            let mut batch: Vec<(u64, Cursor, Bytes)> = self
                .gaps
                .held
                .values()
                .filter(|held| ready(held))
                .map(|held| (held.seq(), held.cursor, held.blob.clone()))
                .collect();
            if batch.is_empty() {
                return;
            }
            batch.sort_by_key(|(seq, cursor, _)| (*cursor, *seq));
            for (_, cursor, blob) in batch {
                self.receive(vec![(cursor, blob)], Source::Held);
            }
            if restored && self.ledger.dropped_from.is_some() {
                self.gaps.look_again();
            }
        }
    }

    /// The log has been read to its head: start the second look that something asked for.
    pub(super) fn look_again(&mut self) {
        if !self.gaps.wanted || self.gaps.scan.is_some() {
            return;
        }
        let Some(place) = self.ledger.place else { return };
        self.gaps.wanted = false;
        self.ledger.dropped_from = None;
        self.gaps.scan = Some(place.floor);
        self.gaps.until = place.cursor;
    }

    /// A page of the scan was processed.
    pub(super) fn scanned(&mut self, last: Option<Cursor>, more: bool) {
        match last {
            Some(last) if more && last < self.gaps.until => self.gaps.scan = Some(last),
            _ => {
                self.gaps.scan = None;
                self.conclude();
            }
        }
    }

    /// The second look is over: what it did not bring is missing.
    fn conclude(&mut self) {
        while let Some((stream, next)) = self.first_ahead() {
            self.declare_gap(stream, next - 1);
            self.offer_held_again();
        }
        if !self.after_reset() {
            let (now, wait) = (self.now, self.config.limits.seen_gap);
            let overdue: Vec<(StreamId, u64)> = self
                .wanted_streams()
                .filter(|(_, _, since)| *since + wait <= now)
                .map(|(id, to, _)| (id, to))
                .collect();
            overdue.into_iter().for_each(|(stream, to)| self.declare_gap(stream, to));
        }
        if self.ledger.dropped_from.is_some() {
            self.gaps.look_again();
            self.look_again();
        }
    }

    fn first_ahead(&self) -> Option<(StreamId, u64)> {
        self.gaps
            .held
            .values()
            .filter_map(|held| match &held.why {
                Why::Ahead(id, opened) => Some((*id, opened.record.seq)),
                _ => None,
            })
            .min()
    }

    fn declare_gap(&mut self, id: StreamId, to: u64) {
        let floor = self.ledger.place.map(|place| place.floor).unwrap_or_default();
        let Some(stream) = self.group.as_mut().and_then(|group| group.streams.get_mut(&id)) else { return };
        let missing = stream.missing_before(to + 1);
        // Records follow their predecessor in the log, so what lies above the floor cannot have expired.
        let expired = floor > stream.at;
        stream.skip(to);
        self.touch(id);
        if let Some((from, to)) = missing {
            self.verdict(Verdict::Gap { sender: id.device, inc: id.inc, lane: id.lane, from, to, expired });
        }
    }

    /// Chains of which another device holds more, up to where, and since when that is known.
    fn wanted_streams(&self) -> impl Iterator<Item = (StreamId, u64, Time)> {
        self.group.iter().flat_map(|group| &group.streams).filter_map(|(id, stream)| {
            let (_, to) = stream.missing_wanted()?;
            Some((*id, to, stream.wanted_since?))
        })
    }

    /// Keeps the timer of the longest-missing record.
    pub(super) fn watch_wanted(&mut self) {
        match self.wanted_streams().map(|(.., since)| since).min() {
            Some(since) if !self.after_reset() => {
                let due = since + self.config.limits.seen_gap;
                if due > self.now {
                    self.timers.set(Timer::SeenGap, due);
                }
            }
            _ => self.timers.cancel(Timer::SeenGap),
        }
    }

    /// One further complete reading decides.
    pub(super) fn seen_gap_due(&mut self) {
        self.gaps.look_again();
        if self.link.as_ref().is_some_and(|link| link.caught_up) {
            self.look_again();
        }
    }

    fn after_reset(&self) -> bool {
        let now = self.wall();
        self.ledger.reset_at.is_some_and(|at| at <= now && u128::from(now.0 - at.0) < AFTER_RESET.as_millis())
    }
}

impl Held {
    fn seq(&self) -> u64 {
        match &self.why {
            Why::Ahead(_, opened) => opened.record.seq,
            _ => 0,
        }
    }
}
