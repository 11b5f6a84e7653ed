//! What a path of fifty milliseconds costs: device, proxy and relay in three network namespaces.
//!
//! Needs root for the namespaces; says so and passes where there is none, as the simulation counts the flights anyway.

#![allow(clippy::print_stderr, reason = "a test that checks nothing says so, one that measures says what")]

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use zerok_testkit::slow_path::{FAR, NEAR, Namespaces, Place};

use crate::process::binary;

const HALF: Duration = Duration::from_millis(25);
/// What a platform gives an app that goes into the background.
const BUDGET: Duration = Duration::from_millis(500);

#[test]
fn a_first_page_at_fifty_milliseconds_comes_one_round_trip_after_the_transport_is_up() {
    let Some(path) = SlowPath::new("first page", &[]) else { return };
    let (mut pages, mut trips) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let said = path.device("first_page", &[&path.address, &path.near]);
        let (page, trip) = said.split_once(' ').expect("two figures");
        pages.push(page.parse().expect("microseconds"));
        trips.push(trip.parse().expect("microseconds"));
    }
    let (page, trip) = (median(pages), median(trips));
    eprintln!("first page after {page:?} at a round trip of {trip:?} (medians of 5)");
    assert!(trip >= HALF * 2, "the path is slow");
    // Two cannot take less than twice one, however busy the machine; what is left is for the work of both sides and their disks.
    assert!(page < trip * 2, "one round trip: {page:?} with {trip:?}");
}

fn median(mut micros: Vec<u64>) -> Duration {
    micros.sort_unstable();
    Duration::from_micros(micros[micros.len() / 2])
}

#[test]
fn a_pause_with_twenty_blobs_queued_and_no_link_reaches_the_relay_within_its_budget() {
    flushes("pause");
}

#[test]
fn a_close_with_twenty_blobs_queued_and_no_link_reaches_the_relay_within_its_budget() {
    flushes("close");
}

fn flushes(signal: &str) {
    let Some(path) = SlowPath::new(signal, &["dial"]) else { return };
    for transport in ["tcp", "iroh"] {
        let budget = BUDGET.as_millis().to_string();
        let mut times: Vec<(Duration, bool)> = (0..5)
            .map(|number| {
                let data = path.home.path().join(format!("{transport}-{number}"));
                let data = data.to_str().expect("a path of letters");
                let said = path.device("cold_flush", &[signal, transport, &path.address, &path.near, data, &budget]);
                let (micros, held) = said.split_once(' ').expect("two words");
                (Duration::from_micros(micros.parse().expect("microseconds")), held == "true")
            })
            .collect();
        times.sort_unstable();
        // The middle one: a busy machine is slow once or twice.
        let (took, held) = times[times.len() / 2];
        eprintln!("{signal} over {transport} took {took:?} at a round trip of {:?} ({times:?})", HALF * 2);
        assert!(held, "the relay holds all of it after {took:?}");
        // Dial, first flight, push: fewer would mean that the path was not slow.
        assert!(took >= HALF * 6, "three round trips");
    }
}

/// A relay, and a proxy in front of it that takes its time.
struct SlowPath {
    net: Namespaces,
    home: tempfile::TempDir,
    address: String,
    /// Where a device dials.
    near: String,
    _processes: [Killed; 2],
}

impl SlowPath {
    fn new(what: &str, proxy_options: &[&str]) -> Option<Self> {
        let Some(net) = Namespaces::new() else {
            eprintln!("{what} skipped: network namespaces need root and iproute2");
            return None;
        };
        let home = tempfile::tempdir().expect("a directory");
        let (near, far) = (format!("{NEAR}:7040"), format!("{FAR}:7040"));
        let mut relay = net.run(Place::Relay, &binary("zerok-relay"));
        relay.arg("serve").arg("--data").arg(home.path().join("relay")).args(["--no-http", "--tcp", &far]);
        let (relay, address) = started(relay, "address: ");
        let mut proxy = net.run(Place::Proxy, &binary("delay_proxy"));
        proxy.args([&near, &far, &HALF.as_millis().to_string()]).args(proxy_options);
        let (proxy, _) = started(proxy, "listening");
        Some(Self { net, home, address, near, _processes: [relay, proxy] })
    }

    /// Runs a program at the other end. Answers what it says.
    fn device(&self, program: &str, arguments: &[&str]) -> String {
        let out = self.net.run(Place::Device, &binary(program)).args(arguments).output().expect("the device runs");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).trim().to_owned()
    }
}

fn started(mut command: Command, prefix: &str) -> (Killed, String) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    let out = BufReader::new(child.stdout.take().expect("piped"));
    let line = out.lines().map_while(Result::ok).find_map(|line| line.strip_prefix(prefix).map(str::to_owned));
    (Killed(child), line.expect("it says that it has started"))
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}
