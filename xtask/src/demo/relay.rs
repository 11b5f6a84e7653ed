//! The relay as a program.

use std::{
    net::TcpListener,
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
        let mut command = Command::new(&self.program);
        command.arg("serve").arg("--data").arg(self.folder.join("relay")).args(["--http", "127.0.0.1:0"]);
        match self.transport {
            Transport::Tcp => command.args(["--tcp", &format!("127.0.0.1:{}", self.port)]),
            Transport::Iroh => command.arg("--no-tcp"),
        };
        let (process, lines) = Process::listen("relay", &self.folder, &mut command)?;
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
}

/// A port nobody has now. Somebody could take it before the relay does; the relay then says so and the demo ends.
fn free_port() -> Result<u16, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| Failure::io("no port on the loopback address", &e))?;
    Ok(listener.local_addr().map_err(|e| Failure::io("no port on the loopback address", &e))?.port())
}
