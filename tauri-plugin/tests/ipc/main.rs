//! Every command as a page calls it, through Tauri's IPC without a window, against a real relay: what it answers and every refusal that
//! a test can bring about. The mapping of the others is tested with the error type, the permissions with the notes app.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test fails by panicking")]

mod data;
mod errors;
mod life;
mod pairing;
mod refusals;
mod support;
