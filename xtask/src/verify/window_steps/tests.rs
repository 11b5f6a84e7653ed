use serde_json::json;

use super::*;

#[test]
fn one_configuration_lies_over_another_field_by_field() {
    let mut config = json!({ "app": { "withGlobalTauri": true, "security": { "capabilities": ["main"] } } });
    merge(&mut config, json!({ "app": { "security": { "csp": "default-src 'self'" } }, "$schema": "x" }));
    let security = json!({ "capabilities": ["main"], "csp": "default-src 'self'" });
    assert_eq!(config, json!({ "app": { "withGlobalTauri": true, "security": security }, "$schema": "x" }));
}

#[test]
fn the_configurations_of_the_tests_are_there_and_the_second_takes_the_binary_channel_away() {
    let mut config = parse("examples/notes/e2e/tauri.e2e.conf.json").unwrap();
    merge(&mut config, parse("examples/notes/src-tauri/tauri.no-ipc-scheme.conf.json").unwrap());
    let policy = config["app"]["security"]["csp"].as_str().unwrap();
    assert!(!policy.contains("ipc:"), "{policy}");
    assert_eq!(config["app"]["withGlobalTauri"], true);
}

#[test]
fn the_committed_script_is_there_for_the_crate_to_take_in() {
    let script = String::from_utf8(read(SCRIPT).unwrap()).unwrap();
    assert!(script.starts_with("if ('__TAURI__' in window)"));
}
