use serde_json::{Value, json};
use zerok_core::{
    ids::{BlobId, Cursor, GroupId, Incarnation, Kid, Position, RelayId},
    time::UnixMillis,
};

use super::*;

fn told(event: ClientEvent) -> (&'static str, Value) {
    let event = SyncEvent::from_core(event, Some("0k:relay".to_owned()), &mut Meter::default());
    (event.name(), serde_json::to_value(&event).unwrap())
}

#[test]
fn every_event_has_its_name_and_carries_metadata_only() {
    let device = DeviceId([0xd0; 8]);
    let hex = "d0".repeat(8);
    let cases = [
        (ClientEvent::Connected { relay: RelayId([1; 16]) }, "connected", json!({ "relay": "0k:relay" })),
        (ClientEvent::Disconnected { code: Code::Offline }, "disconnected", json!("offline")),
        (
            ClientEvent::BlobAvailable {
                id: BlobId([2; 16]),
                cursor: Position(7),
                sender: device,
                timestamp: UnixMillis(5),
                size: 4,
            },
            "blob-available",
            json!({ "id": "02".repeat(16), "cursor": 7, "sender": hex, "size": 4, "timestamp": 5 }),
        ),
        (
            ClientEvent::BlobSynced { id: BlobId([2; 16]), cursor: Position(7) },
            "blob-synced",
            json!({ "blobId": "02".repeat(16), "cursor": 7 }),
        ),
        (
            ClientEvent::BlobReissued { old: BlobId([2; 16]), new: BlobId([3; 16]) },
            "blob-reissued",
            json!({ "blobId": "02".repeat(16), "newBlobId": "03".repeat(16) }),
        ),
        (
            ClientEvent::DeviceJoined { device, name: "phone".to_owned(), wants_full_push: true },
            "device-joined",
            json!({ "device": hex, "name": "phone", "wantsFullPush": true }),
        ),
        (
            ClientEvent::Joined { group: GroupId([4; 32]), history_complete: true, needs_full_push: false },
            "joined",
            json!({ "group": "04".repeat(32), "historyComplete": true, "needsFullPush": false }),
        ),
        (ClientEvent::InviteUsed { device }, "invite-used", json!({ "device": hex })),
        (ClientEvent::InviteEnded { code: Code::InviteExpired }, "invite-ended", json!("inviteExpired")),
        (
            ClientEvent::Progress { to_push: 3, to_pull: 9 },
            "progress",
            json!({ "pushed": 0, "toPush": 3, "pulled": 0, "toPull": 9 }),
        ),
    ];
    for (event, name, payload) in cases {
        assert_eq!(told(event), (name, payload));
    }
    let (name, error) = told(ClientEvent::Problem(Code::StorageFull));
    assert_eq!((name, &error["code"], &error["retryable"]), ("error", &json!("storageFull"), &json!(true)));
}

#[test]
fn a_finding_names_device_and_range() {
    let (sender, inc, lane) = (DeviceId([7; 8]), Incarnation([1; 8]), Lane::Data);
    let details = |verdict: Verdict| {
        let (name, error) = told(ClientEvent::Verdict { id: 12, verdict });
        assert_eq!((name, &error["code"]), ("error", &json!(verdict.code().name())));
        assert_eq!(error["details"]["finding"], 12);
        error["details"].clone()
    };
    let gap = details(Verdict::Gap { sender, inc, lane, from: 3, to: 9, expired: true, by: None });
    assert_eq!(
        gap,
        json!({ "finding": 12, "device": "07".repeat(8), "lane": "data", "from": 3, "to": 9, "expired": true })
    );
    let by = DeviceId([8; 8]);
    let claimed = details(Verdict::Gap { sender, inc, lane, from: 3, to: 9, expired: false, by: Some(by) });
    assert_eq!(claimed["by"], "08".repeat(8));
    let fork = details(Verdict::Fork { sender, inc, lane: Lane::Control, seq: 4, by });
    assert_eq!((&fork["lane"], &fork["from"], &fork["to"]), (&json!("control"), &json!(4), &json!(4)));
    assert_eq!(fork["by"], "08".repeat(8));
    assert_eq!(details(Verdict::UnknownDevice { device: by })["device"], "08".repeat(8));
    assert_eq!(details(Verdict::RestoredTooOften { device: by })["device"], "08".repeat(8));
    assert_eq!(details(Verdict::Equivocation { device: sender, inc, lane, seq: 4 })["device"], "07".repeat(8));
    assert_eq!(details(Verdict::Tampered { cursor: Cursor(5) })["relayCursor"], 5);
    assert_eq!(details(Verdict::MissingEpoch { kid: Kid([6; 8]) })["epoch"], "06".repeat(8));
    assert_eq!(details(Verdict::RelayReset), json!({ "finding": 12 }));
}

#[test]
fn progress_counts_what_was_done_and_starts_anew_with_the_next_sync() {
    let mut meter = Meter::default();
    let done = |progress: Progress| (progress.pushed, progress.pulled);
    assert_eq!(done(meter.read(10, 100)), (0, 0));
    assert_eq!(done(meter.read(4, 40)), (6, 60));
    // More was queued meanwhile: nothing is taken back.
    assert_eq!(done(meter.read(5, 40)), (6, 60));
    assert_eq!(done(meter.read(0, 0)), (11, 100));
    assert_eq!(done(meter.read(2, 0)), (0, 0));
}
