//! Names for logs that tell things apart and nothing more (G18).
//!
//! Keyed afresh in every process, so that two logs cannot be joined and nobody can test a guess against one.

use std::{
    fmt,
    hash::{BuildHasher, Hash, RandomState},
    sync::Arc,
};

/// Makes pseudonyms under one key.
#[derive(Clone, Default)]
pub(crate) struct Pseudonyms(Arc<RandomState>);

/// A pseudonym, printed as 16 hex digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pseudonym(u64);

impl Pseudonyms {
    /// What this thing is called in this process's logs.
    pub(crate) fn of(&self, thing: &impl Hash) -> Pseudonym {
        Pseudonym(self.0.hash_one(thing))
    }
}

impl fmt::Display for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests;
