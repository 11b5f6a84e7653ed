//! One transaction of the writer: operations of any machines, applied in order, committed together.
//!
//! Counters of the groups touched are kept in memory and written once, in sorted order, just before the commit: a run of pushes
//! costs one read and one write of its group's row however many blobs it has. A head is never seen outside before the commit,
//! because it exists nowhere but here.
//!
//! Knows nothing of machines, batches and replies; the writer does.

use std::collections::BTreeMap;

use rusqlite::{Connection, ErrorCode, OptionalExtension, params};
use thiserror::Error;
use zerok_core::{
    ids::{GroupId, Tag},
    machine::StoreFailure,
    relay::store::{RelayOp, RelayOutcome},
    time::UnixMillis,
};

use super::{append, digests::Digests, mailbox, member, schema::CURSOR_BITS, sweep};

/// Why an operation or a query failed.
#[derive(Debug, Error)]
pub(super) enum Trouble {
    /// SQLite says.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// What is stored contradicts itself.
    #[error("stored rows contradict each other: {0}")]
    Contradiction(&'static str),
    /// The disk's reserve was reached.
    #[error("the disk's reserve is reached")]
    Reserve,
}

impl Trouble {
    /// What a machine is told.
    pub(super) fn failure(&self) -> StoreFailure {
        match self {
            Self::Contradiction(_) => StoreFailure::Corrupt,
            Self::Reserve => StoreFailure::Full,
            Self::Sqlite(error) => match error.sqlite_error_code() {
                // G14: somebody else holds the lock. Rolled back, may work later: to a machine the same as a full disk.
                Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreFailure::Full,
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::ConstraintViolation) => {
                    StoreFailure::Corrupt
                }
                _ => StoreFailure::Io,
            },
        }
    }
}

/// A group's row while a transaction lasts.
#[derive(Debug)]
pub(super) struct Group {
    /// Its place in `blobs`.
    pub(super) number: i64,
    pub(super) head: u64,
    pub(super) floor: u64,
    pub(super) floor_tag: Tag,
    pub(super) bytes: u64,
    pub(super) count: u64,
    pub(super) quota_bytes: u64,
    pub(super) quota_count: u64,
    /// Expiry of what this transaction added: (expires, cursor).
    pub(super) mark: Option<(u64, u64)>,
    /// Whether the row must be written.
    pub(super) dirty: bool,
}

impl Group {
    /// Above nine tenths of a quota: acknowledged blobs go.
    pub(super) fn crowded(&self) -> bool {
        above(self.bytes, self.quota_bytes, 90) || above(self.count, self.quota_count, 90)
    }
}

/// Whether `used` is more than so many hundredths of `quota`.
pub(super) fn above(used: u64, quota: u64, hundredths: u64) -> bool {
    u128::from(used) * 100 > u128::from(quota) * u128::from(hundredths)
}

/// The row id of a blob.
pub(super) fn place(number: i64, cursor: u64) -> i64 {
    (number << CURSOR_BITS) | signed(cursor)
}

/// The cursor in a row id.
pub(super) fn cursor_of(place: i64) -> u64 {
    place.unsigned_abs() & super::schema::MAX_CURSOR
}

/// A number as SQLite keeps it. Nothing stored here comes near 2^63; what a peer names beyond it means "beyond everything".
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The reverse of [`signed`]; nothing negative is ever stored.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// An open transaction.
#[derive(Debug)]
pub(super) struct Transaction<'a> {
    pub(super) conn: &'a Connection,
    digests: &'a mut Digests,
    groups: BTreeMap<GroupId, Option<Group>>,
    clock: Option<u64>,
    clock_dirty: bool,
}

impl<'a> Transaction<'a> {
    /// Begins, taking the write lock at once, so that no step can fail halfway for want of it.
    pub(super) fn begin(conn: &'a Connection, digests: &'a mut Digests) -> Result<Self, Trouble> {
        conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let clock = conn.prepare_cached("SELECT expiry_clock FROM meta")?.query_row([], |row| row.get(0));
        match clock {
            Ok(clock) => {
                let clock: Option<i64> = clock;
                Ok(Self { conn, digests, groups: BTreeMap::new(), clock: clock.map(unsigned), clock_dirty: false })
            }
            Err(error) => {
                rollback(conn);
                Err(error.into())
            }
        }
    }

    /// Applies one operation. After an error only [`Transaction::abandon`] makes sense.
    pub(super) fn apply(&mut self, op: &RelayOp, moved: &mut sweep::Moved) -> Result<Option<RelayOutcome>, Trouble> {
        match op {
            RelayOp::Append(run) => append::append(self, run).map(Some),
            RelayOp::Seen { group, link, acked, now } => member::seen(self, *group, *link, *acked, *now).map(|()| None),
            RelayOp::OpenMailbox { id, twin, group, expires, limit } => {
                mailbox::open(self.conn, *id, *twin, *group, *expires, *limit).map(|it| Some(RelayOutcome::Mailbox(it)))
            }
            RelayOp::ClaimMailbox { id, link, now } => {
                mailbox::claim(self.conn, *id, *link, *now).map(|it| Some(RelayOutcome::Mailbox(it)))
            }
            RelayOp::SendMailbox { id, side, body, now } => {
                mailbox::send(self.conn, *id, *side, body, *now).map(|it| Some(RelayOutcome::Mailbox(it)))
            }
            RelayOp::CloseMailbox { id } => mailbox::close(self.conn, *id).map(|()| None),
            RelayOp::Sweep { now, clamp } => sweep::sweep(self, *now, *clamp, moved).map(Some),
        }
    }

    /// A group's row, if there is one.
    pub(super) fn group(&mut self, id: GroupId) -> Result<Option<&mut Group>, Trouble> {
        if !self.groups.contains_key(&id) {
            let loaded = load(self.conn, id)?;
            self.groups.insert(id, loaded);
        }
        Ok(self.groups.get_mut(&id).and_then(Option::as_mut))
    }

    /// A group's row and what is known of its digests.
    pub(super) fn log(&mut self, id: GroupId) -> Result<Option<(&mut Group, &mut Digests)>, Trouble> {
        self.group(id)?;
        Ok(self.groups.get_mut(&id).and_then(Option::as_mut).map(|group| (group, &mut *self.digests)))
    }

    /// Adds a group that [`Transaction::group`] does not know.
    pub(super) fn found(&mut self, id: GroupId, group: Group) {
        self.groups.insert(id, Some(group));
    }

    /// The expiry clock: starts at the first time it is told, and from then on moves only by sweeps.
    pub(super) fn clock(&mut self, now: UnixMillis) -> u64 {
        if self.clock.is_none() {
            self.set_clock(now.0);
        }
        self.clock.unwrap_or(now.0)
    }

    /// Moves the expiry clock.
    pub(super) fn set_clock(&mut self, clock: u64) {
        self.clock = Some(clock);
        self.clock_dirty = true;
    }

    /// Where the expiry clock stands, if it was ever started.
    pub(super) fn clock_now(&self) -> Option<u64> {
        self.clock
    }

    /// Writes what is still in memory. Groups come in sorted order, so that processes sharing a database could not deadlock.
    pub(super) fn flush(&mut self) -> Result<(), Trouble> {
        self.digests.flush(self.conn)?;
        for group in self.groups.values_mut().flatten() {
            if let Some((expires, cursor)) = group.mark.take() {
                sweep::mark(self.conn, group.number, expires, cursor)?;
            }
            if group.dirty {
                store(self.conn, group)?;
                group.dirty = false;
            }
        }
        if self.clock_dirty {
            self.conn.prepare_cached("UPDATE meta SET expiry_clock = ?1")?.execute([self.clock.map(signed)])?;
            self.clock_dirty = false;
        }
        Ok(())
    }

    /// Makes everything durable.
    pub(super) fn commit(mut self) -> Result<(), Trouble> {
        let conn = self.conn;
        let done = self.flush().and_then(|()| Ok(conn.prepare_cached("COMMIT")?.execute([])?));
        match done {
            Ok(_) => {
                self.digests.committed();
                Ok(())
            }
            Err(trouble) => {
                self.abandon();
                Err(trouble)
            }
        }
    }

    /// Undoes everything.
    pub(super) fn abandon(self) {
        rollback(self.conn);
        self.digests.rolled_back();
    }
}

/// Rolls back unless SQLite has done so by itself, as it may on a full disk.
fn rollback(conn: &Connection) {
    if !conn.is_autocommit()
        && let Err(error) = conn.execute_batch("ROLLBACK")
    {
        tracing::error!(%error, "a transaction could not be rolled back");
    }
}

fn load(conn: &Connection, id: GroupId) -> Result<Option<Group>, Trouble> {
    Ok(conn
        .prepare_cached(
            "SELECT number, head, floor, floor_tag, bytes, count, quota_bytes, quota_count FROM groups WHERE id = ?1",
        )?
        .query_row([id.0], |row| {
            Ok(Group {
                number: row.get(0)?,
                head: unsigned(row.get(1)?),
                floor: unsigned(row.get(2)?),
                floor_tag: Tag(row.get(3)?),
                bytes: unsigned(row.get(4)?),
                count: unsigned(row.get(5)?),
                quota_bytes: unsigned(row.get(6)?),
                quota_count: unsigned(row.get(7)?),
                mark: None,
                dirty: false,
            })
        })
        .optional()?)
}

fn store(conn: &Connection, group: &Group) -> Result<(), Trouble> {
    conn.prepare_cached(
        "UPDATE groups SET head = ?2, floor = ?3, floor_tag = ?4, bytes = ?5, count = ?6, quota_bytes = ?7, quota_count = ?8,
         crowded = ?9 WHERE number = ?1",
    )?
    .execute(params![
        group.number,
        signed(group.head),
        signed(group.floor),
        group.floor_tag.0,
        signed(group.bytes),
        signed(group.count),
        signed(group.quota_bytes),
        signed(group.quota_count),
        group.crowded(),
    ])?;
    Ok(())
}
