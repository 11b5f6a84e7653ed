//! From start to exit: what the app's own Rust code and its platform see.

use std::sync::{Arc, Mutex};

use serde_json::json;
use tauri::Manager as _;
use tauri_plugin_sync::{Builder, SyncEvent, SyncExt as _, SyncState, Trigger};

use crate::support::{Device, World, code};

#[test]
fn an_app_that_enables_by_configuration_connects_without_its_page() {
    let world = World::new();
    let mut config = world.config("laptop");
    config["autoEnable"] = json!(true);
    let device = Device::new(config);
    assert_eq!(device.hears("connected")["relay"], world.address);
    device.status(|status| status["indicator"] == "synced");
}

#[test]
fn closing_the_last_window_frees_the_data_and_the_next_start_goes_on_where_it_was() {
    let world = World::new();
    let device = world.device("laptop");
    device.ok("now", json!({}));
    let before = device.ok("info", json!({}));
    world.stop_relay();
    device.status(|status| status["state"] == "reconnecting");
    assert_eq!(code(device.push(b"stranded")), "pending");
    device.close();
    world.start_relay();
    // Nothing enables it again: the launch does what is to be done.
    let device = Device::new(world.config("laptop"));
    device.hears("blob-synced");
    let status = device.status(|status| status["indicator"] == "synced");
    assert_eq!(status["pending"], 0);
    let after = device.ok("info", json!({}));
    assert_eq!((&after["deviceId"], &after["groupId"]), (&before["deviceId"], &before["groupId"]));
}

#[test]
fn a_hidden_page_flushes_and_stays_connected_and_a_visible_one_probes() {
    let world = World::new();
    let device = world.device("laptop");
    device.status(|status| status["indicator"] == "synced");
    for visible in [false, true, true, false, true] {
        device.ok("visibility", json!({ "visible": visible }));
    }
    device.push(b"milk").unwrap();
    assert_eq!(device.ok("status", json!({}))["state"], "connected");
    assert!(device.call("visibility", json!({})).unwrap_err().as_str().unwrap().contains("invalid args"));
}

/// The names by which the specification calls the types of commands, in Rust.
#[test]
fn rust_code_finds_what_commands_answer_under_their_specified_names() {
    use tauri_plugin_sync::{ConnectionStatus, Invite, PullResult, PushResult};

    let world = World::new();
    let device = world.device("laptop");
    device.ok("now", json!({}));
    let app = device.app.lock().unwrap();
    let sync = app.as_ref().unwrap().sync();
    let status: ConnectionStatus = sync.status();
    assert_eq!(status.pending, 0);
    let (pushed, pulled, invite): (PushResult, PullResult, Invite) = tauri::async_runtime::block_on(async {
        let pushed = sync.push("milk", None).await.unwrap();
        (pushed, sync.pull(None, None, true).await.unwrap(), sync.create_invite().await.unwrap())
    });
    assert_eq!(pulled.blobs[0].id.to_string(), pushed.blob_id);
    assert_eq!(invite.short_code.len(), 19);
}

#[test]
fn rust_code_uses_the_same_client_as_the_page() {
    let world = World::new();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let names = Arc::clone(&heard);
    let listen = Builder::new().on_event(move |_, event| names.lock().unwrap().push(event.name()));
    let device = Device::with(listen, world.config("laptop"));
    let app = device.app.lock().unwrap().as_ref().unwrap().handle().clone();
    tauri::async_runtime::block_on(async {
        let sync = app.sync();
        let mut events = sync.events();
        assert_eq!(sync.push("milk", None).await.unwrap_err().code.name(), "notEnabled");
        sync.enable().await.unwrap();
        let first = sync.push("milk", Some("key")).await.unwrap();
        assert_eq!(sync.push("milk", Some("key")).await.unwrap(), first);
        let mut told = Vec::new();
        sync.sync_now(|progress| told.push(progress)).await.unwrap();
        assert!(told.iter().all(|progress| progress.to_push == 0));
        let own = sync.pull(None, None, true).await.unwrap();
        assert_eq!(&own.blobs[0].data[..], b"milk");
        sync.ack(own.max_cursor.0).await.unwrap();
        assert_eq!(sync.info().await.unwrap().acked, own.max_cursor.0);
        assert_eq!((sync.pending(), sync.last_cursor()), (0, own.max_cursor.0));
        assert_eq!(sync.devices().await.unwrap().len(), 1);
        while !matches!(events.recv().await.unwrap(), SyncEvent::Connected { .. }) {}
        // As managed state, too.
        app.state::<SyncState>().on(Trigger::Exit).await;
    });
    assert_eq!(device.ok("status", json!({}))["state"], "disabled");
    assert!(heard.lock().unwrap().contains(&"connected"));
}

#[test]
fn an_event_that_is_heard_is_the_status_that_is_read() {
    let world = World::new();
    let device = world.device("laptop");
    let told = device.hears_until("status", |status| status["indicator"] == "synced").pop().unwrap().1;
    let read = device.status(|status| status["indicator"] == "synced");
    let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&told), keys(&read));
}

#[cfg(feature = "iroh")]
#[test]
fn a_tls_provider_is_chosen_before_any_other_plugin_needs_one() {
    let _plugin = tauri_plugin_sync::init::<tauri::test::MockRuntime>();
    assert!(rustls::crypto::CryptoProvider::get_default().is_some());
}
