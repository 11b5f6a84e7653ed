//! Who has what: `seen` entries in every record, and the heads record of a device that has nothing else to say.
//!
//! Others learn from them what was withheld from them, and when a blob need not be kept for anyone any more.

use std::collections::BTreeSet;

use crate::{
    client::{
        Client, Timer,
        receive::may_name,
        stream::{Stream, short},
        verdict::Verdict,
    },
    ids::{DeviceId, Incarnation, Lane, RecordHash, StreamId},
    limits::MAX_SEEN,
    seal::{
        record::{Kind, Record, SeenEntry},
        roster::HeadsPayload,
    },
};

impl Client {
    /// What this device holds of others' chains: with data what it has not said yet, with heads everything. Roster records are handed
    /// to every newcomer and must stay small: an ADD says how far its author holds the lanes of other admissions, the rest nothing.
    pub(super) fn take_seen(&mut self, kind: Kind) -> Vec<SeenEntry> {
        let (inc, earlier) = (self.ledger.inc(), self.ledger.earlier_inc);
        let Some(group) = &mut self.group else { return Vec::new() };
        // The first record of an incarnation names the end of the one before.
        let starts = |id: &StreamId| Some(id.inc) == earlier && !group.streams.contains_key(&StreamId { inc, ..*id });
        let admissions = if kind == Kind::Add { group.roster.admission_lanes() } else { BTreeSet::new() };
        let news = |id: &StreamId, stream: &Stream| match kind {
            _ if id.device == group.device => starts(id) || id.inc != inc && admissions.contains(id),
            Kind::Heads => true,
            Kind::Data => stream.reach().0 > stream.reported,
            _ => admissions.contains(id),
        };
        let due: Vec<StreamId> =
            group.streams.iter().filter(|(id, stream)| news(id, stream)).map(|(id, _)| *id).take(MAX_SEEN).collect();
        let mut seen = Vec::with_capacity(due.len());
        for id in due {
            let Some(stream) = group.streams.get_mut(&id) else { continue };
            let (seq, Some(hash)) = stream.reach() else { continue };
            stream.reported = seq;
            self.batch.touched.insert(id);
            seen.push(SeenEntry { device: id.device, inc: id.inc, lane: id.lane, seq, hash: short(hash) });
        }
        seen
    }

    /// What a member says it holds.
    pub(super) fn note_seen(&mut self, author: DeviceId, seen: &[SeenEntry]) {
        let (now, inc) = (self.now, self.ledger.inc());
        let Some(group) = &mut self.group else { return };
        let own = group.device;
        let mut forks = Vec::new();
        let mut kept = Vec::new();
        let mut covered = false;
        let mut restored = false;
        for entry in seen.iter().filter(|entry| entry.seq > 0) {
            let id = StreamId { device: entry.device, inc: entry.inc, lane: entry.lane };
            let admitted = id.device == own || group.roster.get(id.device).is_some();
            // A member may name chains without end; this device follows so many of each device on each member's word.
            if !admitted || !may_name(&group.streams, id, author) {
                continue;
            }
            let unknown = !group.streams.contains_key(&id);
            let stream = group.streams.entry(id).or_default();
            if id.device == own {
                // D11: a member holds records of this device that this store does not know. Of an earlier run that is only news: no
                // number is used again there.
                restored |= unknown || id.inc == inc && entry.seq > stream.heard_from(author);
                // Invented incarnations have nothing to let go of, and must not grow the ledger.
                if stream.last > 0 {
                    let lanes = self.ledger.covered.entry(author).or_default();
                    let seq = lanes.entry((id.inc, id.lane)).or_default();
                    covered |= *seq < entry.seq;
                    *seq = (*seq).max(entry.seq);
                }
            }
            let word = stream.named(author, entry.seq, entry.hash, now);
            if word.differs {
                let (sender, inc, lane, seq) = (id.device, id.inc, id.lane, entry.seq);
                forks.push(Verdict::Fork { sender, inc, lane, seq, by: author });
            }
            if word.kept {
                kept.push(id);
            }
        }
        forks.into_iter().for_each(|fork| self.verdict(fork));
        if restored && self.believe_older(author) {
            // Counting anew took the own chains back to how they stood.
            for entry in seen.iter().filter(|entry| entry.device == own) {
                let id = StreamId { device: entry.device, inc: entry.inc, lane: entry.lane };
                if let Some(stream) = self.stream_mut(id) {
                    stream.named(author, entry.seq, entry.hash, now);
                }
            }
        }
        kept.into_iter().for_each(|id| self.touch(id));
        if covered {
            self.prune();
        }
    }

    /// A heads record repeats where its author's own lanes end, and all that it holds of others.
    pub(super) fn take_heads(&mut self, record: &Record) {
        let mut seen = own_lanes(record);
        seen.extend(record.seen.iter().copied());
        self.note_seen(record.sender, &seen);
    }

    /// This device itself once held more of its chains than its store knows.
    pub(super) fn adopt_heads(&mut self, record: &Record) {
        self.note_seen(record.sender, &own_lanes(record));
    }

    /// Data was applied: others should learn of it, with the next push or after some quiet.
    pub(super) fn data_applied(&mut self) {
        self.ledger.heads_due = true;
        self.timers.cancel(Timer::Heads);
    }

    pub(super) fn schedule_heads(&mut self) {
        let alone = self.group.as_ref().is_none_or(super::group::Group::is_solo);
        let quiet =
            self.is_connected() && !self.outbox.is_waiting() && self.link.as_ref().is_some_and(|link| link.caught_up);
        if self.ledger.heads_due && quiet && !alone {
            self.timers.start(Timer::Heads, self.now + self.config.limits.heads_after);
        } else {
            self.timers.cancel(Timer::Heads);
        }
    }

    /// Writes the heads record if one is due. A newer one replaces an older that has not left.
    pub(super) fn send_heads(&mut self) {
        if !std::mem::take(&mut self.ledger.heads_due) {
            return;
        }
        self.timers.cancel(Timer::Heads);
        let stale: Vec<_> = self
            .outbox
            .rows()
            .filter(|row| row.kind == Kind::Heads as u8 && !row.acked)
            .map(|row| (row.id, row.digest))
            .collect();
        for (id, digest) in stale {
            // It may be on its way: the relay may name it as the last thing it stored.
            self.ledger.acknowledged(digest);
            self.remove_row(id);
        }
        let inc = self.ledger.inc();
        let (control_seq, control_hash) = self.own_end(inc, Lane::Control);
        let payload = HeadsPayload { control_seq, control_hash }.encode();
        if self.write_record(Kind::Heads, payload.into(), None).is_err() {
            self.ledger.heads_due = true;
        }
    }

    /// Where a lane of this device ends.
    pub(super) fn own_end(&self, inc: Incarnation, lane: Lane) -> (u64, RecordHash) {
        let end = self.group.as_ref().and_then(|group| group.streams.get(&group.own(inc, lane))).map(Stream::reach);
        end.map_or((0, RecordHash([0; 16])), |(seq, hash)| (seq, hash.unwrap_or(RecordHash([0; 16]))))
    }
}

/// Where the author of a heads record says its lanes end.
fn own_lanes(record: &Record) -> Vec<SeenEntry> {
    let Ok(payload) = HeadsPayload::decode(&record.payload) else { return Vec::new() };
    let lanes = [(Lane::Data, record.seq, record.prev), (Lane::Control, payload.control_seq, payload.control_hash)];
    let entry = |(lane, seq, hash): (Lane, u64, RecordHash)| SeenEntry {
        device: record.sender,
        inc: record.inc,
        lane,
        seq,
        hash: short(hash),
    };
    lanes.into_iter().filter(|(_, seq, _)| *seq > 0).map(entry).collect()
}
