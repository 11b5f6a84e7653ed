//! What must fit before a device is admitted.

use std::collections::BTreeMap;

use super::*;
use crate::{
    channel::ChannelKind,
    client::{
        ClientConfig,
        command::ClientCommand,
        group::Group,
        io::{ClientInput, ClientOutput},
        store::{ClientAnswer, ClientOp},
    },
    ids::{Cursor, Incarnation, Lane, LoadId, RecordHash, StreamId},
    limits::ClientLimits,
    machine::{Machine as _, StoreInput, StoreOutput},
    rng::Seed,
    seal::{keys::DeviceKeys, padding::Padding, record, rest::StoreKey},
    time::Time,
};

/// A group of one that knows its relay.
fn founder() -> Client {
    let config = ClientConfig {
        store_key: StoreKey::new([1; 32]),
        kind: ChannelKind::Noise,
        limits: ClientLimits::default(),
        padding: Padding::Padme,
    };
    let mut client = Client::new(config, Seed::new([2; 32]), Time(0));
    let answer = Ok(ClientAnswer::Opened(Box::default()));
    client.handle(Time(1), ClientInput::Store(StoreInput::Loaded { load: LoadId(1), answer })).expect("asked for");
    let enable = ClientCommand::Enable { name: "laptop".into() };
    client.handle(Time(1), ClientInput::Command(CommandId(1), enable)).expect("a command");
    let key = crate::ids::RelayKey([5; 32]);
    client.relay = Some(crate::address::RelayAddress { key, tcp: vec!["relay.test:7040".into()], iroh: None });
    client
}

fn candidate(client: &mut Client) -> Candidate {
    Candidate { device: DeviceKeys::generate(&mut client.draws.keys).public(), name: "phone".into() }
}

#[test]
fn p20_what_cannot_be_handed_over_admits_nobody() {
    let mut client = founder();
    let phone = candidate(&mut client);
    let group = client.group.as_mut().expect("it is enabled");
    for number in 0..25_000_u64 {
        let id = StreamId { device: group.device, inc: Incarnation(number.to_le_bytes()), lane: Lane::Data };
        group.streams.entry(id).or_default().accept(1, RecordHash([1; 16]), Cursor(0));
    }
    client.admit(&phone);
    assert_eq!(client.outbox.last_unsent(Kind::Add), None, "an admission would leave a member behind that never was");
    assert_eq!(client.group.as_ref().map(|group| group.roster.len()), Some(1));
    client.group.as_mut().expect("it is enabled").streams.retain(|id, _| id.lane == Lane::Control);
    client.admit(&phone);
    assert!(client.outbox.last_unsent(Kind::Add).is_some());
}

/// A group that takes no more.
fn crowded() -> Client {
    let mut client = founder();
    for _ in 2..=MAX_DEVICES {
        let next = candidate(&mut client);
        client.admit(&next);
    }
    client
}

#[test]
fn p20_a_group_that_filled_up_since_the_invite_was_made_admits_nobody() {
    let mut client = crowded();
    let last = client.outbox.last_unsent(Kind::Add);
    let phone = candidate(&mut client);
    client.admit(&phone);
    assert_eq!(client.outbox.last_unsent(Kind::Add), last);
    assert_eq!(client.group.as_ref().map(|group| group.roster.len()), Some(MAX_DEVICES));
}

#[test]
fn p20_a_full_group_makes_no_invite_and_says_that_pairing_fails() {
    let mut client = crowded();
    while client.poll().is_some() {}
    client.handle(Time(2), ClientInput::Command(CommandId(2), ClientCommand::CreateInvite)).expect("a command");
    let persisted = StoreInput::Persisted { batch: client.gate.newest(), outcomes: Vec::new() };
    client.handle(Time(3), ClientInput::Store(persisted)).expect("asked for");
    let mut said = std::iter::from_fn(|| client.poll());
    let answer = said.find_map(|output| match output {
        ClientOutput::Done { command: CommandId(2), result } => Some(result),
        _ => None,
    });
    assert_eq!(answer, Some(Err(Code::PairingFailed.into())));
    assert!(client.invite.is_none());
}

#[test]
fn h6_no_more_chains_are_taken_from_a_handover_than_are_followed() {
    let mut client = founder();
    let keys = DeviceKeys::generate(&mut client.draws.keys);
    client.admit(&Candidate { device: keys.public(), name: "phone".into() });
    let device = client.group.as_ref().expect("it is enabled").device;
    let mut handover = client.handover().expect("it knows its relay");
    handover.baseline.extend((0..20_000_u64).map(|number| {
        let id = StreamId { device, inc: Incarnation(number.to_le_bytes()), lane: Lane::Data };
        (id, u64::MAX, RecordHash([1; 16]))
    }));
    let group = Group::from_handover(keys, &handover).expect("it is admitted");
    assert_eq!(group.streams.len(), crate::limits::MAX_CHAINS);
    assert_eq!(group.roster.len(), 2);
}

#[test]
fn h13_an_admission_that_is_said_again_is_handed_over_as_it_was_said_last() {
    let mut client = founder();
    let keys = DeviceKeys::generate(&mut client.draws.keys);
    client.admit(&Candidate { device: keys.public(), name: "phone".into() });
    let mut store: BTreeMap<u64, Bytes> = BTreeMap::new();
    let mut rows = BTreeMap::new();
    let mut keep = |ops: &[ClientOp]| {
        for op in ops {
            match op {
                ClientOp::Roster(row) => drop(store.insert(row.number, row.blob.clone())),
                ClientOp::Enqueue(row) => drop(rows.insert(row.entry.id, row.blob.clone())),
                _ => {}
            }
        }
        (store.clone(), rows.clone())
    };
    client.settle();
    while let Some(output) = client.poll() {
        if let ClientOutput::Store(StoreOutput::Persist { ops, .. }) = output {
            keep(&ops);
        }
    }
    // Another copy of this store was ahead, as somebody says only now.
    client.store_is_older();
    let ids: Vec<OutboxId> = client.outbox.rows().filter(|row| row.kind == Kind::Add as u8).map(|row| row.id).collect();
    let (_, rows) = keep(&[]);
    let loaded = ids.iter().map(|id| (*id, rows[id].clone())).collect();
    client.reissue(&ids, loaded);
    let (store, _) = keep(&client.batch.ops);
    let group = client.group.as_ref().expect("it is enabled");
    let inc = client.ledger.inc();
    let opened = |blob: &Bytes| record::open(blob, &group.id, group.epoch().expect("one epoch")).expect("its own");
    let adds = |blobs: &[Bytes]| {
        let records = blobs.iter().map(opened).map(|opened| opened.record);
        records.filter(|record| record.kind == Kind::Add as u8).map(|record| record.inc).collect::<Vec<_>>()
    };
    assert_eq!(adds(&group.roster_blobs()), [inc]);
    let stored: Vec<Bytes> = store.into_values().collect();
    assert_eq!(adds(&stored), [inc], "no row of the one before is left");
    let handover = client.handover().expect("it knows its relay");
    assert_eq!(Group::from_handover(keys, &handover).expect("it is admitted").roster.len(), 2);
}
