//! What a run found, as JSON: with the commit, the day and the machine, without which numbers mean nothing.

use std::{fs, path::Path, process::Command};

use serde::{Deserialize, Serialize};

use crate::{figure::Outcome, trouble::Trouble};

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The commit that was measured; with a plus sign when files differed from it.
    pub commit: String,
    /// The day, by UTC.
    pub date: String,
    /// On what.
    pub machine: Machine,
    /// Rounds of each comparison.
    pub rounds: usize,
    /// What was measured, in the order of the table.
    pub figures: Vec<Measured>,
}

/// One figure of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Its name.
    pub name: String,
    /// What it found.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// Why it found nothing, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<String>,
    /// Seconds it took.
    pub took: f64,
}

/// A computer, as far as it explains numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// The kernel.
    pub kernel: String,
}

impl Report {
    /// An empty one, about here and now.
    pub fn begin(rounds: usize) -> Self {
        let said = |program: &str, arguments: &[&str]| {
            let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success());
            output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        };
        let unknown = || "unknown".to_owned();
        let changed = said("git", &["status", "--porcelain", "--untracked-files=no"]).is_some_and(|it| !it.is_empty());
        let commit = said("git", &["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(unknown);
        let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let name = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Self {
            commit: if changed { commit + "+" } else { commit },
            date: said("date", &["-u", "+%Y-%m-%d"]).unwrap_or_else(unknown),
            machine: Machine {
                cpu: name.map_or_else(unknown, |(_, name)| name.to_owned()),
                cores: std::thread::available_parallelism().map_or(1, usize::from),
                kernel: said("uname", &["-sr"]).unwrap_or_else(unknown),
            },
            rounds,
            figures: Vec::new(),
        }
    }

    /// Reads what [`write`](Self::write) wrote.
    ///
    /// # Errors
    /// The file cannot be read or is something else.
    pub fn read(path: &Path) -> Result<Self, Trouble> {
        let text = fs::read_to_string(path).map_err(Trouble::at(path))?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Writes it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Trouble> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(path, text).map_err(Trouble::at(path))
    }
}
