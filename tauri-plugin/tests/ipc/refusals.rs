//! Before a device is there, while another process has it, and when its data cannot be used.

use serde_json::{Value, json};
use tauri_plugin_sync::{Builder, KeyStorage};

use crate::support::{Device, World, code, local};

/// Every command that needs a device, with arguments that are in order.
fn calls() -> Vec<(&'static str, Value)> {
    vec![
        ("create_invite", json!({})),
        ("cancel_invite", json!({})),
        ("join_invite", json!({ "invite": "0000-0000-0000-0000" })),
        ("push", json!([1])),
        ("pull", json!({})),
        ("now", json!({})),
        ("ack", json!({ "cursor": 0 })),
        ("accept_full_push", json!({})),
        ("devices", json!({})),
        ("leave", json!({ "force": true })),
        ("set_relay", json!({ "address": "0k:x" })),
    ]
}

#[test]
fn before_it_is_enabled_everything_is_refused_and_nothing_is_stored() {
    let world = World::new();
    let device = Device::new(world.config("laptop"));
    for (command, arguments) in calls() {
        assert_eq!(code(device.call(command, arguments)), "notEnabled", "{command}");
    }
    device.ok("visibility", json!({ "visible": true }));
    device.ok("visibility", json!({ "visible": false }));
    device.ok("disable", json!({}));
    assert_eq!(device.ok("pending", json!({})), 0);
    assert_eq!(device.ok("last_cursor", json!({})), 0);
    let status = device.ok("status", json!({}));
    let expected = json!({
        "state": "disabled", "indicator": "offline", "pending": 0, "lastCursor": 0, "lastSyncedAt": null, "attempt": 0,
        "lastError": null,
    });
    assert_eq!(status, expected);
    let info = device.ok("info", json!({}));
    assert_eq!((&info["enabled"], &info["deviceId"], &info["keyStorage"]), (&json!(false), &Value::Null, &Value::Null));
    assert_eq!(info["relay"], world.address);
    assert!(!world.directory("laptop").exists(), "not even a directory");
}

#[test]
fn enabling_is_idempotent_and_disabling_keeps_the_queue_but_takes_nothing_in() {
    let world = World::new();
    let device = Device::new(local(&world.directory("laptop")));
    device.ok("enable", json!({}));
    device.ok("enable", json!({}));
    let before = device.ok("pending", json!({})).as_u64().unwrap();
    assert_eq!(code(device.push(b"milk")), "pending");
    device.ok("disable", json!({}));
    device.ok("disable", json!({}));
    assert_eq!(code(device.push(b"bread")), "notEnabled");
    let status = device.status(|status| status["state"] == "disabled");
    assert_eq!(status["pending"], before + 1);
    assert_eq!(device.ok("info", json!({}))["enabled"], false);
    device.ok("set_relay", json!({ "address": world.address }));
    device.ok("enable", json!({}));
    device.hears("connected");
    device.status(|status| status["indicator"] == "synced");
}

#[test]
fn a_second_process_is_told_so_by_every_command() {
    let world = World::new();
    let _first = world.device("laptop");
    let second = Device::new(world.config("laptop"));
    // Told at its start, perhaps before anybody listens: the status says it for good.
    second.status(|status| status["lastError"]["code"] == "alreadyRunning");
    assert_eq!(code(second.call("enable", json!({}))), "alreadyRunning");
    for (command, arguments) in calls() {
        assert_eq!(code(second.call(command, arguments)), "alreadyRunning", "{command}");
    }
    assert_eq!(code(second.call("info", json!({}))), "alreadyRunning");
    assert_eq!(code(second.call("disable", json!({}))), "alreadyRunning");
    let status = second.ok("status", json!({}));
    assert_eq!((&status["indicator"], &status["lastError"]["code"]), (&json!("failed"), &json!("alreadyRunning")));
}

#[test]
fn d13_data_without_its_key_is_said_to_be_that_and_never_becomes_another_device() {
    let world = World::new();
    world.device("laptop").close();
    let directory = world.directory("laptop");
    let key = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
    let key = key.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().contains("key")));
    key.for_each(|path| std::fs::remove_file(path).unwrap());
    let device = Device::new(world.config("laptop"));
    assert_eq!(code(device.call("enable", json!({}))), "keyLost");
    assert_eq!(code(device.push(b"milk")), "keyLost");
    assert_eq!(device.ok("status", json!({}))["lastError"]["code"], "keyLost");
}

#[test]
fn a_place_that_is_no_directory_is_a_failure_of_storage_with_its_reason() {
    let world = World::new();
    std::fs::write(world.directory("laptop"), "in the way").unwrap();
    let device = Device::new(world.config("laptop"));
    let refused = device.call("enable", json!({})).unwrap_err();
    assert!(refused["details"]["reason"].is_string(), "{refused}");
    assert_eq!(code(Err(refused)), "storageFailed");
    std::fs::remove_file(world.directory("laptop")).unwrap();
    device.ok("enable", json!({}));
    assert_eq!(device.ok("status", json!({}))["lastError"], Value::Null);
}

#[test]
fn a_damaged_database_set_aside_is_replaced_only_when_the_app_says_so() {
    let world = World::new();
    world.device("laptop").close();
    for entry in std::fs::read_dir(world.directory("laptop")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "db") {
            std::fs::write(&path, vec![0x5a; 64 * 1024]).unwrap();
        }
    }
    let damaged = Device::new(world.config("laptop"));
    assert_eq!(code(damaged.call("enable", json!({}))), "storageFailed");
    let again = damaged.call("enable", json!({})).unwrap_err();
    assert!(again["details"]["reason"].as_str().unwrap().contains("start afresh"), "{again}");
    drop(damaged);
    let afresh = Device::with(Builder::new().start_afresh(true), world.config("laptop"));
    afresh.ok("enable", json!({}));
    afresh.status(|status| status["indicator"] == "synced");
}

#[test]
fn what_the_configuration_cannot_mean_stops_the_app_at_its_start() {
    let world = World::new();
    let fails = |config: Value| Device::start(Builder::new(), config).err().unwrap();
    for (key, value, named) in [
        ("relais", json!("0k:x"), "unknown field `relais`"),
        ("relay", json!("relay.example:80"), "plugins.sync.relay"),
        ("maxBlobBytes", json!(1 << 20), "plugins.sync.maxBlobBytes"),
        ("scheme", json!("No Scheme"), "plugins.sync.scheme"),
        ("deviceName", json!(""), "plugins.sync.deviceName"),
        ("keyStorage", json!("cloud"), "unknown variant `cloud`"),
    ] {
        let mut config = local(&world.directory("laptop"));
        config[key] = value;
        let message = fails(config);
        assert!(message.contains("`sync`") && message.contains(named), "{key}: {message}");
    }
}

#[test]
fn the_builder_wins_over_the_configuration() {
    let world = World::new();
    let mut config = world.config("laptop");
    config["deviceName"] = json!("by configuration");
    config["keyStorage"] = json!("keychain");
    let builder = Builder::new().device_name("by builder").key_storage(KeyStorage::File).auto_enable(true);
    let device = Device::with(builder, config);
    device.status(|status| status["state"] == "connected");
    let info = device.ok("info", json!({}));
    assert_eq!((&info["deviceName"], &info["keyStorage"]), (&json!("by builder"), &json!("file")));
}
