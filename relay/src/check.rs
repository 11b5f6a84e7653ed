//! `zerok-relay check`: is everything in order, without serving?
//!
//! Takes the data directory's lock, so it never reads a database that is being written, and changes nothing but lax file modes. Of a
//! running relay it sees the configuration and the disk; keys and database are the running one's to judge.

use std::path::PathBuf;

use serde::Serialize;
use zerok_tokio::data_dir::{DataDir, DataDirFault};

use crate::{
    config::Config,
    identity::Identity,
    store::{self, FILE},
};

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    /// The data directory.
    pub data: PathBuf,
    /// Whether a relay is running on it.
    pub running: bool,
    /// One for each thing looked at.
    pub lines: Vec<Finding>,
}

/// One thing looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is.
    pub what: &'static str,
    /// Whether it is in order.
    pub ok: bool,
    /// How it is.
    pub how: String,
}

impl Findings {
    /// Whether everything is in order.
    pub fn all_ok(&self) -> bool {
        self.lines.iter().all(|line| line.ok)
    }

    fn note(&mut self, what: &'static str, found: Result<String, String>) -> bool {
        let ok = found.is_ok();
        let how = found.unwrap_or_else(|problem| problem);
        self.lines.push(Finding { what, ok, how });
        ok
    }
}

/// Looks at the configuration, the data directory, the keys and the database.
pub fn check(config: &Config) -> Findings {
    let mut findings = Findings { data: config.data.clone(), running: false, lines: Vec::new() };
    findings.note(
        "configuration",
        match config.check() {
            Ok(()) => Ok(format!("sound, {} machines", config.machines)),
            Err(error) => Err(error.to_string()),
        },
    );
    if !config.data.is_dir() {
        findings.note("data directory", Ok("not there yet; the first start makes it".to_owned()));
        return findings;
    }
    match DataDir::lock(&config.data) {
        Ok(dir) => {
            findings.note("data directory", Ok("private and not in use".to_owned()));
            contents(config, &dir, &mut findings);
        }
        Err(DataDirFault::InUse) => {
            findings.running = true;
            let how = "a relay is running on it, so keys and database are left alone; its /health tells how they are";
            findings.note("data directory", Ok(how.to_owned()));
        }
        Err(fault) => {
            findings.note("data directory", Err(fault.to_string()));
            return findings;
        }
    }
    disk(config, &mut findings);
    findings
}

/// Keys and database of a relay that does not run.
fn contents(config: &Config, dir: &DataDir, findings: &mut Findings) {
    let path = config.data.join(FILE);
    let fresh = !Identity::exists(dir.path()) && !path.exists();
    findings.note(
        "identity",
        match fresh {
            true => Ok("none yet; the first start makes it".to_owned()),
            false => match Identity::load(dir) {
                Ok(identity) => Ok(format!("relay key {}", zerok_core::ids::RelayKey(identity.link.public().0))),
                Err(error) => Err(error.to_string()),
            },
        },
    );
    findings.note(
        "database",
        match path.exists() {
            false => Ok("none yet; the first start makes it".to_owned()),
            true => match store::inspect(&path) {
                Ok(contents) => Ok(contents.to_string()),
                Err(error) => Err(error.to_string()),
            },
        },
    );
}

fn disk(config: &Config, findings: &mut Findings) {
    findings.note(
        "disk",
        match store::free_bytes(&config.data) {
            Some(free) if free < config.store.reserve_bytes => Err(format!(
                "{} MiB free, less than the reserve of {} MiB: pushes are refused",
                free >> 20,
                config.store.reserve_bytes >> 20
            )),
            Some(free) => Ok(format!("{} MiB free", free >> 20)),
            None => Ok("this system does not say how much is free".to_owned()),
        },
    );
}

#[cfg(test)]
mod tests;
