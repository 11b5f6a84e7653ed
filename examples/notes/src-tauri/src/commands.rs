//! What the page asks of the database. None of it waits for the network.

#![allow(clippy::needless_pass_by_value, reason = "Tauri hands arguments over by value")]

use tauri::State;

use crate::store::{Note, Notes, RemoteNote, StoreError};

/// All notes, the newest change first.
#[tauri::command]
pub(crate) async fn list_notes(notes: State<'_, Notes>) -> Result<Vec<Note>, StoreError> {
    notes.list()
}

/// Makes a note, or changes the one with this id.
#[tauri::command]
pub(crate) async fn save_note(notes: State<'_, Notes>, id: Option<String>, text: String) -> Result<Note, StoreError> {
    notes.save(id, &text)
}

/// Deletes a note here; what is returned tells the other devices.
#[tauri::command]
pub(crate) async fn delete_note(notes: State<'_, Notes>, id: String) -> Result<Note, StoreError> {
    notes.delete(&id)
}

/// What the relay is not known to hold: to be pushed again at launch, under the same key.
#[tauri::command]
pub(crate) async fn unsent_notes(notes: State<'_, Notes>) -> Result<Vec<Note>, StoreError> {
    notes.unsent()
}

/// Takes over what another device pushed, if it is newer. Answers whether it was.
#[tauri::command]
pub(crate) async fn apply_remote(notes: State<'_, Notes>, note: RemoteNote) -> Result<bool, StoreError> {
    notes.apply(&note)
}

/// Everything is to be pushed, the deleted ones too: `asked_by` has nothing of it yet.
#[tauri::command]
pub(crate) async fn mark_all_unsent(notes: State<'_, Notes>, asked_by: String) -> Result<(), StoreError> {
    notes.mark_all_unsent(&asked_by)
}

/// What is queued under this blob id has another one from now on.
#[tauri::command]
pub(crate) async fn mark_reissued(
    notes: State<'_, Notes>,
    blob_id: String,
    new_blob_id: String,
) -> Result<(), StoreError> {
    notes.mark_reissued(&blob_id, &new_blob_id)
}

/// The push of this revision is queued under this blob id.
#[tauri::command]
pub(crate) async fn mark_queued(notes: State<'_, Notes>, revision: String, blob_id: String) -> Result<(), StoreError> {
    notes.mark_queued(&revision, &blob_id)
}

/// The relay holds this blob. `revision` is known when a push answers, and not when the event comes later.
#[tauri::command]
pub(crate) async fn mark_synced(
    notes: State<'_, Notes>,
    revision: Option<String>,
    blob_id: String,
) -> Result<(), StoreError> {
    notes.mark_synced(revision.as_deref(), &blob_id)
}
