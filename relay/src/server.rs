//! A running relay: opens everything, deals links out to the machines, and ends in good order.
//!
//! ```text
//!           drain                       every machine stopped
//! Serving ─────────► Draining ────────────────────────────────► Drained
//!    │                   │          a machine stopped unasked
//!    └───────────────────┴────────────────────────────────────► StoreFailed
//! ```
//! Draining: nothing is accepted any more, what is under way is answered, clients are told when to come back (G16). The store closes
//! last, after everything it was given.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use thiserror::Error;
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinSet,
};
use zerok_core::{
    address::{AddressFault, RelayAddress},
    ids::RelayKey,
};
use zerok_tokio::{
    data_dir::{DataDir, DataDirFault},
    link::Acceptor,
    tcp::TcpAcceptor,
};

use crate::{
    advertise,
    config::{Config, ConfigError},
    http::{self, Observed},
    identity::{Identity, IdentityError},
    listen::{ListenFault, Listener},
    machines::{self, Common, Request},
    pseudonym::Pseudonyms,
    store::{OpenError, RelayDb},
};

/// Why a relay does not start.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The configuration makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Another relay runs on the same data directory.
    #[error("another relay is running on {path}: stop it, or give this one a directory of its own with --data", path = .0.display())]
    Running(PathBuf),
    /// The data directory cannot be used.
    #[error("{path}: {fault}", path = .path.display())]
    Data {
        /// Which directory.
        path: PathBuf,
        /// Why.
        fault: DataDirFault,
    },
    /// The keys cannot be had.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The database does not open.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenFault),
    /// What would be printed is no address.
    #[error("advertise: {0}")]
    Advertise(#[from] AddressFault),
    /// No randomness to be had.
    #[error("the operating system gives no randomness: {0}")]
    Random(#[from] getrandom::Error),
    /// The iroh endpoint does not come up.
    #[cfg(feature = "iroh")]
    #[error("iroh: {0}")]
    Iroh(#[from] zerok_iroh::IrohFault),
}

/// How a relay ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// As asked; everything acknowledged is on disk.
    Drained,
    /// The store failed. What was acknowledged is on disk; a restart looks at it again.
    StoreFailed,
}

/// A running relay. Dropping it drains it in the background.
#[derive(Debug)]
pub struct Server {
    address: RelayAddress,
    tcp: Option<SocketAddr>,
    iroh: Vec<SocketAddr>,
    http: Option<SocketAddr>,
    set_aside: Option<PathBuf>,
    drain: watch::Sender<bool>,
    ended: watch::Receiver<Option<Ending>>,
}

/// Starts a relay.
///
/// # Errors
/// [`ServeError`]; nothing is left running.
pub async fn serve(config: Config) -> Result<Server, ServeError> {
    config.check()?;
    let dir = DataDir::lock(&config.data).map_err(|fault| match fault {
        DataDirFault::InUse => ServeError::Running(config.data.clone()),
        fault => ServeError::Data { path: config.data.clone(), fault },
    })?;
    let identity = Identity::load(&dir)?;
    let (deliver, prepared) = machines::prepare(config.machines.get());
    let db = {
        let (path, settings) = (config.data.clone(), config.store);
        // Checking a large database takes a while.
        match tokio::task::spawn_blocking(move || RelayDb::open(&path, settings, deliver)).await {
            Ok(opened) => Arc::new(opened?),
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    };
    let set_aside = db.set_aside().map(ToOwned::to_owned);

    let mut acceptors: Vec<Box<dyn Acceptor>> = Vec::new();
    let mut tcp = None;
    if let Some(address) = config.tcp {
        let listen = |cause| ListenFault { listener: Listener::Tcp, address, cause };
        let acceptor = TcpAcceptor::bind(address).await.map_err(listen)?;
        tcp = Some(acceptor.local_addr().map_err(listen)?);
        acceptors.push(Box::new(acceptor));
    }
    let listener = match config.http {
        Some(address) => {
            let listen = |cause| ListenFault { listener: Listener::Http, address, cause };
            let listener = TcpListener::bind(address).await.map_err(listen)?;
            let bound = listener.local_addr().map_err(listen)?;
            Some((listener, bound))
        }
        None => None,
    };
    #[cfg_attr(not(feature = "iroh"), expect(unused_mut, reason = "only iroh adds to it"))]
    let mut address = RelayAddress {
        key: RelayKey(identity.link.public().0),
        tcp: match (tcp, &config.advertise[..]) {
            (None, _) => Vec::new(),
            (Some(bound), []) => advertise::addresses(bound),
            (Some(_), told) => told.to_vec(),
        },
        iroh: None,
    };
    #[cfg_attr(not(feature = "iroh"), expect(unused_mut, reason = "only iroh adds to it"))]
    let mut bound = Vec::new();
    #[cfg(feature = "iroh")]
    let iroh = match &config.iroh {
        Some(iroh) => {
            let acceptor = crate::iroh::bind(iroh, tcp, &identity.iroh).await?;
            let handle = acceptor.handle();
            bound = handle.sockets();
            address.iroh = Some(handle.route().await);
            acceptors.push(Box::new(acceptor));
            Some(handle)
        }
        None => None,
    };
    address.check()?;

    let mut running = JoinSet::new();
    let common = Common { secret: identity.link, limits: config.limits, db: Arc::clone(&db) };
    let requests = machines::start(prepared, &common, &mut running)?;
    let (drain, draining) = watch::channel(false);
    let mut accepting = JoinSet::new();
    let pseudonyms = Pseudonyms::default();
    for acceptor in acceptors {
        accepting.spawn(deal(acceptor, requests.clone(), pseudonyms.clone()));
    }
    let deaf = Arc::new(AtomicBool::new(false));
    let mut http_task = JoinSet::new();
    let http = listener.map(|(listener, bound)| {
        let observed = Observed {
            deaf: Arc::clone(&deaf),
            db: Arc::clone(&db),
            machines: requests.clone(),
            draining: draining.clone(),
            started: Instant::now(),
            data: config.data,
        };
        http_task.spawn(http::serve(listener, Arc::new(observed)));
        bound
    });
    let (say_ended, ended) = watch::channel(None);
    tokio::spawn(async move {
        let ending = supervise(running, accepting, &requests, draining, &deaf).await;
        #[cfg(feature = "iroh")]
        if let Some(iroh) = iroh {
            iroh.close().await;
        }
        http_task.shutdown().await;
        drop(common);
        // Finishing what is queued and closing the file waits for the disk.
        let closing = tokio::task::spawn_blocking(move || drop(db));
        if closing.await.is_err() {
            tracing::error!("closing the store panicked");
        }
        drop(dir);
        say_ended.send_replace(Some(ending));
    });
    Ok(Server { address, tcp, iroh: bound, http, set_aside, drain, ended })
}

impl Server {
    /// What clients are told to dial.
    pub fn address(&self) -> &RelayAddress {
        &self.address
    }

    /// Where it listens for TCP links.
    pub fn tcp_addr(&self) -> Option<SocketAddr> {
        self.tcp
    }

    /// Where it listens for iroh links.
    pub fn iroh_addrs(&self) -> &[SocketAddr] {
        &self.iroh
    }

    /// Where it answers `/health` and `/metrics`.
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.http
    }

    /// Where a damaged database was put at the start, if it was.
    pub fn set_aside(&self) -> Option<&std::path::Path> {
        self.set_aside.as_deref()
    }

    /// Begins to stop. Returns at once.
    pub fn drain(&self) {
        self.drain.send_replace(true);
    }

    /// Waits until it has stopped.
    pub async fn ended(&mut self) -> Ending {
        match self.ended.wait_for(Option::is_some).await {
            Ok(ending) => ending.unwrap_or(Ending::StoreFailed),
            // The task that watches over everything is gone without a word.
            Err(_) => Ending::StoreFailed,
        }
    }

    /// Stops: drains, and waits for the end.
    pub async fn shutdown(mut self) -> Ending {
        self.drain();
        self.ended().await
    }
}

/// Hands links to the machines in turn.
async fn deal(mut acceptor: Box<dyn Acceptor>, machines: Vec<mpsc::Sender<Request>>, pseudonyms: Pseudonyms) {
    let mut turn = 0;
    while let Some(opened) = acceptor.accept().await {
        tracing::debug!(origin = %pseudonyms.of(&opened.origin), "accepted a link");
        // A machine that has stopped is about to end the whole server.
        let _stopped = machines[turn].send(Request::Link(opened)).await;
        turn = (turn + 1) % machines.len();
    }
}

/// Waits for the machines to end, of themselves or asked.
async fn supervise(
    mut running: JoinSet<usize>,
    mut accepting: JoinSet<()>,
    machines: &[mpsc::Sender<Request>],
    mut draining: watch::Receiver<bool>,
    deaf: &AtomicBool,
) -> Ending {
    let asked = loop {
        tokio::select! {
            // Being asked comes first: machines that end at the same time end because of it.
            biased;
            // The sender is gone when the server was dropped, which asks for the same.
            _ = draining.wait_for(|drain| *drain) => break true,
            _ = running.join_next() => break false,
            Some(_over) = accepting.join_next() => {
                // Links that are open go on, so this is no reason to end them; whoever watches `/health` restarts.
                tracing::error!("a listener ended by itself; no more links are taken from it");
                deaf.store(true, Ordering::Relaxed);
            }
        }
    };
    accepting.shutdown().await;
    if asked {
        tracing::info!("draining");
    } else {
        tracing::error!("a machine stopped because its store failed; stopping");
    }
    for machine in machines {
        let _stopped = machine.send(Request::Drain).await;
    }
    while running.join_next().await.is_some() {}
    if asked { Ending::Drained } else { Ending::StoreFailed }
}

#[cfg(test)]
mod tests;
