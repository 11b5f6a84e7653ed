//! A child process that cannot outlive us.
//!
//! Its standard error goes to a file, whose end is quoted when something goes wrong. Lines of its standard output are heard as they
//! come.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use crate::shell::Failure;

/// A running program.
pub(super) struct Process {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    log: PathBuf,
}

/// A line of its output, or `None` at its end.
pub(super) type Said = Option<String>;

impl Process {
    /// Starts it. `hear` is called on a thread of its own, for each line and then once for the end.
    pub(super) fn start(
        name: &str,
        folder: &Path,
        command: &mut Command,
        mut hear: impl FnMut(Said) -> bool + Send + 'static,
    ) -> Result<Self, Failure> {
        let log = folder.join(format!("{name}.log"));
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&log);
        let file = file.map_err(|e| Failure::io(log.display(), &e))?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file);
        let mut child = command.spawn().map_err(|e| Failure::io(format!("cannot start {name}"), &e))?;
        let input = child.stdin.take();
        if let Some(output) = child.stdout.take() {
            thread::spawn(move || {
                let lines = BufReader::new(output).lines().map_while(Result::ok);
                let told = lines.map(Some).chain([None]);
                for line in told {
                    if !hear(line) {
                        break;
                    }
                }
            });
        }
        Ok(Self { name: name.to_owned(), child, input, log })
    }

    /// Starts it for a conversation.
    pub(super) fn listen(name: &str, folder: &Path, command: &mut Command) -> Result<(Self, Lines), Failure> {
        let (sender, receiver): (Sender<Said>, Receiver<Said>) = channel();
        let process = Self::start(name, folder, command, move |said| sender.send(said).is_ok())?;
        Ok((process, Lines(receiver)))
    }

    /// Writes to its standard input.
    pub(super) fn write(&mut self, text: &str) -> Result<(), Failure> {
        let Some(input) = &mut self.input else { return Err(Failure::new(format!("{} takes no input", self.name))) };
        let written = input.write_all(text.as_bytes()).and_then(|()| input.flush());
        written.map_err(|e| Failure::io(format!("{} does not read", self.name), &e))
    }

    /// No more input.
    pub(super) fn hang_up(&mut self) {
        self.input = None;
    }

    /// As `kill -9` does it: no chance to tidy up.
    pub(super) fn kill(mut self) -> Result<(), Failure> {
        self.child
            .kill()
            .and_then(|()| self.child.wait())
            .map_err(|e| Failure::io(format!("cannot kill {}", self.name), &e))?;
        Ok(())
    }

    /// Asks it to end, and kills it when it does not.
    pub(super) fn stop(mut self, patience: Duration) {
        self.hang_up();
        if cfg!(unix) {
            // The standard library knows only SIGKILL. When this fails, so will waiting, and the drop below kills.
            let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        }
        let _ = self.ended(patience);
    }

    /// Waits for its end; whether it succeeded.
    pub(super) fn ended(&mut self, patience: Duration) -> Result<bool, Failure> {
        let limit = Instant::now() + patience;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Ok(status.success()),
                Ok(None) if Instant::now() < limit => thread::sleep(Duration::from_millis(5)),
                Ok(None) => return Err(Failure::new(format!("{} does not end{}", self.name, self.last_words()))),
                Err(e) => return Err(Failure::io(&self.name, &e)),
            }
        }
    }

    /// The end of its log, for a failure's sentence.
    pub(super) fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(5);
        lines[from..].iter().fold(String::new(), |told, line| format!("{told}\n  {} said: {line}", self.name))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a process says, line by line.
pub(super) struct Lines(Receiver<Said>);

impl Lines {
    /// The next line that `wanted` makes something of.
    pub(super) fn find<T>(
        &self,
        process: &Process,
        patience: Duration,
        wanted: impl Fn(&str) -> Option<T>,
    ) -> Result<T, Failure> {
        let limit = Instant::now() + patience;
        loop {
            let left = limit.saturating_duration_since(Instant::now());
            match self.0.recv_timeout(left) {
                Ok(Some(line)) => {
                    if let Some(found) = wanted(&line) {
                        return Ok(found);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    return Err(Failure::new(format!("{} stays silent{}", process.name, process.last_words())));
                }
                Ok(None) | Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failure::new(format!("{} ended too early{}", process.name, process.last_words())));
                }
            }
        }
    }
}
