use std::io::{BufReader, Cursor};

use super::*;

fn all(text: &[u8]) -> Vec<String> {
    // A tiny buffer, so that lines span several reads.
    let mut input = BufReader::with_capacity(3, Cursor::new(text.to_vec()));
    let mut number = 0;
    let mut lines = Vec::new();
    while let Some(line) = next(&mut input, &mut number) {
        match line {
            Line::Bytes(bytes) => lines.push(String::from_utf8_lossy(&bytes).into_owned()),
            Line::TooLong { number } => return vec![format!("too long: {number}")],
            Line::Broken(error) => panic!("{error}"),
        }
    }
    lines
}

#[test]
fn lines_end_with_either_newline_or_with_the_input() {
    assert_eq!(all(b"one\ntwo three\r\nfour"), ["one", "two three", "four"]);
}

#[test]
fn empty_lines_are_left_out() {
    assert_eq!(all(b"\n\r\na\n\n\nb\n\n"), ["a", "b"]);
    assert!(all(b"").is_empty());
}

#[test]
fn a_line_of_a_largest_payload_is_taken_and_a_longer_one_named() {
    let mut longest = vec![b'x'; MAX_PAYLOAD];
    longest.extend_from_slice(b"\r\n");
    assert_eq!(all(&longest)[0].len(), MAX_PAYLOAD);
    let longer = [b"a\n".as_slice(), &vec![b'x'; MAX_PAYLOAD + 1], b"\n"].concat();
    assert_eq!(all(&longer), ["too long: 2"]);
    let endless = vec![b'x'; MAX_PAYLOAD + 9];
    assert_eq!(all(&endless), ["too long: 1"]);
}
