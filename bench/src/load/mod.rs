//! What loads a relay, in a process of its own: `bench load …` does one thing, prints one JSON object, and ends.
//!
//! Three kinds of load. *Devices* ([`real`]) are what applications have, with their disks. *Members* ([`member`], [`whole`]) are the same
//! machine with a store in memory: for figures about a relay in which sealing, opening and verifying count. *Bare devices* ([`bare`])
//! speak the protocol with ready-made blobs and cost next to nothing: for figures about the relay alone. Either way one thread does
//! it, so that the relay has the other core.

mod bare;
mod member;
mod memory;
mod real;
mod whole;

use std::{ffi::OsString, path::PathBuf};

use clap::Subcommand;
use serde::{Deserialize, Serialize};
use zerok_core::{address::RelayAddress, seal::padding::Padding};

use crate::{idle, large, naive, network, relay_process::RelayProcess, run::Run, trouble::Trouble};

/// One load.
#[derive(Debug, Clone, Subcommand)]
pub enum Load {
    /// A member founds a group and pushes.
    Push(Wish),
    /// A member founds a group, queues offline, and pushes all at once.
    Batch(Wish),
    /// A member founds a group, another joins and leaves, the first pushes, the other comes back and pulls.
    Pull(Wish),
    /// Two members, one of which pushes a blob at a time and waits until the other has it.
    Visible(Wish),
    /// The same with real devices, whose stores are on disk.
    VisibleDisks(Disks),
    /// Eight devices push, a ninth follows.
    EightWriters(Disks),
    /// A bare device fills a log and then pushes more.
    BarePush(Bare),
    /// A bare device dials again and again.
    Connect(Bare),
    /// Bare devices of several groups push at once.
    Crowd(Bare),
    /// Bare devices of one group read its log at once.
    Readers(Bare),
    /// A client of the naive relay pushes.
    NaivePush(naive::Wish),
    /// Devices hold their links until standard input ends.
    Idle(idle::Wish),
    /// A device pushes or pulls the largest blobs and watches its own memory.
    Large(large::Wish),
    /// A device at the near end of a slow path.
    #[command(subcommand)]
    Near(network::load::Near),
    /// No load, but what makes a path slow.
    Proxy(network::load::ProxyWish),
}

/// How much of it.
#[derive(Debug, Clone, clap::Args)]
pub struct Wish {
    /// Where the relay is.
    #[arg(long)]
    pub relay: RelayAddress,
    /// Blobs.
    #[arg(long)]
    pub count: usize,
    /// Bytes of each payload.
    #[arg(long, default_value_t = 1024)]
    pub size: usize,
    /// Blobs under way at once.
    #[arg(long, default_value_t = 64)]
    pub window: usize,
    /// Seal without padding.
    #[arg(long)]
    pub unpadded: bool,
}

/// The same for devices that need somewhere to keep their data.
#[derive(Debug, Clone, clap::Args)]
pub struct Disks {
    #[command(flatten)]
    wish: Wish,
    /// An empty folder.
    #[arg(long)]
    folder: PathBuf,
}

/// What bare devices are to do.
#[derive(Debug, Clone, clap::Args)]
pub struct Bare {
    /// Where the relay is.
    #[arg(long)]
    relay: RelayAddress,
    /// Which group: the same number is the same group, in every process.
    #[arg(long, default_value_t = 0)]
    group: u8,
    /// Blobs, or dials.
    #[arg(long)]
    count: usize,
    /// Blobs under way at once on a link.
    #[arg(long, default_value_t = 64)]
    window: usize,
    /// Blobs the log holds before.
    #[arg(long, default_value_t = 0)]
    backlog: usize,
    /// Links at once.
    #[arg(long, default_value_t = 1)]
    links: u8,
    /// Ask for the log from its beginning instead of what is new.
    #[arg(long)]
    first_page: bool,
}

/// A load's command line.
#[derive(Debug, Clone)]
pub struct Args {
    words: Vec<OsString>,
    count: usize,
}

impl Args {
    /// One of the loads, on this relay.
    pub fn of(load: &str, relay: &RelayProcess) -> Self {
        let words = vec![load.into(), "--relay".into(), relay.address.to_string().into()];
        Self { words, count: 0 }
    }

    /// So many blobs.
    #[must_use]
    pub fn count(self, blobs: usize) -> Self {
        Self { count: blobs, ..self }.with("--count", blobs.to_string())
    }

    /// So many under way at once.
    #[must_use]
    pub fn window(self, blobs: usize) -> Self {
        self.with("--window", blobs.to_string())
    }

    /// Any other option.
    #[must_use]
    pub fn with(mut self, option: &str, value: impl Into<OsString>) -> Self {
        self.words.extend([option.into(), value.into()]);
        self
    }

    /// Any other switch.
    #[must_use]
    pub fn switch(mut self, name: &str) -> Self {
        self.words.push(name.into());
        self
    }

    /// Runs it, and answers how many of its blobs it did a second.
    ///
    /// # Errors
    /// The load's.
    pub fn rate(self, run: &Run) -> Result<f64, Trouble> {
        let count = self.count as f64;
        let done: Done = run.load(self)?;
        Ok(count / done.seconds)
    }
}

impl IntoIterator for Args {
    type Item = OsString;
    type IntoIter = std::vec::IntoIter<OsString>;

    fn into_iter(self) -> Self::IntoIter {
        self.words.into_iter()
    }
}

impl Wish {
    fn padding(&self) -> Padding {
        if self.unpadded { Padding::None } else { Padding::Padme }
    }
}

/// What a load did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// Seconds from its first blob to its last.
    pub seconds: f64,
    /// Bytes it wrote to the link meanwhile, the link's own framing included.
    pub sent_bytes: u64,
    /// Bytes it read from the link meanwhile.
    pub received_bytes: u64,
}

/// How long something took, each time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// Microseconds.
    pub micros: Vec<f64>,
}

/// Does it and answers what is to be printed.
///
/// # Errors
/// Anything that keeps it from being done: a figure is not made of what half worked.
pub fn run(load: &Load) -> Result<String, Trouble> {
    match load {
        Load::Push(wish) => on_this_thread(whole::push(wish)),
        Load::Batch(wish) => on_this_thread(whole::batch(wish)),
        Load::Pull(wish) => on_this_thread(whole::pull(wish)),
        Load::Visible(wish) => on_this_thread(whole::visible(wish)),
        Load::VisibleDisks(disks) => on_this_thread(real::visible(disks)),
        Load::EightWriters(disks) => on_this_thread(real::eight_writers(disks)),
        Load::BarePush(wish) => said(&bare::push(wish)?),
        Load::Connect(wish) => said(&bare::connect(wish)?),
        Load::Crowd(wish) => said(&bare::crowd(wish)?),
        Load::Readers(wish) => said(&bare::readers(wish)?),
        Load::NaivePush(wish) => said(&naive::push(wish)?),
        // These have runtimes of their own, on which something goes on while they wait.
        Load::Idle(wish) => idle::load(wish),
        Load::Large(wish) => large::load(wish),
        Load::Near(what) => network::load::near(what),
        Load::Proxy(wish) => network::load::proxy(wish),
    }
}

fn on_this_thread<T: Serialize>(work: impl Future<Output = Result<T, Trouble>>) -> Result<String, Trouble> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Trouble::io("a runtime"))?;
    said(&runtime.block_on(work)?)
}

fn said<T: Serialize>(done: &T) -> Result<String, Trouble> {
    Ok(serde_json::to_string(done)?)
}
