//! The program itself.

#![cfg(unix)]
#![allow(missing_docs, clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use support::{Group, blob, everything, get};
use zerok_core::{address::RelayAddress, ids::Cursor};

/// A child that dies with its test.
struct Relay {
    child: Child,
    address: RelayAddress,
    http: std::net::SocketAddr,
}

fn command(data: &Path, verb: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zerok-relay"));
    command.arg(verb).arg("--data").arg(data).args(["--tcp", "127.0.0.1:0", "--http", "127.0.0.1:0", "--no-iroh"]);
    command
}

fn start(data: &Path) -> Relay {
    started(command(data, "serve").arg("--json").stderr(Stdio::null()))
}

/// Starts a relay that answers in JSON.
fn started(command: &mut Command) -> Relay {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let said: serde_json::Value = serde_json::from_str(&line).expect("one JSON object");
    Relay {
        child,
        address: said["address"].as_str().unwrap().parse().unwrap(),
        http: said["http"].as_str().unwrap().parse().unwrap(),
    }
}

/// A relay whose log somebody reads.
struct Talkative {
    relay: Relay,
    log: std::thread::JoinHandle<String>,
}

fn talk(command: &mut Command) -> Talkative {
    let mut relay = started(command.stderr(Stdio::piped()));
    let mut log = relay.child.stderr.take().unwrap();
    let log = std::thread::spawn(move || {
        let mut text = Vec::new();
        log.read_to_end(&mut text).unwrap();
        String::from_utf8_lossy(&text).into_owned()
    });
    Talkative { relay, log }
}

impl Talkative {
    /// Stops it. Everything it said, and its address.
    fn ended(mut self) -> (String, RelayAddress) {
        signal(&self.relay.child, "-TERM");
        self.relay.child.wait().unwrap();
        (self.log.join().unwrap(), self.relay.address.clone())
    }
}

fn fails(command: &mut Command) -> (i32, String) {
    let Output { status, stderr, .. } = command.output().unwrap();
    (status.code().expect("it exits by itself"), String::from_utf8(stderr).unwrap())
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _dead = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[test]
fn the_address_stands_alone_on_its_line() {
    let temp = tempfile::tempdir().unwrap();
    let mut child = command(temp.path(), "serve").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let address: RelayAddress = line.strip_prefix("address: ").expect("the line begins so").trim_end().parse().unwrap();
    assert!(address.tcp[0].starts_with("127.0.0.1:"));
    signal(&child, "-TERM");
    assert!(child.wait().unwrap().success());
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "", "no QR code in a pipe");
}

#[test]
fn g10_kill_nine_and_a_restart_keep_identity_and_every_acknowledged_blob() {
    let temp = tempfile::tempdir().unwrap();
    let mut group = Group::new(1);
    let laptop = group.device();
    let mut expected = 0;
    let mut identity = None;
    for round in 0..4 {
        let mut relay = start(temp.path());
        let mut link = group.dial(&laptop, &relay.address, everything());
        let who = (relay.address.key, link.welcome.relay_id);
        assert_eq!(*identity.get_or_insert(who), who);
        assert!(link.welcome.head.0 >= expected, "{} of {expected} acknowledged blobs", link.welcome.head.0);
        assert!(link.page.entries.iter().map(|(cursor, _)| cursor.0).eq(1..=link.page.entries.len() as u64));
        expected = link.welcome.head.0;
        link.push((0..40).map(|n| blob(round << 8 | n)));
        expected += link.pushed(40).len() as u64;
        // More is under way when it dies.
        link.push((0..40).map(|n| blob(1 << 32 | round << 8 | n)));
        relay.child.kill().unwrap();
        relay.child.wait().unwrap();
    }
    let relay = start(temp.path());
    assert!(group.dial(&laptop, &relay.address, everything()).welcome.head >= Cursor(160));
    assert_eq!(get(relay.http, "/health").0, 200);
}

#[test]
fn d10_a_second_process_says_that_a_relay_is_running() {
    let temp = tempfile::tempdir().unwrap();
    let _relay = start(temp.path());
    let (code, complaint) = fails(&mut command(temp.path(), "serve"));
    assert_eq!(code, 2);
    assert!(complaint.contains("another relay is running on"), "{complaint}");
    let checked = command(temp.path(), "check").arg("--json").output().unwrap();
    let said: serde_json::Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!((&said["running"], &said["ok"]), (&true.into(), &true.into()), "{said}");
    assert_eq!(checked.status.code(), Some(0));
}

#[test]
fn a_wrong_configuration_names_file_and_key() {
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("relay.toml");
    fs::write(&file, "[limits]\nretension = \"30d\"\n").unwrap();
    let (code, complaint) = fails(command(temp.path(), "serve").arg("--config").arg(&file));
    assert_eq!(code, 2);
    assert!(complaint.contains("relay.toml") && complaint.contains("retension"), "{complaint}");
}

#[test]
fn check_reports_what_it_found() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    drop(start(&data));
    let checked = command(&data, "check").output().unwrap();
    let text = String::from_utf8(checked.stdout).unwrap();
    assert!(checked.status.success(), "{text}");
    assert!(text.contains("database: sound") && text.contains("relay key"), "{text}");

    fs::write(data.join("relay.db"), [0x5a; 9000]).unwrap();
    let checked = command(&data, "check").arg("--json").output().unwrap();
    assert_eq!(checked.status.code(), Some(1));
    let said: serde_json::Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!((&said["ok"], &said["running"]), (&false.into(), &false.into()));
    let findings = said["findings"].as_array().unwrap();
    let bad: Vec<_> = findings.iter().filter(|finding| finding["ok"] == false).map(|found| &found["what"]).collect();
    assert_eq!(bad, ["database"], "{said}");
    assert!(findings.iter().all(|finding| finding["how"].is_string()) && said["data"].is_string());
}

#[test]
fn c14_the_most_talkative_log_holds_no_id_and_no_key() {
    let temp = tempfile::tempdir().unwrap();
    let talkative = talk(command(temp.path(), "serve").args(["--json", "--log", "trace"]));
    let address = &talkative.relay.address;
    let mut group = Group::new(1);
    let laptop = group.device();
    let mut link = group.dial(&laptop, address, everything());
    link.push([blob(1)]);
    link.pushed(1);
    let relay_id = link.welcome.relay_id.to_string();
    drop(link);
    let (log, address) = talkative.ended();
    assert!(log.contains("accepted a link"), "the log is on: {log}");
    let serving = log.lines().find(|line| line.contains("serving")).expect("it says where it listens");
    let places = [format!("tcp={}", address.tcp[0]), "iroh=off".to_owned(), "http=127.0.0.1:".to_owned()];
    assert!(places.iter().all(|place| serving.contains(place)) && !serving.contains("Some"), "{serving}");
    let key = fs::read(temp.path().join("relay.key")).unwrap();
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let public = laptop.link().public().to_string();
    for secret in [hex, public, relay_id] {
        assert!(!log.contains(&secret[..12]), "{secret} is in the log");
    }
}

/// iroh and its QUIC know who and where a peer is, and at these levels they would say it.
#[cfg(feature = "iroh")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c14_the_most_talkative_log_names_no_peer_over_iroh_either() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use zerok_iroh::{IrohAcceptor, IrohDialer, Options};
    use zerok_tokio::link::Dialer as _;

    let temp = tempfile::tempdir().unwrap();
    let free = || std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut relay = Command::new(env!("CARGO_BIN_EXE_zerok-relay"));
    relay.args(["serve", "--json", "--log", "trace,iroh=trace,noq_proto=trace", "--no-tcp", "--http", "127.0.0.1:0"]);
    relay.arg("--iroh-bind").arg(free().to_string()).arg("--data").arg(temp.path());
    let talkative = talk(&mut relay);
    let address = &talkative.relay.address;

    let (secret, place) = ([2; 32], free());
    let peer = IrohAcceptor::bind(&Options::new(&secret).bind(free())).await.unwrap().route().await.endpoint;
    let dialer = IrohDialer::new(Options::new(&secret).bind(place));
    let mut link = dialer.dial(address).await.unwrap();
    // No preamble: the relay says nothing and ends the link.
    link.io.write_all(b"something else entirely").await.unwrap();
    assert!(matches!(link.io.read(&mut [0]).await, Ok(0) | Err(_)));
    drop(link);
    dialer.close().await;
    let (log, address) = talkative.ended();

    assert!(log.contains("accepted a link"), "the log is on: {log}");
    let foreign = |line: &&str| line.contains("iroh") && !line.contains("zerok_") || line.contains("noq");
    assert_eq!(log.lines().find(foreign), None);
    let relay = address.iroh.as_ref().unwrap().endpoint;
    for endpoint in [peer, relay] {
        let hex: String = endpoint.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(!log.contains(&hex[..10]), "{hex} is in the log: {log}");
    }
    assert!(!log.contains(&place.to_string()), "{place} is in the log: {log}");
}
