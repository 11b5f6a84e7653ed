//! Making things go wrong. Each answers whether it took effect: what is dead cannot be killed, and counts as nothing.

use bytes::Bytes;
use zerok_core::{
    channel::ChannelKind,
    client::command::{ClientEvent, Lifecycle},
    error::Code,
    ids::{Cursor, Digest, GroupId, Lane, Position, RelayId},
    limits::{ClientLimits, MAX_DEVICES},
    machine::StoreFailure,
    rng::Seed,
    seal::{
        keys::DeviceKeys,
        record::{Kind, SeenEntry},
        roster::AddPayload,
    },
    time::Duration,
    wire::message::{Refusal, Request, ToDevice, WireCode},
};

use super::{NAMES, Storm, app::Fate, plan::Fault};
use crate::{
    hostile::{Scripted, page, welcome},
    sim::{Disk, Driver, Path},
    store::relay::MemoryRelayStore,
};

/// Days after which a device that said nothing is not waited for.
const SILENT: i64 = 30 * 24 * 3600 * 1000;
/// A group has so many forged chains at most: beyond, room for chains is the subject of other tests.
const LIES: u8 = 6;

impl Storm {
    pub(super) fn break_it(&mut self, fault: Fault, who: u32, much: u32) -> bool {
        let device = self.choose(who);
        let relay = who as usize % (self.world.others.len() + 1);
        let path = self.world.devices[device].path;
        let millis = |most: u32| Duration::from_millis(u64::from(much % most));
        match fault {
            Fault::Delay => {
                let down = Duration::from_millis(u64::from(much / 4096 % 5_000));
                self.set_path(device, Path { up: millis(5_000), down, ..path })
            }
            Fault::Jitter => self.set_path(device, Path { jitter: 1 + much % 800, ..path }),
            Fault::Pieces => self.set_path(device, Path { piece: 1 + much as usize % 1400, gap: 0, ..path }),
            Fault::Trickle => self.set_path(device, Path { piece: 1 + much as usize % 7, gap: 1 + much % 40, ..path }),
            Fault::Narrow => self.set_path(device, Path { rate: 5_000 + u64::from(much % 20_000), ..path }),
            Fault::Stall => self.set_path(device, Path { stalled: true, ..path }),
            Fault::Hole => self.set_path(device, Path { hole: true, ..path }),
            Fault::Tear => self.set_path(device, Path { tear: true, ..path }),
            // A plain channel would believe what it reads.
            Fault::Damage if self.world.kind() == ChannelKind::Plain => false,
            Fault::Damage => self.set_path(device, Path { damage: true, ..path }),
            Fault::Refused => self.set_path(device, Path { refused: true, ..path }),
            Fault::SlowDial => self.set_path(device, Path { dial: millis(9_000), ..path }),
            Fault::HalfOpen => self.linked(device, |world| world.lose_link_unnoticed(device)),
            Fault::Reset => self.linked(device, |world| world.break_link(device)),
            Fault::Offline => {
                self.world.set_online(device, false);
                true
            }
            Fault::Partition => {
                self.world.set_network(false);
                self.run(millis(20_000));
                self.world.set_network(true);
                true
            }
            Fault::DiskSlow => self.disk(device, |node| node.disk_delay = millis(3_000)),
            Fault::DiskStalled => self.disk(device, |node| node.disk_stalled = true),
            Fault::DiskFull => {
                let refuses = [Disk::Full, Disk::Locked, Disk::Busy][much as usize % 3];
                self.disk(device, |node| node.disk = refuses)
            }
            Fault::DiskFailed => self.disk(device, |node| node.disk = Disk::Broken),
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
                let years = i64::from(much % 21) - 10;
                // Positions of a restored store are new because the clock has gone on meanwhile: there it goes back for nobody.
                let years =
                    if self.shape.copies { years.abs() + i64::from(self.counts.total_faults() as u32) } else { years };
                let skew = years * 365 * 24 * 3600 * 1000 + i64::from(much / 32 % 7_200_000) - 3_600_000;
                self.apps[device].lost_time |= skew.abs() >= SILENT;
                self.world.set_clock(device, skew);
                true
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
                self.world.signal(device, signal);
                self.world.devices[device].client.is_some()
            }
            Fault::Eager => self.drive(device, Driver::Eager),
            Fault::Sluggish => self.drive(device, Driver::Sluggish),
            Fault::RelayKill => self.kill_relay(relay, 0),
            Fault::RelayCrash => self.kill_relay(relay, 1 + much as usize % 3),
            Fault::RelayDrain => {
                let lives = self.relay_lives(relay);
                self.world.drain_relay_of(relay);
                lives
            }
            Fault::RelayDiskSlow => {
                self.world.relay_node(relay).disk_delay = millis(2_000);
                self.relay_lives(relay)
            }
            Fault::RelayDiskStalled => {
                self.world.relay_node(relay).disk_stalled = true;
                self.relay_lives(relay)
            }
            Fault::RelayDiskFull => {
                self.world.relay_node(relay).store.set_room(0);
                self.relay_lives(relay)
            }
            Fault::RelayDiskFailed => {
                self.world.relay_node(relay).store.set_broken(StoreFailure::Io);
                self.relay_lives(relay)
            }
            Fault::RelayClock => {
                self.world.set_relay_clock(relay, i64::from(much % 7_200_000) - 3_600_000);
                self.relay_lives(relay)
            }
            Fault::RolledBack => self.roll_back(relay, much),
            Fault::Wiped => {
                let mut id = [0; 16];
                id[..4].copy_from_slice(&much.to_le_bytes());
                self.replace_relay(relay, MemoryRelayStore::new(RelayId(id)));
                true
            }
            Fault::Announcement => {
                self.world.relay_node(relay).lose_announcements = true;
                self.relay_lives(relay)
            }
            Fault::Mailboxes => {
                let lives = self.relay_lives(relay);
                self.world.kill_relay_of(relay);
                self.world.relay_node(relay).store.forget_mailboxes();
                self.world.start_relay_of(relay);
                lives
            }
            Fault::RowRotted => self.rot_row(much),
            Fault::RowLost => self.lose_row(much),
            Fault::Expired => self.expire(much),
            Fault::Liar => self.lie(much),
            Fault::Impostor => self.refuse(device, much),
        }
    }

    fn set_path(&mut self, device: usize, path: Path) -> bool {
        let changed = self.world.devices[device].path != path;
        self.world.set_path(device, path);
        changed
    }

    fn linked(&mut self, device: usize, harm: impl FnOnce(&mut crate::sim::World)) -> bool {
        let linked = self.world.is_linked(device);
        if linked {
            harm(&mut self.world);
        }
        linked
    }

    fn disk(&mut self, device: usize, harm: impl FnOnce(&mut crate::sim::DeviceNode)) -> bool {
        harm(&mut self.world.devices[device]);
        self.world.devices[device].is_running()
    }

    fn drive(&mut self, device: usize, driver: Driver) -> bool {
        let changed = self.world.devices[device].driver != driver;
        self.world.devices[device].driver = driver;
        changed
    }

    /// Something is asked of the disk, and the process dies while it is at work.
    fn crash(&mut self, device: usize, much: u32) -> bool {
        if !self.world.devices[device].is_running() {
            return false;
        }
        (0..1 + much % 4).for_each(|index| self.push(device, much.wrapping_add(index * 977)));
        for _ in 0..much / 8 % 6 {
            self.world.step();
            self.look();
        }
        let batches = much as usize / 64 % 5;
        self.world.kill_device_after(device, batches);
        self.ended(device);
        true
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
        let mut app = self.apps[device].clone();
        app.pushes.clear();
        app.pulls.clear();
        app.verdicts.clear();
        self.apps.push(app);
        self.rows.push(self.rows[device].clone());
        self.delivered.push(self.delivered[device].clone());
        self.known.push(self.known[device].clone());
        self.clones.push((index, device));
        self.run(Duration::from_millis(1_100));
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
        // With a disk that stands still it has not even looked.
        assert!(
            node.stopped || node.disk_stalled || node.disk_delay > Duration::from_secs(2),
            "it runs without its key"
        );
        assert!(node.store == before, "without its key it wrote to its store");
        self.ended(device);
        self.world.kill_device(device);
        true
    }

    fn relay_lives(&mut self, relay: usize) -> bool {
        let node = self.world.relay_node(relay);
        !node.machines.is_empty() && !node.stopped
    }

    fn kill_relay(&mut self, relay: usize, batches: usize) -> bool {
        let lives = self.relay_lives(relay);
        self.world.kill_relay_after(relay, batches);
        self.copy_relay(relay);
        lives
    }

    fn roll_back(&mut self, relay: usize, much: u32) -> bool {
        let copies: Vec<usize> =
            (0..self.relay_copies.len()).filter(|copy| self.relay_copies[*copy].0 == relay).collect();
        if copies.is_empty() {
            self.copy_relay(relay);
            return false;
        }
        let store = self.relay_copies[copies[much as usize % copies.len()]].1.clone();
        self.replace_relay(relay, store);
        true
    }

    fn replace_relay(&mut self, relay: usize, mut store: MemoryRelayStore) {
        self.look();
        self.disasters.push(self.world.now());
        store.mend();
        store.set_room(u64::MAX);
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
        self.lost.insert(Digest::of(&blob));
        // The name of its key, or anything else.
        let byte = if much.is_multiple_of(2) { 1 + much as usize / 2 % 8 } else { 9 + much as usize / 2 };
        self.world.relay.store.rot(&group, cursor, byte);
        true
    }

    fn lose_row(&mut self, much: u32) -> bool {
        let Some((group, cursor, blob)) = self.victim(much) else { return false };
        self.lost.insert(Digest::of(&blob));
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
        self.lost.extend(doomed.iter().map(|(_, blob)| Digest::of(blob)));
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
        let blobs: Vec<Bytes> = match much % 5 {
            // Another record is said to stand where an honest one stands.
            0 => {
                let honest = log.iter().rev().filter_map(|(_, blob)| {
                    let digest = Digest::of(blob);
                    let known = self.digests.get(&digest).filter(|(_, row)| row.kind == Kind::Data as u8);
                    known.filter(|_| !self.lost.contains(&digest)).map(|_| mole.insider.open(blob).record)
                });
                let Some(honest) = honest.take(4).last() else { return false };
                let (device, inc, lane, seq) = (honest.sender, honest.inc, Lane::Data, honest.seq);
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
            _ if mole.crowd || !much.is_multiple_of(15) => vec![mole.insider.seal(&record)],
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
        }
        true
    }

    /// A relay with the right key refuses a device, whose copy hears it.
    fn refuse(&mut self, device: usize, much: u32) -> bool {
        let (kind, node) = (self.world.kind(), &self.world.devices[device]);
        let limits = ClientLimits::default();
        if self.shape.disasters || node.disk != Disk::Good {
            return false;
        }
        let mut relay = Scripted::new(kind, node, &self.world.relay, limits);
        relay.run(Duration::from_secs(1));
        if !relay.is_linked() || node.store.image().ledger.is_none() {
            return false;
        }
        let asked = relay.accept().after;
        relay.welcome(&welcome(asked.0, None), &page(asked, asked.0, &[]));
        let code = WireCode::ALL[much as usize % WireCode::ALL.len()];
        relay.say(&ToDevice::Error(Refusal { code, request: Request::Link, retry_after: 0 }));
        let met = |event: &ClientEvent| match event {
            ClientEvent::Disconnected { code } => Some(*code),
            _ => None,
        };
        let codes: Vec<Code> = relay.events.iter().filter_map(met).collect();
        codes.iter().for_each(|code| self.counts.code(*code));
        !codes.is_empty()
    }
}
