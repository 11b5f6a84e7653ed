//! What applications, their users and whoever mends things do.

use bytes::Bytes;
use zerok_core::{
    client::command::{ClientCommand, Lifecycle},
    ids::{CommandId, IdempotencyKey, Position},
    limits::MAX_PAYLOAD,
    pairing::{
        code::PairingCode,
        invite::{Invite, QrPayload},
    },
    rng::Seed,
    time::Duration,
};

use super::{
    DeviceCopy, NAMES, Storm,
    app::{Fate, Push},
    plan::Work,
};
use crate::sim::{Disk, Path};

impl Storm {
    pub(super) fn work(&mut self, work: Work, who: u32, much: u32) {
        let device = self.choose(who);
        match work {
            Work::Push => self.push(device, much),
            Work::PushMany => (0..10).for_each(|index| self.push(device, much.wrapping_add(index * 7919))),
            Work::Read => self.read(device, much),
            Work::AckWild => {
                let position = Position(self.apps[device].db.cursor.0.saturating_add(u64::from(much % 4)));
                self.send(device, ClientCommand::Ack(position));
            }
            Work::SyncNow => self.ask(device, ClientCommand::SyncNow),
            Work::Rename => self.ask(device, ClientCommand::Rename(format!("{} {much}", NAMES[device]))),
            Work::Cancel => self.cancel(device),
            Work::Invite => self.invite(device, much),
            Work::CancelInvite => self.ask(device, ClientCommand::CancelInvite),
            // Who founded the group stays: its members would have nobody to come back to.
            Work::Leave if device != 0 => self.ask(device, ClientCommand::Leave { force: much.is_multiple_of(2) }),
            Work::Leave => {}
            Work::Disable => self.ask(device, ClientCommand::Disable),
            Work::Enable => self.ask(device, ClientCommand::Enable { name: NAMES[device].into() }),
            Work::Move => {
                let relay = much as usize % 2;
                let address = self.world.relay_node(relay).address();
                self.disasters.push(self.world.now());
                self.send(device, ClientCommand::SetRelay(address));
            }
            Work::Copy => self.copy(device),
            Work::Nonsense => self.nonsense(device, much),
            Work::Start => {
                self.start(device);
                (0..=self.world.others.len()).for_each(|relay| self.start_relay(relay));
            }
            Work::Calm => self.calm(device),
            Work::CalmRelay => self.calm_relay(who as usize % (self.world.others.len() + 1)),
            Work::Wait => {
                let seconds = [20, 60, 200, 660][much as usize % 4];
                self.run(Duration::from_secs(seconds));
            }
        }
    }

    fn ask(&mut self, device: usize, command: ClientCommand) {
        self.send(device, command);
    }

    /// Sends a command to a process that lives.
    pub(super) fn send(&mut self, device: usize, command: ClientCommand) -> Option<CommandId> {
        self.world.devices[device].client.as_ref()?;
        let id = self.world.send(device, command);
        Some(id)
    }

    pub(super) fn push(&mut self, device: usize, much: u32) {
        if self.world.devices[device].client.is_none() {
            return;
        }
        let size = match (self.shape.tight, much % 32) {
            (true, _) => much / 32 % 3_000,
            (_, 0..=21) => much / 32 % 180,
            (_, 22..=30) => much / 32 % 6_000,
            _ => much / 32 % 80_000,
        } as usize;
        let text = self.apps[device].write(device);
        let key = (much / 7).is_multiple_of(4).then(|| {
            let mut key = [0; 16];
            let len = text.len().min(16);
            key[..len].copy_from_slice(&text.as_bytes()[..len]);
            IdempotencyKey(key)
        });
        let detached = (much / 11).is_multiple_of(2);
        let data = payload(&text, size);
        // The answer may come before the call returns.
        let command = self.world.devices[device].next_command();
        let (fate, at) = (Fate::Asked, self.world.now());
        self.apps[device].pushes.push(Push {
            text,
            size,
            key,
            command,
            fate,
            blob: None,
            at,
            retried: false,
            before: None,
        });
        self.send(device, ClientCommand::Push { data, key, detached });
        self.look();
    }

    pub(super) fn read(&mut self, device: usize, much: u32) {
        if self.world.devices[device].client.is_none() {
            return;
        }
        let cursor = self.apps[device].db.cursor;
        let (after, from) = if much.is_multiple_of(3) { (None, Position(0)) } else { (Some(cursor), cursor) };
        let max_bytes = [1, 2_000, 1 << 20][much as usize / 3 % 3];
        let command = self.world.devices[device].next_command();
        self.apps[device].pulls.insert(command, from);
        self.send(device, ClientCommand::Pull { after, max_bytes, own: false });
        self.look();
    }

    fn cancel(&mut self, device: usize) {
        let node = &self.world.devices[device];
        if let (Some(last), true) = (node.unanswered().pop(), node.client.is_some()) {
            self.world.cancel(device, last);
        }
    }

    pub(super) fn invite(&mut self, device: usize, much: u32) {
        let joiner = (device + 1 + much as usize % (self.apps.len() - 1).max(1)) % self.apps.len();
        let spare = self.shape.members as usize + usize::from(self.shape.lossy);
        let joiner =
            if (much / 5).is_multiple_of(4) { joiner } else { spare + much as usize % self.shape.spares as usize };
        if self.world.devices[device].client.is_none() || joiner == device {
            return;
        }
        let command = self.world.devices[device].next_command();
        self.invites.insert((device, command), (joiner, much / 20));
        self.send(device, ClientCommand::CreateInvite);
        self.look();
    }

    /// The creator's device shows a code and a picture; somebody carries them to the other device.
    pub(super) fn invited(&mut self, device: usize, command: CommandId, code: &PairingCode, qr: &QrPayload) {
        let Some((joiner, how)) = self.invites.remove(&(device, command)) else { return };
        let name: String = NAMES[joiner].into();
        let invite = match how % 10 {
            0..=4 => Invite::Code(code.clone()),
            5 | 6 => Invite::Qr(qr.clone()),
            7 => Invite::Code(some_code(how)),
            8 => {
                let second = (joiner + 1) % self.apps.len();
                self.send(
                    second,
                    ClientCommand::Join { invite: Invite::Code(code.clone()), name: NAMES[second].into() },
                );
                Invite::Code(code.clone())
            }
            // Nobody came.
            _ => return,
        };
        self.send(joiner, ClientCommand::Join { invite, name });
    }

    fn copy(&mut self, device: usize) {
        let app = &self.apps[device];
        let node = &self.world.devices[device];
        self.copies.push(DeviceCopy {
            device,
            memberships: app.memberships,
            at: self.world.now(),
            store: node.store.clone(),
            db: app.db.clone(),
        });
    }

    pub(super) fn copy_relay(&mut self, relay: usize) {
        if self.shape.disasters {
            let store = self.world.relay_node(relay).store.clone();
            self.relay_copies.push((relay, store));
        }
    }

    /// What no application should ask, and some will.
    fn nonsense(&mut self, device: usize, much: u32) {
        let command = match much % 8 {
            0 => {
                let data = Bytes::from(vec![0; MAX_PAYLOAD + 1]);
                ClientCommand::Push { data, key: None, detached: false }
            }
            1 => ClientCommand::Pull { after: Some(Position(u64::MAX)), max_bytes: 1, own: false },
            2 => ClientCommand::Rename(String::new()),
            3 => {
                let mut address = self.world.relay.address();
                address.key.0[7] ^= 1;
                ClientCommand::Configure(address)
            }
            4 => ClientCommand::Join { invite: Invite::Code(some_code(much)), name: NAMES[device].into() },
            5 => {
                let calls = super::client_limits(self.shape.tight).commands.min(40);
                (0..calls).for_each(|call| self.push(device, 11 * 7 + call as u32 * 154));
                ClientCommand::SyncNow
            }
            6 => {
                // More than an outbox holds, where bounds are small.
                (0..24).for_each(|_| self.push(device, 95_700));
                ClientCommand::SyncNow
            }
            _ => ClientCommand::Settle(u64::from(much / 8 % 3)),
        };
        self.send(device, command);
    }

    /// Starts a process that does not run; its application asks again for what it never heard of.
    pub(super) fn start(&mut self, device: usize) {
        if self.world.devices[device].is_running() {
            return;
        }
        self.ended(device);
        self.world.start_device(device);
        self.look();
        let asked: Vec<usize> = (0..self.apps[device].pushes.len())
            .filter(|index| self.apps[device].pushes[*index].fate == Fate::Asked)
            .collect();
        for index in asked {
            let command = self.world.devices[device].next_command();
            let push = &mut self.apps[device].pushes[index];
            (push.command, push.retried) = (command, true);
            let (data, key) = (payload(&push.text, push.size), push.key);
            self.send(device, ClientCommand::Push { data, key, detached: true });
            self.look();
        }
    }

    /// A process has ended, or is about to.
    pub(super) fn ended(&mut self, device: usize) {
        self.look();
        self.apps[device].ended();
    }

    pub(super) fn start_relay(&mut self, relay: usize) {
        let node = self.world.relay_node(relay);
        if node.stopped || node.machines.is_empty() {
            node.store.mend();
            self.world.kill_relay_of(relay);
            self.world.start_relay_of(relay);
        }
    }

    pub(super) fn calm(&mut self, device: usize) {
        if self.clones.iter().any(|(clone, _)| *clone == device) {
            self.ended(device);
            return self.world.kill_device(device);
        }
        let node = &mut self.world.devices[device];
        node.disk = Disk::Good;
        node.disk_delay = Duration::ZERO;
        node.key_override = None;
        node.impostor = None;
        self.world.release_disk(device);
        self.world.set_path(device, Path::default());
        self.world.set_online(device, true);
        self.world.wake_up(device);
        self.look();
        self.start(device);
        self.world.signal(device, Lifecycle::NetworkChanged { available: true });
    }

    pub(super) fn calm_relay(&mut self, relay: usize) {
        self.copy_relay(relay);
        let node = self.world.relay_node(relay);
        node.disk_delay = Duration::ZERO;
        node.store.mend();
        node.store.set_room(u64::MAX);
        self.world.release_relay_disk(relay);
        self.world.set_network(true);
        self.start_relay(relay);
    }
}

fn payload(text: &str, size: usize) -> Bytes {
    let mut data = text.as_bytes().to_vec();
    data.push(b' ');
    data.resize(data.len() + size, b'.');
    data.into()
}

fn some_code(much: u32) -> PairingCode {
    let mut seed = [3; 32];
    seed[..4].copy_from_slice(&much.to_le_bytes());
    PairingCode::generate(&mut Seed::new(seed).draw("a code nobody gave out"))
}
