//! One target: its run, the finding if there was one, and its committed corpus.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::figures::Figures;
use crate::shell::{self, Failure};

/// Most files and bytes of a committed corpus.
const FILES: usize = 200;
const BYTES: u64 = 90 * 1024;
/// Inputs of this name once found a defect and stay.
const FOUND: &str = "found-";

/// What came of a target.
pub(super) struct Run {
    name: String,
    figures: Figures,
    /// The input of a finding, and what it said.
    found: Option<(PathBuf, String)>,
}

impl Run {
    /// Runs it for so long, upon everything learned before.
    pub(super) fn of(programs: &Path, name: &str, seconds: u64) -> Result<Self, Failure> {
        let (work, corpus, artifacts) = (folder("work", name)?, folder("corpus", name)?, folder("artifacts", name)?);
        let fresh = artifacts.join("finding");
        let _gone = fs::remove_file(&fresh);
        let mut command = Command::new(programs.join(name));
        command.arg(format!("-max_total_time={seconds}")).arg(format!("-exact_artifact_path={}", fresh.display()));
        command.args(["-max_len=4096", "-timeout=25", "-print_final_stats=1"]).args([&work, &corpus]);
        let printed = told(&mut command)?;
        let found = fresh.is_file().then(|| {
            let said = printed.lines().skip_while(|line| !line.contains("panicked at")).take(2);
            let said = said.collect::<Vec<_>>().join(" ");
            (shrunk(programs, name, &fresh), said)
        });
        Ok(Self { name: name.to_owned(), figures: Figures::read(&printed), found })
    }

    pub(super) fn line(&self) -> String {
        let Figures { executions, edges, features, .. } = self.figures;
        let end = self.found.as_ref().map_or(String::new(), |(_, said)| format!("\nFOUND: {said}"));
        format!("{executions} executions, {edges} edges, {features} features{end}")
    }

    pub(super) fn row(&self) -> String {
        let Figures { executions, edges, all_edges, features, inputs } = self.figures;
        let findings = u8::from(self.found.is_some());
        format!("| {} | {executions} | {edges} | {all_edges} | {features} | {inputs} | {findings} |", self.name)
    }

    /// How to see it again.
    pub(super) fn finding(&self) -> Option<String> {
        let (input, said) = self.found.as_ref()?;
        let (name, input) = (&self.name, shell::relative(input));
        Some(format!("{name}: {said}\n  again: cargo +nightly fuzz run --sanitizer none {name} {input}"))
    }

    /// Makes the committed corpus anew from all that was learned: few small inputs that reach every edge.
    pub(super) fn keep(&self, programs: &Path) -> Result<(), Failure> {
        let (work, corpus) = (folder("work", &self.name)?, folder("corpus", &self.name)?);
        let chosen = shell::root().join("fuzz/work").join(format!("{}.chosen", self.name));
        let _gone = fs::remove_dir_all(&chosen);
        fs::create_dir_all(&chosen).map_err(|e| Failure::io(chosen.display(), &e))?;
        let mut command = Command::new(programs.join(&self.name));
        // Edges alone, not how often: what is replayed at every build is to be small.
        command.args(["-set_cover_merge=1", "-use_counters=0", "-max_len=4096"]).args([&chosen, &corpus, &work]);
        told(&mut command)?;
        let mut inputs = sizes(&chosen)?;
        inputs.sort();
        for (path, _) in sizes(&corpus)? {
            if !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(FOUND)) {
                fs::remove_file(&path).map_err(|e| Failure::io(path.display(), &e))?;
            }
        }
        let mut bytes = 0;
        // The smallest first: when not all fit, more fit.
        inputs.sort_by_key(|(_, size)| *size);
        let mut kept = sizes(&corpus)?.len();
        for (path, size) in inputs {
            bytes += size;
            if kept == FILES || bytes > BYTES {
                break;
            }
            let to = corpus.join(path.file_name().unwrap_or_default());
            fs::copy(&path, &to).map_err(|e| Failure::io(to.display(), &e))?;
            kept += 1;
        }
        println!("{}: {kept} inputs in fuzz/corpus", self.name);
        fs::remove_dir_all(&chosen).map_err(|e| Failure::io(chosen.display(), &e))
    }
}

/// A smaller input that fails too, if one is found in time.
fn shrunk(programs: &Path, name: &str, input: &Path) -> PathBuf {
    let small = input.with_file_name("finding.small");
    let _gone = fs::remove_file(&small);
    let mut command = Command::new(programs.join(name));
    command.args(["-minimize_crash=1", "-max_total_time=20"]).arg(format!("-exact_artifact_path={}", small.display()));
    let _told = told(command.arg(input));
    if small.is_file() { small } else { input.to_path_buf() }
}

/// Runs a fuzz program at low priority where that is possible; what it prints is all on standard error. A finding is no failure here.
fn told(command: &mut Command) -> Result<String, Failure> {
    let failed = |e: std::io::Error| Failure::io("cannot run the fuzz program", &e);
    let output = command.current_dir(shell::root()).stdin(Stdio::null()).output().map_err(failed)?;
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

fn folder(kind: &str, name: &str) -> Result<PathBuf, Failure> {
    let folder = shell::root().join("fuzz").join(kind).join(name);
    fs::create_dir_all(&folder).map_err(|e| Failure::io(folder.display(), &e))?;
    Ok(folder)
}

fn sizes(folder: &Path) -> Result<Vec<(PathBuf, u64)>, Failure> {
    let entries = fs::read_dir(folder).map_err(|e| Failure::io(folder.display(), &e))?;
    let size = |entry: fs::DirEntry| Some((entry.path(), entry.metadata().ok()?.len()));
    Ok(entries.filter_map(Result::ok).filter_map(size).collect())
}
