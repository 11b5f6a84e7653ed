//! The relay as a program.

use std::{
    net::{Ipv4Addr, TcpListener, UdpSocket},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::{Transport, process::Process};
use crate::shell::Failure;

/// A relay with a data folder and a port of its own, running or not.
pub(super) struct Relay {
    program: PathBuf,
    folder: PathBuf,
    transport: Transport,
    port: u16,
    running: Option<Process>,
}

impl Relay {
    pub(super) fn new(program: &Path, folder: &Path, transport: Transport) -> Result<Self, Failure> {
        Ok(Self {
            program: program.to_path_buf(),
            folder: folder.to_path_buf(),
            transport,
            port: free_port()?,
            running: None,
        })
    }

    /// Starts it and answers with its address. The same data folder must give the same address every time.
    pub(super) fn start(&mut self) -> Result<String, Failure> {
        let (process, lines) = Process::listen("relay", &self.folder, &mut self.serve())?;
        let address = lines.find(&process, Duration::from_secs(20), |line| {
            line.strip_prefix("address: ").map(|address| address.trim().to_owned())
        })?;
        self.running = Some(process);
        Ok(address)
    }

    /// `kill -9`.
    pub(super) fn kill(&mut self) -> Result<(), Failure> {
        match self.running.take() {
            Some(process) => process.kill(),
            None => Err(Failure::new("the relay does not run")),
        }
    }

    fn serve(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("serve").arg("--data").arg(self.folder.join("relay")).args(["--http", "127.0.0.1:0"]);
        match self.transport {
            Transport::Tcp => command.args(["--no-iroh", "--tcp", &format!("127.0.0.1:{}", self.port)]),
            Transport::Iroh => command.args(["--no-tcp", "--iroh-bind", &format!("127.0.0.1:{}", self.port)]),
        };
        command
    }
}

/// How often to look for a port.
const LOOKS: usize = 16;

/// A port nobody has now, be it for TCP or over UDP: it stays the relay's over restarts, and another relay on this computer keeps its
/// own. Somebody could take it before the relay does; the relay then says so and the demo ends.
fn free_port() -> Result<u16, Failure> {
    let find = || {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).map(|_free| port)
    };
    let found = (1..LOOKS).find_map(|_| find().ok());
    found.map_or_else(find, Ok).map_err(|e| Failure::io("no port on the loopback address", &e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_keeps_one_port_over_restarts_on_either_transport_and_takes_no_fixed_one() {
        for (transport, flag) in [(Transport::Tcp, "--tcp"), (Transport::Iroh, "--iroh-bind")] {
            let relay = Relay::new(Path::new("zerok-relay"), Path::new("folder"), transport).unwrap();
            let arguments: Vec<String> = relay.serve().get_args().map(|a| a.to_string_lossy().into_owned()).collect();
            let place = arguments.iter().skip_while(|argument| *argument != flag).nth(1).unwrap();
            assert_eq!(place, &format!("127.0.0.1:{}", relay.port));
            assert_ne!(relay.port, 7040);
            let again: Vec<String> = relay.serve().get_args().map(|a| a.to_string_lossy().into_owned()).collect();
            assert_eq!(arguments, again);
        }
    }
}
