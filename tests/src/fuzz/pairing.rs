//! The exchange between a new device and a member: every message damaged, withheld or said twice, and a peer that knows the secret
//! and says anything.
//!
//! What must hold: an exchange that nobody touched ends well on both sides with the same group; one that was touched ends in a
//! fault, and a fault is final; whoever is admitted holds the keys it named.

use bytes::Bytes;
use snow::{
    Builder, HandshakeState, TransportState,
    params::{CipherChoice, DHChoice, HashChoice},
    resolvers::{CryptoResolver, DefaultResolver},
    types::{Cipher, Dh, Hash, Random},
};
use zerok_core::{
    ids::{DeviceId, GroupId, Incarnation, Lane, RecordHash, RelayKey, StreamId},
    pairing::{
        PairingSecret,
        exchange::{Creator, CreatorStep, Handover, Joiner, JoinerStep, PairingFault},
    },
    rng::Draw,
    seal::{
        padding::Padding,
        record::{self, Kind, Record},
        roster::clean_name,
    },
    time::UnixMillis,
};

use super::{
    addresses::any_address,
    fixture::{Fixture, draw},
    seen::Seen,
    source::Source,
};

/// Pairs, or tries to.
pub fn pairing(data: &[u8]) -> Seen {
    let (mut source, mut seen) = (Source::new(data), Seen::default());
    match source.below(3) {
        0 => between_two(&mut source, &mut seen),
        1 => strange_joiner(&mut source, &mut seen),
        _ => strange_creator(&mut source, &mut seen),
    }
    seen
}

fn secret() -> PairingSecret {
    PairingSecret::derive(b"ten bytes.", &RelayKey([9; 32]))
}

/// Two honest devices, and whoever holds their mailbox between them.
fn between_two(source: &mut Source<'_>, seen: &mut Seen) {
    let fixture = Fixture::shared();
    let named = [None, Some(fixture.founder.public().sign), Some(fixture.member.public().sign)];
    let named = source.pick(&named).flatten();
    let (mut joiner, first) = Joiner::start(&secret(), &fixture.member, "member", named, &mut draw(7));
    let mut creator = Creator::start(&secret(), &fixture.founder, fixture.group, &mut draw(8));
    let handover = any_handover(source, fixture);
    let sound = handover.fits(0)
        && handover.check().is_ok()
        && handover.group == fixture.group
        && handover.relay.check().is_ok();
    let expects_other = named.is_some_and(|named| named != fixture.founder.public().sign);
    let mut untouched = true;
    let (mut to_creator, mut to_joiner) = (vec![first], Vec::new());
    let (mut admitted, mut welcomed, mut finished) = (false, false, false);
    for _ in 0..12 {
        for message in std::mem::take(&mut to_creator) {
            for message in on_the_way(source, message, &mut untouched) {
                match creator.receive(&message) {
                    Ok(CreatorStep::Send(answer)) => to_joiner.push(answer),
                    Ok(CreatorStep::Waiting) => {}
                    Ok(CreatorStep::Admit(candidate)) => {
                        assert_eq!(candidate.device, fixture.member.public());
                        assert_eq!(candidate.name, "member");
                        assert!(!std::mem::replace(&mut admitted, true), "admitted once");
                        match creator.hand_over(&handover) {
                            Ok(messages) => to_joiner.extend(messages),
                            Err(fault) => seen.fault("PairingFault", fault),
                        }
                    }
                    Ok(CreatorStep::Finished) => finished = true,
                    Err(fault) => {
                        over(seen, fault, || creator.receive(b"more").map(drop));
                        assert!(!untouched || expects_other || finished || !sound, "{fault}");
                    }
                }
            }
        }
        for message in std::mem::take(&mut to_joiner) {
            for message in on_the_way(source, message, &mut untouched) {
                match joiner.receive(&message) {
                    Ok(JoinerStep::Send(answer)) => to_creator.push(answer),
                    Ok(JoinerStep::Waiting) => {}
                    Ok(JoinerStep::Welcome(given)) => {
                        assert_eq!(*given, handover, "what was handed over arrives");
                        assert!(sound, "nothing else is accepted");
                        welcomed = true;
                        to_creator.extend(joiner.confirm());
                    }
                    Err(fault) => {
                        if joiner.confirm().is_none() {
                            over(seen, fault, || joiner.receive(b"more").map(drop));
                        }
                        assert!(!untouched || expects_other || !sound || welcomed, "{fault}");
                    }
                }
            }
        }
    }
    if untouched && sound && !expects_other {
        assert!(admitted && welcomed && finished, "nobody was in the way");
    }
    assert!(!finished || welcomed, "the last word is the joiner's");
}

/// What a relay may do with a message.
fn on_the_way(source: &mut Source<'_>, message: Bytes, untouched: &mut bool) -> Vec<Bytes> {
    match source.below(16) {
        15 => {
            *untouched = false;
            Vec::new()
        }
        14 => vec![message.clone(), message],
        13 => {
            *untouched = false;
            vec![source.bytes(300).into(), message]
        }
        12 => {
            let changed = Bytes::from(source.edited(&message));
            *untouched &= changed == message;
            vec![changed]
        }
        _ => vec![message],
    }
}

fn over(seen: &mut Seen, fault: PairingFault, again: impl FnOnce() -> Result<(), PairingFault>) {
    seen.fault("PairingFault", fault);
    assert_eq!(again(), Err(PairingFault::OutOfTurn), "a fault is final");
}

/// A handover that may not fit its group.
fn any_handover(source: &mut Source<'_>, fixture: &Fixture) -> Handover {
    let genesis = Record {
        sender: fixture.founder.id(),
        inc: Incarnation([1; 8]),
        seq: 1,
        prev: RecordHash([0; 16]),
        kind: if source.below(16) == 15 { Kind::Add as u8 } else { Kind::Genesis as u8 },
        ms: UnixMillis(0),
        seen: Vec::new(),
        payload: {
            let payload = fixture.genesis.encode();
            if source.below(8) == 7 { source.edited(&payload).into() } else { payload.into() }
        },
    };
    let signer = if source.below(16) == 15 { &fixture.member } else { &fixture.founder };
    let sealed = record::seal(&genesis, signer, &fixture.group, &fixture.epoch, Padding::Padme, &mut draw(9));
    let mut roster = vec![sealed.blob];
    let more = source.below(4);
    roster.extend((0..more).map(|_| {
        let plain = source.bytes(512);
        fixture.seal(&plain)
    }));
    // Enough to need several messages, or more than there may be.
    if source.below(8) == 7 {
        roster.extend(std::iter::repeat_n(Bytes::from(vec![7; 60_000]), source.below(20)));
    }
    let stream = |source: &mut Source<'_>| StreamId {
        device: DeviceId([source.byte(); 8]),
        inc: Incarnation([source.byte(); 8]),
        lane: if source.flag() { Lane::Control } else { Lane::Data },
    };
    let count = source.below(4);
    let baseline = (0..count).map(|_| (stream(source), source.number(), RecordHash([source.byte(); 16]))).collect();
    let mut relay = any_address(source);
    if source.below(4) > 0 {
        relay = zerok_core::address::RelayAddress { key: RelayKey([9; 32]), tcp: Vec::new(), iroh: None };
    }
    let epochs = vec![fixture.secret.clone(); if source.below(8) == 7 { source.below(4) } else { 1 }];
    Handover {
        group: if source.below(16) == 15 { GroupId([source.byte(); 32]) } else { fixture.group },
        access: fixture.access,
        genesis_hash: if source.below(16) == 15 { [source.byte(); 32] } else { fixture.genesis.hash() },
        epochs,
        relay,
        since_reset: source.flag().then(|| zerok_core::time::Duration::from_millis(source.number())),
        roster,
        baseline,
    }
}

/// A peer that knows the secret and writes whatever it likes.
struct Peer(TransportState);

impl Peer {
    fn handshake(initiator: bool) -> HandshakeState {
        let builder = Builder::with_resolver(
            "Noise_NNpsk0_25519_ChaChaPoly_SHA256".parse().expect("a known pattern"),
            Box::new(Seeded),
        );
        let secret = secret();
        let builder = builder.prologue(b"0k/1/pairing").and_then(|builder| builder.psk(0, &secret.psk));
        let builder = builder.expect("each is given once");
        let state = if initiator { builder.build_initiator() } else { builder.build_responder() };
        state.expect("it has all it needs")
    }

    fn say(&mut self, plain: &[u8]) -> Bytes {
        let mut out = vec![0; plain.len() + 16];
        let len = self.0.write_message(plain, &mut out).expect("short enough");
        out.truncate(len);
        out.into()
    }
}

/// Says anything to a member after a real handshake.
fn strange_joiner(source: &mut Source<'_>, seen: &mut Seen) {
    let fixture = Fixture::shared();
    let mut creator = Creator::start(&secret(), &fixture.founder, fixture.group, &mut draw(8));
    let mut noise = Peer::handshake(true);
    let mut message = [0; 48];
    noise.write_message(&[], &mut message).expect("a handshake message");
    let Ok(CreatorStep::Send(answer)) = creator.receive(&message) else { panic!("a good first message") };
    noise.read_message(&answer, &mut [0; 48]).expect("a good answer");
    let mut hash = [0; 32];
    hash.copy_from_slice(noise.get_handshake_hash());
    let mut peer = Peer(noise.into_transport_mode().expect("it is over"));
    for _ in 0..3 {
        let plain = if source.flag() { source.bytes(400) } else { keys_message(source, &hash) };
        match creator.receive(&peer.say(&plain)) {
            Ok(CreatorStep::Admit(candidate)) => {
                // Its other keys are what it says they are: it signed them.
                assert_eq!(candidate.device.sign, fixture.member.public().sign);
                assert_eq!(clean_name(&candidate.name), candidate.name);
                let handover = any_handover(source, fixture);
                if let Err(fault) = creator.hand_over(&handover) {
                    seen.fault("PairingFault", fault);
                }
            }
            Ok(CreatorStep::Finished) => return,
            Ok(_) => {}
            Err(fault) => return over(seen, fault, || creator.receive(b"more").map(drop)),
        }
    }
}

/// 1 ‖ sign ‖ link ‖ box ‖ name(1 + 64) ‖ sig, or nearly.
fn keys_message(source: &mut Source<'_>, hash: &[u8; 32]) -> Vec<u8> {
    let fixture = Fixture::shared();
    let device = source_edit(source, &fixture.member.public().encode());
    let name = source.text(64);
    let text = [&b"0k/1/pair-j"[..], hash, &device, name.as_bytes()].concat();
    let mut plain = vec![1];
    plain.extend_from_slice(&device);
    plain.push(name.len() as u8);
    plain.extend_from_slice(name.as_bytes());
    plain.resize(1 + 96 + 65, 0);
    plain.extend_from_slice(&fixture.member.sign(&text).0);
    source_edit(source, &plain)
}

/// Says anything to a new device after a real handshake.
fn strange_creator(source: &mut Source<'_>, seen: &mut Seen) {
    let fixture = Fixture::shared();
    let (mut joiner, first) = Joiner::start(&secret(), &fixture.member, "member", None, &mut draw(7));
    let mut noise = Peer::handshake(false);
    noise.read_message(&first, &mut [0; 48]).expect("a good first message");
    let mut message = [0; 48];
    noise.write_message(&[], &mut message).expect("a handshake message");
    let Ok(JoinerStep::Send(_)) = joiner.receive(&message) else { panic!("a good answer") };
    let mut hash = [0; 32];
    hash.copy_from_slice(noise.get_handshake_hash());
    let mut peer = Peer(noise.into_transport_mode().expect("it is over"));

    let mut proof = vec![2];
    proof.extend_from_slice(&fixture.founder.public().sign);
    proof.extend_from_slice(&fixture.group.0);
    let text = [&b"0k/1/pair-c"[..], &hash, &fixture.group.0].concat();
    proof.extend_from_slice(&fixture.founder.sign(&text).0);
    let mut said = vec![source_edit(source, &proof)];
    let handover = any_handover(source, fixture);
    let handover = encoded(source, &handover);
    let handover = source_edit(source, &handover);
    let pieces = handover.chunks(16_366);
    let count = pieces.len();
    for (at, piece) in pieces.enumerate() {
        let plain = [&[3, u8::from(at + 1 == count)], piece].concat();
        said.push(if source.below(8) == 7 { source_edit(source, &plain) } else { plain });
    }
    for plain in said {
        match joiner.receive(&peer.say(&plain)) {
            Ok(JoinerStep::Welcome(given)) => {
                given.check().expect("only what fits is accepted");
                assert_eq!(given.group, fixture.group);
                return;
            }
            Ok(_) => {}
            Err(fault) => return over(seen, fault, || joiner.receive(b"more").map(drop)),
        }
    }
}

/// The bytes of a handover, counts included, which may claim too much.
fn encoded(source: &mut Source<'_>, handover: &Handover) -> Vec<u8> {
    let mut count = |len: usize| if source.below(32) == 31 { source.number() as u16 } else { len as u16 }.to_le_bytes();
    let relay = handover.relay.to_bytes();
    let mut out = [&handover.group.0[..], &handover.access.0, &handover.genesis_hash].concat();
    out.push(handover.epochs.len() as u8);
    handover.epochs.iter().for_each(|epoch| out.extend_from_slice(epoch.as_bytes()));
    out.extend_from_slice(&count(relay.len()));
    out.extend_from_slice(&relay);
    out.extend_from_slice(&count(handover.roster.len()));
    for blob in &handover.roster {
        out.extend_from_slice(&(blob.len() as u32).to_le_bytes());
        out.extend_from_slice(blob);
    }
    out.extend_from_slice(&count(handover.baseline.len()));
    for (stream, seq, hash) in &handover.baseline {
        out.extend_from_slice(&stream.device.0);
        out.extend_from_slice(&stream.inc.0);
        out.push(stream.lane as u8);
        out.extend_from_slice(&seq.to_le_bytes());
        out.extend_from_slice(&hash.0);
    }
    out
}

/// Mostly the same.
fn source_edit(source: &mut Source<'_>, bytes: &[u8]) -> Vec<u8> {
    if source.flag() { source.edited(bytes) } else { bytes.to_vec() }
}

/// snow's own primitives, with randomness of the harness.
struct Seeded;

impl CryptoResolver for Seeded {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(SeededRandom(draw(10))))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        DefaultResolver.resolve_dh(choice)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }
}

struct SeededRandom(Draw);

impl Random for SeededRandom {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), snow::Error> {
        self.0.fill(dest);
        Ok(())
    }
}
