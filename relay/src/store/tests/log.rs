//! Appending and reading a group's log.

use super::*;

#[test]
fn a12_a_log_that_was_rolled_back_and_regrown_is_noticed() {
    let mut rig = rig();
    rig.append(run(1, [blob(1, 100)]));
    // Closing moves the log into the file, so that the file alone is the state.
    let mut rig = rig.reopen();
    let old = std::fs::read(rig.path().join(super::super::FILE)).unwrap();
    rig.append(run(1, [blob(2, 100)]));
    let tag = Digest::of(&blob(2, 100)).tag();
    let Rig { db, dir, .. } = rig;
    drop(db);
    let dir = dir.unwrap();
    std::fs::write(dir.path().join(super::super::FILE), old).unwrap();
    let mut rig = open(dir.path(), 1, Settings::default());
    let at_two = PageQuery { after: Cursor(2), tag, ..all_after(0) };
    assert!(rig.page(1, at_two).reset, "rolled back");
    rig.append(run(1, [blob(3, 100), blob(4, 100)]));
    assert!(rig.page(1, at_two).reset, "rolled back and regrown");
}

#[test]
fn seen_creates_nothing_for_an_unknown_group() {
    let mut rig = rig();
    assert_eq!(rig.persist(vec![seen(5, 1, 3, NOON)]), []);
    assert_eq!(count(&rig, "groups") + count(&rig, "members"), 0);
}

#[test]
fn a_group_remembers_a_bounded_number_of_links() {
    let mut rig = rig();
    rig.append(run(1, [blob(1, 10)]));
    for n in 0..300_u16 {
        let mut key = [9; 32];
        key[..2].copy_from_slice(&n.to_be_bytes());
        let day = NOON + u64::from(n) * DAYS;
        rig.persist(vec![RelayOp::Seen {
            group: group_id(1),
            link: LinkKey(key),
            acked: Cursor(1),
            now: UnixMillis(day),
        }]);
    }
    assert_eq!(count(&rig, "members"), super::super::member::MAX_LINKS);
}

#[test]
fn two_stores_never_have_the_same_name() {
    assert_ne!(rig().db.relay_id(), rig().db.relay_id());
}

#[test]
fn a_kibibyte_costs_at_most_two_fifths_more_on_disk() {
    // A sealed kibibyte of payload; the figure of performance.md.
    let mut rig = rig();
    for batch in 0..40 {
        rig.append(run(1, (0..250).map(|n| blob(batch * 250 + n, 1191))));
    }
    let path = rig.path().join(super::super::FILE);
    let Rig { db, dir: _dir, .. } = rig;
    drop(db);
    let per_blob = std::fs::metadata(path).unwrap().len() / 10_000;
    assert!(per_blob * 10 <= 1024 * 14, "{per_blob} bytes a blob");
}

/// Rows of a table, read past the store.
pub(super) fn count(rig: &Rig, table: &str) -> i64 {
    let conn = rusqlite::Connection::open(rig.path().join(super::super::FILE)).unwrap();
    conn.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}
