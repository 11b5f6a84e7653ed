//! What happened, one line an event, in words: symbolic names, virtual time, and only what a reader needs.

use std::{collections::BTreeMap, fmt::Write as _};

use zerok_core::{
    client::{
        command::{ClientCommand, ClientEvent, Rejection, Reply},
        store::ClientOp,
        verdict::Verdict,
    },
    ids::{BatchId, BlobId, CommandId, DeviceId, Digest, Incarnation, Lane},
    machine::{StoreInput, StoreOutput},
    relay::store::{RelayOp, RelayOutcome, RelayStore, Stored},
    seal::record::Kind,
    time::Time,
    wire::message::{Request, ToDevice, ToRelay},
};

use super::tap::Said;

/// Marks a device's name for each time it began to count anew: `laptop′/1` is not `laptop/1`.
const RUN: &str = "′";

/// The story of a run.
#[derive(Default)]
pub struct Transcript {
    lines: Vec<String>,
    blobs: BTreeMap<Digest, String>,
    ids: BTreeMap<BlobId, String>,
    /// The runs of each device's counters, in order of appearance.
    runs: BTreeMap<String, Vec<Incarnation>>,
    /// Devices by what they are heard to have written, or to be called.
    devices: BTreeMap<DeviceId, String>,
    /// The last status told of each device, in words: a reader cares for what changed in them.
    statuses: BTreeMap<String, String>,
    quiet: bool,
}

impl Transcript {
    /// Everything so far.
    pub fn text(&self) -> String {
        self.lines.join("\n")
    }

    /// Says nothing from now on: a thousand runs need no story.
    pub fn silence(&mut self) {
        self.quiet = true;
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Forgets what was said so far, but not the names of things.
    pub fn clear(&mut self) {
        self.lines.clear();
    }

    /// A remark of whoever makes things happen.
    pub fn remark(&mut self, now: Time, what: &str) {
        self.line(now, "─────", '─', what);
    }

    pub(super) fn note(&mut self, now: Time, who: &str, what: &str) {
        self.line(now, who, '.', what);
    }

    fn line(&mut self, now: Time, who: &str, mark: char, what: &str) {
        if self.quiet {
            return;
        }
        let (seconds, millis) = (now.0 / 1_000_000, now.0 / 1000 % 1000);
        self.lines.push(format!("@{seconds}.{millis:03}s {who:<7}{mark} {what}"));
    }

    /// Names the blobs of a batch that a device is about to write.
    pub(super) fn learn(&mut self, who: &str, ops: &[ClientOp]) {
        if self.quiet {
            return;
        }
        for (entry, _) in super::world::names(ops) {
            let runs = self.runs.entry(who.into()).or_default();
            let run = runs.iter().position(|inc| *inc == entry.inc).unwrap_or(runs.len());
            if run == runs.len() {
                runs.push(entry.inc);
            }
            let who = format!("{who}{}", RUN.repeat(run));
            let kind = Kind::of(entry.kind);
            let name = match kind {
                Some(Kind::Data) => format!("{who}/{}", entry.seq),
                Some(kind) => format!("{who}/{}", format!("{kind:?}").to_lowercase()),
                None => format!("{who}/?"),
            };
            // Heads go by the id of the record before them.
            if kind != Some(Kind::Heads) {
                self.ids.insert(entry.blob_id, name.clone());
            }
            self.blobs.insert(entry.digest, name);
        }
    }

    pub(super) fn durable(&mut self, now: Time, who: &str, batch: BatchId, ops: &[ClientOp]) {
        if self.quiet {
            return;
        }
        let mut parts = Vec::new();
        for op in ops {
            match op {
                ClientOp::Enqueue(row) => {
                    parts.push(format!("queue {} ({} B)", self.blob(row.entry.digest), row.blob.len()));
                }
                ClientOp::Acked { .. } => parts.push("at the relay".into()),
                ClientOp::Unacked(_) => parts.push("queue again".into()),
                ClientOp::Remove(_) => parts.push("no longer needed".into()),
                ClientOp::Deliver(row) => {
                    parts.push(format!("inbox {}", self.blob(Digest::of(&row.blob))));
                }
                ClientOp::Hold(row) => parts.push(format!("hold {}", self.blob(row.digest))),
                ClientOp::Release(digest) => parts.push(format!("release {}", self.blob(*digest))),
                ClientOp::Roster(_) => parts.push("roster".into()),
                ClientOp::Vault(_) => parts.push("keys".into()),
                ClientOp::Verdict { .. } => parts.push("verdict".into()),
                ClientOp::Erase => parts.push("erase".into()),
                ClientOp::Trim(_) => parts.push("trim".into()),
                ClientOp::Ledger(_) | ClientOp::Stream { .. } | ClientOp::Reserve(_) | ClientOp::Settle(_) => {}
            }
        }
        if !parts.is_empty() {
            self.line(now, who, '=', &format!("durable b{}: {}", batch.0, parts.join(", ")));
        }
    }

    /// What a relay's batch is about, before it is known what becomes of it.
    pub(super) fn relay_store(&self, request: &StoreOutput<RelayStore>) -> Vec<String> {
        let StoreOutput::Persist { batch, ops } = request else { return Vec::new() };
        if self.quiet {
            return Vec::new();
        }
        let mut said = Vec::new();
        for op in ops {
            let what = match op {
                RelayOp::Append(append) => {
                    let names: Vec<String> = append.blobs.iter().map(|(digest, _)| self.blob(*digest)).collect();
                    format!("append {}", names.join(", "))
                }
                RelayOp::OpenMailbox { .. } => "open mailboxes".into(),
                RelayOp::ClaimMailbox { .. } => "claim a mailbox".into(),
                RelayOp::SendMailbox { side, body, .. } => {
                    format!("mailbox message of the {} ({} B)", format!("{side:?}").to_lowercase(), body.len())
                }
                RelayOp::CloseMailbox { .. } => "close a mailbox".into(),
                RelayOp::Seen { .. } | RelayOp::Sweep { .. } => continue,
            };
            let line = format!("b{}: {what}", batch.0);
            if said.last() != Some(&line) {
                said.push(line);
            }
        }
        said
    }

    /// What became of it.
    pub(super) fn relay_stored(&mut self, now: Time, said: Vec<String>, answer: &StoreInput<RelayStore>) {
        let refused = |outcome: &RelayOutcome| match outcome {
            RelayOutcome::Mailbox(result) => result.is_err(),
            RelayOutcome::Appended { results, .. } => results.iter().any(|one| matches!(one, Stored::Refused(_))),
            RelayOutcome::Swept(_) => false,
        };
        let word = match answer {
            StoreInput::PersistFailed { .. } => "no room for",
            StoreInput::Persisted { outcomes, .. } if outcomes.iter().any(refused) => "refused",
            _ => "durable",
        };
        for line in said {
            self.line(now, "relay", '=', &format!("{word} {line}"));
        }
    }

    pub(super) fn command(&mut self, now: Time, who: &str, id: CommandId, command: &ClientCommand) {
        if self.quiet {
            return;
        }
        let what = match command {
            ClientCommand::Enable { name } => format!("enable as {name:?}"),
            ClientCommand::Push { data, .. } => match std::str::from_utf8(data) {
                Ok(text) if text.len() <= 24 => format!("push {text:?}"),
                _ => format!("push {} B", data.len()),
            },
            ClientCommand::Pull { .. } => "pull".into(),
            ClientCommand::Join { name, .. } => format!("join as {name:?}"),
            ClientCommand::CreateInvite => "invite".into(),
            ClientCommand::SyncNow => "sync now".into(),
            ClientCommand::Configure(_) => "configure the relay".into(),
            ClientCommand::SetRelay(_) => "go to another relay".into(),
            ClientCommand::Leave { force } => if *force { "leave, by force" } else { "leave" }.into(),
            ClientCommand::CancelInvite => "cancel the invite".into(),
            ClientCommand::Rename(name) => format!("rename to {name:?}"),
            other => format!("{other:?}").split(['(', ' ']).next().unwrap_or_default().to_lowercase(),
        };
        self.line(now, who, '<', &format!("c{} {what}", id.0));
    }

    pub(super) fn done(&mut self, now: Time, who: &str, id: CommandId, result: &Result<Reply, Rejection>) {
        if self.quiet {
            return;
        }
        let what = match result {
            Ok(Reply::Pushed { blob_id, .. }) => format!("pushed {}", self.id(*blob_id)),
            Ok(Reply::Queued { blob_id }) => format!("queued {}", self.id(*blob_id)),
            Ok(Reply::Pulled(pulled)) => {
                let blobs: Vec<String> = pulled.blobs.iter().map(|blob| self.id(blob.id)).collect();
                format!("pulled [{}]{}", blobs.join(", "), if pulled.has_more { " and more" } else { "" })
            }
            Ok(Reply::Invited { .. }) => "invited with a code".into(),
            Ok(Reply::Joined { history_complete, needs_full_push }) => {
                format!("joined, history complete: {history_complete}, needs full push: {needs_full_push}")
            }
            Ok(Reply::Done) => "done".into(),
            Ok(Reply::Report(_)) => "report".into(),
            Err(rejection) => format!("rejected: {}", rejection.code.name()),
        };
        self.line(now, who, '>', &format!("c{} {what}", id.0));
    }

    pub(super) fn event(&mut self, now: Time, who: &str, event: &ClientEvent) {
        if self.quiet {
            return;
        }
        let what = match event {
            ClientEvent::Status(status) => {
                let words = format!("{:?}, {:?}, {} pending", status.state, status.indicator, status.pending);
                let why = status.last_error.map(|code| format!(" ({})", code.name())).unwrap_or_default();
                let words = format!("status: {}{why}", words.to_lowercase());
                if self.statuses.insert(who.into(), words.clone()).as_ref() == Some(&words) {
                    return;
                }
                words
            }
            ClientEvent::Connected { .. } => "event connected".into(),
            ClientEvent::Disconnected { code } => format!("event disconnected: {}", code.name()),
            ClientEvent::BlobAvailable { id, sender, .. } => {
                let name = self.id(*id);
                if let Some((writer, _)) = name.split_once('/') {
                    self.devices.entry(*sender).or_insert_with(|| writer.trim_end_matches(RUN).to_owned());
                }
                format!("event blob-available {name}")
            }
            ClientEvent::BlobSynced { id, .. } => format!("event blob-synced {}", self.id(*id)),
            ClientEvent::BlobReissued { old, new } => {
                format!("event blob-reissued {} as {}", self.id(*old), self.id(*new))
            }
            ClientEvent::DeviceJoined { device, name, wants_full_push } => {
                self.devices.entry(*device).or_insert_with(|| name.clone());
                format!("event device-joined {name:?}, wants full push: {wants_full_push}")
            }
            ClientEvent::Joined { .. } => "event joined".into(),
            ClientEvent::InviteUsed { .. } => "event invite-used".into(),
            ClientEvent::InviteEnded { code } => format!("event invite ended: {}", code.name()),
            ClientEvent::Progress { to_push, to_pull } => {
                format!("event progress: {to_push} to push, {to_pull} to pull")
            }
            ClientEvent::Verdict { verdict, .. } => format!("event verdict {}", self.verdict(verdict)),
            ClientEvent::Problem(code) => format!("event problem: {}", code.name()),
        };
        self.line(now, who, '!', &what);
    }

    pub(super) fn device_says(&mut self, now: Time, who: &str, said: &[Said]) {
        for said in said {
            let what = match said {
                Said::Claim => "hello, of no group yet".into(),
                Said::ToRelay(ToRelay::Hello(_)) => "hello".into(),
                Said::ToRelay(ToRelay::Pull(pull)) => format!("pull after {}", pull.after.0),
                Said::ToRelay(ToRelay::Push { blobs, .. }) => {
                    let names: Vec<String> = blobs.iter().map(|blob| self.blob(Digest::of(blob))).collect();
                    format!("push {}", names.join(", "))
                }
                Said::ToRelay(ToRelay::Ack { cursor }) => format!("ack {}", cursor.0),
                Said::ToRelay(ToRelay::MailboxSend { body, .. }) => format!("mailbox message ({} B)", body.len()),
                Said::ToRelay(ToRelay::MailboxOpen { .. }) => {
                    "open two mailboxes: for the code, for the picture".into()
                }
                Said::ToRelay(ToRelay::MailboxClaim { .. }) => "claim the mailbox of the invite".into(),
                Said::ToRelay(ToRelay::MailboxClose { .. }) => "close the mailbox".into(),
                Said::ToRelay(other) => format!("{other:?}").to_lowercase(),
                _ => continue,
            };
            self.line(now, who, '→', &format!("relay: {what}"));
        }
    }

    pub(super) fn relay_says(&mut self, now: Time, to: &str, said: &[Said]) {
        for said in said {
            let what = match said {
                Said::Open => "welcome, of no group yet".into(),
                Said::Hint => "no, in plain: it cannot open this".into(),
                Said::ToDevice(ToDevice::Welcome(welcome)) => {
                    format!("welcome, head {}, floor {}", welcome.head.0, welcome.floor.0)
                }
                Said::ToDevice(ToDevice::Page(page)) => {
                    let mut text = format!("page after {} [", page.after.0);
                    for (index, (cursor, blob)) in page.entries.iter().enumerate() {
                        let comma = if index == 0 { "" } else { ", " };
                        let _ = write!(text, "{comma}{}: {}", cursor.0, self.blob(Digest::of(blob)));
                    }
                    text + if page.more { "] and more" } else { "]" } + if page.reset { ", reset" } else { "" }
                }
                Said::ToDevice(ToDevice::Pushed { stored }) => {
                    let names: Vec<String> = stored
                        .iter()
                        .map(|(digest, cursor)| format!("{} at {}", self.blob(*digest), cursor.0))
                        .collect();
                    format!("pushed {}", names.join(", "))
                }
                Said::ToDevice(ToDevice::News(news)) => {
                    let inline = if news.blob.is_some() { ", inline" } else { "" };
                    format!("news {}→{} {}{inline}", news.prev.0, news.cursor.0, self.blob(news.digest))
                }
                Said::ToDevice(ToDevice::MailboxMessage { body, .. }) => format!("mailbox message ({} B)", body.len()),
                Said::ToDevice(ToDevice::Error(refusal)) => {
                    let what = match refusal.request {
                        Request::Link => "the link",
                        Request::Push(Lane::Data) => "the push of data",
                        Request::Push(Lane::Control) => "the push of control records",
                        Request::Pull => "the pull",
                        Request::Mailbox(_) => "the mailbox",
                    };
                    format!("refuses {what}: {}, {}", refusal.code as u16, refusal.code)
                }
                Said::ToDevice(ToDevice::Bye { retry_after }) => format!("bye, come back after {retry_after} ms"),
                Said::ToDevice(ToDevice::MailboxOpened { .. }) => "the mailbox is yours".into(),
                Said::ToDevice(ToDevice::MailboxClosed { .. }) => "a mailbox is closed".into(),
                Said::ToDevice(other) => format!("{other:?}").to_lowercase(),
                _ => continue,
            };
            self.line(now, "relay", '→', &format!("{to}: {what}"));
        }
    }

    fn verdict(&self, verdict: &Verdict) -> String {
        let record = |device: &DeviceId, lane: Lane, seq: u64| match lane {
            Lane::Data => format!("{}/{seq}", self.device(*device)),
            Lane::Control => format!("{}/control {seq}", self.device(*device)),
        };
        match verdict {
            Verdict::Tampered { cursor } => format!("tampered: what stands at {}", cursor.0),
            Verdict::Gap { sender, lane, from, to, expired, by, .. } => {
                let range = match from == to {
                    true => record(sender, *lane, *from),
                    false => format!("{} to {}", record(sender, *lane, *from), record(sender, *lane, *to)),
                };
                let expired = if *expired { ", expired perhaps" } else { "" };
                let by = by.map(|by| format!(", named by {}", self.device(by))).unwrap_or_default();
                format!("gap: {range} missing{expired}{by}")
            }
            Verdict::Fork { sender, lane, seq, by, .. } => {
                format!("fork: {} knows another {}", self.device(*by), record(sender, *lane, *seq))
            }
            Verdict::Equivocation { device, lane, seq, .. } => {
                format!("equivocation: two records signed as {}", record(device, *lane, *seq))
            }
            Verdict::RelayReset => "relay reset: this is not the log that was read".into(),
            Verdict::MissingEpoch { .. } => "missing epoch: data under a key nobody gave".into(),
            Verdict::UnknownDevice { .. } => "unknown device: records nobody admitted".into(),
            Verdict::RestoredTooOften { device } => format!("restored too often: {}", self.device(*device)),
        }
    }

    fn device(&self, device: DeviceId) -> String {
        self.devices.get(&device).cloned().unwrap_or_else(|| "a device".into())
    }

    fn blob(&self, digest: Digest) -> String {
        self.blobs.get(&digest).cloned().unwrap_or_else(|| "an unknown blob".into())
    }

    fn id(&self, id: BlobId) -> String {
        self.ids.get(&id).cloned().unwrap_or_else(|| "an unknown blob".into())
    }
}
