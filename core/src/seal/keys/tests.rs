use proptest::prelude::*;

use super::*;
use crate::{
    ids::{LinkKey, RelayKey},
    rng::Draw,
    seal::{SealFault, tests as fixtures},
    wire::message::Hello,
};

/// The points of X25519 whose product with any scalar is zero, canonical encodings.
const LOW_ORDER: [[u8; 32]; 4] = [
    [0; 32],
    {
        let mut one = [0; 32];
        one[0] = 1;
        one
    },
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09,
        0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44,
        0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    ],
];

fn hello() -> (Hello, RelayKey, LinkKey) {
    let founded = fixtures::found("hello");
    let (relay, link) = (RelayKey([5; 32]), founded.keys.link().public());
    let hello = Hello {
        group: founded.group,
        kid: founded.epoch.kid,
        access: founded.epoch.access,
        genesis: founded.genesis.hash(),
        chain: Vec::new(),
        proof: prove(&founded.epoch, &relay, &founded.group, &link),
    };
    (hello, relay, link)
}

#[test]
fn a_member_proves_itself() {
    let (hello, relay, link) = hello();
    assert!(verify_hello(&hello, &relay, &link));
}

#[test]
fn c4_a_proof_is_worth_nothing_at_another_relay_or_on_another_link() {
    let (hello, relay, link) = hello();
    assert!(!verify_hello(&hello, &RelayKey([6; 32]), &link));
    assert!(!verify_hello(&hello, &relay, &LinkKey([6; 32])));
}

#[test]
fn a_group_id_cannot_be_squatted() {
    let (mine, relay, link) = hello();
    let other = fixtures::found("another group");
    let squat =
        Hello { access: other.epoch.access, proof: prove(&other.epoch, &relay, &mine.group, &link), ..mine.clone() };
    assert!(!verify_hello(&squat, &relay, &link), "another access key makes another id");
    let squat = Hello { genesis: other.genesis.hash(), ..mine };
    assert!(!verify_hello(&squat, &relay, &link), "another genesis makes another id");
}

#[test]
fn every_field_of_a_hello_is_covered() {
    let (good, relay, link) = hello();
    let mut kid = good.clone();
    kid.kid.0[0] ^= 1;
    let mut group = good.clone();
    group.group.0[0] ^= 1;
    let mut proof = good.clone();
    proof.proof.0[10] ^= 1;
    let mut chain = good.clone();
    chain.chain.push((good.access, good.proof));
    for (what, hello) in [("kid", kid), ("group", group), ("proof", proof), ("chain, reserved", chain)] {
        assert!(!verify_hello(&hello, &relay, &link), "{what}");
    }
}

#[test]
fn hello_text_is_the_documented_one() {
    let text = hello_text(&RelayKey([1; 32]), &GroupId([2; 32]), &crate::ids::Kid([3; 8]), &LinkKey([4; 32]));
    let expected = [&b"0k/1/member"[..], &[1; 32], &[2; 32], &[3; 8], &[4; 32]].concat();
    assert_eq!(text[..], expected[..]);
}

#[test]
fn an_epoch_depends_on_secret_and_group_and_commits_to_the_secret_alone() {
    let (secret, other) = (EpochSecret::new([1; 32]), EpochSecret::new([2; 32]));
    let (a, b) = (GroupId([1; 32]), GroupId([2; 32]));
    let epoch = Epoch::derive(&secret, &a);
    assert_ne!(epoch.kid, Epoch::derive(&secret, &b).kid);
    assert_ne!(epoch.kid, Epoch::derive(&other, &a).kid);
    assert_eq!(epoch.commit, Epoch::derive(&secret, &b).commit);
    assert_eq!(epoch.access, secret.access());
    assert!(epoch.matches(&secret.commit()));
    assert!(!epoch.matches(&other.commit()));
}

#[test]
fn device_keys_survive_storage() {
    let keys = DeviceKeys::generate(&mut fixtures::draw("keys"));
    let again = DeviceKeys::from_bytes(&keys.to_bytes());
    assert_eq!(keys.public(), again.public());
    assert_eq!(keys.sign(b"text"), again.sign(b"text"));
    assert_eq!(keys.id().0[..], keys.public().sign[..8]);
}

#[test]
fn secrets_print_nothing_of_themselves() {
    let founded = fixtures::found("debug");
    assert_eq!(format!("{:?}", founded.keys), "DeviceKeys(..)");
    assert_eq!(format!("{:?}", founded.secret), "EpochSecret(..)");
    assert_eq!(format!("{:?}", founded.keys.link()), "LinkSecret(..)");
    assert_eq!(format!("{:?}", StoreKey::new([9; 32])), "StoreKey(..)");
    assert_eq!(format!("{:?}", founded.epoch), format!("Epoch({}, ..)", founded.epoch.kid));
}

/// By their types: what this cannot name does not compile once somebody takes the wiping out.
#[test]
fn secrets_are_wiped_when_dropped() {
    fn wiped<T: zeroize::ZeroizeOnDrop>() {}
    wiped::<EpochSecret>();
    wiped::<LinkSecret>();
    wiped::<BoxSecret>();
    wiped::<StoreKey>();
    wiped::<ed25519_dalek::SigningKey>();
    wiped::<crate::rng::Seed>();
    wiped::<crate::pairing::code::PairingCode>();
    wiped::<zeroize::Zeroizing<Vec<u8>>>();
}

#[test]
fn secrets_compare_by_every_byte() {
    let base = [9; 32];
    for at in 0..32 {
        let mut other = base;
        other[at] ^= 0x80;
        assert_ne!(EpochSecret::new(base), EpochSecret::new(other));
    }
    assert_eq!(EpochSecret::new(base), EpochSecret::new(base));
    assert!(!same(b"abc", b"ab"));
}

#[test]
fn a_genesis_survives_its_bytes() {
    let genesis = fixtures::found("genesis").genesis;
    assert_eq!(Genesis::decode(&genesis.encode()).unwrap(), genesis);
    assert_eq!(genesis.name(), "laptop");
}

#[test]
fn a19_any_changed_bit_of_a_genesis_is_refused() {
    let bytes = fixtures::found("genesis").genesis.encode();
    for at in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        assert!(Genesis::decode(&bytes).is_err(), "byte {at}");
    }
}

#[test]
fn a_genesis_with_missing_or_extra_bytes_is_refused() {
    let mut bytes = fixtures::found("genesis").genesis.encode();
    for len in 0..bytes.len() {
        assert!(Genesis::decode(&bytes[..len]).is_err(), "{len} bytes");
    }
    bytes.push(0);
    assert_eq!(Genesis::decode(&bytes), Err(SealFault::Structure));
}

#[test]
fn b15_low_order_keys_are_refused_wherever_a_device_is_named() {
    let good = fixtures::found("weak").keys.public();
    assert_eq!(DevicePublic::decode(&good.encode()), Ok(good));
    for point in LOW_ORDER {
        assert!(!contributory(&point));
        for weak in [DevicePublic { link: LinkKey(point), ..good }, DevicePublic { box_: point, ..good }] {
            assert_eq!(DevicePublic::decode(&weak.encode()), Err(SealFault::WeakKey));
        }
    }
    // The identity and a point of order two of Ed25519.
    let mut order_two = [0xff; 32];
    (order_two[0], order_two[31]) = (0xec, 0x7f);
    for sign in [LOW_ORDER[1], order_two] {
        assert_eq!(DevicePublic::decode(&DevicePublic { sign, ..good }.encode()), Err(SealFault::WeakKey));
    }
    // Not a point at all.
    let invalid = (0..=u8::MAX).map(|byte| [byte; 32]).find(|key| verifying_key(key).is_none()).unwrap();
    assert_eq!(DevicePublic::decode(&DevicePublic { sign: invalid, ..good }.encode()), Err(SealFault::WeakKey));
}

#[test]
fn signatures_are_checked_strictly() {
    let keys = DeviceKeys::generate(&mut fixtures::draw("strict"));
    let signature = keys.sign(b"text");
    assert!(verify(&keys.public().sign, b"text", &signature));
    assert!(!verify(&keys.public().sign, b"other", &signature));
    // A small-order key with a small-order commitment "signs" everything for a lax verifier.
    let mut forged = Signature([0; 64]);
    forged.0[0] = 1;
    assert!(!verify(&LOW_ORDER[1], b"anything", &forged));
    // The same signature with s + l instead of s.
    let order: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut second = signature;
    let mut carry = 0_u16;
    for (byte, add) in second.0[32..].iter_mut().zip(order) {
        carry += u16::from(*byte) + u16::from(add);
        *byte = u8::try_from(carry & 0xff).unwrap();
        carry >>= 8;
    }
    assert!(!verify(&keys.public().sign, b"text", &second));
}

#[test]
fn a_link_key_agrees_with_the_published_example() {
    // RFC 7748 §6.1, Alice.
    let secret = [
        0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d, 0x3c, 0x16, 0xc1, 0x72, 0x51, 0xb2, 0x66, 0x45, 0xdf, 0x4c,
        0x2f, 0x87, 0xeb, 0xc0, 0x99, 0x2a, 0xb1, 0x77, 0xfb, 0xa5, 0x1d, 0xb9, 0x2c, 0x2a,
    ];
    assert_eq!(
        LinkSecret::new(secret).public().to_string(),
        "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
    );
}

#[test]
fn the_same_draws_make_the_same_keys() {
    let make = |draw: &mut Draw| DeviceKeys::generate(draw).public();
    assert_eq!(make(&mut fixtures::draw("a")), make(&mut fixtures::draw("a")));
    assert_ne!(make(&mut fixtures::draw("a")), make(&mut fixtures::draw("b")));
}

proptest! {
    #[test]
    fn any_bytes_are_no_panic_and_have_one_form(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(genesis) = Genesis::decode(&bytes) {
            prop_assert_eq!(genesis.encode(), bytes);
        }
    }
}
