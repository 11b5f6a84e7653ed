use serde_json::json;

use super::*;

#[test]
fn an_address_is_found_at_any_depth() {
    let lock = json!({"packages": {"node_modules/a": {"resolved": "https://host/a.tgz"},
                                   "node_modules/b": {"x": [{"resolved": "git+ssh://host/b"}]}}});
    assert_eq!(addresses(&lock), ["https://host/a.tgz", "git+ssh://host/b"]);
}

#[test]
fn links_inside_the_repository_and_versions_are_fine() {
    let lock = json!({"packages": {"node_modules/a": {"resolved": "guest-js", "link": true},
                                   "node_modules/b": {"version": "1.0.0", "integrity": "sha512-x"}}});
    assert!(addresses(&lock).is_empty());
}
