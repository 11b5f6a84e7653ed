use proptest::prelude::*;

use super::{
    super::{
        ChannelFault, ChannelKind,
        tests::{KINDS, pair, split},
    },
    *,
};

fn drain(channel: &mut Channel) -> Result<Vec<Bytes>, ChannelFault> {
    let mut out = Vec::new();
    while let Some(message) = channel.next()? {
        out.push(message);
    }
    Ok(out)
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 + at / 251) as u8).collect()
}

#[test]
fn messages_of_every_interesting_length_arrive_whole() {
    for &kind in KINDS {
        let (mut device, mut relay) = pair(kind);
        for len in [0, 1, 100, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 2 * PIECE + 1, MAX_MESSAGE] {
            let message = pattern(len);
            let sealed = device.seal(&message);
            assert_eq!(sealed.len(), Channel::sealed_len(len), "{len}");
            relay.feed(sealed);
            assert_eq!(drain(&mut relay).unwrap(), [message], "{len}");
        }
    }
}

#[test]
fn a_message_above_the_limit_ends_the_channel_before_it_is_kept() {
    for &kind in KINDS {
        let (mut device, mut relay) = pair(kind);
        relay.feed(device.seal(&pattern(MAX_MESSAGE + 1)));
        assert_eq!(drain(&mut relay).unwrap_err(), Misbehaviour::TooLarge.into());
        assert_eq!(relay.assembly.capacity(), 0, "a fault leaves nothing held");
    }
}

#[test]
fn c7_a_frame_altered_repeated_left_out_or_moved_ends_the_channel_for_good() {
    type Edit = fn(&mut Vec<Vec<u8>>);
    let edits: [(&str, Edit); 5] = [
        ("flip of the flag", |frames| frames[1][HEADER] ^= 1),
        ("flip of the tag", |frames| *frames[1].last_mut().unwrap() ^= 0x80),
        ("repeated", |frames| frames.insert(1, frames[0].clone())),
        ("left out", |frames| drop(frames.remove(1))),
        ("swapped", |frames| frames.swap(1, 2)),
    ];
    for (name, edit) in edits {
        let (mut device, mut relay) = pair(ChannelKind::Noise);
        let mut frames: Vec<Vec<u8>> = (0..4).map(|at| device.seal(&[at; 9]).to_vec()).collect();
        edit(&mut frames);
        let mut arrived = 0;
        let mut fault = None;
        for frame in frames {
            relay.feed(frame.into());
            match drain(&mut relay) {
                Ok(messages) if fault.is_none() => arrived += messages.len(),
                Ok(_) => panic!("{name}: came back to life"),
                Err(error) => fault = Some(error),
            }
        }
        assert_eq!((arrived, fault), (1, Some(Misbehaviour::BadFrame.into())), "{name}");
    }
}

#[test]
fn c7_every_single_flipped_bit_of_a_frame_is_noticed() {
    let sealed = pair(ChannelKind::Noise).0.seal(b"abc");
    for bit in 0..sealed.len() * 8 {
        let (_, mut relay) = pair(ChannelKind::Noise);
        let mut edited = sealed.to_vec();
        edited[bit / 8] ^= 1 << (bit % 8);
        relay.feed(edited.into());
        // A length that grew leaves the frame incomplete; everything else is a fault at once.
        assert!(!matches!(drain(&mut relay), Ok(messages) if !messages.is_empty()), "bit {bit}");
    }
}

#[test]
fn frames_of_impossible_length_are_refused_at_their_header() {
    for len in 0..17_u16 {
        let (_, mut relay) = pair(ChannelKind::Noise);
        relay.feed(Bytes::copy_from_slice(&len.to_le_bytes()));
        assert_eq!(relay.next().unwrap_err(), Misbehaviour::FrameLength.into(), "{len}");
    }
}

/// A frame of the peer's with any plaintext.
fn frame(channel: &mut Channel, plaintext: &[u8]) -> Bytes {
    let mut text = plaintext.to_vec();
    let tag = channel.cipher.seal(&mut text);
    let mut out = u16::try_from(text.len() + TAG).unwrap().to_le_bytes().to_vec();
    out.extend_from_slice(&text);
    out.extend_from_slice(&tag);
    out.into()
}

#[test]
fn a_message_has_one_cut_into_frames() {
    let full = |flag: u8| [&[flag][..], &pattern(PIECE)].concat();
    for (frames, name) in [
        (vec![vec![MORE, 1, 2]], "a short frame before the last"),
        (vec![full(MORE), vec![LAST]], "an empty last frame behind others"),
        (vec![vec![2, 1]], "an unknown flag"),
    ] {
        let (mut device, mut relay) = pair(ChannelKind::Noise);
        for plaintext in &frames {
            let frame = frame(&mut device, plaintext);
            relay.feed(frame);
        }
        assert_eq!(drain(&mut relay).unwrap_err(), Misbehaviour::BadFrame.into(), "{name}");
    }
    let (mut device, mut relay) = pair(ChannelKind::Noise);
    for plaintext in [full(MORE), full(LAST)] {
        let frame = frame(&mut device, &plaintext);
        relay.feed(frame);
    }
    assert_eq!(drain(&mut relay).unwrap()[0].len(), 2 * PIECE);
}

#[test]
fn c8_a_channel_is_spent_at_its_byte_and_frame_limits_in_either_direction() {
    let used = |bytes, frames| Used { bytes, frames };
    for (at, spent) in [
        (used(CHANNEL_BYTES - 1, CHANNEL_FRAMES - 1), false),
        (used(CHANNEL_BYTES, 1), true),
        (used(1, CHANNEL_FRAMES), true),
    ] {
        let (mut device, mut relay) = pair(ChannelKind::Noise);
        (device.sent.bytes, device.sent.frames) = (at.bytes, at.frames);
        (relay.received.bytes, relay.received.frames) = (at.bytes, at.frames);
        assert_eq!((device.spent(), relay.spent()), (spent, spent));
    }
}

#[test]
fn c8_both_ends_count_the_same() {
    let (mut device, mut relay) = pair(ChannelKind::Noise);
    let sealed = device.seal(&pattern(3 * PIECE));
    relay.feed(sealed.clone());
    drain(&mut relay).unwrap();
    assert_eq!((device.sent.bytes, device.sent.frames), (sealed.len() as u64, 3));
    assert_eq!((relay.received.bytes, relay.received.frames), (sealed.len() as u64, 3));
    device.sent.frames = CHANNEL_FRAMES - 1;
    assert!(!device.spent());
    device.seal(b"the last");
    assert!(device.spent());
}

#[test]
fn an_idle_channel_holds_no_buffer() {
    let (mut device, mut relay) = pair(ChannelKind::Noise);
    for piece in split(&device.seal(&pattern(PIECE * 2)), &[1000]) {
        relay.feed(piece);
        relay.next().unwrap();
    }
    assert!(relay.frames.is_empty());
    assert_eq!(relay.assembly.capacity(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn e12_any_split_of_the_stream_gives_the_same_messages(
        lens in prop::collection::vec(prop_oneof![4 => 0_usize..600, 1 => PIECE - 2..PIECE * 2 + 2], 1..6),
        cuts in prop::collection::vec(prop_oneof![1_usize..30, 500_usize..70_000], 1..4),
    ) {
        for &kind in KINDS {
            let (mut device, mut relay) = pair(kind);
            let messages: Vec<Vec<u8>> = lens.iter().map(|&len| pattern(len)).collect();
            let stream: Vec<u8> = messages.iter().flat_map(|message| device.seal(message)).collect();
            let mut out = Vec::new();
            for piece in split(&stream, &cuts) {
                relay.feed(piece);
                out.extend(drain(&mut relay).unwrap());
            }
            prop_assert_eq!(out, messages);
        }
    }

    #[test]
    fn c13_garbage_never_panics_and_never_reads_as_a_message(
        garbage in prop::collection::vec(any::<u8>(), 1..3000),
        cuts in prop::collection::vec(1_usize..900, 1..4),
    ) {
        let (mut device, mut relay) = pair(ChannelKind::Noise);
        relay.feed(device.seal(b"good"));
        prop_assert_eq!(drain(&mut relay).unwrap().len(), 1);
        for piece in split(&garbage, &cuts) {
            relay.feed(piece);
            prop_assert!(!matches!(drain(&mut relay), Ok(messages) if !messages.is_empty()));
        }
    }
}
