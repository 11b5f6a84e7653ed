//! Atuin's server: encrypted records over HTTP, on SQLite.
//!
//! Loaded as its client loads it, 100 records in a request, but without the client: bodies are made before the clock starts, and nothing
//! is encrypted, since the server cannot tell. A record carries what 1 KiB becomes in base64.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{Peer, http::Http, set_up};
use crate::{
    figure::{Figure, Goal, Outcome, Row},
    load::Args,
    relay_process::{RelayProcess, Settings},
    run::Run,
    spread::Duel,
    trouble::Trouble,
};

/// The figures of this module.
pub const FIGURES: &[Figure] =
    &[Figure { name: "atuin-push", title: "durable push, 100 at once, against Atuin's server", measure: push }];

const COUNT: usize = 10_000;
const BATCH: usize = 100;
/// Bytes of 1 KiB in base64.
const DATA: usize = 1368;
/// How long the server may take to come up.
const PATIENCE: Duration = Duration::from_secs(20);

fn push(run: &Run) -> Result<Outcome, Trouble> {
    let mut atuin = Atuin::start(run)?;
    let relay = RelayProcess::start(run, &Settings::default())?;
    let duel = Duel::fight(
        run.rounds,
        |_| Args::of("push", &relay).count(COUNT).window(BATCH).rate(run),
        |round| atuin.rate(round),
    )?;
    let row = Row::duel("durable push, window 100", "blobs/s", "Atuin, POST of 100", duel, Goal::Shown);
    Ok(row.note("Atuin's records are made beforehand, and one request waits for the answer to the last").into())
}

/// A server on a new database, with one account.
struct Atuin {
    http: Http,
    _process: Peer,
}

impl Atuin {
    fn start(run: &Run) -> Result<Self, Trouble> {
        let folder = set_up(run, "atuin", "bin/atuin-server")?;
        let data = run.folder("atuin")?;
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let host = port.map_err(Trouble::io("a free port"))?;
        let config = format!(
            "host = \"127.0.0.1\"\nport = {}\nopen_registration = true\ndb_uri = \"sqlite://{}\"\n",
            host.port(),
            data.join("atuin.db").display()
        );
        fs::write(data.join("server.toml"), config).map_err(Trouble::at(&data))?;
        let mut command = Command::new(folder.join("bin/atuin-server"));
        command.arg("start").env("ATUIN_CONFIG_DIR", &data).env("HOME", &data).current_dir(&data).stdout(Stdio::null());
        let process = Peer::start(&mut command)?;
        let began = Instant::now();
        while TcpStream::connect(host).is_err() {
            if began.elapsed() > PATIENCE {
                return Err(Trouble::Process("Atuin's server does not listen".to_owned()));
            }
            thread::sleep(Duration::from_millis(50));
        }
        let mut http = Http::connect(&host.to_string())?;
        let account = json!({ "username": "bench", "email": "bench@example.org", "password": "not a secret" });
        let answer = http.post("/register", account.to_string().as_bytes())?;
        match answer.get("session").and_then(Value::as_str) {
            Some(session) => http.bear("authorization", &format!("Token {session}")),
            None => return Err(Trouble::Process("Atuin's server gives no session".to_owned())),
        }
        Ok(Self { http, _process: process })
    }

    /// Records a second, of a host of their own in every round.
    fn rate(&mut self, round: usize) -> Result<f64, Trouble> {
        let bodies: Vec<String> = (0..COUNT / BATCH).map(|batch| body(round, batch).to_string()).collect();
        let began = Instant::now();
        for body in &bodies {
            self.http.post("/api/v0/record", body.as_bytes())?;
        }
        Ok(COUNT as f64 / began.elapsed().as_secs_f64())
    }
}

fn body(round: usize, batch: usize) -> Value {
    let host = id(round, usize::MAX >> 1);
    let record = |number: usize| {
        let idx = batch * BATCH + number;
        json!({
            "id": id(round, idx),
            "idx": idx,
            "host": { "id": host, "name": "" },
            "timestamp": 1_700_000_000_000_000_000_u64 + idx as u64,
            "version": "v0",
            "tag": "bench",
            "data": { "data": "A".repeat(DATA), "content_encryption_key": "A".repeat(200) },
        })
    };
    Value::Array((0..BATCH).map(record).collect())
}

/// Something of a UUID's shape that no other numbers have.
fn id(round: usize, number: usize) -> String {
    let digits = format!("{round:016x}{number:016x}");
    format!("{}-{}-7{}-8{}-{}", &digits[..8], &digits[8..12], &digits[13..16], &digits[17..20], &digits[20..])
}
