//! A store that is older than its relay: restored from a backup, or cloned.
//!
//! Three signs: the counter beside the store key is ahead; the relay names a blob as this device's last that the store does not
//! know; a page or a `seen` entry names an own record beyond the store. Then the device starts a new incarnation, so that no number
//! is used twice, and says again what was queued since it opened. Nothing is pushed before the relay's welcome, so none of that
//! has left.

use bytes::Bytes;

use crate::{
    client::{Client, Load, command::ClientEvent, ledger::remember, receive::stream_of, stream::Stream},
    ids::{Digest, OutboxId, StreamId},
    seal::record::{self, Kind, Opened},
};

/// How this device's own chains stood when the store was read.
#[derive(Debug, Default)]
pub(super) struct Opening {
    streams: Vec<(StreamId, Stream)>,
    newest: OutboxId,
    /// Records are being sealed again: nothing may leave.
    reissuing: bool,
    /// The restored store was noticed and dealt with in this run.
    settled: bool,
}

impl Client {
    /// Remembers how the own chains stand before anything is written.
    pub(super) fn remember_opening(&mut self) {
        let own = |(id, stream): (&StreamId, &Stream)| (*id, stream.clone());
        let streams = self.group.as_ref().map_or_else(Vec::new, |group| {
            group.streams.iter().filter(|(id, _)| id.device == group.device).map(own).collect()
        });
        self.opening =
            Opening { streams, newest: self.outbox.newest().unwrap_or_default(), reissuing: false, settled: false };
    }

    pub(super) fn may_push(&self) -> bool {
        !self.opening.reissuing
    }

    /// From now on this device counts anew.
    pub(super) fn start_incarnation(&mut self) {
        if self.ledger.inc != [0; 8] {
            self.ledger.earlier_inc = Some(self.ledger.inc());
        }
        self.ledger.inc = self.draws.keys.bytes();
        self.ledger.heads_due = true;
        self.opening.settled = true;
    }

    /// The relay names what this device's key stored last.
    pub(super) fn check_own(&mut self, digest: Digest) {
        if !self.ledger.own_recent.contains(&digest) && !self.is_own(digest) {
            self.store_is_older();
        }
    }

    /// An own record came back from the log.
    pub(super) fn own_record(&mut self, opened: &Opened, digest: Digest) {
        let id = stream_of(opened);
        let heads = opened.record.kind == Kind::Heads as u8;
        let known = self.group.as_ref().and_then(|group| group.streams.get(&id)).map_or(0, |stream| stream.last);
        if !heads && opened.record.seq > known {
            self.adopt_own(opened);
            return self.store_is_older();
        }
        // A16: the echo is as good as an acknowledgement; without either the same bytes go out again.
        if self.outbox.by_digest(digest).is_some_and(|row| !row.acked) {
            self.pushed(digest);
        }
    }

    /// Learns where an own chain of before the restore really ended.
    fn adopt_own(&mut self, opened: &Opened) {
        let id = stream_of(opened);
        if id.inc != self.ledger.inc() || self.opening.settled {
            if let Some(group) = &mut self.group {
                let place = self.ledger.place.map(|place| place.cursor).unwrap_or_default();
                group.streams.entry(id).or_default().accept(opened.record.seq, opened.hash, place);
            }
            self.touch(id);
        }
    }

    /// The store is older than what others hold: count anew, and say again what was queued since it opened.
    pub(super) fn store_is_older(&mut self) {
        if self.opening.settled {
            return;
        }
        self.start_incarnation();
        let since: Vec<(OutboxId, Digest)> = self
            .outbox
            .rows()
            .filter(|row| row.id > self.opening.newest && !row.acked)
            .map(|row| (row.id, row.digest))
            .collect();
        let streams = std::mem::take(&mut self.opening.streams);
        let Some(group) = &mut self.group else { return };
        let mut touched = Vec::new();
        for (id, stream) in streams {
            group.streams.insert(id, stream);
            touched.push(id);
        }
        touched.into_iter().for_each(|id| self.touch(id));
        since.iter().for_each(|(_, digest)| remember(&mut self.ledger.own_recent, *digest, 64));
        let ids: Vec<OutboxId> = since.into_iter().map(|(id, _)| id).collect();
        if !ids.is_empty() {
            self.opening.reissuing = true;
            self.load_rows(ids.clone(), Load::Reissue(ids));
        }
    }

    /// The bytes of records that must be said again.
    pub(super) fn reissue(&mut self, ids: &[OutboxId], rows: Vec<(OutboxId, Bytes)>) {
        for (id, blob) in rows {
            let Some(entry) = self.outbox.get(id).copied().filter(|_| ids.contains(&id)) else { continue };
            let Some(payload) = self.payload_of(&blob) else { continue };
            let kind = Kind::of(entry.kind).unwrap_or(Kind::Data);
            self.remove_row(id);
            if kind == Kind::Heads {
                continue;
            }
            let Ok(new) = self.write_record(kind, payload, entry.key) else { continue };
            if let Some(command) = self.pushes.remove(&id) {
                self.pushes.insert(new, command);
            }
            if let (Kind::Data, Some(row)) = (kind, self.outbox.get(new)) {
                self.event(ClientEvent::BlobReissued { old: entry.blob_id, new: row.blob_id });
            }
        }
        self.opening.reissuing = false;
    }

    /// What a sealed row of this group says.
    pub(super) fn payload_of(&self, blob: &Bytes) -> Option<Bytes> {
        let group = self.group.as_ref()?;
        let epoch = group.epoch_of(record::kid_of(blob)?)?;
        record::open(blob, &group.id, epoch).ok().map(|opened| opened.record.payload)
    }
}
