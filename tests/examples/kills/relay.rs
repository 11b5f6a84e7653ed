//! The relay as victim: members push as fast as it acknowledges; after each kill its whole word is compared with its log.

use std::{collections::VecDeque, net::SocketAddr, path::Path, thread, time::Duration};

use bytes::Bytes;
use zerok_core::{
    address::RelayAddress,
    ids::{Cursor, Digest, Lane},
    rng::{Draw, Seed},
    seal::keys::DeviceKeys,
    wire::message::{Pull, ToDevice, ToRelay},
};
use zerok_testkit::{
    blocking::{Device, Group, everything},
    word::relay::keeps_its_word,
};

use crate::{
    Figures,
    process::{self, Talker, integrity, moment},
};

/// Blobs a member has under way.
const WINDOW: usize = 32;

/// One group of the relay, its members, and what it was promised.
struct Pushed {
    group: Group,
    keys: DeviceKeys,
    draw: Draw,
    next: u64,
    /// Sent and not acknowledged: sent again, as they are, over the next link.
    unacked: VecDeque<Bytes>,
    /// What was acknowledged, ever.
    acked: Vec<(Digest, Cursor)>,
    /// The log as far as it was read, by cursor.
    log: Vec<Digest>,
}

pub(crate) fn world(kills: u32, draw: &mut Draw, figures: &mut Figures) {
    let home = process::Home::new();
    let (data, port) = (home.path().join("relay"), process::port());
    let mut groups: Vec<Pushed> = (0..3).map(|number| Pushed::new(number, draw)).collect();
    for _ in 0..kills {
        if draw.below(6) == 0 {
            let early = moment(draw, Duration::from_millis(40));
            Talker::spawn(&mut process::relay(&data, port)).kill_after(early);
            figures.starting += 1;
        } else {
            let (relay, address) = start(&data, port);
            let time = moment(draw, Duration::from_millis(300));
            thread::scope(|scope| {
                for group in &mut groups {
                    scope.spawn(|| group.push(&address));
                }
                relay.kill_after(time);
            });
        }
        figures.kills += 1;
        figures.integrity_checks += u32::from(integrity(&data, "relay.db").is_some());
        // Read by a process of its own, which may be killed at its start like any other.
        if draw.below(4) == 0 {
            let (relay, address) = start(&data, port);
            groups.iter_mut().for_each(|group| group.compare(&address));
            relay.kill_after(Duration::ZERO);
        }
    }
    let (_relay, address) = start(&data, port);
    for mut group in groups {
        group.compare(&address);
        // All of it once more: what was right once must still be there.
        let known = std::mem::take(&mut group.log);
        group.compare(&address);
        assert!(group.log.starts_with(&known), "the log has changed");
        figures.acknowledged += group.acked.len();
        figures.found += group.log.len();
    }
}

fn start(data: &Path, port: SocketAddr) -> (Talker, RelayAddress) {
    let mut relay = Talker::spawn(&mut process::relay(data, port));
    loop {
        let line = relay.line().expect("it comes up");
        if let Some(address) = line.strip_prefix("address: ") {
            return (relay, address.parse().expect("an address"));
        }
    }
}

impl Pushed {
    fn new(number: u8, draw: &mut Draw) -> Self {
        let mut group = Group::new(number);
        let keys = group.device();
        let draw = Seed::new(draw.bytes()).draw("blobs");
        Self { group, keys, draw, next: 0, unacked: VecDeque::new(), acked: Vec::new(), log: Vec::new() }
    }

    /// Pushes until the relay is gone.
    fn push(&mut self, relay: &RelayAddress) {
        let stream = self.group.connect(relay);
        let Some(mut device) = self.group.try_open(stream, &self.keys, relay, everything()) else { return };
        let again: Vec<Bytes> = self.unacked.iter().cloned().collect();
        if !again.is_empty() && device.try_send(&ToRelay::Push { lane: Lane::Data, blobs: again }).is_err() {
            return;
        }
        loop {
            while self.unacked.len() < WINDOW {
                let blobs: Vec<Bytes> = (0..=self.draw.below(7)).map(|_| self.blob()).collect();
                self.unacked.extend(blobs.iter().cloned());
                if device.try_send(&ToRelay::Push { lane: Lane::Data, blobs }).is_err() {
                    return;
                }
            }
            let Some(message) = device.receive() else { return };
            if let ToDevice::Pushed { stored } = message {
                for (digest, cursor) in stored {
                    // Acknowledged in the order of the lane.
                    let first = self.unacked.pop_front().expect("only what was pushed");
                    assert_eq!(Digest::of(&first), digest, "acknowledged out of order");
                    self.acked.push((digest, cursor));
                }
            }
        }
    }

    fn blob(&mut self) -> Bytes {
        self.next += 1;
        let mut body = vec![0; 40 + self.draw.below(1500) as usize];
        self.draw.fill(&mut body);
        body[..8].copy_from_slice(&self.next.to_le_bytes());
        body.into()
    }

    /// Reads on in the log and compares it with every acknowledgement.
    fn compare(&mut self, relay: &RelayAddress) {
        let pull = Pull { after: Cursor(self.log.len() as u64), ..everything() };
        let stream = self.group.connect(relay);
        let mut device = self.group.try_open(stream, &self.keys, relay, pull).expect("the relay serves");
        let mut page = device.page.clone();
        loop {
            assert!(!page.reset, "the relay has lost part of its log");
            for (cursor, blob) in page.entries {
                assert_eq!(cursor.0, self.log.len() as u64 + 1, "a hole in the log");
                self.log.push(Digest::of(&blob));
            }
            if !page.more {
                break;
            }
            page = next_page(&mut device, Pull { after: Cursor(self.log.len() as u64), ..everything() });
        }
        keeps_its_word(&self.log, &self.acked);
    }
}

fn next_page(device: &mut Device, pull: Pull) -> zerok_core::wire::message::Page {
    device.send(&ToRelay::Pull(pull));
    loop {
        match device.receive().expect("the relay serves") {
            ToDevice::Page(page) => return page,
            ToDevice::News(_) => {}
            other => panic!("not a page: {other:?}"),
        }
    }
}
