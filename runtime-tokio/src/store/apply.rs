//! A client's operations as SQL.

use rusqlite::{OptionalExtension, Transaction, params};
use zerok_core::{
    client::store::{ClientOp, OutboxRow},
    ids::StreamId,
};

use super::schema::ALL;

/// Row of the vault in `cell`.
pub(super) const VAULT: i64 = 0;
/// Row of the ledger in `cell`.
pub(super) const LEDGER: i64 = 1;

/// Whole numbers as SQLite has them. Those that are compared never come near the sign bit; a question may, and then means "all".
pub(super) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Applies operations in order. Of vault, ledger and each stream only the last of a transaction is written.
pub(super) fn apply(transaction: &Transaction<'_>, operations: &[ClientOp]) -> rusqlite::Result<()> {
    let mut last = Last::of(operations);
    for (index, operation) in operations.iter().enumerate() {
        if last.is(index, operation) {
            apply_one(transaction, operation)?;
        }
    }
    Ok(())
}

/// Where each replaceable value is written last.
#[derive(Default)]
struct Last {
    vault: usize,
    ledger: usize,
    streams: std::collections::HashMap<StreamId, usize>,
}

impl Last {
    fn of(operations: &[ClientOp]) -> Self {
        let mut last = Self::default();
        for (index, operation) in operations.iter().enumerate() {
            match operation {
                ClientOp::Vault(_) => last.vault = index,
                ClientOp::Ledger(_) => last.ledger = index,
                ClientOp::Stream { stream, .. } => drop(last.streams.insert(*stream, index)),
                _ => {}
            }
        }
        last
    }

    fn is(&mut self, index: usize, operation: &ClientOp) -> bool {
        match operation {
            ClientOp::Vault(_) => self.vault == index,
            ClientOp::Ledger(_) => self.ledger == index,
            ClientOp::Stream { stream, .. } => self.streams.get(stream) == Some(&index),
            _ => true,
        }
    }
}

fn apply_one(transaction: &Transaction<'_>, operation: &ClientOp) -> rusqlite::Result<()> {
    let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| transaction.prepare_cached(sql)?.execute(values).map(drop);
    match operation {
        ClientOp::Vault(sealed) => run(SET_CELL, params![VAULT, &sealed[..]]),
        ClientOp::Ledger(sealed) => run(SET_CELL, params![LEDGER, &sealed[..]]),
        ClientOp::Stream { stream, state } => run(
            "INSERT OR REPLACE INTO stream (device, inc, lane, state) VALUES (?, ?, ?, ?)",
            params![stream.device.0, stream.inc.0, stream.lane as u8, &state[..]],
        ),
        // Lies outside the database; raised before this transaction commits.
        ClientOp::Reserve(_) => Ok(()),
        ClientOp::Enqueue(row) => enqueue(transaction, row),
        ClientOp::Acked { id, position } => acknowledge(transaction, number(id.0), position.map(|at| number(at.0))),
        ClientOp::Unacked(id) => run("UPDATE acked SET held = 0 WHERE id = ?", params![number(id.0)]),
        ClientOp::Remove(id) => {
            run("DELETE FROM outbox WHERE id = ?", params![number(id.0)])?;
            run(FORGET, params![number(id.0)])
        }
        ClientOp::Deliver(row) => run(
            "INSERT OR REPLACE INTO inbox (position, size, blob) VALUES (?, ?, ?)",
            params![number(row.position.0), number(row.blob.len() as u64), &row.blob[..]],
        ),
        ClientOp::Trim(position) => run("DELETE FROM inbox WHERE position <= ?", params![number(position.0)]),
        ClientOp::Hold(row) => run(
            "INSERT OR REPLACE INTO held (digest, cursor, blob) VALUES (?, ?, ?)",
            params![row.digest.0, number(row.cursor.0), &row.blob[..]],
        ),
        ClientOp::Release(digest) => run("DELETE FROM held WHERE digest = ?", params![digest.0]),
        ClientOp::Roster(row) => run(
            "INSERT OR REPLACE INTO roster (number, blob) VALUES (?, ?)",
            params![number(row.number), &row.blob[..]],
        ),
        ClientOp::Verdict { id, verdict } => {
            run("INSERT OR REPLACE INTO verdict (id, verdict) VALUES (?, ?)", params![number(*id), &verdict[..]])
        }
        ClientOp::Settle(id) => run("DELETE FROM verdict WHERE id <= ?", params![number(*id)]),
        ClientOp::Erase => {
            ALL.iter().try_for_each(|table| transaction.execute(&format!("DELETE FROM {table}"), []).map(drop))
        }
    }
}

const FORGET: &str = "DELETE FROM acked WHERE id = ?";
const SET_CELL: &str = "INSERT OR REPLACE INTO cell (id, value) VALUES (?, ?)";

fn enqueue(transaction: &Transaction<'_>, row: &OutboxRow) -> rusqlite::Result<()> {
    let entry = &row.entry;
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO outbox (id, lane, kind, inc, seq, hash, digest, blob_id, key, size, blob)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            number(entry.id.0),
            entry.lane as u8,
            entry.kind,
            entry.inc.0,
            number(entry.seq),
            entry.hash.0,
            entry.digest.0,
            entry.blob_id.0,
            entry.key.map(|key| key.0),
            entry.size,
            &row.blob[..],
        ])?;
    if entry.acked {
        acknowledge(transaction, number(entry.id.0), entry.position.map(|at| number(at.0)))
    } else {
        transaction.prepare_cached(FORGET)?.execute([number(entry.id.0)]).map(drop)
    }
}

/// An acknowledgement of a row that was removed meanwhile is void.
fn acknowledge(transaction: &Transaction<'_>, id: i64, position: Option<i64>) -> rusqlite::Result<()> {
    let known =
        transaction.prepare_cached("SELECT 1 FROM outbox WHERE id = ?")?.query_row([id], |_row| Ok(())).optional()?;
    if known.is_some() {
        transaction
            .prepare_cached("INSERT OR REPLACE INTO acked (id, position, held) VALUES (?, ?, 1)")?
            .execute(params![id, position])?;
    }
    Ok(())
}
