//! A proxy that holds everything for a while, over TCP and UDP: `delay_proxy LISTEN UPSTREAM MILLIS [dial]`. With `dial` a TCP dial
//! costs its round trip, too.

use std::{io, time::Duration};

use zerok_testkit::slow_path::{Proxy, serve};

#[allow(clippy::print_stdout, reason = "a program that says when it listens")]
fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (listen, upstream, millis, dial) = match &arguments[..] {
        [listen, upstream, millis] => (listen, upstream, millis, false),
        [listen, upstream, millis, dial] if dial == "dial" => (listen, upstream, millis, true),
        _ => return Err(io::Error::other("usage: delay_proxy LISTEN UPSTREAM MILLIS [dial]")),
    };
    let proxy = Proxy {
        listen: listen.parse().map_err(io::Error::other)?,
        upstream: upstream.parse().map_err(io::Error::other)?,
        half: Duration::from_millis(millis.parse().map_err(io::Error::other)?),
        dial,
    };
    serve(proxy, || println!("listening on {listen}"))
}
