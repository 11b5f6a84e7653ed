//! Lists of inputs to a client: everything a driver, a disk, a network, a platform and an application may do, in any order.
//!
//! A legal list is never misuse; an illegal input is, and changes nothing. Stores answer late, together, with "full" or not at all
//! well; links come up, stall, break and speak nonsense; time jumps and stands still.

use bytes::Bytes;
use zerok_core::{
    client::{
        command::{ClientCommand, Lifecycle},
        io::ClientInput,
    },
    ids::{BatchId, CommandId, IdempotencyKey, LinkId, LoadId, Position},
    limits::MAX_PAYLOAD,
    machine::{LinkFailure, LinkInput, Machine, Misuse, StoreFailure, StoreInput, StoreOutput},
    pairing::{code::PairingCode, invite::Invite},
    time::{Duration, UnixMillis},
};

use super::{
    addresses::any_address,
    device::DeviceRig,
    peers::{Peers, known_code},
    seen::Seen,
    snapshot::Snapshot,
    source::Source,
};
use crate::store::client::MemoryClientStore;

/// Runs a list.
pub fn client_inputs(data: &[u8]) -> Seen {
    let mut source = Source::new(data);
    let snapshot = Snapshot::shared();
    let store = if source.flag() { snapshot.store.clone() } else { MemoryClientStore::default() };
    let prompt = source.below(4) == 0;
    let mut rig = DeviceRig::new(&mut source, store, prompt);
    let mut peers = Peers::new();
    peers.make_invite();
    if source.flag() {
        rig.start();
    }
    let mut written = rig.store.clone();
    for _ in 0..120 {
        if source.is_empty() {
            break;
        }
        step(&mut source, &mut rig, &mut peers);
        peers.listen(&mut rig);
        // A crash may come at any time: what is durable now must open.
        if source.below(64) == 63 {
            written = rig.store.clone();
        }
    }
    let store = rig.store.clone();
    let seen = rig.finish();
    DeviceRig::reopens(written);
    DeviceRig::reopens(store);
    seen
}

fn step(source: &mut Source<'_>, rig: &mut DeviceRig, peers: &mut Peers) {
    match source.below(24) {
        0..=3 => rig.store_answers(None),
        4 | 5 => rig.store_catches_up(),
        6 => {
            let failure = match source.below(8) {
                7 => StoreFailure::Io,
                6 => StoreFailure::Locked,
                5 => StoreFailure::Busy,
                _ => StoreFailure::Full,
            };
            rig.store_answers(Some(failure));
        }
        7 => rig.run(Duration::from_millis(source.number())),
        8 => match rig.client.deadline() {
            Some(due) => rig.run(due.since(rig.now)),
            None => rig.tell(ClientInput::Tick),
        },
        9 => rig.run(Duration::from_secs(source.number())),
        10 | 11 => drop(any_command(source, rig)),
        12 => rig.tell(ClientInput::Cancel(CommandId(source.number()))),
        13 => {
            let signal = match source.below(6) {
                0 => Lifecycle::Started,
                1 => Lifecycle::Resumed { slept: Duration::from_millis(source.number()) },
                2 => Lifecycle::Suspending,
                3 if source.below(4) == 3 => Lifecycle::Closing,
                4 => Lifecycle::NetworkChanged { available: false },
                _ => Lifecycle::NetworkChanged { available: true },
            };
            rig.tell(ClientInput::Lifecycle(signal));
        }
        14 => rig.tell(ClientInput::WallClock(UnixMillis(source.number()))),
        15 => peers.accept(rig),
        16 => peers.welcome(source, rig),
        17 | 18 => peers.speak(source, rig),
        19 => peers.cut(rig),
        20 => written(source, rig),
        21 => bytes(source, rig),
        22 => late(source, rig),
        _ => misuse(source, rig),
    }
}

/// Some of what was handed out has left.
fn written(source: &mut Source<'_>, rig: &mut DeviceRig) {
    if let Some(wire) = &mut rig.wire {
        let len = wire.unwritten.min(1 + source.place(8192));
        wire.unwritten -= len;
        let link = wire.id;
        rig.tell(ClientInput::Link(LinkInput::Written { link, len }));
    }
}

/// Bytes that no channel sealed. Whatever the relay says afterwards is out of step, and the client must bear it.
fn bytes(source: &mut Source<'_>, rig: &mut DeviceRig) {
    if let Some(wire) = rig.wire.as_ref().filter(|wire| wire.opened) {
        let link = wire.id;
        let bytes = Bytes::from(source.bytes(4096));
        if !bytes.is_empty() {
            rig.tell(ClientInput::Link(LinkInput::Bytes { link, bytes }));
        }
    }
}

/// Inputs for a link that is over.
fn late(source: &mut Source<'_>, rig: &mut DeviceRig) {
    let Some(last) = rig.newest_link.0.checked_sub(1) else { return };
    let link = LinkId(source.number().min(last));
    let input = match source.below(3) {
        0 => LinkInput::Bytes { link, bytes: Bytes::from_static(b"late") },
        1 => LinkInput::Written { link, len: source.place(100) },
        _ => LinkInput::Closed { link, cause: LinkFailure::Eof },
    };
    rig.tell(ClientInput::Link(input));
}

/// Mistakes of a driver: each is named, and changes nothing.
fn misuse(source: &mut Source<'_>, rig: &mut DeviceRig) {
    let (input, expected) = match source.below(6) {
        0 => (ClientInput::Command(rig.command, ClientCommand::Inspect), Misuse::IdReused),
        1 => {
            let batch = BatchId(rig.newest_batch.0 + 1 + source.number() / 2);
            let persisted = StoreInput::Persisted { batch, outcomes: Vec::new() };
            (ClientInput::Store(persisted), Misuse::UnknownAnswer)
        }
        2 => {
            let load = LoadId(rig.newest_load.0 + 1 + source.number() / 2);
            let answer = Err(StoreFailure::Io);
            (ClientInput::Store(StoreInput::Loaded { load, answer }), Misuse::UnknownAnswer)
        }
        3 => {
            let link = LinkId(rig.newest_link.0 + 1 + source.number() / 2);
            let bytes = Bytes::from_static(b"early");
            (ClientInput::Link(LinkInput::Bytes { link, bytes }), Misuse::UnknownAnswer)
        }
        4 => match rig.wire.as_ref().filter(|wire| wire.opened && !wire.closing) {
            Some(wire) => {
                let len = wire.unwritten + 1 + source.place(100);
                (ClientInput::Link(LinkInput::Written { link: wire.id, len }), Misuse::WrittenTooMuch)
            }
            None => return,
        },
        _ => match rig.queue.iter().find(|request| matches!(request, StoreOutput::Load { .. })) {
            Some(StoreOutput::Load { load, query }) => {
                let answer = Ok(DeviceRig::wrong_answer(query));
                (ClientInput::Store(StoreInput::Loaded { load: *load, answer }), Misuse::WrongAnswer)
            }
            _ => return,
        },
    };
    let before = format!("{:?}", rig.client);
    match rig.client.handle(rig.now, input) {
        Err(misuse) => {
            assert_eq!(misuse, expected);
            rig.seen.fault("Misuse", misuse);
            assert_eq!(format!("{:?}", rig.client), before, "the machine is unchanged");
            assert!(rig.client.poll().is_none());
        }
        // A question that nobody waits for any more, a link that is over: stale, and no mistake.
        Ok(()) => {
            assert!(matches!(expected, Misuse::WrongAnswer | Misuse::WrittenTooMuch) || rig.stopped, "{expected}");
        }
    }
}

/// Anything an application may ask.
pub(super) fn any_command(source: &mut Source<'_>, rig: &mut DeviceRig) -> CommandId {
    let position =
        |source: &mut Source<'_>| Position(if source.flag() { 1_767_312_000_000_000 } else { 0 } + source.number() / 2);
    let command = match source.below(20) {
        0 => ClientCommand::Enable { name: source.text(80) },
        1 => ClientCommand::Disable,
        2..=5 => ClientCommand::Push {
            data: match source.below(32) {
                31 => Bytes::from(vec![1; MAX_PAYLOAD + source.below(2)]),
                _ => source.bytes(4096).into(),
            },
            key: source.flag().then(|| IdempotencyKey([source.byte() & 7; 16])),
            detached: source.flag(),
        },
        6 | 7 => ClientCommand::Pull {
            after: source.flag().then(|| position(source)),
            max_bytes: source.number32(),
            own: source.flag(),
        },
        8 => ClientCommand::Ack(position(source)),
        9 => ClientCommand::CreateInvite,
        10 => ClientCommand::CancelInvite,
        11 => ClientCommand::Join { invite: Invite::Code(known_code()), name: "newcomer".into() },
        12 => {
            ClientCommand::Join { invite: Invite::Code(PairingCode::new([source.byte(); 10])), name: source.text(80) }
        }
        13 => ClientCommand::Leave { force: source.flag() },
        14 | 15 => ClientCommand::SyncNow,
        16 => ClientCommand::Rename(source.text(80)),
        17 => match source.below(3) {
            0 => ClientCommand::SetRelay(Snapshot::shared().address.clone()),
            1 => ClientCommand::SetRelay(any_address(source)),
            _ => ClientCommand::Configure(Snapshot::shared().address.clone()),
        },
        18 => ClientCommand::Settle(source.number()),
        19 => ClientCommand::AcceptFullPush,
        _ => ClientCommand::Inspect,
    };
    rig.command(command)
}
