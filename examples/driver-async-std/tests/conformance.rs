//! The example under the suite that every driver runs, and the length it promises.

#![allow(clippy::unwrap_used, reason = "what these helpers cannot have, no test can go on without")]

use std::{
    any::Any,
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
};

use async_std::channel::{Receiver, Sender};
use driver_async_std::{drive, now, seed};
use zerok_core::{
    address::RelayAddress,
    channel::ChannelKind,
    client::{
        Client, ClientConfig,
        command::{ClientCommand, Lifecycle},
        io::{ClientInput, ClientOutput},
    },
    ids::{CommandId, RelayKey},
    limits::ClientLimits,
    seal::{padding::Padding, rest::StoreKey},
};
use zerok_testkit::{
    conformance::driver::{Driven, Driver, PATIENCE, Peer, Probe, ProbeStore},
    store::client::MemoryClientStore,
};

struct AsyncStd(TcpListener);

impl Driver for AsyncStd {
    type Peer = Link;

    fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn address(&self) -> RelayAddress {
        to(&self.0)
    }

    fn accept(&mut self) -> Link {
        let stream = self.0.accept().unwrap().0;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Link(stream)
    }

    fn nowhere(&self) -> RelayAddress {
        // A port that was free a moment ago.
        to(&TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn drive(&self, machine: Probe, mut store: ProbeStore) -> Box<dyn Driven> {
        let (calls, told) = drive(machine, move |job| store.perform(job));
        Box::new(Running { calls, told })
    }

    fn device(&self, relay: &RelayAddress) -> Box<dyn Any> {
        let config = ClientConfig {
            store_key: StoreKey::new([1; 32]),
            kind: ChannelKind::Noise,
            limits: ClientLimits::default(),
            padding: Padding::Padme,
        };
        let mut store = MemoryClientStore::default();
        let (calls, told) = drive(Client::new(config, seed().unwrap(), now()), move |job| store.perform(job));
        let commands = [ClientCommand::Configure(relay.clone()), ClientCommand::Enable { name: "device".into() }];
        for (number, command) in (1..).zip(commands) {
            calls.try_send(ClientInput::Command(CommandId(number), command)).unwrap();
        }
        Box::new((calls, told))
    }
}

fn to(listener: &TcpListener) -> RelayAddress {
    let host = listener.local_addr().unwrap().to_string();
    RelayAddress { key: RelayKey([9; 32]), tcp: vec![host], iroh: None }
}

struct Running {
    calls: Sender<ClientInput>,
    told: Receiver<ClientOutput>,
}

impl Driven for Running {
    fn poke(&self) {
        self.calls.try_send(ClientInput::Lifecycle(Lifecycle::Suspending)).unwrap();
    }

    fn end(self: Box<Self>) {
        drop(self.calls);
        // Silent once it has ended.
        while self.told.recv_blocking().is_ok() {}
    }
}

struct Link(TcpStream);

impl Read for Link {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Link {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Peer for Link {
    fn finish(&mut self) {
        self.0.shutdown(Shutdown::Write).unwrap();
    }
}

zerok_testkit::driver_suite!(AsyncStd);

#[test]
fn the_whole_driver_is_shorter_than_150_lines() {
    let code = include_str!("../src/lib.rs").lines().map(str::trim);
    let counted = code.filter(|line| !line.is_empty() && !line.starts_with("//") && !line.starts_with("use ")).count();
    assert!(counted < 150, "{counted} lines, without comments, blank lines and imports");
}
