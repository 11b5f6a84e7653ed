//! A whole driver for devices on async-std, written from docs/writing-a-driver.md. It decides nothing; the store is the caller's.

#![expect(clippy::print_stderr, reason = "a driver's own mistakes are to be seen")]

use std::{collections::HashMap, net::Shutdown, sync::mpsc, thread, time::Duration, time::SystemTime};

use async_std::channel::{Receiver, Sender, bounded, unbounded};
use async_std::io::{self, ErrorKind, ReadExt as _, WriteExt as _};
use async_std::{future::timeout, net::TcpStream, task};
use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, future, pin_mut, select, select_biased, stream};
use zerok_core::client::command::Lifecycle;
use zerok_core::client::io::{ClientInput, ClientOutput};
use zerok_core::client::store::ClientStore;
use zerok_core::driver::{Host, Shell};
use zerok_core::machine::{LinkFailure, LinkInput, LinkOutput, Machine, Origin, StoreInput, StoreOutput};
use zerok_core::{address::RelayAddress, ids::LinkId, ids::TransportId, rng::Seed, time::Time, time::UnixMillis};

/// Drives a machine until it stops. Calls and signals go in; answers and events come out until the end. When nobody is left to call, the
/// machine hears that the application closes. The store may block: it has a thread of its own, and answers in order (D6).
pub fn drive(
    machine: impl Machine<Input = ClientInput, Output = ClientOutput> + Send + 'static,
    mut store: impl FnMut(StoreOutput<ClientStore>) -> StoreInput<ClientStore> + Send + 'static,
) -> (Sender<ClientInput>, Receiver<ClientOutput>) {
    let ((calls, called), (tell, told), (answer, mut answers)) = (unbounded(), unbounded(), unbounded());
    let ((links, happened), (jobs, queue)) = (bounded(256), mpsc::channel());
    let disk = thread::spawn(move || queue.into_iter().for_each(|job| drop(answer.try_send(store(job)))));
    let mut device = Device { jobs, links, open: HashMap::new(), tell: tell.clone(), stopped: false };
    let closing = stream::once(future::ready(ClientInput::Lifecycle(Lifecycle::Closing)));
    // In turn: neither links nor the application can starve the other.
    let mut others = stream::select(happened.map(ClientInput::Link), called.chain(closing));
    task::spawn(async move {
        // One task owns the machine (D1): one input, every output (D2), then the next input, no later than the deadline (D3).
        let (mut shell, mut input) = (Shell::new(machine), ClientInput::WallClock(wall_clock()));
        loop {
            if let ClientInput::Link(LinkInput::OpenFailed { link, .. } | LinkInput::Closed { link, .. }) = input {
                device.open.remove(&link);
            }
            let step = shell.step(now(), input, &mut device);
            let _ = step.inspect_err(|misuse| eprintln!("this driver has made a mistake: {misuse}"));
            if device.stopped {
                break;
            }
            let longest = Duration::from_secs(60);
            let sleep = shell.machine().deadline().map_or(longest, |deadline| deadline.since(now()).min(longest));
            input = select_biased! {
                answer = answers.next() => answer.map_or(ClientInput::Tick, ClientInput::Store), // first (D9)
                other = others.next() => other.unwrap_or(ClientInput::Tick),
                () = task::sleep(sleep).fuse() => ClientInput::WallClock(wall_clock()),
            };
        }
        drop((device, others));
        // What the store was given is kept before anybody may believe that all is over.
        let _panicked = task::spawn_blocking(|| disk.join()).await;
        drop(tell);
    });
    (calls, told)
}

struct Device {
    jobs: mpsc::Sender<StoreOutput<ClientStore>>,
    links: Sender<LinkInput>,
    /// Bytes for each link, and whether to read it. A link whose entry is dropped closes.
    open: HashMap<LinkId, (Sender<Bytes>, Sender<bool>)>,
    tell: Sender<ClientOutput>,
    stopped: bool,
}

impl Host<ClientOutput> for Device {
    fn perform(&mut self, output: ClientOutput) {
        // What fails here fails because the other end is over, which is said in another place.
        match output {
            ClientOutput::Open { link, target } => {
                let ((bytes, writes), (reading, switched)) = (unbounded(), unbounded());
                self.open.insert(link, (bytes, reading));
                task::spawn(Pump { link, writes, reading: switched, tell: self.links.clone() }.carry(target));
            }
            ClientOutput::Link(LinkOutput::Transmit { link, bytes }) => {
                self.open.get(&link).map(|(writes, _)| writes.try_send(bytes));
            }
            ClientOutput::Link(LinkOutput::SetReading { link, on }) => {
                self.open.get(&link).map(|(_, reading)| reading.try_send(on));
            }
            ClientOutput::Link(LinkOutput::Close { link, .. }) => drop(self.open.remove(&link)),
            ClientOutput::Store(output) => drop(self.jobs.send(output)),
            ClientOutput::Done { .. } | ClientOutput::Event(_) => drop(self.tell.try_send(output)),
            ClientOutput::Stopped => self.stopped = true,
        }
    }
}

struct Pump {
    link: LinkId,
    writes: Receiver<Bytes>,
    reading: Receiver<bool>,
    tell: Sender<LinkInput>,
}

impl Pump {
    /// One link from dialling to its last word (D4).
    async fn carry(self, to: RelayAddress) {
        let (link, dialling) = (self.link, timeout(Duration::from_secs(10), dial(&to)));
        let dialled = select_biased! {
            _closed = self.reading.recv().fuse() => Err(LinkFailure::Local),
            dialled = dialling.fuse() => dialled.unwrap_or(Err(LinkFailure::TimedOut)),
        };
        let mut stream = match dialled {
            Ok(stream) => stream,
            Err(cause) => return drop(self.tell.send(LinkInput::OpenFailed { link, cause }).await),
        };
        let opened = LinkInput::Opened { link, transport: TransportId::TCP, origin: Origin::default() };
        let _over = self.tell.send(opened).await;
        // Two futures: a writer that is stuck keeps nobody from reading (D5).
        let reader = self.read(stream.clone()).map(|end| end.unwrap_or_else(|e| failure(&e))).fuse();
        let writer = self.write(stream.clone()).map(|end| end.unwrap_or_else(|e| failure(&e))).fuse();
        pin_mut!(reader, writer);
        let cause = select! { cause = reader => cause, cause = writer => cause };
        if !matches!(cause, LinkFailure::Local | LinkFailure::Eof) {
            let _read_out = timeout(Duration::from_secs(2), reader).await;
        }
        let _over = self.tell.send(LinkInput::Closed { link, cause }).await;
        // A socket dropped with unread bytes is reset, and the reset may overtake what was written last.
        let _peer_gone = timeout(Duration::from_secs(2), io::copy(&mut stream, &mut io::sink())).await;
    }

    async fn read(&self, mut from: TcpStream) -> io::Result<LinkFailure> {
        let (link, mut on, mut buffer) = (self.link, true, vec![0; 64 * 1024]);
        loop {
            let arrived = async { if on { from.read(&mut buffer).await } else { future::pending().await } };
            select! {
                switched = self.reading.recv().fuse() => match switched {
                    Ok(now) => on = now,
                    // Closed by the machine: the writer gets this long for what is queued.
                    Err(_) => return task::sleep(Duration::from_secs(5)).map(|()| Ok(LinkFailure::Local)).await,
                },
                arrived = arrived.fuse() => match arrived.map(|len| Bytes::copy_from_slice(&buffer[..len]))? {
                    end if end.is_empty() => return Ok(LinkFailure::Eof),
                    bytes => drop(self.tell.send(LinkInput::Bytes { link, bytes }).await),
                },
            }
        }
    }

    async fn write(&self, mut to: TcpStream) -> io::Result<LinkFailure> {
        while let Ok(mut bytes) = self.writes.recv().await {
            while !bytes.is_empty() {
                let len = to.write(&bytes).await?;
                let _written = bytes.split_to(len);
                let _over = self.tell.send(LinkInput::Written { link: self.link, len }).await;
            }
        }
        to.shutdown(Shutdown::Write).map(|()| LinkFailure::Local)
    }
}

async fn dial(to: &RelayAddress) -> Result<TcpStream, LinkFailure> {
    let mut failed = LinkFailure::NoTransport;
    for host in &to.tcp {
        match TcpStream::connect(host.as_str()).await {
            Ok(stream) => return stream.set_nodelay(true).map(|()| stream).map_err(|error| failure(&error)),
            Err(error) => failed = failure(&error),
        }
    }
    Err(failed)
}

fn failure(error: &io::Error) -> LinkFailure {
    match error.kind() {
        ErrorKind::ConnectionRefused => LinkFailure::Refused,
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => LinkFailure::Reset,
        _ => LinkFailure::Unreachable,
    }
}

/// Microseconds, counted through suspend (D7).
pub fn now() -> Time {
    let read = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Time(read.tv_sec.unsigned_abs() * 1_000_000 + read.tv_nsec.unsigned_abs() / 1000)
}

fn wall_clock() -> UnixMillis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixMillis(since.as_millis() as u64)
}

/// For one machine: fresh from the operating system, never stored or logged (D8).
pub fn seed() -> Result<Seed, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map(|()| Seed::new(bytes))
}
