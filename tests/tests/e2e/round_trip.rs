//! Dial to first page over a slow path: client, proxy and relay in three network namespaces.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::process::binary;

const HALF: Duration = Duration::from_millis(25);

/// Needs root for network namespaces; says so and passes where there is none, as the simulation counts the flights anyway.
#[test]
#[allow(clippy::print_stderr, reason = "a test that checks nothing says so")]
fn a_first_page_at_fifty_milliseconds_comes_one_round_trip_after_the_transport_is_up() {
    let Some(net) = Namespaces::new() else {
        return eprintln!("skipped: network namespaces need root and iproute2");
    };
    let home = tempfile::tempdir().expect("a directory");
    let relay_data = home.path().join("relay");
    let listen = "10.99.2.2:7040";
    let mut relay = net.run("relay", &binary("zerok-relay"));
    relay.arg("serve").arg("--data").arg(&relay_data).args(["--no-http", "--no-iroh", "--tcp", listen]);
    let (_relay, address) = started(relay, "address: ");
    let mut proxy = net.run("proxy", &binary("delay_proxy"));
    proxy.args(["10.99.1.1:7040", listen, &HALF.as_millis().to_string()]);
    let (_proxy, _) = started(proxy, "listening");
    let (mut pages, mut trips) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let mut client = net.run("client", &binary("first_page"));
        let out = client.args([&address, "10.99.1.1:7040"]).output().expect("the client runs");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let out = String::from_utf8_lossy(&out.stdout);
        let (page, trip) = out.trim().split_once(' ').expect("two figures");
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

fn started(mut command: Command, prefix: &str) -> (Killed, String) {
    use std::io::BufRead;
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    let out = std::io::BufReader::new(child.stdout.take().expect("piped"));
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

/// client — proxy — relay, joined by two virtual cables.
struct Namespaces {
    prefix: String,
}

impl Namespaces {
    fn new() -> Option<Self> {
        let net = Self { prefix: format!("zk{}", std::process::id()) };
        let ns = |name: &str| format!("{}{name}", net.prefix);
        let cable = |number: u8, from: &str, to: &str| {
            let (a, b) = (format!("{}a{number}", net.prefix), format!("{}b{number}", net.prefix));
            ip(&["link", "add", &a, "type", "veth", "peer", "name", &b])
                && [(a, from, 2), (b, to, 1)].into_iter().all(|(end, side, host)| {
                    // The proxy is host 1 of both cables.
                    let host = if side == "proxy" { 1 } else { host.max(2) };
                    let address = format!("10.99.{number}.{host}/24");
                    ip(&["link", "set", &end, "netns", &ns(side)])
                        && ip(&["-n", &ns(side), "addr", "add", &address, "dev", &end])
                        && ip(&["-n", &ns(side), "link", "set", &end, "up"])
                })
        };
        let made = ["client", "proxy", "relay"]
            .iter()
            .all(|name| ip(&["netns", "add", &ns(name)]) && ip(&["-n", &ns(name), "link", "set", "lo", "up"]));
        (made && cable(1, "client", "proxy") && cable(2, "relay", "proxy")).then_some(net)
    }

    fn run(&self, namespace: &str, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &format!("{}{namespace}", self.prefix)]).arg(program);
        command
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for name in ["client", "proxy", "relay"] {
            ip(&["netns", "del", &format!("{}{name}", self.prefix)]);
        }
    }
}

fn ip(arguments: &[&str]) -> bool {
    let run = Command::new("ip").args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    run.is_ok_and(|status| status.success())
}
