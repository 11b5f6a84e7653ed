//! One process for each device, and invite links that reach the one that runs.
//!
//! On desktop the system opens a link by starting the app again with it. That second process hands the link to the first and ends;
//! otherwise it would find its data in use. An instance with a name of its own is another device on the same machine, as demonstrations
//! and tests want it: on Linux it looks for others of its name only, elsewhere for none. Phones start an app once: nothing to do here.

#[cfg(desktop)]
use tauri::Manager as _;
use tauri::{App, Builder, Runtime};
#[cfg(desktop)]
use tauri_plugin_deep_link::DeepLinkExt as _;

use crate::Setting;

/// Registered before everything else, so that a second process ends before it opens anything.
#[cfg(desktop)]
pub(crate) fn only_one<R: Runtime>(builder: Builder<R>, setting: &Setting) -> Builder<R> {
    if !cfg!(target_os = "linux") && setting.name.is_some() {
        return builder;
    }
    let mut single = tauri_plugin_single_instance::Builder::new().callback(|app, _, _| {
        if let Some(window) = app.get_webview_window("main") {
            // Whether it comes to the front is the system's decision.
            let _ = window.set_focus();
        }
    });
    if let Some(name) = &setting.name {
        let word: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        single = single.dbus_id(format!("dev.zerok.notes.named_{word}"));
    }
    builder.plugin(single.build())
}

#[cfg(mobile)]
pub(crate) fn only_one<R: Runtime>(builder: Builder<R>, _: &Setting) -> Builder<R> {
    builder
}

/// Shows the name, and tells the system which links this app opens where no installer has done so.
#[cfg(desktop)]
pub(crate) fn announce<R: Runtime>(app: &App<R>, setting: &Setting) {
    if let Some(name) = &setting.name {
        if let Some(window) = app.get_webview_window("main") {
            // Only for the eye.
            let _ = window.set_title(&format!("Notes · {name}"));
        }
    } else if cfg!(debug_assertions) && cfg!(any(target_os = "linux", windows)) {
        // A system without the means to register opens no links. Codes can be typed.
        let _ = app.deep_link().register_all();
    }
}

#[cfg(mobile)]
pub(crate) fn announce<R: Runtime>(_: &App<R>, _: &Setting) {}
