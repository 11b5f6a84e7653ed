//! A log as whoever holds the relay's disk may leave it.
//!
//! Works on entries by their index, not their cursor; cursors stay where they are unless an operation says otherwise. Nothing
//! happens to a relay before [`Forgery::commit`].

use bytes::Bytes;
use zerok_core::ids::{Cursor, GroupId};

use crate::store::relay::MemoryRelayStore;

/// A group's log, being changed.
#[derive(Debug, Clone)]
pub struct Forgery {
    group: GroupId,
    /// What stands there now.
    pub entries: Vec<(Cursor, Bytes)>,
}

impl Forgery {
    /// Takes a copy of a group's log.
    pub fn of(store: &MemoryRelayStore, group: GroupId) -> Self {
        Self { group, entries: store.log(&group) }
    }

    /// Puts it back into a relay's store.
    pub fn commit(&self, store: &mut MemoryRelayStore) {
        store.rewrite(&self.group, self.entries.clone());
    }

    /// Withholds an entry.
    pub fn drop_entry(&mut self, index: usize) -> (Cursor, Bytes) {
        self.entries.remove(index)
    }

    /// Flips one bit of a byte of an entry.
    pub fn flip(&mut self, index: usize, byte: usize) {
        self.replace(index, |blob| blob[byte] ^= 1);
    }

    /// Changes the bytes of an entry.
    pub fn replace(&mut self, index: usize, change: impl FnOnce(&mut Vec<u8>)) {
        let mut blob = self.entries[index].1.to_vec();
        change(&mut blob);
        self.entries[index].1 = blob.into();
    }

    /// Lets two entries change places.
    pub fn swap(&mut self, one: usize, other: usize) {
        let blob = self.entries[one].1.clone();
        self.entries[one].1 = std::mem::replace(&mut self.entries[other].1, blob);
    }

    /// Turns the order of all entries from an index on around.
    pub fn reverse_from(&mut self, index: usize) {
        let mut blobs: Vec<Bytes> = self.entries[index..].iter().map(|(_, blob)| blob.clone()).collect();
        blobs.reverse();
        for (entry, blob) in self.entries[index..].iter_mut().zip(blobs) {
            entry.1 = blob;
        }
    }

    /// Adds a blob after the newest.
    pub fn append(&mut self, blob: Bytes) -> Cursor {
        let cursor = self.entries.last().map_or(Cursor(1), |(cursor, _)| cursor.next());
        self.entries.push((cursor, blob));
        cursor
    }
}
