//! The task that owns a machine (D1): for a client, and for each machine of a relay.
//!
//! It hands one input at a time to the machine and drains it without waiting in between (D2), sleeps no longer than the deadline
//! (D3), and takes the store's answers before anything else, so that a flood of bytes cannot delay durability (D9). What is
//! particular to a role is its [`Station`]: where outputs go and what comes from outside.

use std::{future::Future, time::Duration};

use tokio::sync::mpsc;
use zerok_core::{
    client::{io::ClientInput, store::ClientStore},
    driver::{Host, Shell},
    machine::{LinkInput, Machine, StoreInput, StoreRole},
    relay::{io::RelayInput, store::RelayStore},
    time::{Time, UnixMillis},
};

use crate::{clock::Clock, pump::Links};

/// Room for link inputs. Pumps wait when it is full, which is back-pressure on the peers.
pub const LINK_INPUTS: usize = 256;

/// Timers of the runtime may stand still while the machine sleeps, so no sleep is longer than this.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// What every driver says to a machine, in the words of its role.
pub trait Inbound: Sized + Send + 'static {
    /// The role's store.
    type Store: StoreRole;

    /// Time passed.
    fn tick() -> Self;
    /// The wall clock says.
    fn wall_clock(now: UnixMillis) -> Self;
    /// Something happened on a link.
    fn link(input: LinkInput) -> Self;
    /// The store answered.
    fn store(input: StoreInput<Self::Store>) -> Self;
}

macro_rules! inbound {
    ($($input:ident, $store:ident;)*) => {$(
        impl Inbound for $input {
            type Store = $store;

            fn tick() -> Self {
                Self::Tick
            }

            fn wall_clock(now: UnixMillis) -> Self {
                Self::WallClock(now)
            }

            fn link(input: LinkInput) -> Self {
                Self::Link(input)
            }

            fn store(input: StoreInput<$store>) -> Self {
                Self::Store(input)
            }
        }
    )*};
}

inbound! {
    ClientInput, ClientStore;
    RelayInput, RelayStore;
}

/// What surrounds one machine: the host of its outputs and the interpreter of requests from outside.
pub trait Station<M: Machine>: Host<M::Output> + Send + 'static {
    /// What comes from outside: a call of the application, an accepted link, an announcement.
    type Request: Send + 'static;

    /// The machine's links.
    fn links(&mut self) -> &mut Links;
    /// Takes a request. Answers what the machine should hear of it, if anything.
    fn admit(&mut self, request: Self::Request) -> Option<M::Input>;
    /// Nobody is left who could make a request. Answers what ends the machine.
    fn abandoned(&mut self) -> Option<M::Input>;
    /// Whether the machine said that nothing more will come.
    fn stopped(&self) -> bool;
}

/// Where requests come from. Dropping the future loses nothing.
pub trait Source<T>: Send + 'static {
    /// The next one, or `None` when there will be none any more.
    fn next(&mut self) -> impl Future<Output = Option<T>> + Send;
}

impl<T: Send + 'static> Source<T> for mpsc::Receiver<T> {
    fn next(&mut self) -> impl Future<Output = Option<T>> + Send {
        self.recv()
    }
}

impl<T: Send + 'static> Source<T> for mpsc::UnboundedReceiver<T> {
    fn next(&mut self) -> impl Future<Output = Option<T>> + Send {
        self.recv()
    }
}

/// Everything a machine hears from.
#[derive(Debug)]
pub struct Sources<R: StoreRole, Q> {
    /// Answers of the store. Unbounded: the machine bounds what it asks.
    pub store: mpsc::UnboundedReceiver<StoreInput<R>>,
    /// The receiving end of what [`Links::new`] was given.
    pub links: mpsc::Receiver<LinkInput>,
    /// Requests from outside.
    pub requests: Q,
}

enum Heard<R: StoreRole, T> {
    Store(StoreInput<R>),
    Link(LinkInput),
    Request(T),
    Abandoned,
    Woke,
}

/// Runs a machine until it stops. Answers the machine and its station, to look at.
pub async fn run<M, S, Q>(
    machine: M,
    mut station: S,
    mut clock: Clock,
    mut sources: Sources<<M::Input as Inbound>::Store, Q>,
) -> (Shell<M>, S)
where
    M: Machine,
    M::Input: Inbound,
    S: Station<M>,
    Q: Source<S::Request>,
{
    let mut shell = Shell::new(machine);
    let mut abandoned = false;
    let mut input = Some(M::Input::tick());
    while !station.stopped() {
        if let Some(wall) = clock.jumped() {
            step(&mut shell, clock.now(), M::Input::wall_clock(wall), &mut station);
        }
        if let Some(input) = input.take() {
            step(&mut shell, clock.now(), input, &mut station);
            continue;
        }
        let deadline = shell.machine().deadline();
        input = match hear(&mut sources, abandoned, deadline, &clock).await {
            Heard::Store(answer) => Some(M::Input::store(answer)),
            Heard::Link(happened) => {
                station.links().observe(&happened);
                Some(M::Input::link(happened))
            }
            Heard::Request(request) => station.admit(request),
            Heard::Abandoned => {
                abandoned = true;
                station.abandoned()
            }
            // A sleep cut short, or one that a suspend made too long.
            Heard::Woke => deadline.is_some_and(|deadline| deadline <= clock.now()).then(M::Input::tick),
        };
    }
    (shell, station)
}

fn step<M: Machine>(shell: &mut Shell<M>, now: Time, input: M::Input, station: &mut impl Host<M::Output>) {
    if let Err(misuse) = shell.step(now, input, station) {
        tracing::error!(%misuse, "driver misused its machine");
    }
}

async fn hear<R: StoreRole, T, Q: Source<T>>(
    sources: &mut Sources<R, Q>,
    abandoned: bool,
    deadline: Option<Time>,
    clock: &Clock,
) -> Heard<R, T> {
    let Sources { store, links, requests } = sources;
    let others = async {
        // In random order: neither links nor the application can starve the other.
        tokio::select! {
            Some(happened) = links.recv() => Heard::Link(happened),
            request = requests.next(), if !abandoned => request.map_or(Heard::Abandoned, Heard::Request),
            () = sleep_until(deadline, clock) => Heard::Woke,
        }
    };
    tokio::select! {
        biased;
        Some(answer) = store.recv() => Heard::Store(answer),
        heard = others => heard,
    }
}

async fn sleep_until(deadline: Option<Time>, clock: &Clock) {
    match deadline {
        Some(deadline) => tokio::time::sleep(deadline.since(clock.now()).min(LONGEST_SLEEP)).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
