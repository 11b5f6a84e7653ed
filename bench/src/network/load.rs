//! What a device does at the near end of a slow path, in a process of its own.

use std::{
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use zerok_core::{address::RelayAddress, client::command::ClientEvent, seal::padding::Padding};
use zerok_testkit::{
    blocking::{Group, everything},
    slow_path::{Proxy, serve},
};

use crate::{
    bridge::{Over, dial, runtime},
    devices::Devices,
    trouble::Trouble,
};

/// How long a link is kept before it is resumed: a device is away for longer, and the relay's ticket comes a moment after the handshake.
const KEPT: Duration = Duration::from_millis(300);

/// A proxy until it is killed.
#[derive(Debug, Clone, clap::Args)]
pub struct ProxyWish {
    #[arg(long)]
    listen: std::net::SocketAddr,
    #[arg(long)]
    upstream: std::net::SocketAddr,
    #[arg(long)]
    half_millis: u64,
    /// Charge a TCP dial its round trip.
    #[arg(long)]
    dial: bool,
}

/// What a device at the near end does.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Near {
    /// Dials as somebody new, each time.
    Cold(NearWish),
    /// Dials again with what it remembers.
    Resumed(NearWish),
    /// Pushes to another device.
    Live(NearWish),
    /// Starts with a full queue and is paused at once.
    Paused(NearWish),
}

/// A device at the near end.
#[derive(Debug, Clone, clap::Args)]
pub struct NearWish {
    /// The relay, as reached from here.
    #[arg(long)]
    relay: RelayAddress,
    /// By what.
    #[arg(long)]
    over: Over,
    /// How often.
    #[arg(long)]
    count: usize,
    /// Where the devices' data goes, if they have any.
    #[arg(long, default_value = "")]
    data: PathBuf,
}

/// What opening a link took, each time, in milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Opened {
    /// From the call that dials to a transport that takes bytes.
    pub(super) up: Vec<f64>,
    /// From there to the first page.
    pub(super) page: Vec<f64>,
}

impl Opened {
    /// From the call that dials to the first page.
    pub(super) fn whole(&self) -> Vec<f64> {
        self.up.iter().zip(&self.page).map(|(up, page)| up + page).collect()
    }
}

/// What pushing took, each time, in milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Told {
    /// To the answer that the relay holds it.
    pub(super) held: Vec<f64>,
    /// To the event that the other device has it.
    pub(super) visible: Vec<f64>,
}

/// What a signal to the last device of an app took, in milliseconds, and how often the relay held everything in time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Flushed {
    pub(super) took: Vec<f64>,
    pub(super) held: usize,
}

/// Passes on until killed.
#[allow(clippy::print_stdout, reason = "whoever started it waits for this line")]
pub(crate) fn proxy(wish: &ProxyWish) -> Result<String, Trouble> {
    let ProxyWish { listen, upstream, half_millis, dial } = *wish;
    let proxy = Proxy { listen, upstream, half: Duration::from_millis(half_millis), dial };
    serve(proxy, || println!("listening")).map_err(Trouble::io("a proxy"))?;
    Ok(String::new())
}

/// Does it and answers what is to be printed.
pub(crate) fn near(what: &Near) -> Result<String, Trouble> {
    match what {
        Near::Cold(wish) => cold(wish),
        Near::Resumed(wish) => resumed(wish),
        Near::Live(wish) => live(wish),
        Near::Paused(wish) => paused(wish),
    }
}

/// Members that nobody knows, each with a dialler of its own.
fn cold(wish: &NearWish) -> Result<String, Trouble> {
    let runtime = runtime()?;
    let mut group = Group::new(1);
    let mut opened = Opened::default();
    for _ in 0..wish.count {
        let dialer = wish.over.dialer()?;
        let keys = group.device();
        let began = Instant::now();
        let (link, transport) = dial(&runtime, &*dialer, &wish.relay)?;
        let up = Instant::now();
        let device = group.open_over(link, transport, &keys, &wish.relay, everything());
        opened.page.push(millis(up));
        opened.up.push((up - began).as_secs_f64() * 1e3);
        drop(device.ok_or_else(gone)?);
    }
    Ok(serde_json::to_string(&opened)?)
}

/// A member that comes back, with the dialler it had: with iroh its first flight goes out with the first packet.
fn resumed(wish: &NearWish) -> Result<String, Trouble> {
    let runtime = runtime()?;
    let mut group = Group::new(1);
    let keys = group.device();
    let dialer = wish.over.dialer()?;
    let mut opened = Opened::default();
    for round in 0..=wish.count {
        let began = Instant::now();
        let (link, transport) = dial(&runtime, &*dialer, &wish.relay)?;
        let up = Instant::now();
        let device = group.open_over(link, transport, &keys, &wish.relay, everything()).ok_or_else(gone)?;
        if round > 0 {
            opened.page.push(millis(up));
            opened.up.push((up - began).as_secs_f64() * 1e3);
        }
        thread::sleep(KEPT);
        drop(device);
    }
    Ok(serde_json::to_string(&opened)?)
}

/// Two whole devices of a group with their disks. One pushes a blob at a time.
fn live(wish: &NearWish) -> Result<String, Trouble> {
    runtime()?.block_on(async {
        let devices = devices(wish);
        let laptop = devices.founder("laptop").await?;
        let phone = devices.joiner(&laptop, "phone").await?;
        let mut events = phone.events();
        let mut told = Told::default();
        for number in 0..wish.count {
            let began = Instant::now();
            let (held, visible) = tokio::join!(
                async { laptop.push(format!("blob {number}"), None).await.map(|_| millis(began)) },
                async { available(&mut events).await.map(|()| millis(began)) },
            );
            told.held.push(held?);
            told.visible.push(visible?);
        }
        laptop.close().await;
        phone.close().await;
        Ok(serde_json::to_string(&told)?)
    })
}

/// A device that queued twenty small blobs without a network, was started again, and goes into the background at once.
fn paused(wish: &NearWish) -> Result<String, Trouble> {
    const BLOBS: usize = 20;
    const BUDGET: Duration = Duration::from_millis(500);
    runtime()?.block_on(async {
        let mut flushed = Flushed::default();
        let devices = devices(wish);
        devices.founder("phone").await?.close().await;
        for _ in 0..wish.count {
            let device = devices.open("phone").await?;
            device.network_changed(false);
            for number in 0..BLOBS {
                device.push_detached(format!("blob {number}"), None).await?;
            }
            device.close().await;
            let device = devices.open("phone").await?;
            let began = Instant::now();
            device.connect_and_pull().await;
            flushed.held += usize::from(device.flush(BUDGET).await);
            flushed.took.push(millis(began));
            device.close().await;
        }
        Ok(serde_json::to_string(&flushed)?)
    })
}

async fn available(events: &mut broadcast::Receiver<ClientEvent>) -> Result<(), Trouble> {
    loop {
        match events.recv().await {
            Ok(ClientEvent::BlobAvailable { .. }) => return Ok(()),
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => return Err(gone()),
        }
    }
}

fn devices(wish: &NearWish) -> Devices {
    let NearWish { relay, over, data, .. } = wish.clone();
    Devices { folder: data, relay, over, padding: Padding::default() }
}

fn gone() -> Trouble {
    Trouble::Process("the relay went away".to_owned())
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}
