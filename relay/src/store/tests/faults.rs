//! Full, damaged, foreign and newer: what the store says and what it leaves alone.

use std::{
    fs,
    os::unix::fs::{FileExt, PermissionsExt},
};

use zerok_testkit::conformance::relay_store::fill;

use super::*;
use crate::store::{FILE, OpenError};

#[test]
fn d6_every_connection_syncs_fully_and_sqlite_is_recent() {
    let rig = rig();
    for conn in
        [super::super::schema::reader(rig.path()).unwrap(), super::super::schema::open(rig.path()).unwrap().writer]
    {
        let pragma = |name: &str| conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(pragma("synchronous"), 2);
        assert_eq!(pragma("page_size"), 8192);
        let mode: String = conn.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
    }
    assert!(rusqlite::version_number() >= 3_051_003, "{}", rusqlite::version());
}

#[test]
fn g9_a_batch_without_room_takes_no_other_with_it() {
    let mut rig = rig_of(3, bounded(1 << 20));
    let stored = fill(&mut rig);
    rig.load(RelayQuery::Open);
    // All in the queue at once, so that they may share a commit.
    rig.submit(0, vec![RelayOp::Append(run(1, (0..30).map(|n| blob(1_000_000 + n, 4_000))))]);
    rig.submit(1, vec![seen(1, 5, stored, NOON)]);
    rig.submit(2, vec![RelayOp::Append(run(1, [blob(1, 4_000)]))]);
    assert!(matches!(rig.ends[0].answer(), StoreInput::PersistFailed { failure: StoreFailure::Full, .. }));
    assert!(matches!(rig.ends[1].answer(), StoreInput::Persisted { .. }));
    match rig.ends[2].answer() {
        StoreInput::Persisted { outcomes, .. } => {
            let [RelayOutcome::Appended { results, .. }] = &outcomes[..] else { panic!("{outcomes:?}") };
            assert_eq!(results[..], [duplicate(1)]);
        }
        other => panic!("a duplicate needs no room: {other:?}"),
    }
}

#[test]
fn g9_pushes_stop_while_the_disks_reserve_is_free() {
    let mut rig = rig_of(1, Settings { max_bytes: None, reserve_bytes: u64::MAX });
    assert_eq!(rig.try_persist(vec![RelayOp::Append(run(1, [blob(1, 10)]))]), Err(StoreFailure::Full));
    rig.load(RelayQuery::Open);
    rig.sweep(NOON, Duration::from_secs(1));
    assert_eq!(rig.page(1, all_after(0)), LogPage::default());
}

#[test]
fn g14_a_lock_held_by_someone_else_is_refused_cleanly() {
    let mut rig = rig();
    rig.append(run(1, [blob(1, 10)]));
    let other = rusqlite::Connection::open(rig.path().join(FILE)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(rig.try_persist(vec![RelayOp::Append(run(1, [blob(2, 10)]))]), Err(StoreFailure::Full));
    assert_eq!(rig.cursors(1, 0), [1], "reading goes on");
    other.execute_batch("ROLLBACK").unwrap();
    rig.load(RelayQuery::Open);
    assert_eq!(rig.append(run(1, [blob(2, 10)])), [at(2)]);
}

#[test]
fn d8_a_store_that_contradicts_itself_writes_nothing_more() {
    let mut rig = rig();
    rig.append(run(1, [blob(1, 10), blob(2, 10)]));
    {
        let conn = rusqlite::Connection::open(rig.path().join(FILE)).unwrap();
        conn.execute("UPDATE groups SET head = 1", []).unwrap();
    }
    assert_eq!(rig.try_persist(vec![RelayOp::Append(run(1, [blob(3, 10)]))]), Err(StoreFailure::Corrupt));
    assert_eq!(rig.try_persist(vec![RelayOp::Append(run(2, [blob(3, 10)]))]), Err(StoreFailure::Corrupt));
    let load = rig.ask(0, RelayQuery::Open);
    match rig.ends[0].answer() {
        StoreInput::Loaded { load: answered, answer } => {
            assert_eq!((answered, answer), (load, Err(StoreFailure::Corrupt)));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn g15_a_damaged_file_is_kept_aside_and_a_new_log_begins() {
    let mut rig = rig();
    let first = rig.db.relay_id();
    rig.append(run(1, (0..200).map(|n| blob(n, 1_000))));
    let Rig { db, dir, .. } = rig;
    drop(db);
    let dir = dir.unwrap();
    let path = dir.path().join(FILE);
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    let len = file.metadata().unwrap().len();
    for page in 2..len / 8192 {
        file.write_all_at(&[0xee; 64], page * 8192).unwrap();
    }
    drop(file);
    let damaged = fs::read(&path).unwrap();
    assert!(matches!(super::super::inspect(&path), Err(OpenError::Damaged(_))));

    let mut rig = open(dir.path(), 1, Settings::default());
    let aside = rig.db.set_aside().expect("it was set aside").to_owned();
    assert_eq!(fs::read(aside).unwrap(), damaged, "not a byte is lost");
    assert_ne!(rig.db.relay_id(), first, "clients see another log");
    assert_eq!(rig.append(run(1, [blob(1, 10)])), [at(1)]);
}

#[test]
fn g15_a_file_that_is_no_database_is_kept_aside_too() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(FILE), [0x5a; 20_000]).unwrap();
    let rig = open(dir.path(), 1, Settings::default());
    assert_eq!(fs::read(rig.db.set_aside().unwrap()).unwrap(), [0x5a; 20_000]);
}

#[test]
fn d15_a_newer_layout_is_refused_by_name_and_left_alone() {
    let mut rig = rig();
    rig.append(run(1, [blob(1, 10)]));
    let Rig { db, dir, .. } = rig;
    drop(db);
    let dir = dir.unwrap();
    let conn = rusqlite::Connection::open(dir.path().join(FILE)).unwrap();
    conn.pragma_update(None, "user_version", 7).unwrap();
    drop(conn);
    let error = RelayDb::open(dir.path(), Settings::default(), Vec::new()).expect_err("too new");
    assert!(matches!(error, OpenError::TooNew { found: 7, .. }), "{error}");
    assert!(error.to_string().contains("layout 7"), "{error}");
    let conn = rusqlite::Connection::open(dir.path().join(FILE)).unwrap();
    let blobs: i64 = conn.query_row("SELECT count(*) FROM blobs", [], |row| row.get(0)).unwrap();
    assert_eq!(blobs, 1);
}

#[test]
fn another_programs_database_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let conn = rusqlite::Connection::open(dir.path().join(FILE)).unwrap();
    conn.execute_batch("CREATE TABLE recipes (name TEXT)").unwrap();
    drop(conn);
    let error = RelayDb::open(dir.path(), Settings::default(), Vec::new()).expect_err("foreign");
    assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
}

#[test]
fn d14_every_file_is_private_whatever_stood_there_before() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(FILE), []).unwrap();
    fs::set_permissions(dir.path().join(FILE), fs::Permissions::from_mode(0o644)).unwrap();
    let mut rig = open(dir.path(), 1, Settings::default());
    rig.append(run(1, [blob(1, 10)]));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let mut files = 0;
    for entry in fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        files += 1;
    }
    assert_eq!(files, 3, "the database and its two side files");
}
