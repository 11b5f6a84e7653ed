use proptest::prelude::*;

use super::*;
use crate::{
    address::RelayAddress,
    ids::{DeviceId, Incarnation, Lane, RecordHash, RelayKey, StreamId},
    limits::{MAX_ADD_BLOB, MAX_MEMBERS, MAX_RENAME_BLOB},
    pairing::{code::PairingCode, invite::QrPayload},
    seal::{
        keys::{DeviceKeys, EpochSecret},
        record::{Kind, Record},
        tests::{Founded, draw, found},
    },
    time::Duration,
};

const ZERO: RecordHash = RecordHash([0; 16]);

fn relay() -> RelayAddress {
    RelayAddress { key: RelayKey([5; 32]), tcp: vec!["relay.example.org:7000".to_owned()], iroh: None }
}

fn secret() -> PairingSecret {
    PairingCode::new([9; 10]).secret(&relay().key)
}

/// What a group of one hands over, with so many further roster records.
fn handover(founded: &mut Founded, more: usize) -> Handover {
    let genesis = Record { kind: Kind::Genesis as u8, ..founded.record(1, ZERO, &founded.genesis.encode()) };
    let mut roster = vec![founded.seal(&genesis)];
    for i in 0..more {
        let last = roster[i].hash;
        let record = Record { kind: Kind::Rename as u8, ..founded.record(i as u64 + 2, last, b"\x04desk") };
        roster.push(founded.seal(&record));
    }
    let stream = StreamId { device: founded.keys.id(), inc: Incarnation([3; 8]), lane: Lane::Control };
    Handover {
        group: founded.group,
        access: founded.epoch.access,
        genesis_hash: founded.genesis.hash(),
        epochs: vec![founded.secret.clone()],
        relay: relay(),
        since_reset: (more % 2 == 1).then(|| Duration::from_millis(more as u64)),
        baseline: vec![(stream, more as u64 + 1, roster[more].hash)],
        roster: roster.into_iter().map(|sealed| sealed.blob).collect(),
    }
}

/// Both sides and what passes between them.
struct Pair {
    founded: Founded,
    joiner_keys: DeviceKeys,
    joiner: Joiner,
    creator: Creator,
    first: Bytes,
}

fn pair_with(joiner_secret: &PairingSecret, creator_secret: &PairingSecret, creator_sign: Option<[u8; 32]>) -> Pair {
    let founded = found("exchange");
    let mut draw = draw("joiner");
    let joiner_keys = DeviceKeys::generate(&mut draw);
    let (joiner, first) = Joiner::start(joiner_secret, &joiner_keys, "phone", creator_sign, &mut draw);
    let creator =
        Creator::start(creator_secret, &founded.keys, founded.group, &mut crate::seal::tests::draw("creator"));
    Pair { founded, joiner_keys, joiner, creator, first }
}

fn pair() -> Pair {
    pair_with(&secret(), &secret(), None)
}

impl Pair {
    /// Up to the joiner's keys, which are returned.
    fn shake(&mut self) -> Bytes {
        let Ok(CreatorStep::Send(answer)) = self.creator.receive(&self.first) else { panic!("no answer") };
        let Ok(JoinerStep::Send(keys)) = self.joiner.receive(&answer) else { panic!("no keys") };
        keys
    }

    fn admit(&mut self) -> Candidate {
        let keys = self.shake();
        let Ok(CreatorStep::Admit(candidate)) = self.creator.receive(&keys) else { panic!("no candidate") };
        candidate
    }

    /// Feeds the creator's messages; the last step.
    fn deliver(&mut self, messages: &[Bytes]) -> Result<JoinerStep, PairingFault> {
        let mut last = Ok(JoinerStep::Waiting);
        for message in messages {
            last = self.joiner.receive(message);
            if last.is_err() {
                break;
            }
        }
        last
    }
}

#[test]
fn a_device_joins_by_code() {
    let mut pair = pair();
    assert_eq!(pair.first.len(), 48);
    let candidate = pair.admit();
    assert_eq!(candidate, Candidate { device: pair.joiner_keys.public(), name: "phone".to_owned() });

    let given = handover(&mut pair.founded, 2);
    let messages = pair.creator.hand_over(&given).unwrap();
    assert_eq!(messages[0].len(), 145);
    assert_eq!(pair.joiner.confirm(), None, "nothing to confirm yet");
    let Ok(JoinerStep::Welcome(got)) = pair.deliver(&messages) else { panic!("no welcome") };
    assert_eq!(*got, given);

    let done = pair.joiner.confirm().unwrap();
    assert_eq!(done.len(), 17);
    assert_eq!(pair.joiner.confirm(), Some(done.clone()), "the same when a link was lost");
    assert!(matches!(pair.creator.receive(&done), Ok(CreatorStep::Finished)));
}

#[test]
fn a_device_joins_by_picture() {
    let founded = found("exchange");
    let qr = QrPayload::generate(relay(), founded.keys.public().sign, &mut draw("qr"));
    let url = qr.to_url("zerok");
    let scanned: QrPayload = url.parse().unwrap();
    let mut pair = pair_with(&scanned.pairing_secret(), &qr.pairing_secret(), Some(scanned.creator_sign));
    pair.admit();
    let given = handover(&mut pair.founded, 0);
    let messages = pair.creator.hand_over(&given).unwrap();
    assert!(matches!(pair.deliver(&messages), Ok(JoinerStep::Welcome(_))));
}

#[test]
fn every_length_is_the_documented_one() {
    let mut pair = pair();
    let Ok(CreatorStep::Send(answer)) = pair.creator.receive(&pair.first) else { panic!() };
    assert_eq!((pair.first.len(), answer.len()), (48, 48));
    let Ok(JoinerStep::Send(keys)) = pair.joiner.receive(&answer) else { panic!() };
    assert_eq!(keys.len(), 242);
    let mut draw = draw("long name");
    let (mut joiner, first) = Joiner::start(&secret(), &pair.joiner_keys, &"n".repeat(64), None, &mut draw);
    let mut creator = Creator::start(&secret(), &pair.founded.keys, pair.founded.group, &mut draw);
    let Ok(CreatorStep::Send(answer)) = creator.receive(&first) else { panic!() };
    let Ok(JoinerStep::Send(keys)) = joiner.receive(&answer) else { panic!() };
    assert_eq!(keys.len(), 242, "a name's length does not show");
}

#[test]
fn b4_the_first_wrong_guess_ends_the_invite() {
    let wrong = PairingCode::new([8; 10]).secret(&relay().key);
    let mut guessing = pair_with(&wrong, &secret(), None);
    assert_eq!(guessing.creator.receive(&guessing.first).unwrap_err(), PairingFault::BadTag);
    let mut right = pair();
    assert_eq!(guessing.creator.receive(&right.first).unwrap_err(), PairingFault::OutOfTurn, "no second chance");
    assert_eq!(guessing.creator.receive(&guessing.first).unwrap_err(), PairingFault::OutOfTurn, "not even a repeat");
    assert!(right.creator.receive(&right.first).is_ok());
}

#[test]
fn a_relay_that_answers_itself_is_noticed() {
    let mut pair = pair();
    let relay_made = {
        let wrong = PairingCode::new([8; 10]).secret(&relay().key);
        let mut draw = draw("relay");
        let (_, first) = Joiner::start(&wrong, &pair.joiner_keys, "x", None, &mut draw);
        first
    };
    assert_eq!(pair.joiner.receive(&relay_made).unwrap_err(), PairingFault::BadTag);
    assert_eq!(pair.joiner.receive(&[1; 48]).unwrap_err(), PairingFault::OutOfTurn);
}

#[test]
fn b11_a_message_of_another_length_is_refused_unread() {
    for len in [0, 1, 47, 49, 64, MAX_MAILBOX_MESSAGE, MAX_MAILBOX_MESSAGE + 1] {
        let mut pair = pair();
        assert_eq!(pair.creator.receive(&vec![1; len]).unwrap_err(), PairingFault::Length, "creator, {len}");
        assert_eq!(pair.joiner.receive(&vec![1; len]).unwrap_err(), PairingFault::Length, "joiner, {len}");
    }
    let mut keys = pair();
    let message = keys.shake();
    assert_eq!(keys.creator.receive(&message[1..]).unwrap_err(), PairingFault::Length);
    let mut proof = pair();
    proof.admit();
    let given = handover(&mut proof.founded, 0);
    let messages = proof.creator.hand_over(&given).unwrap();
    assert_eq!(proof.joiner.receive(&messages[0][1..]).unwrap_err(), PairingFault::Length);
    assert_eq!(proof.creator.receive(&[1; 18]).unwrap_err(), PairingFault::Length);
}

#[test]
fn b3_any_changed_bit_of_any_message_ends_the_exchange() {
    for position in 0..6 {
        let mut pair = pair();
        let spoil = |message: &Bytes, here: usize| {
            let mut bytes = message.to_vec();
            if position == here {
                let at = bytes.len() / 2;
                bytes[at] ^= 1;
            }
            bytes
        };
        let mut run = || -> Result<(), PairingFault> {
            let CreatorStep::Send(answer) = pair.creator.receive(&spoil(&pair.first, 0))? else { panic!() };
            let JoinerStep::Send(keys) = pair.joiner.receive(&spoil(&answer, 1))? else { panic!() };
            pair.creator.receive(&spoil(&keys, 2))?;
            let given = handover(&mut pair.founded, 0);
            let messages = pair.creator.hand_over(&given)?;
            pair.joiner.receive(&spoil(&messages[0], 3))?;
            pair.joiner.receive(&spoil(&messages[1], 4))?;
            pair.creator.receive(&spoil(&pair.joiner.confirm().unwrap(), 5)).map(|_| ())
        };
        assert_eq!(run(), Err(PairingFault::BadTag), "message {position}");
    }
}

#[test]
fn a_message_delivered_again_is_ignored() {
    let mut pair = pair();
    let Ok(CreatorStep::Send(answer)) = pair.creator.receive(&pair.first) else { panic!() };
    assert!(matches!(pair.creator.receive(&pair.first), Ok(CreatorStep::Waiting)));
    let Ok(JoinerStep::Send(keys)) = pair.joiner.receive(&answer) else { panic!() };
    assert!(matches!(pair.joiner.receive(&answer), Ok(JoinerStep::Waiting)));
    assert!(matches!(pair.creator.receive(&keys), Ok(CreatorStep::Admit(_))));
    assert!(matches!(pair.creator.receive(&keys), Ok(CreatorStep::Waiting)), "while it is being admitted");
    let given = handover(&mut pair.founded, 0);
    let messages = pair.creator.hand_over(&given).unwrap();
    let twice: Vec<Bytes> = messages[..1].iter().chain(&messages).cloned().collect();
    assert!(matches!(pair.deliver(&twice), Ok(JoinerStep::Welcome(_))));
    assert!(matches!(pair.deliver(&messages), Ok(JoinerStep::Waiting)));
    assert!(pair.joiner.confirm().is_some());
}

#[test]
fn a_side_may_send_64_messages_and_no_more() {
    let mut received = Received::default();
    for i in 0..MAX_MAILBOX_MESSAGES {
        assert_eq!(received.admit(&i.to_le_bytes()), Ok(true));
    }
    assert_eq!(received.admit(b"one more"), Err(PairingFault::OutOfTurn));
    assert_eq!(received.admit(&0_u32.to_le_bytes()), Ok(false), "a repeat is not one more");
}

#[test]
fn b3_somebody_else_than_who_showed_the_picture_is_refused() {
    let shown = DeviceKeys::generate(&mut draw("shown")).public().sign;
    let mut pair = pair_with(&secret(), &secret(), Some(shown));
    pair.admit();
    let given = handover(&mut pair.founded, 0);
    let messages = pair.creator.hand_over(&given).unwrap();
    assert_eq!(pair.deliver(&messages).unwrap_err(), PairingFault::WrongCreator);
}

#[test]
fn nothing_is_handed_over_before_a_device_is_admitted_or_twice() {
    let mut pair = pair();
    let given = handover(&mut pair.founded, 0);
    assert_eq!(pair.creator.hand_over(&given).unwrap_err(), PairingFault::OutOfTurn);
    let mut pair = self::pair();
    pair.admit();
    assert!(pair.creator.hand_over(&given).is_ok());
    assert_eq!(pair.creator.hand_over(&given).unwrap_err(), PairingFault::OutOfTurn);
}

#[test]
fn a_joiner_that_speaks_while_it_is_admitted_is_refused() {
    let mut pair = pair();
    pair.admit();
    assert_eq!(pair.creator.receive(&[1; 17]).unwrap_err(), PairingFault::OutOfTurn);
}

/// Seals `plain` as the joiner, in place of its keys.
fn keys_made_of(change: impl Fn(&mut Vec<u8>, &DeviceKeys, &[u8; 32])) -> PairingFault {
    let mut pair = pair();
    let mut draw = draw("insider");
    let mut noise = handshake(&secret(), true, &mut draw);
    let first = write_handshake(&mut noise).unwrap();
    let Ok(CreatorStep::Send(answer)) = pair.creator.receive(&first) else { panic!() };
    read_handshake(&mut noise, &answer).unwrap();
    let mut tunnel = Tunnel::new(noise).unwrap();
    let device = pair.joiner_keys.public();
    let mut plain = [&[KEYS][..], &device.encode(), &[5], b"phone", &[0; 59]].concat();
    let text = [JOINER_LABEL, &tunnel.hash, &device.encode(), b"phone"].concat();
    plain.extend_from_slice(&pair.joiner_keys.sign(&text).0);
    assert_eq!(plain.len(), KEYS_LEN);
    let hash = tunnel.hash;
    change(&mut plain, &pair.joiner_keys, &hash);
    match pair.creator.receive(&tunnel.seal(&plain).unwrap()) {
        Ok(CreatorStep::Admit(_)) => PairingFault::TooLarge,
        Ok(_) => panic!(),
        Err(fault) => fault,
    }
}

#[test]
fn b15_weak_keys_and_wrong_signatures_are_not_admitted() {
    assert_eq!(keys_made_of(|_, _, _| {}), PairingFault::TooLarge, "the unchanged message is admitted");
    assert_eq!(
        keys_made_of(|plain, _, _| plain[1..33].copy_from_slice(&[&[1][..], &[0; 31]].concat())),
        PairingFault::WeakKey
    );
    assert_eq!(keys_made_of(|plain, _, _| plain[33..65].fill(0)), PairingFault::WeakKey, "link");
    assert_eq!(keys_made_of(|plain, _, _| plain[65..97].fill(0)), PairingFault::WeakKey, "box");
    assert_eq!(keys_made_of(|plain, _, _| plain[40] ^= 1), PairingFault::Signature, "another link key");
    assert_eq!(keys_made_of(|plain, _, _| plain[98] ^= 1), PairingFault::Signature, "another name");
    assert_eq!(keys_made_of(|plain, _, _| plain[200] ^= 1), PairingFault::Signature);
    assert_eq!(keys_made_of(|plain, _, _| plain[0] = PROOF), PairingFault::Malformed);
    assert_eq!(keys_made_of(|plain, _, _| plain[97] = 65), PairingFault::Malformed, "a name too long");
    assert_eq!(keys_made_of(|plain, _, _| plain[150] = 1), PairingFault::Malformed, "padding that says something");
}

#[test]
fn b4_a_signature_from_another_exchange_is_worth_nothing() {
    let fault = keys_made_of(|plain, keys, hash| {
        let mut other = *hash;
        other[0] ^= 1;
        let text = [JOINER_LABEL, &other, &keys.public().encode(), b"phone"].concat();
        plain[162..].copy_from_slice(&keys.sign(&text).0);
    });
    assert_eq!(fault, PairingFault::Signature);
}

/// A creator that holds the secret and sends what it likes.
struct Insider {
    pair: Pair,
    tunnel: Tunnel,
}

fn insider() -> Insider {
    let mut pair = pair();
    let mut noise = handshake(&secret(), false, &mut draw("insider"));
    read_handshake(&mut noise, &pair.first).unwrap();
    let answer = write_handshake(&mut noise).unwrap();
    let mut tunnel = Tunnel::new(noise).unwrap();
    let Ok(JoinerStep::Send(keys)) = pair.joiner.receive(&answer) else { panic!() };
    tunnel.open(&keys, KEYS).unwrap();
    Insider { pair, tunnel }
}

impl Insider {
    fn proof(&self) -> Vec<u8> {
        let founded = &self.pair.founded;
        let sign = founded.keys.sign(&[CREATOR_LABEL, &self.tunnel.hash, &founded.group.0].concat());
        [&[PROOF][..], &founded.keys.public().sign, &founded.group.0, &sign.0].concat()
    }

    fn send(&mut self, plain: &[u8]) -> Result<JoinerStep, PairingFault> {
        self.pair.joiner.receive(&self.tunnel.seal(plain).unwrap())
    }
}

fn proof_made_of(change: impl Fn(&mut Vec<u8>)) -> Result<JoinerStep, PairingFault> {
    let mut insider = insider();
    let mut plain = insider.proof();
    change(&mut plain);
    insider.send(&plain)
}

fn proven() -> Insider {
    let mut insider = insider();
    let proof = insider.proof();
    assert!(matches!(insider.send(&proof), Ok(JoinerStep::Waiting)));
    insider
}

#[test]
fn pieces_are_full_but_the_last_and_never_empty() {
    for (what, plain) in [
        ("no flag", vec![PIECE]),
        ("an empty last piece", vec![PIECE, 1]),
        ("a third flag", vec![PIECE, 2, 7]),
        ("a short piece that is not the last", [&[PIECE, 0][..], &[7; PIECE_LEN - 1]].concat()),
    ] {
        assert_eq!(proven().send(&plain).unwrap_err(), PairingFault::Malformed, "{what}");
    }
    assert!(matches!(proven().send(&[&[PIECE, 0][..], &[7; PIECE_LEN]].concat()), Ok(JoinerStep::Waiting)));
}

#[test]
fn a_handover_ends_after_60_pieces() {
    let mut insider = proven();
    for i in 0..MAX_PIECES {
        let step = insider.send(&[&[PIECE, 0][..], &[7; PIECE_LEN]].concat());
        assert!(matches!(step, Ok(JoinerStep::Waiting)), "piece {i}");
    }
    let one_more = insider.send(&[&[PIECE, 0][..], &[7; PIECE_LEN]].concat());
    assert_eq!(one_more.unwrap_err(), PairingFault::Malformed);
}

#[test]
fn a_sound_group_other_than_the_one_signed_for_is_refused() {
    let mut insider = proven();
    let other = handover(&mut found("another group"), 0);
    assert!(other.check().is_ok());
    assert_eq!(insider.send(&[&[PIECE, 1][..], &other.encode()].concat()).unwrap_err(), PairingFault::Handover);
}

#[test]
fn a_genesis_counts_only_in_a_record_of_its_kind_signed_by_its_founder() {
    let mut founded = found("genesis");
    let good = handover(&mut founded, 0);
    let sealed_as = |founded: &mut Founded, kind: Kind| {
        let record = Record { kind: kind as u8, ..founded.record(1, ZERO, &founded.genesis.encode()) };
        Handover { roster: vec![founded.seal(&record).blob], ..good.clone() }
    };
    assert!(sealed_as(&mut founded, Kind::Genesis).check().is_ok());
    assert_eq!(sealed_as(&mut founded, Kind::Add).check(), Err(PairingFault::Handover));
    founded.keys = DeviceKeys::generate(&mut draw("another member"));
    assert_eq!(sealed_as(&mut founded, Kind::Genesis).check(), Err(PairingFault::Handover));
}

#[test]
fn a_creator_must_hold_its_key_and_mean_this_group() {
    assert!(matches!(proof_made_of(|_| {}), Ok(JoinerStep::Waiting)));
    assert_eq!(proof_made_of(|plain| plain[40] ^= 1).unwrap_err(), PairingFault::Signature, "another group");
    assert_eq!(proof_made_of(|plain| plain[100] ^= 1).unwrap_err(), PairingFault::Signature);
    assert_eq!(proof_made_of(|plain| plain[0] = PIECE).unwrap_err(), PairingFault::Malformed);
    let weak = proof_made_of(|plain| plain[1..33].copy_from_slice(&[&[1][..], &[0; 31]].concat()));
    assert_eq!(weak.unwrap_err(), PairingFault::WeakKey);
}

fn hand_over_changed(change: impl Fn(&mut Handover)) -> Result<JoinerStep, PairingFault> {
    let mut pair = pair();
    pair.admit();
    let mut given = handover(&mut pair.founded, 1);
    change(&mut given);
    let messages = pair.creator.hand_over(&given).unwrap();
    pair.deliver(&messages)
}

#[test]
fn a19_what_is_handed_over_must_fit_together_down_to_the_epoch_secret() {
    assert!(matches!(hand_over_changed(|_| {}), Ok(JoinerStep::Welcome(_))));
    let other = found("another group");
    let refused = |what: &str, change: &dyn Fn(&mut Handover)| {
        assert_eq!(hand_over_changed(change).unwrap_err(), PairingFault::Handover, "{what}");
    };
    refused("another group than was signed for", &|given| given.group = other.group);
    refused("another access key", &|given| given.access = other.epoch.access);
    refused("another genesis", &|given| given.genesis_hash[0] ^= 1);
    refused("another secret", &|given| given.epochs = vec![EpochSecret::new([1; 32])]);
    refused("no secret", &|given| given.epochs.clear());
    refused("no roster", &|given| given.roster.clear());
    refused("a roster without its genesis", &|given| {
        given.roster.remove(0);
    });
    refused("a roster that begins elsewhere", &|given| given.roster.swap(0, 1));
}

#[test]
fn commit_is_checked_even_when_everything_else_fits() {
    // A founder whose genesis commits to another secret than the one whose access key makes up the group id.
    let mut founded = found("commit");
    let other = EpochSecret::new([1; 32]);
    let mut draw = draw("commit");
    founded.genesis = crate::seal::keys::Genesis::create(&founded.keys, "laptop", &other, &mut draw);
    founded.group = founded.genesis.group(&founded.secret.access());
    founded.epoch = crate::seal::keys::Epoch::derive(&founded.secret, &founded.group);
    let given = handover(&mut founded, 0);
    assert_eq!(given.check(), Err(PairingFault::Handover));
    let mut founded = found("commit");
    let given = handover(&mut founded, 0);
    assert_eq!(given.check(), Ok(founded.genesis));
}

#[test]
fn a_roster_of_many_records_travels_in_pieces_up_to_the_limit() {
    let mut pair = pair();
    pair.admit();
    let mut given = handover(&mut pair.founded, 200);
    let messages = pair.creator.hand_over(&given).unwrap();
    assert!(messages.len() > 4 && messages.iter().all(|message| message.len() <= MAX_MAILBOX_MESSAGE));
    assert!(messages[1..messages.len() - 1].iter().all(|message| message.len() == MAX_MAILBOX_MESSAGE));
    let Ok(JoinerStep::Welcome(got)) = pair.deliver(&messages) else { panic!("no welcome") };
    assert_eq!(*got, given);

    // Exactly 60 pieces, then one byte more.
    let room = MAX_PIECES * PIECE_LEN - handover_len(&given) - 4;
    given.roster.push(Bytes::from(vec![7; room]));
    let mut pair = self::pair();
    pair.admit();
    let messages = pair.creator.hand_over(&given).unwrap();
    assert_eq!(messages.len(), 1 + MAX_PIECES);
    let Ok(JoinerStep::Welcome(got)) = pair.deliver(&messages) else { panic!("no welcome") };
    assert_eq!(got.roster.last(), given.roster.last());
    given.roster.push(Bytes::new());
    let mut pair = self::pair();
    pair.admit();
    assert_eq!(pair.creator.hand_over(&given).unwrap_err(), PairingFault::TooLarge);
}

#[test]
fn r14_the_largest_admission_and_p20_the_largest_roster_have_room() {
    // As many lanes as other admissions, and the ends of two own ones of an earlier run.
    let entry = |number: usize| crate::seal::record::SeenEntry {
        device: DeviceId((number as u64).to_le_bytes()),
        inc: Incarnation([3; 8]),
        lane: Lane::Control,
        seq: u64::MAX,
        hash: [1; 8],
    };
    let mut founded = found("largest");
    let name = "x".repeat(crate::limits::MAX_NAME);
    let add = crate::seal::roster::AddPayload { device: founded.keys.public(), name: name.clone() }.encode();
    let seen = (0..MAX_MEMBERS + 2).map(entry).collect();
    let add = Record { kind: Kind::Add as u8, seen, ..founded.record(u64::MAX, ZERO, &add) };
    assert!(founded.seal(&add).blob.len() <= MAX_ADD_BLOB);
    let rename = crate::seal::roster::RenamePayload { name }.encode();
    let seen = (0..2).map(entry).collect();
    let rename = Record { kind: Kind::Rename as u8, seen, ..founded.record(u64::MAX, ZERO, &rename) };
    assert!(founded.seal(&rename).blob.len() <= MAX_RENAME_BLOB);

    let blob = |len: usize| Bytes::from(vec![7; len]);
    let id = |number: usize| StreamId {
        device: DeviceId((number as u64).to_le_bytes()),
        inc: Incarnation([3; 8]),
        lane: Lane::Data,
    };
    let mut given = handover(&mut founded, 0);
    let (adds, renames) = (vec![blob(MAX_ADD_BLOB); MAX_MEMBERS], vec![blob(MAX_RENAME_BLOB); MAX_MEMBERS]);
    given.roster = [adds, renames].concat();
    given.baseline = (0..MAX_MEMBERS * crate::limits::MAX_CHAINS).map(|number| (id(number), u64::MAX, ZERO)).collect();
    // An address has at most 4,096 characters.
    assert!(given.fits(4096));
}

fn handover_len(given: &Handover) -> usize {
    given.encode().len()
}

#[test]
fn a_handover_survives_its_bytes_and_refuses_others() {
    let mut given = handover(&mut found("bytes"), 1);
    given.baseline.push((
        StreamId { device: DeviceId([1; 8]), inc: Incarnation([2; 8]), lane: Lane::Data },
        9,
        RecordHash([4; 16]),
    ));
    let bytes = given.encode();
    assert_eq!(Handover::decode(&bytes).unwrap(), given);
    for len in 0..bytes.len() {
        assert_eq!(Handover::decode(&bytes[..len]).unwrap_err(), PairingFault::Malformed);
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(Handover::decode(&longer).unwrap_err(), PairingFault::Malformed);
}

#[test]
fn nothing_of_an_exchange_is_printed() {
    let mut pair = pair();
    assert_eq!(format!("{:?} {:?}", pair.joiner, pair.creator), "Joiner(..) Creator(..)");
    let given = handover(&mut pair.founded, 0);
    let printed = format!("{given:?}");
    assert!(printed.contains("epochs: [EpochSecret(..)]"), "{printed}");
}

#[test]
fn the_same_seeds_make_the_same_exchange() {
    let transcript = || {
        let mut pair = pair();
        let keys = pair.shake();
        (pair.first, keys)
    };
    assert_eq!(transcript(), transcript());
}

proptest! {
    #[test]
    fn any_messages_are_no_panic(messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..5)) {
        let mut pair = pair();
        for message in &messages {
            prop_assert!(pair.creator.receive(message).is_err());
            prop_assert!(pair.joiner.receive(message).is_err());
        }
    }

    #[test]
    fn any_handover_bytes_are_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Handover::decode(&bytes);
    }

    #[test]
    fn a_nearly_right_handover_is_no_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = handover(&mut found("nearly"), 1).encode().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(handover) = Handover::decode(&bytes) {
            prop_assert_eq!(&**handover.encode(), &bytes[..]);
            let _ = handover.check();
        }
    }
}
