//! The permission sets of the plugin as Tauri resolves them in a real app: what each lets through, what it refuses, and that a window
//! outside every capability gets nothing.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use tauri::{
    App, Manager as _, WebviewWindowBuilder,
    ipc::{CallbackFn, CapabilityBuilder, InvokeBody, InvokeResponseBody},
    test::{INVOKE_KEY, MockRuntime, get_ipc_response, mock_builder},
    webview::InvokeRequest,
};
use tempfile::TempDir;

const DATA: [&str; 13] = [
    "enable",
    "disable",
    "push",
    "pull",
    "status",
    "last_cursor",
    "now",
    "ack",
    "accept_full_push",
    "info",
    "pending",
    "devices",
    "visibility",
];
const PAIRING: [&str; 5] = ["create_invite", "cancel_invite", "join_invite", "leave", "set_relay"];
const READ_ONLY: [&str; 7] = ["pull", "status", "last_cursor", "info", "pending", "devices", "visibility"];

/// The app with its own configuration and capabilities, but for where its data lies.
fn app() -> (TempDir, App<MockRuntime>) {
    let temp = TempDir::new().unwrap();
    let mut context = tauri::generate_context!();
    let sync = context.config_mut().plugins.0.get_mut("sync").unwrap();
    sync["dataDir"] = json!(temp.path().join("sync"));
    sync["keyStorage"] = json!("file");
    let app = zerok_notes::app(mock_builder(), &zerok_notes::Setting::default()).build(context).unwrap();
    (temp, app)
}

fn call(app: &App<MockRuntime>, window: &str, command: &str) -> Result<Value, Value> {
    let page = app
        .get_webview_window(window)
        .unwrap_or_else(|| WebviewWindowBuilder::new(app, window, Default::default()).build().unwrap());
    let arguments = json!({ "invite": "x", "address": "x", "cursor": 0, "visible": true, "force": false, "data": [] });
    let url = if cfg!(any(windows, target_os = "android")) { "http://tauri.localhost" } else { "tauri://localhost" };
    let request = InvokeRequest {
        cmd: command.to_owned(),
        callback: CallbackFn(0),
        error: CallbackFn(1),
        url: url.parse().unwrap(),
        body: InvokeBody::Json(arguments),
        headers: Default::default(),
        invoke_key: INVOKE_KEY.to_owned(),
    };
    get_ipc_response(&page, request).map(|body| match body {
        InvokeResponseBody::Json(text) => serde_json::from_str(&text).unwrap(),
        InvokeResponseBody::Raw(bytes) => json!(bytes.len()),
    })
}

/// Which commands of the plugin get through to it from a window. A typed refusal comes from the plugin, so the call was let through.
fn let_through(app: &App<MockRuntime>, window: &str) -> Vec<&'static str> {
    let allowed = |command: &&str| match call(app, window, &format!("plugin:sync|sync_{command}")) {
        Ok(_) => true,
        Err(error) if error.is_object() => true,
        Err(error) => {
            // The words by which the JavaScript package recognises a missing permission.
            let text = error.as_str().unwrap();
            assert!(text.contains("not allowed") || text.contains("explicitly denied"), "{command}: {text}");
            false
        }
    };
    DATA.into_iter().chain(PAIRING).filter(allowed).collect()
}

#[test]
fn the_apps_window_may_do_everything_and_another_one_nothing() {
    let (_temp, app) = app();
    assert_eq!(let_through(&app, "main"), DATA.into_iter().chain(PAIRING).collect::<Vec<_>>());
    assert_eq!(let_through(&app, "elsewhere"), Vec::<&str>::new());
}

#[test]
fn each_set_lets_through_what_it_says_and_no_more() {
    let (_temp, app) = app();
    for (set, expected) in [("default", &DATA[..]), ("pairing", &PAIRING), ("read-only", &READ_ONLY)] {
        let capability = CapabilityBuilder::new(set).window(set).permission(format!("sync:{set}"));
        app.add_capability(capability).unwrap();
        let mut allowed = let_through(&app, set);
        let mut expected = expected.to_vec();
        allowed.sort_unstable();
        expected.sort_unstable();
        assert_eq!(allowed, expected, "sync:{set}");
    }
}

#[test]
fn single_permissions_add_to_a_set_and_take_away_from_it() {
    let (_temp, app) = app();
    let more =
        CapabilityBuilder::new("more").window("more").permission("sync:read-only").permission("sync:allow-sync-ack");
    let fewer =
        CapabilityBuilder::new("fewer").window("fewer").permission("sync:default").permission("sync:deny-sync-push");
    app.add_capability(more).unwrap();
    assert!(let_through(&app, "more").contains(&"ack"));
    app.add_capability(fewer).unwrap();
    assert!(!let_through(&app, "fewer").contains(&"push"));
}

#[test]
fn a_refusal_names_the_permission_that_is_missing() {
    let (_temp, app) = app();
    let error = call(&app, "elsewhere", "plugin:sync|sync_create_invite").unwrap_err();
    let text = error.as_str().unwrap();
    assert!(text.contains("permission: allow-sync-create-invite"), "{text}");
}
