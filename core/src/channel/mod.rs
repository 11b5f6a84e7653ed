//! Secure state on a link.

mod noise;
#[cfg(feature = "model")]
mod plain;
