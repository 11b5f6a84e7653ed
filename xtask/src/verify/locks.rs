//! npm's lock files say which bytes (`integrity`), never from where.
//!
//! A `resolved` address pins whatever registry its author happened to use, so a developer behind another one could not install.
//! A relative `resolved` is how npm writes a link to a folder of this repository, and is fine.

use serde_json::Value;

use super::{Mode, report::Outcome};
use crate::{
    json,
    shell::{self, Failure},
};

pub(super) fn check(_: Mode) -> Result<Outcome, Failure> {
    let locks = shell::files(|path| {
        path.file_name().is_some_and(|name| name == "package-lock.json" || name == "npm-shrinkwrap.json")
    })?;
    let mut wrong = Vec::new();
    for path in &locks {
        let name = shell::relative(path);
        let text = std::fs::read_to_string(path).map_err(|e| Failure::io(&name, &e))?;
        wrong.extend(addresses(&json::parse(&text)?).into_iter().map(|address| format!("{name}: resolved {address}")));
    }
    if wrong.is_empty() {
        return Ok(Outcome::Passed(format!("{} lock files", locks.len())));
    }
    Err(Failure::new(format!("{}\nInstall with `npm install --omit-lockfile-registry-resolved`.", wrong.join("\n"))))
}

/// Every address under a `resolved` key, at any depth.
fn addresses(value: &Value) -> Vec<&str> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, field)| match field {
                Value::String(text) if name == "resolved" && text.contains(':') => vec![text.as_str()],
                other => addresses(other),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(addresses).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
