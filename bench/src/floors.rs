//! Floors: what the disk, the loopback and the cipher do when nothing of ours stands in between.
//!
//! Each does the least that the figure beside it cannot do without, with the same library, the same sizes and on the same disk.

use std::{
    fs::File,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    thread,
    time::Instant,
};

use rusqlite::Connection;

use crate::{run::Run, spread, trouble::Trouble};

/// Bytes of a page of the relay's database.
const PAGE: u32 = 8192;

/// Rows a second that SQLite takes durably, so many in a transaction: the relay's table of blobs with nothing beside it, in its page
/// size and at its level of durability. No digests, no quota, no group, no link.
///
/// # Errors
/// SQLite's.
pub fn group_commit(run: &Run, rows: usize, bytes: usize, per_transaction: usize) -> Result<f64, Trouble> {
    let database = blobs(&run.folder("floor")?)?;
    let body = vec![0x5a; bytes];
    let began = Instant::now();
    let mut place = 0;
    while place < rows {
        database.execute_batch("BEGIN IMMEDIATE")?;
        let mut insert = database.prepare_cached("INSERT INTO blobs (place, body) VALUES (?1, ?2)")?;
        for _ in 0..per_transaction.min(rows - place) {
            place += 1;
            insert.execute((place as i64, &body))?;
        }
        database.execute_batch("COMMIT")?;
    }
    Ok(rows as f64 / began.elapsed().as_secs_f64())
}

/// Rows a second that SQLite reads in pages of so many bytes, each copied once.
///
/// # Errors
/// SQLite's.
pub fn page_read(run: &Run, rows: usize, bytes: usize, page_bytes: usize) -> Result<f64, Trouble> {
    let database = blobs(&run.folder("floor")?)?;
    let body = vec![0x5a; bytes];
    database.execute_batch("BEGIN")?;
    for place in 1..=rows {
        database.prepare_cached("INSERT INTO blobs (place, body) VALUES (?1, ?2)")?.execute((place as i64, &body))?;
    }
    database.execute_batch("COMMIT")?;
    let began = Instant::now();
    let mut after = 0;
    while after < rows {
        let mut select = database.prepare_cached("SELECT place, body FROM blobs WHERE place > ?1 LIMIT ?2")?;
        let limit = (page_bytes / bytes).max(1);
        let page = select
            .query_map((after as i64, limit as i64), |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)))?;
        let page: Vec<_> = page.collect::<Result<_, _>>()?;
        after += page.len();
        std::hint::black_box(page);
    }
    Ok(rows as f64 / began.elapsed().as_secs_f64())
}

fn blobs(folder: &Path) -> Result<Connection, Trouble> {
    let database = Connection::open(folder.join("floor.db"))?;
    database.pragma_update(None, "page_size", PAGE)?;
    database.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    database.pragma_update(None, "synchronous", "FULL")?;
    database.execute_batch("CREATE TABLE blobs (place INTEGER PRIMARY KEY, body BLOB NOT NULL)")?;
    Ok(database)
}

/// Microseconds of one appended page and its `fdatasync`, the middle of so many.
///
/// # Errors
/// The file cannot be written.
pub fn sync(run: &Run, times: usize) -> Result<f64, Trouble> {
    let path = run.folder("floor")?.join("synced");
    let mut file = File::create(&path).map_err(Trouble::at(&path))?;
    let page = [0x5a; PAGE as usize];
    let mut micros = Vec::with_capacity(times);
    for _ in 0..times {
        let began = Instant::now();
        file.write_all(&page).and_then(|()| file.sync_data()).map_err(Trouble::at(&path))?;
        micros.push(began.elapsed().as_secs_f64() * 1e6);
    }
    spread::median(&micros)
}

/// Microseconds until so many bytes come back over loopback from another thread, the middle of so many times.
///
/// # Errors
/// Loopback does not work.
pub fn echo(bytes: usize, times: usize) -> Result<f64, Trouble> {
    let failed = || Trouble::io("an echo over loopback");
    let listener = TcpListener::bind("127.0.0.1:0").map_err(failed())?;
    let address = listener.local_addr().map_err(failed())?;
    let echoing = thread::spawn(move || {
        let (mut stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        let mut buffer = vec![0; bytes];
        while stream.read_exact(&mut buffer).is_ok() {
            stream.write_all(&buffer)?;
        }
        std::io::Result::Ok(())
    });
    let mut stream = TcpStream::connect(address).map_err(failed())?;
    stream.set_nodelay(true).map_err(failed())?;
    let mut buffer = vec![0x5a; bytes];
    let mut micros = Vec::with_capacity(times);
    for _ in 0..times {
        let began = Instant::now();
        stream.write_all(&buffer).and_then(|()| stream.read_exact(&mut buffer)).map_err(failed())?;
        micros.push(began.elapsed().as_secs_f64() * 1e6);
    }
    drop(stream);
    echoing.join().map_err(|_| Trouble::Process("the echo panicked".to_owned()))?.map_err(failed())?;
    spread::median(&micros)
}
