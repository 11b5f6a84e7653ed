//! A TCP proxy that holds every byte for a while, in both directions: `delay_proxy LISTEN UPSTREAM MILLIS`.
//!
//! Stands in for a long path where the kernel cannot delay packets. Order is kept; bandwidth is not limited.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

#[allow(clippy::print_stdout, reason = "a program that says when it listens")]
fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [listen, upstream, millis] = &arguments[..] else {
        return Err(std::io::Error::other("usage: delay_proxy LISTEN UPSTREAM MILLIS"));
    };
    let delay = Duration::from_millis(millis.parse().map_err(std::io::Error::other)?);
    let listener = TcpListener::bind(listen)?;
    println!("listening on {listen}");
    for near in listener.incoming() {
        let (near, far) = (near?, TcpStream::connect(upstream)?);
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        pass(near.try_clone()?, far.try_clone()?, delay);
        pass(far, near, delay);
    }
    Ok(())
}

/// Reading never waits for the delay of what was read before.
fn pass(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    let (send, receive) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut buffer = [0; 64 * 1024];
        while let Ok(len) = from.read(&mut buffer)
            && len > 0
            && send.send((Instant::now() + delay, buffer[..len].to_vec())).is_ok()
        {}
    });
    thread::spawn(move || {
        for (due, bytes) in receive {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _gone = to.shutdown(std::net::Shutdown::Write);
    });
}
