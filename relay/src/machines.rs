//! Relay machines as tasks: one per core, sharing a store and a bus.
//!
//! Each owns the links it was given; nothing else is divided between them. A task ends when its machine says that nothing more will
//! come: after a drain, or because the store failed.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};
use zerok_core::{
    channel::ChannelKind,
    driver::Host,
    ids::LinkId,
    limits::RelayLimits,
    machine::{Machine, Misuse, StoreInput},
    relay::{
        Relay, RelayConfig,
        io::{RelayInput, RelayOutput},
        stats::RelayStats,
        store::RelayStore,
    },
    rng::Seed,
    seal::keys::LinkSecret,
    time::{Duration, Time},
};
use zerok_tokio::{
    clock::Clock,
    driver::{self, LINK_INPUTS, Source, Sources, Station},
    link::Opened,
    pump::Links,
};

use crate::{
    bus::Bus,
    store::{Deliver, RelayDb},
};

/// Accepted links that may wait for a machine. Beyond it accepting pauses, and the operating system's queue fills.
const REQUESTS: usize = 64;
/// A sweep interval that never comes: one machine sweeps for all.
const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// What a machine is asked from outside.
pub(crate) enum Request {
    /// Serve this link.
    Link(Opened),
    /// Finish and stop.
    Drain,
    /// Say what was counted.
    Stats(oneshot::Sender<RelayStats>),
    /// Another machine announced something.
    Announced(RelayInput),
}

/// The ends of machines that do not run yet: what the store delivers to, and what it takes to start them.
pub(crate) struct Prepared {
    answers: Vec<mpsc::UnboundedReceiver<StoreInput<RelayStore>>>,
}

/// What all machines have in common.
pub(crate) struct Common {
    /// The relay's static key.
    pub(crate) secret: LinkSecret,
    /// The bounds of the relay as a whole.
    pub(crate) limits: RelayLimits,
    /// Their store.
    pub(crate) db: Arc<RelayDb>,
}

/// Makes the ends of so many machines, and what the store needs of each.
pub(crate) fn prepare(machines: usize) -> (Vec<Deliver>, Prepared) {
    let mut deliver: Vec<Deliver> = Vec::with_capacity(machines);
    let mut answers = Vec::with_capacity(machines);
    for _ in 0..machines {
        let (send, receive) = mpsc::unbounded_channel();
        // A machine that has stopped needs no answers.
        deliver.push(Box::new(move |input| drop(send.send(input))));
        answers.push(receive);
    }
    (deliver, Prepared { answers })
}

/// Starts the machines. Each task ends with its machine's number.
pub(crate) fn start(
    prepared: Prepared,
    common: &Common,
    tasks: &mut JoinSet<usize>,
) -> Result<Vec<mpsc::Sender<Request>>, getrandom::Error> {
    let machines = prepared.answers.len();
    let bus = Arc::new(Bus::new(machines));
    let mut requests = Vec::with_capacity(machines);
    for (index, store) in prepared.answers.into_iter().enumerate() {
        let mut entropy = [0; 32];
        getrandom::fill(&mut entropy)?;
        let config = RelayConfig {
            secret: common.secret.clone(),
            kind: ChannelKind::Noise,
            limits: share(&common.limits, machines, index),
        };
        let clock = Clock::new();
        let asked = Arc::new(Asked::default());
        let machine = Counted { relay: Relay::new(config, Seed::new(entropy), clock.now()), asked: Arc::clone(&asked) };
        let (links_in, links) = mpsc::channel(LINK_INPUTS);
        let (send, receive) = mpsc::channel(REQUESTS);
        let station = RelayStation {
            index,
            links: Links::new(links_in),
            newest_link: LinkId(0),
            db: Arc::clone(&common.db),
            bus: Arc::clone(&bus),
            asked,
            stopped: false,
        };
        let outside = Outside { index, requests: receive, bus: Arc::clone(&bus) };
        tasks.spawn(async move {
            driver::run(machine, station, clock, Sources { store, links, requests: outside }).await;
            index
        });
        requests.push(send);
    }
    Ok(requests)
}

/// One machine's part of the relay's bounds. Links are dealt out in turn, so their caps are divided; rates stay whole, because an
/// origin's links may all fall to one machine.
fn share(limits: &RelayLimits, machines: usize, index: usize) -> RelayLimits {
    RelayLimits {
        links: limits.links.div_ceil(machines),
        half_open: limits.half_open.div_ceil(machines),
        links_per_origin: limits.links_per_origin.div_ceil(machines),
        uncommitted: limits.uncommitted.div_ceil(machines).max(limits.uncommitted_link),
        sweep: if index == 0 { limits.sweep } else { NEVER },
        ..limits.clone()
    }
}

/// A relay machine that can be asked for its figures while it runs.
struct Counted {
    relay: Relay,
    asked: Arc<Asked>,
}

#[derive(Default)]
struct Asked {
    any: AtomicBool,
    by: Mutex<Vec<oneshot::Sender<RelayStats>>>,
}

impl Asked {
    fn ask(&self, by: oneshot::Sender<RelayStats>) {
        self.by.lock().unwrap_or_else(PoisonError::into_inner).push(by);
        self.any.store(true, Ordering::Release);
    }

    fn answer(&self, relay: &Relay) {
        if self.any.swap(false, Ordering::AcqRel) {
            for by in self.by.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
                // Whoever asked may have gone.
                let _gone = by.send(relay.stats());
            }
        }
    }
}

impl Machine for Counted {
    type Input = RelayInput;
    type Output = RelayOutput;

    fn handle(&mut self, now: Time, input: RelayInput) -> Result<(), Misuse> {
        let handled = self.relay.handle(now, input);
        self.asked.answer(&self.relay);
        handled
    }

    fn poll(&mut self) -> Option<RelayOutput> {
        self.relay.poll()
    }

    fn deadline(&self) -> Option<Time> {
        self.relay.deadline()
    }
}

struct RelayStation {
    index: usize,
    links: Links,
    newest_link: LinkId,
    db: Arc<RelayDb>,
    bus: Arc<Bus>,
    asked: Arc<Asked>,
    stopped: bool,
}

impl Host<RelayOutput> for RelayStation {
    fn perform(&mut self, output: RelayOutput) {
        match output {
            RelayOutput::Link(output) => self.links.perform(output),
            RelayOutput::Store(output) => self.db.submit(self.index, output),
            RelayOutput::Announce(announce) => self.bus.announce(self.index, announce),
            RelayOutput::Stopped => self.stopped = true,
        }
    }
}

impl Station<Counted> for RelayStation {
    type Request = Request;

    fn links(&mut self) -> &mut Links {
        &mut self.links
    }

    fn admit(&mut self, request: Request) -> Option<RelayInput> {
        Some(match request {
            Request::Link(opened) => {
                self.newest_link = self.newest_link.next();
                RelayInput::Link(self.links.accepted(self.newest_link, opened))
            }
            Request::Drain => RelayInput::Drain,
            Request::Stats(by) => {
                self.asked.ask(by);
                RelayInput::Tick
            }
            Request::Announced(input) => input,
        })
    }

    fn abandoned(&mut self) -> Option<RelayInput> {
        Some(RelayInput::Drain)
    }

    fn stopped(&self) -> bool {
        self.stopped
    }
}

struct Outside {
    index: usize,
    requests: mpsc::Receiver<Request>,
    bus: Arc<Bus>,
}

impl Source<Request> for Outside {
    async fn next(&mut self) -> Option<Request> {
        tokio::select! {
            request = self.requests.recv() => request,
            input = self.bus.next(self.index) => Some(Request::Announced(input)),
        }
    }
}

#[cfg(test)]
mod tests;
