//! Dials a relay as a new member and says how long after the transport was up the first page came, in microseconds:
//! `first_page RELAY-ADDRESS HOST:PORT`.

use std::time::Instant;

use zerok_core::address::RelayAddress;
use zerok_testkit::blocking::{Group, everything};

#[allow(clippy::print_stdout, reason = "its one result")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [relay, through] = &arguments[..] else { return Err("usage: first_page RELAY-ADDRESS HOST:PORT".into()) };
    let mut relay: RelayAddress = relay.parse()?;
    relay.tcp = vec![through.clone()];
    let mut group = Group::new(1);
    let keys = group.device();
    let dialled = group.connect(&relay);
    let up = Instant::now();
    let device = group.open(dialled, &keys, &relay, everything());
    println!("{}", up.elapsed().as_micros());
    drop(device);
    Ok(())
}
