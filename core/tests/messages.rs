//! Golden bytes of every message and of the frames around them: a change here is a change of the protocol.
//!
//! `ZEROK_UPDATE_VECTORS=1 cargo test -p zerok-core --test messages` writes the file anew.

#![allow(clippy::unwrap_used, reason = "a test's helpers fail like the test itself")]

use std::{env, fs, path::PathBuf};

use bytes::Bytes;
use serde_json::{Value, json};
use zerok_core::{
    channel::{Channel, ChannelFault, ChannelKind, Initiator, Responder},
    error::Incompatible,
    ids::{AccessKey, Cursor, Digest, GroupId, Kid, Lane, MailboxId, RelayId, RelayKey, Tag, TransportId},
    rng::Seed,
    seal::keys::LinkSecret,
    wire::{
        codec::{
            decode_first_flight, decode_second_flight, decode_to_device, decode_to_relay, encode, encode_first_flight,
            encode_second_flight,
        },
        message::{Hello, News, Page, Pull, Refusal, Request, Signature, ToDevice, ToRelay, Welcome, WireCode},
    },
};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Bytes {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Bytes that show where a field begins: `from`, `from + 1`, …
fn count<const N: usize>(from: u8) -> [u8; N] {
    std::array::from_fn(|at| from.wrapping_add(at as u8))
}

fn hello() -> Hello {
    Hello {
        group: GroupId(count(0x10)),
        kid: Kid(count(0x40)),
        access: AccessKey(count(0x50)),
        genesis: count(0x80),
        chain: Vec::new(),
        proof: Signature(count(0xa0)),
    }
}

fn pull() -> Pull {
    Pull { after: Cursor(300), tag: Tag(count(0x70)), max_bytes: 524_288 }
}

fn welcome() -> Welcome {
    Welcome {
        relay_id: RelayId(count(0x20)),
        head: Cursor(1_000_000),
        floor: Cursor(127),
        own: Some((Cursor(128), Digest(count(0x30)))),
        max_blob: 1_048_576,
    }
}

fn page() -> Page {
    let entries = vec![(Cursor(301), Bytes::from_static(b"first")), (Cursor(u64::MAX), Bytes::from_static(b"second"))];
    Page { after: Cursor(300), floor: Cursor(0), reset: false, entries, head: Cursor(u64::MAX), more: true }
}

fn mailbox() -> MailboxId {
    MailboxId(count(0x60))
}

fn to_relay() -> Vec<ToRelay> {
    let link = (AccessKey(count(0x01)), Signature(count(0x02)));
    vec![
        ToRelay::Hello(Box::new(hello())),
        ToRelay::Hello(Box::new(Hello { chain: vec![link], ..hello() })),
        ToRelay::Pull(pull()),
        ToRelay::Push { lane: Lane::Data, blobs: vec![Bytes::from_static(b"one"), Bytes::from_static(b"two")] },
        ToRelay::Push { lane: Lane::Control, blobs: vec![Bytes::from(vec![7; 200])] },
        ToRelay::Ack { cursor: Cursor(16_384) },
        ToRelay::Ping,
        ToRelay::Bye,
        ToRelay::MailboxOpen { code: mailbox(), qr: MailboxId(count(0xf0)) },
        ToRelay::MailboxClaim { id: mailbox() },
        ToRelay::MailboxSend { id: mailbox(), body: Bytes::from_static(b"hi") },
        ToRelay::MailboxClose { id: mailbox() },
        ToRelay::Rotate,
        ToRelay::Forget,
    ]
}

fn to_device() -> Vec<ToDevice> {
    let mut all = vec![
        ToDevice::Welcome(welcome()),
        ToDevice::Welcome(Welcome { own: None, ..welcome() }),
        ToDevice::Page(page()),
        ToDevice::Page(Page { reset: true, entries: Vec::new(), more: false, ..page() }),
        ToDevice::Pushed { stored: vec![(Digest(count(0x30)), Cursor(302)), (Digest(count(0x31)), Cursor(303))] },
        ToDevice::News(News { prev: Cursor(303), cursor: Cursor(304), digest: Digest(count(0x32)), blob: None }),
        ToDevice::News(News {
            prev: Cursor(304),
            cursor: Cursor(305),
            digest: Digest(count(0x33)),
            blob: Some(Bytes::from_static(b"inline")),
        }),
        ToDevice::Pong,
        ToDevice::Bye { retry_after: 2000 },
        ToDevice::MailboxOpened { id: mailbox() },
        ToDevice::MailboxMessage { id: mailbox(), body: Bytes::from_static(b"hi") },
        ToDevice::MailboxClosed { id: mailbox() },
    ];
    let requests = [
        Request::Link,
        Request::Push(Lane::Data),
        Request::Push(Lane::Control),
        Request::Pull,
        Request::Mailbox(mailbox()),
    ];
    let codes = WireCode::ALL.iter().map(|&code| (code, Request::Link));
    for (code, request) in codes.chain(requests.map(|request| (WireCode::RateLimited, request))) {
        all.push(ToDevice::Error(Refusal { code, request, retry_after: 1500 }));
    }
    all
}

/// A whole conversation under a fixed seed, as it crosses the link.
fn link() -> Value {
    let seed = Seed::new([0x5e; 32]);
    let (device, relay) = (LinkSecret::new([0x22; 32]), LinkSecret::new([0x11; 32]));
    let key = RelayKey(relay.public().0);
    let transport = TransportId::TCP;
    let (mut initiator, first) = Initiator::new(
        ChannelKind::Noise,
        &device,
        key,
        transport,
        &encode_first_flight(&hello(), &pull()),
        &mut seed.draw("device"),
    )
    .unwrap();
    let mut responder = Responder::new(ChannelKind::Noise, &relay, transport, &mut seed.draw("relay"));
    let opening = responder.receive(first.clone()).unwrap().unwrap();
    assert_eq!(decode_first_flight(opening.payload).unwrap(), (hello(), pull()));
    let (mut relay_channel, second) = responder.respond(&encode_second_flight(&welcome(), &page())).unwrap();
    let (payload, mut device_channel) = initiator.receive(second.clone()).unwrap().unwrap();
    assert_eq!(decode_second_flight(payload).unwrap(), (welcome(), page()));
    json!({
        "seed": "5e × 32, labels device and relay",
        "device_secret": hex(device.as_bytes()),
        "relay_secret": hex(relay.as_bytes()),
        "transport": hex(&transport.0),
        "first_flight": hex(&first),
        "second_flight": hex(&second),
        "up": [sealed(&mut device_channel, &ToRelay::Ping), sealed(&mut device_channel, &ToRelay::Bye)],
        "down": [hex(&relay_channel.seal(&encode(&ToDevice::Pong)))],
        "hint_version": hex(&ChannelFault::from(Incompatible::Version).hint().unwrap()),
        "hint_cannot_open": hex(&ChannelFault::from(Incompatible::CannotOpen).hint().unwrap()),
    })
}

fn sealed(channel: &mut Channel, message: &ToRelay) -> String {
    hex(&channel.seal(&encode(message)))
}

fn vectors() -> Value {
    let entry = |message: String, bytes: Vec<u8>| json!({ "message": message, "bytes": hex(&bytes) });
    json!({
        "to_relay": to_relay().iter().map(|m| entry(format!("{m:?}"), encode(m))).collect::<Vec<_>>(),
        "to_device": to_device().iter().map(|m| entry(format!("{m:?}"), encode(m))).collect::<Vec<_>>(),
        "first_flight": hex(&encode_first_flight(&hello(), &pull())),
        "second_flight": hex(&encode_second_flight(&welcome(), &page())),
        "link": link(),
    })
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/messages.json")
}

#[test]
fn golden_messages_frames_and_flights_are_unchanged() {
    let now = vectors();
    if env::var_os("ZEROK_UPDATE_VECTORS").is_some() {
        fs::write(path(), format!("{now:#}\n")).unwrap();
    }
    let golden: Value = serde_json::from_str(&fs::read_to_string(path()).unwrap()).unwrap();
    assert_eq!(now, golden);
}

#[test]
fn golden_messages_read_back() {
    let golden: Value = serde_json::from_str(&fs::read_to_string(path()).unwrap()).unwrap();
    let bytes = |list: &str, at: usize| unhex(golden[list][at]["bytes"].as_str().unwrap());
    for (at, message) in to_relay().into_iter().enumerate() {
        assert_eq!(decode_to_relay(bytes("to_relay", at)), Ok(message));
    }
    for (at, message) in to_device().into_iter().enumerate() {
        assert_eq!(decode_to_device(bytes("to_device", at)), Ok(message));
    }
}
