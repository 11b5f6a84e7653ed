//! The client's store: one SQLite database on one thread.
//!
//! It keeps what it is given and knows no secrets: everything in it arrives sealed. The counter of [`ClientOp::Reserve`] lies beside
//! the store key instead, so that a database restored from a copy is found out.
//!
//! - [`worker`]: the thread and group commit, for any store. `schema`: the file. `apply`, `read`: operations and questions as SQL.

pub mod worker;

mod apply;
mod read;
mod schema;

use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};
use zerok_core::{
    client::store::{ClientAnswer, ClientOp, ClientQuery, ClientStore},
    machine::StoreFailure,
};

use crate::{
    secrets::{KeyFault, KeyStorage},
    store::worker::Disk,
};

const FILE: &str = "client.db";

/// A client's database, open.
#[derive(Debug)]
pub struct ClientDisk {
    connection: Connection,
    keys: Box<dyn KeyStorage>,
    reserved: u64,
}

impl ClientDisk {
    /// Opens the database in a directory that nobody else uses, creating it if there is none.
    ///
    /// # Errors
    /// [`StoreFailure::TooNew`] without having touched the file; [`StoreFailure::Corrupt`] after having set it aside.
    pub fn open(directory: &Path, keys: Box<dyn KeyStorage>, reserved: u64) -> Result<Self, StoreFailure> {
        Ok(Self { connection: schema::open(&directory.join(FILE))?, keys, reserved })
    }

    /// Makes the database's own limit stand for a full disk.
    #[cfg(test)]
    pub(crate) fn limit_pages(&self, pages: u32) {
        self.connection.pragma_update_and_check(None, "max_page_count", pages, |_row| Ok(())).unwrap();
    }

    /// Whether no device has been set up in it.
    pub(crate) fn is_blank(&self) -> Result<bool, StoreFailure> {
        let vaults: i64 = self
            .connection
            .query_row("SELECT count(*) FROM cell WHERE id = ?", [apply::VAULT], |row| row.get(0))
            .map_err(schema::failure)?;
        Ok(vaults == 0)
    }

    /// Whether a directory holds a client's database.
    pub fn exists(directory: &Path) -> bool {
        directory.join(FILE).metadata().is_ok_and(|found| found.len() > 0)
    }

    /// Damaged databases that were set aside.
    pub fn kept_aside(directory: &Path) -> Vec<PathBuf> {
        schema::kept_aside(&directory.join(FILE))
    }
}

/// The counter moves before the commit: if the process dies in between it is ahead, which costs a new incarnation and no reuse.
/// It never goes back, not even with an `Erase`.
fn reserve(keys: &dyn KeyStorage, reserved: &mut u64, operations: &[ClientOp]) -> Result<(), StoreFailure> {
    let raised = operations.iter().fold(*reserved, |reserved, operation| match operation {
        ClientOp::Reserve(counter) => reserved.max(*counter),
        _ => reserved,
    });
    if raised != *reserved {
        keys.reserve(raised).map_err(|fault| {
            tracing::error!(%fault, "the counter beside the store key cannot be written");
            // A keychain locks and unlocks as its user comes and goes, a disk fills and empties. The transaction is rolled back and may
            // work later; any other fault says nothing of what lies there now.
            match fault {
                KeyFault::Full => StoreFailure::Full,
                KeyFault::Locked | KeyFault::Missing => StoreFailure::Locked,
                KeyFault::Lost | KeyFault::Damaged | KeyFault::Unavailable => StoreFailure::Io,
            }
        })?;
        *reserved = raised;
    }
    Ok(())
}

impl Disk<ClientStore> for ClientDisk {
    fn commit(&mut self, batches: Vec<Vec<ClientOp>>) -> Result<Vec<Vec<()>>, StoreFailure> {
        let outcomes = batches.iter().map(|_batch| Vec::new()).collect();
        let operations: Vec<ClientOp> = batches.into_iter().flatten().collect();
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(schema::failure)?;
        apply::apply(&transaction, &operations).map_err(schema::failure)?;
        reserve(self.keys.as_ref(), &mut self.reserved, &operations)?;
        transaction.commit().map_err(schema::failure)?;
        if operations.contains(&ClientOp::Erase) {
            schema::forget_log(&self.connection);
        }
        Ok(outcomes)
    }

    fn load(&mut self, query: ClientQuery) -> Result<ClientAnswer, StoreFailure> {
        let connection = &self.connection;
        let answer = match query {
            ClientQuery::Open => read::image(connection, self.reserved).map(Box::new).map(ClientAnswer::Opened),
            ClientQuery::Outbox(ids) => read::outbox(connection, ids).map(ClientAnswer::Outbox),
            ClientQuery::Inbox { after, max_bytes, own } => {
                read::inbox(connection, after, max_bytes, own).map(ClientAnswer::Inbox)
            }
        };
        answer.map_err(schema::failure)
    }

    fn reopens(query: &ClientQuery) -> bool {
        matches!(query, ClientQuery::Open)
    }
}

#[cfg(test)]
mod tests;
