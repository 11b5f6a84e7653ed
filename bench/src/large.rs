//! What the largest blobs cost in memory.
//!
//! A thousand payloads of 960 KiB, which is almost a gigabyte, go from a device through a relay to another device: real devices on
//! SQLite, each in a process of its own. Nobody may hold more than a handful of them at once, however many wait. Idle is what a process
//! held before the first of them: a relay that was started on the log and serves nobody, a device that has opened its store and does
//! nothing.

use std::{fs, path::PathBuf, thread, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use zerok_core::{address::RelayAddress, limits::MAX_PAYLOAD, seal::padding::Padding};

use crate::{
    bridge::{Over, runtime},
    devices::Devices,
    figure::{Figure, Goal, Outcome, Row},
    relay_process::{RelayProcess, Settings, memory_of},
    run::Run,
    spread::Spread,
    trouble::Trouble,
};

/// The figures of this module.
pub const FIGURES: &[Figure] = &[Figure {
    name: "large",
    title: "memory while 1,000 blobs of 960 KiB go through a relay and a device",
    measure: large,
}];

const COUNT: usize = 1000;
/// Pushes under way at once: what waits on the device is bounded by its outbox anyway.
const WINDOW: usize = 8;
/// What a pull of an application asks for at most.
const PULL: u32 = 1 << 20;
/// How long a new process may calm down.
const CALM: Duration = Duration::from_secs(1);
/// Megabytes above idle.
const GOAL: Goal = Goal::AtMost(64.0);

/// Peaks are the kernel's own (`VmHWM`), read when everything is over, so that none is missed. The relay is another process for the pull
/// than for the push: what the first has freed and kept would hide what the second needs.
fn large(run: &Run) -> Result<Outcome, Trouble> {
    let mut relay = RelayProcess::start(run, &Settings::default())?;
    let data = run.folder("devices")?;
    thread::sleep(CALM);
    let idle = relay.resident()?;
    let wish = |what: &str, relay: &RelayProcess| {
        let (relay, data) = (relay.address.to_string(), data.display().to_string());
        let words = ["large", what, "--relay", &relay, "--data", &data, "--count", &COUNT.to_string()];
        run.load::<Held>(words)
    };
    let writer = wish("push", &relay)?;
    let taking = above(relay.peak()?, idle);
    relay.kill_and_restart()?;
    thread::sleep(CALM);
    let idle = relay.resident()?;
    let reader = wish("pull", &relay)?;
    let giving = above(relay.peak()?, idle);
    let row = |who: &str, held: Held, idle: u64| {
        let note = format!("{:.1} MB when idle, {COUNT} blobs in {:.0} s", idle as f64 / 1e6, held.seconds);
        Row::alone(format!("memory above idle, 1,000 × 960 KiB: {who}"), "MB", Spread::one(held.above), GOAL).note(note)
    };
    Ok(vec![
        row("relay, pulled from", Held { above: giving, ..reader }, idle),
        row("device that pulls", reader, reader.idle),
        row("relay, pushed to", Held { above: taking, ..writer }, idle),
        row("device that pushes", writer, writer.idle),
    ]
    .into())
}

fn above(peak: u64, idle: u64) -> f64 {
    peak.saturating_sub(idle) as f64 / 1e6
}

/// One of the two devices.
#[derive(Debug, Clone, clap::Args)]
pub struct Wish {
    #[arg(value_enum)]
    side: Side,
    #[arg(long)]
    relay: RelayAddress,
    #[arg(long)]
    data: PathBuf,
    #[arg(long)]
    count: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Side {
    /// Founds the group, admits the reader, pushes everything.
    Push,
    /// Pulls everything.
    Pull,
}

/// What a device's process held.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Held {
    /// Bytes before the first blob.
    idle: u64,
    /// Megabytes above that, at most.
    above: f64,
    /// From the first blob to the last.
    seconds: f64,
}

/// Does what a side does.
pub(crate) fn load(wish: &Wish) -> Result<String, Trouble> {
    let held = runtime()?.block_on(async {
        match wish.side {
            Side::Push => push(wish).await,
            Side::Pull => pull(wish).await,
        }
    });
    Ok(serde_json::to_string(&held?)?)
}

async fn push(wish: &Wish) -> Result<Held, Trouble> {
    let devices = devices(wish);
    let writer = devices.founder("writer").await?;
    devices.joiner(&writer, "reader").await?.close().await;
    measured(async || {
        let mut under_way = JoinSet::new();
        for number in 0..wish.count {
            if under_way.len() == WINDOW {
                finished(&mut under_way).await?;
            }
            under_way.spawn(writer.push(payload(number), None));
        }
        while !under_way.is_empty() {
            finished(&mut under_way).await?;
        }
        Ok(())
    })
    .await
}

async fn finished(under_way: &mut JoinSet<Result<zerok_tokio::Pushed, zerok_tokio::SyncError>>) -> Result<(), Trouble> {
    match under_way.join_next().await {
        Some(Ok(pushed)) => pushed.map(|_| ()).map_err(Trouble::from),
        _ => Err(Trouble::Process("a push panicked".to_owned())),
    }
}

async fn pull(wish: &Wish) -> Result<Held, Trouble> {
    let reader = devices(wish).open("reader").await?;
    measured(async || {
        reader.connect_and_pull().await;
        let mut status = reader.events();
        let mut next = 0;
        while next < wish.count {
            let pulled = reader.pull(None, PULL, false).await?;
            for blob in &pulled.blobs {
                if blob.data.len() != MAX_PAYLOAD || !blob.data.starts_with(&(next as u64).to_le_bytes()) {
                    return Err(Trouble::Absurd(format!("blob {next} is another one")));
                }
                next += 1;
            }
            reader.ack(pulled.max_cursor).await?;
            if pulled.blobs.is_empty() {
                // Anything that happens may mean that there is more; missing some is no matter.
                let _woken = tokio::time::timeout(Duration::from_millis(100), status.recv()).await;
            }
        }
        Ok(())
    })
    .await
}

fn devices(wish: &Wish) -> Devices {
    let Wish { relay, data, .. } = wish.clone();
    Devices { folder: data, relay, over: Over::Tcp, padding: Padding::default() }
}

/// Does it between two looks at this process's memory.
async fn measured(work: impl AsyncFnOnce() -> Result<(), Trouble>) -> Result<Held, Trouble> {
    tokio::time::sleep(CALM).await;
    let own = std::process::id();
    // A peak from before, such as that of pairing, is none of this figure's; where the kernel does not forget it, it counts.
    let _kept = fs::write("/proc/self/clear_refs", "5");
    let idle = memory_of(own, "VmRSS:")?;
    let began = std::time::Instant::now();
    work().await?;
    let seconds = began.elapsed().as_secs_f64();
    let above = above(memory_of(own, "VmHWM:")?, idle);
    Ok(Held { idle, above, seconds })
}

/// A payload of the largest size that no other number has.
fn payload(number: usize) -> Vec<u8> {
    let mut payload = vec![0x5a; MAX_PAYLOAD];
    payload[..8].copy_from_slice(&(number as u64).to_le_bytes());
    payload
}
