//! A device as small as it can be: real channel, real messages, blocking sockets, no client machine.
//!
//! For tests that want to see a relay from a member's side of the wire, one message at a time. Panics on everything unexpected.

#![allow(clippy::missing_panics_doc, clippy::unwrap_used, reason = "a test's device says no more than that it failed")]

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use bytes::Bytes;
use zerok_core::{
    address::RelayAddress,
    channel::{Channel, ChannelKind, Initiator},
    ids::{Cursor, Lane, TransportId},
    rng::{Draw, Seed},
    seal::keys::{DeviceKeys, Epoch, EpochSecret, Genesis, prove},
    wire::{
        codec,
        message::{Hello, Page, Pull, ToDevice, ToRelay, Welcome},
    },
};

const PATIENCE: Duration = Duration::from_secs(30);

/// A group's secret, from which any number of devices can be made.
pub struct Group {
    secret: EpochSecret,
    genesis: Genesis,
    draw: Draw,
}

impl Group {
    /// A group whose secrets come from this seed.
    pub fn new(seed: u8) -> Self {
        let mut draw = Seed::new([seed; 32]).draw("test group");
        let secret = EpochSecret::generate(&mut draw);
        let genesis = Genesis::create(&DeviceKeys::generate(&mut draw), "founder", &secret, &mut draw);
        Self { secret, genesis, draw }
    }

    /// Keys of another device of the group.
    pub fn device(&mut self) -> DeviceKeys {
        DeviceKeys::generate(&mut self.draw)
    }

    /// Connects and does both flights. The link is not proven live until it sends something.
    pub fn dial(&mut self, keys: &DeviceKeys, relay: &RelayAddress, pull: Pull) -> Device {
        let stream = self.connect(relay);
        self.open(stream, keys, relay, pull)
    }

    /// Only connects.
    pub fn connect(&self, relay: &RelayAddress) -> TcpStream {
        let stream = TcpStream::connect(&relay.tcp[0]).expect("the relay listens");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// Does both flights on a connection.
    pub fn open(&mut self, stream: TcpStream, keys: &DeviceKeys, relay: &RelayAddress, pull: Pull) -> Device {
        self.try_open(stream, keys, relay, pull).expect("the relay answers")
    }

    /// The same, or `None` when the relay goes away meanwhile.
    pub fn try_open(
        &mut self,
        stream: TcpStream,
        keys: &DeviceKeys,
        relay: &RelayAddress,
        pull: Pull,
    ) -> Option<Device> {
        self.open_over(stream, TransportId::TCP, keys, relay, pull)
    }

    /// The same over any transport, on which the relay has this identity.
    pub fn open_over<S: Read + Write>(
        &mut self,
        mut stream: S,
        transport: TransportId,
        keys: &DeviceKeys,
        relay: &RelayAddress,
        pull: Pull,
    ) -> Option<Device<S>> {
        let group = self.genesis.group(&self.secret.access());
        let epoch = Epoch::derive(&self.secret, &group);
        let hello = Hello {
            group,
            kid: epoch.kid,
            access: epoch.access,
            genesis: self.genesis.hash(),
            chain: Vec::new(),
            proof: prove(&epoch, &relay.key, &group, &keys.link().public()),
        };
        let flight = codec::encode_first_flight(&hello, &pull);
        let (mut initiator, bytes) =
            Initiator::new(ChannelKind::Noise, keys.link(), relay.key, transport, &flight, &mut self.draw)
                .expect("the relay's key is a key");
        stream.write_all(&bytes).ok()?;
        loop {
            let bytes = read(&mut stream)?;
            if let Some((payload, channel)) = initiator.receive(bytes).expect("an honest relay") {
                let (welcome, page) = codec::decode_second_flight(payload).expect("a second flight");
                return Some(Device { stream, channel, welcome, page });
            }
        }
    }
}

/// One link, seen from the device.
pub struct Device<S = TcpStream> {
    stream: S,
    channel: Channel,
    /// What the relay said first.
    pub welcome: Welcome,
    /// The first page.
    pub page: Page,
}

impl<S: Read + Write> Device<S> {
    /// Says a message.
    pub fn send(&mut self, message: &ToRelay) {
        self.try_send(message).expect("the relay reads");
    }

    /// The same, when the relay may have gone.
    ///
    /// # Errors
    /// It has.
    pub fn try_send(&mut self, message: &ToRelay) -> std::io::Result<()> {
        let sealed = self.channel.seal(&codec::encode(message));
        self.stream.write_all(&sealed)
    }

    /// Pushes blobs on the data lane.
    pub fn push(&mut self, blobs: impl IntoIterator<Item = Bytes>) {
        self.send(&ToRelay::Push { lane: Lane::Data, blobs: blobs.into_iter().collect() });
    }

    /// The next message, or `None` when the relay has closed the link.
    pub fn receive(&mut self) -> Option<ToDevice> {
        loop {
            if let Some(message) = self.channel.next().expect("an honest relay") {
                return Some(codec::decode_to_device(message).expect("a message"));
            }
            self.channel.feed(read(&mut self.stream)?);
        }
    }

    /// Waits for the acknowledgement of so many blobs. Answers their cursors.
    pub fn pushed(&mut self, count: usize) -> Vec<Cursor> {
        let mut cursors = Vec::new();
        while cursors.len() < count {
            match self.receive().expect("the link is up") {
                ToDevice::Pushed { stored } => cursors.extend(stored.into_iter().map(|(_, cursor)| cursor)),
                ToDevice::News(_) => {}
                other => panic!("not an acknowledgement: {other:?}"),
            }
        }
        cursors
    }
}

/// Bytes, or `None` at the end.
fn read(stream: &mut impl Read) -> Option<Bytes> {
    let mut buffer = vec![0; 64 * 1024];
    match stream.read(&mut buffer) {
        Ok(0) => None,
        Ok(len) => {
            buffer.truncate(len);
            Some(buffer.into())
        }
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
        Err(error) => panic!("no answer: {error}"),
    }
}

/// A blob that no other number has.
pub fn blob(n: u64) -> Bytes {
    let mut body = vec![0xb1; 300];
    body[..8].copy_from_slice(&n.to_le_bytes());
    body.into()
}

/// A pull from the beginning.
pub fn everything() -> Pull {
    Pull { max_bytes: 60_000, ..Pull::default() }
}
