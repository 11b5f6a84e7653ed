//! The steps of the window layer: the JavaScript package, the plugin's crates, and two apps in real windows.

use std::{fs, path::Path};

use serde_json::Value;

use super::{
    Mode, cargo_steps,
    report::{Outcome, Skip},
};
use crate::{
    json,
    shell::{self, Failure},
    window,
};

/// What apps without a bundler load. Committed, so that the crate builds without npm.
const SCRIPT: &str = "tauri-plugin/api-iife.js";
/// Written by the plugin's build from its list of commands, and committed, as people read them.
const PERMISSIONS: &str = "tauri-plugin/permissions";

/// Types, tests, and that what is committed is what the sources give.
pub(super) fn js(_: Mode) -> Result<Outcome, Failure> {
    if let Some(why) = window::no_node() {
        return Ok(missing(why));
    }
    let committed = read(SCRIPT)?;
    window::npm_ci(window::PLUGIN)?;
    for script in ["check", "test"] {
        window::npm_run(window::PLUGIN, script)?;
    }
    if read(SCRIPT)? != committed {
        return Err(Failure::new(format!("{SCRIPT} was not what guest-js gives; it is now, so commit it")));
    }
    window::npm_ci(window::APP)?;
    for script in ["check", "test"] {
        window::npm_run(window::APP, script)?;
    }
    Ok(Outcome::passed())
}

pub(super) fn plugin(mode: Mode) -> Result<Outcome, Failure> {
    if !window::libraries() {
        return Ok(missing("WebKitGTK's development files (libwebkit2gtk-4.1-dev) are not installed".to_owned()));
    }
    let packages: Vec<&str> = window::CRATES.iter().flat_map(|package| ["--package", package]).collect();
    if shell::cargo_has("nextest") {
        cargo_steps::nextest(&packages, mode)?;
    } else {
        shell::run(shell::cargo(["test", "--lib", "--tests"]).args(packages).args(mode.locked()))?;
    }
    // Only a strict run starts from what is committed; anybody else may be in the middle of a change.
    if mode == Mode::Strict {
        let changed = shell::capture(&mut shell::program("git", ["status", "--porcelain", "--", PERMISSIONS]))?;
        if !changed.trim().is_empty() {
            return Err(Failure::new(format!("the build changed what is committed:\n{changed}")));
        }
    }
    Ok(Outcome::passed())
}

/// Two whole apps and a relay, driven as people use them; once more with a policy that leaves only JSON.
pub(super) fn app(mode: Mode) -> Result<Outcome, Failure> {
    if !cfg!(target_os = "linux") {
        return Ok(Outcome::Skipped(Skip::NothingToBeDone("driving a window is only known on Linux".to_owned())));
    }
    if let Some(why) = no_windows() {
        return Ok(missing(why));
    }
    window::page()?;
    let built = window::target().join("e2e");
    fs::create_dir_all(&built).map_err(|e| Failure::io(built.display(), &e))?;
    let mut config = parse("examples/notes/e2e/tauri.e2e.conf.json")?;
    build(&config, mode)?;
    keep("zerok-relay", &built.join("zerok-relay"))?;
    keep("zerok-notes", &built.join("zerok-notes"))?;
    merge(&mut config, parse("examples/notes/src-tauri/tauri.no-ipc-scheme.conf.json")?);
    build(&config, mode)?;
    keep("zerok-notes", &built.join("zerok-notes-strict"))?;

    let mut command = shell::program("npm", ["run", "--silent", "e2e"]);
    command.current_dir(shell::root().join(window::APP)).env("NOTES_E2E_BUILT", &built);
    shell::run(command.envs(window::tauri_driver().map(|driver| ("TAURI_DRIVER", driver))))?;
    Ok(Outcome::passed())
}

/// Why no window can be opened and driven here, if so.
fn no_windows() -> Option<String> {
    if let Some(why) = window::no_node() {
        return Some(why);
    }
    if !window::libraries() {
        return Some("WebKitGTK's development files (libwebkit2gtk-4.1-dev) are not installed".to_owned());
    }
    let program = ["WebKitWebDriver", "Xvfb"].into_iter().find(|program| !shell::installed(program));
    let driver = || window::tauri_driver().is_none().then_some("tauri-driver");
    program.or_else(driver).map(|name| format!("{name} is not installed"))
}

/// Builds the app as the tests want it. The configuration goes over that of the repository.
fn build(config: &Value, mode: Mode) -> Result<(), Failure> {
    let mut command = shell::cargo(["build", "--package", "zerok-relay", "--package", "zerok-notes"]);
    shell::run(command.args(mode.locked()).env("TAURI_CONFIG", config.to_string()))
}

/// Copies what was built, as the next build puts another in its place.
fn keep(program: &str, to: &Path) -> Result<(), Failure> {
    let from = window::target().join("debug").join(program);
    fs::copy(&from, to).map(drop).map_err(|e| Failure::io(from.display(), &e))
}

fn parse(file: &str) -> Result<Value, Failure> {
    json::parse(&String::from_utf8_lossy(&read(file)?))
}

fn read(file: &str) -> Result<Vec<u8>, Failure> {
    fs::read(shell::root().join(file)).map_err(|e| Failure::io(file, &e))
}

/// Lays one object over another, field by field.
fn merge(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (name, value) in over {
                merge(under.entry(name).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over,
    }
}

fn missing(what: String) -> Outcome {
    Outcome::Skipped(Skip::ToolMissing(what))
}

#[cfg(test)]
mod tests;
