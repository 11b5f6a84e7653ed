//! Eight writers, one reader that follows, and a relay killed with -9 in the middle.

use std::collections::BTreeMap;

use tokio::{sync::watch, time::timeout};
use zerok_core::ids::DeviceId;
use zerok_tokio::SyncClient;

use crate::process::{PATIENCE, RelayProcess, Transport, found, join, moment};

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
    let (progress, mut arrived) = watch::channel(0);
    let following = tokio::spawn(timeout(PATIENCE, follow(reader.clone(), progress)));
    let writing: Vec<_> =
        writers.iter().cloned().map(|writer| tokio::spawn(timeout(PATIENCE, write(writer)))).collect();

    arrived.wait_for(|count| *count >= WRITERS * BLOBS / 4).await.expect("the reader reads");
    relay.kill_and_restart();

    for writer in writing {
        writer.await.expect("the writer writes").expect("the relay holds everything");
    }
    let received = following.await.expect("the reader reads").expect("everything arrives");
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

async fn write(writer: SyncClient) {
    for number in 0..BLOBS {
        writer.push_detached(format!("blob {number}"), None).await.expect("it is durable here");
    }
    while writer.status().pending > 0 {
        moment().await;
    }
}

/// Pulls, takes, acknowledges, until everything is there.
async fn follow(reader: SyncClient, progress: watch::Sender<usize>) -> BTreeMap<DeviceId, Vec<String>> {
    let mut received: BTreeMap<DeviceId, Vec<String>> = BTreeMap::new();
    while *progress.borrow() < WRITERS * BLOBS {
        let pulled = reader.pull(None, 1 << 20, false).await.expect("pulling works offline too");
        progress.send_modify(|count| *count += pulled.blobs.len());
        for blob in pulled.blobs {
            received.entry(blob.sender).or_default().push(String::from_utf8_lossy(&blob.data).into_owned());
        }
        reader.ack(pulled.max_cursor).await.expect("acknowledging works");
        moment().await;
    }
    // What came twice would come now.
    let rest = reader.pull(None, 1 << 20, false).await.expect("pulling works");
    assert!(rest.blobs.is_empty(), "nothing is delivered twice");
    received
}
