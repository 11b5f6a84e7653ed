//! The Prometheus text format, written by hand: a dozen counters do not need a library.

use std::{
    collections::BTreeMap,
    fmt::{Display, Write},
    path::Path,
    sync::atomic::Ordering,
};

use zerok_core::{relay::stats::RelayStats, wire::message::WireCode};

use super::Observed;
use crate::store::{COMMIT_BOUNDS, FILE, free_bytes};

/// Everything, machines added up.
pub(super) fn render(observed: &Observed, machines: &[RelayStats]) -> String {
    let mut page = Page::default();
    page.family("info", "gauge", "Which version runs.", [(format!("version=\"{}\"", env!("CARGO_PKG_VERSION")), 1)]);
    page.single("uptime_seconds", "gauge", "Since the start.", observed.started.elapsed().as_secs());
    let sum = |of: fn(&RelayStats) -> u64| machines.iter().map(of).sum::<u64>();
    page.single("links", "gauge", "Open links.", sum(|s| s.links as u64));
    page.single("half_open_links", "gauge", "Links whose peer has not proven itself.", sum(|s| s.half_open as u64));
    page.single("groups", "gauge", "Groups with a link, per machine added up.", sum(|s| s.groups as u64));
    let handshakes = [("result=\"ok\"", sum(|s| s.handshakes_ok)), ("result=\"failed\"", sum(|s| s.handshakes_failed))];
    page.family("handshakes_total", "counter", "Handshakes by result.", handshakes);
    page.single("links_refused_total", "counter", "Links over a cap or a rate.", sum(|s| s.links_refused));
    page.single("misbehaved_total", "counter", "Links closed for a fault of the peer.", sum(|s| s.misbehaved));
    let bytes = [("direction=\"in\"", sum(|s| s.bytes_in)), ("direction=\"out\"", sum(|s| s.bytes_out))];
    page.family("bytes_total", "counter", "Bytes on links.", bytes);
    page.single("pages_total", "counter", "Pages sent.", sum(|s| s.pages));
    page.single("news_total", "counter", "News sent.", sum(|s| s.news));
    page.single("mailboxes_total", "counter", "Mailboxes opened or claimed.", sum(|s| s.mailboxes));
    page.single("mailbox_messages_total", "counter", "Messages in mailboxes.", sum(|s| s.mailbox_messages));
    page.single("sweeps_total", "counter", "Expiry sweeps.", sum(|s| s.sweeps));
    let mut refused: BTreeMap<WireCode, u64> = BTreeMap::new();
    for (code, count) in machines.iter().flat_map(|stats| &stats.refused) {
        *refused.entry(*code).or_default() += count;
    }
    let refused = refused.into_iter().map(|(code, count)| (format!("code=\"{}\"", code as u16), count));
    page.family("refused_total", "counter", "Requests refused, by protocol code.", refused);
    store(&mut page, observed);
    page.text
}

/// Bytes of the database and its log.
pub(super) fn database_bytes(data: &Path) -> u64 {
    ["", "-wal"]
        .iter()
        .filter_map(|suffix| std::fs::metadata(data.join(format!("{FILE}{suffix}"))).ok())
        .map(|metadata| metadata.len())
        .sum()
}

fn store(page: &mut Page, observed: &Observed) {
    let figures = observed.db.figures();
    let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let blobs = [
        ("result=\"stored\"", read(&figures.stored)),
        ("result=\"duplicate\"", read(&figures.duplicates)),
        ("result=\"refused\"", read(&figures.refused)),
    ];
    page.family("blobs_total", "counter", "Blobs pushed, by what became of them.", blobs);
    page.single("store_full", "gauge", "1 while there is no room.", u64::from(figures.full.load(Ordering::Relaxed)));
    page.single("store_failed", "gauge", "1 once it failed.", u64::from(figures.failed.load(Ordering::Relaxed)));
    page.single("database_bytes", "gauge", "Size on disk.", database_bytes(&observed.data));
    if let Some(free) = free_bytes(&observed.data) {
        page.single("disk_free_bytes", "gauge", "Free on its disk.", free);
    }
    page.head("store_commit_seconds", "histogram", "Durable commits.");
    let commits = read(&figures.commits);
    for (bound, bucket) in COMMIT_BOUNDS.iter().zip(&figures.commit_buckets) {
        page.line("store_commit_seconds_bucket", &format!("le=\"{}\"", seconds(*bound)), read(bucket).min(commits));
    }
    page.line("store_commit_seconds_bucket", "le=\"+Inf\"", commits);
    page.line("store_commit_seconds_sum", "", seconds(read(&figures.commit_micros)));
    page.line("store_commit_seconds_count", "", commits);
}

fn seconds(micros: u64) -> f64 {
    std::time::Duration::from_micros(micros).as_secs_f64()
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn single(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        self.family(name, kind, help, [("", value)]);
    }

    fn family<L: AsRef<str>>(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) {
        self.head(name, kind, help);
        for (labels, value) in values {
            self.line(name, labels.as_ref(), value);
        }
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        self.push(format_args!("# HELP zerok_relay_{name} {help}\n# TYPE zerok_relay_{name} {kind}\n"));
    }

    fn line(&mut self, name: &str, labels: &str, value: impl Display) {
        match labels {
            "" => self.push(format_args!("zerok_relay_{name} {value}\n")),
            labels => self.push(format_args!("zerok_relay_{name}{{{labels}}} {value}\n")),
        }
    }

    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _infallible = self.text.write_fmt(text);
    }
}
