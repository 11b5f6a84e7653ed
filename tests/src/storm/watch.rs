//! What must hold at every step, seen from outside: outputs, stores and logs, never a machine's inside.

use std::collections::BTreeMap;

use zerok_core::{
    client::{
        command::{ClientEvent, Rejection, Reply},
        status::{ConnectionState, Indicator, Status},
        store::ClientOp,
        verdict::Verdict,
    },
    error::Code,
    ids::{BlobId, CommandId, Cursor, Digest, GroupId, Incarnation, Lane, Position},
    limits::{MAX_BLOB, MAX_MESSAGE},
    relay::store::Stored,
    seal::record::Kind,
    time::{Duration, Time},
};

use super::{
    NAMES, Storm,
    app::{Fate, parts},
};
use crate::sim::{Driver, Happened};

/// What is known of a blob that was durable on its device.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) digest: Digest,
    pub(super) inc: Incarnation,
    pub(super) lane: Lane,
    pub(super) seq: u64,
    pub(super) kind: u8,
}

/// A relay's log of one group, as its answers tell.
#[derive(Debug, Clone, Default)]
pub(super) struct Log {
    head: Cursor,
    chains: BTreeMap<(usize, Incarnation, Lane), u64>,
}

impl Storm {
    /// Takes what happened since the last look, in order.
    pub(super) fn look(&mut self) {
        self.count_harms();
        loop {
            let happened = self.world.happened();
            if happened.is_empty() {
                return;
            }
            for what in happened {
                match what {
                    Happened::Persisted(device, ops) => self.persisted(device, &ops),
                    Happened::Done(device, command, result) => self.answered(device, command, &result),
                    Happened::Event(device, event) => self.told(device, &event),
                    Happened::Appended(relay, group, results) => self.appended(relay, group, &results),
                    Happened::Closed(..) => {}
                }
            }
        }
    }

    fn persisted(&mut self, device: usize, ops: &[ClientOp]) {
        let erased = ops.iter().any(|op| matches!(op, ClientOp::Erase));
        if erased {
            let joins = ops.iter().any(|op| matches!(op, ClientOp::Roster(_)));
            self.membership_changes(device, joins);
        }
        for op in ops {
            match op {
                ClientOp::Enqueue(row) => {
                    let entry = &row.entry;
                    let row = Row {
                        digest: entry.digest,
                        inc: entry.inc,
                        lane: entry.lane,
                        seq: entry.seq,
                        kind: entry.kind,
                    };
                    // A heads record takes no number of its own, and would go by the name of the record before it.
                    if entry.kind == Kind::Data as u8 {
                        self.rows[device].insert(entry.blob_id, row);
                    }
                    self.digests.entry(entry.digest).or_insert((device, row));
                    // A relay that went back and forth can make it believe that its store is old.
                    let counts_anew =
                        !self.authors.contains_key(&entry.inc) && self.authors.values().any(|of| *of == device);
                    self.apps[device].reissued |= counts_anew && !self.disasters.is_empty();
                    self.authors.entry(entry.inc).or_insert(device);
                }
                ClientOp::Deliver(row) => {
                    self.delivered[device].insert(row.position);
                    self.apps[device].newest = row.position;
                }
                _ => {}
            }
        }
    }

    fn appended(&mut self, relay: usize, group: GroupId, results: &[(Digest, Stored)]) {
        let log = self.logs.entry((relay, group)).or_default();
        for (digest, stored) in results {
            let Some((device, row)) = self.digests.get(digest) else {
                panic!("the relay was given a blob that is on no device's disk");
            };
            match stored {
                Stored::At(cursor) => {
                    assert!(*cursor > log.head, "cursor {} is given out after {}", cursor.0, log.head.0);
                    log.head = *cursor;
                    // What a relay lost or expired is taken again when devices refill it, perhaps behind what came later.
                    let tidy = !self.shape.lossy && self.disasters.is_empty();
                    let original = |device: &usize| tidy && self.apps[*device].cloned.is_none();
                    if row.kind != Kind::Heads as u8 && original(device) {
                        let last = log.chains.entry((*device, row.inc, row.lane)).or_default();
                        assert!(
                            row.seq > *last,
                            "{}'s record {} stands in the log after {last}",
                            NAMES[*device],
                            row.seq
                        );
                        *last = row.seq;
                    }
                }
                Stored::Duplicate(_) => {}
                Stored::Refused(_) => continue,
            }
            self.stored[relay].insert(*digest);
        }
    }

    /// A relay's log is not what it was.
    pub(super) fn forget_log(&mut self, relay: usize) {
        let store = &self.world.relay_node(relay).store;
        let heads: BTreeMap<GroupId, Cursor> =
            store.groups().into_iter().map(|group| (group, store.head(&group))).collect();
        self.logs.retain(|(of, _), _| *of != relay);
        for (group, head) in heads {
            self.logs.insert((relay, group), Log { head, chains: BTreeMap::new() });
        }
    }

    /// Whether any relay ever committed it.
    pub(super) fn ever_stored(&self, digest: Digest) -> bool {
        self.stored.iter().any(|stored| stored.contains(&digest))
    }

    fn answered(&mut self, device: usize, command: CommandId, result: &Result<Reply, Rejection>) {
        if let Err(rejection) = result {
            self.counts.code(rejection.code);
        }
        let name = NAMES[device];
        match result {
            Ok(Reply::Pulled(pulled)) => {
                let Some(after) = self.apps[device].pulls.remove(&command) else { return };
                for blob in &pulled.blobs {
                    assert!(
                        self.delivered[device].contains(&blob.cursor),
                        "{name}: what was returned at {} is not on its disk",
                        blob.cursor.0
                    );
                    self.was_pushed(device, &blob.data);
                }
                let mut read = 0;
                // What was asked before a copy was restored, or a group left, is answered to nobody.
                if after <= self.apps[device].db.cursor {
                    let two: Vec<bool> = self.apps.iter().map(|app| app.cloned.is_some()).collect();
                    let anew: Vec<bool> = self.apps.iter().map(|app| app.reissued).collect();
                    let app = &mut self.apps[device];
                    let (two, anew) = (|sender: usize| two[sender], |sender: usize| anew[sender]);
                    read = app.process(name, after, pulled, two, anew, |text| self.said_twice.contains(text));
                }
                self.counts.reads += read as u64;
            }
            Ok(Reply::Queued { blob_id }) => {
                self.is_durable(device, *blob_id);
                self.push_answered(device, command, Fate::Promised, Some(*blob_id));
            }
            Ok(Reply::Pushed { blob_id, .. }) => {
                self.is_at_relay(device, *blob_id);
                self.push_answered(device, command, Fate::Promised, Some(*blob_id));
            }
            Ok(Reply::Invited { code, qr, .. }) => self.invited(device, command, code, qr),
            Err(Rejection { code: Code::Pending, blob_id: Some(blob_id), .. }) => {
                self.is_durable(device, *blob_id);
                self.push_answered(device, command, Fate::Promised, Some(*blob_id));
            }
            Err(rejection) => {
                // A failed disk may have written what it said it did not, and who gives up does not ask what became of it.
                let unknown = matches!(rejection.code, Code::StorageFailed | Code::Cancelled | Code::Pending);
                let fate = if unknown { Fate::Unknown } else { Fate::Refused };
                self.push_answered(device, command, fate, None);
                self.apps[device].pulls.remove(&command);
            }
            Ok(_) => {}
        }
    }

    fn push_answered(&mut self, device: usize, command: CommandId, fate: Fate, blob: Option<BlobId>) {
        let asked = self.apps[device].pushes.iter_mut().rev().find(|push| push.command == command);
        let Some(push) = asked.filter(|push| push.fate == Fate::Asked) else { return };
        // Refused now, but an earlier process may have stored it.
        push.fate = if fate == Fate::Refused && push.retried { Fate::Unknown } else { fate };
        push.blob = blob;
        if fate == Fate::Promised {
            self.counts.pushes += 1;
        }
    }

    fn is_durable(&self, device: usize, blob: BlobId) {
        assert!(
            self.rows[device].contains_key(&blob),
            "{}: an answer speaks of a blob that is not on its disk",
            NAMES[device]
        );
    }

    fn is_at_relay(&self, device: usize, blob: BlobId) {
        let Some(row) = self.rows[device].get(&blob) else {
            panic!("{}: what is called synced was never on its disk", NAMES[device]);
        };
        assert!(self.ever_stored(row.digest), "{}: what is called synced is on no relay's disk", NAMES[device]);
    }

    fn was_pushed(&self, device: usize, data: &[u8]) {
        let text = super::app::name_of(data);
        let Some((sender, ..)) = parts(&text) else {
            // What a member in the wrong hands signs is a member's word all the same.
            assert!(self.mole.is_some(), "{} read {text:?}, which nobody pushed", NAMES[device]);
            return;
        };
        let push = self.apps.get(sender).and_then(|app| app.pushes.iter().find(|push| push.text == text));
        let Some(push) = push else { panic!("{} read {text:?}, which nobody pushed", NAMES[device]) };
        assert!(push.fate != Fate::Refused, "{} read {text:?}, which was refused", NAMES[device]);
    }

    fn told(&mut self, device: usize, event: &ClientEvent) {
        let now = self.world.now();
        match event {
            ClientEvent::Status(status) => {
                status.last_error.into_iter().for_each(|code| self.counts.code(code));
                // What is reported late, by a sluggish driver or after a sleep, was true when it was said.
                let node = &self.world.devices[device];
                if node.driver != Driver::Sluggish && !node.wakes_at(now) {
                    self.check_status(device, status);
                }
            }
            ClientEvent::Disconnected { code } | ClientEvent::InviteEnded { code } | ClientEvent::Problem(code) => {
                self.counts.code(*code);
            }
            ClientEvent::BlobAvailable { id, cursor, .. } => {
                assert!(
                    self.delivered[device].contains(cursor),
                    "{}: told of a blob at {} that is not on its disk",
                    NAMES[device],
                    cursor.0
                );
                self.known[device].insert(*id);
            }
            ClientEvent::BlobSynced { id, .. } => self.is_at_relay(device, *id),
            ClientEvent::BlobReissued { old, new } => {
                for push in &mut self.apps[device].pushes {
                    if push.before == Some(*old) {
                        self.said_twice.insert(push.text.clone());
                    } else if push.blob != Some(*old) {
                        continue;
                    }
                    (push.before, push.blob) = (Some(*old), Some(*new));
                }
            }
            ClientEvent::DeviceJoined { device: joined, .. } => {
                self.apps[device].greeted.entry(*joined).or_insert(now);
            }
            ClientEvent::InviteUsed { .. } => {
                let mut held = self.known[device].clone();
                held.extend(self.rows[device].keys());
                held.extend(self.told_missing(device));
                self.handovers.push((now, held));
            }
            ClientEvent::Verdict { verdict, .. } => {
                self.counts.code(verdict.code());
                if *verdict == Verdict::RelayReset {
                    self.apps[device].reset = Some(now);
                }
                self.apps[device].verdicts.push(*verdict);
            }
            ClientEvent::Connected { .. } | ClientEvent::Joined { .. } | ClientEvent::Progress { .. } => {}
        }
    }

    /// Blobs that a device was told are missing. Whom it invites begins behind them.
    fn told_missing(&self, device: usize) -> Vec<BlobId> {
        let mut missing = Vec::new();
        for verdict in &self.apps[device].verdicts {
            let Verdict::Gap { inc, lane: Lane::Data, from, to, .. } = verdict else { continue };
            let Some(author) = self.authors.get(inc) else { continue };
            let named = |row: &Row| row.inc == *inc && row.lane == Lane::Data && (*from..=*to).contains(&row.seq);
            missing.extend(self.rows[*author].iter().filter(|(_, row)| named(row)).map(|(id, _)| *id));
        }
        missing
    }

    /// A device's store was erased: it joins a group with what it had queued, or leaves one without.
    fn membership_changes(&mut self, device: usize, joins: bool) {
        let now = self.world.now();
        let in_time = |at: &Time| now.since(*at) < Duration::from_secs(900);
        let handed = self.handovers.iter().filter(|(at, _)| in_time(at)).flat_map(|(_, held)| held.iter().copied());
        let baseline = handed.collect();
        let at_relay: Vec<bool> = self.apps[device]
            .pushes
            .iter()
            .map(|push| {
                let row = push.blob.and_then(|blob| self.rows[device].get(&blob));
                row.is_some_and(|row| self.ever_stored(row.digest))
            })
            .collect();
        let begun = self.begun;
        let app = &mut self.apps[device];
        for (push, at_relay) in app.pushes.iter_mut().zip(at_relay) {
            // What the old group's relay has stays with the old group; what was queued moves to the new one, or is given up.
            if push.fate == Fate::Promised && (at_relay || !joins) || push.fate == Fate::Asked {
                push.fate = Fate::Unknown;
            }
        }
        app.moved = begun.then_some(now);
        app.forgot = app.db.cursor;
        app.newest = Position(0);
        app.db.begin_group();
        app.memberships += 1;
        app.baseline = baseline;
        if !joins {
            app.era += 1;
            app.left = true;
        }
    }

    fn check_status(&self, device: usize, status: &Status) {
        let (name, node) = (NAMES[device], &self.world.devices[device]);
        if status.indicator == Indicator::Synced {
            let unreachable = matches!(status.state, ConnectionState::Disabled | ConnectionState::Offline);
            assert!(!unreachable, "{name} shows synced where no relay can be reached");
            assert_eq!(status.pending, 0, "{name} shows synced with something pending");
            for entry in node.store.outbox().filter(|entry| entry.kind == Kind::Data as u8 && !entry.acked) {
                assert!(
                    self.ever_stored(entry.digest),
                    "{name} shows synced while its record {} is on no relay's disk",
                    entry.seq
                );
            }
        }
        assert!(
            status.indicator != Indicator::Failed || status.last_error.is_some(),
            "{name} shows failed and says nothing of why"
        );
    }

    /// Every bound, and what every status says now.
    pub(super) fn check_limits(&self) {
        let limits = super::client_limits(self.shape.tight);
        for (device, node) in self.world.devices.iter().enumerate() {
            let name = NAMES[device];
            let most = limits.window + MAX_MESSAGE;
            assert!(node.unwritten <= most, "{name} has {} bytes on its way into a link", node.unwritten);
            let sizes = node.store.sizes();
            let most = usize::try_from(limits.outbox_unsent).unwrap_or(usize::MAX).saturating_add(MAX_BLOB);
            assert!(sizes.unsent <= most, "{name} has {} unsent bytes", sizes.unsent);
            // A page may pass the bound, and all that was held behind one of its records; read blobs stay a while.
            let most =
                limits.inbox_unread + limits.inbox_read + 2 * u64::from(limits.page_bytes) + limits.held.1 as u64;
            let most = usize::try_from(most).unwrap_or(usize::MAX);
            assert!(sizes.inbox <= most + 4096, "{name} has {} bytes in its inbox", sizes.inbox);
            assert!(sizes.held_rows <= limits.held.0 && sizes.held <= limits.held.1, "{name} holds {sizes:?}");
            assert!(sizes.verdicts <= 1024, "{name} keeps {} findings", sizes.verdicts);
            if let Some(client) = node.client.as_ref().filter(|_| !node.stopped && !node.is_asleep()) {
                self.check_status(device, &client.status());
            }
        }
    }
}
