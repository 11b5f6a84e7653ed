use std::path::PathBuf;

use serde_json::json;
use zerok_core::{
    client::command::Rejection,
    ids::{BlobId, Position},
    machine::StoreFailure,
};
use zerok_tokio::{data_dir::DataDirFault, secrets::KeyFault};

use super::*;

fn rejected(rejection: Rejection) -> Error {
    SyncError::Rejected(rejection).into()
}

#[test]
fn every_code_travels_under_its_name_with_its_sentence_and_nothing_else() {
    for code in Code::ALL {
        let expected = json!({ "code": code.name(), "message": code.to_string(), "retryable": code.retryable() });
        assert_eq!(serde_json::to_value(rejected((*code).into())).unwrap(), expected);
        assert_eq!(serde_json::to_value(Error::from(SyncError::Stopped(*code))).unwrap(), expected);
    }
}

#[test]
fn a_pending_push_names_its_blob_and_an_unknown_cursor_the_last_one() {
    let pending = rejected(Rejection { blob_id: Some(BlobId([0xab; 16])), ..Code::Pending.into() });
    assert_eq!(pending.details, Some(json!({ "blobId": "ab".repeat(16) })));
    let unknown = rejected(Rejection { last_cursor: Some(Position(7)), ..Code::CursorUnknown.into() });
    assert_eq!(unknown.details, Some(json!({ "lastCursor": 7 })));
}

#[test]
fn what_stands_in_the_way_of_opening_has_its_code_and_its_reason() {
    let cases: [(SyncError, Code); 10] = [
        (DataDirFault::InUse.into(), Code::AlreadyRunning),
        (DataDirFault::Foreign.into(), Code::StorageFailed),
        (KeyFault::Lost.into(), Code::KeyLost),
        (KeyFault::Locked.into(), Code::KeychainLocked),
        (KeyFault::Unavailable.into(), Code::StorageFailed),
        (StoreFailure::Full.into(), Code::StorageFull),
        (StoreFailure::TooNew.into(), Code::UpdateNeeded),
        (SyncError::SetAside(PathBuf::from("db.damaged")), Code::StorageFailed),
        (std::io::Error::other("no thread").into(), Code::StorageFailed),
        ("milk".parse::<zerok_core::pairing::invite::Invite>().unwrap_err().into(), Code::InvalidArgs),
    ];
    for (fault, code) in cases {
        let reason = fault.to_string();
        let error = Error::from(fault);
        assert_eq!((error.code, error.retryable), (code, code.retryable()));
        assert_eq!(error.message, code.to_string());
        assert_eq!(error.details, Some(json!({ "reason": reason })));
    }
}
