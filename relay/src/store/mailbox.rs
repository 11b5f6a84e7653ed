//! Mailboxes: how two devices that do not know each other yet pass messages.
//!
//! ```text
//!          open                 claim (twin closes)
//!   (none) ─────► open ───────────────► claimed
//!                   │ close, twin claimed │ close
//!                   └──────► closed ◄─────┘          every state ends at its expiry
//! ```
//!
//! A closed mailbox leaves a row until it expires, so that a creator who reconnects cannot open a claimed invite's other half
//! again. Unknown, ended and expired answer alike. Everything is a row, so either side may be served by any machine.

use rusqlite::{Connection, OptionalExtension, params};
use zerok_core::{
    ids::{GroupId, LinkKey, MailboxId},
    limits::{MAX_MAILBOX_MESSAGE, MAX_MAILBOX_MESSAGES},
    relay::store::Side,
    time::UnixMillis,
    wire::message::WireCode,
};

use super::transaction::{Trouble, signed};

/// Ended mailboxes a group may leave behind within one lifetime of an invite, for each it may have open.
const ENDED: i64 = 64;

/// Mailboxes purged in one transaction, each with up to 128 messages.
pub(super) const CHUNK: i64 = 16;

type Verdict = Result<(), WireCode>;

/// Opens a mailbox, or attaches its group to it again.
pub(super) fn open(
    conn: &Connection,
    id: MailboxId,
    twin: MailboxId,
    group: GroupId,
    expires: UnixMillis,
    limit: u32,
) -> Result<Verdict, Trouble> {
    if let Some(there) = find(conn, id)? {
        return Ok(match there {
            Mailbox { group: owner, .. } if owner != group => Err(WireCode::InviteUnknown),
            Mailbox { closed: false, .. } => Ok(()),
            // Its creator learns which half of the invite to attach to.
            Mailbox { twin, .. } if find(conn, twin)?.is_some_and(|twin| !twin.closed) => Err(WireCode::InviteUsed),
            _ => Err(WireCode::InviteUnknown),
        });
    }
    let (open, ended): (i64, i64) = conn
        .prepare_cached("SELECT count(*) FILTER (WHERE closed = 0), count(*) FILTER (WHERE closed = 1) FROM mailboxes WHERE grp = ?1")?
        .query_row([group.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if open >= i64::from(limit) || ended >= ENDED * i64::from(limit) {
        return Ok(Err(WireCode::MailboxFull));
    }
    // Whoever opens another invite is done with the last words of the ones that ended.
    conn.prepare_cached(
        "DELETE FROM mailbox_messages WHERE mailbox IN (SELECT id FROM mailboxes WHERE grp = ?1 AND closed = 1)",
    )?
    .execute([group.0])?;
    conn.prepare_cached("INSERT INTO mailboxes (id, twin, grp, expires, closed) VALUES (?1, ?2, ?3, ?4, 0)")?
        .execute(params![id.0, twin.0, group.0, signed(expires.0)])?;
    Ok(Ok(()))
}

/// Gives a mailbox to the first joiner who asks; the same one may ask again.
pub(super) fn claim(conn: &Connection, id: MailboxId, link: LinkKey, now: UnixMillis) -> Result<Verdict, Trouble> {
    let Some(there) = find(conn, id)?.filter(|there| there.serves(now)) else {
        return Ok(Err(WireCode::InviteUnknown));
    };
    if there.joiner.is_some_and(|joiner| joiner != link) {
        return Ok(Err(WireCode::InviteUsed));
    }
    conn.prepare_cached("UPDATE mailboxes SET joiner = ?2 WHERE id = ?1")?.execute(params![id.0, link.0])?;
    conn.prepare_cached("UPDATE mailboxes SET closed = 1 WHERE id = ?1 AND id <> ?2")?.execute([there.twin.0, id.0])?;
    Ok(Ok(()))
}

/// Leaves a message for the other side.
pub(super) fn send(
    conn: &Connection,
    id: MailboxId,
    side: Side,
    body: &[u8],
    now: UnixMillis,
) -> Result<Verdict, Trouble> {
    let Some(there) = find(conn, id)?.filter(|there| there.serves(now)) else {
        return Ok(Err(WireCode::InviteUnknown));
    };
    if side == Side::Joiner && there.joiner.is_none() {
        return Ok(Err(WireCode::InviteUnknown));
    }
    let sent: u32 = conn
        .prepare_cached("SELECT count(*) FROM mailbox_messages WHERE mailbox = ?1 AND side = ?2")?
        .query_row(params![id.0, number(side)], |row| row.get(0))?;
    if sent >= MAX_MAILBOX_MESSAGES || body.len() > MAX_MAILBOX_MESSAGE {
        return Ok(Err(WireCode::MailboxFull));
    }
    conn.prepare_cached("INSERT INTO mailbox_messages (mailbox, side, n, body) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![id.0, number(side), sent, body])?;
    Ok(Ok(()))
}

/// Ends a mailbox and its twin. Messages stay readable until the group opens another, so that a last word is not lost.
pub(super) fn close(conn: &Connection, id: MailboxId) -> Result<(), Trouble> {
    conn.prepare_cached(
        "UPDATE mailboxes SET closed = 1 WHERE id = ?1 OR id = (SELECT twin FROM mailboxes WHERE id = ?1)",
    )?
    .execute([id.0])?;
    Ok(())
}

/// Removes a chunk of what has expired. Answers whether there may be more.
pub(super) fn purge(conn: &Connection, now: UnixMillis) -> Result<bool, Trouble> {
    conn.prepare_cached(
        "DELETE FROM mailbox_messages WHERE mailbox IN
         (SELECT id FROM mailboxes WHERE expires <= ?1 ORDER BY expires, id LIMIT ?2)",
    )?
    .execute([signed(now.0), CHUNK])?;
    let gone = conn
        .prepare_cached(
            "DELETE FROM mailboxes WHERE id IN
             (SELECT id FROM mailboxes WHERE expires <= ?1 ORDER BY expires, id LIMIT ?2)",
        )?
        .execute([signed(now.0), CHUNK])?;
    Ok(gone as i64 == CHUNK)
}

/// How a side is stored.
pub(super) fn number(side: Side) -> i64 {
    match side {
        Side::Creator => 0,
        Side::Joiner => 1,
    }
}

struct Mailbox {
    twin: MailboxId,
    group: GroupId,
    expires: i64,
    joiner: Option<LinkKey>,
    closed: bool,
}

impl Mailbox {
    fn serves(&self, now: UnixMillis) -> bool {
        !self.closed && signed(now.0) < self.expires
    }
}

fn find(conn: &Connection, id: MailboxId) -> Result<Option<Mailbox>, Trouble> {
    Ok(conn
        .prepare_cached("SELECT twin, grp, expires, joiner, closed FROM mailboxes WHERE id = ?1")?
        .query_row([id.0], |row| {
            Ok(Mailbox {
                twin: MailboxId(row.get(0)?),
                group: GroupId(row.get(1)?),
                expires: row.get(2)?,
                joiner: row.get::<_, Option<[u8; 32]>>(3)?.map(LinkKey),
                closed: row.get(4)?,
            })
        })
        .optional()?)
}
