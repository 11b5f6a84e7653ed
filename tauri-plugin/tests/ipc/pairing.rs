//! Letting devices in and out: what a page with `sync:pairing` does.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::support::{Device, World, code, local};

/// What the QR picture says, read by a decoder that is not ours.
fn scan(data_url: &str) -> String {
    let file = STANDARD.decode(data_url.strip_prefix("data:image/png;base64,").unwrap()).unwrap();
    let mut decoder = png::Decoder::new(std::io::Cursor::new(file));
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let shown = reader.next_frame(&mut pixels).unwrap();
    let (width, height) = (shown.width as usize, shown.height as usize);
    let mut seen = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| pixels[y * width + x]);
    seen.detect_grids()[0].decode().unwrap().1
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn a_new_device_joins_by_what_its_camera_reads_off_the_picture_and_needs_no_configuration() {
    let world = World::new();
    let mut config = world.config("laptop");
    config["scheme"] = json!("notes");
    config["deviceName"] = json!("desk");
    let laptop = Device::new(config);
    laptop.ok("enable", json!({}));
    let invite = laptop.invite();
    let scanned = scan(text(&invite["qrCode"]));
    assert_eq!(scanned, text(&invite["url"]));
    assert!(scanned.starts_with("notes://join?i="), "{scanned}");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let left = invite["expiresAt"].as_u64().unwrap().saturating_sub(now);
    assert!((540..=600).contains(&left), "ten minutes, in seconds: {left}");

    let phone = Device::new(local(&world.directory("phone")));
    phone.ok("enable", json!({}));
    assert_eq!(phone.ok("join_invite", json!({ "invite": scanned })), Value::Null);
    assert_eq!(phone.hears("joined")["historyComplete"], true);
    let device = phone.ok("info", json!({}))["deviceId"].clone();
    assert_eq!(laptop.hears("invite-used")["device"], device);
    let joined = laptop.hears("device-joined");
    assert_eq!((&joined["device"], &joined["wantsFullPush"]), (&device, &json!(true)));

    let devices = laptop.ok("devices", json!({}));
    let devices = devices.as_array().unwrap();
    assert_eq!(devices.len(), 2);
    let own = devices.iter().find(|device| device["thisDevice"] == true).unwrap();
    assert_eq!((text(&own["name"]), text(&own["id"]).len()), ("desk", 16));
    let info = phone.ok("info", json!({}));
    assert_eq!(info["groupId"], laptop.ok("info", json!({}))["groupId"]);
    assert_eq!(
        (&info["relay"], &info["keyStorage"], &info["protocolVersion"]),
        (&json!(world.address), &json!("file"), &json!(1))
    );
}

#[test]
fn a_page_that_was_not_there_when_a_full_push_was_asked_for_is_asked_when_it_enables() {
    let world = World::new();
    let (laptop, phone) = (world.device("laptop"), world.device("phone"));
    phone.push(b"of its own").unwrap();
    let invite = laptop.invite();
    phone.ok("join_invite", json!({ "invite": invite["url"] }));
    laptop.hears("device-joined");
    for (device, name, asked) in [(laptop, "device-joined", "wantsFullPush"), (phone, "joined", "needsFullPush")] {
        // It ends before its page could do anything about it.
        device.close();
        let device = Device::new(world.config(if name == "joined" { "phone" } else { "laptop" }));
        let before = device.hears_until("connected", |_| true);
        assert!(!before.iter().any(|(event, _)| event == name), "{before:?}");
        assert_eq!(device.ok("info", json!({}))["wantsFullPush"], true);
        device.push(b"a keystroke").unwrap();
        device.ok("enable", json!({}));
        assert_eq!(device.hears(name)[asked], true);
        device.ok("enable", json!({}));
        assert_eq!(device.hears(name)[asked], true);
        device.ok("accept_full_push", json!({}));
        assert_eq!(device.ok("info", json!({}))["wantsFullPush"], false);
        device.ok("enable", json!({}));
        device.ok("disable", json!({}));
        let after = device.hears_until("status", |status| status["state"] == "disabled");
        assert!(!after.iter().any(|(event, _)| event == name), "{after:?}");
    }
}

#[test]
fn a_new_device_joins_by_the_typed_code_once_it_knows_the_relay() {
    let world = World::new();
    let laptop = world.device("laptop");
    let invite = laptop.invite();
    let typed = text(&invite["shortCode"]).to_lowercase().replace('-', " ");
    let phone = Device::new(local(&world.directory("phone")));
    phone.ok("enable", json!({}));
    assert_eq!(code(phone.call("join_invite", json!({ "invite": typed }))), "noRelay");
    phone.ok("set_relay", json!({ "address": world.address }));
    phone.ok("join_invite", json!({ "invite": typed }));
    assert_eq!(phone.ok("devices", json!({})).as_array().unwrap().len(), 2);
}

#[test]
fn an_invite_is_good_once_and_not_after_it_was_cancelled() {
    let world = World::new();
    let laptop = world.device("laptop");
    let invite = laptop.invite();
    let (phone, tablet) = (world.device("phone"), world.device("tablet"));
    phone.ok("join_invite", json!({ "invite": invite["shortCode"] }));
    // By then the inviting device has closed the invite at the relay.
    laptop.hears("device-joined");
    laptop.ok("now", json!({}));
    assert_eq!(code(tablet.call("join_invite", json!({ "invite": invite["shortCode"] }))), "inviteUnknown");

    let invite = laptop.ok("create_invite", json!({}));
    laptop.ok("cancel_invite", json!({}));
    assert_eq!(laptop.hears("invite-ended"), "cancelled");
    laptop.ok("now", json!({}));
    assert_eq!(code(tablet.call("join_invite", json!({ "invite": invite["url"] }))), "inviteUnknown");
    assert_eq!(code(tablet.call("join_invite", json!({ "invite": "0000-0000-0000-0000" }))), "inviteUnknown");
}

#[test]
fn what_is_no_invite_is_refused_before_anything_is_asked() {
    let world = World::new();
    let phone = Device::new(local(&world.directory("phone")));
    phone.ok("enable", json!({}));
    for bad in ["", "milk", "0000-0000", "zerok://join?i=AAAA", "https://example.com/"] {
        let refused = phone.call("join_invite", json!({ "invite": bad })).unwrap_err();
        assert!(refused["details"]["reason"].is_string(), "{refused}");
        assert_eq!(code(Err(refused)), "invalidArgs", "{bad}");
    }
    for bad in ["", "relay.example:80", "0k:AAAA"] {
        assert_eq!(code(phone.call("set_relay", json!({ "address": bad }))), "invalidArgs", "{bad}");
    }
}

#[test]
fn a_device_in_a_group_with_others_joins_no_other() {
    let world = World::new();
    let (_laptop, phone) = world.pair();
    let stranger = world.device("stranger");
    let invite = stranger.invite();
    assert_eq!(code(phone.call("join_invite", json!({ "invite": invite["url"] }))), "alreadyInGroup");
}

#[test]
fn inviting_and_joining_need_the_relay() {
    let world = World::new();
    let (laptop, phone) = (world.device("laptop"), world.device("phone"));
    let invite = laptop.invite();
    phone.ok("now", json!({}));
    world.stop_relay();
    laptop.status(|status| status["state"] == "reconnecting");
    assert_eq!(code(laptop.call("create_invite", json!({}))), "offline");
    assert_eq!(code(phone.call("join_invite", json!({ "invite": invite["url"] }))), "offline");
    assert_eq!(code(laptop.call("now", json!({}))), "offline");
    let nowhere = Device::new(local(&world.directory("nowhere")));
    nowhere.ok("enable", json!({}));
    assert_eq!(code(nowhere.call("create_invite", json!({}))), "noRelay");
    assert_eq!(code(nowhere.call("now", json!({}))), "noRelay");
}

#[test]
fn leaving_keeps_what_is_queued_unless_forced_and_then_forgets_everything() {
    let world = World::new();
    let (laptop, phone) = world.pair();
    world.stop_relay();
    phone.status(|status| status["state"] == "reconnecting");
    assert_eq!(code(phone.push(b"milk")), "pending");
    assert_eq!(code(phone.call("leave", json!({}))), "leavePending");
    assert_eq!(code(phone.call("leave", json!({ "force": false }))), "leavePending");
    assert_eq!(phone.ok("pending", json!({})), 1);
    phone.ok("leave", json!({ "force": true }));
    assert_eq!(phone.ok("info", json!({}))["groupId"], Value::Null);
    assert_eq!(code(phone.push(b"bread")), "notEnabled");
    assert_eq!(phone.status(|status| status["state"] == "disabled")["pending"], 0);
    drop(laptop);
}

#[test]
fn a_relay_that_proves_another_key_is_named_and_nothing_is_given_to_it() {
    let world = World::new();
    let stranger = World::new();
    // The stranger's key at our relay's door.
    let mut address: zerok_core::address::RelayAddress = stranger.address.parse().unwrap();
    address.tcp = world.address.parse::<zerok_core::address::RelayAddress>().unwrap().tcp;
    let mut config = local(&world.directory("laptop"));
    config["relay"] = json!(address.to_string());
    let laptop = Device::new(config);
    laptop.ok("enable", json!({}));
    let status = laptop.status(|status| status["lastError"]["code"] == "relayUnverified");
    assert_eq!((&status["indicator"], &status["lastError"]["retryable"]), (&json!("failed"), &json!(true)));
    assert_eq!(code(laptop.push(b"milk")), "pending");
    // Its new address mends it.
    laptop.ok("set_relay", json!({ "address": world.address }));
    laptop.status(|status| status["indicator"] == "synced");
}

#[test]
fn a_configuration_that_names_another_relay_than_pairing_did_is_told_and_not_obeyed() {
    let world = World::new();
    world.device("laptop").close();
    let other = World::new();
    let mut config = local(&world.directory("laptop"));
    config["relay"] = json!(other.address);
    let laptop = Device::new(config);
    assert_eq!(laptop.hears("error")["code"], "relayMismatch");
    let info = laptop.ok("info", json!({}));
    assert_eq!((&info["relayMismatch"], &info["relay"]), (&json!(true), &json!(world.address)));
    laptop.ok("set_relay", json!({ "address": other.address }));
    let info = laptop.ok("info", json!({}));
    assert_eq!((&info["relayMismatch"], &info["relay"]), (&json!(false), &json!(other.address)));
}
