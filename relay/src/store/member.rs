//! What a group's member links have acknowledged, stored last, and when they were seen.
//!
//! A member can mint link keys, so a group keeps a bounded number of them: the one unseen for longest makes room.

use rusqlite::{Connection, params};
use zerok_core::{
    ids::{Cursor, Digest, GroupId, LinkKey},
    time::UnixMillis,
};

use super::{
    append::day,
    transaction::{Transaction, Trouble, signed},
};

/// Links remembered per group: twice the devices a group may ever have.
pub(super) const MAX_LINKS: i64 = 2 * zerok_core::limits::MAX_DEVICES as i64;

/// Remembers an acknowledgement. It never goes back, nor beyond the head: else a lie would outlive its log.
pub(super) fn seen(
    tx: &mut Transaction<'_>,
    group: GroupId,
    link: LinkKey,
    acked: Cursor,
    now: UnixMillis,
) -> Result<(), Trouble> {
    let Some((number, head)) = tx.group(group)?.map(|group| (group.number, group.head)) else {
        return Ok(());
    };
    let changed = tx
        .conn
        .prepare_cached(
            "UPDATE members SET acked = max(acked, ?3), seen_day = max(seen_day, ?4) WHERE grp = ?1 AND link = ?2",
        )?
        .execute(params![number, link.0, signed(acked.0.min(head)), day(now)])?;
    if changed == 0 {
        insert(tx.conn, number, link, acked.0.min(head), None, day(now))?;
    }
    Ok(())
}

/// Remembers what a link stored last, which is how a cloned or restored device finds out.
pub(super) fn pushed(
    conn: &Connection,
    number: i64,
    link: LinkKey,
    own: Option<(Cursor, Digest)>,
    day: i64,
) -> Result<(), Trouble> {
    let cursor = own.map(|(cursor, _)| signed(cursor.0));
    let digest = own.map(|(_, digest)| digest.0);
    let changed = conn
        .prepare_cached(
            "UPDATE members SET own_cursor = coalesce(?3, own_cursor), own_digest = coalesce(?4, own_digest),
             seen_day = max(seen_day, ?5) WHERE grp = ?1 AND link = ?2",
        )?
        .execute(params![number, link.0, cursor, digest, day])?;
    if changed == 0 {
        insert(conn, number, link, 0, own, day)?;
    }
    Ok(())
}

fn insert(
    conn: &Connection,
    number: i64,
    link: LinkKey,
    acked: u64,
    own: Option<(Cursor, Digest)>,
    day: i64,
) -> Result<(), Trouble> {
    conn.prepare_cached(
        "DELETE FROM members WHERE grp = ?1 AND (SELECT count(*) FROM members WHERE grp = ?1) >= ?2
         AND link = (SELECT link FROM members WHERE grp = ?1 ORDER BY seen_day, link LIMIT 1)",
    )?
    .execute(params![number, MAX_LINKS])?;
    conn.prepare_cached(
        "INSERT INTO members (grp, link, acked, own_cursor, own_digest, seen_day) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        number,
        link.0,
        signed(acked),
        own.map_or(0, |(cursor, _)| signed(cursor.0)),
        own.map(|(_, digest)| digest.0),
        day
    ])?;
    Ok(())
}
