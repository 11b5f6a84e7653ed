//! Counts what the relay allocates for each pushed blob: prints `[[bytes of a blob, allocations of it], …]`.
//!
//! A program of its own, because a counting allocator slows down everything else. The relay's machine and its real store run in this
//! process; what a device says was made and sealed before the count begins, so that only the relay allocates while it runs: opening
//! frames, decoding, the batch, the transaction on the writer's thread, the acknowledgement. Not counted is what SQLite takes from C's
//! own allocator, and the runtime's pump, which reads many blobs into one buffer.

#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![expect(clippy::print_stdout, reason = "its one result")]

use std::{
    alloc::System,
    collections::VecDeque,
    error::Error,
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, channel},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::{Bytes, BytesMut};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use zerok_core::{
    channel::{Channel, ChannelKind, Initiator},
    driver::{Host, Shell},
    ids::{Lane, LinkId, RelayKey, TransportId},
    limits::RelayLimits,
    machine::{LinkInput, LinkOutput, Origin, StoreInput},
    relay::{
        Relay, RelayConfig,
        io::{RelayInput, RelayOutput},
        store::{RelayOutcome, RelayStore},
    },
    rng::{Draw, Seed},
    seal::keys::{DeviceKeys, Epoch, EpochSecret, Genesis, LinkSecret, prove},
    time::{Time, UnixMillis},
    wire::{
        codec,
        message::{Hello, Pull, ToRelay},
    },
};
use zerok_relay::store::{RelayDb, Settings};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const LINK: LinkId = LinkId(1);
/// Blobs of one size that are counted.
const COUNT: usize = 1024;
/// Blobs under way at once.
const WINDOW: usize = 64;
/// Sizes of payloads; sealed they are a little longer.
const SIZES: [usize; 3] = [256, 1024, 64 * 1024];
const OVERHEAD: usize = 167;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("usage: allocations FOLDER")?);
    let mut draw = Seed::new([3; 32]).draw("allocations");
    let mut bench = Bench::start(&folder, &mut draw)?;
    let mut results = Vec::new();
    for size in SIZES {
        let mut said = |count: usize| -> Vec<Bytes> {
            let blob = |draw: &mut Draw| {
                let mut body = vec![0x5a; size + OVERHEAD];
                draw.fill(&mut body[..16]);
                Bytes::from(body)
            };
            let mut said = Vec::with_capacity(count);
            for _ in 0..count {
                let push = ToRelay::Push { lane: Lane::Data, blobs: vec![blob(&mut draw)] };
                // As the runtime's pump hands it over: out of a buffer that is shared already.
                let mut read = BytesMut::from(bench.channel.seal(&codec::encode(&push)));
                said.push(read.split().freeze());
            }
            said
        };
        let (warm, counted) = (said(2 * WINDOW), said(COUNT));
        bench.push(warm)?;
        let region = Region::new(ALLOCATOR);
        bench.push(counted)?;
        let change = region.change();
        results.push((size, (change.allocations + change.reallocations) as f64 / COUNT as f64));
    }
    println!("{}", serde_json::to_string(&results)?);
    Ok(())
}

/// A relay with one device on it.
struct Bench {
    shell: Shell<Relay>,
    around: Around,
    answers: Receiver<StoreInput<RelayStore>>,
    channel: Channel,
    passed: u64,
}

struct Around {
    db: RelayDb,
    inputs: VecDeque<RelayInput>,
    /// What the relay says before the count begins.
    said: Option<Vec<Bytes>>,
    stored: usize,
}

impl Bench {
    fn start(folder: &Path, draw: &mut Draw) -> Result<Self, Box<dyn Error>> {
        let (answer, answers) = channel();
        let deliver = Box::new(move |input| drop(answer.send(input)));
        let db = RelayDb::open(folder, Settings { max_bytes: None, reserve_bytes: 0 }, vec![deliver])?;
        let secret = LinkSecret::generate(draw);
        let key = RelayKey(secret.public().0);
        let limits = RelayLimits { push_bytes: (1 << 40, 1 << 40), ..RelayLimits::default() };
        let config = RelayConfig { secret, kind: ChannelKind::Noise, limits };
        let mut shell = Shell::new(Relay::new(config, Seed::new([4; 32]), Time(0)));
        let mut around = Around { db, inputs: VecDeque::with_capacity(4096), said: Some(Vec::new()), stored: 0 };
        let wall = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        around.inputs.push_back(RelayInput::WallClock(UnixMillis(u64::try_from(wall)?)));
        let opened = LinkInput::Opened { link: LINK, transport: TransportId::TCP, origin: Origin::default() };
        around.inputs.push_back(RelayInput::Link(opened));

        let keys = DeviceKeys::generate(draw);
        let epoch_secret = EpochSecret::generate(draw);
        let genesis = Genesis::create(&keys, "bench", &epoch_secret, draw);
        let group = genesis.group(&epoch_secret.access());
        let epoch = Epoch::derive(&epoch_secret, &group);
        let hello = Hello {
            group,
            kid: epoch.kid,
            access: epoch.access,
            genesis: genesis.hash(),
            chain: Vec::new(),
            proof: prove(&epoch, &key, &group, &keys.link().public()),
        };
        let flight = codec::encode_first_flight(&hello, &Pull::default());
        let (mut initiator, bytes) =
            Initiator::new(ChannelKind::Noise, keys.link(), key, TransportId::TCP, &flight, draw)?;
        around.inputs.push_back(RelayInput::Link(LinkInput::Bytes { link: LINK, bytes }));
        let mut passed = 0;
        loop {
            work(&mut shell, &mut around, &mut passed)?;
            for bytes in around.said.as_mut().map(std::mem::take).unwrap_or_default() {
                if let Some((_, channel)) = initiator.receive(bytes)? {
                    around.said = None;
                    return Ok(Self { shell, around, answers, channel, passed });
                }
            }
            around.inputs.push_back(RelayInput::Store(answers.recv_timeout(Duration::from_secs(10))?));
        }
    }

    /// Says all of it, and never more than a window before the store has it.
    fn push(&mut self, said: Vec<Bytes>) -> Result<(), Box<dyn Error>> {
        let (mut sent, until) = (self.around.stored, self.around.stored + said.len());
        let mut said = said.into_iter();
        while self.around.stored < until {
            while sent < until.min(self.around.stored + WINDOW) {
                let bytes = said.next().ok_or("said all")?;
                self.around.inputs.push_back(RelayInput::Link(LinkInput::Bytes { link: LINK, bytes }));
                sent += 1;
            }
            work(&mut self.shell, &mut self.around, &mut self.passed)?;
            let answer = self.answers.recv_timeout(Duration::from_secs(10))?;
            if let StoreInput::Persisted { outcomes, .. } = &answer {
                self.around.stored += outcomes.iter().map(stored).sum::<usize>();
            }
            self.around.inputs.push_back(RelayInput::Store(answer));
        }
        work(&mut self.shell, &mut self.around, &mut self.passed)
    }
}

fn stored(outcome: &RelayOutcome) -> usize {
    match outcome {
        RelayOutcome::Appended { results, .. } => results.len(),
        _ => 0,
    }
}

fn work(shell: &mut Shell<Relay>, around: &mut Around, passed: &mut u64) -> Result<(), Box<dyn Error>> {
    while let Some(input) = around.inputs.pop_front() {
        *passed += 1;
        shell.step(Time(*passed), input, around)?;
    }
    Ok(())
}

impl Host<RelayOutput> for Around {
    fn perform(&mut self, output: RelayOutput) {
        match output {
            RelayOutput::Link(LinkOutput::Transmit { link, bytes }) => {
                self.inputs.push_back(RelayInput::Link(LinkInput::Written { link, len: bytes.len() }));
                if let Some(said) = &mut self.said {
                    said.push(bytes);
                }
            }
            RelayOutput::Store(output) => self.db.submit(0, output),
            RelayOutput::Link(_) | RelayOutput::Announce(_) | RelayOutput::Stopped => {}
        }
    }
}
