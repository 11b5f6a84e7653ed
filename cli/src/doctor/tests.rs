use std::{path::Path, sync::Arc};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use zerok_core::{
    ids::{Position, RelayKey},
    seal::keys::LinkSecret,
};
use zerok_tokio::{secrets::KeyStorageChoice, tcp::TcpDialer};

use super::{clock::Evidence, report::State, *};
use crate::{dialer::Way, output::tests::Heard};

/// Times at which nothing is wrong with a clock.
const NOW: u64 = 1_800_000_000_000;

fn setting(data: &Path) -> Setting {
    Setting {
        data: data.join("device"),
        key_storage: KeyStorageChoice::File,
        patience: std::time::Duration::from_secs(2),
        ways: vec![Way { name: "tcp", dialer: Arc::new(TcpDialer) }],
        afresh: false,
    }
}

fn relay(places: &[&str]) -> RelayAddress {
    let key = RelayKey(LinkSecret::new([7; 32]).public().0);
    RelayAddress { key, tcp: places.iter().map(|place| (*place).to_owned()).collect(), iroh: None }
}

async fn set_up(setting: &Setting, relay: Option<RelayAddress>) {
    let client = setting.open_as("my secret laptop", relay).await.unwrap();
    client.enable().await.unwrap();
    close(client).await;
}

async fn diagnose(setting: &Setting) -> Diagnosis {
    examine(setting, &Asked::default(), now()).await.unwrap()
}

fn find<'a>(diagnosis: &'a Diagnosis, check: &str) -> &'a Check {
    diagnosis.checks.iter().find(|found| found.check == check).unwrap_or_else(|| panic!("no {check} in {diagnosis:?}"))
}

fn is_problem(check: &Check, code: Code) -> bool {
    check.state == State::Problem && check.code == Some(code.name()) && check.advice.is_some()
}

#[tokio::test]
async fn nothing_there_is_named_and_nothing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let setting = setting(folder.path());
    let diagnosis = diagnose(&setting).await;
    assert!(is_problem(find(&diagnosis, "directory"), Code::NotEnabled));
    assert_eq!(find(&diagnosis, "key").state, State::Ok);
    assert!(!setting.data.exists());
}

#[tokio::test]
async fn a_relay_that_is_down_is_named_with_its_transport() {
    let folder = tempfile::tempdir().unwrap();
    let setting = setting(folder.path());
    set_up(&setting, Some(relay(&["127.0.0.1:1"]))).await;
    let diagnosis = diagnose(&setting).await;
    let transport = find(&diagnosis, "transport");
    assert!(is_problem(transport, Code::Offline));
    assert!(transport.message.contains("127.0.0.1:1") && transport.message.contains("no relay listens"));
    assert!(is_problem(find(&diagnosis, "relay"), Code::Offline));
    assert!(!diagnosis.is_healthy());
}

#[tokio::test]
async fn something_else_in_the_relay_s_place_is_told_from_a_relay_that_is_down() {
    let folder = tempfile::tempdir().unwrap();
    let setting = setting(folder.path());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.write_all(b"SSH-2.0-OpenSSH\r\n").await;
                let _ = stream.read(&mut [0; 64]).await;
            });
        }
    });
    set_up(&setting, Some(relay(&[&place, "127.0.0.1:1"]))).await;
    let diagnosis = diagnose(&setting).await;
    let transports: Vec<_> = diagnosis.checks.iter().filter(|check| check.check == "transport").collect();
    let states: Vec<_> = transports.iter().map(|check| check.state).collect();
    assert_eq!(states, [State::Ok, State::Warning], "one way that works is enough: {transports:?}");
    let relay = find(&diagnosis, "relay");
    assert_eq!(relay.state, State::Problem, "{relay:?}");
    assert_ne!(relay.code, Some("offline"), "{relay:?}");
}

/// Nobody answers and nobody refuses, as over UDP.
struct Silent;

impl zerok_tokio::link::Dialer for Silent {
    fn dial(
        &self,
        _: &RelayAddress,
    ) -> zerok_tokio::link::BoxFuture<'static, Result<zerok_tokio::link::Opened, zerok_core::machine::LinkFailure>>
    {
        Box::pin(std::future::pending())
    }
}

#[tokio::test(start_paused = true)]
async fn however_many_places_are_silent_the_doctor_waits_for_them_once() {
    let ways = ["tcp", "iroh"].map(|name| Way { name, dialer: Arc::new(Silent) });
    let patience = std::time::Duration::from_secs(3);
    let begun = tokio::time::Instant::now();
    let address = relay(&["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"]);
    let found = reach::transports(&ways, &address, patience, &Redact::new(false)).await;
    assert_eq!((found.checks.len(), found.answered, begun.elapsed()), (6, false, patience));
    assert!(found.checks.iter().all(|check| is_problem(check, Code::Offline) && check.message.contains("in time")));
}

#[tokio::test]
async fn what_to_do_is_said_once_though_a_fault_shows_in_several_places() {
    let folder = tempfile::tempdir().unwrap();
    let setting = setting(folder.path());
    set_up(&setting, Some(relay(&["127.0.0.1:1", "127.0.0.1:2"]))).await;
    let heard = Heard::default();
    diagnose(&setting).await.tell(&mut heard.output(false, false)).unwrap();
    let text = heard.text();
    assert_eq!(text.matches("[offline]").count(), 3, "{text}");
    assert_eq!(text.matches(advice::advice(Code::Offline)).count(), 1, "{text}");
}

#[tokio::test]
async fn a_relay_that_is_named_is_dialled_besides_the_device_s_own() {
    let folder = tempfile::tempdir().unwrap();
    let setting = setting(folder.path());
    set_up(&setting, Some(relay(&["127.0.0.1:1"]))).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap().to_string();
    let asked = Asked { relay: Some(relay(&[&place]).to_string()), ..Asked::default() };
    let diagnosis = examine(&setting, &asked, now()).await.unwrap();
    let transports: Vec<_> = diagnosis.checks.iter().filter(|check| check.check == "transport").collect();
    let states: Vec<_> = transports.iter().map(|check| check.state).collect();
    assert_eq!(states, [State::Problem, State::Ok], "another relay that answers is no help: {transports:?}");
    assert!(transports[1].message.starts_with("--relay: ") && transports[1].message.contains(&place));
}

#[tokio::test]
async fn a_relay_that_is_not_set_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let setting = setting(folder.path());
    set_up(&setting, None).await;
    let diagnosis = diagnose(&setting).await;
    assert!(is_problem(find(&diagnosis, "relay"), Code::NoRelay));
}

#[tokio::test]
async fn a_directory_that_is_in_use_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let setting = setting(folder.path());
    set_up(&setting, None).await;
    let other = setting.open().await.unwrap();
    let diagnosis = diagnose(&setting).await;
    assert!(is_problem(find(&diagnosis, "directory"), Code::AlreadyRunning));
    close(other).await;
    assert_eq!(find(&diagnose(&setting).await, "directory").state, State::Ok);
}

#[tokio::test]
async fn a_key_that_is_gone_is_named_and_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let setting = setting(folder.path());
    set_up(&setting, None).await;
    let mut removed = 0;
    for entry in std::fs::read_dir(&setting.data).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.starts_with("client.db") && name != "lock" {
            std::fs::remove_file(path).unwrap();
            removed += 1;
        }
    }
    assert_eq!(removed, 1, "the key file");
    for _ in 0..2 {
        assert!(is_problem(find(&diagnose(&setting).await, "key"), Code::KeyLost));
    }
}

/// Without the feature there is no keychain, whatever the machine.
#[cfg(not(feature = "keychain"))]
#[tokio::test]
async fn a_keychain_that_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let setting = Setting { key_storage: KeyStorageChoice::Keychain, ..setting(folder.path()) };
    let diagnosis = diagnose(&setting).await;
    let key = find(&diagnosis, "key");
    assert!(is_problem(key, Code::KeychainLocked));
    assert!(key.message.contains("this build"), "{key:?}");
    assert!(key.advice.as_deref().is_some_and(|advice| advice.contains("--key-storage file")), "{key:?}");
    let fault = setting.open_as("laptop", None).await.unwrap_err();
    assert_eq!(fault.code(), Some(Code::KeychainLocked));
}

#[test]
fn each_fault_of_the_key_reads_differently() {
    use KeyFault::{Damaged, Full, Locked, Lost, Missing, Unavailable};
    use zerok_tokio::{SyncError, secrets::KeyFault};
    let told = [Lost, Locked, Missing, Damaged, Full, Unavailable].map(|fault| storage::fault(&SyncError::Key(fault)));
    let messages: std::collections::BTreeSet<_> = told.iter().map(|check| &check.message).collect();
    assert_eq!(messages.len(), 6);
    assert!(is_problem(&told[1], Code::KeychainLocked) && is_problem(&told[2], Code::KeychainLocked));
    assert!(told[2].message.contains("no keychain"), "what is not there cannot be unlocked");
}

#[tokio::test]
async fn queued_blobs_are_told_and_are_no_problem_by_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let setting = setting(folder.path());
    set_up(&setting, Some(relay(&["127.0.0.1:1"]))).await;
    let client = setting.open().await.unwrap();
    client.push_detached("x", None).await.unwrap();
    close(client).await;
    let diagnosis = diagnose(&setting).await;
    let queue = find(&diagnosis, "queue");
    assert_eq!((queue.state, queue.code), (State::Warning, Some("pending")));
}

#[tokio::test]
async fn a_clock_before_this_program_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let setting = setting(folder.path());
    let diagnosis = examine(&setting, &Asked::default(), UnixMillis(0)).await.unwrap();
    assert_eq!(find(&diagnosis, "clock").state, State::Problem);
}

fn clock(now: u64, own: Option<u64>, others: Option<u64>) -> Check {
    let mut checks = Vec::new();
    let evidence = Evidence { own: own.map(UnixMillis), others: others.map(UnixMillis) };
    clock::check(UnixMillis(now), &evidence, &mut checks);
    checks.remove(0)
}

#[test]
fn a_clock_that_was_set_back_is_told_from_one_that_another_device_is_ahead_of() {
    let later = Some(NOW + clock::ALLOWANCE + 1);
    assert!(clock(NOW, later, later).message.contains("set back"));
    assert!(clock(NOW, Some(NOW), later).message.contains("Another device"));
    assert_eq!(clock(NOW, Some(NOW + clock::ALLOWANCE), Some(NOW + clock::ALLOWANCE)).state, State::Ok);
    assert_eq!(clock(NOW, None, Some(1)).state, State::Ok, "a device that was silent for long says nothing of a clock");
}

/// What is known of another device, as a device reports it.
async fn report_with(heard: u64, written: u64) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let setting = setting(folder.path());
    set_up(&setting, None).await;
    let client = setting.open().await.unwrap();
    let mut report = client.inspect().await.unwrap();
    close(client).await;
    // Nothing of when this test runs.
    (report.head, report.status.last_synced_at) = (Position(0), None);
    let mut other = report.devices[0].clone();
    (other.own, other.last_heard, other.last_written) = (false, Some(UnixMillis(heard)), Some(UnixMillis(written)));
    report.devices.push(other);
    report
}

/// The same facts in the two ways in which they can disagree, so that none is taken for the other.
#[tokio::test]
async fn a_device_was_heard_by_this_clock_and_wrote_by_its_own() {
    let (earlier, later) = (UnixMillis(NOW), UnixMillis(NOW + 3 * 3_600_000));
    let ahead = Evidence::of(&report_with(earlier.0, later.0).await);
    assert_eq!((ahead.own, ahead.others), (Some(earlier), Some(later)));
    let mut checks = Vec::new();
    clock::check(UnixMillis(NOW + 1), &ahead, &mut checks);
    assert!(checks[0].message.contains("Another device's clock is 2 hours ahead"), "{checks:?}");

    let set_back = Evidence::of(&report_with(later.0, earlier.0).await);
    assert_eq!((set_back.own, set_back.others), (Some(later), Some(earlier)));
    let mut checks = Vec::new();
    clock::check(UnixMillis(NOW + 1), &set_back, &mut checks);
    assert!(checks[0].message.contains("was set back"), "{checks:?}");
}

#[test]
fn a_clock_decades_ahead_is_named() {
    assert_eq!(clock(NOW + 30 * 365 * 86_400_000, None, None).state, State::Problem);
}

async fn health(page: &'static str) -> Check {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/health", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 512];
        let length = stream.read(&mut request).await.unwrap();
        assert!(request[..length].starts_with(b"GET /health HTTP/1.1\r\n"));
        stream.write_all(page.as_bytes()).await.unwrap();
    });
    let mut checks = Vec::new();
    health::check(&url, UnixMillis(NOW), std::time::Duration::from_secs(5), &mut checks).await;
    checks.remove(0)
}

#[tokio::test]
async fn the_relay_s_clock_is_compared_when_its_health_page_tells_it() {
    let same = health("HTTP/1.1 200 OK\r\n\r\n{\"time\":1800000001000}").await;
    assert_eq!(same.state, State::Ok, "{same:?}");
    let ahead = health("HTTP/1.1 200 OK\r\n\r\n{\"time\":1800000600000}").await;
    assert_eq!(ahead.message, "This machine's clock is 10 minutes behind the relay's.");
    let dated = health("HTTP/1.1 200 OK\r\ndate: Fri, 15 Jan 2027 07:50:00 GMT\r\n\r\n{\"ok\":true}").await;
    assert_eq!(dated.message, "This machine's clock is 10 minutes ahead of the relay's.");
    let silent = health("HTTP/1.1 200 OK\r\n\r\n{\"ok\":true}").await;
    assert_eq!((silent.state, silent.message.contains("no time")), (State::Ok, true));
    assert_eq!(health("HTTP/1.1 404 Not Found\r\n\r\n").await.state, State::Problem);
}

#[tokio::test]
async fn the_report_names_no_host_name_path_or_whole_group() {
    let folder = tempfile::tempdir().unwrap();
    let setting = setting(folder.path());
    set_up(&setting, Some(relay(&["relay.at-home.invalid:4433"]))).await;
    let client = setting.open().await.unwrap();
    let group = client.inspect().await.unwrap().identity.unwrap().group.to_string();
    close(client).await;
    for json in [true, false] {
        let heard = Heard::default();
        diagnose(&setting).await.tell(&mut heard.output(json, false)).unwrap();
        let (text, path) = (heard.text(), folder.path().to_string_lossy().into_owned());
        for secret in ["at-home", "my secret laptop", &group, &path] {
            assert!(!text.contains(secret), "{secret} is in {text}");
        }
        assert!(text.contains("host:4433") && text.contains(&group[..8]), "{text}");
    }
    let full = Asked { full: true, ..Asked::default() };
    let heard = Heard::default();
    examine(&setting, &full, now()).await.unwrap().tell(&mut heard.output(false, false)).unwrap();
    assert!(heard.text().contains("relay.at-home.invalid:4433") && heard.text().contains(&group));
}

#[tokio::test]
async fn the_report_is_one_object_with_the_documented_fields() {
    let folder = tempfile::tempdir().unwrap();
    let setting = setting(folder.path());
    set_up(&setting, None).await;
    let heard = Heard::default();
    diagnose(&setting).await.tell(&mut heard.output(true, false)).unwrap();
    let writes = heard.writes();
    assert_eq!(writes.len(), 1);
    let report: serde_json::Value = serde_json::from_str(&writes[0]).unwrap();
    assert_eq!(report["healthy"], false);
    let names: Vec<_> =
        report["checks"].as_array().unwrap().iter().map(|check| check["check"].as_str().unwrap()).collect();
    assert_eq!(names, ["directory", "key", "relay", "group", "queue", "history", "clock"]);
    for fact in
        ["device", "group", "epoch", "devices", "head", "acked", "lastCursor", "relayCursor", "pending", "keyStorage"]
    {
        assert!(!report["facts"][fact].is_null(), "{fact}");
    }
}

#[test]
fn there_is_advice_for_every_code_a_doctor_may_meet() {
    let without: Vec<_> = Code::ALL.iter().filter(|code| advice::advice(**code).starts_with("See docs")).collect();
    use Code as C;
    assert_eq!(
        without,
        [
            &C::AlreadyInGroup,
            &C::InviteUnknown,
            &C::InviteExpired,
            &C::InviteUsed,
            &C::PairingFailed,
            &C::BlobTooLarge,
            &C::AlreadyConsuming,
            &C::CursorUnknown,
            &C::InvalidArgs,
            &C::NotAllowed,
            &C::LeavePending,
            &C::Cancelled
        ]
    );
}
