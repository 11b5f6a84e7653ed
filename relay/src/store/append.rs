//! Appending one link's run to its group's log.
//!
//! The cursor of a blob is the group's head plus one, taken inside the transaction (never a database sequence), so cursors have no
//! holes and no reader sees one without those before it (G11). Quotas are running
//! totals, so a push costs the same at any backlog. [`super::digests`] knows the duplicates.
//!
//! A run stops at its first refusal: what follows in the lane would only open a gap.

use rusqlite::{CachedStatement, params};
use zerok_core::{
    ids::{Cursor, Digest, Lane},
    relay::store::{Append, RelayOutcome, Stored},
    time::UnixMillis,
    wire::message::WireCode,
};

use super::{
    member,
    schema::{MAX_CURSOR, MAX_GROUP},
    sweep,
    transaction::{Group, Transaction, Trouble, above, place, signed},
};

/// Blobs up to this size, and the control lane, may use the last twentieth of a quota.
const SMALL: u64 = 1024;
/// Milliseconds of a day.
const DAY: u64 = 86_400_000;

/// Stores the run as far as it may.
pub(super) fn append(tx: &mut Transaction<'_>, run: &Append) -> Result<RelayOutcome, Trouble> {
    let clock = tx.clock(run.now);
    // The later of the two: a clock that was set back must not shorten what is promised.
    let expires = clock.max(run.now.0).saturating_add(u64::try_from(run.retention.as_millis()).unwrap_or(u64::MAX));
    let before = tx.group(run.group)?.map_or(0, |group| group.head);
    let mut results = Vec::with_capacity(run.blobs.len());
    let mut own = None;
    // Looked up once: the statement cache allocates and hashes the whole text each time.
    let mut insert = tx.conn.prepare_cached("INSERT INTO blobs (place, body) VALUES (?1, ?2)")?;
    for (digest, body) in &run.blobs {
        let stored = one(tx, &mut insert, run, *digest, body)?;
        results.push(stored);
        match stored {
            Stored::At(cursor) => own = Some((cursor, *digest)),
            Stored::Duplicate(_) => {}
            Stored::Refused(_) => break,
        }
    }
    let mut head = before;
    if let Some(group) = tx.group(run.group)? {
        head = group.head;
        let number = group.number;
        if let Some((cursor, _)) = own {
            let latest = group.mark.map_or(0, |(expires, _)| expires);
            group.mark = Some((latest.max(expires), cursor.0));
        }
        member::pushed(tx.conn, number, run.link, own, day(run.now))?;
    }
    Ok(RelayOutcome::Appended { before: Cursor(before), head: Cursor(head), results })
}

/// The day a time lies in.
pub(super) fn day(now: UnixMillis) -> i64 {
    signed(now.0 / DAY)
}

fn one(
    tx: &mut Transaction<'_>,
    insert: &mut CachedStatement<'_>,
    run: &Append,
    digest: Digest,
    body: &[u8],
) -> Result<Stored, Trouble> {
    let len = body.len() as u64;
    let conn = tx.conn;
    if tx.group(run.group)?.is_none() {
        if let Some(code) = refusal(run, 0, 0, 0, len) {
            return Ok(Stored::Refused(code));
        }
        match found(tx, run)? {
            None => {}
            Some(code) => return Ok(Stored::Refused(code)),
        }
    }
    let Some((group, digests)) = tx.log(run.group)? else {
        return Err(Trouble::Contradiction("a new group is not there"));
    };
    group.dirty |= group.quota_bytes != run.group_bytes || group.quota_count != run.group_blobs;
    group.quota_bytes = run.group_bytes;
    group.quota_count = run.group_blobs;
    // First of all, because a duplicate needs no room.
    if let Some(cursor) = digests.find(conn, group.number, (group.floor, group.head), digest)? {
        return Ok(Stored::Duplicate(Cursor(cursor)));
    }
    if refusal(run, group.head, group.bytes, group.count, len).is_some() {
        sweep::make_room(conn, digests, group, day(run.now))?;
        if let Some(code) = refusal(run, group.head, group.bytes, group.count, len) {
            return Ok(Stored::Refused(code));
        }
    }
    let cursor = group.head + 1;
    insert.execute(params![place(group.number, cursor), body])?;
    digests.add(conn, group.number, (group.floor, group.head), digest)?;
    group.head = cursor;
    group.bytes = group.bytes.saturating_add(len);
    group.count += 1;
    group.dirty = true;
    Ok(Stored::At(Cursor(cursor)))
}

/// Why a new blob of this length does not fit, if it does not.
fn refusal(run: &Append, head: u64, bytes: u64, count: u64, len: u64) -> Option<WireCode> {
    let share = if run.lane == Lane::Control || len <= SMALL { 100 } else { 95 };
    let full = above(bytes.saturating_add(len), run.group_bytes, share)
        || above(count.saturating_add(1), run.group_blobs, share)
        || head >= MAX_CURSOR;
    full.then_some(WireCode::GroupFull)
}

/// Makes a group's row, counted against where the pusher comes from (G4).
fn found(tx: &mut Transaction<'_>, run: &Append) -> Result<Option<WireCode>, Trouble> {
    let conn = tx.conn;
    let counted = conn
        .prepare_cached(
            "INSERT INTO origins (day, origin, groups) SELECT ?1, ?2, 1 WHERE ?3 > 0
             ON CONFLICT (day, origin) DO UPDATE SET groups = groups + 1 WHERE groups < ?3",
        )?
        .execute(params![day(run.now), run.origin.0, run.groups_per_day])?;
    if counted == 0 {
        return Ok(Some(WireCode::TooManyGroups));
    }
    let highest: Option<i64> =
        conn.prepare_cached("SELECT max(number) FROM groups")?.query_row([], |row| row.get(0))?;
    let number = highest.unwrap_or(0) + 1;
    if number > MAX_GROUP {
        return Ok(Some(WireCode::TooManyGroups));
    }
    conn.prepare_cached(
        "INSERT INTO groups (number, id, access, head, floor, floor_tag, bytes, count, quota_bytes, quota_count, crowded)
         VALUES (?1, ?2, ?3, 0, 0, zeroblob(8), 0, 0, ?4, ?5, 0)",
    )?
    .execute(params![number, run.group.0, run.access.0, signed(run.group_bytes), signed(run.group_blobs)])?;
    tx.found(
        run.group,
        Group {
            number,
            head: 0,
            floor: 0,
            floor_tag: Default::default(),
            bytes: 0,
            count: 0,
            quota_bytes: run.group_bytes,
            quota_count: run.group_blobs,
            mark: None,
            dirty: false,
        },
    );
    Ok(None)
}
