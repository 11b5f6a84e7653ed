//! A device's word: the lines it printed over all its lives.

use std::collections::{BTreeMap, BTreeSet};

/// Everything the victim has said.
#[derive(Debug, Default)]
pub struct Word {
    /// Texts that were durable on the device, by life and number, in that order.
    pub queued: Vec<(u64, u64)>,
    /// Whom a position belongs to.
    positions: BTreeMap<u64, String>,
    /// Positions in order of their first delivery.
    got: Vec<u64>,
    /// The position of each text it received.
    pub received: BTreeMap<String, u64>,
    /// The last position known to be on the relay, and the last acknowledged one.
    synced: u64,
    acked: u64,
    /// Pushes it said again under another name.
    pub reissued: usize,
}

impl Word {
    /// Hears one line of a life; panics where it contradicts an earlier one.
    pub fn hear(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |text: &str| text.parse::<u64>().expect("a number");
        match words[..] {
            ["open"] | ["pending", _] => {}
            ["queued", text, _id] => {
                let (life, place) = text.split_once(':').expect("life:number");
                self.queued.push((number(life), number(place)));
            }
            ["synced", id, at] => {
                assert!(number(at) > self.synced, "{line}: after {}", self.synced);
                self.synced = number(at);
                self.belongs(number(at), id);
            }
            ["reissued", ..] => self.reissued += 1,
            ["got", at, text] => self.hear_got(number(at), text),
            ["acked", at] => self.acked = self.acked.max(number(at)),
            // An honest relay and an honest peer: nothing to complain of.
            _ => panic!("it says: {line}"),
        }
    }

    fn hear_got(&mut self, at: u64, text: &str) {
        assert!(at > self.acked, "{text} comes again at {at}, after {} was acknowledged", self.acked);
        self.belongs(at, text);
        match self.received.get(text) {
            Some(before) => assert_eq!(*before, at, "{text} has two positions"),
            None => {
                assert!(self.got.last().is_none_or(|last| *last < at), "{text} at {at} after {:?}", self.got.last());
                self.got.push(at);
                self.received.insert(text.to_owned(), at);
            }
        }
    }

    fn belongs(&mut self, position: u64, whom: &str) {
        let owner = self.positions.entry(position).or_insert_with(|| whom.to_owned());
        assert_eq!(owner, whom, "position {position} was used twice");
    }

    /// Against what the other device pushed, and received in this order; panics where they differ.
    pub fn compare(&self, received: &[(u64, u64)], pushed: u64) {
        assert!(received.windows(2).all(|pair| pair[0] < pair[1]), "twice or out of order: {received:?}");
        let all: BTreeSet<_> = received.iter().collect();
        for text in &self.queued {
            assert!(all.contains(text), "{text:?} was durable and never arrived");
        }
        let mut by_position: Vec<_> = self.received.iter().map(|(text, at)| (*at, text.as_str())).collect();
        by_position.sort_unstable();
        // One more may have been under way when the other device was told to stop.
        let expected: Vec<String> = (0..by_position.len()).map(|number| format!("peer:{number}")).collect();
        let missed = by_position.len() < usize::try_from(pushed).unwrap_or(usize::MAX);
        assert!(!missed && by_position.iter().map(|(_, text)| *text).eq(expected.iter()), "{pushed}: {by_position:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(lines: &[&str]) -> Word {
        let mut word = Word::default();
        lines.iter().for_each(|line| word.hear(line));
        word
    }

    const LIFE: [&str; 6] = ["open", "queued 1:0 aa", "got 5 peer:0", "acked 5", "synced aa 6", "got 7 peer:1"];

    #[test]
    fn a_sound_life_is_believed() {
        let word = heard(&LIFE);
        word.compare(&[(1, 0), (1, 1)], 2);
        // Delivered before the kill and not acknowledged: it may come again, at its place.
        heard(&[&LIFE[..], &["open", "got 7 peer:1"]].concat());
    }

    #[test]
    #[should_panic(expected = "never arrived")]
    fn a_durable_push_that_never_arrives_is_noticed() {
        heard(&LIFE).compare(&[], 2);
    }

    #[test]
    #[should_panic(expected = "twice or out of order")]
    fn a_push_that_arrives_twice_is_noticed() {
        heard(&LIFE).compare(&[(1, 0), (1, 0)], 2);
    }

    #[test]
    #[should_panic(expected = "used twice")]
    fn a_position_used_twice_is_noticed() {
        heard(&[&LIFE[..], &["synced bb 7"]].concat());
    }

    #[test]
    #[should_panic(expected = "comes again")]
    fn a_delivery_after_its_acknowledgement_is_noticed() {
        heard(&[&LIFE[..], &["open", "got 5 peer:0"]].concat());
    }

    #[test]
    #[should_panic(expected = "two positions")]
    fn a_blob_at_another_position_is_noticed() {
        heard(&[&LIFE[..], &["open", "got 8 peer:1"]].concat());
    }

    #[test]
    #[should_panic(expected = "after Some(7)")]
    fn a_position_that_goes_back_is_noticed() {
        let mut word = heard(&LIFE);
        word.acked = 5;
        word.positions.remove(&6);
        word.hear("got 6 peer:2");
    }

    #[test]
    #[should_panic(expected = "[(5")]
    fn a_delivery_that_was_skipped_is_noticed() {
        heard(&LIFE).compare(&[(1, 0)], 3);
    }

    #[test]
    #[should_panic(expected = "it says")]
    fn an_accusation_is_noticed() {
        heard(&["accused Fork"]);
    }
}
