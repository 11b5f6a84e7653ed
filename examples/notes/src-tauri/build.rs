//! Reads the Tauri configuration and the capabilities.

use std::{fs, path::Path};

const PLACEHOLDER: &str =
    "<!doctype html><title>Notes</title><p>Run <code>npm run build</code> in examples/notes, then build again.</p>\n";

fn main() {
    // A checkout without the page still compiles and runs its tests.
    let page = Path::new("../dist/index.html");
    if !page.exists()
        && let Some(folder) = page.parent()
        && let Err(error) = fs::create_dir_all(folder).and_then(|()| fs::write(page, PLACEHOLDER))
    {
        println!("cargo:warning=no page in examples/notes/dist: {error}");
    }
    tauri_build::build();
}
