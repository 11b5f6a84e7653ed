//! A laptop that writes, a phone that was away meanwhile, and the relay's disk in between.

use std::time::Duration;

use bytes::Bytes;
use zerok_core::{
    channel::ChannelKind,
    client::{command::ClientCommand, verdict::Verdict},
    ids::{DeviceId, GroupId, Incarnation, Lane},
    seal::record::Kind,
};
use zerok_testkit::{
    hostile::{Forgery, Insider},
    sim::World,
};

use crate::common::{pair, pull, push, texts};

/// Two devices of one group; the phone is off until [`Scene::wake`].
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) laptop: usize,
    pub(crate) phone: usize,
    pub(crate) group: GroupId,
    /// The laptop's keys.
    pub(crate) insider: Insider,
}

impl Scene {
    /// The phone goes off, then the laptop pushes these.
    pub(crate) fn new(pushes: &[&str]) -> Self {
        let (mut world, laptop, phone) = pair(ChannelKind::Plain);
        // One record each way, so that both know all there is of the other.
        push(&mut world, laptop, "hello").expect("the relay holds it");
        push(&mut world, phone, "hi").expect("the relay holds it");
        world.run(Duration::from_secs(20));
        let greeting = pull(&mut world, phone, None);
        let _ = pull(&mut world, phone, Some(greeting.max_cursor));
        world.kill_device(phone);
        let insider = Insider::of(&world.devices[laptop]);
        let group = insider.group;
        let mut scene = Self { world, laptop, phone, group, insider };
        scene.push(pushes);
        scene
    }

    /// The laptop pushes.
    pub(crate) fn push(&mut self, texts: &[&str]) {
        for text in texts {
            let data = Bytes::copy_from_slice(text.as_bytes());
            let push = ClientCommand::Push { data, key: None, detached: true };
            self.world.call(self.laptop, push).expect("it is queued");
        }
        // It may have to dial again.
        let laptop = self.laptop;
        self.world.run_until("the relay holds it", |world| world.devices[laptop].is_synced());
    }

    /// The log, to be changed.
    pub(crate) fn forge(&self) -> Forgery {
        Forgery::of(&self.world.relay.store, self.group)
    }

    /// The relay restarts over a changed log.
    pub(crate) fn serve(&mut self, forgery: &Forgery) {
        self.world.kill_relay();
        forgery.commit(&mut self.world.relay.store);
        self.world.start_relay();
    }

    /// The phone comes back and syncs for half a minute.
    pub(crate) fn wake(&mut self) {
        self.world.start_device(self.phone);
        self.world.run(Duration::from_secs(30));
    }

    pub(crate) fn minutes(&mut self, minutes: u64) {
        self.world.run(Duration::from_secs(60 * minutes));
    }

    /// What the phone's application can read and has not.
    pub(crate) fn read(&mut self) -> Vec<String> {
        let mut all = Vec::new();
        loop {
            let pulled = pull(&mut self.world, self.phone, None);
            all.extend(texts(&pulled.blobs));
            if !pulled.has_more {
                // Acknowledges what was read.
                let _ = pull(&mut self.world, self.phone, Some(pulled.max_cursor));
                return all;
            }
            let _ = pull(&mut self.world, self.phone, Some(pulled.max_cursor));
        }
    }

    pub(crate) fn verdicts(&self) -> Vec<Verdict> {
        self.world.devices[self.phone].verdicts()
    }

    /// The gap verdict for records of the laptop's data lane, as a later one shows it.
    pub(crate) fn gap(&self, from: u64, to: u64, expired: bool) -> Verdict {
        let (sender, inc) = self.laptop_stream();
        Verdict::Gap { sender, inc, lane: Lane::Data, from, to, expired, by: None }
    }

    /// The gap verdict for records of the laptop's data lane, on a member's word.
    pub(crate) fn gap_by(&self, by: DeviceId, from: u64, to: u64, expired: bool) -> Verdict {
        let (sender, inc) = self.laptop_stream();
        Verdict::Gap { sender, inc, lane: Lane::Data, from, to, expired, by: Some(by) }
    }

    pub(crate) fn laptop_stream(&self) -> (DeviceId, Incarnation) {
        let log = self.world.relay.store.log(&self.group);
        let first = &self.insider.own(&log, Kind::Data)[0].record;
        (first.sender, first.inc)
    }

    /// The laptop's blob with this text.
    pub(crate) fn blob(&self, text: &str) -> (usize, Bytes) {
        let log = self.world.relay.store.log(&self.group);
        let index = log.iter().position(|(_, blob)| self.insider.open(blob).record.payload == text);
        let index = index.expect("it was pushed");
        (index, log[index].1.clone())
    }
}
