//! Reading JSON by name, with an error that names what was missing.

use serde_json::Value;

use crate::shell::{self, Failure};

/// What Cargo knows of this workspace, resolved for `platforms` (all of them when empty).
pub(crate) fn metadata(platforms: &[String]) -> Result<Value, Failure> {
    let mut command = shell::cargo(["metadata", "--format-version", "1", "--all-features"]);
    for platform in platforms {
        command.args(["--filter-platform", platform]);
    }
    parse(&shell::capture(&mut command)?)
}

/// Parses one document.
pub(crate) fn parse(text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|e| Failure::new(format!("malformed JSON: {e}")))
}

/// A list; empty when absent.
pub(crate) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

/// A text; empty when absent or null.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}
