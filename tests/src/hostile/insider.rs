//! A member whose keys are in the wrong hands: reads every record, writes any.

use bytes::Bytes;
use serde::Deserialize;
use zerok_core::{
    ids::{AccessKey, GroupId, RecordHash},
    rng::{Draw, Seed},
    seal::{
        keys::{DeviceKeys, Epoch, EpochSecret},
        padding::Padding,
        record::{self, Kind, Opened, Record},
        rest::open_at_rest,
    },
    time::UnixMillis,
};

use crate::sim::DeviceNode;

/// The secrets of one member.
pub struct Insider {
    /// Its keys.
    pub keys: DeviceKeys,
    /// Its group.
    pub group: GroupId,
    /// The group's epoch.
    pub epoch: Epoch,
    /// What the epoch is derived from.
    pub secret: EpochSecret,
    draw: Draw,
}

/// The vault row, field for field.
#[derive(Deserialize)]
struct Vault {
    identity: Option<Identity>,
}

#[derive(Deserialize)]
struct Identity {
    keys: Vec<u8>,
    group: GroupId,
    _access: AccessKey,
    _genesis: [u8; 32],
    epochs: Vec<[u8; 32]>,
}

impl Insider {
    /// Reads the secrets of a device that belongs to a group.
    ///
    /// # Panics
    /// When it belongs to none.
    pub fn of(device: &DeviceNode) -> Self {
        let vault = device.store.image().vault.expect("the device has a vault");
        let plain = open_at_rest(&device.store_key(), "vault", &vault).expect("it opens under its key");
        let (vault, _) = postcard::take_from_bytes::<Vault>(&plain).expect("it is a vault");
        let identity = vault.identity.expect("the device belongs to a group");
        let keys = identity.keys.as_slice().try_into().expect("three keys of 32 bytes");
        let secret = EpochSecret::new(identity.epochs[0]);
        Self {
            keys: DeviceKeys::from_bytes(keys),
            group: identity.group,
            epoch: Epoch::derive(&secret, &identity.group),
            secret,
            draw: Seed::new([77; 32]).draw("insider"),
        }
    }

    /// A device that this member might admit: its keys, and the group's.
    #[must_use]
    pub fn recruit(&mut self) -> Self {
        let keys = DeviceKeys::generate(&mut self.draw);
        let draw = Seed::new(self.draw.bytes()).draw("insider");
        Self { keys, group: self.group, secret: self.secret.clone(), epoch: self.epoch.clone(), draw }
    }

    /// Seals a record as the next one of its lane after `last`, which it becomes.
    pub fn write(&mut self, last: &mut Record, record: Record) -> Bytes {
        let record = Record { sender: self.keys.id(), inc: last.inc, seq: last.seq + 1, prev: last.prev, ..record };
        let blob = self.seal(&record);
        *last = Record { prev: self.open(&blob).hash, ..record };
        blob
    }

    /// Opens a blob of the group.
    ///
    /// # Panics
    /// When it does not open.
    pub fn open(&self, blob: &Bytes) -> Opened {
        record::open(blob, &self.group, &self.epoch).expect("a blob of this group")
    }

    /// The records of a log that this member wrote, of one kind.
    pub fn own(&self, log: &[(zerok_core::ids::Cursor, Bytes)], kind: Kind) -> Vec<Opened> {
        let records = log.iter().filter_map(|(_, blob)| record::open(blob, &self.group, &self.epoch).ok());
        records.filter(|opened| opened.record.sender == self.keys.id() && opened.record.kind == kind as u8).collect()
    }

    /// A data record that follows another of this member.
    pub fn after(&self, previous: &Opened, payload: &'static str) -> Record {
        let record = &previous.record;
        Record {
            sender: self.keys.id(),
            inc: record.inc,
            seq: record.seq + 1,
            prev: previous.hash,
            kind: Kind::Data as u8,
            ms: record.ms,
            seen: Vec::new(),
            payload: Bytes::from_static(payload.as_bytes()),
        }
    }

    /// The first data record of another run of this member's counters.
    pub fn first(&self, inc: u8, payload: &'static str) -> Record {
        Record {
            sender: self.keys.id(),
            inc: zerok_core::ids::Incarnation([inc; 8]),
            seq: 1,
            prev: RecordHash([0; 16]),
            kind: Kind::Data as u8,
            ms: UnixMillis(0),
            seen: Vec::new(),
            payload: Bytes::from_static(payload.as_bytes()),
        }
    }

    /// Seals a record with this member's own signature.
    pub fn seal(&mut self, record: &Record) -> Bytes {
        record::seal(record, &self.keys, &self.group, &self.epoch, Padding::Padme, &mut self.draw).blob
    }

    /// Seals a record whose signature nobody made who is called its sender: damaged, or forged.
    pub fn seal_badly(&mut self, record: &Record) -> Bytes {
        let stranger = DeviceKeys::generate(&mut self.draw);
        record::seal(record, &stranger, &self.group, &self.epoch, Padding::Padme, &mut self.draw).blob
    }
}
