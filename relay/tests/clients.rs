//! Whole clients against a whole relay: pairing and syncing over TCP, and over iroh where it is built in.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{num::NonZeroUsize, path::Path, sync::Arc, time::Duration};

use tokio::time::timeout;
use zerok_core::address::RelayAddress;
use zerok_relay::{Config, Ending, serve};
use zerok_tokio::{
    client::{Options, SyncClient},
    link::Dialer,
    secrets::KeyStorageChoice,
};

const PATIENCE: Duration = Duration::from_secs(60);

fn config(data: &Path) -> Config {
    let mut config = Config::new(data);
    config.http = None;
    config.machines = NonZeroUsize::new(2).unwrap();
    config.store.reserve_bytes = 0;
    config
}

async fn client(dir: &Path, name: &str, relay: &RelayAddress, dialer: Arc<dyn Dialer>) -> SyncClient {
    let options = Options {
        relay: Some(relay.clone()),
        key_storage: KeyStorageChoice::File,
        ..Options::new(dir.join(name), name, dialer)
    };
    SyncClient::open(options).await.unwrap()
}

/// Pairs two clients by an invite URL and sends a blob each way.
async fn pair_and_sync(dir: &Path, relay: &RelayAddress, dialer: impl Fn() -> Arc<dyn Dialer>) {
    let laptop = client(dir, "laptop", relay, dialer()).await;
    let phone = client(dir, "phone", relay, dialer()).await;
    laptop.enable().await.unwrap();
    laptop.sync_now().await.unwrap();
    let invitation = laptop.create_invite().await.unwrap();
    phone.join_invite(&invitation.url).await.unwrap();
    laptop.push("milk", None).await.unwrap();
    phone.sync_now().await.unwrap();
    let pulled = phone.pull(None, 1 << 20, false).await.unwrap();
    assert_eq!(pulled.blobs.iter().map(|blob| &blob.data[..]).collect::<Vec<_>>(), [b"milk"]);
    phone.push("bread", None).await.unwrap();
    laptop.sync_now().await.unwrap();
    let pulled = laptop.pull(None, 1 << 20, false).await.unwrap();
    assert_eq!(pulled.blobs.iter().map(|blob| &blob.data[..]).collect::<Vec<_>>(), [b"bread"]);
    laptop.close().await;
    phone.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_clients_pair_and_sync_over_tcp() {
    let temp = tempfile::tempdir().unwrap();
    let mut config = config(&temp.path().join("relay"));
    config.tcp = Some("127.0.0.1:0".parse().unwrap());
    config.iroh = None;
    let relay = serve(config).await.unwrap();
    let dialer = || Arc::new(zerok_tokio::tcp::TcpDialer) as Arc<dyn Dialer>;
    timeout(PATIENCE, pair_and_sync(temp.path(), relay.address(), dialer)).await.unwrap();
    assert_eq!(relay.shutdown().await, Ending::Drained);
}

#[cfg(feature = "iroh")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_clients_pair_and_sync_over_iroh_and_the_route_outlives_a_restart() {
    use zerok_iroh::{IrohDialer, Options};
    use zerok_relay::config::Iroh;

    let temp = tempfile::tempdir().unwrap();
    // A port of its own: the default one may be taken on a developer's machine.
    let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut config = config(&temp.path().join("relay"));
    config.tcp = None;
    config.iroh = Some(Iroh { bind: Some(port), ..Iroh::default() });
    let relay = serve(config.clone()).await.unwrap();
    let route = relay.address().iroh.clone().expect("a route");
    assert_eq!((&route.direct[..], &route.relay), (&[port.to_string()][..], &None), "nobody else is asked or named");
    let address = relay.address().clone();
    let mut seed = 0;
    let dialer = || {
        seed += 1;
        Arc::new(IrohDialer::new(Options::new(&[seed; 32]))) as Arc<dyn Dialer>
    };
    let dialer = std::cell::RefCell::new(dialer);
    timeout(PATIENCE, pair_and_sync(temp.path(), &address, || dialer.borrow_mut()())).await.unwrap();
    assert_eq!(relay.shutdown().await, Ending::Drained);
    let relay = serve(config).await.unwrap();
    assert_eq!(relay.address(), &address);
    relay.shutdown().await;
}
