//! The core does no IO: nothing in its dependency tree could, and nobody ships it with the model checker's channel.
//!
//! The tree is resolved for the core alone and for every platform, since a workspace would lend it the features of its neighbours.
//! What is listed here must stay unreachable; a crate that merely could open a file (every crate can, through `std`) is the business
//! of the lints in clippy.toml.

use serde_json::Value;

use super::{Mode, report::Outcome};
use crate::{
    json,
    shell::{self, Failure},
};

/// Runtimes, system interfaces and random sources. The core is given time, bytes and a seed instead.
const IMPURE: &[&str] = &[
    "async-executor",
    "async-io",
    "async-std",
    "futures-executor",
    "getrandom",
    "mio",
    "nix",
    "polling",
    "rand",
    "ring",
    "rustix",
    "smol",
    "socket2",
    "tokio",
    "windows-sys",
];

/// Who may use the core with readable frames in place of Noise: nothing that anybody runs for real.
const MAY_MODEL: &[&str] = &["zerok-core", "zerok-testkit", "zerok-bench", "zerok-fuzz", "xtask"];

pub(super) fn check(_: Mode) -> Result<Outcome, Failure> {
    let tree = shell::capture(&mut shell::cargo([
        "tree",
        "--package",
        "zerok-core",
        "--edges",
        "no-dev",
        "--target",
        "all",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]))?;
    let names = names(&tree);
    if !names.contains(&"zerok-core") {
        return Err(Failure::new("cargo tree did not list the core itself, so this check sees nothing"));
    }
    let mut wrong: Vec<String> = impure(&names).into_iter().map(|name| format!("zerok-core reaches {name}")).collect();
    wrong.extend(modelled(&json::metadata(None)?));
    if wrong.is_empty() {
        return Ok(Outcome::Passed(format!("{} crates below the core", names.len() - 1)));
    }
    Err(Failure::new(wrong.join("\n")))
}

/// The crates of a `cargo tree --prefix none`, sorted, each once.
fn names(tree: &str) -> Vec<&str> {
    let mut names: Vec<&str> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn impure<'a>(names: &[&'a str]) -> Vec<&'a str> {
    names.iter().copied().filter(|name| IMPURE.contains(name)).collect()
}

/// Every way in which something that is run for real could get the `model` feature.
fn modelled(metadata: &Value) -> Vec<String> {
    let members = json::list(metadata, "workspace_members");
    let mut wrong = Vec::new();
    for package in json::list(metadata, "packages").iter().filter(|package| members.contains(&package["id"])) {
        let name = json::text(package, "name");
        if name == "zerok-core" && json::list(&package["features"], "default").iter().any(|feature| feature == "model")
        {
            wrong.push("the core's default features contain `model`".to_owned());
        }
        if MAY_MODEL.contains(&name) {
            continue;
        }
        for dependency in json::list(package, "dependencies") {
            if dependency["kind"] == "dev" {
                continue;
            }
            let on = json::text(dependency, "name");
            if on == "zerok-core" && json::list(dependency, "features").iter().any(|feature| feature == "model") {
                wrong.push(format!("{name} enables the core's `model` feature"));
            }
            if on == "zerok-testkit" {
                wrong.push(format!("{name} ships the testkit, which may enable the core's `model` feature"));
            }
        }
        let features = package["features"].as_object().into_iter().flatten();
        for (feature, enabled) in features {
            let enables = |value: &Value| matches!(value.as_str(), Some("zerok-core/model" | "zerok-core?/model"));
            if enabled.as_array().is_some_and(|list| list.iter().any(enables)) {
                wrong.push(format!("{name}'s feature `{feature}` enables the core's `model` feature"));
            }
        }
    }
    wrong
}

#[cfg(test)]
mod tests;
