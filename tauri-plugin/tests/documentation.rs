//! The README is complete: every code, every key, every permission, every event.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use tauri_plugin_sync::error::Code;

const README: &str = include_str!("../README.md");
const CONFIG: &str = include_str!("../src/config.rs");
const EVENTS: &str = include_str!("../src/events.rs");

/// What stands in backticks in the first column of the README's tables.
fn first_column() -> BTreeSet<&'static str> {
    let rows = README.lines().filter_map(|line| line.strip_prefix("| "));
    rows.filter_map(|row| row.split(" | ").next()).flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect()
}

#[test]
fn every_code_a_page_can_meet_has_a_row() {
    let named = first_column();
    for code in Code::ALL {
        assert!(named.contains(code.name()), "{}", code.name());
    }
}

#[test]
fn every_key_of_the_configuration_has_a_row_with_its_default() {
    let fields = CONFIG.split("pub struct Config {").nth(1).unwrap().split("\n}").next().unwrap();
    let keys: Vec<&str> =
        fields.lines().filter_map(|line| line.trim().strip_prefix("pub ")?.split(':').next()).collect();
    assert_eq!(keys.len(), 10);
    for key in keys {
        let mut words = key.split('_');
        let mut camel = words.next().unwrap().to_owned();
        words.for_each(|word| camel += &(word[..1].to_uppercase() + &word[1..]));
        assert!(first_column().contains(camel.as_str()), "{camel}");
    }
    for default in ["`500`", "`10000`", "`983040`", "`1048576`", "`\"zerok\"`", "`\"sync\"`", "`\"auto\"`"] {
        assert!(README.contains(&format!("| {default} |")), "{default}");
    }
}

#[test]
fn every_event_has_a_row() {
    let names = EVENTS.split("pub const fn name").nth(1).unwrap().split("\n    }").next().unwrap();
    let names: Vec<&str> = names.split('"').skip(1).step_by(2).collect();
    assert_eq!(names.len(), 12);
    for name in names {
        assert!(first_column().contains(name), "{name}");
    }
}

#[test]
fn each_permission_set_is_listed_with_exactly_its_commands() {
    let sets = [
        ("default", include_str!("../permissions/default.toml")),
        ("pairing", include_str!("../permissions/pairing.toml")),
        ("read-only", include_str!("../permissions/read-only.toml")),
    ];
    for (set, file) in sets {
        let prefix = format!("| `sync:{set}` | ");
        let row = README.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap();
        let listed: BTreeSet<&str> = row.trim_end_matches(" |").split(", ").collect();
        let granted = file.split("\"allow-sync-").skip(1).filter_map(|rest| rest.split('"').next());
        assert_eq!(listed, granted.collect(), "sync:{set}");
    }
}
