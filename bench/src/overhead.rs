//! What a payload becomes on the link and on the relay's disk.

use std::fs;

use crate::{
    figure::{Figure, Goal, Outcome, Row},
    load::{Args, Done},
    relay_process::{RelayProcess, Settings},
    run::Run,
    spread::Spread,
    trouble::Trouble,
};

/// The figures of this module.
pub const FIGURES: &[Figure] = &[
    Figure { name: "bytes", title: "bytes on the link for each byte of payload, up and down", measure: bytes },
    Figure { name: "disk", title: "bytes of the relay's database for each byte of payload", measure: disk },
];

const PAYLOAD: usize = 1024;
/// Blobs of one batch. As many as are queued together leave together.
const BATCH: usize = 1000;
/// Blobs in the database that is measured.
const STORED: usize = 20_000;

/// A thousand payloads of 1 KiB that one writer queued at once, as after some hours offline; up is what it writes until the last is
/// acknowledged, down what another device reads from dialling until it has the last. Counted at the socket: everything of ours
/// is in it, frames, tags, numbers, the handshakes, but no TCP or IP headers. What goes the other way meanwhile,
/// acknowledgements and questions, is told beside it. Counts, not times: one round is as good as many.
fn bytes(run: &Run) -> Result<Outcome, Trouble> {
    let relay = RelayProcess::start(run, &Settings::default())?;
    let mut rows = Vec::new();
    for (padding, most) in [("none", 1.17), ("padmé", 1.25)] {
        for (load, way) in [("batch", "up"), ("pull", "down")] {
            let wish = Args::of(load, &relay).count(BATCH).window(BATCH);
            let done: Done = run.load(if padding == "none" { wish.switch("--unpadded") } else { wish })?;
            let (there, back) = match way {
                "up" => (done.sent_bytes, done.received_bytes),
                _ => (done.received_bytes, done.sent_bytes),
            };
            let each = |bytes: u64| bytes as f64 / (BATCH * PAYLOAD) as f64;
            let title = format!("bytes {way} / payload of 1 KiB, padding {padding}");
            let note = format!("{:.1} bytes each the other way", each(back) * PAYLOAD as f64);
            rows.push(Row::alone(title, "", Spread::one(each(there)), Goal::AtMost(most)).note(note));
        }
    }
    Ok(rows.into())
}

/// The database file after 20,000 payloads of 1 KiB and a clean stop, which moves the write-ahead log into it: blobs, digests, indexes,
/// free pages, everything. Padded, as it is by default, and not.
fn disk(run: &Run) -> Result<Outcome, Trouble> {
    let mut rows = Vec::new();
    for (padding, goal) in [("padmé", Goal::AtMost(1.4)), ("none", Goal::AtMost(1.4))] {
        let relay = RelayProcess::start(run, &Settings::default())?;
        let wish = Args::of("push", &relay).count(STORED).window(512);
        let wish = if padding == "none" { wish.switch("--unpadded") } else { wish };
        wish.rate(run)?;
        let data = relay.stop()?;
        let database = data.join("relay.db");
        let bytes = fs::metadata(&database).map_err(Trouble::at(&database))?.len();
        let ratio = bytes as f64 / (STORED * PAYLOAD) as f64;
        rows.push(Row::alone(
            format!("relay's disk / payload of 1 KiB, padding {padding}"),
            "",
            Spread::one(ratio),
            goal,
        ));
    }
    Ok(rows.into())
}
