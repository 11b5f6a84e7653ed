//! The process of the notes app.

// No console window beside the app.
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

fn main() -> tauri::Result<()> {
    zerok_notes::run()
}
