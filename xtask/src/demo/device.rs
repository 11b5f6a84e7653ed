//! A device as a program.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::mpsc::Sender,
    time::Duration,
};

use serde_json::Value;

use super::process::{Lines, Process};
use crate::{
    json,
    shell::{self, Failure},
};

/// How long one command may take before the demo gives up on it.
const PATIENCE: Duration = Duration::from_secs(30);

/// One device: a name and a data folder.
pub(super) struct Device {
    pub(super) name: &'static str,
    program: PathBuf,
    folder: PathBuf,
}

/// Something a watching device said. `line` is `None` when the process ended.
pub(super) struct Heard {
    pub(super) device: usize,
    /// Which of its lives: 0, then 1 after a restart, …
    pub(super) life: usize,
    pub(super) line: Option<String>,
}

/// An invite that waits for somebody.
pub(super) struct Inviting {
    process: Process,
    lines: Lines,
}

impl Device {
    pub(super) fn new(name: &'static str, program: &Path, folder: &Path) -> Self {
        Self { name, program: program.to_path_buf(), folder: folder.to_path_buf() }
    }

    pub(super) fn init(&self, relay: &str) -> Result<(), Failure> {
        shell::capture(&mut self.command(&["init", "--relay", relay, "--name", self.name])).map(drop)
    }

    /// Opens an invite; answers with its code.
    pub(super) fn invite(&self) -> Result<(Inviting, String), Failure> {
        let (process, lines) = Process::listen(self.name, &self.folder, &mut self.command(&["invite", "--json"]))?;
        let code = lines.find(&process, PATIENCE, |line| {
            let code = json::parse(line).ok()?["code"].as_str()?.to_owned();
            Some(code)
        })?;
        Ok((Inviting { process, lines }, code))
    }

    pub(super) fn join(&self, code: &str, relay: &str) -> Result<(), Failure> {
        // Not in the command line, which everyone on this computer can read.
        let mut join = self.command(&["join", "-", "--relay", relay, "--name", self.name]);
        shell::capture_with(&mut join, code).map(drop)
    }

    /// Starts following: what it receives is told to `heard`, what is written to it is pushed.
    pub(super) fn watch(&self, device: usize, life: usize, heard: Sender<Heard>) -> Result<Process, Failure> {
        let mut command = self.command(&["watch", "--json", "--push-stdin"]);
        Process::start(self.name, &self.folder, &mut command, move |line| {
            heard.send(Heard { device, life, line }).is_ok()
        })
    }

    /// Everything it holds, its own included, sorted.
    pub(super) fn everything(&self) -> Result<Vec<String>, Failure> {
        let told = shell::capture(&mut self.command(&["pull", "--all", "--json"]))?;
        let mut all = Vec::new();
        for line in told.lines() {
            all.extend(payload(&json::parse(line)?));
        }
        all.sort();
        Ok(all)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--data").arg(self.folder.join(self.name)).args(arguments);
        // A person's own device must not be drawn into this, nor their keychain.
        command.env_remove("ZEROK_DATA").env("ZEROK_KEY_STORAGE", "file");
        command
    }
}

impl Inviting {
    /// Waits until the invited device is in; answers with its name.
    pub(super) fn joined(mut self) -> Result<String, Failure> {
        let name = self.lines.find(&self.process, PATIENCE, |line| {
            let line = json::parse(line).ok()?;
            (line["event"] == "joined").then(|| json::text(&line, "name").to_owned())
        })?;
        match self.process.ended(PATIENCE)? {
            true => Ok(name),
            false => Err(Failure::new(format!("the invite failed{}", self.process.last_words()))),
        }
    }
}

/// What a line of `watch` or `pull` delivers, if it delivers anything.
pub(super) fn payload(line: &Value) -> Option<String> {
    let text = line["data"].as_str().map(str::to_owned);
    text.or_else(|| line["dataBase64"].as_str().map(|bytes| format!("base64 {bytes}")))
}

/// Whether a line of `watch` says that a pushed blob is stored on the device, at the relay or not.
pub(super) fn confirms(line: &Value) -> bool {
    line["blobId"].is_string() && payload(line).is_none()
}
