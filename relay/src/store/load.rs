//! Answering a machine's questions, each from one snapshot of the database.
//!
//! Reads single rows and one range; never counts and never scans, so that connecting and pulling cost the same at any backlog.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, params};
use zerok_core::{
    ids::{Cursor, Digest, GroupId, LinkKey, MailboxId, RelayId, Tag},
    relay::store::{LogPage, PageQuery, RelayAnswer, RelayQuery, Side},
};

use super::{
    digests, mailbox,
    transaction::{Trouble, cursor_of, place, unsigned},
};

/// Answers one question. `conn` may be in a transaction or not.
pub(super) fn answer(conn: &Connection, query: &RelayQuery, relay_id: RelayId) -> Result<RelayAnswer, Trouble> {
    // Deferred: takes its snapshot at the first read, and holds no lock that anyone waits for.
    let snapshot = if conn.is_autocommit() { Some(conn.unchecked_transaction()?) } else { None };
    let answer = match query {
        RelayQuery::Open => RelayAnswer::Opened { relay_id },
        RelayQuery::Welcome { group, link, page } => {
            let row = row(conn, *group)?;
            let own = match &row {
                Some(row) => own(conn, row.number, *link)?,
                None => None,
            };
            RelayAnswer::Welcome { own, page: log_page(conn, row.as_ref(), *page)? }
        }
        RelayQuery::Page { group, page } => {
            let row = row(conn, *group)?;
            RelayAnswer::Page(log_page(conn, row.as_ref(), *page)?)
        }
        RelayQuery::Heads(groups) => {
            let mut heads = Vec::with_capacity(groups.len());
            for group in groups {
                heads.push((*group, Cursor(row(conn, *group)?.map_or(0, |row| row.head))));
            }
            RelayAnswer::Heads(heads)
        }
        RelayQuery::Mailbox { id, side, after } => messages(conn, *id, *side, *after)?,
    };
    if let Some(snapshot) = snapshot {
        snapshot.commit()?;
    }
    Ok(answer)
}

struct Row {
    number: i64,
    head: u64,
    floor: u64,
    floor_tag: Tag,
}

fn row(conn: &Connection, group: GroupId) -> Result<Option<Row>, Trouble> {
    Ok(conn
        .prepare_cached("SELECT number, head, floor, floor_tag FROM groups WHERE id = ?1")?
        .query_row([group.0], |row| {
            Ok(Row {
                number: row.get(0)?,
                head: unsigned(row.get(1)?),
                floor: unsigned(row.get(2)?),
                floor_tag: Tag(row.get(3)?),
            })
        })
        .optional()?)
}

fn own(conn: &Connection, number: i64, link: LinkKey) -> Result<Option<(Cursor, Digest)>, Trouble> {
    Ok(conn
        .prepare_cached(
            "SELECT own_cursor, own_digest FROM members WHERE grp = ?1 AND link = ?2 AND own_digest IS NOT NULL",
        )?
        .query_row(params![number, link.0], |row| Ok((Cursor(unsigned(row.get(0)?)), Digest(row.get(1)?))))
        .optional()?)
}

fn log_page(conn: &Connection, row: Option<&Row>, query: PageQuery) -> Result<LogPage, Trouble> {
    let after = query.after;
    let Some(row) = row else {
        return Ok(LogPage { after, reset: after.0 > 0, ..LogPage::default() });
    };
    let mut page = LogPage { after, floor: Cursor(row.floor), head: Cursor(row.head), ..LogPage::default() };
    page.reset = after.0 > row.head || differs(conn, row, query)?;
    if !page.reset {
        page.entries = entries(conn, row, query)?;
    }
    Ok(page)
}

/// Whether another blob stands at `after` than the asker knows. Zeros and places below the floor are not compared.
fn differs(conn: &Connection, row: &Row, query: PageQuery) -> Result<bool, Trouble> {
    let after = query.after.0;
    if query.tag == Tag::default() || after == 0 || after < row.floor {
        return Ok(false);
    }
    if after == row.floor {
        return Ok(query.tag != row.floor_tag);
    }
    let digest = digests::at(conn, row.number, after)?;
    let digest = digest.ok_or(Trouble::Contradiction("a cursor above the floor has no digest"))?;
    Ok(query.tag != digest.tag())
}

fn entries(conn: &Connection, row: &Row, query: PageQuery) -> Result<Vec<(Cursor, Bytes)>, Trouble> {
    if query.after.0 >= row.head {
        return Ok(Vec::new());
    }
    let mut statement =
        conn.prepare_cached("SELECT place, body FROM blobs WHERE place BETWEEN ?1 AND ?2 ORDER BY place")?;
    let first = query.after.0.max(row.floor) + 1;
    let mut rows = statement.query([place(row.number, first), place(row.number, row.head)])?;
    let mut entries = Vec::new();
    let mut room = query.max_bytes as usize;
    while let Some(row) = rows.next()? {
        let body = row.get_ref(1)?.as_blob().map_err(|_| Trouble::Contradiction("a blob is no blob"))?;
        if body.len() > room && !(entries.is_empty() && query.at_least_one) {
            break;
        }
        room = room.saturating_sub(body.len());
        entries.push((Cursor(cursor_of(row.get(0)?)), Bytes::copy_from_slice(body)));
        if room == 0 {
            break;
        }
    }
    Ok(entries)
}

fn messages(conn: &Connection, id: MailboxId, side: Side, after: u32) -> Result<RelayAnswer, Trouble> {
    let state: Option<(bool, bool)> = conn
        .prepare_cached("SELECT closed = 0, joiner IS NOT NULL FROM mailboxes WHERE id = ?1")?
        .query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let messages = conn
        .prepare_cached("SELECT body FROM mailbox_messages WHERE mailbox = ?1 AND side = ?2 AND n >= ?3 ORDER BY n")?
        .query_map(params![id.0, mailbox::number(side.other()), after], |row| row.get::<_, Vec<u8>>(0))?
        .map(|body| body.map(Bytes::from))
        .collect::<Result<_, _>>()?;
    let (open, claimed) = state.unwrap_or_default();
    Ok(RelayAnswer::Mailbox { messages, open, claimed })
}
