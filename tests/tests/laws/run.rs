//! Two devices, a relay, and whatever happens to them.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use proptest::prelude::*;
use zerok_core::{
    channel::ChannelKind,
    client::{
        command::{ClientCommand, Lifecycle, Reply},
        status::{ConnectionState, Indicator},
    },
    ids::CommandId,
    pairing::invite::Invite,
};
use zerok_testkit::sim::{Disk, World};

/// Something that happens to a device or to all.
#[derive(Debug, Clone)]
pub(crate) enum Happening {
    Push(usize),
    Signal(usize, Lifecycle),
    Kill(usize),
    Start(usize),
    Online(usize, bool),
    BreakLink(usize),
    LoseLink(usize),
    Sleep(usize),
    Wake(usize),
    FullDisk(usize, bool),
    SyncNow(usize),
    Read(usize),
    KillRelay,
    StartRelay,
    Wait(u64),
}

pub(crate) fn happening() -> impl Strategy<Value = Happening> {
    let device = 0..2_usize;
    let signal = prop_oneof![
        Just(Lifecycle::Started),
        (0..100_u64).prop_map(|slept| Lifecycle::Resumed { slept: Duration::from_secs(slept) }),
        Just(Lifecycle::Suspending),
        Just(Lifecycle::Closing),
        any::<bool>().prop_map(|available| Lifecycle::NetworkChanged { available }),
    ];
    prop_oneof![
        6 => device.clone().prop_map(Happening::Push),
        4 => (device.clone(), signal).prop_map(|(device, signal)| Happening::Signal(device, signal)),
        1 => device.clone().prop_map(Happening::Kill),
        2 => device.clone().prop_map(Happening::Start),
        2 => (device.clone(), any::<bool>()).prop_map(|(device, on)| Happening::Online(device, on)),
        1 => device.clone().prop_map(Happening::BreakLink),
        1 => device.clone().prop_map(Happening::LoseLink),
        1 => device.clone().prop_map(Happening::Sleep),
        2 => device.clone().prop_map(Happening::Wake),
        2 => (device.clone(), any::<bool>()).prop_map(|(device, full)| Happening::FullDisk(device, full)),
        1 => device.clone().prop_map(Happening::SyncNow),
        2 => device.prop_map(Happening::Read),
        1 => Just(Happening::KillRelay),
        1 => Just(Happening::StartRelay),
        8 => (0..4_000_u64).prop_map(Happening::Wait),
    ]
}

/// A run, and what is known of its pushes.
pub(crate) struct Run {
    pub(crate) world: World,
    /// Per device, what was pushed: the text, the process that did, the command, and the answer once there is one.
    pub(crate) pushed: [Vec<(String, u64, CommandId)>; 2],
    /// Answers that a process gave before it ended.
    pub(crate) answered: BTreeMap<(usize, u64, CommandId), bool>,
    lives: [u64; 2],
}

impl Run {
    /// Two devices of one group on one relay.
    pub(crate) fn new(kind: ChannelKind) -> Self {
        Self::pair(World::new(kind))
    }

    /// The same in a world without devices, with bounds of one's own.
    pub(crate) fn pair(mut world: World) -> Self {
        let address = world.relay.address();
        for name in ["laptop", "phone"] {
            let device = world.add_device(name);
            world.call(device, ClientCommand::Configure(address.clone())).expect("a first relay");
        }
        world.call(0, ClientCommand::Enable { name: "laptop".into() }).expect("works alone");
        world.run_until("connected", |world| world.devices[0].is_connected());
        let Ok(Reply::Invited { code, .. }) = world.call(0, ClientCommand::CreateInvite) else { panic!("no invite") };
        world.call(1, ClientCommand::Join { invite: Invite::Code(code), name: "phone".into() }).expect("joins");
        world.run(Duration::from_secs(20));
        Self { world, pushed: [Vec::new(), Vec::new()], answered: BTreeMap::new(), lives: [0; 2] }
    }

    /// Remembers what a process answered to pushes, for it is asked no more.
    fn note(&mut self, device: usize) {
        for (_, life, id) in self.pushed[device].iter().filter(|(_, life, _)| *life == self.lives[device]) {
            let durable = match self.world.devices[device].replies.get(id) {
                Some(Ok(_)) => true,
                Some(Err(rejection)) => rejection.blob_id.is_some(),
                None => continue,
            };
            self.answered.insert((device, *life, *id), durable);
        }
    }

    fn start(&mut self, device: usize) {
        self.note(device);
        self.lives[device] += 1;
        self.world.start_device(device);
    }

    fn ends(&self, device: usize) -> bool {
        self.world.devices[device].client.is_none() || self.world.devices[device].stopped
    }

    pub(crate) fn happen(&mut self, what: &Happening) {
        let over = [0, 1].map(|device| self.ends(device));
        let world = &mut self.world;
        match *what {
            Happening::Push(device) if world.devices[device].client.is_some() => {
                let text = format!("{device}/{}", self.pushed[device].len());
                let data = Bytes::from(text.clone());
                let detached = self.pushed[device].len().is_multiple_of(2);
                let id = world.send(device, ClientCommand::Push { data, key: None, detached });
                self.pushed[device].push((text, self.lives[device], id));
            }
            Happening::Signal(device, signal) => world.signal(device, signal),
            Happening::Kill(device) if !over[device] => {
                self.note(device);
                self.world.kill_device(device);
            }
            Happening::Start(device) if over[device] => self.start(device),
            Happening::Online(device, on) => world.set_online(device, on),
            Happening::BreakLink(device) => world.break_link(device),
            Happening::LoseLink(device) => world.lose_link_unnoticed(device),
            Happening::Sleep(device) if world.devices[device].client.is_some() => world.fall_asleep(device),
            Happening::Wake(device) => world.wake_up(device),
            Happening::FullDisk(device, full) => {
                world.devices[device].disk = if full { Disk::Full } else { Disk::Good };
            }
            Happening::SyncNow(device) if world.devices[device].client.is_some() => {
                world.send(device, ClientCommand::SyncNow);
            }
            Happening::Read(device) if world.devices[device].client.is_some() => {
                world.send(device, ClientCommand::Pull { after: None, max_bytes: 1 << 20, own: false });
            }
            Happening::KillRelay => world.kill_relay(),
            Happening::StartRelay if world.relay.machines.is_empty() => world.start_relay(),
            Happening::Wait(millis) => world.run(Duration::from_millis(millis)),
            _ => {}
        }
        self.check_status();
    }

    /// What a status may not say, whatever happened.
    fn check_status(&self) {
        for node in &self.world.devices {
            let Some(client) = node.client.as_ref().filter(|_| !node.stopped) else { continue };
            let status = client.status();
            let synced = status.indicator == Indicator::Synced;
            let unreachable = matches!(status.state, ConnectionState::Disabled | ConnectionState::Offline);
            assert!(!synced || !unreachable && status.pending == 0, "{status:?}");
            assert!(status.indicator != Indicator::Failed || status.last_error.is_some(), "{status:?}");
        }
    }

    /// Everything works again, and there is time.
    pub(crate) fn recover(&mut self) {
        if self.world.relay.machines.is_empty() {
            self.world.start_relay();
        }
        for device in 0..2 {
            self.world.devices[device].disk = Disk::Good;
            self.world.set_online(device, true);
            self.world.wake_up(device);
        }
        self.world.run(Duration::from_secs(1));
        for device in 0..2 {
            if self.ends(device) {
                self.start(device);
            }
            self.world.signal(device, Lifecycle::NetworkChanged { available: true });
        }
        self.world.run(Duration::from_secs(300));
        (0..2).for_each(|device| self.note(device));
    }

    pub(crate) fn read(&mut self, device: usize) -> Vec<String> {
        let mut texts = Vec::new();
        let mut after = Some(zerok_core::ids::Position(0));
        loop {
            let command = ClientCommand::Pull { after, max_bytes: 1 << 20, own: false };
            let Ok(Reply::Pulled(pulled)) = self.world.call(device, command) else { panic!("no pull") };
            assert!(!pulled.truncated);
            after = Some(pulled.max_cursor);
            texts.extend(pulled.blobs.iter().map(|blob| String::from_utf8_lossy(&blob.data).into_owned()));
            if !pulled.has_more {
                return texts;
            }
        }
    }
}
