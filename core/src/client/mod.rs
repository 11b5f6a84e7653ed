//! The client machine.

pub mod command;
pub mod io;
pub mod status;
pub mod store;
pub mod verdict;
