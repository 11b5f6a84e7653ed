//! The 0k-Sync relay server.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod config;
pub mod identity;
pub mod store;
