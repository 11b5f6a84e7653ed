//! Several machines on one store.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use super::*;

#[test]
fn g11_a_reader_never_sees_a_cursor_without_those_before_it() {
    const WRITERS: usize = 32;
    const RUNS: u64 = 20;
    let dir = tempfile::tempdir().unwrap();
    let Rig { db, ends, .. } = open(dir.path(), WRITERS + 1, Settings::default());
    let (db, done) = (Arc::new(db), Arc::new(AtomicBool::new(false)));
    let barrier = Arc::new(Barrier::new(WRITERS + 1));
    let mut ends = ends.into_iter().enumerate();
    let (reader, reading) = ends.next().unwrap();
    let writers: Vec<_> = ends
        .map(|(machine, end)| {
            let (db, barrier) = (Arc::clone(&db), Arc::clone(&barrier));
            thread::spawn(move || {
                barrier.wait();
                let mut cursors = Vec::new();
                for n in 0..RUNS {
                    let base = (machine as u64) << 32 | n << 8;
                    let ops = vec![RelayOp::Append(run(1, (0..3).map(|k| blob(base + k, 200))))];
                    db.submit(machine, StoreOutput::Persist { batch: BatchId(n + 1), ops });
                    match end.answer() {
                        StoreInput::Persisted { batch, outcomes } if batch == BatchId(n + 1) => match &outcomes[..] {
                            [RelayOutcome::Appended { before, head, results }] => {
                                assert_eq!(head.0, before.0 + 3);
                                cursors.extend(results.iter().map(|stored| match stored {
                                    Stored::At(cursor) => cursor.0,
                                    other => panic!("not new: {other:?}"),
                                }));
                            }
                            other => panic!("not an append: {other:?}"),
                        },
                        other => panic!("not an answer: {other:?}"),
                    }
                }
                cursors
            })
        })
        .collect();
    let watcher = {
        let (db, done) = (Arc::clone(&db), Arc::clone(&done));
        thread::spawn(move || {
            barrier.wait();
            let (mut after, mut load) = (0, LoadId(0));
            loop {
                let last_look = done.load(Ordering::Acquire);
                load = load.next();
                let query = RelayQuery::Page { group: group_id(1), page: all_after(after) };
                db.submit(reader, StoreOutput::Load { load, query });
                let StoreInput::Loaded { answer: Ok(RelayAnswer::Page(page)), .. } = reading.answer() else {
                    panic!("not a page")
                };
                for (cursor, _) in &page.entries {
                    assert_eq!(cursor.0, after + 1, "a hole");
                    after = cursor.0;
                }
                assert_eq!(page.head.0, after, "the head is what can be read");
                if last_look {
                    return after;
                }
            }
        })
    };
    let mut all = BTreeSet::new();
    for writer in writers {
        for cursor in writer.join().unwrap() {
            assert!(all.insert(cursor), "cursor {cursor} twice");
        }
    }
    done.store(true, Ordering::Release);
    let total = WRITERS as u64 * RUNS * 3;
    assert_eq!(watcher.join().unwrap(), total);
    assert!(all.into_iter().eq(1..=total), "no holes");
}

#[test]
fn what_queues_during_a_commit_shares_the_next_one() {
    let mut rig = rig();
    for n in 1..=400 {
        rig.submit(0, vec![RelayOp::Append(run(1, [blob(n, 500)]))]);
    }
    for _ in 0..400 {
        assert!(matches!(rig.ends[0].answer(), StoreInput::Persisted { .. }));
    }
    let commits = rig.db.figures().commits.load(Ordering::Relaxed);
    assert!(commits < 200, "{commits} commits for 400 batches");
}

#[test]
fn closing_the_store_answers_everything_first() {
    let mut rig = rig();
    for n in 1..=50 {
        rig.submit(0, vec![RelayOp::Append(run(1, [blob(n, 500)]))]);
        rig.ask(0, RelayQuery::Heads(vec![group_id(1)]));
    }
    let Rig { db, ends, .. } = rig;
    drop(db);
    assert_eq!(ends[0].answers.try_iter().count(), 100);
}

#[test]
fn a_closed_store_is_one_file() {
    for _ in 0..20 {
        let mut rig = rig_of(4, Settings::default());
        rig.append(run(1, [blob(1, 500)]));
        let Rig { db, dir, .. } = rig;
        drop(db);
        let files: Vec<_> =
            std::fs::read_dir(dir.unwrap().path()).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert_eq!(files, [super::super::FILE]);
    }
}
