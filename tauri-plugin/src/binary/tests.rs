use serde_json::json;
use tauri::http::HeaderValue;
use zerok_core::{
    client::command::Blob,
    error::Code,
    ids::{BlobId, DeviceId, Position},
    time::UnixMillis,
};

use super::*;

fn read(body: impl Into<InvokeBody>, limit: usize) -> Result<Given, Error> {
    Given::read(&body.into(), &HeaderMap::new(), limit)
}

fn reason(error: &Error) -> String {
    assert_eq!(error.code, Code::InvalidArgs);
    error.details.as_ref().unwrap()["reason"].as_str().unwrap().to_owned()
}

#[test]
fn raw_bytes_an_array_and_an_object_are_the_same_push() {
    let raw = read(InvokeBody::Raw(vec![0, 127, 255]), 3).unwrap();
    assert_eq!(read(InvokeBody::Json(json!([0, 127, 255])), 3).unwrap(), raw);
    assert_eq!(read(InvokeBody::Json(json!({ "data": [0, 127, 255] })), 3).unwrap(), raw);
    assert_eq!(&raw.data[..], [0, 127, 255]);
}

#[test]
fn nothing_is_a_push_of_no_bytes() {
    for body in [InvokeBody::Raw(vec![]), InvokeBody::Json(json!([])), InvokeBody::Json(json!({ "data": [] }))] {
        assert!(read(body, 0).unwrap().data.is_empty());
    }
}

#[test]
fn the_limit_holds_in_every_shape_and_is_told() {
    for body in [InvokeBody::Raw(vec![1; 4]), InvokeBody::Json(json!([1, 1, 1, 1]))] {
        let error = read(body, 3).unwrap_err();
        assert_eq!(error.code, Code::BlobTooLarge);
        assert_eq!(error.details, Some(json!({ "size": 4, "limit": 3 })));
        assert!(error.message.contains("3 bytes"), "{}", error.message);
    }
}

#[test]
fn what_is_no_byte_is_refused_rather_than_rounded() {
    for bad in [json!([256]), json!([-1]), json!([1.5]), json!(["1"]), json!([null])] {
        assert!(reason(&read(InvokeBody::Json(bad), 9).unwrap_err()).contains("0 to 255"));
    }
    for bad in [json!("milk"), json!({}), json!({ "data": "milk" }), json!(null)] {
        assert!(reason(&read(InvokeBody::Json(bad), 9).unwrap_err()).contains("bytes"));
    }
}

#[test]
fn a_key_is_the_same_in_a_header_and_in_an_object() {
    let mut headers = HeaderMap::new();
    headers.insert(KEY_HEADER, HeaderValue::from_static("n%C3%B6te%201"));
    let header = Given::read(&InvokeBody::Raw(vec![]), &headers, 0).unwrap();
    let object = read(InvokeBody::Json(json!({ "data": [], "idempotencyKey": "nöte 1" })), 0).unwrap();
    assert_eq!(header.key, object.key);
    assert_ne!(header.key, Some(key_of("nöte 2").unwrap()));
    assert_eq!(read(InvokeBody::Json(json!({ "data": [], "idempotencyKey": null })), 0).unwrap().key, None);
}

#[test]
fn keys_that_are_none_are_refused() {
    for bad in [json!({ "data": [], "idempotencyKey": "" }), json!({ "data": [], "idempotencyKey": 7 })] {
        assert!(reason(&read(InvokeBody::Json(bad), 0).unwrap_err()).contains("idempotencyKey"));
    }
    let mut headers = HeaderMap::new();
    headers.insert(KEY_HEADER, HeaderValue::from_static("%FF"));
    assert!(reason(&Given::read(&InvokeBody::Raw(vec![]), &headers, 0).unwrap_err()).contains("percent-encoded"));
    assert!(key_of(&"k".repeat(MAX_KEY)).is_ok());
    assert!(key_of(&"k".repeat(MAX_KEY + 1)).is_err());
}

#[test]
fn a_page_is_its_header_and_the_payloads_in_order() {
    let blob = |cursor: u64, data: &'static [u8]| Blob {
        id: BlobId([cursor as u8; 16]),
        cursor: Position(cursor),
        sender: DeviceId([9; 8]),
        timestamp: UnixMillis(1_700_000_000_000),
        data: Bytes::from_static(data),
    };
    let pulled = Pulled {
        blobs: vec![blob(3, b"milk"), blob(5, b""), blob(8, b"bread")],
        has_more: true,
        max_cursor: Position(8),
        truncated: false,
    };
    let page = page(&pulled).unwrap();
    let length = u32::from_le_bytes(page[..4].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&page[4..4 + length]).unwrap();
    assert_eq!(&page[4 + length..], b"milkbread");
    assert_eq!(
        header["blobs"][2],
        json!({
            "id": "08".repeat(16), "cursor": 8, "sender": "09".repeat(8), "timestamp": 1_700_000_000_000_u64, "len": 5
        })
    );
    assert_eq!(
        (&header["hasMore"], &header["maxCursor"], &header["truncated"]),
        (&json!(true), &json!(8), &json!(false))
    );
}
