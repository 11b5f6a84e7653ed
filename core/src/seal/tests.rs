//! Fixtures for every test below [`crate::seal`] and [`crate::pairing`].

use bytes::Bytes;

use super::{
    keys::{DeviceKeys, Epoch, EpochSecret, Genesis},
    padding::Padding,
    record::{Kind, Opened, Record, SealedRecord, open, seal},
};
use crate::{
    ids::{GroupId, Incarnation, RecordHash},
    rng::{Draw, Seed},
    time::UnixMillis,
};

pub(crate) fn draw(label: &str) -> Draw {
    Seed::new([7; 32]).draw(label)
}

/// A group of one.
pub(crate) struct Founded {
    pub(crate) keys: DeviceKeys,
    pub(crate) secret: EpochSecret,
    pub(crate) genesis: Genesis,
    pub(crate) group: GroupId,
    pub(crate) epoch: Epoch,
    pub(crate) draw: Draw,
}

pub(crate) fn found(label: &str) -> Founded {
    let mut draw = draw(label);
    let keys = DeviceKeys::generate(&mut draw);
    let secret = EpochSecret::generate(&mut draw);
    let genesis = Genesis::create(&keys, "laptop", &secret, &mut draw);
    let group = genesis.group(&secret.access());
    let epoch = Epoch::derive(&secret, &group);
    Founded { keys, secret, genesis, group, epoch, draw }
}

impl Founded {
    pub(crate) fn record(&self, seq: u64, prev: RecordHash, payload: &[u8]) -> Record {
        Record {
            sender: self.keys.id(),
            inc: Incarnation([3; 8]),
            seq,
            prev,
            kind: Kind::Data as u8,
            ms: UnixMillis(1_700_000_000_000),
            seen: Vec::new(),
            payload: Bytes::copy_from_slice(payload),
        }
    }

    pub(crate) fn seal(&mut self, record: &Record) -> SealedRecord {
        seal(record, &self.keys, &self.group, &self.epoch, Padding::Padme, &mut self.draw)
    }

    pub(crate) fn open(&self, blob: &[u8]) -> Opened {
        open(blob, &self.group, &self.epoch).unwrap()
    }

    /// So many records, each naming the one before.
    pub(crate) fn run(&mut self, count: u64) -> Vec<Opened> {
        let mut prev = RecordHash([0; 16]);
        (1..=count)
            .map(|seq| {
                let sealed = self.seal(&self.record(seq, prev, format!("payload {seq}").as_bytes()));
                prev = sealed.hash;
                self.open(&sealed.blob)
            })
            .collect()
    }
}

#[test]
fn no_signature_label_begins_another() {
    let labels = ["0k/1/genesis", "0k/1/member", "0k/1/rec", "0k/1/pair-j", "0k/1/pair-c"];
    for (i, a) in labels.iter().enumerate() {
        for b in &labels[i + 1..] {
            assert!(!a.starts_with(b) && !b.starts_with(a), "{a} and {b}");
        }
    }
}
