//! Authenticated messages to a device: whatever a relay can say through a real channel, with records that a member really sealed.
//!
//! The store is prompt and the driver correct, so that everything that goes wrong is the relay's or a member's doing. What must
//! hold: no panic, no misuse, nothing offered twice, bounds kept, every command answered, and a store that opens again.

use zerok_core::{client::command::ClientCommand, pairing::invite::Invite, time::Duration};

use super::{
    client_inputs::any_command,
    device::DeviceRig,
    peers::{Peers, known_code},
    seen::Seen,
    snapshot::Snapshot,
    source::Source,
};
use crate::store::client::MemoryClientStore;

/// A relay talks to a device.
pub fn to_device(data: &[u8]) -> Seen {
    let mut source = Source::new(data);
    let snapshot = Snapshot::shared();
    let member = source.below(4) < 3;
    let store = if member { snapshot.store.clone() } else { MemoryClientStore::default() };
    let mut rig = DeviceRig::new(&mut source, store, true);
    let mut peers = Peers::new();
    rig.start();
    if !member {
        rig.command(ClientCommand::Configure(snapshot.address.clone()));
        peers.make_invite();
        rig.command(ClientCommand::Join { invite: Invite::Code(known_code()), name: "newcomer".into() });
    }
    for _ in 0..60 {
        if source.is_empty() || rig.stopped {
            break;
        }
        Peers::flush(&mut rig);
        match rig.wire.as_ref().map(|wire| (wire.opened, wire.channel.is_some(), wire.closing)) {
            None => rig.run(Duration::from_secs(1 + source.number() % 1000)),
            Some((.., true)) => peers.cut(&mut rig),
            Some((false, ..)) => peers.accept(&mut rig),
            Some((true, false, false)) => peers.welcome(&mut source, &mut rig),
            Some((true, true, false)) => match source.below(12) {
                0 => rig.run(Duration::from_millis(source.number())),
                1 => drop(any_command(&mut source, &mut rig)),
                2 if rig.invites.is_empty() => drop(rig.command(ClientCommand::CreateInvite)),
                2 => peers.use_invite(&mut source, &rig),
                3 if source.below(4) == 3 => peers.cut(&mut rig),
                _ => peers.speak(&mut source, &mut rig),
            },
        }
        peers.listen(&mut rig);
    }
    let store = rig.store.clone();
    let seen = rig.finish();
    DeviceRig::reopens(store);
    seen
}
