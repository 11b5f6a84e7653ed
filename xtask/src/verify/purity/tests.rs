use serde_json::json;

use super::*;

const TREE: &str = "\
zerok-core v0.1.0 (/somewhere/core)
bytes v1.12.2
snow v0.10.0
snow v0.10.0 (*)
getrandom v0.4.1

thiserror-impl v2.0.21 (proc-macro)
";

#[test]
fn every_crate_of_a_tree_is_seen_once() {
    assert_eq!(names(TREE), ["bytes", "getrandom", "snow", "thiserror-impl", "zerok-core"]);
}

#[test]
fn a_source_of_randomness_below_the_core_is_found() {
    assert_eq!(impure(&names(TREE)), ["getrandom"]);
}

#[test]
fn a_crate_whose_name_only_begins_like_a_banned_one_is_fine() {
    assert!(impure(&["rand_core", "tokio-like", "ring-buffer"]).is_empty());
}

#[test]
fn the_model_feature_is_found_in_dependencies_defaults_and_features_but_not_in_tests() {
    let core =
        json!({"id": "c", "name": "zerok-core", "features": {"default": ["model"], "model": []}, "dependencies": []});
    let package = |name: &str, kind: Value| {
        json!({"id": name, "name": name, "features": {"fast": ["zerok-core/model"]},
               "dependencies": [{"name": "zerok-core", "kind": kind, "features": ["model"]},
                                {"name": "zerok-testkit", "kind": kind, "features": []}]})
    };
    let metadata = json!({
        "workspace_members": ["c", "zerok-relay", "zerok", "zerok-testkit"],
        "packages": [core, package("zerok-relay", Value::Null), package("zerok", json!("dev")),
                     package("zerok-testkit", Value::Null), package("stranger", Value::Null)],
    });
    assert_eq!(
        modelled(&metadata),
        [
            "the core's default features contain `model`",
            "zerok-relay enables the core's `model` feature",
            "zerok-relay ships the testkit, which may enable the core's `model` feature",
            "zerok-relay's feature `fast` enables the core's `model` feature",
            "zerok's feature `fast` enables the core's `model` feature",
        ]
    );
}
