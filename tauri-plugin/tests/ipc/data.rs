//! Pushing, pulling, acknowledging, syncing: what a page with `sync:default` does.

use serde_json::json;
use tauri::{
    http::{HeaderMap, HeaderValue},
    ipc::InvokeBody,
};

use crate::support::{Device, World, code, local};

/// The largest payload of a record.
const LARGEST: usize = 960 * 1024;

#[test]
fn a_blob_pushed_as_raw_bytes_arrives_byte_for_byte_with_its_sender() {
    let world = World::new();
    let (laptop, phone) = world.pair();
    let every_byte: Vec<u8> = (0..=255).collect();
    let pushed = laptop.push(&every_byte).unwrap();
    let heard = phone.hears("blob-available");
    assert_eq!((&heard["id"], &heard["size"]), (&pushed["blobId"], &json!(256)));
    // The seed's own way to answer the event.
    let before = heard["cursor"].as_u64().unwrap() - 1;
    let (page, payloads) = phone.pull(json!({ "afterCursor": before })).unwrap();
    assert_eq!(payloads, [every_byte]);
    let blob = &page["blobs"][0];
    assert_eq!((&blob["id"], &blob["cursor"], &blob["len"]), (&pushed["blobId"], &heard["cursor"], &json!(256)));
    assert_eq!((&page["hasMore"], &page["maxCursor"]), (&json!(false), &heard["cursor"]));
    let sender = laptop.ok("info", json!({}))["deviceId"].clone();
    assert_eq!((&blob["sender"], &heard["sender"]), (&sender, &sender));
    assert_eq!(pushed["blobId"].as_str().unwrap().len(), 32);
}

#[test]
fn the_shapes_of_a_web_view_without_raw_bodies_are_the_same_push() {
    let world = World::new();
    let (laptop, phone) = world.pair();
    laptop.ok("push", json!([1, 2, 3]));
    laptop.ok("push", json!({ "data": [4, 5, 6] }));
    laptop.push(&[]).unwrap();
    phone.ok("now", json!({}));
    let (_, payloads) = phone.pull(json!({ "afterCursor": null })).unwrap();
    assert_eq!(payloads, [vec![1, 2, 3], vec![4, 5, 6], vec![]]);
}

#[test]
fn the_largest_payload_passes_and_one_byte_more_does_not() {
    let world = World::new();
    let (laptop, phone) = world.pair();
    let mut payload = vec![7; LARGEST];
    laptop.push(&payload).unwrap();
    phone.ok("now", json!({}));
    assert_eq!(phone.pull(json!({})).unwrap().1, [payload.clone()]);
    payload.push(7);
    let refused = laptop.push(&payload).unwrap_err();
    assert_eq!(refused["details"], json!({ "size": LARGEST + 1, "limit": LARGEST }));
    assert_eq!(code(Err(refused)), "blobTooLarge");
    assert_eq!(laptop.ok("pending", json!({})), 0);
}

#[test]
fn the_apps_own_limit_comes_before_the_protocols() {
    let world = World::new();
    let mut config = world.config("laptop");
    config["maxBlobBytes"] = json!(4);
    let laptop = Device::new(config);
    laptop.ok("enable", json!({}));
    laptop.push(b"milk").unwrap();
    let refused = laptop.push(b"bread").unwrap_err();
    assert!(refused["message"].as_str().unwrap().contains("4 bytes"), "{refused}");
    assert_eq!(code(Err(refused)), "blobTooLarge");
    assert_eq!(code(laptop.call("push", json!([1, 2, 3, 4, 5]))), "blobTooLarge");
}

#[test]
fn a_retry_with_the_same_key_is_the_same_push_in_either_shape() {
    let world = World::new();
    let (laptop, phone) = world.pair();
    let mut headers = HeaderMap::new();
    headers.insert("idempotency-key", HeaderValue::from_static("n%C3%B6te%201"));
    let raw = laptop.request("push", InvokeBody::Raw(b"milk".to_vec()), headers).unwrap();
    let raw: serde_json::Value = raw.deserialize().unwrap();
    let again = laptop.ok("push", json!({ "data": [109], "idempotencyKey": "nöte 1" }));
    assert_eq!(raw, again);
    phone.ok("now", json!({}));
    assert_eq!(phone.pull(json!({})).unwrap().1, [b"milk"]);
}

#[test]
fn pages_cover_everything_without_repeating_and_own_blobs_come_only_when_asked_for() {
    let world = World::new();
    let (laptop, phone) = world.pair();
    for number in 0..10_u8 {
        laptop.push(&[number; 100]).unwrap();
    }
    phone.push(b"own").unwrap();
    phone.ok("now", json!({}));
    let (mut after, mut seen) = (json!(0), Vec::new());
    loop {
        let (page, payloads) = phone.pull(json!({ "afterCursor": after, "maxBytes": 250 })).unwrap();
        assert!((1..=2).contains(&payloads.len()), "two fit, and at least one comes");
        seen.extend(payloads.iter().map(|payload| payload[0]));
        after = page["maxCursor"].clone();
        if page["hasMore"] == false {
            break;
        }
    }
    assert_eq!(seen, (0..10).collect::<Vec<u8>>());
    let (_, all) = phone.pull(json!({ "afterCursor": 0, "own": true })).unwrap();
    assert_eq!(all.len(), 11);
    assert!(all.contains(&b"own".to_vec()));
}

#[test]
fn acknowledging_moves_where_the_next_pull_begins_and_never_past_what_was_returned() {
    let world = World::new();
    let (laptop, phone) = world.pair();
    for payload in [b"one", b"two"] {
        laptop.push(payload).unwrap();
    }
    phone.ok("now", json!({}));
    let head = phone.ok("info", json!({}))["head"].clone();
    phone.ok("ack", json!({ "cursor": head }));
    let (page, payloads) = phone.pull(json!({})).unwrap();
    assert_eq!(payloads.len(), 2, "nothing was returned before, so nothing was acknowledged");
    assert_eq!(phone.ok("last_cursor", json!({})), page["maxCursor"]);
    phone.ok("ack", json!({ "cursor": page["blobs"][0]["cursor"] }));
    assert_eq!(phone.pull(json!({})).unwrap().1, [b"two"]);
    phone.ok("ack", json!({ "cursor": page["maxCursor"] }));
    assert_eq!(phone.pull(json!({})).unwrap().1, Vec::<Vec<u8>>::new());
    assert_eq!(phone.ok("info", json!({}))["acked"], page["maxCursor"]);
}

#[test]
fn syncing_now_tells_its_progress_on_the_channel_it_is_given() {
    let world = World::new();
    let (laptop, phone) = world.pair();
    laptop.ok("now", json!({}));
    world.stop_relay();
    laptop.status(|status| status["state"] == "reconnecting");
    for number in 0..5_u8 {
        assert_eq!(code(laptop.push(&[number])), "pending");
    }
    world.start_relay();
    laptop.ok("now", json!({ "onProgress": "__CHANNEL__:7" }));
    let told: Vec<_> = laptop.channel.lock().unwrap().try_iter().collect();
    let (channel, last) = told.last().expect("progress was told");
    assert_eq!(*channel, 7);
    assert_eq!((&last["toPush"], &last["toPull"]), (&json!(0), &json!(0)), "{told:?}");
    assert!(told.iter().all(|(_, progress)| progress["pushed"].is_u64() && progress["pulled"].is_u64()), "{told:?}");
    phone.ok("now", json!({ "onProgress": null }));
    assert_eq!(phone.pull(json!({})).unwrap().1.len(), 5);
}

#[test]
fn a_push_without_the_relay_is_pending_and_synced_when_it_is_back() {
    let world = World::new();
    let laptop = world.device("laptop");
    laptop.ok("now", json!({}));
    world.stop_relay();
    laptop.hears("disconnected");
    laptop.status(|status| status["state"] == "reconnecting");
    let refused = laptop.push(b"milk").unwrap_err();
    assert_eq!(refused["retryable"], true);
    let blob = refused["details"]["blobId"].clone();
    assert_eq!(code(Err(refused)), "pending");
    assert_eq!(laptop.ok("pending", json!({})), 1);
    let status = laptop.status(|status| status["pending"] == 1);
    assert_eq!((&status["indicator"], &status["lastError"]["code"]), (&json!("pending"), &json!("offline")));
    world.start_relay();
    laptop.ok("visibility", json!({ "visible": true }));
    let synced = laptop.hears("blob-synced");
    assert_eq!(synced["blobId"], blob);
    let status = laptop.status(|status| status["indicator"] == "synced");
    assert_eq!((&status["pending"], &status["attempt"], &status["lastError"]), (&json!(0), &json!(0), &json!(null)));
    assert!(status["lastSyncedAt"].is_u64());
}

#[test]
fn cursors_that_are_none_are_refused_by_name_and_unknown_ones_with_the_last_one() {
    let world = World::new();
    let device = world.device("laptop");
    for bad in [json!(-1), json!(0.5), json!(9_007_199_254_740_992_u64), json!(1e300), json!("1"), json!([])] {
        for (command, name) in [("pull", "afterCursor"), ("ack", "cursor")] {
            let refused = device.call(command, json!({ name: bad })).unwrap_err();
            assert!(refused["details"]["reason"].as_str().unwrap().starts_with(name), "{refused}");
            assert_eq!(code(Err(refused)), "invalidArgs", "{command} {bad}");
        }
    }
    assert_eq!(code(device.call("ack", json!({}))), "invalidArgs");
    assert_eq!(code(device.call("pull", json!({ "maxBytes": -1 }))), "invalidArgs");
    let refused = device.call("pull", json!({ "afterCursor": 9_007_199_254_740_991_u64 })).unwrap_err();
    assert!(refused["details"]["lastCursor"].is_u64(), "{refused}");
    assert_eq!(code(Err(refused)), "cursorUnknown");
    for bad in [json!({ "data": [256] }), json!({ "data": "milk" }), json!({}), json!(["milk"])] {
        assert_eq!(code(device.call("push", bad)), "invalidArgs");
    }
}

#[test]
fn more_than_the_outbox_holds_is_refused_and_what_it_holds_stays() {
    let world = World::new();
    let device = Device::new(local(&world.directory("laptop")));
    device.ok("enable", json!({}));
    let payload = vec![7; LARGEST];
    let mut taken = 0;
    let refused = loop {
        match code(device.push(&payload)).as_str() {
            "pending" => taken += 1,
            other => break other.to_owned(),
        }
    };
    assert_eq!(refused, "outboxFull");
    // Sealed and with what belongs to each, in 64 MiB.
    assert!((60..=(64 << 20) / LARGEST).contains(&taken), "{taken}");
    // And the word that this device exists.
    assert_eq!(device.ok("pending", json!({})), taken + 1);
}

#[test]
fn no_event_carries_a_payload_or_an_invite() {
    let world = World::new();
    let (laptop, phone) = world.pair();
    let secret = "a-payload-nobody-else-writes";
    laptop.push(secret.as_bytes()).unwrap();
    let invite = laptop.ok("create_invite", json!({}));
    phone.ok("now", json!({}));
    laptop.push(b"last").unwrap();
    let mut seen = phone.hears_until("blob-available", |event| event["size"] == 4);
    phone.ok("leave", json!({}));
    seen.extend(laptop.hears_until("device-joined", |_| true));
    let seen = format!("{seen:?}");
    for word in [secret, invite["shortCode"].as_str().unwrap(), invite["url"].as_str().unwrap()] {
        assert!(!seen.contains(word), "{word} in {seen}");
    }
}
