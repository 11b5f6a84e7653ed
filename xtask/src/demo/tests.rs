use std::time::Duration;

use serde_json::json;

use super::*;
use ledger::Ledger;

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn ledger(payloads: &[&str]) -> Ledger {
    let mut ledger = Ledger::default();
    for payload in payloads {
        ledger.receive((*payload).to_owned(), 0);
    }
    ledger
}

#[test]
fn arguments_are_read_and_nonsense_is_refused() {
    let choice = Choice::parse(&words("--transport iroh --blobs 200 --json --release --bin here")).unwrap().unwrap();
    assert_eq!(choice.transport, Transport::Iroh);
    assert_eq!((choice.blobs, choice.json, choice.release), (200, true, true));
    assert_eq!(Choice::parse(&words("--help")).unwrap(), None);
    for wrong in ["--transport smoke", "--blobs 99", "--blobs many", "--blobs", "--fast"] {
        assert!(Choice::parse(&words(wrong)).is_err(), "{wrong}");
    }
}

#[test]
fn a_delivery_line_carries_text_or_base64_and_a_push_line_confirms() {
    assert_eq!(device::payload(&json!({"id": "1", "data": "milk"})).as_deref(), Some("milk"));
    assert_eq!(device::payload(&json!({"id": "1", "dataBase64": "AAE="})).as_deref(), Some("base64 AAE="));
    assert_eq!(device::payload(&json!({"event": "status"})), None);
    assert!(device::confirms(&json!({"blobId": "1", "pending": true})));
    assert!(!device::confirms(&json!({"id": "1", "data": "milk"})));
}

#[test]
fn a_payload_twice_in_one_life_is_a_fault_and_in_two_lives_is_not() {
    let mut ledger = ledger(&["a"]);
    ledger.receive("a".to_owned(), 1);
    assert_eq!((ledger.count(), ledger.again, ledger.repeated.len()), (1, 1, 0));
    ledger.receive("a".to_owned(), 1);
    assert_eq!(ledger.repeated, ["a"]);
}

#[test]
fn what_survived_is_the_unbroken_beginning_and_a_hole_is_named() {
    let written = words("a b c d");
    assert_eq!(ledger::unbroken(&written, &ledger(&["a", "b"])), Ok(2));
    assert_eq!(ledger::unbroken(&written, &ledger(&[])), Ok(0));
    assert_eq!(ledger::unbroken(&written, &ledger(&["a", "b", "c", "d"])), Ok(4));
    assert_eq!(ledger::unbroken(&written, &ledger(&["a", "c"])), Err("c"));
}

#[test]
fn lists_differ_by_a_missing_a_foreign_and_a_repeated_record() {
    let list = words("a b");
    assert_eq!(ledger::difference(&list, &list), None);
    assert!(ledger::difference(&list, &words("a")).is_some_and(|how| how.contains("only in the first: 1")));
    assert!(ledger::difference(&list, &words("a b c")).is_some_and(|how| how.contains("only in the second: 1")));
    assert!(ledger::difference(&list, &words("a b b")).is_some_and(|how| how.contains("repeated: 0 and 1")));
}

#[test]
fn quantiles_are_measured_values() {
    let figures = Figures {
        transport: "tcp",
        optimised: false,
        records: 2,
        pairing: Duration::ZERO,
        rate_blobs: 10,
        rate_time: Duration::from_secs(2),
        relay_recovery: Duration::ZERO,
        device_recovery: Duration::ZERO,
        kept: 1,
        given: 1,
        again: 0,
        latencies: [4, 1, 3, 2].map(Duration::from_millis).to_vec(),
        total: Duration::ZERO,
    };
    assert_eq!(figures.quantile(0.5), Duration::from_millis(2));
    assert_eq!(figures.quantile(1.0), Duration::from_millis(4));
    assert_eq!(crate::json::parse(&figures.json()).unwrap()["blobsPerSecond"], 5.0);
}
