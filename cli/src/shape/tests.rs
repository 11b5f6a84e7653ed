use bytes::Bytes;
use zerok_core::{
    ids::{Cursor, Incarnation},
    time::UnixMillis,
};

use super::*;

fn json(shape: &impl Serialize) -> String {
    serde_json::to_string(shape).unwrap()
}

fn blob(data: &'static [u8]) -> Blob {
    Blob {
        id: BlobId([0xab; 16]),
        cursor: Position(7),
        sender: DeviceId([1; 8]),
        timestamp: UnixMillis(1_800_000_000_000),
        data: Bytes::from_static(data),
    }
}

#[test]
fn a_blob_of_text_carries_data() {
    assert_eq!(
        json(&BlobShape::new(&blob(b"buy \"milk\"\n"), Some("phone"))),
        concat!(
            r#"{"event":"blob","id":"abababababababababababababababab","cursor":7,"sender":"0101010101010101","name":"phone","#,
            r#""timestamp":1800000000000,"data":"buy \"milk\"\n"}"#
        )
    );
}

#[test]
fn a_blob_of_other_bytes_carries_data_base64() {
    let text = json(&BlobShape::new(&blob(b"\xff\x00\x01\x02"), None));
    assert!(text.ends_with(r#""name":null,"timestamp":1800000000000,"dataBase64":"/wABAg=="}"#), "{text}");
}

#[test]
fn base64_pads_as_the_standard_says() {
    for (plain, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
        assert_eq!(base64(plain.as_bytes()), text);
    }
}

/// The demo counts objects with `blobId` and without data: one for each pushed blob.
#[test]
fn only_the_answer_to_a_push_has_a_blob_id() {
    let id = BlobId([2; 16]);
    let hex = "02".repeat(16);
    assert_eq!(
        json(&PushShape::pushed(id, Some(Position(9)))),
        format!(r#"{{"event":"pushed","blobId":"{hex}","cursor":9}}"#)
    );
    assert_eq!(json(&PushShape::pending(id)), format!(r#"{{"event":"pending","blobId":"{hex}"}}"#));
    let synced = EventShape::Synced { id: hex.clone(), cursor: 9 };
    assert_eq!(json(&synced), format!(r#"{{"event":"synced","id":"{hex}","cursor":9}}"#));
}

#[test]
fn events_have_the_documented_fields() {
    let joined = EventShape::Joined { device: "01".into(), name: Some("phone".into()), heard: true };
    assert_eq!(json(&joined), r#"{"event":"joined","device":"01","name":"phone","heard":true}"#);
    let new = EventShape::DeviceJoined { device: "01".into(), name: "phone".into(), wants_full_push: true };
    assert_eq!(json(&new), r#"{"event":"deviceJoined","device":"01","name":"phone","wantsFullPush":true}"#);
    assert_eq!(
        json(&EventShape::problem(Code::RelayFull)),
        format!(r#"{{"event":"problem","code":"relayFull","message":"{}"}}"#, Code::RelayFull)
    );
    let invite = InviteShape { code: "A".into(), url: "u".into(), relay: "r".into(), expires_at: 5 };
    assert_eq!(json(&invite), r#"{"code":"A","url":"u","relay":"r","expiresAt":5}"#);
}

#[test]
fn a_status_has_the_plugin_s_fields() {
    let status = Status {
        state: ConnectionState::Reconnecting,
        indicator: Indicator::Offline,
        pending: 3,
        last_cursor: Position(4),
        last_synced_at: None,
        attempt: 2,
        last_error: Some(Code::Offline),
    };
    let fields = concat!(
        r#""state":"reconnecting","indicator":"offline","pending":3,"lastCursor":4,"lastSyncedAt":null,"#,
        r#""attempt":2,"lastError":"offline""#
    );
    assert_eq!(json(&StatusShape::from(status)), format!("{{{fields}}}"));
    assert_eq!(json(&EventShape::Status(status.into())), format!(r#"{{"event":"status",{fields}}}"#));
}

#[test]
fn a_verdict_names_what_and_whose() {
    let gap = Verdict::Gap {
        sender: DeviceId([1; 8]),
        inc: Incarnation([0; 8]),
        lane: Lane::Data,
        from: 3,
        to: 5,
        expired: true,
        by: Some(DeviceId([2; 8])),
    };
    assert_eq!(
        json(&VerdictShape::new(2, &gap)),
        format!(
            r#"{{"verdict":2,"code":"gap","message":"{}","device":"0101010101010101","lane":"data","from":3,"to":5,"expired":true,"by":"0202020202020202"}}"#,
            verdict_sentence(&gap)
        )
    );
    assert!(verdict_sentence(&gap).ends_with("Device 0202020202020202 says so."));
    let tampered = Verdict::Tampered { cursor: Cursor(8) };
    assert!(json(&VerdictShape::new(3, &tampered)).ends_with(r#""relayCursor":8}"#));
}
