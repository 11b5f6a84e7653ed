//! A device's own rows as a broken disk, a restored copy, another version or a thief may leave them, at open and afterwards.
//!
//! Sealed rows are damaged, swapped, left out, or sealed again under the right key around changed or arbitrary content; rows in
//! clear are anything. What must hold: no panic and no misuse, at open and in the life that follows; what does not open ends the
//! client by name, and then nothing makes a new identity.

use bytes::Bytes;
use zerok_core::{
    client::{
        command::ClientCommand,
        store::{ClientImage, ClientOp, HeldRow, InboxRow, OutboxEntry, OutboxRow, RosterRow},
    },
    error::Code,
    ids::{
        BlobId, Cursor, DeviceId, Digest, IdempotencyKey, Incarnation, Lane, OutboxId, Position, RecordHash, StreamId,
    },
    seal::{
        keys::{StoreKey, open_at_rest, seal_at_rest},
        record::{Kind, Record},
    },
    time::{Duration, UnixMillis},
};

use super::{
    client_inputs::any_command,
    device::DeviceRig,
    fixture::{draw, lay_out},
    peers::Peers,
    seen::Seen,
    snapshot::Snapshot,
    source::Source,
};
use crate::store::client::MemoryClientStore;

/// Opens a store that is not what it was.
pub fn rows(data: &[u8]) -> Seen {
    let mut source = Source::new(data);
    let store = changed(&mut source);
    let had_identity = store.image().vault.is_some();
    let mut rig = DeviceRig::new(&mut source, store, true);
    let mut peers = Peers::new();
    rig.start();
    let lost = rig.seen.contains("Code", Code::KeyLost.name()) || rig.seen.contains("Code", Code::StorageFailed.name());
    if rig.stopped {
        assert!(lost, "it says why");
        let before = rig.store.image();
        rig.command(ClientCommand::Enable { name: "again".into() });
        assert_eq!(rig.store.image(), before, "nothing is written over it");
        return rig.seen;
    }
    assert!(had_identity || rig.store.image().vault.is_none());
    for _ in 0..24 {
        if rig.stopped {
            break;
        }
        Peers::flush(&mut rig);
        match rig.wire.as_ref().map(|wire| (wire.opened, wire.channel.is_some(), wire.closing)) {
            None => rig.run(Duration::from_secs(20)),
            Some((.., true)) => peers.cut(&mut rig),
            Some((false, ..)) => peers.accept(&mut rig),
            Some((true, false, false)) => peers.welcome(&mut source, &mut rig),
            Some((true, true, false)) => match source.below(4) {
                0 => rig.run(Duration::from_secs(source.number())),
                1 => drop(any_command(&mut source, &mut rig)),
                _ => peers.speak(&mut source, &mut rig),
            },
        }
        peers.listen(&mut rig);
    }
    rig.command(ClientCommand::Pull { after: None, max_bytes: 1 << 20, own: true });
    rig.command(ClientCommand::Push { data: Bytes::from_static(b"more"), key: None, detached: true });
    rig.finish_quietly()
}

/// The snapshot's store with some rows changed.
fn changed(source: &mut Source<'_>) -> MemoryClientStore {
    let snapshot = Snapshot::shared();
    let image: ClientImage = snapshot.store.image();
    let mut store = snapshot.store.clone();
    let mut ops = Vec::new();
    for _ in 0..=source.below(4) {
        match source.below(10) {
            0 => match sealed(source, image.vault.as_ref(), "vault") {
                Some(row) => ops.push(ClientOp::Vault(row)),
                None => store = without(&image, source),
            },
            1 | 2 => match sealed(source, image.ledger.as_ref(), "ledger") {
                Some(row) => ops.push(ClientOp::Ledger(row)),
                None => store = without(&image, source),
            },
            3 | 4 => {
                let known = source.pick(&image.streams);
                let row = sealed(source, known.as_ref().map(|(_, row)| row), "stream");
                let stream = match known {
                    Some((stream, _)) if source.flag() => stream,
                    _ => any_stream(source),
                };
                ops.extend(row.map(|state| ClientOp::Stream { stream, state }));
            }
            5 => {
                let row = sealed(source, None, "verdict");
                ops.extend(row.map(|verdict| ClientOp::Verdict { id: source.number(), verdict }));
            }
            6 => ops.push(ClientOp::Enqueue(outbox_row(source, &image))),
            7 => {
                let blob = any_blob(source);
                ops.push(ClientOp::Deliver(InboxRow { position: Position(source.number()), blob }));
            }
            8 => {
                let blob = any_blob(source);
                let digest = if source.below(4) == 3 { Digest([source.byte(); 16]) } else { Digest::of(&blob) };
                ops.push(ClientOp::Hold(HeldRow { digest, cursor: Cursor(source.number()), blob }));
            }
            _ => {
                let blob = source.pick(&image.roster).map_or_else(Bytes::new, |row| row.blob);
                let blob = if source.flag() { Bytes::from(source.edited(&blob)) } else { any_blob(source) };
                ops.push(ClientOp::Roster(RosterRow { number: source.number() % 8, blob }));
            }
        }
    }
    if source.below(8) == 7 {
        store.set_reserved(source.number());
    }
    store.apply(&ops);
    store
}

/// Only some kinds of rows are there.
fn without(image: &ClientImage, source: &mut Source<'_>) -> MemoryClientStore {
    let mut store = MemoryClientStore::default();
    let mut ops = Vec::new();
    let keep = source.byte();
    ops.extend(image.vault.clone().filter(|_| keep & 1 == 1).map(ClientOp::Vault));
    ops.extend(image.ledger.clone().filter(|_| keep & 2 == 2).map(ClientOp::Ledger));
    if keep & 4 == 4 {
        ops.extend(image.roster.iter().cloned().map(ClientOp::Roster));
    }
    if keep & 8 == 8 {
        let stream = |(stream, state): &(_, Bytes)| ClientOp::Stream { stream: *stream, state: state.clone() };
        ops.extend(image.streams.iter().map(stream));
    }
    store.apply(&ops);
    store
}

/// A sealed row: damaged, sealed again around something else, under the wrong label, or gone.
fn sealed(source: &mut Source<'_>, row: Option<&Bytes>, label: &str) -> Option<Bytes> {
    let key = StoreKey::new(Snapshot::shared().store_key);
    let plain = row.and_then(|row| open_at_rest(&key, label, row)).map(|plain| plain.to_vec()).unwrap_or_default();
    let again = |plain: &[u8], label: &str| seal_at_rest(&key, label, plain, &mut draw(14));
    Some(match source.below(8) {
        0 => return None,
        1 => source.edited(row.map_or(&[][..], |row| row)).into(),
        2 => again(&plain, "vault"),
        3 => again(&source.bytes(1024), label),
        _ => again(&source.edited(&plain), label),
    })
}

fn any_stream(source: &mut Source<'_>) -> StreamId {
    let snapshot = Snapshot::shared();
    let devices = [snapshot.keys[0].id(), snapshot.keys[1].id(), DeviceId([source.byte(); 8])];
    StreamId {
        device: source.pick(&devices).unwrap_or(devices[0]),
        inc: Incarnation([source.byte(); 8]),
        lane: if source.flag() { Lane::Control } else { Lane::Data },
    }
}

fn outbox_row(source: &mut Source<'_>, image: &ClientImage) -> OutboxRow {
    let blob = any_blob(source);
    let known = source.pick(&image.outbox);
    let fresh = OutboxEntry {
        id: OutboxId(source.number()),
        lane: if source.flag() { Lane::Control } else { Lane::Data },
        kind: source.byte(),
        inc: Incarnation([source.byte(); 8]),
        seq: source.number(),
        hash: RecordHash([source.byte(); 16]),
        digest: Digest::of(&blob),
        blob_id: BlobId([source.byte(); 16]),
        key: source.flag().then(|| IdempotencyKey([source.byte(); 16])),
        size: if source.flag() { blob.len() as u32 } else { source.number32() },
        acked: source.flag(),
        position: source.flag().then(|| Position(source.number())),
    };
    let entry = match known {
        Some(known) if source.flag() => OutboxEntry { size: fresh.size, seq: fresh.seq, acked: fresh.acked, ..known },
        _ => fresh,
    };
    OutboxRow { entry, blob }
}

/// A blob of the group's log, a record nobody wrote there, or noise.
fn any_blob(source: &mut Source<'_>) -> Bytes {
    let snapshot = Snapshot::shared();
    let from_log = source.pick(&snapshot.log).map(|(_, blob)| blob).unwrap_or_default();
    match source.below(4) {
        0 => from_log,
        1 => source.edited(&from_log).into(),
        2 => source.bytes(1024).into(),
        _ => {
            let stream = any_stream(source);
            let kinds = [Kind::Data as u8, Kind::Heads as u8, Kind::Genesis as u8, Kind::Add as u8, 9];
            let record = Record {
                sender: stream.device,
                inc: stream.inc,
                seq: source.number().max(1),
                prev: RecordHash([source.byte(); 16]),
                kind: source.pick(&kinds).unwrap_or_default(),
                ms: UnixMillis(source.number()),
                seen: Vec::new(),
                payload: source.bytes(200).into(),
            };
            let plain = lay_out(&record, &snapshot.keys[source.below(2)], &snapshot.group);
            snapshot.seal(&plain)
        }
    }
}
