//! A refusal as it travels to a page: `{code, message, retryable, details?}`.
//!
//! Codes are the core's and stable. The message is the code's own sentence, so that a page may show it; what this very case adds stands
//! in `details`. Never carries payloads, keys or invites.

use serde::Serialize;
use serde_json::{Map, Value, json};
use thiserror::Error as ThisError;
pub use zerok_core::error::Code;
use zerok_tokio::SyncError;

/// Why something was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ThisError)]
#[error("{message}")]
#[non_exhaustive]
pub struct Error {
    /// Stable, camelCase in JSON.
    pub code: Code,
    /// One sentence that says what to do.
    pub message: String,
    /// Whether the same call may succeed later without anyone doing anything.
    pub retryable: bool,
    /// What this case adds: `blobId` with `pending`, `lastCursor` with `cursorUnknown`, `limit` and `size` with `blobTooLarge`, `reason`
    /// where there is more to say than the sentence; `device`, `from`, `to` and others with findings about the history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
}

impl Error {
    /// An argument is malformed, and how.
    pub(crate) fn invalid(reason: impl Into<String>) -> Self {
        Self::from(Code::InvalidArgs).with("reason", reason.into())
    }

    /// A payload above the limit.
    pub(crate) fn too_large(size: usize, limit: usize) -> Self {
        let mut error = Self::from(Code::BlobTooLarge).with("size", size).with("limit", limit);
        if limit < zerok_core::limits::MAX_PAYLOAD {
            error.message = format!("The data exceeds the {limit} bytes that this app allows. Split it.");
        }
        error
    }

    /// The same with one more detail.
    #[must_use]
    pub(crate) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        let details = self.details.get_or_insert_with(|| Value::Object(Map::new()));
        details[key] = value.into();
        self
    }
}

impl From<Code> for Error {
    fn from(code: Code) -> Self {
        Self { code, message: code.to_string(), retryable: code.retryable(), details: None }
    }
}

impl From<SyncError> for Error {
    fn from(error: SyncError) -> Self {
        let base = Self::from(error.code());
        match &error {
            SyncError::Rejected(_) => {
                let blob = error.blob_id().map(|id| json!({ "blobId": id.to_string() }));
                let last = error.last_cursor().map(|last| json!({ "lastCursor": last.0 }));
                Self { details: blob.or(last), ..base }
            }
            SyncError::Stopped(_) => base,
            // Their texts name more than the code does: which file, which part of an address.
            _ => base.with("reason", error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
