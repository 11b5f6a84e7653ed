//! The naive relay itself. Every fault is marked; do not learn from it.

use std::{
    io::{BufRead, BufReader, BufWriter, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use rusqlite::Connection;

use super::{Answer, Request};
use crate::{push::SEALED, trouble::Trouble};

/// Bytes a group may store.
const QUOTA: i64 = 1 << 40;
/// Blobs of a page. Fault: a hundred large ones are a page too large to send, for good.
const PAGE: i64 = 100;

/// Fills a new log and serves it, on a port that it tells through `ready`. Ends only by being killed.
///
/// # Errors
/// It cannot start.
pub fn serve(folder: &Path, backlog: usize, ready: impl FnOnce(u16)) -> Result<(), Trouble> {
    let database = open(folder, backlog)?;
    let listener = TcpListener::bind("127.0.0.1:0").map_err(Trouble::io("a port"))?;
    ready(listener.local_addr().map_err(Trouble::io("a port"))?.port());
    let database = Arc::new(Mutex::new(database));
    for stream in listener.incoming().map_while(Result::ok) {
        let database = Arc::clone(&database);
        // A client that goes away in the middle is of no interest.
        thread::spawn(move || drop(talk(&stream, &database)));
    }
    Ok(())
}

fn open(folder: &Path, backlog: usize) -> Result<Connection, Trouble> {
    let mut database = Connection::open(folder.join("naive.db"))?;
    // Fault: at the default page size, a blob of a kibibyte leaves a quarter of each page unused.
    database.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    database.pragma_update(None, "synchronous", "FULL")?;
    database.execute_batch(
        "CREATE TABLE groups (id INTEGER PRIMARY KEY, cursor INTEGER NOT NULL);
         CREATE TABLE blobs (grp INTEGER NOT NULL, cursor INTEGER NOT NULL, payload BLOB NOT NULL, PRIMARY KEY (grp, cursor));
         INSERT INTO groups VALUES (1, 0);",
    )?;
    let filling = database.transaction()?;
    for cursor in 1..=backlog {
        let mut insert = filling.prepare_cached("INSERT INTO blobs VALUES (1, ?1, ?2)")?;
        insert.execute((cursor as i64, vec![0x5a; SEALED]))?;
    }
    filling.execute("UPDATE groups SET cursor = ?1", [backlog as i64])?;
    filling.commit()?;
    database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(database)
}

fn talk(stream: &TcpStream, database: &Mutex<Connection>) -> Result<(), Trouble> {
    let failed = || Trouble::io("a link of the naive relay");
    stream.set_nodelay(true).map_err(failed())?;
    let mut out = BufWriter::new(stream);
    for line in BufReader::new(stream).lines() {
        let request = serde_json::from_str(&line.map_err(failed())?)?;
        let answer = {
            let database = database.lock().unwrap_or_else(PoisonError::into_inner);
            answer(&database, request)?
        };
        // Fault: bytes as lists of numbers, in both directions.
        serde_json::to_writer(&mut out, &answer)?;
        out.write_all(b"\n").and_then(|()| out.flush()).map_err(failed())?;
    }
    Ok(())
}

pub(super) fn answer(database: &Connection, request: Request) -> Result<Answer, Trouble> {
    Ok(match request {
        // Fault: counts the whole log.
        Request::Hello => Answer::Welcome {
            waiting: database.query_row("SELECT count(*) FROM blobs WHERE grp = 1", [], |row| row.get(0))?,
        },
        Request::Push { blob } => {
            // Fault: reads the whole log.
            let used: Option<i64> =
                database.query_row("SELECT sum(length(payload)) FROM blobs WHERE grp = 1", [], |row| row.get(0))?;
            if used.unwrap_or(0) + blob.len() as i64 > QUOTA {
                return Ok(Answer::Full);
            }
            // Fault: two transactions, and a reader between them sees a number without its blob.
            let next = "UPDATE groups SET cursor = cursor + 1 WHERE id = 1 RETURNING cursor";
            let cursor = database.query_row(next, [], |row| row.get(0))?;
            database.execute("INSERT INTO blobs VALUES (1, ?1, ?2)", (cursor, blob))?;
            Answer::Pushed { cursor }
        }
        Request::Pull { after } => {
            let mut select = database
                .prepare("SELECT cursor, payload FROM blobs WHERE grp = 1 AND cursor > ?1 ORDER BY cursor LIMIT ?2")?;
            let blobs = select.query_map([after, PAGE], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Answer::Page { blobs: blobs.collect::<Result<_, _>>()? }
        }
    })
}

#[cfg(test)]
pub(super) fn empty(folder: &Path) -> Result<Connection, Trouble> {
    open(folder, 0)
}
