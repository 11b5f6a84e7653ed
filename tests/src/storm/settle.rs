//! After the storm: everything is mended, time passes, and what must hold at the end is looked at.
//!
//! Quiescence is not awaited for ever: within [`CALM`] of virtual time everybody is synced and has read everything.

use std::collections::{BTreeMap, BTreeSet};

use zerok_core::{
    client::{
        command::{ClientCommand, Lifecycle, Reply, Report},
        verdict::Verdict,
    },
    error::Code,
    ids::{DeviceId, Digest, GroupId, Incarnation, Lane},
    seal::record::Kind,
    time::{Duration, Time},
};

use super::{
    NAMES, Storm,
    app::{Fate, Push},
    watch::Row,
};
use crate::sim::{Disk, Driver, Path};

/// The bound. A relay may send a device away for a quarter of an hour, and a refilled log refills again after an hour at the earliest.
const CALM: Duration = Duration::from_secs(90 * 60);
/// After which it is looked whether all is calm, for the first time.
const FIRST: Duration = Duration::from_secs(4);
/// What other devices name and the relay does not give is missing after ten minutes.
const NAMED: Duration = Duration::from_secs(16 * 60);
/// A log that was lost is refilled at most once an hour, and a hole in it is one after that.
const REFILLED: Duration = Duration::from_secs(90 * 60);

impl Storm {
    pub(super) fn settle(&mut self) {
        self.world.transcript.remark(self.world.now(), "the storm is over");
        self.mend();
        self.become_calm("after the storm");
        for device in self.everyone() {
            let mut synced = None;
            for _ in 0..40 {
                synced = self.call(device, ClientCommand::SyncNow);
                match &synced {
                    // More has come than there is room for: it must be read first.
                    Some(Err(rejection)) if rejection.code == Code::InboxFull => self.read_all(device),
                    // The link was dead, and nobody had noticed.
                    Some(Err(rejection)) if rejection.code == Code::Offline => self.run(Duration::from_secs(5)),
                    _ => break,
                }
            }
            assert!(
                matches!(synced, Some(Ok(Reply::Done))),
                "{} cannot sync in good weather: {synced:?}",
                NAMES[device]
            );
        }
        self.run(if self.disasters.is_empty() { NAMED } else { REFILLED });
        self.become_calm("in good weather");
        // The last question may still wait for a relay.
        self.run(Duration::from_secs(30));
        self.become_calm("at last");
        for device in self.everyone() {
            let open = self.world.devices[device].unanswered();
            assert!(open.is_empty(), "{} never answered {open:?}", NAMES[device]);
        }
        let reports: BTreeMap<usize, Report> =
            self.everyone().into_iter().map(|device| (device, self.report(device))).collect();
        let store = &self.world.relay.store;
        let logs = store.groups().into_iter().flat_map(|group| store.log(&group));
        self.at_relay = logs.map(|(_, blob)| Digest::of(&blob)).collect();
        self.compare(&reports);
    }

    /// Devices that are there at the end.
    fn everyone(&self) -> Vec<usize> {
        let mole = self.shape.lossy.then_some(self.shape.members as usize);
        let clone = |device: usize| self.clones.iter().any(|(clone, _)| *clone == device);
        (0..self.world.devices.len()).filter(|device| Some(*device) != mole && !clone(*device)).collect()
    }

    fn mend(&mut self) {
        for (clone, _) in self.clones.clone() {
            self.ended(clone);
            self.world.kill_device(clone);
        }
        for relay in 0..=self.world.others.len() {
            self.calm_relay(relay);
        }
        for device in self.everyone() {
            self.calm(device);
            let node = &mut self.world.devices[device];
            assert!(node.disk == Disk::Good && node.path == Path::default());
            node.driver = Driver::Lazy;
        }
        self.run(Duration::from_secs(2));
        for device in self.everyone() {
            // Whoever ended by itself in the last moment, or was about to.
            self.start(device);
            self.world.signal(device, Lifecycle::Started);
            self.send(device, ClientCommand::Enable { name: NAMES[device].into() });
            let address = self.world.relay.address();
            let command =
                if self.shape.disasters { ClientCommand::SetRelay(address) } else { ClientCommand::Configure(address) };
            self.send(device, command);
            self.send(device, ClientCommand::CancelInvite);
        }
        self.look();
    }

    fn become_calm(&mut self, when: &str) {
        let until = self.world.now() + CALM;
        let mut pause = FIRST;
        loop {
            self.run(pause);
            // Who ended by itself meanwhile: a relay that was told to, a device whose disk had refused something.
            (0..=self.world.others.len()).for_each(|relay| self.start_relay(relay));
            for device in self.everyone() {
                self.start(device);
            }
            let read = self.counts.reads;
            match self.restless() {
                None => return,
                Some(why) => assert!(self.world.now() < until, "no calm {when}: {why}"),
            }
            // Who reads has made room, and there may be more.
            pause = if self.counts.reads > read { FIRST } else { (pause * 2).min(Duration::from_secs(240)) };
        }
    }

    /// Why somebody has not come to rest, if so.
    fn restless(&mut self) -> Option<String> {
        let before = self.counts.reads;
        for device in self.everyone() {
            self.read_all(device);
        }
        if self.counts.reads > before {
            return Some("somebody has read something just now".into());
        }
        for device in self.everyone() {
            let (name, node) = (NAMES[device], &self.world.devices[device]);
            if !node.is_synced() {
                return Some(format!(
                    "{name} is not synced: {:?}",
                    node.client.as_ref().map(zerok_core::client::Client::status)
                ));
            }
            let app = &self.apps[device];
            if app.newest > app.db.cursor {
                return Some(format!("{name} has not read all: it stands at {}", app.db.cursor.0));
            }
        }
        None
    }

    fn read_all(&mut self, device: usize) {
        loop {
            let before = self.counts.reads;
            self.read(device, 3 * 2 + 1);
            self.run(Duration::from_millis(200));
            if self.counts.reads == before {
                return;
            }
        }
    }

    fn report(&mut self, device: usize) -> Report {
        match self.call(device, ClientCommand::Inspect) {
            Some(Ok(Reply::Report(report))) => *report,
            other => panic!("{} does not report: {other:?}", NAMES[device]),
        }
    }

    fn compare(&self, reports: &BTreeMap<usize, Report>) {
        let mut groups: BTreeMap<GroupId, Vec<usize>> = BTreeMap::new();
        for (device, report) in reports {
            let Some(identity) = &report.identity else { panic!("{} belongs to no group", NAMES[*device]) };
            groups.entry(identity.group).or_default().push(*device);
        }
        for (group, members) in &groups {
            let head = self.world.relay.store.head(group);
            for device in members {
                let at = reports[device].relay_cursor;
                assert_eq!(at, head, "{} stands at {} of {}", NAMES[*device], at.0, head.0);
                assert!(reports[device].pending.is_empty(), "{} has something pending", NAMES[*device]);
            }
            let ids: BTreeMap<DeviceId, usize> = members
                .iter()
                .filter_map(|device| reports[device].identity.map(|identity| (identity.device, *device)))
                .collect();
            for (reader, sender) in members.iter().flat_map(|a| members.iter().map(move |b| (*a, *b))) {
                if reader != sender {
                    self.same_roster(reader, sender, reports);
                    self.same_chains(reader, sender, &ids);
                    // Records of a sender whose admission is missing are held.
                    let known = reports[&reader].devices.iter().any(|member| ids.get(&member.id) == Some(&sender));
                    if known || !self.missed_an_admission(reader) {
                        let id = reports[&reader].identity.map(|identity| identity.device);
                        self.arrived(reader, sender, &reports[&reader], id);
                    }
                }
            }
        }
        for (device, report) in reports {
            self.findings(*device, report);
        }
    }

    fn same_roster(&self, one: usize, other: usize, reports: &BTreeMap<usize, Report>) {
        if [one, other].iter().any(|device| self.missed_an_admission(*device)) {
            return;
        }
        let roster = |device: &usize| -> BTreeSet<(DeviceId, String)> {
            reports[device].devices.iter().map(|member| (member.id, member.name.clone())).collect()
        };
        assert_eq!(roster(&one), roster(&other), "{} and {} know different rosters", NAMES[one], NAMES[other]);
    }

    /// What both have of a chain ends at the same record, unless some of it is missing or was written by two.
    fn same_chains(&self, one: usize, other: usize, ids: &BTreeMap<DeviceId, usize>) {
        let chains = |device: usize| {
            self.world.devices[device].client.as_ref().map(zerok_core::client::Client::chains).unwrap_or_default()
        };
        let cut: BTreeSet<Incarnation> =
            self.lost.keys().filter_map(|digest| self.digests.get(digest)).map(|(_, row)| row.inc).collect();
        let (own, others) = (chains(one), chains(other));
        for (id, end) in own.iter().filter(|(id, _)| ids.contains_key(&id.device)) {
            let author = ids[&id.device];
            if cut.contains(&id.inc) || self.has_two_pasts(author) || self.is_refilled_badly(author) {
                continue;
            }
            if let Some(known) = others.get(id) {
                assert_eq!(
                    end, known,
                    "{} and {} end a chain of {} differently",
                    NAMES[one], NAMES[other], NAMES[author]
                );
            }
        }
    }

    /// It was cloned, or put back to an earlier state.
    fn has_two_pasts(&self, device: usize) -> bool {
        let app = &self.apps[device];
        app.cloned.is_some() || app.restored.is_some()
    }

    /// A relay lost its log, and the author of records, who alone refills it, has left; or some clock jumped so far that who keeps
    /// records for that case did not, or who waits for them gave up.
    fn is_refilled_badly(&self, author: usize) -> bool {
        !self.disasters.is_empty() && (self.apps[author].left || self.apps.iter().any(|app| app.lost_time))
    }

    /// What went with a log that was lost twice, and is refilled later than a device waits that did not hear of the last loss: an author
    /// refills once an hour, and such a device finds nothing wrong but a hole.
    fn may_come_late(&self, reader: usize, digest: &Digest) -> bool {
        self.missed_the_last_loss(reader) && self.washed_away.contains(digest)
    }

    /// Of several losses of logs a device was not told of the last, neither by its relay nor by who invited it since.
    fn missed_the_last_loss(&self, device: usize) -> bool {
        let app = &self.apps[device];
        self.disasters.len() > 1 && app.reset.max(app.moved) <= self.disasters.iter().max().copied()
    }

    /// It went with a log, and nobody has brought it again.
    fn is_gone(&self, digest: &Digest) -> bool {
        self.washed_away.contains(digest) && !self.at_relay.contains(digest)
    }

    /// What a device does not have, or not in time, may be an admission: only its author refills a record, and that one has left or
    /// takes the time for another, or it came too late.
    fn missed_an_admission(&self, device: usize) -> bool {
        if !self.disasters.is_empty() && self.apps.iter().any(|app| app.left || app.lost_time) {
            return true;
        }
        let control = |verdict: &Verdict| matches!(verdict, Verdict::Gap { lane: Lane::Control, .. });
        self.missed_the_last_loss(device) && self.apps[device].verdicts.iter().any(control)
    }

    /// What a sender was promised has reached a reader, or the reader can say what is missing.
    fn arrived(&self, reader: usize, sender: usize, report: &Report, id: Option<DeviceId>) {
        for push in self.apps[sender].pushes.iter().filter(|push| push.fate == Fate::Promised) {
            let waived = || self.is_waived(reader, sender, push, id) || self.went_unseen(reader, sender, push);
            if self.apps[reader].db.texts.contains_key(&push.text) || waived() {
                continue;
            }
            let named = self.is_named(push, reader, sender, report);
            assert!(
                named,
                "{} never got {} of {}, promised at {} ms; findings {:?}",
                NAMES[reader],
                push.text,
                NAMES[sender],
                push.at.0 / 1000,
                report.verdicts
            );
        }
    }

    /// What nobody owes to a reader.
    fn is_waived(&self, reader: usize, sender: usize, push: &Push, id: Option<DeviceId>) -> bool {
        let (from, to) = (&self.apps[sender], &self.apps[reader]);
        // Two devices with one identity contradict each other, which is found and said.
        if from.cloned.is_some() || to.cloned.is_some() {
            return true;
        }
        // Whoever joins later is owed what its inviter did not hold.
        if push.blob.is_some_and(|blob| to.baseline.contains(&blob)) {
            return true;
        }
        let Some(last) = self.disasters.iter().max() else { return false };
        // Who leaves refills nothing, and where nobody had it yet, nobody knows that it was.
        if from.left && push.at <= *last {
            return true;
        }
        // A relay that lost what it had acknowledged is refilled by those who still keep it: for devices they knew of, and did not
        // take for gone.
        let known_since = id.and_then(|id| from.greeted.get(&id)).copied().unwrap_or(Time(u64::MAX));
        let newcomer = to.moved.is_some() && push.at <= known_since && push.at <= *last;
        newcomer || from.lost_time || to.lost_time || from.restored.is_some() || to.restored.is_some()
    }

    /// The relay lost the last record of a chain before anybody read it: nobody can tell that it was until its author says more.
    fn went_unseen(&self, reader: usize, sender: usize, push: &Push) -> bool {
        let Some(row) = push.blob.and_then(|blob| self.rows[sender].get(&blob)) else { return false };
        let others = self.apps.iter().enumerate().filter(|(device, _)| *device != reader && *device != sender);
        let later = |other: &Row| other.inc == row.inc && other.lane == row.lane && other.seq > row.seq;
        self.lost.contains_key(&row.digest)
            && !self.rows[sender].values().any(|other| later(other) && !self.lost.contains_key(&other.digest))
            && others.into_iter().all(|(_, app)| !app.db.texts.contains_key(&push.text))
    }

    /// Whether a finding of the reader says that it is missing, and the relay cannot give it.
    fn is_named(&self, push: &Push, reader: usize, sender: usize, report: &Report) -> bool {
        let Some(row) = push.blob.and_then(|blob| self.rows[sender].get(&blob)) else { return false };
        let at = match self.lost.get(&row.digest) {
            Some(at) => Some(*at),
            None if self.is_refilled_badly(sender) || self.may_come_late(reader, &row.digest) => None,
            None => return false,
        };
        // What the application has settled was told to it.
        let told = &self.apps[reader].verdicts;
        report.verdicts.iter().map(|(_, verdict)| verdict).chain(told).any(|verdict| match verdict {
            Verdict::Gap { inc, lane, from, to, .. } => {
                *inc == row.inc && *lane == Lane::Data && (*from..=*to).contains(&row.seq)
            }
            Verdict::Tampered { cursor } => Some(*cursor) == at,
            Verdict::MissingEpoch { kid } => self.false_kids.contains(kid),
            _ => false,
        })
    }

    /// Nobody is accused without reason.
    fn findings(&self, device: usize, report: &Report) {
        for verdict in report.verdicts.iter().map(|(_, verdict)| verdict).chain(&self.apps[device].verdicts) {
            assert!(self.is_fair(device, verdict), "{} found {verdict:?}, though nobody did that", NAMES[device]);
        }
    }

    fn is_fair(&self, device: usize, verdict: &Verdict) -> bool {
        let mole = |device: &DeviceId| self.mole.as_ref().is_some_and(|mole| mole.device == *device);
        let author = |inc: &Incarnation| self.authors.get(inc).copied();
        let cloned = |inc: &Incarnation| author(inc).is_some_and(|author| self.apps[author].cloned.is_some());
        let clones = !self.clones.is_empty();
        match verdict {
            // A relay whose row rotted where a device stands is not told from one with another log.
            Verdict::RelayReset => !self.lost.is_empty() || !self.disasters.is_empty(),
            // Where a liar's word came first, it is the honest one that contradicts.
            Verdict::Fork { inc, seq, by, .. } => {
                mole(by) || self.forged.contains(&(*inc, *seq)) || cloned(inc) || clones
            }
            Verdict::Equivocation { device, inc, .. } => mole(device) || cloned(inc),
            Verdict::Gap { sender, inc, lane, from, to, .. } => {
                let author = author(inc);
                mole(sender)
                    || author.is_some_and(|author| self.apps[author].cloned.is_some())
                    || author.is_some_and(|author| self.is_refilled_badly(author))
                    || self.are_lost(device, *inc, *lane, *from, *to)
            }
            Verdict::Tampered { cursor } => self.lies.contains(cursor) || self.lost.values().any(|at| at == cursor),
            Verdict::MissingEpoch { kid } => self.false_kids.contains(kid),
            Verdict::UnknownDevice { device: stranger } => {
                self.strangers.contains(stranger) || self.missed_an_admission(device)
            }
            Verdict::RestoredTooOften { device } => mole(device) || clones,
        }
    }

    /// Each of these records was lost by the relay, or came too late for this device.
    fn are_lost(&self, reader: usize, inc: Incarnation, lane: Lane, from: u64, to: u64) -> bool {
        let late = self.washed_away.iter().filter(|digest| self.is_gone(digest) || self.may_come_late(reader, digest));
        let rows = self.lost.keys().chain(late).filter_map(|digest| self.digests.get(digest)).map(|(_, row)| row);
        let lost: BTreeSet<u64> = rows
            .filter(|row| row.inc == inc && row.lane == lane && row.kind != Kind::Heads as u8)
            .map(|row| row.seq)
            .collect();
        lost.range(from..=to).count() as u64 == (to - from).saturating_add(1)
    }
}
