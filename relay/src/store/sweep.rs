//! Expiry: blobs leave from the old end of a log, and the floor says up to where.
//!
//! The expiry clock moves only forward, only by a sweep, and by at most the sweep's clamp, so a wall clock that jumps ten years
//! expires nothing at once (G13). *Marks* say "up to this cursor everything expires then"; they are slots of at most an hour per
//! group, so that a sweep reads only what is due, an append writes one small row, and a mark made under a wrong clock is undone by
//! the next one made under a right clock.
//!
//! A sweep deletes a bounded number of blobs; what remains due is finished by [`Moved::more`] being heeded by the writer, between
//! other work.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};
use zerok_core::{
    ids::{Cursor, GroupId},
    relay::store::RelayOutcome,
    time::{Duration, UnixMillis},
};

use super::{
    append::day,
    digests::{self, Digests},
    transaction::{Group, Transaction, Trouble, place, signed, unsigned},
};

/// Blobs deleted in one transaction: a pause of a few milliseconds for everyone else.
const CHUNK: u64 = 1000;
/// Milliseconds of one slot of marks.
const SLOT: u64 = 3_600_000;
/// Days after which a silent link no longer holds acknowledged blobs back.
const SEEN_DAYS: i64 = 30;

/// Floors that moved and were not yet reported, and whether blobs remain due.
#[derive(Debug, Default, Clone)]
pub(super) struct Moved {
    floors: BTreeMap<GroupId, Cursor>,
    more: bool,
    /// Mailboxes expired until then remain.
    mail: Option<UnixMillis>,
}

impl Moved {
    /// Whether another chunk is due.
    pub(super) fn more(&self) -> bool {
        self.more || self.mail.is_some()
    }

    /// Purges a chunk of expired mailboxes and remembers what remains.
    pub(super) fn purge(&mut self, conn: &Connection, now: UnixMillis) -> Result<(), Trouble> {
        self.mail = super::mailbox::purge(conn, now)?.then_some(now);
        Ok(())
    }
}

/// Advances the clock, deletes a chunk of what is due, and reports every floor that moved since the last report.
pub(super) fn sweep(
    tx: &mut Transaction<'_>,
    now: UnixMillis,
    clamp: Duration,
    moved: &mut Moved,
) -> Result<RelayOutcome, Trouble> {
    let clock = tx.clock(now);
    let step = u64::try_from(clamp.as_millis()).unwrap_or(u64::MAX);
    tx.set_clock(now.0.min(clock.saturating_add(step)).max(clock));
    moved.mail = Some(now);
    tx.conn.prepare_cached("DELETE FROM origins WHERE day < ?1")?.execute([day(now) - 1])?;
    chunk(tx, day(now), moved)?;
    Ok(RelayOutcome::Swept(std::mem::take(&mut moved.floors).into_iter().collect()))
}

/// Deletes up to a chunk of what is due by the clock, then of what crowded groups can spare.
pub(super) fn chunk(tx: &mut Transaction<'_>, today: i64, moved: &mut Moved) -> Result<(), Trouble> {
    // Marks and the crowded flag are rows: what is still in memory must be among them.
    tx.flush()?;
    if let Some(until) = moved.mail {
        moved.purge(tx.conn, until)?;
    }
    let mut budget = CHUNK;
    let clock = tx.clock_now().unwrap_or(0);
    while budget > 0
        && let Some(due) = due(tx.conn, clock)?
    {
        // Even a mark whose blobs are gone already costs a few statements.
        budget -= 1;
        let Some(id) = id_of(tx.conn, due.group)? else {
            return Err(Trouble::Contradiction("a mark of no group"));
        };
        let conn = tx.conn;
        let Some((group, digests)) = tx.log(id)? else {
            return Err(Trouble::Contradiction("a mark of no group"));
        };
        if cut(conn, digests, group, due.cursor, &mut budget)? {
            moved.floors.insert(id, Cursor(group.floor));
        }
        if group.floor < due.cursor {
            break;
        }
        conn.prepare_cached("DELETE FROM marks WHERE slot = ?1 AND grp = ?2")?.execute([due.slot, due.group])?;
    }
    let mut last = 0;
    while budget > 0
        && let Some((number, id)) = next_crowded(tx.conn, last)?
    {
        last = number;
        let conn = tx.conn;
        let Some((group, digests)) = tx.log(id)? else {
            return Err(Trouble::Contradiction("a crowded group is not there"));
        };
        if relieve(conn, digests, group, today, &mut budget)? {
            moved.floors.insert(id, Cursor(group.floor));
        }
    }
    moved.more = budget == 0;
    tx.flush()
}

/// Lets a crowded group's acknowledged blobs go, oldest first, in the middle of an append that would be refused.
pub(super) fn make_room(
    conn: &Connection,
    digests: &mut Digests,
    group: &mut Group,
    today: i64,
) -> Result<(), Trouble> {
    if group.crowded() {
        relieve(conn, digests, group, today, &mut CHUNK.clone())?;
    }
    Ok(())
}

/// Writes or moves the mark of the slot that `expires` lies in.
pub(super) fn mark(conn: &Connection, number: i64, expires: u64, cursor: u64) -> Result<(), Trouble> {
    conn.prepare_cached(
        "INSERT INTO marks (slot, grp, expires, cursor) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (slot, grp) DO UPDATE SET expires = max(expires, excluded.expires), cursor = excluded.cursor",
    )?
    .execute(params![signed(expires / SLOT), number, signed(expires), signed(cursor)])?;
    Ok(())
}

struct Due {
    slot: i64,
    group: i64,
    cursor: u64,
}

fn due(conn: &Connection, clock: u64) -> Result<Option<Due>, Trouble> {
    Ok(conn
        .prepare_cached(
            "SELECT slot, grp, cursor FROM marks WHERE slot <= ?1 AND expires <= ?2 ORDER BY slot, grp LIMIT 1",
        )?
        .query_row([signed(clock / SLOT), signed(clock)], |row| {
            Ok(Due { slot: row.get(0)?, group: row.get(1)?, cursor: unsigned(row.get(2)?) })
        })
        .optional()?)
}

fn id_of(conn: &Connection, number: i64) -> Result<Option<GroupId>, Trouble> {
    Ok(conn
        .prepare_cached("SELECT id FROM groups WHERE number = ?1")?
        .query_row([number], |row| row.get(0).map(GroupId))
        .optional()?)
}

fn next_crowded(conn: &Connection, last: i64) -> Result<Option<(i64, GroupId)>, Trouble> {
    Ok(conn
        .prepare_cached("SELECT number, id FROM groups WHERE crowded = 1 AND number > ?1 ORDER BY number LIMIT 1")?
        .query_row([last], |row| Ok((row.get(0)?, GroupId(row.get(1)?))))
        .optional()?)
}

/// Deletes acknowledged blobs until the group is no longer crowded. Answers whether the floor moved.
fn relieve(
    conn: &Connection,
    digests: &mut Digests,
    group: &mut Group,
    today: i64,
    budget: &mut u64,
) -> Result<bool, Trouble> {
    let acked: Option<i64> = conn
        .prepare_cached("SELECT min(acked) FROM members WHERE grp = ?1 AND seen_day >= ?2")?
        .query_row([group.number, today - SEEN_DAYS], |row| row.get(0))?;
    let acked = acked.map_or(0, unsigned);
    let mut moved = false;
    // A step at a time, so that no more goes than must.
    while *budget > 0 && group.crowded() && group.floor < acked {
        let step = (group.count / 64).max(1);
        moved |= cut(conn, digests, group, acked.min(group.floor + step), budget)?;
    }
    Ok(moved)
}

/// Moves the floor up to `target` as far as the budget allows. Answers whether it moved.
fn cut(
    conn: &Connection,
    digests: &mut Digests,
    group: &mut Group,
    target: u64,
    budget: &mut u64,
) -> Result<bool, Trouble> {
    let to = target.min(group.head).min(group.floor.saturating_add(*budget));
    if to <= group.floor {
        return Ok(false);
    }
    digests.flush(conn)?;
    let newest = digests::at(conn, group.number, to)?;
    let newest = newest.ok_or(Trouble::Contradiction("a cursor above the floor has no digest"))?;
    digests.expire(conn, group.number, group.floor, to)?;
    let range = [place(group.number, group.floor + 1), place(group.number, to)];
    let (count, bytes): (i64, i64) = conn
        .prepare_cached("SELECT count(*), coalesce(sum(length(body)), 0) FROM blobs WHERE place BETWEEN ?1 AND ?2")?
        .query_row(range, |row| Ok((row.get(0)?, row.get(1)?)))?;
    conn.prepare_cached("DELETE FROM blobs WHERE place BETWEEN ?1 AND ?2")?.execute(range)?;
    *budget -= to - group.floor;
    group.floor = to;
    group.floor_tag = newest.tag();
    group.bytes = group.bytes.saturating_sub(unsigned(bytes));
    group.count = group.count.saturating_sub(unsigned(count));
    group.dirty = true;
    Ok(true)
}
