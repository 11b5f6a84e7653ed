//! On the way in: from sealed entries of the log to verified records, and from those to what they mean.
//!
//! Each entry is opened once, verified once (in runs where the chain allows it) and judged once. What cannot be processed yet is
//! held; what is bad gets a verdict and takes no place. Nothing is skipped silently.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{
    client::{
        Client,
        command::ClientEvent,
        gaps::Why,
        group::Group,
        ledger::remember,
        roster::RosterChange,
        store::{ClientOp, InboxRow},
        stream::{Judgement, Stream},
        verdict::Verdict,
    },
    error::Code,
    ids::{Cursor, DeviceId, Digest, StreamId},
    limits::MAX_CHAINS,
    seal::{
        chain::verify_run,
        keys::Genesis,
        record::{self, Kind, Opened},
    },
};

/// Tampered blobs, unknown keys and unknown senders remembered so that a second look does not report them again.
pub(super) const REMEMBERED: usize = 64;

/// Whether records of this chain are followed, or may be. The room is each device's own: a member that invents incarnations must keep
/// nobody else from being heard.
pub(super) fn may_follow(streams: &BTreeMap<StreamId, Stream>, id: StreamId) -> bool {
    let followed = |(other, stream): &(&StreamId, &Stream)| other.device == id.device && stream.is_followed();
    streams.get(&id).is_some_and(Stream::is_followed) || streams.iter().filter(followed).count() < MAX_CHAINS
}

/// Whether a member's word about this chain is kept. What it names takes no room from records, nor from what others name.
pub(super) fn may_name(streams: &BTreeMap<StreamId, Stream>, id: StreamId, by: DeviceId) -> bool {
    let named = |stream: &Stream| stream.claims.of(by).is_some();
    let only_named =
        |(other, stream): &(&StreamId, &Stream)| other.device == id.device && !stream.is_followed() && named(stream);
    streams.get(&id).is_some_and(|stream| stream.is_followed() || named(stream))
        || streams.iter().filter(only_named).count() < MAX_CHAINS
}

/// Where entries come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The log, following the relay cursor.
    Log,
    /// The log, looked at again.
    Scan,
    /// What was held here.
    Held,
}

/// An entry that opened.
pub(super) struct Candidate {
    pub(super) cursor: Cursor,
    pub(super) blob: Bytes,
    pub(super) opened: Opened,
}

impl Candidate {
    /// Made when it is asked for: it costs as much as opening, and a record that simply is the next one has no need of it.
    fn digest(&self) -> Digest {
        Digest::of(&self.blob)
    }
}

impl Client {
    /// Processes entries in the log's order.
    pub(super) fn receive(&mut self, entries: Vec<(Cursor, Bytes)>, source: Source) {
        let mut candidates = Vec::new();
        for (cursor, blob) in entries {
            let Some(candidate) = self.open_entry(cursor, blob, source) else { continue };
            if !self.knows_sender(&candidate) {
                // The record that admits a sender may stand right before the sender's first.
                self.take_verified(std::mem::take(&mut candidates), source);
            }
            if self.knows_sender(&candidate) {
                candidates.push(candidate);
            } else if !bug!(SkipUnopenable) {
                let digest = candidate.digest();
                let Candidate { cursor, blob, opened } = candidate;
                self.stranger(opened.record.sender, cursor);
                self.hold(cursor, digest, blob, Why::Sender(opened.record.sender));
            }
        }
        self.take_verified(candidates, source);
        if source != Source::Held {
            self.offer_held_again();
        }
    }

    /// Opens an entry, or holds it, or reports it.
    fn open_entry(&mut self, cursor: Cursor, blob: Bytes, source: Source) -> Option<Candidate> {
        if self.is_remembered(&blob, source) {
            return None;
        }
        let group = self.group.as_ref()?;
        let Some(kid) = record::kid_of(&blob) else {
            self.tampered(cursor, Digest::of(&blob));
            return None;
        };
        let Some(epoch) = group.epoch_of(kid) else {
            if self.ledger.missing_kids.len() < REMEMBERED && self.ledger.missing_kids.insert(kid) {
                self.verdict(Verdict::MissingEpoch { kid });
            }
            self.hold(cursor, Digest::of(&blob), blob, Why::Key);
            return None;
        };
        let Ok(opened) = record::open(&blob, &group.id, epoch) else {
            if bug!(SkipUnopenable) {
                return None;
            }
            self.tampered(cursor, Digest::of(&blob));
            return None;
        };
        Some(Candidate { cursor, blob, opened })
    }

    /// Whether this very blob is held, or was reported.
    fn is_remembered(&self, blob: &[u8], source: Source) -> bool {
        // A second look judges again what was reported: a later record may vouch for it by now.
        let reported = source == Source::Log && !self.ledger.tampered.is_empty();
        if !reported && self.gaps.holds_nothing() {
            return false;
        }
        let digest = Digest::of(blob);
        reported && self.ledger.tampered.contains(&digest) || self.gaps.holds(digest)
    }

    fn knows_sender(&self, candidate: &Candidate) -> bool {
        self.group.as_ref().is_some_and(|group| group.signing_key(&candidate.opened).is_some())
    }

    fn take_verified(&mut self, candidates: Vec<Candidate>, source: Source) {
        let verified = self.verify(&candidates);
        for (candidate, good) in candidates.into_iter().zip(verified) {
            if good {
                self.take(candidate, source);
            } else {
                self.tampered(candidate.cursor, candidate.digest());
            }
        }
    }

    /// One answer per candidate: runs of a chain are verified backward from their last signature.
    fn verify(&self, candidates: &[Candidate]) -> Vec<bool> {
        let mut verified = vec![false; candidates.len()];
        let Some(group) = &self.group else { return verified };
        let mut runs: BTreeMap<(StreamId, bool), Vec<usize>> = BTreeMap::new();
        for (index, candidate) in candidates.iter().enumerate() {
            // Heads stand outside the chains; each is a run of its own.
            let heads = candidate.opened.record.kind == Kind::Heads as u8;
            runs.entry((stream_of(&candidate.opened), heads)).or_default().push(index);
        }
        for ((stream, heads), indices) in runs {
            let Some(key) = indices.first().and_then(|index| group.signing_key(&candidates[*index].opened)) else {
                continue;
            };
            if heads {
                for index in indices {
                    verified[index] = candidates[index].opened.verify(&key, &group.id);
                }
                continue;
            }
            let mut run: Vec<&Opened> = indices.iter().map(|index| &candidates[*index].opened).collect();
            // A held successor vouches for a record whose own signature was damaged on the way.
            run.extend(self.gaps.ahead_of(stream));
            let answers = verify_run(&run, &key, &group.id);
            indices.into_iter().zip(answers).for_each(|(index, answer)| verified[index] = answer);
        }
        verified
    }

    /// A verified record.
    pub(super) fn take(&mut self, candidate: Candidate, source: Source) {
        let record = &candidate.opened.record;
        let (sender, seq) = (record.sender, record.seq);
        let Some(group) = &self.group else { return };
        if sender == group.device {
            let Candidate { cursor, blob, opened } = candidate;
            return self.own_record(&opened, cursor, blob);
        }
        if !self.ledger.for_newer.is_empty() && self.ledger.for_newer.remove(&candidate.digest()) {
            // Its place was settled when it came; perhaps this build knows its kind.
            return self.apply(candidate);
        }
        let ms = record.ms;
        self.heard_from(sender);
        if record.kind == Kind::Heads as u8 {
            self.ledger.written.insert(sender, ms);
            return self.take_heads(&candidate.opened.record);
        }
        let id = stream_of(&candidate.opened);
        let Some(group) = &mut self.group else { return };
        if !may_follow(&group.streams, id) {
            self.hold(candidate.cursor, candidate.digest(), candidate.blob, Why::Room);
            if self.ledger.unfollowed.insert(sender) {
                self.verdict(Verdict::RestoredTooOften { device: sender });
            }
            return;
        }
        let stream = group.streams.entry(id).or_default();
        match stream.judge(seq, record.prev, candidate.opened.hash) {
            Judgement::Known if bug!(KnownDelivered) => self.apply(candidate),
            Judgement::Known => {}
            Judgement::Impossible => self.tampered(candidate.cursor, candidate.digest()),
            Judgement::Equivocation => {
                self.verdict(Verdict::Equivocation { device: sender, inc: id.inc, lane: id.lane, seq });
            }
            Judgement::Ahead if bug!(HeldDelivered) => self.apply(candidate),
            Judgement::Ahead => {
                let digest = candidate.digest();
                let why = Why::Ahead(id, Box::new(candidate.opened));
                self.hold(candidate.cursor, digest, candidate.blob, why);
            }
            judgement @ (Judgement::Next | Judgement::NextOfFork(_)) => {
                let disputed = stream.disputed_by(seq, candidate.opened.hash);
                stream.accept(seq, candidate.opened.hash, candidate.cursor);
                self.ledger.written.insert(sender, ms);
                self.touch(id);
                if source != Source::Log {
                    self.gaps.moved();
                }
                if let Judgement::NextOfFork(seq) = judgement {
                    self.verdict(Verdict::Fork { sender, inc: id.inc, lane: id.lane, seq, by: sender });
                }
                for by in disputed {
                    self.verdict(Verdict::Fork { sender, inc: id.inc, lane: id.lane, seq, by });
                }
                self.note_seen(sender, &candidate.opened.record.seen);
                self.apply(candidate);
            }
        }
    }

    /// A record whose place in its chain is settled.
    fn apply(&mut self, candidate: Candidate) {
        match Kind::of(candidate.opened.record.kind) {
            Some(Kind::Data) => self.deliver(&candidate.opened, candidate.blob),
            Some(Kind::Genesis | Kind::Add | Kind::Rename) => self.roster_record(&candidate.opened, candidate.blob),
            // Written by a newer version: kept for it while there is room, reported once.
            _ => {
                let digest = candidate.digest();
                if self.hold(candidate.cursor, digest, candidate.blob, Why::Kind) {
                    self.ledger.for_newer.insert(digest);
                }
                if !std::mem::replace(&mut self.ledger.unknown_kind, true) {
                    self.event(ClientEvent::Problem(Code::UpdateNeeded));
                }
            }
        }
    }

    /// Data: it gets a position of this device's own and goes into the inbox, still sealed.
    fn deliver(&mut self, opened: &Opened, blob: Bytes) {
        let Some(group) = &self.group else { return };
        let record = &opened.record;
        let id = super::push::id_of(group, record);
        let position = self.assign_position();
        let size = u32::try_from(record.payload.len()).unwrap_or(u32::MAX);
        self.inbox.delivered(position, u32::try_from(blob.len()).unwrap_or(u32::MAX));
        self.batch.ops.push(ClientOp::Deliver(InboxRow { position, blob }));
        self.data_applied();
        let (sender, timestamp) = (record.sender, record.ms);
        self.event(ClientEvent::BlobAvailable { id, cursor: position, sender, timestamp, size });
    }

    pub(super) fn roster_record(&mut self, opened: &Opened, blob: Bytes) {
        let Some(group) = &self.group else { return };
        // A run vouches for a record's place, but a newcomer is handed single records: these must be signed themselves.
        let signed = group.signing_key(opened).is_some_and(|key| opened.verify(&key, &group.id));
        if !signed {
            return;
        }
        if let RosterChange::Added(device) = self.apply_roster(opened, blob) {
            let now = self.wall();
            self.ledger.heard.insert(device, now);
            self.ledger.strangers.retain(|stranger| *stranger != device);
            self.gaps.sender_known();
        }
    }

    pub(super) fn tampered(&mut self, cursor: Cursor, digest: Digest) {
        if !self.ledger.tampered.contains(&digest) {
            remember(&mut self.ledger.tampered, digest, REMEMBERED);
            self.verdict(Verdict::Tampered { cursor });
        }
    }

    /// A member gave a sign of life of its own.
    fn heard_from(&mut self, device: DeviceId) {
        let now = self.wall();
        self.ledger.heard.insert(device, now);
        // Whoever speaks as a member has its keys, even if its last word in the mailbox was lost.
        self.invite_heard(device);
        if self.ledger.greeted.insert(device) {
            let Some(name) =
                self.group.as_ref().and_then(|group| group.roster.get(device)).map(|member| member.name.clone())
            else {
                return;
            };
            let wants_full_push = self.ledger.wants_full_push.contains(&device);
            self.event(ClientEvent::DeviceJoined { device, name, wants_full_push });
        }
    }
}

impl Group {
    /// The key that must have signed a record: a member's, or the founder's for the founding record, which the group id vouches for.
    pub(super) fn signing_key(&self, opened: &Opened) -> Option<[u8; 32]> {
        let sender = opened.record.sender;
        self.roster.get(sender).map(|member| member.public.sign).or_else(|| {
            let founding = opened.record.kind == Kind::Genesis as u8;
            let genesis = founding.then(|| Genesis::decode(&opened.record.payload).ok()).flatten()?;
            let founds = genesis.hash() == self.genesis && genesis.device().id() == sender;
            founds.then(|| genesis.device().sign)
        })
    }
}

/// The chain a record belongs to.
pub(super) fn stream_of(opened: &Opened) -> StreamId {
    let record = &opened.record;
    StreamId { device: record.sender, inc: record.inc, lane: record.lane() }
}
