//! Three network namespaces in a row.
//!
//! ```text
//!   device 10.99.1.2 ────── 10.99.1.1 proxy 10.99.2.1 ────── 10.99.2.2 relay
//! ```
//! Nothing forwards packets between the two cables, so whoever learns the other end's address cannot go around the proxy: iroh would.
//! Gone when dropped; what still runs in one keeps it until it ends.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use super::{FAR, NEAR};

/// The three of them, named after this process.
#[derive(Debug)]
pub struct Namespaces {
    prefix: String,
}

/// One of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Where devices are.
    Device,
    /// Where the proxy is, with a cable to either side.
    Proxy,
    /// Where the relay is.
    Relay,
}

impl Place {
    const ALL: [Self; 3] = [Self::Device, Self::Proxy, Self::Relay];

    fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Proxy => "proxy",
            Self::Relay => "relay",
        }
    }
}

impl Namespaces {
    /// Makes them, or answers `None` where that is not possible.
    pub fn new() -> Option<Self> {
        let net = Self { prefix: format!("zk{}", std::process::id()) };
        let made = Place::ALL.iter().all(|place| {
            let name = net.name(*place);
            ip(&["netns", "add", &name]) && ip(&["-n", &name, "link", "set", "lo", "up"])
        });
        let joined = made
            && net.cable(1, [(Place::Device, "10.99.1.2"), (Place::Proxy, NEAR)])
            && net.cable(2, [(Place::Proxy, "10.99.2.1"), (Place::Relay, FAR)]);
        joined.then_some(net)
    }

    /// A command that runs a program there.
    pub fn run(&self, place: Place, program: &Path) -> Command {
        let [enter, rest @ ..] = self.words(place);
        let mut command = Command::new(enter);
        command.args(rest).arg(program);
        command
    }

    /// The words before a program that make it run there, under its own process id.
    pub fn words(&self, place: Place) -> [String; 4] {
        ["ip".to_owned(), "netns".to_owned(), "exec".to_owned(), self.name(place)]
    }

    fn cable(&self, number: u8, ends: [(Place, &str); 2]) -> bool {
        let [a, b] = ["a", "b"].map(|end| format!("{}{end}{number}", self.prefix));
        ip(&["link", "add", &a, "type", "veth", "peer", "name", &b])
            && [a, b].iter().zip(ends).all(|(end, (place, address))| {
                let place = self.name(place);
                ip(&["link", "set", end, "netns", &place])
                    && ip(&["-n", &place, "addr", "add", &format!("{address}/24"), "dev", end])
                    && ip(&["-n", &place, "link", "set", end, "up"])
            })
    }

    fn name(&self, place: Place) -> String {
        format!("{}{}", self.prefix, place.name())
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for place in Place::ALL {
            ip(&["netns", "del", &self.name(place)]);
        }
    }
}

fn ip(arguments: &[&str]) -> bool {
    let run =
        Command::new("ip").args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    run.is_ok_and(|status| status.success())
}
