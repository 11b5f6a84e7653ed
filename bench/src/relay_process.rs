//! A relay in a process of its own: the release program, on loopback, with limits that do not bind.
//!
//! Ends with the value, whatever happened. Its log goes nowhere: writing one would be measured.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use zerok_core::address::RelayAddress;

use crate::{run::Run, trouble::Trouble};

/// What a relay is never to be slowed down by: these are the limits of a public relay against strangers.
const LIMITS: &str = "
[store]
reserve_bytes = 0
[limits]
links_per_origin = 100000
half_open = 100000
handshakes = { burst = 1000000, per_second = 1000000 }
push_bytes = { burst = \"1TiB\", per_second = \"1TiB\" }
group_bytes = \"1TiB\"
group_blobs = 1000000000
groups_per_day = 1000000
mailboxes_per_group = 1000
mailboxes_per_origin = 1000000
mailboxes = 1000000
";

/// How a relay is started. The default is one that serves TCP on a port of the operating system's choice.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Relay machines; as many as there are cores unless told otherwise.
    pub machines: Option<usize>,
    /// Each commit waits this long besides, as on a disk that is slower: needs the program built for it.
    pub sync_delay: Option<Duration>,
    /// Where to listen, instead of a free port of loopback.
    pub listen: Option<SocketAddr>,
    /// Words before the program, such as those that enter a network namespace.
    pub within: Vec<String>,
    /// Serve iroh too, at the same place over UDP.
    pub iroh: bool,
}

/// A relay that is up.
#[derive(Debug)]
pub struct RelayProcess {
    /// Where it is.
    pub address: RelayAddress,
    program: PathBuf,
    settings: Settings,
    data: PathBuf,
    child: Child,
}

impl RelayProcess {
    /// Starts one on new data.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(run: &Run, settings: &Settings) -> Result<Self, Trouble> {
        let data = run.folder("relay")?;
        let config = data.with_extension("toml");
        fs::write(&config, LIMITS).map_err(Trouble::at(&config))?;
        let program = match settings.sync_delay {
            None => run.relay.clone(),
            Some(_) => run.delayed_relay.clone().ok_or_else(|| {
                Trouble::Missing(
                    "the relay with an injected sync delay is not built; start `cargo xtask bench`".to_owned(),
                )
            })?,
        };
        let mut settings = settings.clone();
        if settings.listen.is_none() {
            // Chosen here, so that a restarted relay has it again.
            let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
            settings.listen = Some(free.map_err(Trouble::io("a free port"))?);
        }
        let (child, address) = spawn(&program, &data, &settings)?;
        Ok(Self { address, program, settings, data, child })
    }

    /// Kill -9, and a new process on the same data and port.
    ///
    /// # Errors
    /// It does not start again.
    pub fn kill_and_restart(&mut self) -> Result<(), Trouble> {
        self.end();
        (self.child, self.address) = spawn(&self.program, &self.data, &self.settings)?;
        Ok(())
    }

    /// Tells it to stop, waits until it has, and answers where its data lies.
    ///
    /// # Errors
    /// It does not end well.
    pub fn stop(mut self) -> Result<PathBuf, Trouble> {
        terminate(&self.child)?;
        let status = self.child.wait().map_err(Trouble::io("waiting for the relay"))?;
        if status.success() {
            Ok(self.data.clone())
        } else {
            Err(Trouble::Process(format!("the relay ended with {status}")))
        }
    }

    /// Its process id, which is that of the relay itself also within a namespace.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// CPU it has used so far, in the kernel's ticks of ten milliseconds: to be divided by thousands of items.
    ///
    /// # Errors
    /// There is no `/proc`.
    pub fn cpu(&self) -> Result<Duration, Trouble> {
        cpu_of(self.id())
    }

    /// Bytes of memory it holds now.
    ///
    /// # Errors
    /// There is no `/proc`.
    pub fn resident(&self) -> Result<u64, Trouble> {
        memory_of(self.id(), "VmRSS:")
    }

    /// Bytes of memory it held at most.
    ///
    /// # Errors
    /// There is no `/proc`.
    pub fn peak(&self) -> Result<u64, Trouble> {
        memory_of(self.id(), "VmHWM:")
    }

    fn end(&mut self) {
        // One that has ended already is what is wanted.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

impl Drop for RelayProcess {
    fn drop(&mut self) {
        self.end();
    }
}

fn spawn(program: &Path, data: &Path, settings: &Settings) -> Result<(Child, RelayAddress), Trouble> {
    let mut words = settings.within.iter().map(PathBuf::from).chain([program.to_owned()]);
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).arg("serve").arg("--data").arg(data).arg("--config").arg(data.with_extension("toml"));
    command.args(["--no-http", "--log", "off"]);
    if let Some(listen) = settings.listen {
        command.args(["--tcp", &listen.to_string(), "--advertise", &listen.to_string()]);
    }
    match (settings.iroh, settings.listen) {
        // The same place over UDP.
        (true, Some(listen)) => command.args(["--iroh", "--iroh-bind", &listen.to_string()]),
        (true, None) => command.arg("--iroh"),
        (false, _) => command.arg("--no-iroh"),
    };
    if let Some(machines) = settings.machines {
        command.args(["--machines", &machines.to_string()]);
    }
    if let Some(delay) = settings.sync_delay {
        command.env("ZEROK_SYNC_DELAY_US", delay.as_micros().to_string());
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(Trouble::at(program))?;
    let out = child.stdout.take().map(BufReader::new).into_iter().flat_map(BufReader::lines).map_while(Result::ok);
    let line = out.into_iter().find_map(|line| line.strip_prefix("address: ").map(str::to_owned));
    match line.and_then(|line| line.parse().ok()) {
        Some(address) => Ok((child, address)),
        None => {
            let _ended = child.kill();
            let status = child.wait().map_err(Trouble::io("waiting for the relay"))?;
            Err(Trouble::Process(format!("the relay does not start ({status})")))
        }
    }
}

#[cfg(unix)]
fn terminate(child: &Child) -> Result<(), Trouble> {
    use rustix::process::{Pid, Signal, kill_process};
    kill_process(Pid::from_child(child), Signal::TERM).map_err(|error| Trouble::io("stopping the relay")(error.into()))
}

#[cfg(not(unix))]
fn terminate(_: &Child) -> Result<(), Trouble> {
    Err(Trouble::Missing("a relay can be told to stop on Unix only".to_owned()))
}

/// CPU that a process has used.
///
/// # Errors
/// There is no `/proc`, or no such process.
pub fn cpu_of(process: u32) -> Result<Duration, Trouble> {
    let path = PathBuf::from(format!("/proc/{process}/stat"));
    let text = fs::read_to_string(&path).map_err(Trouble::at(&path))?;
    // Behind the name, which may hold anything: state is field 3, utime and stime are 14 and 15.
    let fields = text.rsplit(") ").next().unwrap_or_default().split(' ');
    let ticks: Option<u64> = fields.skip(11).take(2).map(|field| field.parse::<u64>().ok()).sum();
    ticks
        .map(|ticks| Duration::from_millis(ticks * 10))
        .ok_or_else(|| Trouble::Process(format!("{}: {text}", path.display())))
}

/// A line of a process's memory, bytes.
///
/// # Errors
/// There is no `/proc`, or no such process.
pub fn memory_of(process: u32, line: &str) -> Result<u64, Trouble> {
    let path = PathBuf::from(format!("/proc/{process}/status"));
    let text = fs::read_to_string(&path).map_err(Trouble::at(&path))?;
    let value = text.lines().find_map(|found| found.strip_prefix(line)).and_then(|rest| rest.split_whitespace().next());
    let kib: Option<u64> = value.and_then(|value| value.parse().ok());
    kib.map(|kib| kib * 1024).ok_or_else(|| Trouble::Process(format!("{} has no {line}", path.display())))
}
