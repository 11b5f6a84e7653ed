use tempfile::TempDir;

use super::*;

fn notes() -> (TempDir, Notes) {
    let directory = TempDir::new().unwrap();
    let notes = Notes::open(directory.path()).unwrap();
    (directory, notes)
}

fn remote(id: &str, text: &str, updated_at: i64, revision: &str) -> RemoteNote {
    RemoteNote { id: id.to_owned(), text: text.to_owned(), deleted: false, updated_at, revision: revision.to_owned() }
}

fn texts(notes: &[Note]) -> Vec<&str> {
    notes.iter().map(|note| note.shared.text.as_str()).collect()
}

#[test]
fn what_is_saved_is_there_after_a_restart_and_still_to_be_pushed() {
    let (directory, notes) = notes();
    let saved = notes.save(None, "milk").unwrap();
    drop(notes);
    let notes = Notes::open(directory.path()).unwrap();
    assert_eq!(notes.list().unwrap(), std::slice::from_ref(&saved));
    assert_eq!(notes.unsent().unwrap(), [saved]);
}

#[test]
fn all_devices_agree_whatever_the_order_they_hear_in() {
    let changes =
        [remote("n", "a", 1, "r1"), remote("n", "b", 2, "r1"), remote("n", "c", 2, "r2"), remote("m", "d", 1, "r1")];
    let orders: [[usize; 4]; 4] = [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1], [1, 2, 0, 3]];
    for order in orders {
        let (_directory, notes) = notes();
        for change in order {
            notes.apply(&changes[change]).unwrap();
        }
        assert_eq!(texts(&notes.list().unwrap()), ["c", "d"], "{order:?}");
    }
}

#[test]
fn a_change_comes_after_what_it_changes_even_with_a_clock_that_is_behind() {
    let (_directory, notes) = notes();
    let ahead = now() + 3_600_000;
    assert!(notes.apply(&remote("n", "theirs", ahead, "r")).unwrap());
    let changed = notes.save(Some("n".to_owned()), "mine").unwrap();
    assert_eq!(changed.shared.updated_at, ahead + 1);
    assert_eq!(texts(&notes.list().unwrap()), ["mine"]);
}

#[test]
fn a_deleted_note_stays_away_when_an_older_change_of_it_arrives() {
    let (_directory, notes) = notes();
    let saved = notes.save(None, "milk").unwrap();
    let gone = notes.delete(&saved.shared.id).unwrap();
    assert!(gone.shared.deleted && gone.shared.text.is_empty());
    assert!(!notes.apply(&saved.shared).unwrap());
    assert!(notes.list().unwrap().is_empty());
    assert_eq!(notes.unsent().unwrap(), [gone]);
    assert!(matches!(notes.delete("nowhere"), Err(StoreError::Unknown)));
}

#[test]
fn a_push_that_waits_is_queued_and_becomes_synced_by_its_blob() {
    let (_directory, notes) = notes();
    let saved = notes.save(None, "milk").unwrap();
    notes.mark_queued(&saved.shared.revision, "b1").unwrap();
    assert_eq!(notes.unsent().unwrap()[0].state, SyncState::Queued);
    notes.mark_synced(None, "b1").unwrap();
    assert_eq!(notes.list().unwrap()[0].state, SyncState::Synced);
    assert!(notes.unsent().unwrap().is_empty());
}

#[test]
fn news_of_an_older_change_says_nothing_of_the_newer_one() {
    let (_directory, notes) = notes();
    let first = notes.save(None, "milk").unwrap();
    notes.mark_queued(&first.shared.revision, "b1").unwrap();
    let second = notes.save(Some(first.shared.id), "milk and bread").unwrap();
    notes.mark_synced(Some(&first.shared.revision), "b1").unwrap();
    assert_eq!(notes.unsent().unwrap(), std::slice::from_ref(&second));
    notes.mark_synced(Some(&second.shared.revision), "b2").unwrap();
    assert!(notes.unsent().unwrap().is_empty());
    // An answer that overtook the other one changes nothing.
    notes.mark_queued(&second.shared.revision, "b2").unwrap();
    assert!(notes.unsent().unwrap().is_empty());
}

#[test]
fn what_is_asked_for_as_a_whole_is_unsent_until_all_of_it_left_and_asked_for_once() {
    let (directory, notes) = notes();
    let kept = notes.save(None, "milk").unwrap().shared;
    let gone = notes.save(None, "bread").unwrap().shared;
    let gone = notes.delete(&gone.id).unwrap().shared;
    for version in [&kept, &gone] {
        notes.mark_synced(Some(&version.revision), "b").unwrap();
    }
    notes.mark_all_unsent("phone").unwrap();
    let keys = |notes: &Notes| -> Vec<String> {
        let mut keys: Vec<_> = notes.unsent().unwrap().into_iter().map(|note| note.push_key).collect();
        keys.sort_unstable();
        keys
    };
    let mut all = [format!("{}/phone", kept.revision), format!("{}/phone", gone.revision)];
    all.sort_unstable();
    assert_eq!(keys(&notes), all, "the deleted one, too");
    notes.mark_synced(Some(&kept.revision), "b1").unwrap();
    drop(notes);

    // The process died on the way.
    let notes = Notes::open(directory.path()).unwrap();
    notes.mark_all_unsent("phone").unwrap();
    assert_eq!(keys(&notes), [format!("{}/phone", gone.revision)], "what has left need not leave again");
    notes.mark_all_unsent("tablet").unwrap();
    assert_eq!(keys(&notes).len(), 2, "somebody else has nothing");
    let changed = notes.save(Some(kept.id), "milk and honey").unwrap();
    assert_eq!(changed.push_key, changed.shared.revision, "a new change is a push of its own");
}

#[test]
fn a_blob_that_is_named_anew_is_still_the_push_of_its_note() {
    let (_directory, notes) = notes();
    let saved = notes.save(None, "milk").unwrap();
    notes.mark_queued(&saved.shared.revision, "b1").unwrap();
    notes.mark_reissued("b1", "b2").unwrap();
    notes.mark_synced(None, "b1").unwrap();
    assert_eq!(notes.unsent().unwrap().len(), 1);
    notes.mark_synced(None, "b2").unwrap();
    assert!(notes.unsent().unwrap().is_empty());
}
