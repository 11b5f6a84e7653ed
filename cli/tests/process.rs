//! The program as a process, without a relay: exit statuses, the shape of failures, what survives, how it ends.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;
use zerok_core::{address::RelayAddress, ids::RelayKey, seal::keys::LinkSecret};

fn zerok(data: &Path, arguments: &[&str]) -> Command {
    waiting(2, data, arguments)
}

/// Waits this many seconds for the relay.
fn waiting(patience: u32, data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zerok"));
    command.arg("--data").arg(data).args(["--timeout", &patience.to_string()]).args(arguments);
    command.env_remove("ZEROK_DATA").env("ZEROK_KEY_STORAGE", "file").stdin(Stdio::null());
    command
}

fn run(data: &Path, arguments: &[&str]) -> Output {
    zerok(data, arguments).output().unwrap()
}

fn status(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn objects(output: &Output) -> Vec<Value> {
    String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Nobody listens on port 1.
fn address() -> String {
    let key = RelayKey(LinkSecret::new([7; 32]).public().0);
    RelayAddress { key, tcp: vec!["127.0.0.1:1".to_owned()], iroh: None }.to_string()
}

/// A device that has a relay which is down.
fn device(folder: &Path) -> std::path::PathBuf {
    let data = folder.join("laptop");
    let made = run(&data, &["init", "--relay", &address(), "--name", "laptop"]);
    assert_eq!(status(&made), 0, "{}", complaint(&made));
    data
}

/// How many records wait for the relay. A new device's own roster record is among them.
fn pending(data: &Path) -> u64 {
    let standing = run(data, &["status", "--offline", "--json"]);
    assert_eq!(status(&standing), 0, "{}", complaint(&standing));
    objects(&standing)[0]["pending"].as_u64().unwrap()
}

fn push(data: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child =
        zerok(data, arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn a_wrong_command_line_is_one_line_and_status_2() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["pull", "--all", "--after", "3", "--json"]);
    assert_eq!(status(&output), 2);
    let said = complaint(&output);
    assert!(said.starts_with("error[invalidArgs]: ") && said.lines().count() == 1, "{said}");
    assert_eq!(objects(&output)[0]["error"]["code"], "invalidArgs");
    for wrong in [["set-relay", "0k:nonsense"], ["join", "TOO-SHORT"]] {
        assert_eq!(status(&run(folder.path(), &wrong)), 2);
    }
    let nothing = run(folder.path(), &[]);
    assert!(complaint(&nothing).starts_with("error[invalidArgs]: There is no command."), "{}", complaint(&nothing));
    let help = run(folder.path(), &["--help"]);
    assert_eq!((status(&help), help.stderr.is_empty()), (0, true));
}

#[test]
fn without_a_device_every_command_says_so_and_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("none");
    for command in [&["status"][..], &["pull"], &["devices"], &["invite"], &["sync"], &["leave"], &["watch"], &["push"]]
    {
        let output = run(&data, command);
        assert_eq!(status(&output), 2, "{command:?}");
        assert!(complaint(&output).starts_with("error[notEnabled]: "), "{command:?}: {}", complaint(&output));
    }
    assert_eq!(status(&run(&data, &["doctor"])), 1);
    assert!(!data.exists());
}

#[test]
fn init_works_offline_and_twice_but_not_with_another_relay() {
    let folder = tempfile::tempdir().unwrap();
    let data = device(folder.path());
    let again = run(&data, &["init", "--relay", &address(), "--json"]);
    let told = &objects(&again)[0];
    assert_eq!((status(&again), &told["created"], &told["name"]), (0, &false.into(), &"laptop".into()));
    assert_eq!(told["keyStorage"], "file");
    let other = RelayAddress { key: RelayKey(LinkSecret::new([8; 32]).public().0), tcp: vec![], iroh: None };
    let output = run(&data, &["init", "--relay", &other.to_string()]);
    assert_eq!(status(&output), 2);
    assert!(complaint(&output).starts_with("error[relayMismatch]: "), "{}", complaint(&output));
    assert_eq!(status(&run(&data, &["set-relay", &other.to_string()])), 0);
}

#[test]
fn a_push_without_a_relay_is_kept_told_and_status_3() {
    let folder = tempfile::tempdir().unwrap();
    let data = device(folder.path());
    let before = pending(&data);
    let output = push(&data, &["push", "--lines", "--json"], "milk\n\nbread\r\napples");
    assert_eq!(status(&output), 3, "{}", complaint(&output));
    let told = objects(&output);
    assert_eq!(told.iter().filter(|line| line["event"] == "pending" && line["blobId"].is_string()).count(), 3);
    assert_eq!(told.last().unwrap()["error"]["code"], "pending");
    assert_eq!(status(&push(&data, &["push"], "one\nblob\n")), 3);
    assert_eq!(pending(&data), before + 4);
    // Leaving would lose them.
    assert_eq!(status(&run(&data, &["leave"])), 2);
    assert_eq!(status(&run(&data, &["leave", "--force"])), 0);
    assert_eq!(status(&run(&data, &["status"])), 2);
}

#[test]
fn a_push_on_a_device_that_knows_no_relay_is_kept_and_says_no_relay() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("laptop");
    assert_eq!(status(&run(&data, &["init"])), 0);
    let output = push(&data, &["push", "--json"], "milk");
    assert_eq!(status(&output), 2, "waiting helps nobody");
    let told = objects(&output);
    assert_eq!((&told[0]["event"], &told[1]["error"]["code"]), (&"pending".into(), &"noRelay".into()));
    assert!(complaint(&output).contains("zerok set-relay") && complaint(&output).contains("1 blob"));
    let standing = &objects(&run(&data, &["status", "--json"]))[0];
    assert_eq!((&standing["state"], &standing["lastError"]), (&"offline".into(), &"noRelay".into()), "{standing}");
    assert!(String::from_utf8_lossy(&run(&data, &["status"]).stdout).contains("No relay is set"));
}

#[test]
fn a_status_never_says_that_somebody_still_tries_when_the_command_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("laptop");
    // It takes the connection and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let key = RelayKey(LinkSecret::new([7; 32]).public().0);
    let address = RelayAddress { key, tcp: vec![silent.local_addr().unwrap().to_string()], iroh: None };
    assert_eq!(status(&run(&data, &["init", "--relay", &address.to_string()])), 0);
    let told = &objects(&run(&data, &["status", "--json"]))[0];
    let fields = ["state", "indicator", "lastError"].map(|field| told[field].as_str().unwrap_or_default());
    assert_eq!(fields, ["offline"; 3], "{told}");
    let unasked = &objects(&run(&data, &["status", "--json", "--offline"]))[0];
    assert_eq!((&unasked["state"], unasked["lastError"].is_null()), (&"offline".into(), true), "{unasked}");
}

/// Over UDP nobody refuses: a relay that is down is silent.
#[cfg(feature = "iroh")]
#[test]
fn a_relay_that_is_down_is_told_long_before_the_timeout_also_over_iroh() {
    use std::time::{Duration, Instant};

    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("laptop");
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let secret = |fill| LinkSecret::new([fill; 32]).public().0;
    let mut draw = zerok_core::rng::Seed::new([1; 32]).draw("endpoint");
    let endpoint = zerok_core::seal::keys::DeviceKeys::generate(&mut draw).public().sign;
    let route = zerok_core::address::IrohRoute {
        endpoint,
        direct: vec![silent.local_addr().unwrap().to_string()],
        relay: None,
    };
    let address = RelayAddress { key: RelayKey(secret(7)), tcp: vec!["127.0.0.1:1".to_owned()], iroh: Some(route) };
    assert_eq!(status(&run(&data, &["init", "--relay", &address.to_string()])), 0);
    for (command, expected) in [("sync", 3), ("doctor", 1)] {
        // The same relay, given up after three tenths of either: both wait, and neither for the whole.
        let took = [10, 20].map(|patience| {
            let begun = Instant::now();
            let output = waiting(patience, &data, &[command]).output().unwrap();
            assert_eq!(status(&output), expected, "{command}: {}", complaint(&output));
            begun.elapsed()
        });
        assert!(took[0] < took[1] && took[1] < Duration::from_secs(20), "{command} took {took:?}");
    }
}

#[test]
fn an_argument_that_would_change_nothing_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = device(folder.path());
    assert_eq!(status(&run(&data, &["init", "--name", "laptop"])), 0);
    let nameless = run(&data, &["rename", " "]);
    assert_eq!(status(&nameless), 2);
    assert!(complaint(&nameless).contains("64 bytes"), "{}", complaint(&nameless));
    let renaming = run(&data, &["init", "--name", "desk"]);
    assert_eq!(status(&renaming), 2);
    assert!(complaint(&renaming).contains("zerok rename"), "{}", complaint(&renaming));

    let mut draw = zerok_core::rng::Seed::new([1; 32]).draw("invite");
    let sign = zerok_core::seal::keys::DeviceKeys::generate(&mut draw).public().sign;
    let other = RelayAddress { key: RelayKey(LinkSecret::new([8; 32]).public().0), tcp: vec![], iroh: None };
    let url = zerok_core::pairing::invite::QrPayload::generate(other, sign, &mut draw).to_url("zerok");
    let joining = run(&folder.path().join("phone"), &["join", &url, "--relay", &address()]);
    assert_eq!(status(&joining), 2);
    assert!(complaint(&joining).contains("another relay than --relay"), "{}", complaint(&joining));
}

#[test]
fn a_device_that_cannot_be_opened_is_named_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a-file");
    std::fs::write(&file, "no directory").unwrap();
    let output = run(&file.join("laptop"), &["init"]);
    assert_eq!(status(&output), 5);
    assert!(complaint(&output).starts_with("error[storageFailed]: "), "{}", complaint(&output));
    assert!(complaint(&output).contains("a-file"), "{}", complaint(&output));
}

#[test]
fn what_cannot_be_read_is_empty_or_is_too_large_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = device(folder.path());
    assert_eq!(status(&run(&data, &["push", "no/such/file"])), 2);
    let before = pending(&data);
    let empty = run(&data, &["push"]);
    assert_eq!((status(&empty), pending(&data)), (2, before));
    assert_eq!(complaint(&empty), "error[invalidArgs]: Standard input is empty. Nothing was pushed.\n");
    let large = folder.path().join("large");
    std::fs::write(&large, vec![0; 960 * 1024 + 1]).unwrap();
    let output = run(&data, &["push", &large.to_string_lossy()]);
    assert!(complaint(&output).starts_with("error[blobTooLarge]: "), "{}", complaint(&output));
}

#[test]
fn what_needs_the_relay_says_that_it_is_offline() {
    let folder = tempfile::tempdir().unwrap();
    let data = device(folder.path());
    for command in [["sync"], ["invite"], ["pull"]] {
        let output = run(&data, &command);
        assert_eq!(status(&output), 3, "{command:?}");
        assert!(complaint(&output).starts_with("error[offline]: "), "{command:?}: {}", complaint(&output));
    }
    assert_eq!(status(&run(&data, &["pull", "--offline"])), 0);
    let doctor = run(&data, &["doctor", "--json"]);
    assert_eq!((status(&doctor), &objects(&doctor)[0]["healthy"]), (1, &false.into()));
    // Renaming needs nobody, but the others have to hear of it.
    assert_eq!(status(&run(&data, &["rename", "desk"])), 3);
    assert_eq!(objects(&run(&data, &["devices", "--json"]))[0]["name"], "desk");
}

#[test]
fn a_clock_that_is_off_is_named_by_the_doctor() {
    let folder = tempfile::tempdir().unwrap();
    let data = device(folder.path());
    for (off, state, message) in [(0_u64, "ok", "agree"), (179, "problem", "2 hours ahead of the relay's")] {
        let page = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/health", page.local_addr().unwrap());
        let relay = std::thread::spawn(move || {
            let (mut link, _) = page.accept().unwrap();
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
            let time = u64::try_from(now.as_millis()).unwrap() - off * 60_000;
            let _asked = link.read(&mut [0; 1024]).unwrap();
            write!(link, "HTTP/1.1 200 OK\r\n\r\n{{\"time\":{time}}}").unwrap();
        });
        let told = objects(&run(&data, &["doctor", "--json", "--health", &url])).remove(0);
        relay.join().unwrap();
        let found = told["checks"].as_array().unwrap().iter().find(|check| check["check"] == "health").unwrap();
        assert_eq!(found["state"], state, "{found}");
        assert!(found["message"].as_str().unwrap().contains(message), "{found}");
        assert_eq!(found["advice"].is_string(), state == "problem", "{found}");
    }
}

#[test]
fn a_code_for_a_new_device_needs_a_relay_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("phone");
    let output = run(&data, &["join", "0000-0000-0000-0000"]);
    assert_eq!(status(&output), 2);
    assert!(complaint(&output).starts_with("error[noRelay]: "), "{}", complaint(&output));
    assert!(!data.exists());
}

struct Watching(Child);

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(unix)]
#[test]
fn watch_answers_each_line_once_holds_the_directory_and_ends_at_once_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let data = device(folder.path());
    let before = pending(&data);
    let mut command = zerok(&data, &["watch", "--json", "--push-stdin"]);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut watching = Watching(child);
    let mut input = watching.0.stdin.take().unwrap();
    let mut lines = BufReader::new(watching.0.stdout.take().unwrap()).lines();
    input.write_all(b"milk\nbread\n").unwrap();
    let mut confirmed = 0;
    while confirmed < 2 {
        let line: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert!(line["data"].is_null(), "own blobs are not printed: {line}");
        confirmed += usize::from(line["blobId"].is_string());
    }

    let second = run(&data, &["status", "--json"]);
    assert_eq!(status(&second), 5);
    assert_eq!(objects(&second)[0]["error"]["code"], "alreadyRunning");

    drop(input);
    assert!(Command::new("kill").args(["-TERM", &watching.0.id().to_string()]).status().unwrap().success());
    assert_eq!(watching.0.wait().unwrap().code(), Some(0));
    let rest: Vec<Value> = lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    assert!(rest.iter().all(|line| line["blobId"].is_null()), "{rest:?}");
    assert_eq!(pending(&data), before + 2);
}

/// Joins with these arguments and this input.
fn join(data: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = zerok(data, arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn a_code_is_taken_from_standard_input_where_no_other_user_sees_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("phone");
    let relay = address();
    let typed = join(&data, &["join", "no code", "--relay", &relay], "");
    for arguments in [&["join", "-", "--relay", &relay][..], &["join", "--relay", &relay]] {
        let read = join(&data, arguments, "no code\n");
        assert_eq!((status(&read), complaint(&read)), (status(&typed), complaint(&typed)), "read and refused alike");
        let nothing = join(&data, arguments, "");
        assert_eq!(status(&nothing), 2);
        assert!(complaint(&nothing).contains("no code on standard input"), "{}", complaint(&nothing));
    }
}

#[test]
fn d15_a_newer_version_s_database_asks_for_an_update_in_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let data = device(folder.path());
    // SQLite keeps the version at byte 60, big endian.
    let file = data.join("client.db");
    let mut database = std::fs::read(&file).unwrap();
    database[60..64].copy_from_slice(&1_000_000_u32.to_be_bytes());
    std::fs::write(&file, &database).unwrap();
    let output = run(&data, &["status", "--offline", "--json"]);
    assert_eq!((status(&output), &objects(&output)[0]["error"]["code"]), (4, &"updateNeeded".into()));
    let doctor = objects(&run(&data, &["doctor", "--json"])).remove(0);
    let store = doctor["checks"].as_array().unwrap().iter().find(|check| check["check"] == "store").unwrap();
    assert_eq!(store["code"], "updateNeeded", "{doctor}");
    assert_eq!(std::fs::read(&file).unwrap(), database, "it is left alone");
}

#[test]
fn a_damaged_database_is_not_replaced_before_someone_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let data = device(folder.path());
    std::fs::write(data.join("client.db"), [9; 8192]).unwrap();
    assert_eq!(status(&run(&data, &["status", "--offline"])), 5, "set aside");
    let again = run(&data, &["init"]);
    assert_eq!(status(&again), 5);
    assert!(complaint(&again).contains("init --afresh"), "{}", complaint(&again));
    let afresh = run(&data, &["init", "--afresh"]);
    assert_eq!(status(&afresh), 0, "{}", complaint(&afresh));
    assert_eq!(status(&run(&data, &["init"])), 0, "it is a device again");
}
