//! Which blobs a group's log already holds.
//!
//! Digests are random, so an index over them would dirty a page of its own for every blob: at a backlog of 50,000 that cost a third
//! of the push rate, and every expiry paid it again. Here digests are stored in the order of cursors, 256 to a row, so that a push
//! rewrites one row and an expiry drops whole ones; to find one, memory knows where to look. The newest block of 4,096 is known
//! exactly; each older one by a Bloom filter, written once when the block is complete, that says "not here" or "perhaps", and in one
//! of some 1,500 blocks says "perhaps" in vain.
//!
//! Invariants: what [`Digests::find`] answers is right whatever the filters say; what memory knows is what the open transaction sees,
//! so after a rollback every group it touched is forgotten and read anew.
//!
//! Limits: [`BUDGET`] bytes of memory, then the group unused for longest is forgotten. Reading one anew costs two bytes a blob.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use rusqlite::{Connection, OptionalExtension, params};
use zerok_core::ids::Digest;

use super::transaction::{Trouble, place};

/// Cursors of one row.
const ROW: u64 = 256;
/// Cursors of one block.
const BLOCK: u64 = 4096;
/// Bytes of a block's filter: as many as fit a page of the database.
const FILTER: usize = 8000;
/// Bits of the filter that one digest sets.
const BITS: usize = 8;
/// Memory for all groups.
const BUDGET: usize = 64 << 20;
/// What an exactly known digest costs in memory, about.
const EXACT: usize = 48;

/// What memory knows of the groups used lately.
#[derive(Debug)]
pub(super) struct Digests {
    groups: HashMap<i64, Known>,
    /// Groups by when they were last used.
    by_use: BTreeMap<u64, i64>,
    /// Groups the open transaction changed.
    touched: BTreeSet<i64>,
    bytes: usize,
    budget: usize,
    clock: u64,
}

#[derive(Debug)]
struct Known {
    /// Filters of the complete blocks from this number on.
    first: u64,
    filters: VecDeque<Box<[u8]>>,
    /// Digests of the block that is not complete, in order; zeros stand for what expired before it was read.
    tail: Vec<Digest>,
    /// Where in `tail` a digest was last.
    at: HashMap<Digest, usize>,
    /// What of `tail` is not in the database yet.
    unwritten: Option<usize>,
    used: u64,
}

impl Default for Digests {
    fn default() -> Self {
        Self::with_budget(BUDGET)
    }
}

impl Digests {
    /// Remembers within so many bytes.
    pub(super) fn with_budget(budget: usize) -> Self {
        Self { groups: HashMap::new(), by_use: BTreeMap::new(), touched: BTreeSet::new(), bytes: 0, budget, clock: 0 }
    }

    /// What it remembers, in bytes.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The cursor of a blob above the floor, if the log has it.
    pub(super) fn find(
        &mut self,
        conn: &Connection,
        group: i64,
        (floor, head): (u64, u64),
        digest: Digest,
    ) -> Result<Option<u64>, Trouble> {
        let known = self.known(conn, group, floor, head)?;
        if let Some(at) = known.at.get(&digest) {
            let cursor = known.tail_start() + *at as u64;
            return Ok((cursor > floor).then_some(cursor));
        }
        let bits = bits(digest);
        for (n, filter) in known.filters.iter().enumerate() {
            if perhaps(filter, &bits)
                && let Some(cursor) = search(conn, group, known.first + n as u64, floor, digest)?
            {
                return Ok(Some(cursor));
            }
        }
        Ok(None)
    }

    /// Remembers a new blob, which has the cursor after `head`.
    pub(super) fn add(
        &mut self,
        conn: &Connection,
        group: i64,
        (floor, head): (u64, u64),
        digest: Digest,
    ) -> Result<(), Trouble> {
        self.touched.insert(group);
        let known = self.known(conn, group, floor, head)?;
        let before = known.bytes();
        known.unwritten.get_or_insert(known.tail.len());
        known.at.insert(digest, known.tail.len());
        known.tail.push(digest);
        if known.tail.len() as u64 == BLOCK {
            known.complete(conn, group)?;
        }
        let after = known.bytes();
        self.bytes = (self.bytes + after).saturating_sub(before);
        Ok(())
    }

    /// The floor moved: rows and filters below it go.
    pub(super) fn expire(&mut self, conn: &Connection, group: i64, old: u64, new: u64) -> Result<(), Trouble> {
        let gone = |per: u64| (old / per < new / per).then(|| [place(group, old / per), place(group, new / per - 1)]);
        if let Some(rows) = gone(ROW) {
            conn.prepare_cached("DELETE FROM digests WHERE place BETWEEN ?1 AND ?2")?.execute(rows)?;
        }
        if let Some(blocks) = gone(BLOCK) {
            conn.prepare_cached("DELETE FROM filters WHERE place BETWEEN ?1 AND ?2")?.execute(blocks)?;
        }
        if let Some(known) = self.groups.get_mut(&group) {
            self.touched.insert(group);
            while known.first < new / BLOCK && known.filters.pop_front().is_some() {
                known.first += 1;
                self.bytes = self.bytes.saturating_sub(FILTER);
            }
        }
        Ok(())
    }

    /// Writes what is only in memory.
    pub(super) fn flush(&mut self, conn: &Connection) -> Result<(), Trouble> {
        for group in &self.touched {
            if let Some(known) = self.groups.get_mut(group) {
                known.write(conn, *group)?;
            }
        }
        Ok(())
    }

    /// The transaction is committed. Only now may something be forgotten: before, it might not be in the database yet.
    pub(super) fn committed(&mut self) {
        self.touched.clear();
        while self.bytes > self.budget
            && let Some((_, idle)) = self.by_use.pop_first()
        {
            self.forget(idle);
        }
    }

    /// The transaction was rolled back.
    pub(super) fn rolled_back(&mut self) {
        for group in std::mem::take(&mut self.touched) {
            self.forget(group);
        }
    }

    fn forget(&mut self, group: i64) {
        if let Some(known) = self.groups.remove(&group) {
            self.bytes = self.bytes.saturating_sub(known.bytes());
            self.by_use.remove(&known.used);
        }
    }

    fn known(&mut self, conn: &Connection, group: i64, floor: u64, head: u64) -> Result<&mut Known, Trouble> {
        self.clock += 1;
        if !self.groups.contains_key(&group) {
            let known = Known::read(conn, group, floor, head)?;
            self.bytes += known.bytes();
            self.groups.insert(group, known);
        }
        let known = self.groups.get_mut(&group).ok_or(Trouble::Contradiction("a group's digests are not there"))?;
        self.by_use.remove(&known.used);
        self.by_use.insert(self.clock, group);
        known.used = self.clock;
        Ok(known)
    }
}

/// The digest of one blob above the floor.
pub(super) fn at(conn: &Connection, group: i64, cursor: u64) -> Result<Option<Digest>, Trouble> {
    let (row, column) = ((cursor - 1) / ROW, (cursor - 1) % ROW);
    Ok(conn
        .prepare_cached("SELECT substr(list, ?2 * 16 + 1, 16) FROM digests WHERE place = ?1")?
        .query_row(params![place(group, row), super::transaction::signed(column)], |row| row.get(0).map(Digest))
        .optional()?)
}

impl Known {
    fn read(conn: &Connection, group: i64, floor: u64, head: u64) -> Result<Self, Trouble> {
        let (first, last) = (floor / BLOCK, head / BLOCK);
        let mut known =
            Self { first, filters: VecDeque::new(), tail: Vec::new(), at: HashMap::new(), unwritten: None, used: 0 };
        let mut statement =
            conn.prepare_cached("SELECT bits FROM filters WHERE place BETWEEN ?1 AND ?2 ORDER BY place")?;
        let mut rows = statement.query([place(group, first), place(group, last)])?;
        while let Some(row) = rows.next()? {
            known.filters.push_back(blob(row)?.into());
        }
        if known.filters.len() as u64 != last - first || known.filters.iter().any(|bits| bits.len() != FILTER) {
            return Err(Trouble::Contradiction("a block of digests has no filter"));
        }
        let tail = usize::try_from(head - last * BLOCK).unwrap_or(0);
        for row in last * BLOCK / ROW..head.div_ceil(ROW) {
            // Rows below the floor are gone; the last one below it may still hold some that are not.
            let list = if row < floor / ROW { Some(vec![0; ROW as usize * 16]) } else { list(conn, group, row)? };
            let list = list.ok_or(Trouble::Contradiction("a row of digests is missing"))?;
            for digest in list.chunks_exact(16).filter_map(|bytes| bytes.try_into().ok()) {
                known.at.insert(Digest(digest), known.tail.len());
                known.tail.push(Digest(digest));
            }
        }
        if known.tail.len() != tail {
            return Err(Trouble::Contradiction("the digests do not reach the head"));
        }
        Ok(known)
    }

    /// The cursor of the tail's first digest.
    fn tail_start(&self) -> u64 {
        (self.first + self.filters.len() as u64) * BLOCK + 1
    }

    fn bytes(&self) -> usize {
        self.filters.len() * FILTER + self.tail.len() * EXACT + 256
    }

    /// Writes the rows that changed, from the first unwritten digest on.
    fn write(&mut self, conn: &Connection, group: i64) -> Result<(), Trouble> {
        let Some(unwritten) = self.unwritten.take() else { return Ok(()) };
        let first_row = (self.tail_start() - 1) / ROW;
        let skip = unwritten / ROW as usize;
        let mut statement = conn.prepare_cached("INSERT OR REPLACE INTO digests (place, list) VALUES (?1, ?2)")?;
        for (n, row) in self.tail.chunks(ROW as usize).enumerate().skip(skip) {
            let list: Vec<u8> = row.iter().flat_map(|digest| digest.0).collect();
            statement.execute(params![place(group, first_row + n as u64), list])?;
        }
        Ok(())
    }

    /// The tail is a whole block: from now on a filter stands for it.
    fn complete(&mut self, conn: &Connection, group: i64) -> Result<(), Trouble> {
        self.write(conn, group)?;
        let mut filter = vec![0; FILTER].into_boxed_slice();
        for digest in &self.tail {
            for bit in bits(*digest) {
                filter[bit / 8] |= 1 << (bit % 8);
            }
        }
        let block = self.first + self.filters.len() as u64;
        conn.prepare_cached("INSERT INTO filters (place, bits) VALUES (?1, ?2)")?
            .execute(params![place(group, block), &filter[..]])?;
        self.filters.push_back(filter);
        self.tail.clear();
        self.at.clear();
        Ok(())
    }
}

/// A digest is uniform already: its halves serve as two hashes, and sums of them as all the others.
fn bits(digest: Digest) -> [usize; BITS] {
    let (mut low, mut high) = ([0; 8], [0; 8]);
    low.copy_from_slice(&digest.0[..8]);
    high.copy_from_slice(&digest.0[8..]);
    let (low, high) = (u64::from_le_bytes(low), u64::from_le_bytes(high) | 1);
    std::array::from_fn(|n| (low.wrapping_add(high.wrapping_mul(n as u64)) % (FILTER as u64 * 8)) as usize)
}

fn perhaps(filter: &[u8], bits: &[usize; BITS]) -> bool {
    bits.iter().all(|bit| filter[bit / 8] & (1 << (bit % 8)) != 0)
}

/// Looks through the rows of a block. The newest cursor counts: an older one of the same digest has expired.
fn search(conn: &Connection, group: i64, block: u64, floor: u64, digest: Digest) -> Result<Option<u64>, Trouble> {
    let rows = BLOCK / ROW;
    for row in (block * rows..(block + 1) * rows).rev() {
        if (row + 1) * ROW <= floor {
            break;
        }
        let list = list(conn, group, row)?.ok_or(Trouble::Contradiction("a row of digests is missing"))?;
        if let Some(column) = list.chunks_exact(16).rposition(|bytes| bytes == digest.0) {
            let cursor = row * ROW + column as u64 + 1;
            return Ok((cursor > floor).then_some(cursor));
        }
    }
    Ok(None)
}

fn list(conn: &Connection, group: i64, row: u64) -> Result<Option<Vec<u8>>, Trouble> {
    Ok(conn
        .prepare_cached("SELECT list FROM digests WHERE place = ?1")?
        .query_row([place(group, row)], |row| row.get(0))
        .optional()?)
}

fn blob<'a>(row: &'a rusqlite::Row<'_>) -> Result<&'a [u8], Trouble> {
    row.get_ref(0)?.as_blob().map_err(|_| Trouble::Contradiction("a filter is no blob"))
}
