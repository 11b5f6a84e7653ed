//! The device as victim, seen from outside: what it said it had done, over all its lives, against what another device received.

use std::{
    collections::BTreeSet,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::runtime::Runtime;
use zerok_core::{client::command::Blob, rng::Draw};
use zerok_testkit::word::device::Word;
use zerok_tokio::SyncClient;

use crate::{
    Figures,
    process::{self, PATIENCE, Talker, integrity, moment},
    victim,
};

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
