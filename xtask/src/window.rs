//! What the window layer needs: the plugin and the app are built against the system's GTK and WebKit, and the app's page by npm.
//!
//! Everything else in this repository does without, so a machine that lacks them still builds, tests and demonstrates the rest.

use std::path::{Path, PathBuf};

use crate::shell::{self, Failure};

/// The packages of the workspace that are built against the window layer.
pub(crate) const CRATES: &[&str] = &["zerok-sync-tauri", "zerok-notes"];

/// Where the page's side of the plugin is made, and then the app's page, which uses it.
pub(crate) const PLUGIN: &str = "tauri-plugin";
/// The app.
pub(crate) const APP: &str = "examples/notes";

/// The oldest Node that the page's tools run on.
const NODE: u32 = 20;

/// Whether the crates can be built. Elsewhere than on Linux the window layer is a part of the system.
pub(crate) fn libraries() -> bool {
    if !cfg!(target_os = "linux") {
        return true;
    }
    shell::capture(&mut shell::program("pkg-config", ["--exists", "webkit2gtk-4.1"])).is_ok()
}

/// Why npm cannot be used, if it cannot.
pub(crate) fn no_node() -> Option<String> {
    let wanted = format!("Node {NODE} or later with npm is wanted");
    if !shell::installed("node") || !shell::installed("npm") {
        return Some(format!("{wanted}, and is not installed"));
    }
    let told = shell::capture(&mut shell::program("node", ["--version"])).unwrap_or_default();
    let major = told.trim().trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    major.is_none_or(|major| major < NODE).then(|| format!("{wanted}, and this is {}", told.trim()))
}

/// Installs what a folder's lock file names, unless that is what is there.
pub(crate) fn npm_ci(folder: &str) -> Result<(), Failure> {
    let folder = shell::root().join(folder);
    let written = |path: &Path| path.metadata().and_then(|data| data.modified()).ok();
    // npm keeps a copy of the lock file it went by.
    let there = written(&folder.join("node_modules/.package-lock.json"));
    if there.is_some() && there >= written(&folder.join("package-lock.json")) {
        return Ok(());
    }
    shell::run(shell::program("npm", ["ci", "--no-audit", "--no-fund"]).current_dir(folder))
}

/// Runs a script of a folder's package.json.
pub(crate) fn npm_run(folder: &str, script: &str) -> Result<(), Failure> {
    shell::run(shell::program("npm", ["run", "--silent", script]).current_dir(shell::root().join(folder)))
}

/// Makes the app's page, with everything it is made of. A build of the app takes it in.
pub(crate) fn page() -> Result<(), Failure> {
    for folder in [PLUGIN, APP] {
        npm_ci(folder)?;
        npm_run(folder, "build")?;
    }
    Ok(())
}

/// Where Cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    shell::root().join(target)
}

/// The driver between a test and the app's window: where it is, if it is.
pub(crate) fn tauri_driver() -> Option<PathBuf> {
    let name = format!("tauri-driver{}", std::env::consts::EXE_SUFFIX);
    let home = std::env::home_dir().map(|home| home.join(".cargo"));
    let cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from).or(home).map(|folder| folder.join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    cargo.into_iter().chain(std::env::split_paths(&path)).map(|folder| folder.join(&name)).find(|file| file.is_file())
}
