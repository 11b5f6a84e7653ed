//! How a device joins a group: codes, invites, the exchange.

pub mod code;
pub mod exchange;
pub mod invite;
