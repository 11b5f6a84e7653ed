//! Holds every byte and every datagram for a while, in both directions.
//!
//! Order is kept, bandwidth is not limited, nothing is lost. A proxy answers a TCP dial at once, where a long path would take a round
//! trip; asked to, it makes up for that by holding what the device says first for as long.
//!
//! Limits: none on links or senders. A proxy serves one measurement and is killed after it.

use std::{
    collections::{HashMap, hash_map::Entry},
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

/// The largest datagram there is.
const DATAGRAM: usize = 65_535;

/// What a proxy does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proxy {
    /// Where it listens, for TCP and for UDP.
    pub listen: SocketAddr,
    /// Where it passes everything to.
    pub upstream: SocketAddr,
    /// How long a direction takes.
    pub half: Duration,
    /// Whether a TCP dial costs its round trip.
    pub dial: bool,
}

/// Listens, says so by calling `listening`, and passes on without end.
///
/// # Errors
/// When an address cannot be listened on, or the relay does not.
pub fn serve(proxy: Proxy, listening: impl FnOnce()) -> io::Result<()> {
    let listener = TcpListener::bind(proxy.listen)?;
    let near = Arc::new(UdpSocket::bind(proxy.listen)?);
    thread::spawn(move || datagrams(&near, proxy));
    listening();
    for near in listener.incoming() {
        let (near, far) = (near?, TcpStream::connect(proxy.upstream)?);
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        let dialled = Instant::now() + if proxy.dial { 2 * proxy.half } else { Duration::ZERO };
        pass(near.try_clone()?, far.try_clone()?, dialled, proxy.half);
        pass(far, near, Instant::now(), proxy.half);
    }
    Ok(())
}

/// Reading never waits for the delay of what was read before. What is read before `from_when` counts as read then.
fn pass(mut from: TcpStream, mut to: TcpStream, from_when: Instant, half: Duration) {
    let (send, receive) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut buffer = [0; 64 * 1024];
        while let Ok(len) = from.read(&mut buffer)
            && len > 0
            && send.send((Instant::now().max(from_when) + half, buffer[..len].to_vec())).is_ok()
        {}
    });
    thread::spawn(move || {
        for (due, bytes) in receive {
            sleep_until(due);
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _gone = to.shutdown(Shutdown::Write);
    });
}

/// Every sender gets a socket of its own towards the relay, so that answers find their way back.
fn datagrams(near: &Arc<UdpSocket>, proxy: Proxy) {
    let mut senders: HashMap<SocketAddr, mpsc::Sender<(Instant, Vec<u8>)>> = HashMap::new();
    let mut buffer = vec![0; DATAGRAM];
    while let Ok((len, from)) = near.recv_from(&mut buffer) {
        let due = Instant::now() + proxy.half;
        let sender = match senders.entry(from) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let Ok(far) = upstream(proxy.upstream) else { continue };
                new.insert(sender(near, far, from, proxy.half))
            }
        };
        // Fails when the relay is gone: a datagram is lost then, as on any path.
        let _lost = sender.send((due, buffer[..len].to_vec()));
    }
}

fn upstream(relay: SocketAddr) -> io::Result<UdpSocket> {
    let any = if relay.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any)?;
    socket.connect(relay)?;
    Ok(socket)
}

fn sender(
    near: &Arc<UdpSocket>,
    far: UdpSocket,
    device: SocketAddr,
    half: Duration,
) -> mpsc::Sender<(Instant, Vec<u8>)> {
    let far = Arc::new(far);
    let to_relay = Arc::clone(&far);
    let up = later(move |bytes| to_relay.send(bytes));
    let to_device = Arc::clone(near);
    let down = later(move |bytes| to_device.send_to(bytes, device));
    thread::spawn(move || {
        let mut buffer = vec![0; DATAGRAM];
        loop {
            match far.recv(&mut buffer) {
                Ok(len) if down.send((Instant::now() + half, buffer[..len].to_vec())).is_err() => return,
                // A relay that does not listen yet refuses a datagram and may take the next.
                Ok(_) | Err(_) => {}
            }
        }
    });
    up
}

/// Sends each datagram when it is due.
fn later(send: impl Fn(&[u8]) -> io::Result<usize> + Send + 'static) -> mpsc::Sender<(Instant, Vec<u8>)> {
    let (queue, due) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        for (when, bytes) in due {
            sleep_until(when);
            let _lost = send(&bytes);
        }
    });
    queue
}

fn sleep_until(due: Instant) {
    thread::sleep(due.saturating_duration_since(Instant::now()));
}
