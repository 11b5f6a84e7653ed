//! A client's questions as SQL.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row};
use zerok_core::{
    client::store::{ClientImage, HeldRow, InboxRow, OutboxEntry, RosterRow},
    ids::{
        BlobId, Cursor, DeviceId, Digest, IdempotencyKey, Incarnation, Lane, OutboxId, Position, RecordHash, StreamId,
    },
};

use super::apply::{LEDGER, VAULT, number};

/// Everything but blob bytes of outbox and inbox. The counter is not in the database.
pub(super) fn image(connection: &Connection, reserved: u64) -> rusqlite::Result<ClientImage> {
    Ok(ClientImage {
        reserved,
        vault: cell(connection, VAULT)?,
        ledger: cell(connection, LEDGER)?,
        streams: all(connection, "SELECT device, inc, lane, state FROM stream ORDER BY device, inc, lane", |row| {
            let stream =
                StreamId { device: DeviceId(row.get(0)?), inc: Incarnation(row.get(1)?), lane: lane(row.get(2)?) };
            Ok((stream, bytes(row, 3)?))
        })?,
        outbox: all(
            connection,
            "SELECT outbox.id, lane, kind, inc, seq, hash, digest, blob_id, key, size, coalesce(held, 0), position
             FROM outbox LEFT JOIN acked ON acked.id = outbox.id ORDER BY outbox.id",
            entry,
        )?,
        inbox: all(connection, "SELECT position, size FROM inbox ORDER BY position", |row| {
            Ok((Position(unsigned(row, 0)?), row.get(1)?))
        })?,
        held: all(connection, "SELECT digest, cursor, blob FROM held ORDER BY cursor, digest", |row| {
            Ok(HeldRow { digest: Digest(row.get(0)?), cursor: Cursor(unsigned(row, 1)?), blob: bytes(row, 2)? })
        })?,
        roster: all(connection, "SELECT number, blob FROM roster ORDER BY number", |row| {
            Ok(RosterRow { number: unsigned(row, 0)?, blob: bytes(row, 1)? })
        })?,
        verdicts: all(connection, "SELECT id, verdict FROM verdict ORDER BY id", |row| {
            Ok((unsigned(row, 0)?, bytes(row, 1)?))
        })?,
    })
}

/// The bytes of outbox rows, those that exist, by id.
pub(super) fn outbox(connection: &Connection, mut ids: Vec<OutboxId>) -> rusqlite::Result<Vec<(OutboxId, Bytes)>> {
    ids.sort_unstable();
    ids.dedup();
    let mut statement = connection.prepare_cached("SELECT blob FROM outbox WHERE id = ?")?;
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        if let Some(blob) = statement.query_row([number(id.0)], |row| bytes(row, 0)).optional()? {
            found.push((id, blob));
        }
    }
    Ok(found)
}

/// Blobs after a position. Both halves come in order from an index, so nothing is read beyond the answer.
pub(super) fn inbox(
    connection: &Connection,
    after: Position,
    max_bytes: u32,
    own: bool,
) -> rusqlite::Result<Vec<InboxRow>> {
    let mut statement = connection.prepare_cached(if own {
        "SELECT position, blob FROM inbox WHERE position > ?1
         UNION ALL SELECT position, blob FROM acked JOIN outbox USING (id) WHERE position > ?1 ORDER BY position"
    } else {
        "SELECT position, blob FROM inbox WHERE position > ?1 ORDER BY position"
    })?;
    let mut rows = statement.query([number(after.0)])?;
    let (mut found, mut total) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let read = InboxRow { position: Position(unsigned(row, 0)?), blob: bytes(row, 1)? };
        total += read.blob.len();
        if total > max_bytes as usize && !found.is_empty() {
            break;
        }
        found.push(read);
    }
    Ok(found)
}

fn cell(connection: &Connection, id: i64) -> rusqlite::Result<Option<Bytes>> {
    connection.query_row("SELECT value FROM cell WHERE id = ?", [id], |row| bytes(row, 0)).optional()
}

fn all<T>(
    connection: &Connection,
    sql: &str,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection.prepare(sql)?.query_map([], read)?.collect()
}

fn entry(row: &Row<'_>) -> rusqlite::Result<OutboxEntry> {
    Ok(OutboxEntry {
        id: OutboxId(unsigned(row, 0)?),
        lane: lane(row.get(1)?),
        kind: row.get(2)?,
        inc: Incarnation(row.get(3)?),
        seq: unsigned(row, 4)?,
        hash: RecordHash(row.get(5)?),
        digest: Digest(row.get(6)?),
        blob_id: BlobId(row.get(7)?),
        key: row.get::<_, Option<[u8; 16]>>(8)?.map(IdempotencyKey),
        size: row.get(9)?,
        acked: row.get(10)?,
        position: row.get::<_, Option<i64>>(11)?.map(|at| Position(at.unsigned_abs())),
    })
}

fn lane(stored: u8) -> Lane {
    if stored == Lane::Control as u8 { Lane::Control } else { Lane::Data }
}

fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::unsigned_abs)
}

fn bytes(row: &Row<'_>, column: usize) -> rusqlite::Result<Bytes> {
    row.get::<_, Vec<u8>>(column).map(Bytes::from)
}
