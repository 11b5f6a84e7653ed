//! What each command does.
//!
//! A command opens the device, does one thing, says what came of it, and closes the device. None holds state of its own: what
//! matters is durable in the library's store before it is said.

pub(crate) mod group;
pub(crate) mod init;
pub(crate) mod invite;
pub(crate) mod join;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod relay;
pub(crate) mod status;
pub(crate) mod watch;

#[cfg(test)]
mod tests;
