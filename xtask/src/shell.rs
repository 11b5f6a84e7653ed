//! Running other programs, and where things are.
//!
//! Never builds a command line out of text: a program and its arguments stay apart, so no shell is involved.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Why a command of ours did not succeed: one sentence for the person who ran it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }

    /// An IO error, with what was being done.
    pub(crate) fn io(doing: impl fmt::Display, error: &io::Error) -> Self {
        Self(format!("{doing}: {error}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// `cargo` of the toolchain that built this, at the repository's root.
pub(crate) fn cargo<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(arguments);
    // What Cargo tells the program it runs, namely this one, would reach build scripts as news: some then build everything that depends
    // on them again, and once more for whoever builds without us.
    let told = std::env::vars_os().map(|(name, _)| name).filter(|name| name.to_str().is_some_and(is_about_us));
    told.for_each(|name| drop(command.env_remove(name)));
    command
}

/// Whether Cargo sets this variable to say which package it runs.
fn is_about_us(variable: &str) -> bool {
    const ABOUT: [&str; 6] = [
        "CARGO_BIN_NAME",
        "CARGO_CRATE_NAME",
        "CARGO_MANIFEST_DIR",
        "CARGO_MANIFEST_LINKS",
        "CARGO_MANIFEST_PATH",
        "CARGO_PRIMARY_PACKAGE",
    ];
    variable.starts_with("CARGO_PKG_") || ABOUT.contains(&variable)
}

/// Any other program, at the repository's root.
pub(crate) fn program<'a>(name: &str, arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root()).args(arguments);
    command
}

/// Runs it in the open: what it prints is seen as it comes.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let line = shown(command);
    println!("$ {line}");
    let status =
        command.stdin(Stdio::null()).status().map_err(|e| Failure::io(format!("cannot start `{line}`"), &e))?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("`{line}` failed ({status})"))) }
}

/// Runs it for what it prints.
pub(crate) fn capture(command: &mut Command) -> Result<String, Failure> {
    capture_with(command, "")
}

/// The same with something to read on standard input.
pub(crate) fn capture_with(command: &mut Command, input: &str) -> Result<String, Failure> {
    use std::io::Write as _;
    let line = shown(command);
    let failed = |e: std::io::Error| Failure::io(format!("cannot run `{line}`"), &e);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that ended without reading says why by its status.
        let _unread = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(failed)?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::new(format!("`{line}` failed ({}): {}", output.status, told.trim())));
    }
    String::from_utf8(output.stdout).map_err(|_| Failure::new(format!("`{line}` printed something that is not UTF-8")))
}

/// Whether a program can be started by its name.
pub(crate) fn installed(name: &str) -> bool {
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    // Debian keeps `ip` where the PATH of an ordinary user does not look.
    let usual = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&usual).chain(["/usr/sbin".into(), "/sbin".into()]).any(|folder| folder.join(&file).is_file())
}

/// Whether `cargo NAME` exists. Cargo looks in its own folder too, so asking it beats searching the PATH.
pub(crate) fn cargo_has(name: &str) -> bool {
    cargo([name, "--version"]).stdin(Stdio::null()).output().is_ok_and(|output| output.status.success())
}

/// Every file below the root that belongs to the repository and satisfies `wanted`, sorted. Never follows links to folders.
pub(crate) fn files(wanted: impl Fn(&Path) -> bool) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).map_err(|e| Failure::io(folder.display(), &e))?;
        for entry in entries {
            let entry = entry.map_err(|e| Failure::io(folder.display(), &e))?;
            let kind = entry.file_type().map_err(|e| Failure::io(entry.path().display(), &e))?;
            let name = entry.file_name();
            if kind.is_dir() && !matches!(name.to_str(), Some("target" | "node_modules" | ".git")) {
                folders.push(entry.path());
            } else if kind.is_file() && wanted(&entry.path()) {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// A path as a reader of the repository knows it.
pub(crate) fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

fn shown(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    command.get_args().fold(name, |line, argument| format!("{line} {}", argument.to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_that_we_start_is_the_one_that_anybody_starts() {
        let command = cargo(["build"]);
        let removed: Vec<_> = command.get_envs().filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect();
        // Cargo has set these for this very test.
        for name in ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "CARGO_PKG_VERSION_MAJOR"] {
            assert!(removed.iter().any(|removed| *removed == name), "{name} is not among {removed:?}");
        }
        // What a person sets goes on.
        for name in ["CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_BUILD_JOBS", "CARGO_PROFILE_DEV_DEBUG"] {
            assert!(!is_about_us(name), "{name}");
        }
    }
}
