//! Children that are killed, what they said until then, and the files they leave.

use std::{
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use zerok_core::rng::Draw;

/// How long anything here may take, for a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A process whose words are heard until its last.
pub(crate) struct Talker {
    child: Child,
    lines: Receiver<String>,
}

impl Talker {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        let (say, lines) = channel();
        thread::spawn(move || {
            let mut line = String::new();
            // A line without its end was cut by the kill: it was not said.
            while out.read_line(&mut line).is_ok_and(|len| len > 0) && line.ends_with('\n') {
                if say.send(line.trim_end().to_owned()).is_err() {
                    return;
                }
                line.clear();
            }
        });
        Self { child, lines }
    }

    /// The next line; `None` when it has ended.
    pub(crate) fn line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("silent for {PATIENCE:?}"),
        }
    }

    /// Lets it talk for so long, then kills it with -9. Answers everything it said since.
    pub(crate) fn kill_after(mut self, time: Duration) -> Vec<String> {
        let end = Instant::now() + time;
        let mut said = Vec::new();
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => said.push(line),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => panic!("it ended by itself; it had said {said:?}"),
            }
        }
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it is gone");
        // What it said before it died counts.
        said.extend(self.lines.iter());
        said
    }

    /// Hears it out. It must end well by itself.
    pub(crate) fn finish(mut self) -> Vec<String> {
        let mut said = Vec::new();
        while let Some(line) = self.line() {
            said.push(line);
        }
        let status = self.child.wait().expect("it is gone");
        assert!(status.success(), "{status}; it had said {said:?}");
        said
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// The relay program over a data directory.
pub(crate) fn relay(data: &Path, port: SocketAddr) -> Command {
    let here = std::env::current_exe().expect("this program has a path");
    let built = here.ancestors().nth(2).expect("target/profile/examples").join("zerok-relay");
    let mut command = Command::new(built);
    command.arg("serve").arg("--data").arg(data).args(["--no-http", "--no-iroh", "--log", "error", "--machines", "2"]);
    command.args(["--tcp", &port.to_string()]).stderr(Stdio::inherit());
    command
}

/// A port nobody uses.
pub(crate) fn port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("loopback has a free port")
}

/// A directory for one run; it stays when something went wrong, to be looked at.
pub(crate) struct Home(tempfile::TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the files are in {}", self.0.path().display());
            self.0.disable_cleanup(true);
        }
    }
}

/// Some time below `most`.
pub(crate) fn moment(draw: &mut Draw, most: Duration) -> Duration {
    Duration::from_micros(draw.below(u32::try_from(most.as_micros()).expect("short")).into())
}

/// What SQLite says of a database and its log, looked at in a copy: opening the original would mend what the next process must meet.
pub(crate) fn integrity(data: &Path, file: &str) -> Option<()> {
    let scratch = tempfile::tempdir().unwrap();
    for name in [file.to_owned(), format!("{file}-wal")] {
        let from: PathBuf = data.join(&name);
        if from.exists() {
            std::fs::copy(from, scratch.path().join(&name)).unwrap();
        }
    }
    let copy = scratch.path().join(file);
    // Killed before it made one.
    copy.exists().then_some(())?;
    let database = Connection::open(copy).unwrap();
    let verdict: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok", "{}", data.display());
    Some(())
}
