use proptest::prelude::*;

use super::*;
use crate::seal::tests::{Founded, draw, found};

const ZERO: RecordHash = RecordHash([0; 16]);

fn seen(n: u8) -> Vec<SeenEntry> {
    (0..n)
        .map(|i| SeenEntry {
            device: DeviceId([i; 8]),
            inc: Incarnation([1; 8]),
            lane: if i % 2 == 0 { Lane::Data } else { Lane::Control },
            seq: u64::from(i) + 1,
            hash: [i; 8],
        })
        .collect()
}

/// A blob around any plaintext, as a member who holds the key could make it.
fn seal_plain(founded: &Founded, plain: &[u8]) -> Vec<u8> {
    let nonce = [9; NONCE];
    let mut body = plain.to_vec();
    let tag = founded
        .epoch
        .cipher
        .encrypt_in_place_detached(&XNonce::from(nonce), &associated(&founded.group, &founded.epoch.kid), &mut body)
        .unwrap();
    [&[VERSION][..], &founded.epoch.kid.0, &nonce, &body, &tag].concat()
}

fn plain_of(founded: &Founded, record: &Record) -> Vec<u8> {
    let mut text = [&LABEL[..], &founded.group.0].concat();
    write(&mut text, record);
    let signature = founded.keys.sign(&text);
    [&text[TEXT_HEAD..], &signature.0].concat()
}

#[test]
fn what_is_sealed_opens_and_verifies() {
    let mut founded = found("record");
    let record = Record { seen: seen(3), ..founded.record(4, RecordHash([8; 16]), b"milk") };
    let sealed = founded.seal(&record);
    let opened = founded.open(&sealed.blob);
    assert_eq!(opened.record, record);
    assert_eq!(opened.hash, sealed.hash);
    assert_eq!(opened.raw.len(), record.encoded_len());
    assert_eq!(sealed.blob.len(), record.sealed_len(Padding::Padme));
    assert_eq!(sealed.digest, Digest::of(&sealed.blob));
    assert_eq!(kid_of(&sealed.blob), Some(founded.epoch.kid));
    assert!(opened.verify(&founded.keys.public().sign, &founded.group));
}

#[test]
fn a_payload_is_a_slice_of_what_was_decrypted() {
    let mut founded = found("record");
    let sealed = founded.seal(&founded.record(1, ZERO, b"milk"));
    let opened = founded.open(&sealed.blob);
    let (raw, payload) = (opened.raw.as_ptr_range(), opened.record.payload.as_ptr_range());
    assert!(raw.start <= payload.start && payload.end <= raw.end, "no copy");
}

#[test]
fn the_same_record_is_never_sealed_twice_alike_but_keeps_its_hash() {
    let mut founded = found("record");
    let record = founded.record(1, ZERO, b"milk");
    let (a, b) = (founded.seal(&record), founded.seal(&record));
    assert_ne!(a.blob, b.blob);
    assert_eq!(a.hash, b.hash);
}

#[test]
fn another_epoch_re_seals_without_breaking_the_chain() {
    let mut founded = found("record");
    let record = founded.record(1, ZERO, b"milk");
    let before = founded.seal(&record);
    let later = Epoch::derive(&crate::seal::keys::EpochSecret::new([8; 32]), &founded.group);
    let after = seal(&record, &founded.keys, &founded.group, &later, Padding::None, &mut founded.draw);
    assert_eq!(before.hash, after.hash);
    assert_eq!(open(&after.blob, &founded.group, &founded.epoch), Err(SealFault::Kid));
}

#[test]
fn a1_any_changed_bit_of_a_blob_is_refused() {
    let mut founded = found("record");
    let blob = founded.seal(&founded.record(1, ZERO, b"milk")).blob;
    for at in 0..blob.len() {
        let mut bytes = blob.to_vec();
        bytes[at] ^= 0x10;
        let expected = match at {
            0 => SealFault::Version,
            1..9 => SealFault::Kid,
            _ => SealFault::Decrypt,
        };
        assert_eq!(open(&bytes, &founded.group, &founded.epoch), Err(expected), "byte {at}");
    }
}

#[test]
fn a2_cut_and_extended_blobs_are_refused() {
    let mut founded = found("record");
    let blob = founded.seal(&founded.record(1, ZERO, b"milk")).blob;
    for len in 0..blob.len() {
        assert!(open(&blob[..len], &founded.group, &founded.epoch).is_err(), "{len} bytes");
    }
    let longer = [&blob[..], &[0]].concat();
    assert_eq!(open(&longer, &founded.group, &founded.epoch), Err(SealFault::Decrypt));
    assert_eq!(open(&vec![VERSION; MAX_BLOB + 1], &founded.group, &founded.epoch), Err(SealFault::Length));
}

#[test]
fn a4_a_blob_moved_to_another_group_does_not_open() {
    let mut founded = found("record");
    let blob = founded.seal(&founded.record(1, ZERO, b"milk")).blob;
    let other = GroupId([1; 32]);
    assert_eq!(open(&blob, &other, &founded.epoch), Err(SealFault::Decrypt), "even under the very same key");
    assert_eq!(open(&blob, &other, &Epoch::derive(&founded.secret, &other)), Err(SealFault::Kid));
}

#[test]
fn a14_a_member_cannot_speak_in_another_members_name() {
    let mut founded = found("record");
    let victim = DeviceKeys::generate(&mut draw("victim"));
    let forged = Record { sender: victim.id(), ..founded.record(1, ZERO, b"milk") };
    let opened = {
        let blob = founded.seal(&forged).blob;
        founded.open(&blob)
    };
    assert!(!opened.verify(&victim.public().sign, &founded.group));
}

#[test]
fn a20_a_record_served_as_another_kind_does_not_verify() {
    let founded = found("record");
    let mut plain = plain_of(&founded, &founded.record(1, ZERO, b"milk"));
    plain[40] = Kind::Add as u8;
    let opened = founded.open(&seal_plain(&founded, &plain));
    assert_eq!(opened.record.lane(), Lane::Control);
    assert!(!opened.verify(&founded.keys.public().sign, &founded.group));
}

#[test]
fn every_byte_of_a_record_is_signed() {
    let founded = found("record");
    let record = Record { seen: seen(2), ..founded.record(1, RecordHash([1; 16]), b"milk") };
    let plain = plain_of(&founded, &record);
    for at in 0..plain.len() {
        let mut plain = plain.clone();
        plain[at] ^= 1;
        if let Ok(opened) = open(&seal_plain(&founded, &plain), &founded.group, &founded.epoch) {
            assert!(!opened.verify(&founded.keys.public().sign, &founded.group), "byte {at}");
        }
    }
}

#[test]
fn a_signature_for_one_group_is_none_for_another() {
    let mut founded = found("record");
    let blob = founded.seal(&founded.record(1, ZERO, b"milk")).blob;
    assert!(!founded.open(&blob).verify(&founded.keys.public().sign, &GroupId([1; 32])));
}

#[test]
fn padding_must_be_zeros_to_the_end() {
    let founded = found("record");
    let record = plain_of(&founded, &founded.record(1, ZERO, b"milk"));
    let padded = [&record[..], &[0; 100]].concat();
    let opened = founded.open(&seal_plain(&founded, &padded));
    assert_eq!(opened.raw, record);
    for at in record.len()..padded.len() {
        let mut padded = padded.clone();
        padded[at] = 1;
        assert_eq!(open(&seal_plain(&founded, &padded), &founded.group, &founded.epoch), Err(SealFault::Padding));
    }
}

#[test]
fn unpadded_records_open_too() {
    let mut founded = found("record");
    let record = founded.record(1, ZERO, b"");
    let sealed = seal(&record, &founded.keys, &founded.group, &founded.epoch, Padding::None, &mut founded.draw);
    assert_eq!(sealed.blob.len(), SHORTEST + BLOB_OVERHEAD);
    assert_eq!(founded.open(&sealed.blob).record, record);
}

#[test]
fn fields_that_make_no_sense_are_refused() {
    let founded = found("record");
    let good = plain_of(&founded, &Record { seen: seen(2), ..founded.record(1, ZERO, b"milk") });
    let structure = |what: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut plain = good.clone();
        change(&mut plain);
        let opened = open(&seal_plain(&founded, &plain), &founded.group, &founded.epoch);
        assert_eq!(opened, Err(SealFault::Structure), "{what}");
    };
    structure("an unknown flag", &|plain| plain[41] = 2);
    structure("no entries although flagged", &|plain| plain[50..52].fill(0));
    structure("more entries than bytes", &|plain| plain[50..52].copy_from_slice(&[0, 4]));
    structure("more entries than allowed", &|plain| plain[50..52].fill(0xff));
    structure("a third lane", &|plain| plain[52 + 16] = 2);
    structure("number 0", &|plain| plain[16..24].fill(0));
    let len = 52 + 66;
    structure("a payload beyond the end", &|plain| plain[len] = 5);
    structure("a payload above the limit", &|plain| plain[len..len + 4].fill(0xff));
    structure("no room for a signature", &|plain| plain.truncate(plain.len() - 1));
}

#[test]
fn heads_may_speak_of_an_empty_chain_and_unknown_kinds_are_kept() {
    let mut founded = found("record");
    let heads = Record { kind: Kind::Heads as u8, ..founded.record(0, ZERO, b"") };
    let later = Record { kind: 200, ..founded.record(1, ZERO, b"of a later version") };
    for record in [heads, later] {
        let blob = founded.seal(&record).blob;
        let opened = founded.open(&blob);
        assert_eq!(opened.record, record);
        assert_eq!(record.lane(), Lane::Control);
        assert!(opened.verify(&founded.keys.public().sign, &founded.group));
    }
    assert_eq!(Kind::of(200), None);
}

#[test]
fn kinds_keep_their_bytes_and_lanes() {
    for byte in 0..=7 {
        let kind = Kind::of(byte).unwrap();
        assert_eq!(kind as u8, byte);
        assert_eq!(kind.lane(), if byte == 0 { Lane::Data } else { Lane::Control });
    }
    assert_eq!(Kind::of(8), None);
}

#[test]
fn the_largest_record_is_sealed_and_opened() {
    let mut founded = found("record");
    let entry = seen(1)[0];
    let record = Record { seen: vec![entry; MAX_SEEN], ..founded.record(1, ZERO, &vec![7; MAX_PAYLOAD]) };
    let sealed = founded.seal(&record);
    assert!(sealed.blob.len() <= MAX_BLOB);
    assert_eq!(founded.open(&sealed.blob).record, record);
}

#[test]
fn a_payload_above_the_limit_is_refused_at_the_edge() {
    let founded = found("record");
    let record = founded.record(1, ZERO, &vec![7; MAX_PAYLOAD + 1]);
    let blob = seal_plain(&founded, &plain_of(&founded, &record));
    assert_eq!(open(&blob, &founded.group, &founded.epoch), Err(SealFault::Structure));
}

#[test]
fn a_blob_id_names_one_place_in_one_chain_of_one_group() {
    let (group, sender, inc) = (GroupId([1; 32]), DeviceId([2; 8]), Incarnation([3; 8]));
    let id = blob_id(&group, sender, inc, 1);
    assert_eq!(id, blob_id(&group, sender, inc, 1));
    for other in [
        blob_id(&GroupId([9; 32]), sender, inc, 1),
        blob_id(&group, DeviceId([9; 8]), inc, 1),
        blob_id(&group, sender, Incarnation([9; 8]), 1),
        blob_id(&group, sender, inc, 2),
    ] {
        assert_ne!(id, other);
    }
}

proptest! {
    #[test]
    fn any_record_survives(
        seq in 1..u64::MAX, kind in any::<u8>(), ms in any::<u64>(), prev in any::<[u8; 16]>(), entries in 0_u8..20,
        payload in proptest::collection::vec(any::<u8>(), 0..2000), padded in any::<bool>(),
    ) {
        let mut founded = found("any record");
        let record = Record { kind, ms: UnixMillis(ms), seen: seen(entries), ..founded.record(seq, RecordHash(prev), &payload) };
        let padding = if padded { Padding::Padme } else { Padding::None };
        let sealed = seal(&record, &founded.keys, &founded.group, &founded.epoch, padding, &mut founded.draw);
        let opened = founded.open(&sealed.blob);
        prop_assert_eq!(&opened.record, &record);
        prop_assert_eq!(sealed.blob.len(), record.sealed_len(padding));
        prop_assert!(opened.verify(&founded.keys.public().sign, &founded.group));
    }

    #[test]
    fn any_plaintext_of_a_member_is_no_panic_and_has_one_form(plain in proptest::collection::vec(any::<u8>(), 0..400)) {
        let buffer = Bytes::from([&LABEL[..], &[0; 32], &plain].concat());
        if let Ok(opened) = Opened::parse(&buffer) {
            let mut again = Vec::new();
            write(&mut again, &opened.record);
            prop_assert_eq!(&again[..], &opened.raw[..opened.raw.len() - SIGNATURE]);
        }
    }

    #[test]
    fn a_nearly_right_plaintext_is_no_panic(at in 0_usize..190, byte in any::<u8>(), cut in 0_usize..190) {
        let founded = found("nearly right");
        let mut plain = plain_of(&founded, &Record { seen: seen(2), ..founded.record(1, ZERO, b"milk") });
        prop_assume!(at < plain.len() && cut < plain.len());
        plain[at] = byte;
        let _ = open(&seal_plain(&founded, &plain), &founded.group, &founded.epoch);
        plain.truncate(cut);
        let _ = open(&seal_plain(&founded, &plain), &founded.group, &founded.epoch);
    }

    #[test]
    fn any_bytes_are_no_panic(blob in proptest::collection::vec(any::<u8>(), 0..300)) {
        let founded = found("any bytes");
        prop_assert!(open(&blob, &founded.group, &founded.epoch).is_err());
        let _ = kid_of(&blob);
    }
}
