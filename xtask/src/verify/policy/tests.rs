use serde_json::json;

use super::*;

const RULES: &str = r#"
[graph]
targets = ["x86_64-unknown-linux-gnu"]
[licenses]
allow = ["MIT", "Apache-2.0"]
exceptions = [{ crate = "odd", allow = ["MPL-2.0"] }, { crate = "gone", allow = ["MPL-2.0"] }]
[bans]
multiple-versions = "warn"
deny = [{ crate = "openssl", reason = "no C" }, { crate = "old", reason = "unmaintained", wrappers = ["example"] }]
[sources]
unknown-registry = "deny"
unknown-git = "deny"
allow-registry = ["https://registry/index"]
"#;

fn judge(packages: &Value) -> Findings {
    judge_graph(&json!({ "packages": packages }))
}

fn judge_graph(metadata: &Value) -> Findings {
    let users = users(std::slice::from_ref(metadata));
    Policy::parse(RULES).unwrap().findings(&Package::all(metadata), &users)
}

fn package(name: &str, version: &str, licence: &str) -> Value {
    json!({"name": name, "version": version, "license": licence, "source": "registry+https://registry/index"})
}

#[test]
fn accepted_licences_and_the_known_registry_pass() {
    let findings = judge(&json!([package("a", "1.0.0", "MIT OR GPL-3.0-only"), package("odd", "1.0.0", "MPL-2.0")]));
    assert!(findings.wrong.is_empty(), "{findings:?}");
    assert_eq!(findings.notes, ["deny.toml makes an exception for gone, which is not there"]);
}

#[test]
fn a_licence_that_is_absent_foreign_or_excepted_for_another_crate_is_found() {
    let nameless = json!({"name": "b", "version": "2.0.0", "license": null, "source": null});
    let findings = judge(&json!([package("a", "1.0.0", "MPL-2.0"), nameless]));
    assert_eq!(
        findings.wrong,
        ["a 1.0.0: licence `MPL-2.0` is not accepted by deny.toml", "b 2.0.0: licence `` cannot be read"]
    );
}

#[test]
fn a_banned_crate_is_found_with_its_reason() {
    let findings = judge(&json!([package("openssl", "0.10.0", "Apache-2.0")]));
    assert_eq!(findings.wrong, ["openssl 0.10.0 is banned: no C; used by []"]);
}

#[test]
fn a_banned_crate_may_be_used_by_its_wrappers_alone() {
    let used_by = |users: &[&str]| {
        let mut packages =
            vec![json!({"id": "old 1", "name": "old", "version": "1.0.0", "license": "MIT", "source": null})];
        let mut nodes = vec![json!({"id": "old 1", "dependencies": []})];
        for user in users {
            packages.push(json!({"id": user, "name": user, "version": "1.0.0", "license": "MIT", "source": null}));
            nodes.push(json!({"id": user, "dependencies": ["old 1"]}));
        }
        judge_graph(&json!({"packages": packages, "resolve": {"nodes": nodes}})).wrong
    };
    assert_eq!(used_by(&["example"]), [""; 0]);
    assert_eq!(used_by(&["example", "relay"]), ["old 1.0.0 is banned: unmaintained; used by [\"relay\"]"]);
    assert_eq!(used_by(&[]), ["old 1.0.0 is banned: unmaintained; used by []"]);
}

#[test]
fn a_foreign_registry_and_a_git_source_are_found_and_our_own_packages_are_not() {
    let from = |source: Value| json!({"name": "a", "version": "1.0.0", "license": "MIT", "source": source});
    let foreign = json!([
        from(json!("registry+https://other/index")),
        from(json!("git+https://host/a?rev=1#1")),
        from(Value::Null)
    ]);
    assert_eq!(judge(&foreign).wrong.len(), 2);
}

#[test]
fn several_versions_of_a_crate_are_noted_and_pass() {
    let findings = judge(&json!([package("a", "1.0.0", "MIT"), package("a", "2.0.0", "MIT")]));
    assert!(findings.wrong.is_empty());
    assert_eq!(findings.notes[0], "a is there 2 times: 1.0.0, 2.0.0");
}

#[test]
fn a_rule_that_nothing_applies_is_refused() {
    for text in [
        "[licences]\nallow = []",
        "[bans]\nwildcards = \"deny\"",
        "[sources]\nunknown-registry = \"warn\"\nunknown-git = \"deny\"",
        "[licenses]\nexceptions = [{ allow = [\"MIT\"] }]\n[sources]\nunknown-registry = \"deny\"\nunknown-git = \"deny\"",
        "not toml",
    ] {
        assert!(Policy::parse(text).is_err(), "{text}");
    }
}

#[test]
fn the_rules_of_this_repository_can_be_read_and_every_ban_has_a_reason() {
    let text = std::fs::read_to_string(shell::root().join("deny.toml")).unwrap();
    let policy = Policy::parse(&text).unwrap();
    assert!(policy.licences.contains(&"MIT".to_owned()));
    assert!(!policy.bans.is_empty() && policy.bans.values().all(|ban| !ban.reason.is_empty()));
}
