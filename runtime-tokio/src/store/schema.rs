//! The database file: how a connection is set up, and version 1 of the tables.
//!
//! Invariants: a file of a newer version is never written to. A damaged file is renamed, never deleted. Every setting that durability
//! rests on is read back, because SQLite ignores what it does not know.
//!
//! Acknowledgements are a table of their own, so that one does not rewrite a row of up to a mebibyte. All tables have rowids: larger
//! rows fare badly in the other kind.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rusqlite::{Connection, ErrorCode, OpenFlags};
use zerok_core::machine::StoreFailure;

use crate::data_dir::create_private;

/// The version of the tables this code writes.
const VERSION: i64 = 1;
/// The first SQLite without a known fault in write-ahead logging.
const SQLITE: i32 = 3_051_003;
/// What a write-ahead log is cut back to, bytes.
const LOG_LIMIT: i64 = 16 << 20;

/// How long another process may hold the database before a batch is refused.
const PATIENCE: Duration = Duration::from_secs(1);

const TABLES: &str = "
    CREATE TABLE cell (id INTEGER PRIMARY KEY, value BLOB NOT NULL);
    CREATE TABLE stream (device BLOB NOT NULL, inc BLOB NOT NULL, lane INTEGER NOT NULL, state BLOB NOT NULL,
                         PRIMARY KEY (device, inc, lane));
    CREATE TABLE outbox (id INTEGER PRIMARY KEY, lane INTEGER NOT NULL, kind INTEGER NOT NULL, inc BLOB NOT NULL, seq INTEGER NOT NULL,
                         hash BLOB NOT NULL, digest BLOB NOT NULL, blob_id BLOB NOT NULL, key BLOB, size INTEGER NOT NULL,
                         blob BLOB NOT NULL);
    CREATE TABLE acked (id INTEGER PRIMARY KEY, position INTEGER, held INTEGER NOT NULL);
    CREATE INDEX acked_position ON acked (position) WHERE position IS NOT NULL;
    CREATE TABLE inbox (position INTEGER PRIMARY KEY, size INTEGER NOT NULL, blob BLOB NOT NULL);
    CREATE TABLE held (digest BLOB PRIMARY KEY, cursor INTEGER NOT NULL, blob BLOB NOT NULL);
    CREATE TABLE roster (number INTEGER PRIMARY KEY, blob BLOB NOT NULL);
    CREATE TABLE verdict (id INTEGER PRIMARY KEY, verdict BLOB NOT NULL);
";

/// Every table, for `Erase`.
pub(super) const ALL: [&str; 8] = ["cell", "stream", "outbox", "acked", "inbox", "held", "roster", "verdict"];

/// Opens the database, creating it if there is none.
pub(super) fn open(path: &Path) -> Result<Connection, StoreFailure> {
    if rusqlite::version_number() < SQLITE {
        return Err(StoreFailure::Io);
    }
    match try_open(path) {
        Err(StoreFailure::Corrupt) => {
            set_aside(path).map_err(|_io| StoreFailure::Io)?;
            Err(StoreFailure::Corrupt)
        }
        opened => opened,
    }
}

fn try_open(path: &Path) -> Result<Connection, StoreFailure> {
    if fs::metadata(path).is_ok_and(|found| found.len() > 0) {
        // Read-only, since closing a writing connection would already move the log into the file.
        let peek =
            Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)
                .map_err(failure)?;
        let version: i64 = peek.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(failure)?;
        if version > VERSION {
            return Err(StoreFailure::TooNew);
        }
    } else {
        create_private(path).map_err(|_io| StoreFailure::Io)?;
    }
    let mut connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)
            .map_err(failure)?;
    set_up(&connection)?;
    check(&connection)?;
    migrate(&mut connection)?;
    Ok(connection)
}

/// Settings live in the connection, not in the file: each one is made and read back (D6).
fn set_up(connection: &Connection) -> Result<(), StoreFailure> {
    connection.busy_timeout(PATIENCE).map_err(failure)?;
    let settings: [(&str, &dyn rusqlite::ToSql, &str); 8] = [
        ("page_size", &8192, ""),
        ("journal_mode", &"wal", "wal"),
        ("synchronous", &"full", "2"),
        ("fullfsync", &true, "1"),
        ("checkpoint_fullfsync", &true, "1"),
        ("secure_delete", &true, "1"),
        ("journal_size_limit", &LOG_LIMIT, ""),
        ("trusted_schema", &false, "0"),
    ];
    for (name, value, expected) in settings {
        connection.pragma_update(None, name, value).map_err(failure)?;
        if !expected.is_empty() && setting(connection, name)? != expected {
            return Err(StoreFailure::Io);
        }
    }
    connection.set_prepared_statement_cache_capacity(32);
    Ok(())
}

/// A setting as text.
pub(super) fn setting(connection: &Connection, name: &str) -> Result<String, StoreFailure> {
    use rusqlite::types::Value;
    connection
        .pragma_query_value(None, name, |row| row.get::<_, Value>(0))
        .map(|value| match value {
            Value::Integer(number) => number.to_string(),
            Value::Text(text) => text,
            _ => String::new(),
        })
        .map_err(failure)
}

/// Empties the write-ahead log, which still holds what was erased. The erasure itself is durable already.
pub(super) fn forget_log(connection: &Connection) {
    if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_row| Ok(())) {
        tracing::warn!(%error, "erased rows linger in the write-ahead log");
    }
}

fn check(connection: &Connection) -> Result<(), StoreFailure> {
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(failure)?;
    if verdict == "ok" { Ok(()) } else { Err(StoreFailure::Corrupt) }
}

/// The version and the tables change in one transaction, so a crash leaves the old or the new (D15).
fn migrate(connection: &mut Connection) -> Result<(), StoreFailure> {
    let transaction = connection.transaction().map_err(failure)?;
    let version: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(failure)?;
    if version < 1 {
        transaction.execute_batch(TABLES).map_err(failure)?;
    }
    transaction.pragma_update(None, "user_version", VERSION).map_err(failure)?;
    transaction.commit().map_err(failure)
}

/// Renames a damaged database and its log, so that a person or a tool may still look at them.
fn set_aside(path: &Path) -> std::io::Result<()> {
    let stamp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    for suffix in ["", "-wal"] {
        let from = with_suffix(path, suffix);
        if from.exists() {
            fs::rename(from, with_suffix(path, &format!("{CORRUPT}{stamp}{suffix}")))?;
        }
    }
    match fs::remove_file(with_suffix(path, "-shm")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _removed => Ok(()),
    }
}

const CORRUPT: &str = ".corrupt-";

/// Damaged databases kept beside this one.
pub(super) fn kept_aside(path: &Path) -> Vec<PathBuf> {
    let prefix = with_suffix(path, CORRUPT);
    let (Some(directory), Some(prefix)) = (path.parent(), prefix.file_name().and_then(|name| name.to_str())) else {
        return Vec::new();
    };
    let named = |entry: &fs::DirEntry| {
        entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix) && !name.ends_with("-wal"))
    };
    let mut found: Vec<_> =
        fs::read_dir(directory).into_iter().flatten().flatten().filter(named).map(|entry| entry.path()).collect();
    found.sort();
    found
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// How an error of SQLite looks to a machine.
#[expect(clippy::needless_pass_by_value, reason = "used as a function in map_err")]
pub(super) fn failure(error: rusqlite::Error) -> StoreFailure {
    tracing::error!(%error, "client store");
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreFailure::Full,
        // Our own lock keeps other clients out. A backup or a person with a tool does not know of it, and comes to an end.
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreFailure::Busy,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreFailure::Corrupt,
        _ => StoreFailure::Io,
    }
}
