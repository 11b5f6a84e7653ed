//! Somebody who sees every disk, every screen and every message, and knows what must hold between them.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use zerok_core::{
    client::{
        command::{ClientEvent, Rejection, Reply},
        status::Indicator,
        store::ClientOp,
    },
    ids::{BlobId, Cursor, Digest, GroupId, Lane, Position},
    wire::message::{ToDevice, ToRelay},
};
use zerok_testkit::{
    sim::Said,
    store::{client::MemoryClientStore, relay::MemoryRelayStore},
};

/// A rule that was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Broken {
    /// An application was told that the relay holds a blob, and the relay's disk does not.
    AckedNotHeld,
    /// An application was given the id of a blob that no disk holds.
    AcceptedNotHeld,
    /// A device sent a blob, or acknowledged one, that its own disk does not hold.
    SaidBeforeDurable,
    /// The relay showed a blob that its own disk does not hold.
    ShownBeforeDurable,
    /// One record stands twice in the relay's log, in one form or two.
    RepeatedInLog,
    /// A device holds a record twice, out of its sender's order, or without an earlier one.
    WrongInbox,
    /// One position was given to two blobs.
    PositionReused,
}

/// One data record, whatever bytes it was sealed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Sealed {
    device: usize,
    seq: u64,
    blob_id: BlobId,
}

/// What was seen so far.
#[derive(Debug, Clone, Default, Hash)]
pub(crate) struct Witness {
    /// Data records by the digest of their blob, as devices handed them to their disks.
    sealed: BTreeMap<Digest, Sealed>,
    /// Blobs that applications know to be safe.
    accepted: BTreeSet<BlobId>,
    /// Positions shown to each device's application.
    positions: BTreeMap<(usize, Position), BlobId>,
    /// What was there at the start.
    old: BTreeSet<Digest>,
    broken: BTreeSet<Broken>,
}

impl Witness {
    /// What the stores hold before anything happens is nobody's concern.
    pub(crate) fn begin<'a>(&mut self, devices: impl Iterator<Item = &'a MemoryClientStore>, relay: &MemoryRelayStore) {
        self.old.extend(log(relay).map(|(_, blob)| Digest::of(&blob)));
        self.old.extend(devices.flat_map(inbox).map(|blob| Digest::of(&blob)));
    }

    /// Whether a rule was broken on the way here.
    pub(crate) fn saw(&self, broken: Broken) -> bool {
        self.broken.contains(&broken)
    }

    /// Whether every device has every record of the others.
    pub(crate) fn is_complete<'a>(&self, devices: impl Iterator<Item = &'a MemoryClientStore>) -> bool {
        devices.enumerate().all(|(device, store)| {
            let has: BTreeSet<BlobId> = self.received(store).iter().map(|sealed| sealed.blob_id).collect();
            self.sealed.values().filter(|sealed| sealed.device != device).all(|sealed| has.contains(&sealed.blob_id))
        })
    }

    /// Whether every device has every record of the others that a crash has left on some disk.
    pub(crate) fn has_arrived(&self, devices: &[&MemoryClientStore], relay: &MemoryRelayStore) -> bool {
        let logged =
            log(relay).filter_map(|(_, blob)| self.sealed.get(&Digest::of(&blob)).map(|sealed| sealed.blob_id));
        let mut kept: BTreeSet<BlobId> = logged.collect();
        kept.extend(devices.iter().flat_map(|store| store.outbox().map(|entry| entry.blob_id)));
        devices.iter().enumerate().all(|(device, store)| {
            let has: BTreeSet<BlobId> = self.received(store).iter().map(|sealed| sealed.blob_id).collect();
            let others = self.sealed.values().filter(|sealed| sealed.device != device);
            others.filter(|sealed| kept.contains(&sealed.blob_id)).all(|sealed| has.contains(&sealed.blob_id))
        })
    }

    /// A device hands a batch to its disk.
    pub(crate) fn sealed(&mut self, device: usize, ops: &[ClientOp]) {
        for op in ops {
            if let ClientOp::Enqueue(row) = op
                && row.entry.lane == Lane::Data
            {
                let sealed = Sealed { device, seq: row.entry.seq, blob_id: row.entry.blob_id };
                self.sealed.insert(row.entry.digest, sealed);
            }
        }
    }

    /// An application gets an answer.
    pub(crate) fn answered(
        &mut self,
        result: &Result<Reply, Rejection>,
        device: &MemoryClientStore,
        relay: &MemoryRelayStore,
    ) {
        match result {
            Ok(Reply::Pushed { blob_id, .. }) => self.acked(*blob_id, relay),
            Err(Rejection { blob_id: Some(blob_id), .. }) => {
                let queued = device.image().outbox.iter().any(|entry| entry.blob_id == *blob_id);
                self.check(queued, Broken::AcceptedNotHeld);
                self.accepted.insert(*blob_id);
            }
            _ => {}
        }
    }

    /// An application is told something.
    pub(crate) fn told(
        &mut self,
        device: usize,
        event: &ClientEvent,
        store: &MemoryClientStore,
        relay: &MemoryRelayStore,
    ) {
        match event {
            ClientEvent::Status(status) if status.indicator == Indicator::Synced => {
                let waits = store.outbox().any(|row| row.lane == Lane::Data && !row.acked);
                self.check(!waits, Broken::AckedNotHeld);
            }
            ClientEvent::BlobSynced { id, .. } => self.acked(*id, relay),
            ClientEvent::BlobAvailable { id, cursor, .. } => {
                let first = *self.positions.entry((device, *cursor)).or_insert(*id);
                self.check(first == *id, Broken::PositionReused);
            }
            _ => {}
        }
    }

    /// A device sends a message.
    pub(crate) fn device_said(&mut self, said: &Said, device: &MemoryClientStore, relay: &MemoryRelayStore) {
        match said {
            Said::ToRelay(ToRelay::Push { blobs, .. }) => {
                let outbox: BTreeSet<Digest> = device.image().outbox.iter().map(|entry| entry.digest).collect();
                let kept = blobs.iter().all(|blob| outbox.contains(&Digest::of(blob)));
                self.check(kept, Broken::SaidBeforeDurable);
            }
            Said::ToRelay(ToRelay::Ack { cursor }) => {
                let has: BTreeSet<Digest> = inbox(device).iter().map(|blob| Digest::of(blob)).collect();
                let own: BTreeSet<Digest> = device.image().outbox.iter().map(|entry| entry.digest).collect();
                let kept = log(relay)
                    .filter(|(at, _)| at <= cursor)
                    .map(|(_, blob)| Digest::of(&blob))
                    .all(|digest| !self.sealed.contains_key(&digest) || has.contains(&digest) || own.contains(&digest));
                self.check(kept, Broken::SaidBeforeDurable);
            }
            _ => {}
        }
    }

    /// The relay sends a message.
    pub(crate) fn relay_said(&mut self, said: &Said, relay: &MemoryRelayStore) {
        let held: BTreeSet<Cursor> = log(relay).map(|(cursor, _)| cursor).collect();
        let shown = match said {
            Said::ToDevice(ToDevice::Page(page)) => page.entries.iter().all(|(cursor, _)| held.contains(cursor)),
            Said::ToDevice(ToDevice::News(news)) => held.contains(&news.cursor),
            _ => true,
        };
        self.check(shown, Broken::ShownBeforeDurable);
    }

    /// Looks at every disk.
    pub(crate) fn look<'a>(&mut self, devices: impl Iterator<Item = &'a MemoryClientStore>, relay: &MemoryRelayStore) {
        let mut seen = BTreeSet::new();
        let mut queued = BTreeSet::new();
        for (_, blob) in log(relay) {
            if let Some(sealed) = self.sealed.get(&Digest::of(&blob)) {
                let first = seen.insert(sealed.blob_id);
                self.check(first, Broken::RepeatedInLog);
            }
        }
        for (device, store) in devices.enumerate() {
            let mut next: BTreeMap<usize, u64> = BTreeMap::new();
            queued.extend(store.image().outbox.iter().map(|entry| entry.blob_id));
            for sealed in self.received(store) {
                let expected = *next.entry(sealed.device).or_insert_with(|| self.first_of(sealed.device));
                self.check(sealed.seq == expected && sealed.device != device, Broken::WrongInbox);
                next.insert(sealed.device, sealed.seq + 1);
            }
        }
        let held = self.accepted.iter().all(|id| seen.contains(id) || queued.contains(id));
        self.check(held, Broken::AcceptedNotHeld);
    }

    fn acked(&mut self, blob_id: BlobId, relay: &MemoryRelayStore) {
        let digests: BTreeSet<Digest> = log(relay).map(|(_, blob)| Digest::of(&blob)).collect();
        let held = self.sealed.iter().any(|(digest, sealed)| sealed.blob_id == blob_id && digests.contains(digest));
        self.check(held, Broken::AckedNotHeld);
        self.accepted.insert(blob_id);
    }

    fn received(&self, store: &MemoryClientStore) -> Vec<Sealed> {
        let digests =
            inbox(store).into_iter().map(|blob| Digest::of(&blob)).filter(|digest| !self.old.contains(digest));
        digests.filter_map(|digest| self.sealed.get(&digest).copied()).collect()
    }

    fn first_of(&self, device: usize) -> u64 {
        self.sealed.values().filter(|sealed| sealed.device == device).map(|sealed| sealed.seq).min().unwrap_or(0)
    }

    fn check(&mut self, holds: bool, broken: Broken) {
        if !holds {
            self.broken.insert(broken);
        }
    }
}

fn log(relay: &MemoryRelayStore) -> impl Iterator<Item = (Cursor, Bytes)> {
    let groups: Vec<GroupId> = relay.groups();
    groups.into_iter().flat_map(|group| relay.log(&group))
}

/// Received blobs in order of position.
fn inbox(store: &MemoryClientStore) -> Vec<Bytes> {
    use zerok_core::client::store::{ClientAnswer, ClientQuery};
    let all = ClientQuery::Inbox { after: Position(0), max_bytes: u32::MAX, own: false };
    match store.load(&all) {
        ClientAnswer::Inbox(rows) => rows.into_iter().map(|row| row.blob).collect(),
        _ => Vec::new(),
    }
}
