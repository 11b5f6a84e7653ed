//! The app's own database: the truth about its notes.
//!
//! Of two changes of one note the newer wins, by the time of the change and then by its revision, so that all devices agree whatever
//! the order in which they hear of them. A deleted note stays as a mark, or an older change of it would bring it back.
//!
//! What of a note the relay holds is kept with it: a change that was saved but never pushed, because the process died in between, is
//! found again by [`Notes::unsent`]. Its revision is the push's idempotency key, so pushing it again stores nothing twice. When somebody
//! asks for everything, all of it is unsent again, with a key that names who asked: a process that dies on the way goes on later.

use std::{
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use rusqlite::{Connection, OptionalExtension as _, Row, named_params, params};
use serde::{Deserialize, Serialize};
use thiserror::Error;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS notes (
        id         TEXT PRIMARY KEY,
        text       TEXT NOT NULL,
        deleted    INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        revision   TEXT NOT NULL,
        state      TEXT NOT NULL,
        blob_id    TEXT,
        asked_by   TEXT
    ) STRICT;
";

const COLUMNS: &str = "id, text, deleted, updated_at, revision, state, revision || coalesce('/' || asked_by, '')";

/// All notes of this device.
#[derive(Debug)]
pub struct Notes {
    connection: Mutex<Connection>,
}

/// A note as the page shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Note {
    /// What every device knows.
    #[serde(flatten)]
    pub shared: RemoteNote,
    /// What became of this change.
    pub state: SyncState,
    /// Names the push of it: the same for each attempt, another one when everything is asked for.
    pub push_key: String,
}

/// A note as it travels: what the page pushes and other devices apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RemoteNote {
    /// The same on every device.
    pub id: String,
    /// Empty when it is deleted.
    pub text: String,
    /// Whether it is gone.
    pub deleted: bool,
    /// When it was changed, Unix milliseconds by the changing device's clock.
    pub updated_at: i64,
    /// Names this change of it.
    pub revision: String,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum SyncState {
    /// Saved here. Its push has not been answered.
    Local,
    /// The plugin has it and sends it by itself.
    Queued,
    /// The relay has it, or it came from there.
    Synced,
}

/// Why the database did not do it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// SQLite says no.
    #[error("the notes cannot be read or written: {0}")]
    Database(#[from] rusqlite::Error),
    /// The directory cannot be made.
    #[error("the notes have no place: {0}")]
    Directory(#[from] std::io::Error),
    /// No randomness to be had.
    #[error("the operating system gives no randomness")]
    Random(#[from] getrandom::Error),
    /// There is no such note.
    #[error("there is no such note")]
    Unknown,
}

impl Serialize for StoreError {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Notes {
    /// Opens the database of a directory, and makes both if there are none.
    ///
    /// # Errors
    /// As all of them: what the database says.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(directory)?;
        let connection = Connection::open(directory.join("notes.db"))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // Saved means saved, whatever becomes of the process or the machine.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// All notes that are not deleted, the newest change first.
    ///
    /// # Errors
    /// As all of them.
    pub fn list(&self) -> Result<Vec<Note>, StoreError> {
        self.select("WHERE deleted = 0 ORDER BY updated_at DESC, revision DESC")
    }

    /// Saves a new note, or a change of one.
    ///
    /// # Errors
    /// As all of them.
    pub fn save(&self, id: Option<String>, text: &str) -> Result<Note, StoreError> {
        let id = id.map_or_else(random_id, Ok)?;
        self.change(id, text, false)
    }

    /// Deletes a note.
    ///
    /// # Errors
    /// [`StoreError::Unknown`]; else as all of them.
    pub fn delete(&self, id: &str) -> Result<Note, StoreError> {
        if self.one(id)?.is_none() {
            return Err(StoreError::Unknown);
        }
        self.change(id.to_owned(), "", true)
    }

    /// Changes that the relay is not known to hold, oldest first.
    ///
    /// # Errors
    /// As all of them.
    pub fn unsent(&self) -> Result<Vec<Note>, StoreError> {
        self.select("WHERE state <> 'synced' ORDER BY updated_at, revision")
    }

    /// Takes over what another device pushed, if it is newer. Answers whether it was.
    ///
    /// # Errors
    /// As all of them.
    pub fn apply(&self, note: &RemoteNote) -> Result<bool, StoreError> {
        self.put(note, SyncState::Synced)
    }

    /// Everything is to be pushed, as `asked_by` has nothing of it yet. Asked by the same again, only what was not marked before.
    ///
    /// # Errors
    /// As all of them.
    pub fn mark_all_unsent(&self, asked_by: &str) -> Result<(), StoreError> {
        let statement = "UPDATE notes SET state = 'local', blob_id = NULL, asked_by = ?1 WHERE asked_by IS NOT ?1";
        self.database().execute(statement, params![asked_by])?;
        Ok(())
    }

    /// The push of this revision is queued under this blob id. A newer change of the note is left alone.
    ///
    /// # Errors
    /// As all of them.
    pub fn mark_queued(&self, revision: &str, blob_id: &str) -> Result<(), StoreError> {
        let statement = "UPDATE notes SET state = 'queued', blob_id = ?2 WHERE revision = ?1 AND state = 'local'";
        self.database().execute(statement, params![revision, blob_id])?;
        Ok(())
    }

    /// What is queued under this blob id has another one from now on.
    ///
    /// # Errors
    /// As all of them.
    pub fn mark_reissued(&self, blob_id: &str, new_blob_id: &str) -> Result<(), StoreError> {
        let statement = "UPDATE notes SET blob_id = ?2 WHERE blob_id = ?1";
        self.database().execute(statement, params![blob_id, new_blob_id])?;
        Ok(())
    }

    /// The relay holds this revision, or what is queued under this blob id.
    ///
    /// # Errors
    /// As all of them.
    pub fn mark_synced(&self, revision: Option<&str>, blob_id: &str) -> Result<(), StoreError> {
        let statement = "UPDATE notes SET state = 'synced', blob_id = ?2 WHERE revision = ?1 OR blob_id = ?2";
        self.database().execute(statement, params![revision, blob_id])?;
        Ok(())
    }

    fn change(&self, id: String, text: &str, deleted: bool) -> Result<Note, StoreError> {
        // After what it changes, even if this device's clock is behind the one that wrote that.
        let before = self.one(&id)?.map_or(0, |note| note.shared.updated_at);
        let updated_at = now().max(before + 1);
        let shared = RemoteNote { id, text: text.to_owned(), deleted, updated_at, revision: random_id()? };
        self.put(&shared, SyncState::Local)?;
        let push_key = shared.revision.clone();
        Ok(Note { shared, state: SyncState::Local, push_key })
    }

    fn put(&self, note: &RemoteNote, state: SyncState) -> Result<bool, StoreError> {
        let statement = "
            INSERT INTO notes (id, text, deleted, updated_at, revision, state)
            VALUES (:id, :text, :deleted, :updated_at, :revision, :state)
            ON CONFLICT (id) DO UPDATE SET text = :text, deleted = :deleted, updated_at = :updated_at, revision = :revision,
                state = :state, blob_id = NULL, asked_by = NULL
            WHERE (excluded.updated_at, excluded.revision) > (notes.updated_at, notes.revision)";
        let written = self.database().execute(
            statement,
            named_params! {
                ":id": note.id, ":text": note.text, ":deleted": note.deleted, ":updated_at": note.updated_at,
                ":revision": note.revision, ":state": state.name(),
            },
        )?;
        Ok(written > 0)
    }

    fn one(&self, id: &str) -> Result<Option<Note>, StoreError> {
        let statement = format!("SELECT {COLUMNS} FROM notes WHERE id = ?1");
        Ok(self.database().query_row(&statement, params![id], read).optional()?)
    }

    fn select(&self, which: &str) -> Result<Vec<Note>, StoreError> {
        let database = self.database();
        let mut statement = database.prepare(&format!("SELECT {COLUMNS} FROM notes {which}"))?;
        let notes = statement.query_map([], read)?.collect::<Result<_, _>>()?;
        Ok(notes)
    }

    fn database(&self) -> MutexGuard<'_, Connection> {
        // A statement is whole or not at all, so another thread's panic leaves nothing half done.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SyncState {
    const fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Queued => "queued",
            Self::Synced => "synced",
        }
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Note> {
    let shared = RemoteNote {
        id: row.get(0)?,
        text: row.get(1)?,
        deleted: row.get(2)?,
        updated_at: row.get(3)?,
        revision: row.get(4)?,
    };
    let state = match row.get::<_, String>(5)?.as_str() {
        "synced" => SyncState::Synced,
        "queued" => SyncState::Queued,
        _ => SyncState::Local,
    };
    Ok(Note { shared, state, push_key: row.get(6)? })
}

fn random_id() -> Result<String, StoreError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
