use bytes::Bytes;
use proptest::prelude::*;

use super::*;

const ANY: RangeInclusive<usize> = 0..=65_535;

fn stream(bodies: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    for body in bodies {
        out.extend_from_slice(&u16::try_from(body.len()).unwrap().to_le_bytes());
        out.extend_from_slice(body);
    }
    out
}

/// Cuts `stream` at the given sizes, in turn.
fn pieces(stream: &[u8], sizes: &[usize]) -> Vec<Bytes> {
    let mut rest = stream;
    let mut out = Vec::new();
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (head, tail) = rest.split_at((*size).max(1).min(rest.len()));
        out.push(Bytes::copy_from_slice(head));
        rest = tail;
    }
    out
}

proptest! {
    #[test]
    fn e12_any_split_of_a_stream_gives_the_same_frames(
        bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..8),
        sizes in prop::collection::vec(1_usize..400, 1..6),
        lazy in any::<bool>(),
    ) {
        let mut frames = Frames::default();
        let mut out = Vec::new();
        for piece in pieces(&stream(&bodies), &sizes) {
            frames.feed(piece);
            // A lazy caller feeds everything before it looks.
            while let Some(body) = if lazy { None } else { frames.next(ANY).unwrap() } {
                out.push(body.to_vec());
            }
        }
        while let Some(body) = frames.next(ANY).unwrap() {
            out.push(body.to_vec());
        }
        prop_assert!(frames.is_empty());
        prop_assert_eq!(out, bodies);
    }

    #[test]
    fn c13_garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..2000), size in 1_usize..500) {
        let mut frames = Frames::default();
        for piece in pieces(&bytes, &[size]) {
            frames.feed(piece);
            while let Ok(Some(_)) = frames.next(17..=100) {}
        }
    }
}

#[test]
fn a_length_out_of_range_is_refused_at_its_header_before_any_body() {
    for (len, fine) in [(9_u16, false), (10, true), (20, true), (21, false)] {
        let mut frames = Frames::default();
        frames.feed(Bytes::copy_from_slice(&len.to_le_bytes()));
        let expected = if fine { Ok(None) } else { Err(Misbehaviour::FrameLength) };
        assert_eq!(frames.next(10..=20), expected, "{len}");
    }
}

#[test]
fn g2_memory_follows_the_bytes_received_and_not_the_length_claimed() {
    let mut frames = Frames::default();
    frames.feed(Bytes::from_static(&[0xff, 0xff, 1, 2, 3]));
    assert_eq!(frames.next(ANY), Ok(None));
    assert!(frames.partial.capacity() < 1024, "{}", frames.partial.capacity());
}

#[test]
fn a_frame_that_arrives_whole_is_not_copied() {
    let fed = Bytes::from(stream(&[vec![7; 100], vec![8; 50]]));
    let range = fed.as_ptr_range();
    let mut frames = Frames::default();
    frames.feed(fed);
    while let Some(body) = frames.next(ANY).unwrap() {
        assert!(range.contains(&body.as_ptr()));
    }
    assert!(frames.is_empty());
}
