use serde_json::json;

use super::*;

fn read(value: serde_json::Value) -> Result<Config, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

#[test]
fn everything_may_be_left_out() {
    let config = read(json!({})).unwrap();
    assert_eq!(config, Config::default());
    assert_eq!(config.check(), Ok(None));
    assert_eq!((config.flush_budget_ms, config.push_timeout_ms, config.pull_page_bytes), (500, 10_000, 1 << 20));
}

#[test]
fn every_key_is_read_under_its_camel_case_name() {
    let config = read(json!({
        "relay": "0k:x", "autoEnable": true, "dataDir": "d", "deviceName": "desk", "keyStorage": "file", "flushBudgetMs": 1,
        "pushTimeoutMs": 2, "maxBlobBytes": 3, "pullPageBytes": 4, "scheme": "notes"
    }));
    let expected = Config {
        relay: Some("0k:x".to_owned()),
        auto_enable: true,
        data_dir: "d".into(),
        device_name: Some("desk".to_owned()),
        key_storage: KeyStorage::File,
        flush_budget_ms: 1,
        push_timeout_ms: 2,
        max_blob_bytes: 3,
        pull_page_bytes: 4,
        scheme: "notes".to_owned(),
    };
    assert_eq!(config, Ok(expected));
}

#[test]
fn a_mistyped_key_or_storage_is_refused() {
    assert!(read(json!({ "relais": "0k:x" })).unwrap_err().contains("relais"));
    assert!(read(json!({ "auto_enable": true })).unwrap_err().contains("auto_enable"));
    assert!(read(json!({ "keyStorage": "cloud" })).unwrap_err().contains("cloud"));
}

#[test]
fn what_cannot_be_meant_is_refused_by_its_name() {
    let fault = |value| read(value).unwrap().check().unwrap_err();
    assert!(matches!(fault(json!({ "relay": "relay.example" })), ConfigFault::Relay(_)));
    assert_eq!(fault(json!({ "maxBlobBytes": MAX_PAYLOAD + 1 })), ConfigFault::MaxBlob(MAX_PAYLOAD + 1));
    for scheme in ["", "1notes", "Notes", "no tes", "notes:"] {
        assert_eq!(fault(json!({ "scheme": scheme })), ConfigFault::Scheme(scheme.to_owned()));
    }
    for name in ["", " ", "a\nb", &"n".repeat(MAX_NAME + 1)] {
        assert_eq!(fault(json!({ "deviceName": name })), ConfigFault::DeviceName);
    }
}

#[test]
fn the_builder_wins_over_the_configuration_whatever_the_order() {
    let builder = Builder::<tauri::test::MockRuntime>::new()
        .relay("0k:y")
        .auto_enable(false)
        .data_dir("/data")
        .device_name("phone")
        .key_storage(KeyStorage::Keychain)
        .flush_budget(Duration::from_millis(250))
        .push_timeout(Duration::from_secs(3))
        .max_blob(7)
        .pull_page(8)
        .scheme("memo");
    let mut config =
        read(json!({ "relay": "0k:x", "autoEnable": true, "scheme": "notes", "maxBlobBytes": 3 })).unwrap();
    builder.edits.into_iter().for_each(|edit| edit(&mut config));
    let expected = Config {
        relay: Some("0k:y".to_owned()),
        auto_enable: false,
        data_dir: "/data".into(),
        device_name: Some("phone".to_owned()),
        key_storage: KeyStorage::Keychain,
        flush_budget_ms: 250,
        push_timeout_ms: 3000,
        max_blob_bytes: 7,
        pull_page_bytes: 8,
        scheme: "memo".to_owned(),
    };
    assert_eq!(config, expected);
}
