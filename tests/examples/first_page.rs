//! Two devices of a group, one of which comes back to a blob that waits for it: how long after its transport was up the blob was in its
//! inbox, and how long one round trip takes on the same path, in microseconds: `first_page RELAY-ADDRESS HOST:PORT`.

use std::{
    error::Error,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use zerok_core::{address::RelayAddress, client::command::ClientEvent, machine::LinkFailure};
use zerok_tokio::{
    Options, SyncClient,
    link::{BoxFuture, Dialer, Opened},
    secrets::KeyStorageChoice,
    tcp::TcpDialer,
};

/// Another version than any: the relay answers a hint in clear, at once (L5).
const NEWER: [u8; 4] = [0x30, 0x6b, 0xfe, 0x00];

/// Dials as usual and notes when the transport was up.
#[derive(Clone, Default)]
struct Timed(Arc<Mutex<Option<Instant>>>);

impl Dialer for Timed {
    fn dial(&self, target: &RelayAddress) -> BoxFuture<'static, Result<Opened, LinkFailure>> {
        let (dialling, up) = (TcpDialer.dial(target), Arc::clone(&self.0));
        Box::pin(async move {
            let opened = dialling.await;
            *up.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            opened
        })
    }
}

#[allow(clippy::print_stdout, reason = "its one result")]
#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [relay, through] = &arguments[..] else { return Err("usage: first_page RELAY-ADDRESS HOST:PORT".into()) };
    let mut relay: RelayAddress = relay.parse()?;
    relay.tcp = vec![through.clone()];
    let home = tempfile::tempdir()?;

    let laptop = open(home.path(), "laptop", &relay, Timed::default()).await?;
    laptop.enable().await?;
    laptop.sync_now().await?;
    let invitation = laptop.create_invite().await?;
    let phone = open(home.path(), "phone", &relay, Timed::default()).await?;
    phone.join_invite(&invitation.code.to_string()).await?;
    phone.sync_now().await?;
    phone.close().await;
    laptop.push("milk", None).await?;

    let timed = Timed::default();
    let phone = open(home.path(), "phone", &relay, timed.clone()).await?;
    let mut events = phone.events();
    phone.connect_and_pull().await;
    while !matches!(events.recv().await?, ClientEvent::BlobAvailable { .. }) {}
    let here = Instant::now();
    let up = timed.0.lock().unwrap_or_else(PoisonError::into_inner).ok_or("nothing was dialled")?;
    println!("{} {}", here.duration_since(up).as_micros(), round_trip(through)?);
    phone.close().await;
    laptop.close().await;
    Ok(())
}

async fn open(home: &Path, name: &str, relay: &RelayAddress, dialer: Timed) -> Result<SyncClient, Box<dyn Error>> {
    let mut options = Options::new(home.join(name), name, Arc::new(dialer));
    options.relay = Some(relay.clone());
    options.key_storage = KeyStorageChoice::File;
    Ok(SyncClient::open(options).await?)
}

/// A question that the relay answers without any work.
fn round_trip(through: &str) -> std::io::Result<u128> {
    let mut stream = TcpStream::connect(through)?;
    stream.set_nodelay(true)?;
    let asked = Instant::now();
    stream.write_all(&NEWER)?;
    stream.read_exact(&mut [0; 4])?;
    Ok(asked.elapsed().as_micros())
}
