//! Two whole drivers without a runtime: a device and a relay, each on a thread of its own, joined by memory instead of a network.
//!
//! `cargo run -p zerok-testkit --example blocking_pair`. [`drive`] is the loop of every driver. What is particular to this one: bytes
//! travel by channels between threads, and both stores are in memory, so nothing here waits for a disk. docs/writing-a-driver.md
//! walks through it.

#![allow(clippy::print_stdout, clippy::expect_used, reason = "a demonstration talks, and ends at the first surprise")]

use std::{
    collections::{BTreeSet, VecDeque},
    io::Read,
    sync::{Arc, Mutex, OnceLock, mpsc},
    thread,
    time::{Instant, SystemTime},
};

use bytes::Bytes;
use zerok_core::{
    address::RelayAddress,
    channel::ChannelKind,
    client::{
        Client, ClientConfig,
        command::{ClientCommand, Lifecycle, Rejection, Reply},
        io::{ClientInput, ClientOutput},
    },
    driver::{Host, Shell},
    ids::{CommandId, LinkId, RelayId, RelayKey, TransportId},
    limits::{ClientLimits, RelayLimits},
    machine::{LinkFailure, LinkInput, LinkOutput, Machine, Origin},
    relay::{
        Relay, RelayConfig,
        io::{RelayInput, RelayOutput},
    },
    rng::Seed,
    seal::{keys::LinkSecret, padding::Padding, rest::StoreKey},
    time::{Time, UnixMillis},
};
use zerok_testkit::store::{client::MemoryClientStore, relay::MemoryRelayStore};

/// What surrounds a machine.
trait Station: Host<<Self::Machine as Machine>::Output> {
    type Machine: Machine;
    /// Time passed.
    fn tick() -> <Self::Machine as Machine>::Input;
    /// What the store answered: heard before anything that waits outside (D9).
    fn answer(&mut self) -> Option<<Self::Machine as Machine>::Input>;
    fn stopped(&self) -> bool;
}

/// Owns a machine until it stops (D1): one input, every output, then the next input, but no later than the deadline (D2, D3).
fn drive<S: Station>(machine: S::Machine, mut station: S, inbox: &mpsc::Receiver<<S::Machine as Machine>::Input>) {
    let mut shell = Shell::new(machine);
    let mut input = S::tick();
    loop {
        let deadline = shell.step(now(), input, &mut station).expect("this driver makes no mistakes");
        if station.stopped() {
            return;
        }
        input = match (station.answer(), deadline) {
            (Some(answer), _) => answer,
            (None, None) => inbox.recv().unwrap_or_else(|_| S::tick()),
            (None, Some(deadline)) => inbox.recv_timeout(deadline.since(now())).unwrap_or_else(|_| S::tick()),
        };
    }
}

/// One end of all links of a machine: bytes stay in order, and the end of a link is the last word on it, once (D4).
struct Wire<I, P> {
    up: Arc<Mutex<BTreeSet<LinkId>>>,
    me: mpsc::Sender<I>,
    peer: mpsc::Sender<P>,
    mine: fn(LinkInput) -> I,
    theirs: fn(LinkInput) -> P,
}

impl<I, P> Wire<I, P> {
    fn perform(&self, output: LinkOutput) {
        // Held while sending, so that nothing is said of a link after its end.
        let mut up = self.up.lock().expect("nobody panics with it");
        match output {
            LinkOutput::Transmit { link, bytes } if up.contains(&link) => {
                let len = bytes.len();
                self.tell_peer(LinkInput::Bytes { link, bytes });
                self.tell_me(LinkInput::Written { link, len });
            }
            LinkOutput::Close { link, .. } if up.remove(&link) => {
                self.tell_peer(LinkInput::Closed { link, cause: LinkFailure::Eof });
                self.tell_me(LinkInput::Closed { link, cause: LinkFailure::Local });
            }
            // A socket would not be read from now on, or again; a channel has nothing to push back with.
            LinkOutput::SetReading { .. } | LinkOutput::Transmit { .. } | LinkOutput::Close { .. } => {}
        }
    }

    fn dial(&self, link: LinkId) {
        self.up.lock().expect("nobody panics with it").insert(link);
        let opened = LinkInput::Opened { link, transport: TransportId::TCP, origin: Origin::default() };
        self.tell_peer(opened.clone());
        self.tell_me(opened);
    }

    // Sending fails only when that thread has ended.
    fn tell_me(&self, input: LinkInput) {
        let _ended = self.me.send((self.mine)(input));
    }

    fn tell_peer(&self, input: LinkInput) {
        let _ended = self.peer.send((self.theirs)(input));
    }
}

struct Device {
    wire: Wire<ClientInput, RelayInput>,
    store: MemoryClientStore,
    answers: VecDeque<ClientInput>,
    replies: mpsc::Sender<Result<Reply, Rejection>>,
    stopped: bool,
}

impl Host<ClientOutput> for Device {
    fn perform(&mut self, output: ClientOutput) {
        match output {
            ClientOutput::Open { link, .. } => self.wire.dial(link),
            ClientOutput::Link(output) => self.wire.perform(output),
            ClientOutput::Store(output) => self.answers.push_back(ClientInput::Store(self.store.perform(output))),
            ClientOutput::Done { result, .. } => drop(self.replies.send(result)),
            ClientOutput::Event(event) => println!("device: {event:?}"),
            ClientOutput::Stopped => self.stopped = true,
        }
    }
}

impl Station for Device {
    type Machine = Client;

    fn tick() -> ClientInput {
        ClientInput::Tick
    }

    fn answer(&mut self) -> Option<ClientInput> {
        self.answers.pop_front()
    }

    fn stopped(&self) -> bool {
        self.stopped
    }
}

struct Server {
    wire: Wire<RelayInput, ClientInput>,
    store: MemoryRelayStore,
    answers: VecDeque<RelayInput>,
    stopped: bool,
}

impl Host<RelayOutput> for Server {
    fn perform(&mut self, output: RelayOutput) {
        match output {
            RelayOutput::Link(output) => self.wire.perform(output),
            RelayOutput::Store(output) => self.answers.push_back(RelayInput::Store(self.store.perform(output))),
            // There is no other machine to tell.
            RelayOutput::Announce(_) => {}
            RelayOutput::Stopped => self.stopped = true,
        }
    }
}

impl Station for Server {
    type Machine = Relay;

    fn tick() -> RelayInput {
        RelayInput::Tick
    }

    fn answer(&mut self) -> Option<RelayInput> {
        self.answers.pop_front()
    }

    fn stopped(&self) -> bool {
        self.stopped
    }
}

/// Microseconds since the process began. A driver for phones and laptops takes a clock that counts through suspend (D7).
fn now() -> Time {
    static START: OnceLock<Instant> = OnceLock::new();
    Time(u64::try_from(START.get_or_init(Instant::now).elapsed().as_micros()).unwrap_or(u64::MAX))
}

fn wall_clock() -> UnixMillis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Entropy of the operating system, never stored or logged (D8).
fn entropy() -> [u8; 32] {
    let mut seed = [0; 32];
    let source = std::fs::File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut seed));
    source.expect("the operating system has randomness");
    seed
}

/// A device founds a group, pushes, and hears that the relay holds it; then both end in good order. Answers what the calls were
/// answered.
fn run() -> Vec<Result<Reply, Rejection>> {
    let (to_device, device_inbox) = mpsc::channel();
    let (to_relay, relay_inbox) = mpsc::channel();
    let (replies, answers) = mpsc::channel();
    let up = Arc::new(Mutex::new(BTreeSet::new()));
    let secret = LinkSecret::new(entropy());
    let address = RelayAddress { key: RelayKey(secret.public().0), tcp: vec!["memory.test:1".into()], iroh: None };

    let (me, peer) = (to_relay.clone(), to_device.clone());
    let wire = Wire { up: Arc::clone(&up), me, peer, mine: RelayInput::Link, theirs: ClientInput::Link };
    let server =
        Server { wire, store: MemoryRelayStore::new(RelayId([1; 16])), answers: VecDeque::new(), stopped: false };
    let relay = thread::spawn(move || {
        let config = RelayConfig { secret, kind: ChannelKind::Noise, limits: RelayLimits::default() };
        drive(Relay::new(config, Seed::new(entropy()), now()), server, &relay_inbox);
    });

    let (me, peer) = (to_device.clone(), to_relay.clone());
    let wire = Wire { up, me, peer, mine: ClientInput::Link, theirs: RelayInput::Link };
    let device =
        Device { wire, store: MemoryClientStore::default(), answers: VecDeque::new(), replies, stopped: false };
    let client = thread::spawn(move || {
        let config = ClientConfig {
            store_key: StoreKey::new(entropy()),
            kind: ChannelKind::Noise,
            limits: ClientLimits::default(),
            padding: Padding::Padme,
        };
        drive(Client::new(config, Seed::new(entropy()), now()), device, &device_inbox);
    });

    let tell = |input| to_device.send(input).expect("the device runs");
    to_relay.send(RelayInput::WallClock(wall_clock())).expect("the relay runs");
    tell(ClientInput::WallClock(wall_clock()));
    tell(ClientInput::Command(CommandId(1), ClientCommand::Configure(address)));
    tell(ClientInput::Command(CommandId(2), ClientCommand::Enable { name: "laptop".into() }));
    tell(ClientInput::Lifecycle(Lifecycle::Started));
    let data = Bytes::from_static(b"buy milk");
    tell(ClientInput::Command(CommandId(3), ClientCommand::Push { data, key: None, detached: false }));
    let answered = answers.iter().take(3).collect();
    tell(ClientInput::Lifecycle(Lifecycle::Closing));
    client.join().expect("it stopped");
    to_relay.send(RelayInput::Drain).expect("the relay runs");
    relay.join().expect("it stopped");
    answered
}

fn main() {
    for reply in run() {
        println!("{reply:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_pushes_and_both_drivers_end_in_good_order() {
        let answers = run();
        assert!(matches!(answers[..], [Ok(Reply::Done), Ok(Reply::Done), Ok(Reply::Pushed { .. })]), "{answers:?}");
    }
}
