//! What runs inside the process that is killed: a device that pushes, reads and acknowledges as fast as it can, and says each thing
//! once it was promised.
//!
//! One line a thing, written whole: `queued TEXT ID`, `synced ID POSITION`, `reissued OLD NEW`, `got POSITION TEXT`, `acked POSITION`.

use std::{io::Write as _, path::Path, sync::Arc, time::Duration};

use tokio::sync::broadcast::error::RecvError;
use zerok_core::client::command::ClientEvent;
use zerok_tokio::{Options, SyncClient, secrets::KeyStorageChoice, tcp::TcpDialer};

pub(crate) const COMMAND: &str = "victim";

/// Blobs the relay need not hold yet.
const WINDOW: u64 = 64;

/// `victim DATA RELAY LIFE`, with a life of a number, `join:CODE` or `settle`.
pub(crate) fn main(arguments: &[String]) {
    let [data, relay, life] = arguments else { panic!("three arguments") };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let client = open(Path::new(data), relay).await;
        say("open");
        match (life.strip_prefix("join:"), life.as_str()) {
            (Some(code), _) => drop(client.join_invite(code).await.expect("a good code joins")),
            (None, "settle") => settle(&client).await,
            (None, life) => {
                client.enable().await.unwrap();
                tokio::join!(write(&client, life), read(&client), listen(&client));
            }
        }
        client.close().await;
    });
}

pub(crate) async fn open(data: &Path, relay: &str) -> SyncClient {
    let mut options = Options::new(data, "victim", Arc::new(TcpDialer));
    options.relay = Some(relay.parse().expect("an address"));
    options.key_storage = KeyStorageChoice::File;
    SyncClient::open(options).await.expect("it opens, whatever moment it was killed at")
}

/// One write a line, so that a kill cuts between lines or leaves one without an end.
fn say(line: impl AsRef<str>) {
    let line = format!("{}\n", line.as_ref());
    std::io::stdout().write_all(line.as_bytes()).expect("somebody listens");
}

async fn write(client: &SyncClient, life: &str) {
    for number in 0.. {
        let text = format!("{life}:{number}:{}", "x".repeat(number * 37 % 900));
        let id = client.push_detached(text, None).await.expect("there is room");
        say(format!("queued {life}:{number} {id}"));
        while client.status().pending > WINDOW {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

async fn read(client: &SyncClient) {
    let mut events = client.events();
    loop {
        read_all(client).await;
        match events.recv().await {
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

async fn read_all(client: &SyncClient) {
    loop {
        let pulled = client.pull(None, 64 * 1024, false).await.expect("pulling works offline too");
        for blob in &pulled.blobs {
            say(format!("got {} {}", blob.cursor.0, String::from_utf8_lossy(&blob.data)));
        }
        if pulled.blobs.is_empty() {
            return;
        }
        client.ack(pulled.max_cursor).await.expect("what was returned can be acknowledged");
        say(format!("acked {}", pulled.max_cursor.0));
    }
}

async fn listen(client: &SyncClient) {
    let mut events = client.events();
    loop {
        match events.recv().await {
            Ok(ClientEvent::BlobSynced { id, cursor }) => say(format!("synced {id} {}", cursor.0)),
            Ok(ClientEvent::BlobReissued { old, new }) => say(format!("reissued {old} {new}")),
            Ok(ClientEvent::Verdict { verdict, .. }) => say(format!("accused {verdict:?}")),
            Ok(ClientEvent::Problem(code)) => say(format!("problem {code}")),
            Ok(_) => {}
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

/// Everything that is queued goes out, everything that is there is read; then it says what it still has to say.
async fn settle(client: &SyncClient) {
    client.enable().await.unwrap();
    client.sync_now().await.expect("the relay is up");
    read_all(client).await;
    let report = client.inspect().await.unwrap();
    for (_, verdict) in &report.verdicts {
        say(format!("accused {verdict:?}"));
    }
    say(format!("pending {}", report.pending.len()));
}
