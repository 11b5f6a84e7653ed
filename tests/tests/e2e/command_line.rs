//! The `zerok` program against a real relay: a newcomer's first hour, and what the doctor names.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Output, Stdio},
};

use serde_json::Value;
use zerok_core::{address::RelayAddress, ids::RelayKey};

use crate::process::{RelayProcess, Transport, binary};

/// Devices of one test, in directories of their own.
struct Desk {
    home: tempfile::TempDir,
    relay: RelayProcess,
}

/// A program that runs until it is dropped.
struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Running {
    /// The next object it prints that has this field.
    fn next(&mut self, field: &str) -> Value {
        loop {
            let mut line = String::new();
            assert!(self.lines.read_line(&mut line).expect("it prints") > 0, "it ended before it said `{field}`");
            let object: Value = serde_json::from_str(&line).expect("a line is an object");
            if object.get(field).is_some_and(|value| !value.is_null()) {
                return object;
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

impl Desk {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a directory");
        let relay = RelayProcess::start(&home.path().join("relay"), Transport::Tcp);
        Self { home, relay }
    }

    fn data(&self, device: &str) -> PathBuf {
        self.home.path().join(device)
    }

    fn command(&self, device: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary("zerok"));
        command.arg("--json").arg("--data").arg(self.data(device)).args(arguments);
        // Nobody's keychain is touched. Without a word about the bus one is looked for in the user's runtime directory, and found there
        // on a desktop.
        command.env("ZEROK_KEY_STORAGE", "file").env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus");
        command
    }

    fn run(&self, device: &str, arguments: &[&str]) -> Output {
        self.command(device, arguments).output().expect("the program runs")
    }

    fn start(&self, device: &str, arguments: &[&str]) -> Running {
        let mut child = self.command(device, arguments).stdout(Stdio::piped()).spawn().expect("the program starts");
        let lines = BufReader::new(child.stdout.take().expect("piped"));
        Running { child, lines }
    }

    fn founder(&self, device: &str) {
        let made = self.run(device, &["init", "--relay", &self.relay.address.to_string(), "--name", device]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    /// A second device, by a typed code.
    fn pair(&self, of: &str, device: &str) {
        let mut invite = self.start(of, &["invite"]);
        let code = invite.next("code")["code"].as_str().expect("a code").to_owned();
        let joined = self.run(device, &["join", &code, "--relay", &self.relay.address.to_string(), "--name", device]);
        assert!(joined.status.success(), "{}", String::from_utf8_lossy(&joined.stderr));
        assert_eq!(invite.next("event")["event"], "joined");
    }

    /// What the doctor finds wrong with a device: codes by check.
    fn diagnosis(&self, command: &mut Command) -> Vec<(String, String)> {
        let report = command.output().expect("the program runs");
        let report: Value = serde_json::from_slice(&report.stdout).expect("one object");
        let problems = report["checks"].as_array().expect("checks").iter().filter(|check| check["state"] == "problem");
        let text = |check: &Value, field: &str| check[field].as_str().unwrap_or_default().to_owned();
        problems.map(|check| (text(check, "check"), text(check, "code"))).collect()
    }
}

fn objects(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout.lines().map(|line| serde_json::from_str(&line.expect("text")).expect("an object")).collect()
}

#[test]
fn kill_two_devices_pair_by_code_and_a_files_lines_arrive_also_after_the_relay_was_killed() {
    let mut desk = Desk::new();
    desk.founder("laptop");
    desk.pair("laptop", "phone");
    let file = desk.home.path().join("lines.txt");
    let lines: Vec<String> = (1..=100).map(|number| format!("line {number}")).collect();
    write(&file, &lines);

    let pushed = objects(&desk.run("laptop", &["push", "--lines", &file.display().to_string()]));
    assert_eq!(pushed.iter().filter(|object| object["event"] == "pushed").count(), 100);
    desk.relay.kill_and_restart();
    let texts: Vec<String> = objects(&desk.run("phone", &["pull"]))
        .iter()
        .filter(|object| object["event"] == "blob")
        .map(|blob| blob["data"].as_str().expect("text").to_owned())
        .collect();
    assert_eq!(texts, lines);
    assert_eq!(objects(&desk.run("laptop", &["devices"])).len(), 2);
}

#[test]
fn kill_a_device_that_watches_hears_at_once_and_pushes_what_it_is_given() {
    let desk = Desk::new();
    desk.founder("laptop");
    desk.pair("laptop", "phone");
    let mut watch = desk.start("phone", &["watch"]);
    objects(&desk.run("laptop", &["push", &text_file(&desk, "milk")]));
    assert_eq!(watch.next("data")["data"], "milk");
}

#[test]
fn kill_the_doctor_names_a_relay_that_is_down_or_is_another_a_locked_store_and_a_missing_keychain() {
    let mut desk = Desk::new();
    desk.founder("laptop");
    let healthy = desk.diagnosis(&mut desk.command("laptop", &["doctor"]));
    assert_eq!(healthy, []);

    let watch = desk.start("laptop", &["watch"]);
    let mut ready = watch;
    ready.next("event");
    let locked = desk.diagnosis(&mut desk.command("laptop", &["doctor"]));
    assert!(locked.contains(&("directory".into(), "alreadyRunning".into())), "{locked:?}");
    drop(ready);

    let other = RelayAddress { key: RelayKey([9; 32]), ..desk.relay.address.clone() };
    objects(&desk.run("laptop", &["set-relay", &other.to_string()]));
    let wrong = desk.diagnosis(&mut desk.command("laptop", &["doctor"]));
    assert!(wrong.contains(&("relay".into(), "relayUnverified".into())), "{wrong:?}");

    let mut without = desk.command("tablet", &["doctor"]);
    let missing = desk.diagnosis(without.env("ZEROK_KEY_STORAGE", "keychain"));
    assert!(missing.contains(&("key".into(), "keychainLocked".into())), "{missing:?}");

    objects(&desk.run("laptop", &["set-relay", &desk.relay.address.to_string()]));
    desk.relay.kill();
    let down = desk.diagnosis(&mut desk.command("laptop", &["doctor"]));
    assert!(down.iter().any(|(check, code)| check == "relay" && code == "offline"), "{down:?}");
}

fn write(file: &Path, lines: &[String]) {
    let mut file = std::fs::File::create(file).expect("a file");
    lines.iter().for_each(|line| writeln!(file, "{line}").expect("room"));
}

fn text_file(desk: &Desk, text: &str) -> String {
    let file = desk.home.path().join("text");
    std::fs::write(&file, text).expect("room");
    file.display().to_string()
}
