//! A relay at the far end of a slow path: three namespaces, and two proxies that hold everything for half a round trip.

use std::{
    ffi::OsStr,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Stdio},
    time::Duration,
};

use serde::de::DeserializeOwned;
use zerok_core::address::RelayAddress;
use zerok_testkit::slow_path::{FAR, NEAR, Namespaces, Place};

use crate::{
    bridge::Over,
    relay_process::{RelayProcess, Settings},
    run::Run,
    trouble::Trouble,
};

/// What one direction takes.
pub(super) const HALF: Duration = Duration::from_millis(25);

/// Where the proxies listen: the first charges a TCP dial its round trip, which is what a long path does; behind the second a link is up
/// at once, so that what comes after can be seen alone.
const DIAL: u16 = 7040;
const UP: u16 = 7041;

/// Ends with the value.
pub(super) struct SlowPath<'a> {
    run: &'a Run,
    net: Namespaces,
    relay: RelayProcess,
    _proxies: Vec<Proxy>,
}

/// From where on a dial is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// From the call that dials.
    Dial,
    /// From the moment when the transport is up.
    Up,
}

impl<'a> SlowPath<'a> {
    /// A new relay with everything in front of it.
    pub(super) fn new(run: &'a Run) -> Result<Self, Trouble> {
        let net = Namespaces::new().ok_or_else(|| {
            Trouble::Missing("network namespaces need Linux, root and iproute2; none were made".to_owned())
        })?;
        let far: SocketAddr = format!("{FAR}:7040").parse().map_err(|_| Trouble::Absurd(FAR.to_owned()))?;
        let within = net.words(Place::Relay).to_vec();
        let settings = Settings { listen: Some(far), within, iroh: true, ..Settings::default() };
        let relay = RelayProcess::start(run, &settings)?;
        let proxies = [(DIAL, true), (UP, false)];
        let proxies = proxies.map(|(port, dial)| Proxy::start(run, &net, &format!("{NEAR}:{port}"), &far, dial));
        let proxies = proxies.into_iter().collect::<Result<_, _>>()?;
        Ok(Self { run, net, relay, _proxies: proxies })
    }

    /// The relay as a device reaches it.
    pub(super) fn relay(&self, over: Over, from: From) -> RelayAddress {
        let port = match from {
            From::Dial => DIAL,
            From::Up => UP,
        };
        over.through(&self.relay.address, &format!("{NEAR}:{port}"))
    }

    /// Runs a load at the device's end.
    pub(super) fn load<T: DeserializeOwned>(
        &self,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Result<T, Trouble> {
        let mut command = self.net.run(Place::Device, &self.run.bench);
        command.arg("load").args(arguments);
        Run::hear(command, || Ok(()))
    }
}

struct Proxy(Child);

impl Proxy {
    fn start(run: &Run, net: &Namespaces, listen: &str, upstream: &SocketAddr, dial: bool) -> Result<Self, Trouble> {
        let mut command = net.run(Place::Proxy, &run.bench);
        command.args(["load", "proxy", "--listen", listen, "--upstream", &upstream.to_string()]);
        command.args(["--half-millis", &HALF.as_millis().to_string()]);
        if dial {
            command.arg("--dial");
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(Trouble::io("starting a proxy"))?;
        let mut line = String::new();
        let listening = child.stdout.take().map(|out| BufReader::new(out).read_line(&mut line));
        let proxy = Self(child);
        match listening {
            Some(Ok(_)) if line.starts_with("listening") => Ok(proxy),
            _ => Err(Trouble::Process("a proxy does not listen".to_owned())),
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}
