//! Golden vectors: what another implementation of the protocol must reproduce byte for byte.
//!
//! `ZEROK_UPDATE_VECTORS=1 cargo test -p zerok-core --test vectors` writes the files anew; without it they are compared. A change of
//! any of them is a change of the protocol. Keys are derived a second time here with the bare primitives, so that a label that is
//! wrong in the library cannot hide in a file that the library wrote.

use std::{collections::BTreeMap, fs, path::PathBuf};

use bytes::Bytes;
use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use hkdf::Hkdf;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use zerok_core::{
    address::{IrohRoute, RelayAddress},
    ids::{DeviceId, Digest, GroupId, Incarnation, Lane, LinkKey, RecordHash, RelayKey},
    pairing::{PairingSecret, code::PairingCode, invite::QrPayload},
    rng::Seed,
    seal::{
        keys::{
            DeviceKeys, Epoch, EpochSecret, Genesis, StoreKey, hello_text, open_at_rest, prove, seal_at_rest, verify,
            verify_hello,
        },
        padding::Padding,
        record::{Kind, Record, SeenEntry, blob_id, open, seal},
        roster::{AddPayload, HeadsPayload, RenamePayload},
    },
    time::UnixMillis,
    wire::message::Hello,
};

#[derive(Serialize)]
struct File {
    note: &'static str,
    vectors: Vec<Vector>,
}

#[derive(Serialize)]
struct Vector {
    note: String,
    input: Fields,
    output: Fields,
}

/// Sorted by name, so that the files do not depend on how a JSON library orders its maps.
type Fields = BTreeMap<&'static str, String>;

fn fields<const N: usize>(fields: [(&'static str, String); N]) -> Fields {
    fields.into()
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn compare(name: &str, note: &'static str, vectors: Vec<Vector>) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors").join(name);
    let made = serde_json::to_string_pretty(&File { note, vectors }).expect("plain strings") + "\n";
    if std::env::var_os("ZEROK_UPDATE_VECTORS").is_some() {
        fs::write(&path, made).expect("a writable checkout");
    } else {
        assert_eq!(fs::read_to_string(&path).expect("a committed file"), made, "{name}: the protocol has changed");
    }
}

fn expand<const N: usize>(salt: &[u8], secret: &[u8], info: &[&[u8]]) -> [u8; N] {
    let mut out = [0; N];
    Hkdf::<Sha256>::new(Some(salt), secret).expand(&info.concat(), &mut out).expect("a short output");
    out
}

const SIGN: [u8; 32] = [0x11; 32];
const LINK: [u8; 32] = [0x22; 32];
const BOX: [u8; 32] = [0x33; 32];
const EPOCH: [u8; 32] = [0x44; 32];
const RELAY: [u8; 32] = [0x55; 32];

fn device() -> DeviceKeys {
    let mut bytes = [0; 96];
    bytes[..32].copy_from_slice(&SIGN);
    bytes[32..64].copy_from_slice(&LINK);
    bytes[64..].copy_from_slice(&BOX);
    DeviceKeys::from_bytes(&bytes)
}

fn genesis() -> Genesis {
    Genesis::create(&device(), "laptop", &EpochSecret::new(EPOCH), &mut Seed::new([1; 32]).draw("genesis"))
}

fn group() -> GroupId {
    genesis().group(&EpochSecret::new(EPOCH).access())
}

fn relay() -> RelayAddress {
    RelayAddress { key: RelayKey(RELAY), tcp: vec!["relay.example.org:7000".to_owned()], iroh: None }
}

#[test]
fn keys() {
    let (keys, secret, genesis, group) = (device(), EpochSecret::new(EPOCH), genesis(), group());
    let public = keys.public();
    let epoch = Epoch::derive(&secret, &group);

    // The same once more, by hand.
    let salt = b"0k/1/epoch";
    assert_eq!(epoch.kid.0, expand(salt, &EPOCH, &[b"0k/1/kid", &group.0]));
    assert_eq!(epoch.commit, expand(salt, &EPOCH, &[b"0k/1/commit"]));
    let access: [u8; 32] = expand(salt, &EPOCH, &[b"0k/1/access"]);
    assert_eq!(epoch.access.0, ed25519_dalek::SigningKey::from_bytes(&access).verifying_key().to_bytes());
    let blob_key: [u8; 32] = expand(salt, &EPOCH, &[b"0k/1/blob", &group.0]);
    let encoded = genesis.encode();
    assert_eq!(genesis.hash()[..], Sha256::digest(&encoded)[..]);
    assert_eq!(group.0[..], Sha256::digest([&b"0k/1/group"[..], &epoch.access.0, &genesis.hash()].concat())[..]);
    let (signed, signature) = encoded.split_at(encoded.len() - 64);
    let signature = zerok_core::wire::message::Signature(signature.try_into().unwrap());
    assert!(verify(&public.sign, &[b"0k/1/genesis", signed].concat(), &signature));
    assert_eq!(Genesis::decode(&encoded).unwrap(), genesis);

    let (relay, link) = (RelayKey(RELAY), LinkKey(public.link.0));
    let proof = prove(&epoch, &relay, &group, &link);
    let hello =
        Hello { group, kid: epoch.kid, access: epoch.access, genesis: genesis.hash(), chain: Vec::new(), proof };
    assert!(verify_hello(&hello, &relay, &link));

    let rest = seal_at_rest(&StoreKey::new([0x66; 32]), "vault", b"milk", &mut Seed::new([1; 32]).draw("rest"));
    assert_eq!(**open_at_rest(&StoreKey::new([0x66; 32]), "vault", &rest).unwrap(), *b"milk");

    let (inc, seq) = (Incarnation([7; 8]), 9);
    compare(
        "keys.json",
        "Keys, epochs, genesis, membership proof, application ids, sealing at rest. All values but names and labels in hex; \
         integers little endian.",
        vec![
            Vector {
                note: "A device's public keys; its id is the first 8 bytes of sign.".to_owned(),
                input: fields([("sign_seed", hex(SIGN)), ("link_secret", hex(LINK)), ("box_secret", hex(BOX))]),
                output: fields([
                    ("sign", hex(public.sign)),
                    ("link", hex(public.link.0)),
                    ("box", hex(public.box_)),
                    ("device_id", hex(keys.id().0)),
                ]),
            },
            Vector {
                note: "Genesis: signed without a group id, which is made of its hash.".to_owned(),
                input: fields([
                    ("sign_seed", hex(SIGN)),
                    ("name", genesis.name().to_owned()),
                    ("commit", hex(genesis.commit())),
                    ("random", hex(&encoded[97..113])),
                    ("access", hex(epoch.access.0)),
                ]),
                output: fields([
                    ("genesis", hex(&encoded)),
                    ("genesis_hash", hex(genesis.hash())),
                    ("group_id", hex(group.0)),
                ]),
            },
            Vector {
                note: "Epoch 0 of that group: HKDF-SHA256 with salt 0k/1/epoch.".to_owned(),
                input: fields([("secret", hex(EPOCH)), ("group_id", hex(group.0))]),
                output: fields([
                    ("kid", hex(epoch.kid.0)),
                    ("commit", hex(epoch.commit)),
                    ("access_seed", hex(access)),
                    ("access", hex(epoch.access.0)),
                    ("blob_key", hex(blob_key)),
                ]),
            },
            Vector {
                note: "Membership proof: Ed25519 by the access key over text.".to_owned(),
                input: fields([
                    ("access_seed", hex(access)),
                    ("relay", hex(RELAY)),
                    ("group_id", hex(group.0)),
                    ("kid", hex(epoch.kid.0)),
                    ("link", hex(link.0)),
                ]),
                output: fields([("text", hex(hello_text(&relay, &group, &epoch.kid, &link))), ("proof", hex(proof.0))]),
            },
            Vector {
                note: "What applications call a record.".to_owned(),
                input: fields([
                    ("group_id", hex(group.0)),
                    ("sender", hex(keys.id().0)),
                    ("inc", hex(inc.0)),
                    ("seq", hex(9_u64.to_le_bytes())),
                ]),
                output: fields([("blob_id", hex(blob_id(&group, keys.id(), inc, seq).0))]),
            },
            Vector {
                note: "Sealed at rest: version, nonce, ciphertext, tag.".to_owned(),
                input: fields([
                    ("store_key", hex([0x66; 32])),
                    ("label", "vault".to_owned()),
                    ("plain", hex(b"milk")),
                    ("nonce", hex(&rest[1..25])),
                ]),
                output: fields([("sealed", hex(&rest))]),
            },
        ],
    );
}

#[test]
fn records() {
    let (keys, group) = (device(), group());
    let epoch = Epoch::derive(&EpochSecret::new(EPOCH), &group);
    let blob_key: [u8; 32] = expand(b"0k/1/epoch", &EPOCH, &[b"0k/1/blob", &group.0]);
    let phone = DeviceKeys::generate(&mut Seed::new([2; 32]).draw("phone")).public();
    let base = Record {
        sender: keys.id(),
        inc: Incarnation([7; 8]),
        seq: 1,
        prev: RecordHash([0; 16]),
        kind: Kind::Data as u8,
        ms: UnixMillis(1_700_000_000_000),
        seen: Vec::new(),
        payload: Bytes::from_static(b"milk"),
    };
    let seen = vec![
        SeenEntry { device: phone.id(), inc: Incarnation([8; 8]), lane: Lane::Data, seq: 3, hash: [9; 8] },
        SeenEntry { device: DeviceId([4; 8]), inc: Incarnation([5; 8]), lane: Lane::Control, seq: 1, hash: [6; 8] },
    ];
    let add = AddPayload { device: phone, name: "phone".to_owned() }.encode();
    let rename = RenamePayload { name: "desk".to_owned() }.encode();
    let heads = HeadsPayload { control_seq: 2, control_hash: RecordHash([0xaa; 16]) }.encode();
    let kind = |kind: Kind, payload: Vec<u8>| Record { kind: kind as u8, payload: payload.into(), ..base.clone() };
    let records = [
        ("The first data record of a device, padded.", base.clone(), Padding::Padme),
        ("The same without padding.", base.clone(), Padding::None),
        (
            "With a predecessor and two entries of seen.",
            Record { seq: 2, prev: RecordHash([1; 16]), seen: seen.clone(), ..base.clone() },
            Padding::Padme,
        ),
        ("An empty payload.", Record { payload: Bytes::new(), ..base.clone() }, Padding::None),
        (
            "Longer than the floor: padded to a PADMÉ length.",
            Record { payload: vec![0x5a; 1000].into(), ..base.clone() },
            Padding::Padme,
        ),
        (
            "Heads: seq and prev are the data lane's.",
            Record { seq: 5, prev: RecordHash([1; 16]), seen, ..kind(Kind::Heads, heads) },
            Padding::Padme,
        ),
        ("Genesis.", kind(Kind::Genesis, genesis().encode()), Padding::Padme),
        ("Add.", Record { seq: 2, ..kind(Kind::Add, add) }, Padding::Padme),
        ("Rename.", Record { seq: 3, ..kind(Kind::Rename, rename) }, Padding::Padme),
        ("A kind of a later version: kept.", Record { kind: 200, ..base.clone() }, Padding::None),
    ];
    let mut draw = Seed::new([3; 32]).draw("records");
    let vectors = records.map(|(note, record, padding)| {
        let sealed = seal(&record, &keys, &group, &epoch, padding, &mut draw);
        let opened = open(&sealed.blob, &group, &epoch).unwrap();
        assert_eq!(opened.record, record, "{note}");
        assert!(opened.verify(&keys.public().sign, &group), "{note}");
        // By hand: signature, hash and digest.
        let (text, signature) = opened.raw.split_at(opened.raw.len() - 64);
        let signature = zerok_core::wire::message::Signature(signature.try_into().unwrap());
        assert!(verify(&keys.public().sign, &[b"0k/1/rec", &group.0[..], text].concat(), &signature), "{note}");
        let aad = [b"0k/1/blob", &group.0[..], &[1], &epoch.kid.0].concat();
        let cipher = XChaCha20Poly1305::new(&blob_key.into());
        let payload = Payload { msg: &sealed.blob[33..], aad: &aad };
        let plain = cipher.decrypt(XNonce::from_slice(&sealed.blob[9..33]), payload).unwrap();
        assert!(plain.starts_with(&opened.raw), "{note}");
        assert_eq!(opened.hash.0[..], Sha256::digest(&opened.raw)[..16], "{note}");
        assert_eq!(sealed.digest, Digest::of(&sealed.blob), "{note}");
        Vector {
            note: note.to_owned(),
            input: fields([
                ("sign_seed", hex(SIGN)),
                ("epoch_secret", hex(EPOCH)),
                ("group_id", hex(group.0)),
                ("padding", format!("{padding:?}").to_lowercase()),
                ("nonce", hex(&sealed.blob[9..33])),
                ("sender", hex(record.sender.0)),
                ("inc", hex(record.inc.0)),
                ("seq", record.seq.to_string()),
                ("prev", hex(record.prev.0)),
                ("kind", record.kind.to_string()),
                ("ms", record.ms.0.to_string()),
                ("seen", record.seen.iter().map(entry).collect::<Vec<_>>().join(" ")),
                ("payload", hex(&record.payload)),
            ]),
            output: fields([
                ("record", hex(&opened.raw)),
                ("record_hash", hex(sealed.hash.0)),
                ("blob", hex(&sealed.blob)),
                ("digest", hex(sealed.digest.0)),
            ]),
        }
    });
    compare(
        "records.json",
        "Records, their hashes, and the blobs they are sealed into. seq, kind and ms in decimal; an entry of seen is \
         device/inc/lane/seq/hash.",
        vectors.into(),
    );
}

fn entry(entry: &SeenEntry) -> String {
    format!("{}/{}/{}/{}/{}", entry.device, entry.inc, entry.lane as u8, entry.seq, hex(entry.hash))
}

#[test]
fn codes() {
    let secret_of = |secret: &[u8]| {
        let derived = PairingSecret::derive(secret, &RelayKey(RELAY));
        let salt = [&b"0k/1/pair"[..], &RELAY].concat();
        assert_eq!(derived.mailbox.0, expand(&salt, secret, &[b"0k/1/mbox"]));
        assert_eq!(*derived.psk, expand(&salt, secret, &[b"0k/1/psk"]));
        derived
    };
    let typed = [
        (
            [0, 0x44, 0x32, 0x14, 0xc7, 0x42, 0x54, 0xb6, 0x35, 0xcf],
            "o123 4567-89ab_cdef",
            "Letters in order; o typed for 0.",
        ),
        ([0x08; 10], "IO4o-g2o8-LO4O g2o8", "Typed with O for 0, I and L for 1."),
        ([0xff; 10], "zzzz zzzz zzzz zzzz", "All ones."),
        ([0; 10], "oooo-OOOO-0000-oooo", "All zeros."),
    ];
    let mut vectors: Vec<Vector> = typed
        .iter()
        .map(|(bytes, typed, note)| {
            let code = PairingCode::new(*bytes);
            assert_eq!(typed.parse::<PairingCode>().unwrap(), code, "{note}: {code}");
            let secret = secret_of(bytes);
            Vector {
                note: (*note).to_owned(),
                input: fields([("bytes", hex(bytes)), ("typed", (*typed).to_owned()), ("relay", hex(RELAY))]),
                output: fields([
                    ("code", code.to_string()),
                    ("mailbox", hex(secret.mailbox.0)),
                    ("psk", hex(*secret.psk)),
                ]),
            }
        })
        .collect();
    let qr =
        QrPayload { relay: relay(), creator_sign: device().public().sign, secret: zeroize::Zeroizing::new([0x77; 32]) };
    let url = qr.to_url("zerok");
    assert_eq!(url.parse::<QrPayload>().unwrap(), qr);
    let secret = secret_of(&[0x77; 32]);
    assert_eq!(qr.pairing_secret().mailbox, secret.mailbox);
    vectors.push(Vector {
        note: "A QR payload as a URL with the scheme zerok.".to_owned(),
        input: fields([
            ("creator_sign", hex(qr.creator_sign)),
            ("secret", hex([0x77; 32])),
            ("relay", qr.relay.to_string()),
        ]),
        output: fields([("url", url), ("mailbox", hex(secret.mailbox.0)), ("psk", hex(*secret.psk))]),
    });
    compare(
        "codes.json",
        "Pairing codes and QR payloads, and the mailbox and shared key each makes at a relay.",
        vectors,
    );
}

#[test]
fn addresses() {
    let iroh = |direct: &[&str], url: Option<&str>| IrohRoute {
        endpoint: [0x99; 32],
        direct: direct.iter().map(|entry| (*entry).to_owned()).collect(),
        relay: url.map(str::to_owned),
    };
    let good = [
        ("TCP alone.", relay()),
        ("A key without transports: pins, cannot be dialled.", RelayAddress { tcp: Vec::new(), ..relay() }),
        (
            "Everything.",
            RelayAddress {
                tcp: vec!["relay.example.org:7000".to_owned(), "[2001:db8::1]:7000".to_owned()],
                iroh: Some(iroh(&["192.0.2.1:4433", "[2001:db8::1]:4433"], Some("https://relay.example.net/"))),
                ..relay()
            },
        ),
        ("iroh alone.", RelayAddress { tcp: Vec::new(), iroh: Some(iroh(&[], None)), ..relay() }),
    ];
    let mut vectors: Vec<Vector> = good
        .iter()
        .map(|(note, address)| {
            assert_eq!(address.to_string().parse::<RelayAddress>().unwrap(), *address, "{note}");
            let route = address.iroh.as_ref();
            Vector {
                note: (*note).to_owned(),
                input: fields([
                    ("key", hex(address.key.0)),
                    ("tcp", address.tcp.join(" ")),
                    ("endpoint", route.map(|iroh| hex(iroh.endpoint)).unwrap_or_default()),
                    ("direct", route.map(|iroh| iroh.direct.join(" ")).unwrap_or_default()),
                    ("relay", route.and_then(|iroh| iroh.relay.clone()).unwrap_or_default()),
                ]),
                output: fields([("bytes", hex(address.to_bytes())), ("address", address.to_string())]),
            }
        })
        .collect();
    let whole = relay().to_string();
    let bad = [
        ("Another prefix.", whole.replacen("0k:", "1k:", 1)),
        ("Two characters exchanged.", whole.replacen("kvkv", "kvvk", 1)),
        ("Cut off.", whole[..whole.len() - 8].to_owned()),
        ("A key of low order.", RelayAddress { key: RelayKey([0; 32]), ..relay() }.to_string()),
        ("Port 0.", RelayAddress { tcp: vec!["relay.example.org:0".to_owned()], ..relay() }.to_string()),
        ("Nine places.", RelayAddress { tcp: vec!["relay.example.org:1".to_owned(); 9], ..relay() }.to_string()),
    ];
    vectors.extend(bad.into_iter().map(|(note, text)| {
        assert_ne!(text, whole, "{note}");
        let fault = text.parse::<RelayAddress>().unwrap_err();
        Vector {
            note: format!("Refused: {note}"),
            input: fields([("address", text)]),
            output: fields([("fault", format!("{fault:?}"))]),
        }
    }));
    compare(
        "addresses.json",
        "Relay addresses: what they say, and what is refused. Lists are separated by spaces.",
        vectors,
    );
}
