//! Bytes to and from a page.
//!
//! In: the raw body of the request; where a web view has none (Android, or a content security policy without `ipc:`) it arrives as a
//! JSON array of numbers, and an object with `data` is taken as well. Out: one response for a whole page of blobs,
//!
//! ```text
//! header length (u32, little-endian) ‖ header (JSON) ‖ payloads back to back
//! ```
//!
//! because bytes as JSON cost some thirty times as much. Limits are checked before anything is copied.

use bytes::Bytes;
use percent_encoding::percent_decode_str;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tauri::{http::HeaderMap, ipc::InvokeBody};
use zerok_core::{client::command::Pulled, ids::IdempotencyKey};

use crate::{error::Error, shapes::PageHeader};

/// The header that carries an idempotency key, percent-encoded because headers are ASCII.
const KEY_HEADER: &str = "idempotency-key";
/// The longest key an app may choose, bytes.
const MAX_KEY: usize = 1024;

/// What a page wants pushed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) data: Bytes,
    pub(crate) key: Option<IdempotencyKey>,
}

impl Given {
    pub(crate) fn read(body: &InvokeBody, headers: &HeaderMap, limit: usize) -> Result<Self, Error> {
        let mut key = headers.get(KEY_HEADER).map(key_of_header).transpose()?;
        let data = match body {
            InvokeBody::Raw(bytes) => Bytes::copy_from_slice(within(bytes, limit)?),
            InvokeBody::Json(Value::Array(numbers)) => bytes_of(within(numbers, limit)?)?,
            InvokeBody::Json(Value::Object(fields)) => {
                if let Some(given) = fields.get("idempotencyKey").filter(|given| !given.is_null()) {
                    let text = given.as_str().ok_or_else(|| Error::invalid("idempotencyKey must be a string"))?;
                    key = Some(key_of(text)?);
                }
                match fields.get("data") {
                    Some(Value::Array(numbers)) => bytes_of(within(numbers, limit)?)?,
                    _ => return Err(Error::invalid("data must be bytes")),
                }
            }
            InvokeBody::Json(_) => return Err(Error::invalid("data must be bytes")),
        };
        Ok(Self { data, key })
    }
}

/// One response that holds a page of blobs.
pub(crate) fn page(pulled: &Pulled) -> Result<Vec<u8>, Error> {
    let header = serde_json::to_vec(&PageHeader::new(pulled)).map_err(|error| Error::invalid(error.to_string()))?;
    let length = u32::try_from(header.len()).map_err(|_beyond| Error::invalid("the page is too large"))?;
    let payload: usize = pulled.blobs.iter().map(|blob| blob.data.len()).sum();
    let mut page = Vec::with_capacity(4 + header.len() + payload);
    page.extend_from_slice(&length.to_le_bytes());
    page.extend_from_slice(&header);
    for blob in &pulled.blobs {
        page.extend_from_slice(&blob.data);
    }
    Ok(page)
}

/// An app's own name for a push, of any length, as the core keeps it.
pub(crate) fn key_of(text: &str) -> Result<IdempotencyKey, Error> {
    if text.is_empty() || text.len() > MAX_KEY {
        return Err(Error::invalid(format!("idempotencyKey must have 1 to {MAX_KEY} bytes")));
    }
    let digest = Sha256::digest(text);
    let mut key = [0; 16];
    key.copy_from_slice(&digest[..16]);
    Ok(IdempotencyKey(key))
}

fn key_of_header(header: &tauri::http::HeaderValue) -> Result<IdempotencyKey, Error> {
    let unreadable = || Error::invalid("the idempotency-key header must be percent-encoded UTF-8");
    let text = header.to_str().map_err(|_not_ascii| unreadable())?;
    key_of(&percent_decode_str(text).decode_utf8().map_err(|_not_text| unreadable())?)
}

fn within<T>(items: &[T], limit: usize) -> Result<&[T], Error> {
    if items.len() > limit { Err(Error::too_large(items.len(), limit)) } else { Ok(items) }
}

fn bytes_of(numbers: &[Value]) -> Result<Bytes, Error> {
    let byte = |number: &Value| number.as_u64().and_then(|number| u8::try_from(number).ok());
    let bytes: Option<Vec<u8>> = numbers.iter().map(byte).collect();
    bytes.map(Bytes::from).ok_or_else(|| Error::invalid("data must be whole numbers from 0 to 255"))
}

#[cfg(test)]
mod tests;
