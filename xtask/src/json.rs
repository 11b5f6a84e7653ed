//! Reading JSON by name, with an error that names what was missing.

use serde_json::Value;

use crate::shell::{self, Failure};

/// What Cargo knows of this workspace, resolved for one platform or for all. Not for a list of them: Cargo 1.95 panics on that when a
/// dependency exists on some of them only.
pub(crate) fn metadata(platform: Option<&str>) -> Result<Value, Failure> {
    let mut command = shell::cargo(["metadata", "--format-version", "1", "--all-features"]);
    if let Some(platform) = platform {
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
