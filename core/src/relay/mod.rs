//! The relay machine.

pub mod io;
pub mod store;
