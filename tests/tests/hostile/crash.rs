//! D1, D2, D3, D5 and convergence: processes that die at any point of their writing, relays and networks that come and go.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use zerok_core::{
    channel::ChannelKind,
    client::command::{ClientCommand, ClientEvent, Reply},
    ids::{BlobId, Position},
    rng::{Draw, Seed},
};
use zerok_testkit::sim::World;

use crate::common::{joiner, pair, pull, push, texts};

/// Steps the world until a device has batches under way, `skip` events after it was told to do something.
fn step(world: &mut World, events: usize) {
    for _ in 0..events {
        world.step();
    }
}

#[test]
fn d1_d5_a_pusher_that_dies_anywhere_with_any_prefix_of_its_batches_loses_and_repeats_nothing() {
    for events in 0..24 {
        for prefix in 0..=3 {
            let (mut world, laptop, phone) = pair(ChannelKind::Plain);
            let mut durable = Vec::new();
            for text in ["1", "2", "3"] {
                let data = Bytes::from(text);
                let id = world.send(laptop, ClientCommand::Push { data, key: None, detached: true });
                durable.push((text, id));
            }
            step(&mut world, events);
            let prefix = prefix.min(world.unwritten(laptop));
            let answered: Vec<&str> = durable
                .iter()
                .filter(|(_, id)| world.devices[laptop].replies.contains_key(id))
                .map(|(text, _)| *text)
                .collect();
            world.kill_device_after(laptop, prefix);
            world.start_device(laptop);
            world.run(Duration::from_secs(30));
            let read = texts(&pull(&mut world, phone, None).blobs);
            let what = format!("killed after {events} events with {prefix} more batches");
            assert_eq!(read, ["1", "2", "3"][..read.len()], "{what}");
            assert!(read.len() >= answered.len(), "{what}: answered {answered:?}, read {read:?}");
            assert_eq!(world.devices[phone].verdicts(), [], "{what}");
            assert_eq!(world.devices[laptop].verdicts(), [], "{what}");
        }
    }
}

#[test]
fn d3_d5_a_reader_that_dies_anywhere_with_any_prefix_of_its_batches_delivers_each_record_once() {
    for events in 0..30 {
        for prefix in 0..=3 {
            let (mut world, laptop, phone) = pair(ChannelKind::Plain);
            world.kill_device(phone);
            for text in ["1", "2", "3"] {
                push(&mut world, laptop, text).expect("the relay holds it");
            }
            world.start_device(phone);
            step(&mut world, events);
            let prefix = prefix.min(world.unwritten(phone));
            world.kill_device_after(phone, prefix);
            world.start_device(phone);
            world.run(Duration::from_secs(30));
            let read = pull(&mut world, phone, None).blobs;
            assert_eq!(texts(&read), ["1", "2", "3"], "killed after {events} events with {prefix} more batches");
            assert!(read.windows(2).all(|pair| pair[0].cursor < pair[1].cursor));
            assert_eq!(world.devices[phone].verdicts(), []);
        }
    }
}

/// One seeded run: what each device pushed, and faults of every kind, until all is quiet.
struct Run {
    world: World,
    devices: Vec<usize>,
    draw: Draw,
    /// Texts by device, in order of acceptance.
    pushed: Vec<Vec<String>>,
    /// Pushes not yet known to be durable.
    asked: Vec<Vec<(String, zerok_core::ids::CommandId)>>,
    kills: u32,
}

impl Run {
    fn new(seed: u64, kind: ChannelKind) -> Self {
        let (mut world, laptop, phone) = pair(kind);
        let tablet = joiner(&mut world, laptop, "tablet");
        world.run(Duration::from_secs(20));
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let devices = vec![laptop, phone, tablet];
        Self {
            world,
            pushed: vec![Vec::new(); devices.len()],
            asked: vec![Vec::new(); devices.len()],
            devices,
            draw: Seed::new(bytes).draw("faults"),
            kills: 0,
        }
    }

    fn act(&mut self, number: usize) {
        let device = self.draw.below(3) as usize;
        match self.draw.below(20) {
            0..=8 => self.push(device, number),
            9..=11 => {
                let batches = self.draw.below(4) as usize;
                self.kill(device, batches);
            }
            12 => {
                self.world.kill_relay();
                let pause = u64::from(self.draw.below(3_000));
                self.world.run(Duration::from_millis(pause));
                self.world.start_relay();
            }
            13 => {
                self.world.set_network(false);
                let pause = u64::from(self.draw.below(20_000));
                self.world.run(Duration::from_millis(pause));
                self.world.set_network(true);
            }
            14..=16 => step(&mut self.world, 1 + self.draw.below(12) as usize),
            _ => {
                let pause = u64::from(self.draw.below(2_000));
                self.world.run(Duration::from_millis(pause));
            }
        }
    }

    fn push(&mut self, device: usize, number: usize) {
        let text = format!("{device}:{number}");
        let data = Bytes::from(text.clone());
        let id = self.world.send(self.devices[device], ClientCommand::Push { data, key: None, detached: true });
        self.asked[device].push((text, id));
    }

    /// What was answered stays; of the rest a prefix may.
    fn kill(&mut self, device: usize, batches: usize) {
        self.kills += 1;
        self.settle(device);
        self.world.kill_device_after(self.devices[device], batches);
        let pause = u64::from(self.draw.below(3_000));
        self.world.run(Duration::from_millis(pause));
        self.world.start_device(self.devices[device]);
    }

    /// A push that was answered must arrive; one that was not may. Both keep their order.
    fn settle(&mut self, device: usize) {
        for (text, id) in std::mem::take(&mut self.asked[device]) {
            let answered = self.world.devices[self.devices[device]].replies.contains_key(&id);
            self.pushed[device].push(if answered { text } else { format!("?{text}") });
        }
    }

    fn finish(mut self, seed: u64) {
        self.world.run(Duration::from_secs(180));
        let mut everything: Vec<BTreeMap<BlobId, String>> = Vec::new();
        for device in 0..self.devices.len() {
            self.settle(device);
        }
        for (index, device) in self.devices.clone().into_iter().enumerate() {
            assert!(self.world.devices[device].is_synced(), "seed {seed}: {device} is not quiet");
            assert_eq!(self.world.devices[device].verdicts(), [], "seed {seed}, device {device}");
            let (mut read, mut after) = (Vec::new(), Some(Position(0)));
            loop {
                let pulled = pull(&mut self.world, device, after);
                after = Some(pulled.max_cursor);
                read.extend(pulled.blobs);
                if !pulled.has_more {
                    break;
                }
            }
            let all: BTreeMap<BlobId, String> =
                read.iter().map(|blob| (blob.id, String::from_utf8_lossy(&blob.data).into_owned())).collect();
            assert_eq!(all.len(), read.len(), "seed {seed}: device {device} read something twice");
            for other in (0..self.devices.len()).filter(|other| *other != index) {
                let of: Vec<String> =
                    texts(&read).into_iter().filter(|text| text.starts_with(&format!("{other}:"))).collect();
                self.check(seed, other, &of);
            }
            everything.push(all);
        }
        // Whatever two others hold of the third is the same.
        for (a, b, of) in [(0, 1, 2), (1, 2, 0), (0, 2, 1)] {
            let of = format!("{of}:");
            let only = |all: &BTreeMap<BlobId, String>| -> Vec<(BlobId, String)> {
                all.iter().filter(|(_, text)| text.starts_with(&of)).map(|(id, text)| (*id, text.clone())).collect()
            };
            assert_eq!(only(&everything[a]), only(&everything[b]), "seed {seed}");
        }
    }

    fn check(&self, seed: u64, sender: usize, read: &[String]) {
        let mut rest = read.iter();
        let mut next = rest.next();
        for text in &self.pushed[sender] {
            let (maybe, text) = text.strip_prefix('?').map_or((false, text.as_str()), |text| (true, text));
            if next.is_some_and(|next| next == text) {
                next = rest.next();
            } else {
                assert!(
                    maybe,
                    "seed {seed}: {text} of {sender} is lost; read {read:?}, pushed {:?}",
                    self.pushed[sender]
                );
            }
        }
        assert_eq!(next, None, "seed {seed}: out of order or never pushed; pushed {:?}", self.pushed[sender]);
    }
}

fn converge(seeds: std::ops::Range<u64>, kind: ChannelKind) {
    let mut kills = 0;
    for seed in seeds {
        let mut run = Run::new(seed, kind);
        for number in 0..40 {
            run.act(number);
        }
        kills += run.kills;
        run.finish(seed);
    }
    assert!(kills > 0);
}

#[test]
fn devices_that_die_and_lose_their_links_hold_the_same_records_once_all_is_quiet_0() {
    converge(0..50, ChannelKind::Plain);
}

#[test]
fn devices_that_die_and_lose_their_links_hold_the_same_records_once_all_is_quiet_1() {
    converge(50..100, ChannelKind::Plain);
}

#[test]
fn devices_that_die_and_lose_their_links_hold_the_same_records_once_all_is_quiet_2() {
    converge(100..150, ChannelKind::Plain);
}

#[test]
fn devices_that_die_and_lose_their_links_hold_the_same_records_once_all_is_quiet_3() {
    converge(150..200, ChannelKind::Plain);
}

#[test]
fn devices_converge_over_real_channels_too() {
    converge(1000..1020, ChannelKind::Noise);
}

#[test]
fn every_record_has_one_position_and_every_own_record_one_acknowledgement() {
    let (mut world, laptop, phone) = pair(ChannelKind::Plain);
    for text in ["1", "2"] {
        push(&mut world, laptop, text).expect("the relay holds it");
        push(&mut world, phone, text).expect("the relay holds it");
    }
    world.run(Duration::from_secs(20));
    let own = match world.call(laptop, ClientCommand::Pull { after: Some(Position(0)), max_bytes: 1 << 20, own: true })
    {
        Ok(Reply::Pulled(pulled)) => pulled.blobs,
        other => panic!("no pull: {other:?}"),
    };
    assert!(own.windows(2).all(|pair| pair[0].cursor < pair[1].cursor));
    let synced = |event: &&ClientEvent| matches!(event, ClientEvent::BlobSynced { .. });
    assert_eq!(world.devices[laptop].events.iter().filter(synced).count(), 2);
}
