//! Links of any transport for a thread that waits: the testkit's bare devices read and write without a runtime, iroh lives in one.
//!
//! Only for loads: one thread, one link at a time.

use std::{
    io::{self, Read, Write},
    sync::Arc,
    time::Duration,
};

use clap::ValueEnum;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    runtime::{Builder, Handle, Runtime},
    time::timeout,
};
use zerok_core::{address::RelayAddress, ids::TransportId};
use zerok_iroh::IrohDialer;
use zerok_tokio::{
    link::{Dialer, Io},
    tcp::TcpDialer,
};

use crate::trouble::Trouble;

/// How long a relay may be silent.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a relay is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Over {
    /// TCP alone.
    Tcp,
    /// iroh alone.
    Iroh,
}

impl Over {
    /// As a word on a command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Iroh => "iroh",
        }
    }

    /// A dialler as a device has it. With iroh each is an endpoint of its own, as if it were another device's.
    ///
    /// # Errors
    /// No randomness.
    pub fn dialer(self) -> Result<Arc<dyn Dialer>, Trouble> {
        Ok(match self {
            Self::Tcp => Arc::new(TcpDialer),
            Self::Iroh => {
                let mut secret = [0; 32];
                getrandom::fill(&mut secret).map_err(|error| Trouble::Process(format!("no randomness: {error}")))?;
                Arc::new(IrohDialer::new(zerok_iroh::Options::new(&secret)))
            }
        })
    }

    /// The same relay, reached at this one place.
    pub fn through(self, relay: &RelayAddress, place: &str) -> RelayAddress {
        let mut relay = relay.clone();
        relay.tcp = vec![place.to_owned()];
        if let Some(route) = &mut relay.iroh {
            route.direct = vec![place.to_owned()];
        }
        relay
    }
}

/// A runtime whose tasks go on while nobody waits for it.
///
/// # Errors
/// The operating system gives no thread.
pub fn runtime() -> Result<Runtime, Trouble> {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(Trouble::io("a runtime"))
}

/// Dials and answers the link, and the relay's identity on it.
///
/// # Errors
/// It cannot be reached.
pub fn dial(runtime: &Runtime, dialer: &dyn Dialer, relay: &RelayAddress) -> Result<(Bridge, TransportId), Trouble> {
    // Made inside the runtime: some transports look for it as soon as they are asked.
    let dialled = runtime.block_on(async { dialer.dial(relay).await });
    let opened = dialled.map_err(|failure| Trouble::Process(format!("the relay cannot be reached: {failure:?}")))?;
    Ok((Bridge { runtime: runtime.handle().clone(), io: opened.io }, opened.transport))
}

/// One link.
pub struct Bridge {
    runtime: Handle,
    io: Box<dyn Io>,
}

impl Read for Bridge {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.runtime.block_on(async { timeout(PATIENCE, self.io.read(buffer)).await? })
    }
}

impl Write for Bridge {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.runtime.block_on(async { timeout(PATIENCE, self.io.write(bytes)).await? })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.runtime.block_on(async { timeout(PATIENCE, self.io.flush()).await? })
    }
}
