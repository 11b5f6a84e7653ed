//! Why a figure could not be had.

use std::{io, path::Path};

use thiserror::Error;
use zerok_core::{error::Code, machine::Misuse};

/// Why a figure could not be had.
#[derive(Debug, Error)]
pub enum Trouble {
    /// Something it needs is not here: the figure is left out, with this reason, and nothing has failed.
    #[error("{0}")]
    Missing(String),
    /// The operating system failed.
    #[error("{doing}: {source}")]
    Io {
        /// While doing what.
        doing: String,
        /// What it said.
        source: io::Error,
    },
    /// SQLite failed, in a floor or in the naive relay.
    #[error("SQLite: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A result did not read as what it should be.
    #[error("malformed: {0}")]
    Malformed(#[from] serde_json::Error),
    /// A device refuses what the load asked of it.
    #[error("a device refuses: {0}")]
    Rejected(Code),
    /// A real device refuses.
    #[error("a device refuses: {0}")]
    Device(#[from] zerok_tokio::SyncError),
    /// The load misused a device's machine.
    #[error("the load is faulty: {0}")]
    Misuse(#[from] Misuse),
    /// A relay or another process did not do what it should.
    #[error("{0}")]
    Process(String),
    /// What was measured makes no sense, so it is no figure.
    #[error("not believed: {0}")]
    Absurd(String),
}

impl Trouble {
    /// An IO error and what was being done; for `map_err`.
    pub fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        |source| Self::Io { doing, source }
    }

    /// The same about a file.
    pub fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        Self::io(path.display().to_string())
    }
}
