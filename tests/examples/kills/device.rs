//! The device as victim, seen from outside: what it said it had done, over all its lives, against what another device received.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::runtime::Runtime;
use zerok_core::{client::command::Blob, rng::Draw};
use zerok_tokio::SyncClient;

use crate::{
    Figures,
    process::{self, PATIENCE, Talker, integrity, moment},
    victim,
};

/// Everything the victim has said.
#[derive(Default)]
struct Word {
    /// Texts that were durable on the device, by life and number, in that order.
    queued: Vec<(u64, u64)>,
    /// Whom a position belongs to.
    positions: BTreeMap<u64, String>,
    /// Positions in order of their first delivery.
    got: Vec<u64>,
    received: BTreeMap<String, u64>,
    synced: u64,
    acked: u64,
    reissued: usize,
}

/// The other device, which lives on.
struct Peer {
    client: SyncClient,
    /// How many it has pushed, and what it received.
    pushed: Arc<Mutex<u64>>,
    received: Arc<Mutex<Vec<String>>>,
}

pub(crate) fn world(kills: u32, draw: &mut Draw, figures: &mut Figures) {
    let home = process::Home::new();
    let data = home.path().join("victim");
    let mut relay = Talker::spawn(&mut process::relay(&home.path().join("relay"), process::port()));
    let address =
        std::iter::from_fn(|| relay.line()).find_map(|line| line.strip_prefix("address: ").map(str::to_owned));
    let address = address.expect("the relay comes up");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let peer = runtime.block_on(Peer::new(home.path(), &address));
    let code = runtime.block_on(peer.client.create_invite()).expect("an invite").code.to_string();
    Talker::spawn(&mut life(&data, &address, &format!("join:{code}"))).finish();
    peer.start(&runtime);

    let mut word = Word::default();
    for number in 1..=kills {
        let mut running = Talker::spawn(&mut life(&data, &address, &number.to_string()));
        let said = if draw.below(6) == 0 {
            figures.starting += 1;
            running.kill_after(moment(draw, Duration::from_millis(60)))
        } else {
            assert_eq!(running.line().as_deref(), Some("open"));
            running.kill_after(moment(draw, Duration::from_millis(200)))
        };
        figures.kills += 1;
        said.iter().for_each(|line| word.hear(line));
        figures.integrity_checks += u32::from(integrity(&data, "client.db").is_some());
    }
    let pushed = peer.stop();
    let settled = Talker::spawn(&mut life(&data, &address, "settle")).finish();
    settled.iter().for_each(|line| word.hear(line));
    assert!(settled.iter().any(|line| line == "pending 0"), "{settled:?}");
    figures.integrity_checks += u32::from(integrity(&data, "client.db").is_some());
    let received = peer.everything(&runtime, &word);
    word.compare(&received, pushed);
    figures.acknowledged += word.queued.len() + word.received.len();
    figures.found += received.len() + word.received.len();
    figures.reissued += word.reissued;
}

fn life(data: &Path, relay: &str, life: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    command.arg(victim::COMMAND).arg(data).args([relay, life]);
    command
}

impl Word {
    fn hear(&mut self, line: &str) {
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

    /// Against what the other device pushed, and received in this order.
    fn compare(&self, received: &[(u64, u64)], pushed: u64) {
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

impl Peer {
    async fn new(home: &Path, relay: &str) -> Self {
        let client = victim::open(&home.join("peer"), relay).await;
        client.enable().await.unwrap();
        client.sync_now().await.expect("the relay is up");
        Self { client, pushed: Arc::default(), received: Arc::default() }
    }

    /// Pushes and reads until told to stop.
    fn start(&self, runtime: &Runtime) {
        let (client, pushed) = (self.client.clone(), Arc::clone(&self.pushed));
        runtime.spawn(async move {
            loop {
                let number = *pushed.lock().unwrap();
                if number == u64::MAX {
                    return;
                }
                client.push(format!("peer:{number}"), None).await.expect("the relay holds it");
                let mut pushed = pushed.lock().unwrap();
                if *pushed == u64::MAX {
                    return;
                }
                *pushed += 1;
            }
        });
        let (client, received) = (self.client.clone(), Arc::clone(&self.received));
        runtime.spawn(async move {
            loop {
                let texts = read(&client).await;
                received.lock().unwrap().extend(texts);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
    }

    /// Pushes no more. Answers how many it has.
    fn stop(&self) -> u64 {
        std::mem::replace(&mut *self.pushed.lock().unwrap(), u64::MAX)
    }

    /// What it has received once everything promised was there.
    fn everything(&self, runtime: &Runtime, word: &Word) -> Vec<(u64, u64)> {
        let began = Instant::now();
        loop {
            runtime.block_on(self.client.sync_now()).expect("the relay is up");
            let received = self.received.lock().unwrap().clone();
            let texts: Vec<(u64, u64)> = received
                .iter()
                .map(|text| {
                    let mut parts = text.split(':').map(|part| part.parse().unwrap_or(0));
                    (parts.next().expect("a life"), parts.next().expect("a number"))
                })
                .collect();
            let all: BTreeSet<_> = texts.iter().collect();
            if word.queued.iter().all(|text| all.contains(text)) {
                let verdicts = runtime.block_on(self.client.inspect()).unwrap().verdicts;
                assert_eq!(verdicts, [], "nobody has lied");
                return texts;
            }
            assert!(began.elapsed() < PATIENCE, "queued {:?}, received {texts:?}", word.queued);
        }
    }
}

async fn read(client: &SyncClient) -> Vec<String> {
    let pulled = client.pull(None, 1 << 20, false).await.expect("pulling works");
    client.ack(pulled.max_cursor).await.expect("acknowledging works");
    pulled.blobs.iter().map(|Blob { data, .. }| String::from_utf8_lossy(data).into_owned()).collect()
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
