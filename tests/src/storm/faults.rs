//! Making things go wrong, and counting what did.
//!
//! A fault counts once it took effect. Some strike at once: what is dead cannot be killed, and counts as nothing. Others are set up
//! and wait: a full disk counts when it refuses a batch, and not if it was emptied before.

use std::collections::BTreeSet;

use bytes::Bytes;
use zerok_core::{
    channel::ChannelKind,
    client::command::Lifecycle,
    ids::{Cursor, Digest, GroupId, Lane, Position, RelayId},
    limits::{MAX_CHAINS, MAX_DEVICES},
    machine::StoreFailure,
    rng::Seed,
    seal::{
        keys::DeviceKeys,
        record::{self, Kind, SeenEntry},
        roster::AddPayload,
    },
    time::Duration,
    wire::message::WireCode,
};

use super::{NAMES, Storm, app::Fate, plan::Fault};
use crate::{
    sim::{Disk, Driver, Harm, Node, Path},
    store::relay::MemoryRelayStore,
};

/// Milliseconds by which a clock may be wrong, either way, without harm to what a relay lost.
const NOTHING_LOST: i64 = 4 * 60 * 1000;
/// A group has so many forged chains at most: beyond, room for chains is the subject of other tests.
const LIES: u8 = 6;

impl Storm {
    pub(super) fn break_it(&mut self, fault: Fault, who: u32, much: u32) -> bool {
        let device = self.choose(who);
        let relay = who as usize % (self.world.others.len() + 1);
        let path = self.world.devices[device].path;
        let millis = |most: u32| Duration::from_millis(u64::from(much % most));
        self.rouse(fault, device, relay);
        if let Some(node) = waits_at(fault, device, relay) {
            self.armed.insert((node, fault));
        }
        match fault {
            Fault::Delay => {
                let down = Duration::from_millis(u64::from(much / 4096 % 5_000));
                self.set_path(device, much, Path { up: millis(5_000), down, ..path })
            }
            Fault::Jitter => self.set_path(device, much, Path { jitter: 1 + much % 800, ..path }),
            Fault::Pieces => self.set_path(device, much, Path { piece: 1 + much as usize % 400, gap: 0, ..path }),
            Fault::Trickle => {
                self.set_path(device, much, Path { piece: 1 + much as usize % 7, gap: 1 + much % 40, ..path })
            }
            Fault::Narrow => self.set_path(device, much, Path { rate: 5_000 + u64::from(much % 20_000), ..path }),
            Fault::Stall => self.set_path(device, much, Path { stalled: true, ..path }),
            Fault::Hole => self.set_path(device, much, Path { hole: true, ..path }),
            Fault::Tear => self.set_path(device, much, Path { tear: true, ..path }),
            // A plain channel would believe what it reads.
            Fault::Damage if self.world.kind() == ChannelKind::Plain => false,
            Fault::Damage => self.set_path(device, much, Path { damage: true, ..path }),
            Fault::Refused => self.dial_again(device, Path { refused: true, ..path }),
            Fault::SlowDial => self.dial_again(device, Path { dial: millis(9_000), ..path }),
            Fault::HalfOpen => self.linked(device, |world| world.lose_link_unnoticed(device)),
            Fault::Reset => self.linked(device, |world| world.break_link(device)),
            Fault::Offline => {
                self.world.set_online(device, false);
                false
            }
            Fault::Partition => {
                self.world.set_network(false);
                self.run(millis(20_000));
                self.world.set_network(true);
                false
            }
            Fault::DiskSlow => self.disk(device, much, |node| node.disk_delay = millis(3_000)),
            Fault::DiskStalled => self.disk(device, much, |node| node.disk_stalled = true),
            Fault::DiskFull => {
                let refuses = [Disk::Full, Disk::Locked, Disk::Busy][much as usize % 3];
                self.disk(device, much, |node| node.disk = refuses)
            }
            Fault::DiskFailed => self.disk(device, much, |node| node.disk = Disk::Broken),
            Fault::Crash => self.crash(device, much),
            Fault::Kill => {
                let lives = self.world.devices[device].is_running();
                if lives {
                    self.ended(device);
                    self.world.kill_device(device);
                }
                lives
            }
            Fault::Restored => self.restore(device),
            Fault::Cloned => self.clone_device(device),
            Fault::WrongKey => self.lose_key(device),
            Fault::Clock => {
                self.jump(device, much);
                false
            }
            Fault::Suspend => {
                let node = &self.world.devices[device];
                let can = node.is_running() && !node.is_asleep();
                if can {
                    self.world.fall_asleep(device);
                    self.run(millis(if much.is_multiple_of(16) { 3600 * 1000 } else { 20_000 }));
                    if !much.is_multiple_of(3) {
                        self.world.wake_up(device);
                    }
                }
                can
            }
            Fault::Signal => {
                let signal = match much % 6 {
                    0 => Lifecycle::Started,
                    1 => Lifecycle::Resumed { slept: millis(100_000) },
                    2 => Lifecycle::Suspending,
                    3 => Lifecycle::Closing,
                    4 => Lifecycle::NetworkChanged { available: false },
                    _ => Lifecycle::NetworkChanged { available: true },
                };
                let node = &self.world.devices[device];
                let hears = node.is_running() && !node.is_asleep();
                self.world.signal(device, signal);
                hears
            }
            Fault::Eager => self.drive(device, much, Driver::Eager),
            Fault::Sluggish => self.drive(device, much, Driver::Sluggish),
            Fault::RelayKill => {
                let lives = self.relay_lives(relay);
                self.world.kill_relay_of(relay);
                self.copy_relay(relay);
                lives
            }
            Fault::RelayCrash => self.crash_relay(relay, much),
            Fault::RelayDrain => {
                let lives = self.relay_lives(relay);
                self.world.drain_relay_of(relay);
                lives
            }
            Fault::RelayDiskSlow => self.relay_disk(relay, much, |node| node.disk_delay = millis(2_000)),
            Fault::RelayDiskStalled => self.relay_disk(relay, much, |node| node.disk_stalled = true),
            Fault::RelayDiskFull => self.relay_disk(relay, much, |node| node.store.set_room(0)),
            Fault::RelayDiskFailed => self.relay_disk(relay, much, |node| node.store.set_broken(StoreFailure::Io)),
            Fault::Announcement => self.relay_disk(relay, much, |node| node.lose_announcements = true),
            Fault::RelayClock => {
                self.world.set_relay_clock(relay, i64::from(much % 7_200_000) - 3_600_000);
                false
            }
            Fault::RolledBack => self.roll_back(relay, much),
            Fault::Wiped => {
                let mut id = [0; 16];
                id[..4].copy_from_slice(&much.to_le_bytes());
                // A relay that nobody uses has nothing to lose.
                let used = |relay: usize, storm: &mut Self| storm.world.relay_node(relay).store.group_count() > 0;
                let relay = if used(relay, self) { relay } else { 0 };
                let had = used(relay, self);
                self.replace_relay(relay, MemoryRelayStore::new(RelayId(id)));
                had
            }
            Fault::Mailboxes => self.lose_mailboxes(relay, much),
            Fault::RowRotted => self.rot_row(much),
            Fault::RowLost => self.lose_row(much),
            Fault::Expired => self.expire(much),
            Fault::Liar => self.lie(much),
            Fault::Impostor => {
                self.world.devices[device].impostor = Some(WireCode::ALL[much as usize % WireCode::ALL.len()]);
                self.dial_again(device, path)
            }
        }
    }

    /// What is dead cannot be harmed: whom it is to befall is there again, mostly.
    fn rouse(&mut self, fault: Fault, device: usize, relay: usize) {
        if fault >= Fault::RelayKill && fault <= Fault::Mailboxes {
            self.start_relay(relay);
        } else if !matches!(fault, Fault::Restored | Fault::WrongKey) {
            self.world.wake_up(device);
            self.start(device);
        }
    }

    /// Counts what was set up before and has done harm since.
    pub(super) fn count_harms(&mut self) {
        for (node, harm) in self.world.harms() {
            let fault = done_by(node, harm);
            if self.armed.remove(&(node, fault)) {
                self.counts.fault(fault);
            }
        }
    }

    fn set_path(&mut self, device: usize, much: u32, path: Path) -> bool {
        self.world.set_path(device, path);
        // So that there is something to be slowed, cut or lost.
        self.push(device, much);
        false
    }

    fn dial_again(&mut self, device: usize, path: Path) -> bool {
        self.world.set_path(device, path);
        self.world.break_link(device);
        false
    }

    fn linked(&mut self, device: usize, harm: impl FnOnce(&mut crate::sim::World)) -> bool {
        let linked = self.world.is_linked(device);
        if linked {
            harm(&mut self.world);
        }
        linked
    }

    fn disk(&mut self, device: usize, much: u32, harm: impl FnOnce(&mut crate::sim::DeviceNode)) -> bool {
        harm(&mut self.world.devices[device]);
        self.push(device, much);
        false
    }

    fn drive(&mut self, device: usize, much: u32, driver: Driver) -> bool {
        self.world.devices[device].driver = driver;
        self.push(device, much);
        false
    }

    fn relay_disk(&mut self, relay: usize, much: u32, harm: impl FnOnce(&mut crate::sim::RelayNode)) -> bool {
        harm(self.world.relay_node(relay));
        self.push(self.choose(much / 3), much);
        false
    }

    /// Most jumps are by minutes; one in four is by hours, days or years, after which a device may give up too early what a relay lost,
    /// or take others for gone.
    fn jump(&mut self, device: usize, much: u32) {
        const MINUTE: i64 = 60 * 1000;
        let most = match much % 12 {
            0 => 10 * 365 * 24 * 60 * MINUTE,
            1 => 14 * 24 * 60 * MINUTE,
            2 => 2 * 60 * MINUTE,
            _ => NOTHING_LOST,
        };
        let jump = i64::from(much / 12) * 997 % (2 * most) - most;
        let before = self.world.devices[device].clock_skew;
        // Positions of a restored store are new because the clock has gone on meanwhile: there it goes back for nobody.
        let skew = if self.shape.copies { before + jump.abs() } else { jump };
        self.apps[device].lost_time |= (skew - before).abs() > 2 * NOTHING_LOST;
        self.world.set_clock(device, skew);
    }

    /// Something is asked of the disk, and the process dies while it is at work.
    fn crash(&mut self, device: usize, much: u32) -> bool {
        if !self.world.devices[device].is_running() {
            return false;
        }
        (0..1 + much % 4).for_each(|index| self.push(device, much.wrapping_add(index * 977)));
        for _ in 0..much / 8 % 6 {
            self.step();
        }
        let batches = much as usize / 64 % 5;
        let busy = self.world.unwritten(device) > 0;
        self.world.kill_device_after(device, batches);
        self.ended(device);
        busy
    }

    fn crash_relay(&mut self, relay: usize, much: u32) -> bool {
        if self.relay_lives(relay) {
            self.push(self.choose(much / 3), much);
            self.step_until(|storm| storm.world.relay_unwritten(relay) > 0);
        }
        let busy = self.world.relay_unwritten(relay) > 0;
        self.world.kill_relay_after(relay, much as usize % 3);
        self.copy_relay(relay);
        busy
    }

    /// Somebody has an invite open, and the relay restarts without it.
    fn lose_mailboxes(&mut self, relay: usize, much: u32) -> bool {
        let lives = self.relay_lives(relay);
        let connected = |device: &usize| self.world.devices[*device].is_connected();
        let inviter = (0..self.world.devices.len()).filter(connected).min_by_key(|device| device ^ (much as usize % 4));
        if let Some(inviter) = inviter.filter(|_| lives) {
            self.invite(inviter, much);
            self.step_until(|storm| storm.world.relay_node(relay).store.mailbox_count() > 0);
        }
        let had = self.world.relay_node(relay).store.mailbox_count() > 0;
        self.world.kill_relay_of(relay);
        self.world.relay_node(relay).store.forget_mailboxes();
        self.world.start_relay_of(relay);
        lives && had
    }

    /// Goes on for a moment, until something is under way.
    fn step_until(&mut self, holds: impl Fn(&mut Self) -> bool) {
        for _ in 0..80 {
            if holds(self) || !self.step() {
                return;
            }
        }
    }

    fn restore(&mut self, device: usize) -> bool {
        let memberships = self.apps[device].memberships;
        let copy = self.copies.iter().rev().find(|copy| copy.device == device && copy.memberships == memberships);
        let Some((store, db, at)) = copy.map(|copy| (copy.store.clone(), copy.db.clone(), copy.at)) else {
            return false;
        };
        self.ended(device);
        self.world.kill_device(device);
        let stored: Vec<bool> = self.apps[device]
            .pushes
            .iter()
            .map(|push| {
                push.blob.and_then(|blob| self.rows[device].get(&blob)).is_some_and(|row| self.ever_stored(row.digest))
            })
            .collect();
        let now = self.world.now();
        let app = &mut self.apps[device];
        for (push, stored) in app.pushes.iter_mut().zip(stored) {
            // What only the lost disk knew is lost with it.
            if push.fate == Fate::Asked || push.fate == Fate::Promised && push.at >= at && !stored {
                push.fate = Fate::Unknown;
            }
        }
        app.db = db;
        app.era += 1;
        app.newest = Position(0);
        app.restored = Some(now);
        self.world.restore_device(device, store);
        // Positions begin anew with each second.
        self.run(Duration::from_millis(2_100));
        self.start(device);
        true
    }

    fn clone_device(&mut self, device: usize) -> bool {
        let clones = self.clones.iter().any(|(clone, of)| *clone == device || *of == device);
        let index = self.world.devices.len();
        if clones || index >= NAMES.len() || self.world.devices[device].client.is_none() {
            return false;
        }
        let now = self.world.now();
        self.apps[device].cloned = Some(now);
        self.run(Duration::from_millis(1_100));
        let mut app = self.apps[device].clone();
        app.pushes.clear();
        app.pulls.clear();
        app.verdicts.clear();
        self.apps.push(app);
        self.rows.push(self.rows[device].clone());
        self.delivered.push(self.delivered[device].clone());
        self.known.push(self.known[device].clone());
        self.clones.push((index, device));
        self.world.clone_device(device, NAMES[index]);
        self.look();
        true
    }

    fn lose_key(&mut self, device: usize) -> bool {
        if self.world.devices[device].store.image().vault.is_none() {
            return false;
        }
        self.ended(device);
        self.world.kill_device(device);
        let before = self.world.devices[device].store.clone();
        self.world.devices[device].key_override = Some([222; 32]);
        self.world.start_device(device);
        self.run(Duration::from_secs(5));
        let node = &mut self.world.devices[device];
        node.key_override = None;
        let refused = node.stopped;
        // With a disk that stands still it has not even looked.
        assert!(refused || node.disk_stalled || node.disk_delay > Duration::from_secs(2), "it runs without its key");
        assert!(node.store == before, "without its key it wrote to its store");
        self.ended(device);
        self.world.kill_device(device);
        refused
    }

    fn relay_lives(&mut self, relay: usize) -> bool {
        let node = self.world.relay_node(relay);
        !node.machines.is_empty() && !node.stopped
    }

    fn roll_back(&mut self, relay: usize, much: u32) -> bool {
        let copies: Vec<usize> =
            (0..self.relay_copies.len()).filter(|copy| self.relay_copies[*copy].0 == relay).collect();
        if copies.is_empty() {
            self.copy_relay(relay);
            return false;
        }
        let store = self.relay_copies[copies[much as usize % copies.len()]].1.clone();
        let other = store != self.world.relay_node(relay).store;
        self.replace_relay(relay, store);
        other
    }

    fn replace_relay(&mut self, relay: usize, mut store: MemoryRelayStore) {
        self.look();
        self.disasters.push(self.world.now());
        store.mend();
        store.set_room(u64::MAX);
        let digests = |store: &MemoryRelayStore| -> BTreeSet<Digest> {
            let logs = store.groups().into_iter().flat_map(|group| store.log(&group));
            logs.map(|(_, blob)| Digest::of(&blob)).collect()
        };
        let (before, after) = (digests(&self.world.relay_node(relay).store), digests(&store));
        self.washed_away.extend(before.difference(&after));
        self.world.swap_relay_of(relay, store);
        self.forget_log(relay);
    }

    /// The group of the first device, as the relay knows it.
    pub(super) fn main_group(&self) -> Option<GroupId> {
        self.mole.as_ref().map(|mole| mole.insider.group)
    }

    /// A data blob among the newest that is not the last.
    fn victim(&self, much: u32) -> Option<(GroupId, Cursor, Bytes)> {
        let group = self.main_group()?;
        let log = self.world.relay.store.log(&group);
        let newest = log.len().saturating_sub(1);
        let data = |blob: &Bytes| {
            let row = self.digests.get(&Digest::of(blob));
            row.is_some_and(|(_, row)| row.kind == Kind::Data as u8)
        };
        let rows: Vec<_> = log[..newest].iter().rev().filter(|(_, blob)| data(blob)).take(6).cloned().collect();
        let (cursor, blob) = rows.get(much as usize % rows.len().max(1))?.clone();
        Some((group, cursor, blob))
    }

    fn rot_row(&mut self, much: u32) -> bool {
        let Some((group, cursor, blob)) = self.victim(much) else { return false };
        self.lost.insert(Digest::of(&blob), cursor);
        // The name of its key, or anything else.
        let byte = if much.is_multiple_of(2) { 1 + much as usize / 2 % 8 } else { 9 + much as usize / 2 };
        let rotten = self.world.relay.store.rot(&group, cursor, byte);
        self.false_kids.extend(rotten.as_ref().and_then(|blob| record::kid_of(blob)));
        rotten.is_some()
    }

    fn lose_row(&mut self, much: u32) -> bool {
        let Some((group, cursor, blob)) = self.victim(much) else { return false };
        self.lost.insert(Digest::of(&blob), cursor);
        self.world.relay.store.lose(&group, cursor);
        true
    }

    /// Expires what members have read before the storm, and data that nobody may have read yet; but no roster record of the storm:
    /// those are the business of other tests.
    fn expire(&mut self, much: u32) -> bool {
        let Some(group) = self.main_group() else { return false };
        let log = self.world.relay.store.log(&group);
        let newest = log.len().saturating_sub(1 + much as usize % 4);
        let harmless = |entry: &&(Cursor, Bytes)| {
            let row = self.digests.get(&Digest::of(&entry.1)).map(|(_, row)| row.kind);
            entry.0 <= self.begun_at || row.is_some_and(|kind| kind == Kind::Data as u8 || kind == Kind::Heads as u8)
        };
        let doomed: Vec<_> = log[..newest].iter().take_while(harmless).collect();
        let Some((through, _)) = doomed.last() else { return false };
        self.lost.extend(doomed.iter().map(|(cursor, blob)| (Digest::of(blob), *cursor)));
        self.world.relay.store.expire(&group, *through);
        true
    }

    /// A member signs what no honest device would.
    fn lie(&mut self, much: u32) -> bool {
        let Some(mole) = self.mole.as_mut().filter(|mole| mole.inc < LIES) else { return false };
        let group = mole.insider.group;
        let log = self.world.relay.store.log(&group);
        mole.inc += 1;
        let mut record = mole.insider.first(mole.inc, "lie");
        let blobs: Vec<Bytes> = match much % 7 {
            // Another record is said to stand where an honest one stands.
            0 => {
                let honest = log.iter().rev().filter_map(|(_, blob)| {
                    let digest = Digest::of(blob);
                    let known = self.digests.get(&digest).filter(|(_, row)| row.kind == Kind::Data as u8);
                    known.filter(|_| !self.lost.contains_key(&digest)).map(|_| mole.insider.open(blob).record)
                });
                let Some(honest) = honest.take(4).last() else { return false };
                let (device, inc, lane, seq) = (honest.sender, honest.inc, Lane::Data, honest.seq);
                self.forged.insert((inc, seq));
                record.seen = vec![SeenEntry { device, inc, lane, seq, hash: [9; 8] }];
                vec![mole.insider.seal(&record)]
            }
            1 => {
                let one = mole.insider.seal(&record);
                record.payload = Bytes::from_static(b"another");
                vec![one, mole.insider.seal(&record)]
            }
            2 => {
                record.kind = 77;
                vec![mole.insider.seal(&record)]
            }
            3 => vec![mole.insider.seal_badly(&record)],
            // Somebody speaks whom nobody admitted.
            4 => {
                let mut stranger = mole.insider.recruit();
                self.strangers.insert(stranger.keys.id());
                let record = stranger.first(mole.inc, "who is this");
                vec![stranger.seal(&record)]
            }
            // More runs of one device's numbers than anybody follows.
            5 if (much / 7).is_multiple_of(3) => (0..=MAX_CHAINS)
                .map(|run| {
                    let record = mole.insider.first(100 + run as u8, "again and again");
                    mole.insider.seal(&record)
                })
                .collect(),
            _ if mole.crowd || !(much / 7).is_multiple_of(4) => vec![mole.insider.seal(&record)],
            _ => {
                mole.crowd = true;
                let mut draw = Seed::new([88; 32]).draw("a crowd");
                let mut blobs = Vec::new();
                record.kind = Kind::Add as u8;
                for number in 0..MAX_DEVICES {
                    let device = DeviceKeys::generate(&mut draw).public();
                    record.payload = AddPayload { device, name: format!("crowd {number}") }.encode().into();
                    let blob = mole.insider.seal(&record);
                    record.prev = mole.insider.open(&blob).hash;
                    record.seq += 1;
                    blobs.push(blob);
                }
                blobs
            }
        };
        for blob in blobs {
            self.world.relay.store.inject(&group, blob);
            self.lies.insert(self.world.relay.store.head(&group));
        }
        true
    }
}

/// Where a fault waits until it does harm. The others strike at once.
fn waits_at(fault: Fault, device: usize, relay: usize) -> Option<Node> {
    match fault {
        Fault::Delay
        | Fault::Jitter
        | Fault::Pieces
        | Fault::Trickle
        | Fault::Narrow
        | Fault::Stall
        | Fault::Hole
        | Fault::Tear
        | Fault::Damage
        | Fault::Refused
        | Fault::SlowDial
        | Fault::Offline
        | Fault::DiskSlow
        | Fault::DiskStalled
        | Fault::DiskFull
        | Fault::DiskFailed
        | Fault::Clock
        | Fault::Eager
        | Fault::Sluggish
        | Fault::Impostor => Some(Node::Device(device)),
        Fault::RelayDiskSlow
        | Fault::RelayDiskStalled
        | Fault::RelayDiskFull
        | Fault::RelayDiskFailed
        | Fault::RelayClock
        | Fault::Announcement => Some(Node::Relay(relay)),
        Fault::Partition => Some(Node::Relay(0)),
        Fault::HalfOpen
        | Fault::Reset
        | Fault::Crash
        | Fault::Kill
        | Fault::Restored
        | Fault::Cloned
        | Fault::WrongKey
        | Fault::Suspend
        | Fault::Signal
        | Fault::RelayKill
        | Fault::RelayCrash
        | Fault::RelayDrain
        | Fault::RolledBack
        | Fault::Wiped
        | Fault::Mailboxes
        | Fault::RowRotted
        | Fault::RowLost
        | Fault::Expired
        | Fault::Liar => None,
    }
}

/// Which fault does this harm.
fn done_by(node: Node, harm: Harm) -> Fault {
    let device = matches!(node, Node::Device(_));
    match harm {
        Harm::Late => Fault::Delay,
        Harm::Jittered => Fault::Jitter,
        Harm::Cut => Fault::Pieces,
        Harm::Trickled => Fault::Trickle,
        Harm::Narrowed => Fault::Narrow,
        Harm::Stalled => Fault::Stall,
        Harm::Swallowed => Fault::Hole,
        Harm::Torn => Fault::Tear,
        Harm::Damaged => Fault::Damage,
        Harm::Refused => Fault::Refused,
        Harm::DialledSlowly => Fault::SlowDial,
        Harm::Offline => Fault::Offline,
        Harm::Partitioned => Fault::Partition,
        Harm::DiskSlow if device => Fault::DiskSlow,
        Harm::DiskSlow => Fault::RelayDiskSlow,
        Harm::DiskStalled if device => Fault::DiskStalled,
        Harm::DiskStalled => Fault::RelayDiskStalled,
        Harm::DiskFull if device => Fault::DiskFull,
        Harm::DiskFull => Fault::RelayDiskFull,
        Harm::DiskFailed if device => Fault::DiskFailed,
        Harm::DiskFailed => Fault::RelayDiskFailed,
        Harm::ClockJumped if device => Fault::Clock,
        Harm::ClockJumped => Fault::RelayClock,
        Harm::Ticked => Fault::Eager,
        Harm::DrainedLate => Fault::Sluggish,
        Harm::Unannounced => Fault::Announcement,
        Harm::SentAway => Fault::Impostor,
    }
}
