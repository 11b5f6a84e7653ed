//! A relay as one would write it in an afternoon, to see what that costs.
//!
//! It keeps its promise, an acknowledgement is synced, and it works. Its faults are those that relays in the field have been seen with
//! (measured by us, November 2026): it adds up the whole log for the quota at each push; it numbers a blob in one transaction and
//! stores it in another; it counts the log at each hello; bytes travel as lists of numbers; pages are limited by count. No
//! cryptography of the link at all, so that what it loses, it does not lose there.
//!
//! # Layout
//! [`server`]: the relay. [`client`]: what loads it, as the bare devices load ours.

mod client;
mod server;

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use serde::{Deserialize, Serialize};

pub use client::{Wish, push};
pub use server::serve;

use crate::{figure::Series, load::Done, run::Run, trouble::Trouble};

/// Blobs of one measurement, at a rate of hundreds.
const COUNT: usize = 192;

/// What a client says, one JSON object a line.
#[derive(Debug, Serialize, Deserialize)]
enum Request {
    Hello,
    Push { blob: Vec<u8> },
    Pull { after: i64 },
}

/// What the relay says.
#[derive(Debug, Serialize, Deserialize)]
enum Answer {
    Welcome { waiting: i64 },
    Pushed { cursor: i64 },
    Page { blobs: Vec<(i64, Vec<u8>)> },
    Full,
}

/// Its pushes per second at these backlogs.
///
/// # Errors
/// It does not run.
pub fn rates(run: &Run, backlogs: &[usize]) -> Result<Series, Trouble> {
    let mut points = Vec::new();
    for backlog in backlogs {
        let relay = Process::start(run, *backlog)?;
        let arguments = ["naive-push", "--port", &relay.port, "--count", &COUNT.to_string()];
        let done: Done = run.load(arguments)?;
        points.push((*backlog as f64, COUNT as f64 / done.seconds));
    }
    Ok(Series { name: "naive relay".to_owned(), points })
}

/// The naive relay in a process of its own.
struct Process {
    child: Child,
    port: String,
}

impl Process {
    fn start(run: &Run, backlog: usize) -> Result<Self, Trouble> {
        let mut command = Command::new(&run.bench);
        command.arg("naive").arg(run.folder("naive")?).arg(backlog.to_string());
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(Trouble::io("starting the naive relay"))?;
        let mut port = String::new();
        let out = child.stdout.take();
        let mut relay = Self { child, port: String::new() };
        out.map_or(Ok(0), |out| BufReader::new(out).read_line(&mut port)).map_err(Trouble::io("the naive relay"))?;
        relay.port = port.trim().to_owned();
        Ok(relay)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

#[cfg(test)]
mod tests;
