//! A device that queues twenty small blobs without a network, starts again, and goes into the background at once:
//! `cold_flush pause|close tcp|iroh RELAY-ADDRESS HOST:PORT DATA MILLIS`. Says how long it took, in microseconds, and whether the
//! relay held everything within so many milliseconds.

use std::{
    error::Error,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use zerok_core::address::RelayAddress;
use zerok_iroh::IrohDialer;
use zerok_tokio::{Options, SyncClient, link::Dialer, secrets::KeyStorageChoice, tcp::TcpDialer};

const BLOBS: usize = 20;

#[allow(clippy::print_stdout, reason = "its one result")]
#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [signal, transport, relay, through, data, millis] = &arguments[..] else {
        return Err("usage: cold_flush pause|close tcp|iroh RELAY-ADDRESS HOST:PORT DATA MILLIS".into());
    };
    let budget = Duration::from_millis(millis.parse()?);
    let mut relay: RelayAddress = relay.parse()?;
    if let Some(route) = &mut relay.iroh {
        route.direct = vec![through.clone()];
    }
    relay.tcp = vec![through.clone()];
    let over_tcp = transport == "tcp";
    let device = open(data.as_ref(), &relay, over_tcp).await?;
    device.enable().await?;
    device.sync_now().await?;
    device.network_changed(false);
    for number in 0..BLOBS {
        device.push_detached(format!("blob {number}"), None).await?;
    }
    device.close().await;

    let device = open(data.as_ref(), &relay, over_tcp).await?;
    let began = Instant::now();
    device.connect_and_pull().await;
    let held = if signal == "close" { device.quick_flush_within(budget).await } else { device.flush(budget).await };
    println!("{} {held}", began.elapsed().as_micros());
    device.close().await;
    Ok(())
}

async fn open(data: &Path, relay: &RelayAddress, over_tcp: bool) -> Result<SyncClient, Box<dyn Error>> {
    let dialer: Arc<dyn Dialer> = if over_tcp {
        Arc::new(TcpDialer)
    } else {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        Arc::new(IrohDialer::new(zerok_iroh::Options::new(&secret)))
    };
    let mut options = Options::new(data, "phone", dialer);
    options.relay = Some(relay.clone());
    options.key_storage = KeyStorageChoice::File;
    Ok(SyncClient::open(options).await?)
}
