//! Arbitrary plaintexts under a valid key: records, the payloads inside them, and runs of them.
//!
//! What must hold: what opens is what was sealed, byte for byte, and seals to a record that says the same; every payload has one
//! form; a run is judged as its definition says.

use bytes::Bytes;
use zerok_core::{
    ids::{DeviceId, Incarnation, Lane, RecordHash},
    seal::{
        chain::verify_run,
        keys::{DeviceKeys, DevicePublic, Genesis},
        padding::Padding,
        record::{self, Kind, Opened, Record, SeenEntry},
        roster::{AddPayload, HeadsPayload, RenamePayload, clean_name},
    },
    time::UnixMillis,
};

use super::{
    fixture::{Fixture, draw, sign_record},
    seen::Seen,
    source::Source,
};

/// Opens what a member may have sealed.
pub fn records(data: &[u8]) -> Seen {
    let (mut source, mut seen) = (Source::new(data), Seen::default());
    let fixture = Fixture::shared();
    match source.below(4) {
        0 => drop(opened(&Bytes::copy_from_slice(source.rest()), &mut seen)),
        1 => {
            let plain = source.rest();
            if let Some(record) = opened(&fixture.seal(plain), &mut seen) {
                assert_eq!(&plain[..record.raw.len()], &record.raw[..], "what opens is what was sealed");
                assert!(plain[record.raw.len()..].iter().all(|byte| *byte == 0), "padding is zeros");
                seals_again(&record);
                payloads(&record, &mut seen);
            }
        }
        2 => {
            let written = plaintext(&mut source, fixture);
            let plain = source.edited(&written);
            let blob = fixture.seal(&plain);
            let blob = Bytes::from(source.edited(&blob));
            if let Some(record) = opened(&blob, &mut seen) {
                seals_again(&record);
                payloads(&record, &mut seen);
            }
        }
        _ => runs(&mut source, fixture),
    }
    seen
}

fn opened(blob: &Bytes, seen: &mut Seen) -> Option<Opened> {
    let fixture = Fixture::shared();
    match record::open(blob, &fixture.group, &fixture.epoch) {
        Ok(opened) => Some(opened),
        Err(fault) => {
            seen.fault("SealFault", fault);
            None
        }
    }
}

/// A record that opened can be written by whoever signs it anew, and then says the same.
fn seals_again(opened: &Opened) {
    let fixture = Fixture::shared();
    let (group, epoch) = (&fixture.group, &fixture.epoch);
    for padding in [Padding::Padme, Padding::None] {
        let sealed = record::seal(&opened.record, &fixture.founder, group, epoch, padding, &mut draw(2));
        assert_eq!(sealed.blob.len(), opened.record.sealed_len(padding));
        let again = record::open(&sealed.blob, group, epoch).expect("it was just sealed");
        assert_eq!(again.record, opened.record);
        assert_eq!(again.raw.len(), opened.raw.len());
        assert!(again.verify(&fixture.founder.public().sign, group));
    }
}

/// Every reader of a payload, whatever kind it claims: what decodes has no other form.
fn payloads(opened: &Opened, seen: &mut Seen) {
    let payload = &opened.record.payload;
    match Genesis::decode(payload) {
        Ok(genesis) => assert_eq!(genesis.encode(), *payload),
        Err(fault) => seen.fault("SealFault", fault),
    }
    match AddPayload::decode(payload) {
        Ok(add) => assert_eq!(add.encode(), *payload),
        Err(fault) => seen.fault("SealFault", fault),
    }
    if let Ok(rename) = RenamePayload::decode(payload) {
        assert_eq!(rename.encode(), *payload);
        assert_eq!(clean_name(&rename.name), rename.name);
    }
    if let Ok(heads) = HeadsPayload::decode(payload) {
        assert_eq!(heads.encode(), *payload);
    }
    if let Ok(device) = DevicePublic::decode(payload) {
        assert_eq!(&device.encode()[..], &payload[..]);
    }
}

/// A record with any fields, laid out by hand so that it may lie about its own lengths.
fn plaintext(source: &mut Source<'_>, fixture: &Fixture) -> Vec<u8> {
    let record = any_record(source, fixture);
    let mut plain = Vec::new();
    plain.extend_from_slice(&record.sender.0);
    plain.extend_from_slice(&record.inc.0);
    plain.extend_from_slice(&record.seq.to_le_bytes());
    plain.extend_from_slice(&record.prev.0);
    plain.push(record.kind);
    plain.push(if record.seen.is_empty() { source.byte() & 2 } else { 1 });
    plain.extend_from_slice(&record.ms.0.to_le_bytes());
    if !record.seen.is_empty() {
        let count = if source.below(8) == 7 { source.number() as u16 } else { record.seen.len() as u16 };
        plain.extend_from_slice(&count.to_le_bytes());
        for entry in &record.seen {
            plain.extend_from_slice(&entry.device.0);
            plain.extend_from_slice(&entry.inc.0);
            plain.push(entry.lane as u8);
            plain.extend_from_slice(&entry.seq.to_le_bytes());
            plain.extend_from_slice(&entry.hash);
        }
    }
    let len = if source.below(8) == 7 { source.number32() } else { record.payload.len() as u32 };
    plain.extend_from_slice(&len.to_le_bytes());
    plain.extend_from_slice(&record.payload);
    let signature = sign_record(&fixture.founder, &fixture.group, &plain);
    plain.extend_from_slice(&signature.0);
    plain.resize(plain.len() + source.below(64), 0);
    plain
}

/// Any record of the fixture's members.
fn any_record(source: &mut Source<'_>, fixture: &Fixture) -> Record {
    let senders = [fixture.founder.id(), fixture.member.id(), DeviceId(source.array())];
    let sender = source.pick(&senders).unwrap_or(senders[0]);
    let kind = source.byte() % 10;
    let lane = |source: &mut Source<'_>| if source.flag() { Lane::Control } else { Lane::Data };
    let seen = (0..source.below(4)).map(|_| SeenEntry {
        device: source.pick(&senders).unwrap_or(senders[0]),
        inc: Incarnation([source.byte() & 1; 8]),
        lane: lane(source),
        seq: source.number(),
        hash: [source.byte(); 8],
    });
    let seen = seen.collect();
    let payload = payload_of(source, kind, fixture);
    Record {
        sender,
        inc: Incarnation([source.byte() & 1; 8]),
        seq: source.number(),
        prev: RecordHash([source.byte(); 16]),
        kind,
        ms: UnixMillis(source.number()),
        seen,
        payload: payload.into(),
    }
}

/// A payload that suits a kind, or nearly.
fn payload_of(source: &mut Source<'_>, kind: u8, fixture: &Fixture) -> Vec<u8> {
    let keys: &DeviceKeys = if source.flag() { &fixture.founder } else { &fixture.member };
    let name = source.text(80);
    let honest = match Kind::of(kind) {
        Some(Kind::Genesis) => fixture.genesis.encode(),
        Some(Kind::Add) => AddPayload { device: keys.public(), name }.encode(),
        Some(Kind::Rename) => RenamePayload { name }.encode(),
        Some(Kind::Heads) => {
            HeadsPayload { control_seq: source.number(), control_hash: RecordHash([source.byte(); 16]) }.encode()
        }
        _ => name.into_bytes(),
    };
    source.edited(&honest)
}

/// A run of one sender, some of it forged, some linked, some twice.
fn runs(source: &mut Source<'_>, fixture: &Fixture) {
    let mut run: Vec<Opened> = Vec::new();
    for _ in 0..source.below(10) {
        let last = run.last().map_or(RecordHash([0; 16]), |last| last.hash);
        let prev = if source.below(4) == 3 { RecordHash([source.byte(); 16]) } else { last };
        let signer = if source.flag() { &fixture.founder } else { &fixture.member };
        let record = Record {
            sender: fixture.founder.id(),
            inc: Incarnation([0; 8]),
            seq: 1 + u64::from(source.byte() & 7),
            prev,
            kind: Kind::Data as u8,
            ms: UnixMillis(0),
            seen: Vec::new(),
            payload: Bytes::from(vec![source.byte() & 3]),
        };
        let sealed =
            record::seal(&record, signer, &fixture.group, &fixture.epoch, Padding::None, &mut draw(source.byte()));
        run.push(record::open(&sealed.blob, &fixture.group, &fixture.epoch).expect("it was just sealed"));
        if source.below(8) == 7 {
            let twice = source.place(run.len());
            run.push(run[twice].clone());
        }
    }
    let sign = fixture.founder.public().sign;
    let verdicts = verify_run(&run, &sign, &fixture.group);
    assert_eq!(verdicts.len(), run.len());
    for (k, verified) in verdicts.iter().enumerate() {
        // By the definition: its own signature, or a verified record after it that no other verified one stands before.
        let successor = (k + 1..run.len()).find(|next| verdicts[*next]).map(|next| &run[next]);
        let named = successor.is_some_and(|next| next.record.prev == run[k].hash || next.hash == run[k].hash);
        assert_eq!(*verified, named || run[k].verify(&sign, &fixture.group), "record {k} of {}", run.len());
    }
}
