//! The server as a library, over real sockets.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{fs, num::NonZeroUsize, path::Path};

use support::{Group, blob, everything, get};
use tokio::runtime::Runtime;
use zerok_core::{
    ids::Cursor,
    wire::message::{Pull, ToDevice, ToRelay},
};
use zerok_relay::{Config, Ending, ServeError, Server, serve};

struct Running {
    runtime: Runtime,
    server: Server,
}

fn config(data: &Path) -> Config {
    let mut config = Config::new(data);
    config.tcp = Some("127.0.0.1:0".parse().unwrap());
    config.http = Some("127.0.0.1:0".parse().unwrap());
    config.iroh = None;
    config.machines = NonZeroUsize::new(2).unwrap();
    config.store.reserve_bytes = 0;
    config
}

fn start(config: Config) -> Running {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let server = runtime.block_on(serve(config)).expect("the relay starts");
    Running { runtime, server }
}

fn refusal(config: Config) -> ServeError {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(serve(config)).expect_err("the relay does not start")
}

impl Running {
    fn stop(self) -> Ending {
        self.runtime.block_on(self.server.shutdown())
    }
}

#[test]
fn c10_two_live_links_of_one_device_see_one_log() {
    let temp = tempfile::tempdir().unwrap();
    let relay = start(config(temp.path()));
    let mut group = Group::new(1);
    let keys = group.device();
    // What a change of networks leaves: the relay has not noticed yet that the first is gone. On different machines, too.
    let mut first = group.dial(&keys, relay.server.address(), everything());
    let mut second = group.dial(&keys, relay.server.address(), everything());
    for link in [&mut first, &mut second] {
        link.send(&ToRelay::Ping);
        assert_eq!(link.receive(), Some(ToDevice::Pong));
    }
    let news = |link: &mut zerok_testkit::blocking::Device| match link.receive() {
        Some(ToDevice::News(news)) => news.cursor,
        other => panic!("no news: {other:?}"),
    };
    first.push([blob(1)]);
    assert_eq!(first.pushed(1), [Cursor(1)]);
    assert_eq!(news(&mut second), Cursor(1));
    // Without the acknowledgement it would say everything again: it is the same log, and the same places.
    second.push([blob(1), blob(2)]);
    assert_eq!(second.pushed(2), [Cursor(1), Cursor(2)]);
    // A pusher hears of its own blob too, without the bytes.
    assert_eq!([news(&mut first), news(&mut first)], [Cursor(1), Cursor(2)]);
    assert_eq!(relay.stop(), Ending::Drained);
}

#[test]
fn two_devices_of_a_group_meet_on_a_relay_whichever_machine_serves_them() {
    let temp = tempfile::tempdir().unwrap();
    let relay = start(config(temp.path()));
    let mut group = Group::new(1);
    let (laptop, phone) = (group.device(), group.device());
    // Links are dealt out in turn: these two are on different machines.
    let mut laptop = group.dial(&laptop, relay.server.address(), everything());
    let mut phone = group.dial(&phone, relay.server.address(), everything());
    assert_eq!((laptop.welcome.head, phone.page.entries.len()), (Cursor(0), 0));
    phone.send(&ToRelay::Ping);
    assert_eq!(phone.receive(), Some(ToDevice::Pong));
    laptop.push([blob(1), blob(2)]);
    assert_eq!(laptop.pushed(2), [Cursor(1), Cursor(2)]);
    let mut cursor = Cursor(0);
    while cursor < Cursor(2) {
        match phone.receive() {
            Some(ToDevice::News(news)) if news.prev == cursor && news.blob.is_some() => {
                assert_eq!(news.blob, Some(blob(news.cursor.0)));
                cursor = news.cursor;
            }
            Some(ToDevice::News(_)) => phone.send(&ToRelay::Pull(Pull { after: cursor, ..everything() })),
            Some(ToDevice::Page(page)) => {
                for (at, body) in page.entries {
                    assert_eq!((at.0, &body), (cursor.0 + 1, &blob(at.0)));
                    cursor = at;
                }
            }
            other => panic!("neither news nor a page: {other:?}"),
        }
    }
    assert_eq!(relay.stop(), Ending::Drained);
}

#[test]
fn what_was_acknowledged_is_there_after_a_restart_and_the_address_is_the_same() {
    let temp = tempfile::tempdir().unwrap();
    let relay = start(config(temp.path()));
    let (mut group, key) = (Group::new(1), relay.server.address().key);
    let laptop = group.device();
    let mut link = group.dial(&laptop, relay.server.address(), everything());
    link.push((0..50).map(blob));
    assert_eq!(link.pushed(50).len(), 50);
    let relay_id = link.welcome.relay_id;
    assert_eq!(relay.stop(), Ending::Drained);
    let relay = start(config(temp.path()));
    assert_eq!(relay.server.address().key, key);
    let link = group.dial(&laptop, relay.server.address(), everything());
    assert_eq!((link.welcome.relay_id, link.welcome.head), (relay_id, Cursor(50)));
    assert_eq!(link.page.entries.len(), 50);
    relay.stop();
}

#[test]
fn g16_a_draining_relay_says_goodbye_and_when_to_come_back() {
    let temp = tempfile::tempdir().unwrap();
    let mut relay = start(config(temp.path()));
    let mut group = Group::new(1);
    let laptop = group.device();
    let mut link = group.dial(&laptop, relay.server.address(), everything());
    link.push([blob(1)]);
    link.pushed(1);
    relay.server.drain();
    let goodbye = std::iter::from_fn(|| link.receive()).find(|message| matches!(message, ToDevice::Bye { .. }));
    assert_eq!(goodbye, Some(ToDevice::Bye { retry_after: 2_000 }));
    assert_eq!(link.receive(), None);
    drop(link);
    assert_eq!(relay.runtime.block_on(relay.server.ended()), Ending::Drained);
}

#[test]
fn g18_health_and_metrics_answer_and_name_nobody() {
    let temp = tempfile::tempdir().unwrap();
    let relay = start(config(temp.path()));
    let http = relay.server.http_addr().unwrap();
    let mut group = Group::new(1);
    let laptop = group.device();
    let mut link = group.dial(&laptop, relay.server.address(), everything());
    link.push([blob(1), blob(1)]);
    link.pushed(2);
    let (status, health) = get(http, "/health");
    let health: serde_json::Value = serde_json::from_str(&health).unwrap();
    assert_eq!((status, &health["status"], &health["links"]), (200, &"ok".into(), &1.into()));
    let full_id = link.welcome.relay_id.to_string();
    assert_eq!(health["relayId"], full_id[..8]);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64;
    assert!(now.abs_diff(health["time"].as_u64().unwrap()) < 60_000, "its clock, for the doctor of a device");
    assert_eq!(health["store"], serde_json::json!({ "ok": true, "full": false }));
    assert!(health["disk"]["databaseBytes"].as_u64().unwrap() > 0);

    let (status, metrics) = get(http, "/metrics");
    assert_eq!(status, 200);
    for line in [
        "zerok_relay_links 1",
        "zerok_relay_blobs_total{result=\"stored\"} 1",
        "zerok_relay_blobs_total{result=\"duplicate\"} 1",
        "zerok_relay_handshakes_total{result=\"ok\"} 1",
        "zerok_relay_store_failed 0",
        "# TYPE zerok_relay_store_commit_seconds histogram",
    ] {
        assert!(metrics.lines().any(|have| have == line), "{line} is missing in\n{metrics}");
    }
    // G18: labels come from this list and nowhere else.
    for label in metrics.split('{').skip(1).map(|rest| rest.split('=').next().unwrap()) {
        assert!(["version", "result", "direction", "code", "le"].contains(&label), "{label}");
    }
    assert!(!metrics.contains(&full_id));
    assert_eq!(get(http, "/").0, 404);
    drop(link);
    relay.stop();
}

#[test]
fn d10_a_second_relay_on_the_same_directory_says_so() {
    let temp = tempfile::tempdir().unwrap();
    let relay = start(config(temp.path()));
    let error = refusal(config(temp.path()));
    assert!(matches!(&error, ServeError::Running(path) if path == temp.path()), "{error}");
    assert!(error.to_string().starts_with("another relay is running on "));
    relay.stop();
    start(config(temp.path())).stop();
}

#[test]
fn a_taken_port_is_named_with_its_cause_and_the_flag_that_chooses_another() {
    let temp = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let says = |error: ServeError, flag: &str| {
        let error = error.to_string();
        for part in [&address.to_string(), flag, "already in use", "perhaps another relay"] {
            assert!(error.contains(part), "{part} is not in: {error}");
        }
    };
    says(refusal(Config { tcp: Some(address), ..config(temp.path()) }), "--tcp");
    says(refusal(Config { http: Some(address), ..config(temp.path()) }), "--http");
    #[cfg(feature = "iroh")]
    {
        let _taken = std::net::UdpSocket::bind(address).unwrap();
        let iroh = zerok_relay::config::Iroh { bind: Some(address), ..Default::default() };
        says(refusal(Config { iroh: Some(iroh), ..config(temp.path()) }), "--iroh-bind");
    }
}

#[test]
fn an_advertised_address_is_printed_and_a_malformed_one_refused() {
    let temp = tempfile::tempdir().unwrap();
    let advertise = vec!["relay.example.org:7040".to_owned()];
    let relay = start(Config { advertise: advertise.clone(), ..config(temp.path()) });
    assert_eq!(relay.server.address().tcp, advertise);
    relay.stop();
    let error = refusal(Config { advertise: vec!["relay example".to_owned()], ..config(temp.path()) });
    assert!(matches!(error, ServeError::Advertise(_)), "{error}");
}

#[test]
fn g15_a_damaged_database_is_set_aside_and_said() {
    let temp = tempfile::tempdir().unwrap();
    start(config(temp.path())).stop();
    let file = temp.path().join("relay.db");
    fs::write(&file, vec![0x5a; 40_000]).unwrap();
    let relay = start(config(temp.path()));
    let aside = relay.server.set_aside().expect("it was set aside").to_owned();
    assert_eq!(fs::read(aside).unwrap(), vec![0x5a; 40_000]);
    relay.stop();
}

#[test]
fn a_relay_without_its_key_does_not_start_as_another_one() {
    let temp = tempfile::tempdir().unwrap();
    start(config(temp.path())).stop();
    fs::remove_file(temp.path().join("relay.key")).unwrap();
    let error = refusal(config(temp.path()));
    assert!(matches!(error, ServeError::Identity(_)), "{error}");
}

#[test]
fn garbage_on_a_link_disturbs_nobody() {
    use std::io::{Read, Write};
    let temp = tempfile::tempdir().unwrap();
    let relay = start(config(temp.path()));
    for noise in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 70_000], b"0k\x01\x00\x05\x00hello"] {
        let mut stream = std::net::TcpStream::connect(relay.server.tcp_addr().unwrap()).unwrap();
        // The relay may close before it has read everything.
        let _cut = stream.write_all(noise);
        let mut answer = Vec::new();
        let _reset = stream.read_to_end(&mut answer);
        assert!(answer.len() <= 16, "{answer:?}");
    }
    let mut group = Group::new(1);
    let laptop = group.device();
    let mut link = group.dial(&laptop, relay.server.address(), everything());
    link.push([blob(1)]);
    assert_eq!(link.pushed(1), [Cursor(1)]);
    drop(link);
    relay.stop();
}
