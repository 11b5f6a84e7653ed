//! docs/protocol.md keeps its word: every numbered rule is in its table, with tests that exist, or openly without.
//!
//! Reads the page and the sources, runs nothing. A rule is a line that begins with its number in bold; the table is the last section.

#![allow(clippy::panic, reason = "a test's helpers fail like the test itself")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use zerok_core::{error::Code, wire::message::WireCode};

const OPEN: &str = "**open**: ";

#[test]
fn every_rule_is_in_the_table_and_every_row_is_a_rule() {
    let page = page();
    let rules = rules(&page);
    let distinct: BTreeSet<&str> = rules.iter().map(String::as_str).collect();
    assert_eq!(distinct.len(), rules.len(), "a number is used twice");
    let rows = rows(&page);
    let listed: Vec<String> = rows.iter().map(|(rule, _)| rule.clone()).collect();
    assert_eq!(listed, rules, "the table lists the rules in their order");
}

#[test]
fn the_rules_of_a_section_are_numbered_without_holes() {
    let mut last: BTreeMap<char, u32> = BTreeMap::new();
    for rule in rules(&page()) {
        let (letter, number) = rule.split_at(1);
        let letter = letter.chars().next().expect("a letter");
        let number: u32 = number.parse().expect("a number");
        assert_eq!(number, last.insert(letter, number).unwrap_or(0) + 1, "{rule}");
    }
}

#[test]
fn every_named_test_exists_and_no_rule_is_silently_without_one() {
    let tests = tests_of_the_workspace();
    let mut wrong = Vec::new();
    for (rule, cell) in rows(&page()) {
        let named: Vec<&str> = cell.split('`').skip(1).step_by(2).filter(|text| text.contains("::")).collect();
        let open = cell.split_once(OPEN).is_some_and(|(_, why)| !why.trim().is_empty());
        if named.is_empty() && !open {
            wrong.push(format!("{rule} names no test and is not open"));
        }
        for test in named {
            if !tests.contains(test) {
                wrong.push(format!("{rule}: there is no test {test}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn e2_every_code_on_this_page_is_the_code_of_the_core() {
    let page = page();
    let documented = table_after(&page, "| code | retryable | sentence |");
    let of_the_core: Vec<Vec<String>> = Code::ALL
        .iter()
        .map(|code| {
            let retryable = if code.retryable() { "yes" } else { "no" };
            vec![format!("`{}`", code.name()), retryable.to_owned(), code.to_string()]
        })
        .collect();
    assert_eq!(documented, of_the_core);
}

#[test]
fn e1_every_wire_code_is_on_the_page_with_its_number() {
    let page = page();
    let documented: Vec<(String, String)> =
        table_after(&page, "| number | name | when | wait | the application meets |")
            .into_iter()
            .map(|row| (row[0].clone(), row[1].clone()))
            .collect();
    let of_the_core: Vec<(String, String)> =
        WireCode::ALL.iter().map(|code| (code.number().to_string(), format!("{code:?}"))).collect();
    assert_eq!(documented, of_the_core);
}

#[test]
fn e3_who_refuses_decides_the_code_an_application_meets() {
    let page = page();
    for (row, code) in
        table_after(&page, "| number | name | when | wait | the application meets |").iter().zip(WireCode::ALL)
    {
        assert_eq!(row[4], format!("`{}`", Code::from(*code).name()), "{code:?}");
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn page() -> String {
    fs::read_to_string(root().join("docs/protocol.md")).expect("the page is there")
}

/// The numbers of the rules, in order.
fn rules(page: &str) -> Vec<String> {
    page.lines().filter_map(|line| Some(line.strip_prefix("**")?.split_once(".**")?.0)).map(ToOwned::to_owned).collect()
}

/// The rows of the table of rules: number and tests.
fn rows(page: &str) -> Vec<(String, String)> {
    table_after(page, "| rule | tests |").into_iter().map(|row| (row[0].clone(), row[1].clone())).collect()
}

/// The cells of the table below this heading row.
fn table_after(page: &str, heading: &str) -> Vec<Vec<String>> {
    let mut lines = page.lines().skip_while(|line| *line != heading);
    assert!(lines.next().is_some(), "no table {heading}");
    lines
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

/// Every function of the workspace's sources that may be a test, as the test runner would call it.
fn tests_of_the_workspace() -> BTreeSet<String> {
    let crates = [
        ("core", "zerok-core"),
        ("runtime-tokio", "zerok-tokio"),
        ("runtime-iroh", "zerok-iroh"),
        ("relay", "zerok-relay"),
        ("cli", "zerok"),
        ("tauri-plugin", "zerok-sync-tauri"),
        ("tests", "zerok-testkit"),
    ];
    let mut tests = BTreeSet::new();
    for (folder, name) in crates {
        for part in ["src", "tests"] {
            let start = root().join(folder).join(part);
            for file in sources(&start) {
                let inner = file.strip_prefix(&start).expect("found below it").with_extension("");
                let mut module: Vec<String> =
                    inner.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
                if module.last().is_some_and(|last| ["mod", "main", "lib"].contains(&last.as_str())) {
                    module.pop();
                }
                let text = fs::read_to_string(&file).unwrap_or_default();
                let mut path = [vec![name.to_owned()], module].concat().join("::");
                if part == "src" && !path.contains("::tests") {
                    // Tests within a source file stand in its own module.
                    path.push_str("::tests");
                }
                tests.extend(functions(&text).map(|function| format!("{path}::{function}")));
                if let Some(suite) = path.strip_suffix("::tests").filter(|path| path.contains("::conformance::")) {
                    // Every store and driver runs these; their names are the suite's.
                    let suite = suite.split("::").take(3).collect::<Vec<_>>().join("::");
                    tests.extend(suite_functions(&text).map(|function| format!("{suite}::{function}")));
                }
            }
        }
    }
    tests
}

/// Names of functions behind a test attribute.
fn functions(text: &str) -> impl Iterator<Item = &str> {
    let mut marked = false;
    text.lines().filter_map(move |line| {
        let line = line.trim_start();
        marked |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        let name = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")?;
        core::mem::take(&mut marked).then(|| name.split(['(', '<']).next().unwrap_or(name))
    })
}

/// What the suites share besides tests.
const HELPERS: [&str; 2] = ["fill", "victim"];

/// Names of the tests that a conformance suite runs for whatever it is given, which is a type.
fn suite_functions(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("pub fn ")?.split_once('<')?;
        rest.contains(">(").then_some(name).filter(|name| !HELPERS.contains(name))
    })
}

/// Ids of the catalogue, by group: attacks on the log, on pairing, on the link; faults of disks, of networks; abuse of a relay.
const CATALOGUE: [(char, u32); 6] = [('A', 26), ('B', 16), ('C', 14), ('D', 17), ('E', 12), ('G', 18)];
/// What is open in this release.
const OPEN_IDS: [&str; 5] = ["A10", "A21", "B12", "E5", "E11"];
/// What applications see besides codes: events, by the names the plugin gives them.
const EVENTS: [&str; 3] = ["device-joined", "joined", "disconnected"];

/// The table of attacks and faults: every id of the catalogue once, each with tests that are there and bear its name.
#[test]
fn every_attack_and_fault_names_tests_that_exist_and_bear_its_id() {
    let page = fs::read_to_string(root().join("docs/verification.md")).expect("the page is there");
    let tests = tests_of_the_workspace();
    let rows = table_after(&page, "| id | attack or fault | tests | what an application sees |");
    let ids: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
    let all = CATALOGUE.iter().flat_map(|(group, last)| (1..=*last).map(move |number| format!("{group}{number}")));
    let due: Vec<String> = all.filter(|id| !OPEN_IDS.contains(&id.as_str())).collect();
    assert_eq!(ids, due);
    let (_, open) = page.split_once("Open in this release").expect("it says what is open");
    let mut wrong = Vec::new();
    for id in OPEN_IDS {
        if !open.contains(id) {
            wrong.push(format!("{id} is open, and the page does not say so"));
        }
    }
    for row in &rows {
        for name in row[2].split(", ").map(|name| name.trim_matches('`')) {
            let function = name.rsplit("::").next().unwrap_or_default();
            if !tests.contains(name) {
                wrong.push(format!("{}: there is no test {name}", row[0]));
            }
            if !function.split('_').any(|word| word.eq_ignore_ascii_case(&row[0])) {
                wrong.push(format!("{}: {name} does not bear its id", row[0]));
            }
        }
        for word in row[3].split('`').skip(1).step_by(2) {
            if !EVENTS.contains(&word) && !Code::ALL.iter().any(|code| code.name() == word) && word != "expired" {
                wrong.push(format!("{}: `{word}` is neither a code nor an event", row[0]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The table of what fuzzing found: each finding is kept, as an input or as a test.
#[test]
fn every_finding_of_fuzzing_is_kept() {
    let page = fs::read_to_string(root().join("docs/verification.md")).expect("the page is there");
    let tests = tests_of_the_workspace();
    let mut inputs = BTreeSet::new();
    for target in fs::read_dir(root().join("fuzz/corpus")).expect("the corpora are there").filter_map(Result::ok) {
        let files = fs::read_dir(target.path()).expect("a folder").filter_map(Result::ok);
        let names = files.map(|file| file.file_name().to_string_lossy().into_owned());
        inputs.extend(names.filter(|name| name.starts_with("found-")));
    }
    for row in table_after(&page, "| found by | defect | kept as |") {
        let kept: Vec<&str> = row[2].split('`').skip(1).step_by(2).collect();
        assert!(!kept.is_empty(), "{}", row[1]);
        for name in kept {
            assert!(inputs.remove(name) || tests.contains(name), "{}: neither an input nor a test: {name}", row[1]);
        }
    }
    assert!(inputs.is_empty(), "no finding is said of {inputs:?}");
}

/// A function that no macro names is run by nobody.
#[test]
fn every_test_of_a_conformance_suite_is_named_by_its_macro() {
    let suites = root().join("tests/src/conformance");
    for suite in ["driver", "client_store", "relay_store"] {
        let page = fs::read_to_string(suites.join(suite).join("mod.rs")).expect("the suite is there");
        let (_, named) = page.split_once("#[macro_export]").expect("it has a macro");
        let mut count = 0;
        for file in sources(&suites.join(suite)) {
            let text = fs::read_to_string(file).expect("it can be read");
            for function in suite_functions(&text) {
                let mut words = named.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
                assert!(words.any(|word| word == function), "{function}");
                count += 1;
            }
        }
        assert!(count > 10, "{suite}: {count} tests");
    }
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            found.push(path);
        }
    }
    found
}
