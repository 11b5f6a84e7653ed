//! The tokio driver on trial: `SyncClient` with a probe for a machine, over any transport.

use std::{
    any::Any,
    io::{self, Read, Write},
    sync::Arc,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    runtime::Runtime,
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::timeout,
};
use zerok_core::{
    address::RelayAddress,
    client::store::{ClientAnswer, ClientOp, ClientQuery, ClientStore},
    machine::StoreFailure,
};
use zerok_testkit::conformance::driver::{Driven, Driver, PATIENCE, Peer, Probe, ProbeStore};
use zerok_tokio::{
    Options, SyncClient,
    link::{Acceptor, Dialer, Io, Opened},
    secrets::KeyStorageChoice,
    store::worker::Disk,
};

/// A transport to put under the driver.
pub(crate) trait Transport: 'static {
    const RECONNECTS: usize;
    /// One that listens, and what reaches it. Called within a runtime.
    async fn listen() -> (Box<dyn Acceptor>, RelayAddress, Arc<dyn Dialer>);
    /// An address where nobody answers, in no time.
    fn nowhere() -> RelayAddress;
}

pub(crate) struct Bench<T> {
    runtime: Arc<Runtime>,
    accepted: UnboundedReceiver<Opened>,
    address: RelayAddress,
    dialer: Arc<dyn Dialer>,
    transport: std::marker::PhantomData<T>,
}

impl<T: Transport> Driver for Bench<T> {
    type Peer = Link;

    const RECONNECTS: usize = T::RECONNECTS;

    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (mut acceptor, address, dialer) = runtime.block_on(T::listen());
        let (send, accepted) = unbounded_channel();
        // At once and always: some transports shake hands only while somebody accepts.
        runtime.spawn(async move {
            while let Some(opened) = acceptor.accept().await
                && send.send(opened).is_ok()
            {}
        });
        Self { runtime: Arc::new(runtime), accepted, address, dialer, transport: std::marker::PhantomData }
    }

    fn address(&self) -> RelayAddress {
        self.address.clone()
    }

    fn accept(&mut self) -> Link {
        let accepted = self.runtime.block_on(async { timeout(PATIENCE, self.accepted.recv()).await });
        let io = accepted.expect("somebody dials").expect("it listens").io;
        Link { runtime: Arc::clone(&self.runtime), io }
    }

    fn nowhere(&self) -> RelayAddress {
        T::nowhere()
    }

    fn drive(&self, machine: Probe, store: ProbeStore) -> Box<dyn Driven> {
        let _entered = self.runtime.enter();
        let options = Options::new("nowhere", "probe", Arc::clone(&self.dialer));
        let client = SyncClient::around(machine, ProbeDisk(store), &options).expect("a thread");
        Box::new(Running { runtime: Arc::clone(&self.runtime), client })
    }

    fn device(&self, relay: &RelayAddress) -> Box<dyn Any> {
        let home = tempfile::tempdir().unwrap();
        let mut options = Options::new(home.path(), "device", Arc::clone(&self.dialer));
        options.relay = Some(relay.clone());
        options.key_storage = KeyStorageChoice::File;
        let client = self.runtime.block_on(async {
            let client = SyncClient::open(options).await.expect("it opens");
            client.enable().await.expect("it begins");
            client
        });
        Box::new((client, home))
    }
}

struct Running {
    runtime: Arc<Runtime>,
    client: SyncClient,
}

impl Driven for Running {
    fn poke(&self) {
        self.client.mark_pending_for_next_launch();
    }

    fn end(self: Box<Self>) {
        let Self { runtime, client } = *self;
        let closed = runtime.block_on(async { timeout(PATIENCE, client.close()).await });
        closed.expect("it ends");
    }
}

struct ProbeDisk(ProbeStore);

impl Disk<ClientStore> for ProbeDisk {
    fn commit(&mut self, batches: Vec<Vec<ClientOp>>) -> Result<Vec<Vec<()>>, StoreFailure> {
        self.0.commit(&batches)?;
        Ok(vec![Vec::new(); batches.len()])
    }

    fn load(&mut self, query: ClientQuery) -> Result<ClientAnswer, StoreFailure> {
        self.0.load(&query)
    }

    fn reopens(query: &ClientQuery) -> bool {
        matches!(query, ClientQuery::Open)
    }
}

/// The accepted end of a link, for a test that blocks.
pub(crate) struct Link {
    runtime: Arc<Runtime>,
    io: Box<dyn Io>,
}

impl Link {
    fn block<T>(&mut self, doing: impl AsyncFnOnce(&mut Box<dyn Io>) -> io::Result<T>) -> io::Result<T> {
        let runtime = Arc::clone(&self.runtime);
        runtime.block_on(async { timeout(PATIENCE, doing(&mut self.io)).await })?
    }
}

impl Read for Link {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.block(async |io| io.read(buffer).await)
    }
}

impl Write for Link {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.block(async |io| io.write(bytes).await)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.block(async |io| io.flush().await)
    }
}

impl Peer for Link {
    fn finish(&mut self) {
        self.block(async |io| io.shutdown().await).expect("it was open");
    }
}
