//! Licences, bans and sources of the dependencies, by the rules in deny.toml; and what is known of their vulnerabilities.
//!
//! deny.toml is written for cargo-deny, and cargo-deny may read it. This check reads the same rules out of it and applies them to
//! `cargo metadata`, because building cargo-deny takes 3 min 05 s on two cores (0.20.2 without its default features, 2026-11-23)
//! before it can say what takes a third of a second here. Keys that this file does not know are an error, so that no rule is
//! believed to hold that nobody applies.
//!
//! Advisories need a database that is no crate. Where it can be reached, cargo-deny is installed and asked; where not, the step is
//! skipped with that reason, also in a strict run, since no install can mend it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{TcpStream, ToSocketAddrs},
    sync::mpsc,
    thread,
    time::Duration,
};

use serde_json::Value;
use toml::Table;

use super::{
    Mode,
    report::{Outcome, Skip},
    spdx,
};
use crate::{
    json, setup,
    shell::{self, Failure},
};

/// Where cargo-deny fetches its database from.
const DATABASE: &str = "github.com:443";

/// What we know how to read, by section.
const KEYS: &[(&str, &[&str])] = &[
    ("graph", &["targets", "all-features"]),
    ("licenses", &["version", "allow", "exceptions"]),
    ("bans", &["multiple-versions", "deny"]),
    ("sources", &["unknown-registry", "unknown-git", "allow-registry"]),
    ("advisories", &["version", "ignore"]),
];

pub(super) fn check(_: Mode) -> Result<Outcome, Failure> {
    let path = shell::root().join("deny.toml");
    let text = std::fs::read_to_string(&path).map_err(|e| Failure::io("deny.toml", &e))?;
    let policy = Policy::parse(&text)?;
    let targets = policy.targets.iter().map(|target| json::metadata(Some(target)));
    let metadata = targets.collect::<Result<Vec<_>, _>>()?;
    let packages: Vec<Package<'_>> =
        metadata.iter().flat_map(Package::all).collect::<BTreeSet<_>>().into_iter().collect();
    let users = users(&metadata);
    let findings = policy.findings(&packages, &users);
    for note in &findings.notes {
        println!("note: {note}");
    }
    if findings.wrong.is_empty() {
        return Ok(Outcome::Passed(format!("{} packages", packages.len())));
    }
    Err(Failure::new(findings.wrong.join("\n")))
}

pub(super) fn advisories(_: Mode) -> Result<Outcome, Failure> {
    if !reachable(DATABASE, Duration::from_secs(3)) {
        return Ok(Outcome::Skipped(Skip::NothingToBeDone("the advisory database cannot be reached".to_owned())));
    }
    if let Err(failure) = setup::deny() {
        return Ok(Outcome::Skipped(Skip::ToolMissing(failure.to_string())));
    }
    shell::run(&mut shell::cargo(["deny", "check", "advisories"]))?;
    Ok(Outcome::passed())
}

/// The rules.
#[derive(Debug, Default, PartialEq, Eq)]
struct Policy {
    targets: Vec<String>,
    licences: Vec<String>,
    /// Crate → licences it alone may have.
    exceptions: BTreeMap<String, Vec<String>>,
    /// Crate → why it is banned, and for whom it is not.
    bans: BTreeMap<String, Ban>,
    registries: Vec<String>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Ban {
    reason: String,
    /// Crates that may use it directly.
    wrappers: Vec<String>,
}

/// A package of the dependency graph.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Package<'a> {
    name: &'a str,
    version: &'a str,
    licence: &'a str,
    /// Nothing for a package of this repository.
    source: Option<&'a str>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Findings {
    wrong: Vec<String>,
    notes: Vec<String>,
}

impl Policy {
    fn parse(text: &str) -> Result<Self, Failure> {
        let table: Table = text.parse().map_err(|e| Failure::new(format!("deny.toml: {e}")))?;
        for (section, rules) in &table {
            let known = KEYS.iter().find(|(name, _)| name == section).map(|(_, keys)| *keys);
            let Some(keys) = known else { return Err(unknown(section)) };
            if let Some(key) =
                rules.as_table().into_iter().flat_map(Table::keys).find(|key| !keys.contains(&key.as_str()))
            {
                return Err(unknown(&format!("{section}.{key}")));
            }
        }
        let mut policy = Self {
            targets: texts(at(&table, "graph", "targets")),
            licences: texts(at(&table, "licenses", "allow")),
            registries: texts(at(&table, "sources", "allow-registry")),
            ..Self::default()
        };
        for exception in items(at(&table, "licenses", "exceptions")) {
            policy.exceptions.insert(named(exception)?, texts(exception.get("allow")));
        }
        for ban in items(at(&table, "bans", "deny")) {
            let reason = ban.get("reason").and_then(toml::Value::as_str).unwrap_or_default();
            let ban_of = Ban { reason: reason.to_owned(), wrappers: texts(ban.get("wrappers")) };
            policy.bans.insert(named(ban)?, ban_of);
        }
        for key in ["unknown-registry", "unknown-git"] {
            // The only reading of it that is implemented, and the only one we want.
            if at(&table, "sources", key).and_then(toml::Value::as_str) != Some("deny") {
                return Err(Failure::new(format!("deny.toml: sources.{key} must be \"deny\"")));
            }
        }
        Ok(policy)
    }

    fn findings(&self, packages: &[Package<'_>], users: &Users<'_>) -> Findings {
        let mut findings = Findings::default();
        let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for package in packages {
            versions.entry(package.name).or_default().push(package.version);
            findings.wrong.extend(self.licence(package));
            findings.wrong.extend(self.source(package));
            findings.wrong.extend(self.ban(package, users));
        }
        for (name, versions) in versions.iter().filter(|(_, versions)| versions.len() > 1) {
            findings.notes.push(format!("{name} is there {} times: {}", versions.len(), versions.join(", ")));
        }
        for name in self.exceptions.keys().filter(|name| !versions.contains_key(name.as_str())) {
            findings.notes.push(format!("deny.toml makes an exception for {name}, which is not there"));
        }
        findings
    }

    fn ban(&self, package: &Package<'_>, users: &Users<'_>) -> Option<String> {
        let Ban { reason, wrappers } = self.bans.get(package.name)?;
        let users = users.get(package.name);
        let strangers: Vec<_> =
            users.into_iter().flatten().filter(|user| !wrappers.iter().any(|allowed| allowed == *user)).collect();
        // Without a user it is nobody's, and should not be there at all.
        let excused = users.is_some_and(|users| !users.is_empty()) && strangers.is_empty();
        (!excused).then(|| format!("{} {} is banned: {reason}; used by {strangers:?}", package.name, package.version))
    }

    fn licence(&self, package: &Package<'_>) -> Option<String> {
        let own = self.exceptions.get(package.name).map_or(&[][..], Vec::as_slice);
        let accepted = |licence: &str| self.licences.iter().chain(own).any(|allowed| allowed == licence);
        let Package { name, version, licence, .. } = package;
        match spdx::satisfied(licence, &accepted) {
            Some(true) => None,
            Some(false) => Some(format!("{name} {version}: licence `{licence}` is not accepted by deny.toml")),
            None => Some(format!("{name} {version}: licence `{licence}` cannot be read")),
        }
    }

    fn source(&self, package: &Package<'_>) -> Option<String> {
        let source = package.source?;
        let registry = source.strip_prefix("registry+").or_else(|| source.strip_prefix("sparse+"));
        let known = registry.is_some_and(|address| self.registries.iter().any(|allowed| allowed == address));
        (!known).then(|| {
            format!("{} {} comes from {source}, which deny.toml does not allow", package.name, package.version)
        })
    }
}

impl<'a> Package<'a> {
    fn all(metadata: &'a Value) -> Vec<Self> {
        json::list(metadata, "packages")
            .iter()
            .map(|package| Self {
                name: json::text(package, "name"),
                version: json::text(package, "version"),
                licence: json::text(package, "license"),
                source: package["source"].as_str(),
            })
            .collect()
    }
}

/// Crate → who depends on it directly.
type Users<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// Who uses what, on any of the platforms.
fn users(metadata: &[Value]) -> Users<'_> {
    let mut users = Users::new();
    for metadata in metadata {
        let names: BTreeMap<&str, &str> = json::list(metadata, "packages")
            .iter()
            .map(|package| (json::text(package, "id"), json::text(package, "name")))
            .collect();
        for node in json::list(&metadata["resolve"], "nodes") {
            let Some(user) = names.get(json::text(node, "id")) else { continue };
            for used in json::list(node, "dependencies").iter().filter_map(Value::as_str) {
                if let Some(used) = names.get(used) {
                    users.entry(used).or_default().insert(user);
                }
            }
        }
    }
    users
}

fn at<'a>(table: &'a Table, section: &str, key: &str) -> Option<&'a toml::Value> {
    table.get(section)?.get(key)
}

fn items(value: Option<&toml::Value>) -> &[toml::Value] {
    value.and_then(toml::Value::as_array).map_or(&[], Vec::as_slice)
}

fn texts(value: Option<&toml::Value>) -> Vec<String> {
    items(value).iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

fn named(rule: &toml::Value) -> Result<String, Failure> {
    let name = rule.get("crate").and_then(toml::Value::as_str);
    name.map(str::to_owned).ok_or_else(|| Failure::new(format!("deny.toml: a rule names no crate: {rule:?}")))
}

fn unknown(key: &str) -> Failure {
    Failure::new(format!("deny.toml: nothing applies `{key}`; teach xtask/src/verify/policy.rs first"))
}

/// Whether somebody answers there in time. Looking up a name has no time limit of its own, hence the thread.
fn reachable(address: &'static str, limit: Duration) -> bool {
    let (answer, answered) = mpsc::channel();
    thread::spawn(move || {
        let found = address.to_socket_addrs().ok().and_then(|mut all| all.next());
        let open = found.is_some_and(|first| TcpStream::connect_timeout(&first, limit).is_ok());
        // Nobody listens when the limit has passed.
        let _ = answer.send(open);
    });
    answered.recv_timeout(limit).unwrap_or(false)
}

#[cfg(test)]
mod tests;
