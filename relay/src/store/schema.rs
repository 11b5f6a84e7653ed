//! The database file: its tables, its connections, and what happens when it is damaged or too new.
//!
//! Never deletes a file. A damaged database is renamed aside and a new one started under a new relay id, which tells every client
//! to refill it (A13, G15). A database of a newer version, or of another program, is refused and left alone.
//!
//! Every connection sets `synchronous=FULL` and reads it back: an acknowledgement is honest only at FULL (D6).
//!
//! Rows of `blobs` are keyed by `group number << 40 | cursor`, so a page is one range of one B-tree, and at 8 KiB a page a blob of
//! 1 KiB needs no overflow page: twice the push rate and a quarter of the disk of the obvious layout.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension};
use thiserror::Error;
use zerok_core::ids::RelayId;
use zerok_tokio::data_dir::create_private;

/// The database's name in the data directory.
pub const FILE: &str = "relay.db";
/// The newest layout this version writes.
pub(super) const VERSION: i64 = 1;
/// Bytes of one page.
pub(super) const PAGE: u32 = 8192;
/// Bits of a place that hold the cursor.
pub(super) const CURSOR_BITS: u32 = 40;
/// The highest cursor a group can reach (G14).
pub(super) const MAX_CURSOR: u64 = (1 << CURSOR_BITS) - 1;
/// The highest group number, so that a place stays a positive 64-bit number.
pub(super) const MAX_GROUP: i64 = (1 << (63 - CURSOR_BITS)) - 1;

/// "0kR" and a byte to spare: marks the file as ours.
const APPLICATION: i64 = 0x306b_5200;

const TABLES: &str = "
CREATE TABLE meta (
  only INTEGER PRIMARY KEY CHECK (only = 1),
  relay_id BLOB NOT NULL,
  expiry_clock INTEGER                          -- null until the first operation that tells the time
);
CREATE TABLE groups (
  number INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE,
  access BLOB NOT NULL,
  head INTEGER NOT NULL,
  floor INTEGER NOT NULL,
  floor_tag BLOB NOT NULL,
  bytes INTEGER NOT NULL,
  count INTEGER NOT NULL,
  quota_bytes INTEGER NOT NULL,                 -- as of the last append: a sweep is not told
  quota_count INTEGER NOT NULL,
  crowded INTEGER NOT NULL                      -- above nine tenths of a quota
);
CREATE INDEX groups_crowded ON groups (crowded) WHERE crowded = 1;
CREATE TABLE blobs (
  place INTEGER PRIMARY KEY,                    -- group number << 40 | cursor
  body BLOB NOT NULL
);
CREATE TABLE digests (
  place INTEGER PRIMARY KEY,                    -- group number << 40 | (cursor - 1) / 256
  list BLOB NOT NULL
);
CREATE TABLE filters (
  place INTEGER PRIMARY KEY,                    -- group number << 40 | (cursor - 1) / 4096
  bits BLOB NOT NULL
);
CREATE TABLE marks (                            -- up to `cursor` everything expires at `expires`, in slots of an hour at most
  slot INTEGER NOT NULL,
  grp INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  cursor INTEGER NOT NULL,
  PRIMARY KEY (slot, grp)
) WITHOUT ROWID;
CREATE TABLE members (
  grp INTEGER NOT NULL,
  link BLOB NOT NULL,
  acked INTEGER NOT NULL,
  own_cursor INTEGER NOT NULL,
  own_digest BLOB,
  seen_day INTEGER NOT NULL,
  PRIMARY KEY (grp, link)
) WITHOUT ROWID;
CREATE TABLE mailboxes (
  id BLOB PRIMARY KEY,
  twin BLOB NOT NULL,
  grp BLOB NOT NULL,                            -- the group's id: its row may not exist yet
  expires INTEGER NOT NULL,
  joiner BLOB,
  closed INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX mailboxes_group ON mailboxes (grp);
CREATE INDEX mailboxes_expires ON mailboxes (expires);
CREATE TABLE mailbox_messages (
  mailbox BLOB NOT NULL,
  side INTEGER NOT NULL,
  n INTEGER NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (mailbox, side, n)
) WITHOUT ROWID;
CREATE TABLE origins (
  day INTEGER NOT NULL,
  origin BLOB NOT NULL,
  groups INTEGER NOT NULL,
  PRIMARY KEY (day, origin)
) WITHOUT ROWID;
";

/// Why the database cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// A newer version wrote it.
    #[error("{path} has layout {found}, this version knows {VERSION}: install the newer relay again, or start with an empty data directory", path = .path.display())]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its layout.
        found: i64,
    },
    /// Another program's database.
    #[error("{path} is not a relay's database; move it away", path = .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// It is damaged, and so is the one that was to replace it, or nobody asked for another.
    #[error(
        "the database is damaged ({0}); at its next start the relay sets it aside and begins a new log, which clients refill"
    )]
    Damaged(String),
    /// A setting that durability rests on did not hold.
    #[error(
        "SQLite keeps {pragma} = {found}, which cannot promise durability; is the data directory on a network drive?"
    )]
    Pragma {
        /// Which setting.
        pragma: &'static str,
        /// What it is.
        found: String,
    },
    /// SQLite failed.
    #[error("the database does not open: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The operating system failed.
    #[error("the data directory does not work: {0}")]
    Io(#[from] std::io::Error),
}

/// A checked database, ready for its writer.
#[derive(Debug)]
pub(super) struct Ready {
    /// The writing connection.
    pub(super) writer: Connection,
    /// The database's name.
    pub(super) relay_id: RelayId,
    /// Where a damaged predecessor was put.
    pub(super) set_aside: Option<PathBuf>,
}

/// Opens the database in `dir`, which must exist, creating it if need be; sets a damaged one aside.
pub(super) fn open(dir: &Path) -> Result<Ready, OpenError> {
    let path = dir.join(FILE);
    // SQLite gives its side files the mode of the main file, so this one call makes all of them private.
    create_private(&path)?;
    let first = verify(&path).and_then(|writer| Ok((identify(&writer)?, writer)));
    let (relay_id, writer, set_aside) = match first {
        Ok((relay_id, writer)) => (relay_id, writer, None),
        Err(Refused::Damaged(what)) => {
            let aside = set_aside(&path)?;
            tracing::error!(%what, aside = %aside.display(), "the database is damaged; it was set aside and a new one started");
            create_private(&path)?;
            let writer = verify(&path).map_err(Refused::into_error)?;
            (identify(&writer).map_err(Refused::into_error)?, writer, Some(aside))
        }
        Err(Refused::Final(error)) => return Err(error),
    };
    Ok(Ready { writer, relay_id, set_aside })
}

/// A further connection that only reads.
pub(super) fn reader(dir: &Path) -> Result<Connection, OpenError> {
    let conn = connect(&dir.join(FILE))?;
    conn.pragma_update(None, "query_only", true)?;
    Ok(conn)
}

/// What a database holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contents {
    /// Its name.
    pub relay_id: RelayId,
    /// Groups.
    pub groups: u64,
    /// Blobs.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl fmt::Display for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { relay_id, groups, blobs, bytes } = self;
        write!(f, "sound, relay id {relay_id}, {groups} groups, {blobs} blobs, {bytes} bytes")
    }
}

/// Looks into a database that nobody serves, without repairing or replacing anything.
///
/// # Errors
/// [`OpenError`]; a damaged one is [`OpenError::Damaged`].
pub fn inspect(path: &Path) -> Result<Contents, OpenError> {
    let conn = verify(path).map_err(Refused::into_error)?;
    let relay_id = identify(&conn).map_err(Refused::into_error)?;
    let sums = "SELECT count(*), coalesce(sum(count), 0), coalesce(sum(bytes), 0) FROM groups";
    let (groups, blobs, bytes): (i64, i64, i64) =
        conn.query_row(sums, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(Contents { relay_id, groups: groups.unsigned_abs(), blobs: blobs.unsigned_abs(), bytes: bytes.unsigned_abs() })
}

enum Refused {
    Damaged(String),
    Final(OpenError),
}

impl Refused {
    fn into_error(self) -> OpenError {
        match self {
            Self::Final(error) => error,
            Self::Damaged(what) => OpenError::Damaged(what),
        }
    }
}

impl From<rusqlite::Error> for Refused {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(error.to_string()),
            _ => Self::Final(error.into()),
        }
    }
}

impl From<OpenError> for Refused {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Sqlite(error) => error.into(),
            other => Self::Final(other),
        }
    }
}

/// Connects, checks the file's version and integrity, and makes the tables of a new one.
fn verify(path: &Path) -> Result<Connection, Refused> {
    let mut conn = connect(path)?;
    let found: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let application: i64 = conn.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if found == 0 {
        let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if tables > 0 || application != 0 {
            return Err(Refused::Final(OpenError::Foreign { path: path.to_owned() }));
        }
        create(&mut conn)?;
        return Ok(conn);
    }
    if application != APPLICATION {
        return Err(Refused::Final(OpenError::Foreign { path: path.to_owned() }));
    }
    if found > VERSION {
        return Err(Refused::Final(OpenError::TooNew { path: path.to_owned(), found }));
    }
    match quick_check(&conn)? {
        None => Ok(conn),
        Some(what) => Err(Refused::Damaged(what)),
    }
}

fn connect(path: &Path) -> Result<Connection, OpenError> {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    // Only a person with a database tool can hold the lock; a short stall is better than a refusal.
    conn.busy_timeout(Duration::from_secs(5))?;
    conn.set_prepared_statement_cache_capacity(64);
    conn.pragma_update(None, "page_size", PAGE)?;
    let mode: String = conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(OpenError::Pragma { pragma: "journal_mode", found: mode });
    }
    conn.pragma_update(None, "synchronous", "FULL")?;
    let level: i64 = conn.pragma_query_value(None, "synchronous", |row| row.get(0))?;
    if level != 2 {
        return Err(OpenError::Pragma { pragma: "synchronous", found: level.to_string() });
    }
    conn.pragma_update(None, "trusted_schema", false)?;
    conn.pragma_update(None, "cell_size_check", true)?;
    Ok(conn)
}

fn create(conn: &mut Connection) -> Result<(), Refused> {
    let mut relay_id = [0; RelayId::LEN];
    getrandom::fill(&mut relay_id).map_err(|error| OpenError::Io(std::io::Error::other(error)))?;
    let transaction = conn.transaction()?;
    transaction.execute_batch(TABLES)?;
    transaction.execute("INSERT INTO meta (only, relay_id) VALUES (1, ?1)", [relay_id])?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()?;
    Ok(())
}

fn identify(conn: &Connection) -> Result<RelayId, Refused> {
    conn.query_row("SELECT relay_id FROM meta", [], |row| row.get(0))
        .optional()?
        .map(RelayId)
        .ok_or_else(|| Refused::Damaged("the database has no name".to_owned()))
}

fn quick_check(conn: &Connection) -> Result<Option<String>, rusqlite::Error> {
    let verdict: Result<String, _> = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
    match verdict {
        Ok(verdict) if verdict == "ok" => Ok(None),
        Ok(verdict) => Ok(Some(verdict)),
        Err(error) => match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Ok(Some(error.to_string())),
            _ => Err(error),
        },
    }
}

/// Renames the damaged file and its side files, which together may still be of use to somebody.
fn set_aside(path: &Path) -> Result<PathBuf, OpenError> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let with = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let aside = (0..)
        .map(|n| with(&format!(".damaged-{seconds}{}", if n == 0 { String::new() } else { format!("-{n}") })))
        .find(|candidate| !candidate.exists())
        .unwrap_or_else(|| with(".damaged"));
    for side in ["-wal", "-shm"] {
        let from = with(side);
        if from.exists() {
            let mut to = aside.as_os_str().to_owned();
            to.push(side);
            fs::rename(&from, PathBuf::from(to))?;
        }
    }
    fs::rename(path, &aside)?;
    Ok(aside)
}
