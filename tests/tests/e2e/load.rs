//! Eight writers, one reader that follows, and a relay killed with -9 in the middle.

use std::collections::BTreeMap;

use zerok_core::ids::DeviceId;
use zerok_tokio::SyncClient;

use crate::process::{RelayProcess, Transport, eventually, found, join};

const WRITERS: usize = 8;
const BLOBS: usize = 250;

#[tokio::test(flavor = "multi_thread")]
async fn load_a_following_reader_over_tcp_misses_and_repeats_nothing_when_the_relay_is_killed() {
    eight_writers(Transport::Tcp).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn load_a_following_reader_over_iroh_misses_and_repeats_nothing_when_the_relay_is_killed() {
    eight_writers(Transport::Iroh).await;
}

async fn eight_writers(transport: Transport) {
    let home = tempfile::tempdir().expect("a directory");
    let mut relay = RelayProcess::start(&home.path().join("relay"), transport);
    let reader = found(home.path(), "reader", &relay.address, transport).await;
    let mut writers = Vec::new();
    for number in 0..WRITERS {
        writers.push(join(&reader, home.path(), &format!("writer-{number}"), &relay.address, transport).await);
    }
    let following = tokio::spawn(follow(reader.clone()));
    let writing: Vec<_> = writers.iter().cloned().map(|writer| tokio::spawn(write(writer))).collect();

    let mut received = reader.clone();
    eventually("a quarter has arrived", async || arrived(&mut received) >= WRITERS * BLOBS / 4).await;
    relay.kill_and_restart();

    for writer in writing {
        writer.await.expect("the writer writes");
    }
    let received = following.await.expect("the reader reads");
    assert_eq!(received.len(), WRITERS, "every writer was heard");
    for texts in received.values() {
        let expected: Vec<String> = (0..BLOBS).map(|number| format!("blob {number}")).collect();
        assert_eq!(*texts, expected, "each once, in the writer's order");
    }
    assert_eq!(reader.inspect().await.expect("a report").verdicts, [], "an honest relay earns no verdict");
    for client in writers.into_iter().chain([reader]) {
        client.close().await;
    }
}

fn arrived(reader: &mut SyncClient) -> usize {
    // The reader's own position counts what was delivered since this process raised it by the clock.
    usize::try_from(reader.status().last_cursor.0 % 1_000_000).unwrap_or(usize::MAX)
}

async fn write(writer: SyncClient) {
    for number in 0..BLOBS {
        writer.push_detached(format!("blob {number}"), None).await.expect("it is durable here");
    }
    eventually("the relay holds everything", async || writer.status().pending == 0).await;
}

/// Pulls, takes, acknowledges, until everything is there.
async fn follow(reader: SyncClient) -> BTreeMap<DeviceId, Vec<String>> {
    let mut received: BTreeMap<DeviceId, Vec<String>> = BTreeMap::new();
    let mut count = 0;
    eventually("everything has arrived", async || {
        let pulled = reader.pull(None, 1 << 20, false).await.expect("pulling works offline too");
        for blob in pulled.blobs {
            count += 1;
            received.entry(blob.sender).or_default().push(String::from_utf8_lossy(&blob.data).into_owned());
        }
        reader.ack(pulled.max_cursor).await.expect("acknowledging works");
        count >= WRITERS * BLOBS
    })
    .await;
    // What came twice would come now.
    let rest = reader.pull(None, 1 << 20, false).await.expect("pulling works");
    assert!(rest.blobs.is_empty(), "nothing is delivered twice");
    received
}
