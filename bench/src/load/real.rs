//! Loads of real devices, each with its database on disk.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use zerok_core::{client::command::ClientEvent, ids::DeviceId};
use zerok_tokio::{SyncClient, SyncError};

use super::{Disks, Times, Wish};
use crate::{
    bridge::Over,
    devices::Devices,
    losses::{Counted, QUARTER},
    trouble::Trouble,
};

const WRITERS: usize = 8;
/// Between two pulls of the device that follows.
const PAUSE: Duration = Duration::from_millis(5);
/// Pulls without a blob after which nothing is expected to come twice any more, and after which what is missing is lost.
const SURE: usize = 200;
const GIVEN_UP: usize = 6000;

/// As among members: from the call that pushes to the event on the other device. Here the one syncs before it sends, the other before it
/// tells.
pub(super) async fn visible(Disks { wish, folder }: &Disks) -> Result<Times, Trouble> {
    let devices = devices(folder, wish);
    let writer = devices.founder("writer").await?;
    let reader = devices.joiner(&writer, "reader").await?;
    let mut events = reader.events();
    let payload = vec![0x5a; wish.size];
    let mut micros = Vec::with_capacity(wish.count);
    for _ in 0..wish.count {
        let began = Instant::now();
        let pushing = writer.push(payload.clone(), None);
        while !matches!(events.recv().await, Ok(ClientEvent::BlobAvailable { .. })) {}
        micros.push(began.elapsed().as_secs_f64() * 1e6);
        pushing.await?;
    }
    reader.close().await;
    writer.close().await;
    Ok(Times { micros })
}

/// Eight devices push what says who wrote it and which it is; the reader takes, compares and acknowledges until all is there.
pub(super) async fn eight_writers(Disks { wish, folder }: &Disks) -> Result<Counted, Trouble> {
    let devices = devices(folder, wish);
    let reader = devices.founder("reader").await?;
    let mut writers = Vec::new();
    for number in 0..WRITERS {
        writers.push(devices.joiner(&reader, &format!("writer-{number}")).await?);
    }
    for writer in &writers {
        // In the background: pushed without a word when the relay is there.
        let (writer, count) = (writer.clone(), wish.count);
        tokio::spawn(async move {
            for number in 0..count {
                writer.push_detached(number.to_string(), None).await?;
            }
            Ok::<_, SyncError>(())
        });
    }
    let counted = follow(&reader, folder, wish.count).await?;
    for device in writers.into_iter().chain([reader]) {
        device.close().await;
    }
    Ok(counted)
}

async fn follow(reader: &SyncClient, folder: &Path, count: usize) -> Result<Counted, Trouble> {
    let quarter = folder.join(QUARTER);
    let mut next: BTreeMap<DeviceId, usize> = BTreeMap::new();
    let mut counted = Counted::default();
    let mut quiet = 0;
    // All may be there, and then something comes twice; or something never comes.
    while quiet < if counted.arrived < WRITERS * count { GIVEN_UP } else { SURE } {
        let pulled = reader.pull(None, 1 << 20, false).await?;
        quiet = if pulled.blobs.is_empty() { quiet + 1 } else { 0 };
        for blob in pulled.blobs {
            let number: Option<usize> = std::str::from_utf8(&blob.data).ok().and_then(|text| text.parse().ok());
            let expected = next.entry(blob.sender).or_default();
            match number {
                Some(number) if number >= *expected => {
                    counted.arrived += 1;
                    counted.lost += number - *expected;
                    *expected = number + 1;
                }
                _ => counted.repeated += 1,
            }
        }
        reader.ack(pulled.max_cursor).await?;
        if counted.arrived >= WRITERS * count / 4 && !quarter.exists() {
            fs::write(&quarter, "").map_err(Trouble::at(&quarter))?;
        }
        tokio::time::sleep(PAUSE).await;
    }
    let unheard = WRITERS - next.len();
    counted.lost += next.values().map(|next| count - next).sum::<usize>() + unheard * count;
    Ok(counted)
}

fn devices(folder: &Path, wish: &Wish) -> Devices {
    Devices { folder: folder.to_owned(), relay: wish.relay.clone(), over: Over::Tcp, padding: wish.padding() }
}
