//! The machine on trial, its store, and the test's hold on both.
//!
//! Both note every breach of the contract that shows in what they are told; [`Trial::end`] and each wait look at the notes. The probe
//! is no `Sync`, so a driver that shares its machine does not compile (D1).

use std::{
    cell::Cell,
    collections::{BTreeMap, VecDeque},
    fmt,
    io::Read,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use bytes::Bytes;
use zerok_core::{
    address::RelayAddress,
    client::{
        command::Lifecycle,
        io::{ClientInput, ClientOutput},
        store::{ClientAnswer, ClientOp, ClientQuery, ClientStore},
    },
    error::{CloseReason, LocalReason},
    ids::{BatchId, LinkId, LoadId, OutboxId},
    machine::{LinkFailure, LinkInput, LinkOutput, Machine, Misuse, StoreFailure, StoreInput, StoreOutput},
    time::{Duration, Time},
};

use super::{Driven, Driver, PATIENCE};

/// What happened, as far as a test wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    Tick,
    Signal,
    Link,
    Persisted(u64),
    PersistFailed(u64, StoreFailure),
    /// A load, and the newest batch it saw.
    Loaded(u64, u64),
    Other,
}

/// What the store does to the next group of batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Gate {
    #[default]
    Open,
    /// It takes its time.
    Held,
    Fails(StoreFailure),
}

/// One link, as the machine knows it.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) opened: bool,
    pub(super) received: Vec<u8>,
    pub(super) transmitted: usize,
    pub(super) written: usize,
    pub(super) ended: Option<LinkFailure>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) heard: Vec<(Time, Heard)>,
    pub(super) links: BTreeMap<LinkId, Seen>,
    /// Said by the machine after the next input.
    says: Vec<ClientOutput>,
    /// The next input is refused.
    pub(super) refuse: bool,
    /// The machine takes its time over every input.
    pub(super) busy: bool,
    pub(super) deadline: Option<Time>,
    /// Set with the next input: to wake so much later, or not at all.
    wakes: Option<Option<Duration>>,
    pub(super) gate: Gate,
    /// Batches whose commit has begun, and those that are durable.
    pub(super) begun: Vec<u64>,
    pub(super) durable: Vec<u64>,
    /// Batches whose failure the machine knows.
    failed: Vec<u64>,
    pub(super) stopped: bool,
    breaches: Vec<String>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, PATIENCE).unwrap_or_else(PoisonError::into_inner).0
    }
}

/// A machine that says what it is told to and notes what it hears.
pub struct Probe {
    shared: Arc<Shared>,
    queue: VecDeque<ClientOutput>,
    /// Whether `poll` has said that there is no more since the last input.
    drained: bool,
    now: Time,
    _one_task: Cell<()>,
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Probe")
    }
}

impl Machine for Probe {
    type Input = ClientInput;
    type Output = ClientOutput;

    fn handle(&mut self, now: Time, input: ClientInput) -> Result<(), Misuse> {
        let mut state = self.shared.lock();
        while state.busy {
            state = self.shared.wait(state);
        }
        if !std::mem::replace(&mut self.drained, false) {
            state.breach("D2: an input before the outputs of the last one were taken");
        }
        if now < self.now {
            state.breach("D7: time goes back");
        }
        if state.stopped {
            state.breach("an input after the end");
        }
        self.now = now;
        let closing = matches!(input, ClientInput::Lifecycle(Lifecycle::Closing));
        state.hear(now, input);
        if state.deadline.is_some_and(|due| due <= now) {
            state.deadline = None;
        }
        if let Some(wakes) = state.wakes.take() {
            state.deadline = wakes.map(|after| now + after);
        }
        let says = std::mem::take(&mut state.says);
        says.iter().for_each(|output| state.note_said(output));
        self.queue.extend(says);
        if closing {
            state.stopped = true;
            self.queue.push_back(ClientOutput::Stopped);
        }
        let refused = std::mem::take(&mut state.refuse);
        self.shared.changed.notify_all();
        if refused { Err(Misuse::IdReused) } else { Ok(()) }
    }

    fn poll(&mut self) -> Option<ClientOutput> {
        let output = self.queue.pop_front();
        self.drained |= output.is_none();
        output
    }

    fn deadline(&self) -> Option<Time> {
        self.shared.lock().deadline
    }
}

impl State {
    fn breach(&mut self, what: impl Into<String>) {
        self.breaches.push(what.into());
    }

    fn hear(&mut self, now: Time, input: ClientInput) {
        let heard = match input {
            ClientInput::Tick => Heard::Tick,
            ClientInput::Lifecycle(_) => Heard::Signal,
            ClientInput::Link(input) => {
                self.hear_link(input);
                Heard::Link
            }
            ClientInput::Store(StoreInput::Persisted { batch, .. }) => {
                if !(1..=batch.0).all(|number| self.durable.contains(&number) || self.failed.contains(&number)) {
                    self.breach(format!("D6: batch {} is called durable, only {:?} are", batch.0, self.durable));
                }
                Heard::Persisted(batch.0)
            }
            ClientInput::Store(StoreInput::PersistFailed { batch, failure }) => {
                self.failed.push(batch.0);
                Heard::PersistFailed(batch.0, failure)
            }
            ClientInput::Store(StoreInput::Loaded { load, answer: Ok(ClientAnswer::Outbox(rows)) }) => {
                Heard::Loaded(load.0, rows.first().map_or(0, |(newest, _)| newest.0))
            }
            _ => Heard::Other,
        };
        self.heard.push((now, heard));
    }

    fn hear_link(&mut self, input: LinkInput) {
        let (LinkInput::Opened { link, .. }
        | LinkInput::OpenFailed { link, .. }
        | LinkInput::Bytes { link, .. }
        | LinkInput::Written { link, .. }
        | LinkInput::Closed { link, .. }) = input;
        let seen = self.links.entry(link).or_default();
        let mut wrong = seen.ended.is_some().then_some("D4: something after a link's last word");
        match input {
            LinkInput::Opened { .. } if seen.opened => wrong = Some("D4: opened twice"),
            LinkInput::Opened { .. } => seen.opened = true,
            LinkInput::OpenFailed { .. } if seen.opened => wrong = Some("D4: failed to open what was open"),
            LinkInput::Bytes { .. } | LinkInput::Written { .. } | LinkInput::Closed { .. } if !seen.opened => {
                wrong = Some("D4: something on a link that never opened");
            }
            LinkInput::Bytes { bytes, .. } if bytes.is_empty() => wrong = Some("bytes without a byte"),
            LinkInput::Bytes { bytes, .. } => seen.received.extend_from_slice(&bytes),
            LinkInput::Written { len, .. } => {
                seen.written += len;
                if seen.written > seen.transmitted {
                    wrong = Some("D4: more written than transmitted");
                }
            }
            LinkInput::OpenFailed { cause, .. } | LinkInput::Closed { cause, .. } => seen.ended = Some(cause),
        }
        if let Some(wrong) = wrong {
            self.breach(format!("{wrong}, link {}", link.0));
        }
    }

    fn note_said(&mut self, output: &ClientOutput) {
        if let ClientOutput::Link(LinkOutput::Transmit { link, bytes }) = output {
            self.links.entry(*link).or_default().transmitted += bytes.len();
        }
    }

    pub(super) fn count(&self, heard: Heard) -> usize {
        self.heard.iter().filter(|(_, what)| *what == heard).count()
    }

    /// What the store answered, in order.
    pub(super) fn answers(&self) -> Vec<Heard> {
        let answer =
            |heard: &Heard| matches!(heard, Heard::Persisted(_) | Heard::PersistFailed(..) | Heard::Loaded(..));
        self.heard.iter().map(|(_, heard)| *heard).filter(answer).collect()
    }
}

/// The store behind the probe. Blocks, as stores do: to be run where that harms nobody.
///
/// A batch that [`ProbeStore::commit`] refuses with [`StoreFailure::Full`] is refused once. That every later one is refused too, until
/// a load of [`ClientQuery::Open`], is up to whoever runs the store. [`ProbeStore::perform`] is the whole store, for a driver that asks
/// one thing at a time.
pub struct ProbeStore {
    shared: Arc<Shared>,
    refusing: Option<StoreFailure>,
}

impl fmt::Debug for ProbeStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProbeStore")
    }
}

impl ProbeStore {
    /// Does what a machine asks and answers it.
    pub fn perform(&mut self, request: StoreOutput<ClientStore>) -> StoreInput<ClientStore> {
        match request {
            StoreOutput::Persist { batch, ops } => {
                let result = self.refusing.map_or_else(|| self.commit(&[ops]), Err);
                self.refusing = result.err();
                match result {
                    Ok(()) => StoreInput::Persisted { batch, outcomes: Vec::new() },
                    Err(failure) => StoreInput::PersistFailed { batch, failure },
                }
            }
            StoreOutput::Load { load, query } => {
                let reopened = query == ClientQuery::Open && self.refusing.is_some_and(StoreFailure::may_pass);
                self.refusing = self.refusing.filter(|_| !reopened);
                StoreInput::Loaded { load, answer: self.load(&query) }
            }
        }
    }

    /// Makes these batches durable, all or none.
    ///
    /// # Errors
    /// As the test wants it.
    pub fn commit(&mut self, batches: &[Vec<ClientOp>]) -> Result<(), StoreFailure> {
        let mut numbers = batches.iter().map(|operations| match operations[..] {
            [ClientOp::Settle(number)] => number,
            _ => panic!("not a batch of this suite: {operations:?}"),
        });
        let numbers: Vec<u64> = numbers.by_ref().collect();
        let mut state = self.shared.lock();
        state.begun.extend(&numbers);
        self.shared.changed.notify_all();
        while state.gate == Gate::Held {
            state = self.shared.wait(state);
        }
        if let Gate::Fails(failure) = state.gate {
            return Err(failure);
        }
        for number in numbers {
            if state.durable.last().is_some_and(|last| *last >= number) {
                let what = format!("D6: batch {number} after {:?}", state.durable);
                state.breach(what);
            }
            state.durable.push(number);
        }
        self.shared.changed.notify_all();
        Ok(())
    }

    /// Answers a load.
    ///
    /// # Errors
    /// Never.
    pub fn load(&mut self, query: &ClientQuery) -> Result<ClientAnswer, StoreFailure> {
        let state = self.shared.lock();
        let newest = state.durable.last().copied().unwrap_or_default();
        Ok(match query {
            ClientQuery::Open => ClientAnswer::Opened(Box::default()),
            ClientQuery::Outbox(_) => ClientAnswer::Outbox(vec![(OutboxId(newest), Bytes::new())]),
            ClientQuery::Inbox { .. } => ClientAnswer::Inbox(Vec::new()),
        })
    }
}

/// A driver with a probe in it.
pub(super) struct Trial<D: Driver> {
    pub(super) driver: D,
    pub(super) driven: Option<Box<dyn Driven>>,
    shared: Arc<Shared>,
    link: LinkId,
    pub(super) batch: u64,
    load: LoadId,
}

impl<D: Driver> Trial<D> {
    pub(super) fn new() -> Self {
        let (driver, shared) = (D::new(), Arc::new(Shared::default()));
        let probe = Probe {
            shared: Arc::clone(&shared),
            queue: VecDeque::new(),
            drained: true,
            now: Time(0),
            _one_task: Cell::new(()),
        };
        let driven = Some(driver.drive(probe, ProbeStore { shared: Arc::clone(&shared), refusing: None }));
        Self { driver, driven, shared, link: LinkId(0), batch: 0, load: LoadId(0) }
    }

    /// Changes what machine and store do.
    pub(super) fn set<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.shared.lock());
        self.shared.changed.notify_all();
        changed
    }

    pub(super) fn poke(&self) {
        self.driven.as_ref().expect("it runs").poke();
    }

    /// Has the machine say this, at the next signal, which is given now.
    pub(super) fn say(&self, outputs: impl IntoIterator<Item = ClientOutput>) {
        self.set(|state| state.says.extend(outputs));
        self.poke();
    }

    /// Has the machine want to be woken so much after the next signal, which is given now.
    pub(super) fn wake(&self, after: Option<Duration>) {
        self.set(|state| state.wakes = Some(after));
        self.poke();
    }

    /// Waits until there is something to see.
    pub(super) fn wait<T>(&self, what: &str, see: impl Fn(&State) -> Option<T>) -> T {
        let began = Instant::now();
        let mut state = self.shared.lock();
        loop {
            assert!(state.breaches.is_empty(), "{:?}", state.breaches);
            if let Some(seen) = see(&state) {
                return seen;
            }
            assert!(began.elapsed() < PATIENCE, "never: {what}; the last things heard are {:?}", state.last());
            state = self.shared.changed.wait_timeout(state, Duration::from_secs(1)).expect("nobody panics with it").0;
        }
    }

    /// Waits for a signal given now to be heard, and with it everything said before.
    pub(super) fn settle(&self) {
        let before = self.set(|state| state.count(Heard::Signal));
        self.poke();
        self.wait("a signal is heard", |state| (state.count(Heard::Signal) > before).then_some(()));
    }

    /// Dials and accepts. Whoever dials speaks first, as the protocol has it: some transports show a link to its other end only then.
    pub(super) fn connect(&mut self) -> (LinkId, D::Peer) {
        let link = self.dial(&self.driver.address());
        self.wait("the link opens", |state| state.links[&link].opened.then_some(()));
        self.transmit(link, &b"!"[..]);
        let mut peer = self.driver.accept();
        peer.read_exact(&mut [0]).expect("it speaks first");
        self.wait("it is written", |state| (state.links[&link].written == 1).then_some(()));
        self.set(|state| {
            let seen = state.links.entry(link).or_default();
            (seen.transmitted, seen.written) = (0, 0);
        });
        (link, peer)
    }

    pub(super) fn dial(&mut self, target: &RelayAddress) -> LinkId {
        self.link = self.link.next();
        let link = self.link;
        self.set(|state| state.links.insert(link, Seen::default()));
        self.say([ClientOutput::Open { link, target: target.clone() }]);
        link
    }

    pub(super) fn transmit(&self, link: LinkId, bytes: impl Into<Bytes>) {
        self.say([ClientOutput::Link(LinkOutput::Transmit { link, bytes: bytes.into() })]);
    }

    pub(super) fn close(&self, link: LinkId) {
        let reason = CloseReason::Local(LocalReason::Done);
        self.say([ClientOutput::Link(LinkOutput::Close { link, reason })]);
    }

    /// How a link ends.
    pub(super) fn ended(&self, link: LinkId) -> LinkFailure {
        self.wait("the link ends", |state| state.links[&link].ended)
    }

    /// Waits until so many bytes were received. Answers them.
    pub(super) fn received(&self, link: LinkId, count: usize) -> Vec<u8> {
        self.wait("the bytes arrive", |state| {
            let received = &state.links[&link].received;
            (received.len() >= count).then(|| received.clone())
        })
    }

    pub(super) fn persist(&mut self) -> ClientOutput {
        self.batch += 1;
        ClientOutput::Store(StoreOutput::Persist {
            batch: BatchId(self.batch),
            ops: vec![ClientOp::Settle(self.batch)],
        })
    }

    pub(super) fn load(&mut self, query: ClientQuery) -> ClientOutput {
        self.load = self.load.next();
        ClientOutput::Store(StoreOutput::Load { load: self.load, query })
    }

    /// Ends the driver and looks at the notes.
    pub(super) fn end(&mut self) {
        self.set(|state| {
            state.busy = false;
            if state.gate == Gate::Held {
                state.gate = Gate::Open;
            }
        });
        self.driven.take().expect("it runs").end();
        let state = self.shared.lock();
        assert!(state.breaches.is_empty(), "{:?}", state.breaches);
    }
}

impl State {
    fn last(&self) -> &[(Time, Heard)] {
        &self.heard[self.heard.len().saturating_sub(12)..]
    }
}

impl<D: Driver> Drop for Trial<D> {
    /// A test that failed must not leave a machine waiting for it.
    fn drop(&mut self) {
        self.set(|state| {
            state.busy = false;
            state.gate = Gate::Open;
        });
    }
}
