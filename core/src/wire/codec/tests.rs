use proptest::prelude::*;

use super::*;

fn bytes(most: usize) -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..most).prop_map(Bytes::from)
}

fn cursor() -> impl Strategy<Value = Cursor> {
    // Lengths of a number matter, not its bits: draw the length first.
    (0_u32..64, any::<u64>()).prop_map(|(shift, bits)| Cursor(bits >> shift))
}

fn mailbox() -> impl Strategy<Value = MailboxId> {
    any::<[u8; 16]>().prop_map(MailboxId)
}

fn lane() -> impl Strategy<Value = Lane> {
    prop_oneof![Just(Lane::Data), Just(Lane::Control)]
}

fn signature() -> impl Strategy<Value = Signature> {
    prop::collection::vec(any::<u8>(), 64).prop_map(|bytes| Signature(bytes.try_into().unwrap()))
}

fn hello() -> impl Strategy<Value = Hello> {
    let chain = prop::collection::vec((any::<[u8; 32]>().prop_map(AccessKey), signature()), 0..3);
    (any::<[u8; 32]>(), any::<[u8; 8]>(), any::<[u8; 32]>(), any::<[u8; 32]>(), chain, signature()).prop_map(
        |(group, kid, access, genesis, chain, proof)| Hello {
            group: GroupId(group),
            kid: Kid(kid),
            access: AccessKey(access),
            genesis,
            chain,
            proof,
        },
    )
}

fn pull() -> impl Strategy<Value = Pull> {
    (cursor(), any::<[u8; 8]>(), any::<u32>()).prop_map(|(after, tag, max_bytes)| Pull {
        after,
        tag: Tag(tag),
        max_bytes,
    })
}

fn welcome() -> impl Strategy<Value = Welcome> {
    let own = prop::option::of((cursor(), any::<[u8; 16]>().prop_map(Digest)));
    (any::<[u8; 16]>(), cursor(), cursor(), own, any::<u32>()).prop_map(|(id, head, floor, own, max_blob)| Welcome {
        relay_id: RelayId(id),
        head,
        floor,
        own,
        max_blob,
    })
}

fn page() -> impl Strategy<Value = Page> {
    let entries = prop::collection::vec((cursor(), bytes(300)), 0..6);
    (cursor(), cursor(), any::<bool>(), entries, cursor(), any::<bool>())
        .prop_map(|(after, floor, reset, entries, head, more)| Page { after, floor, reset, entries, head, more })
}

fn news() -> impl Strategy<Value = News> {
    (cursor(), cursor(), any::<[u8; 16]>(), prop::option::of(bytes(MAX_INLINE + 1)))
        .prop_map(|(prev, cursor, digest, blob)| News { prev, cursor, digest: Digest(digest), blob })
}

fn refusal() -> impl Strategy<Value = Refusal> {
    let request = prop_oneof![
        Just(Request::Link),
        lane().prop_map(Request::Push),
        Just(Request::Pull),
        mailbox().prop_map(Request::Mailbox)
    ];
    (prop::sample::select(WireCode::ALL), request, any::<u32>()).prop_map(|(code, request, retry_after)| Refusal {
        code,
        request,
        retry_after,
    })
}

fn to_relay() -> impl Strategy<Value = ToRelay> {
    prop_oneof![
        hello().prop_map(|hello| ToRelay::Hello(Box::new(hello))),
        pull().prop_map(ToRelay::Pull),
        (lane(), prop::collection::vec(bytes(300), 0..6)).prop_map(|(lane, blobs)| ToRelay::Push { lane, blobs }),
        cursor().prop_map(|cursor| ToRelay::Ack { cursor }),
        Just(ToRelay::Ping),
        Just(ToRelay::Bye),
        (mailbox(), mailbox()).prop_map(|(code, qr)| ToRelay::MailboxOpen { code, qr }),
        mailbox().prop_map(|id| ToRelay::MailboxClaim { id }),
        (mailbox(), bytes(300)).prop_map(|(id, body)| ToRelay::MailboxSend { id, body }),
        mailbox().prop_map(|id| ToRelay::MailboxClose { id }),
        Just(ToRelay::Rotate),
        Just(ToRelay::Forget),
    ]
}

fn to_device() -> impl Strategy<Value = ToDevice> {
    let stored = prop::collection::vec((any::<[u8; 16]>().prop_map(Digest), cursor()), 0..6);
    prop_oneof![
        welcome().prop_map(ToDevice::Welcome),
        page().prop_map(ToDevice::Page),
        stored.prop_map(|stored| ToDevice::Pushed { stored }),
        news().prop_map(ToDevice::News),
        Just(ToDevice::Pong),
        any::<u32>().prop_map(|retry_after| ToDevice::Bye { retry_after }),
        mailbox().prop_map(|id| ToDevice::MailboxOpened { id }),
        (mailbox(), bytes(300)).prop_map(|(id, body)| ToDevice::MailboxMessage { id, body }),
        mailbox().prop_map(|id| ToDevice::MailboxClosed { id }),
        refusal().prop_map(ToDevice::Error),
    ]
}

proptest! {
    #[test]
    fn every_message_to_a_relay_reads_back_and_was_allocated_once(message in to_relay()) {
        let encoded = encode(&message);
        prop_assert!(encoded.len() <= message.bound());
        prop_assert_eq!(decode_to_relay(encoded.into()), Ok(message));
    }

    #[test]
    fn every_message_to_a_device_reads_back_and_was_allocated_once(message in to_device()) {
        let encoded = encode(&message);
        prop_assert!(encoded.len() <= message.bound());
        prop_assert_eq!(decode_to_device(encoded.into()), Ok(message));
    }

    #[test]
    fn both_flights_read_back(hello in hello(), pull in pull(), welcome in welcome(), page in page()) {
        let first = encode_first_flight(&hello, &pull);
        prop_assert_eq!(decode_first_flight(first.into()), Ok((hello, pull)));
        let second = encode_second_flight(&welcome, &page);
        prop_assert_eq!(decode_second_flight(second.into()), Ok((welcome, page)));
    }

    #[test]
    fn a_message_cut_short_or_with_a_byte_more_is_refused(message in to_relay(), cut in any::<prop::sample::Index>()) {
        let mut encoded = encode(&message);
        prop_assert!(decode_to_relay(encoded[..cut.index(encoded.len())].to_vec().into()).is_err());
        encoded.push(0);
        prop_assert!(decode_to_relay(encoded.into()).is_err());
    }

    #[test]
    fn c13_garbage_never_panics_and_what_reads_has_one_encoding(
        tag in 0_u8..14,
        garbage in prop::collection::vec(prop_oneof![3 => 0_u8..4, 1 => any::<u8>()], 0..120),
    ) {
        let bytes = Bytes::from([&[tag][..], &garbage].concat());
        if let Ok(message) = decode_to_relay(bytes.clone()) {
            prop_assert_eq!(encode(&message), bytes.to_vec());
        }
        if let Ok(message) = decode_to_device(bytes.clone()) {
            prop_assert_eq!(encode(&message), bytes.to_vec());
        }
        let _ = decode_first_flight(bytes.clone());
        let _ = decode_second_flight(bytes);
    }
}

#[test]
fn blobs_are_slices_of_what_arrived() {
    let message = ToRelay::Push { lane: Lane::Data, blobs: vec![Bytes::from(vec![1; 500]), Bytes::from(vec![2; 700])] };
    let arrived = Bytes::from(encode(&message));
    let range = arrived.as_ptr_range();
    let ToRelay::Push { blobs, .. } = decode_to_relay(arrived).unwrap() else { panic!("not a push") };
    assert!(blobs.iter().all(|blob| range.contains(&blob.as_ptr())));
}

#[test]
fn numbers_have_one_encoding() {
    for (bytes, expected) in [
        (&[3, 0][..], Ok(0)),
        (&[3, 0x80, 0], Err(BAD)),
        (&[3, 0x81, 0], Err(BAD)),
        (&[3, 0x80, 1], Ok(128)),
        (&[3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], Ok(u64::MAX)),
        (&[3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2], Err(BAD)),
        (&[3, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x81, 0], Err(BAD)),
    ] {
        let expected = expected.map(|number| ToRelay::Ack { cursor: Cursor(number) });
        assert_eq!(decode_to_relay(Bytes::copy_from_slice(bytes)), expected, "{bytes:x?}");
    }
    // A number above its field's width.
    assert_eq!(decode_to_device(Bytes::from_static(&[5, 0xff, 0xff, 0xff, 0xff, 0x1f])), Err(BAD));
}

#[test]
fn every_code_reads_back_and_no_other_number_does() {
    let refusal = |number: u64| {
        let mut bytes = vec![9];
        write_number(&mut bytes, number);
        bytes.extend_from_slice(&[0, 0]);
        decode_to_device(bytes.into())
    };
    let mut known = 0;
    for number in (0..=u64::from(u16::MAX)).chain([0x1_03e9, u64::MAX]) {
        match refusal(number) {
            Ok(ToDevice::Error(refusal)) => {
                assert_eq!(u64::from(refusal.code.number()), number);
                known += 1;
            }
            other => assert_eq!(other, Err(BAD), "{number}"),
        }
    }
    assert_eq!(known, WireCode::ALL.len());
}

#[test]
fn unknown_tags_lanes_flags_and_requests_are_refused() {
    for bytes in [&[12][..], &[255], &[2, 2, 0], &[]] {
        assert_eq!(decode_to_relay(Bytes::copy_from_slice(bytes)), Err(BAD), "{bytes:?}");
    }
    for bytes in [&[10][..], &[255], &[1, 0, 0, 2, 0, 0, 0], &[1, 0, 0, 0, 0, 0, 2], &[9, 0xe9, 7, 4, 0], &[]] {
        assert_eq!(decode_to_device(Bytes::copy_from_slice(bytes)), Err(BAD), "{bytes:?}");
    }
}

#[test]
fn g3_a_claimed_count_or_size_costs_nothing_without_the_bytes_behind_it() {
    let claim = |head: &[u8], number: usize| {
        let mut bytes = head.to_vec();
        write_len(&mut bytes, number);
        Bytes::from(bytes)
    };
    assert_eq!(decode_to_relay(claim(&[2, 0], MAX_ENTRIES)), Err(BAD));
    assert_eq!(decode_to_relay(claim(&[2, 0], MAX_ENTRIES + 1)), Err(Misbehaviour::TooLarge));
    assert_eq!(decode_to_relay(claim(&[2, 0], usize::MAX)), Err(Misbehaviour::TooLarge));
    assert_eq!(decode_to_relay(claim(&[2, 0, 1], MAX_MESSAGE)), Err(BAD));
    assert_eq!(decode_to_relay(claim(&[2, 0, 1], usize::MAX)), Err(Misbehaviour::TooLarge));
    assert_eq!(decode_to_device(claim(&[2], usize::MAX)), Err(Misbehaviour::TooLarge));
    assert_eq!(decode_first_flight(claim(&[0; 104], MAX_CHAIN + 1)), Err(Misbehaviour::TooLarge));
}

#[test]
fn every_limit_holds_at_its_edge() {
    let send = |len| ToRelay::MailboxSend { id: MailboxId([1; 16]), body: vec![0; len].into() };
    assert!(decode_to_relay(encode(&send(MAX_MAILBOX_MESSAGE)).into()).is_ok());
    assert_eq!(decode_to_relay(encode(&send(MAX_MAILBOX_MESSAGE + 1)).into()), Err(Misbehaviour::TooLarge));

    let heard = |len| ToDevice::MailboxMessage { id: MailboxId([1; 16]), body: vec![0; len].into() };
    assert!(decode_to_device(encode(&heard(MAX_MAILBOX_MESSAGE)).into()).is_ok());
    assert_eq!(decode_to_device(encode(&heard(MAX_MAILBOX_MESSAGE + 1)).into()), Err(Misbehaviour::TooLarge));

    let news = |len: usize| {
        let blob = Some(vec![0; len].into());
        ToDevice::News(News { prev: Cursor(1), cursor: Cursor(2), digest: Digest([0; 16]), blob })
    };
    assert!(decode_to_device(encode(&news(MAX_INLINE)).into()).is_ok());
    assert_eq!(decode_to_device(encode(&news(MAX_INLINE + 1)).into()), Err(Misbehaviour::TooLarge));

    let push = |count| ToRelay::Push { lane: Lane::Data, blobs: vec![Bytes::new(); count] };
    assert!(decode_to_relay(encode(&push(MAX_ENTRIES)).into()).is_ok());
    assert_eq!(decode_to_relay(encode(&push(MAX_ENTRIES + 1)).into()), Err(Misbehaviour::TooLarge));

    assert_eq!(decode_to_relay(vec![4; MAX_MESSAGE + 1].into()), Err(Misbehaviour::TooLarge));
    assert_eq!(decode_to_device(vec![4; MAX_MESSAGE + 1].into()), Err(Misbehaviour::TooLarge));
    assert_eq!(decode_first_flight(vec![0; MAX_FIRST_FLIGHT + 1].into()), Err(Misbehaviour::TooLarge));
    assert_eq!(decode_second_flight(vec![0; MAX_SECOND_FLIGHT + 1].into()), Err(Misbehaviour::TooLarge));
}

#[test]
fn the_largest_blob_fits_a_message_with_room_for_its_envelope() {
    let blob = Bytes::from(vec![7; crate::limits::MAX_BLOB]);
    let push = encode(&ToRelay::Push { lane: Lane::Data, blobs: vec![blob.clone()] });
    assert!(decode_to_relay(push.into()).is_ok());
    let page = Page {
        after: Cursor(u64::MAX),
        floor: Cursor(u64::MAX),
        reset: true,
        entries: vec![(Cursor(u64::MAX), blob)],
        head: Cursor(u64::MAX),
        more: true,
    };
    assert!(decode_to_device(encode(&ToDevice::Page(page)).into()).is_ok());
}
