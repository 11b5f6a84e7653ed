//! H4: the SQLite store and the store in memory that simulations run on answer alike, whatever is asked.
//!
//! Where they may differ by right is left out: expiry within an hour, what a closed mailbox still tells, what makes room.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    sync::mpsc::{self, Receiver},
    time::Duration,
};

use bytes::Bytes;
use zerok_core::{
    ids::{AccessKey, BatchId, Cursor, Digest, GroupId, Lane, LinkKey, LoadId, MailboxId, RelayId, Tag},
    machine::{Origin, StoreInput, StoreOutput},
    relay::store::{Append, PageQuery, RelayAnswer, RelayOp, RelayQuery, RelayStore, Side},
    rng::{Draw, Seed},
    time::UnixMillis,
};
use zerok_relay::store::{Deliver, RelayDb, Settings};
use zerok_testkit::store::relay::MemoryRelayStore;

const SEQUENCES: u64 = 1000;
const STEPS: usize = 20;
const HOUR: u64 = 3_600_000;

struct World {
    draw: Draw,
    sequence: u64,
    now: UnixMillis,
    /// What was pushed, to be pushed again and to name it rightly.
    pushed: BTreeMap<GroupId, Vec<(Digest, Bytes)>>,
}

impl World {
    fn group(&mut self) -> GroupId {
        let mut id = [u8::try_from(self.draw.below(4)).unwrap(); 32];
        id[..8].copy_from_slice(&self.sequence.to_le_bytes());
        GroupId(id)
    }

    fn link(&mut self) -> LinkKey {
        LinkKey([u8::try_from(self.draw.below(3)).unwrap(); 32])
    }

    /// Even ids are claimed and written to; the odd one after it is its twin.
    fn mailbox(&mut self) -> (MailboxId, MailboxId) {
        let mut id = [u8::try_from(self.draw.below(3) * 2).unwrap(); 16];
        id[..8].copy_from_slice(&self.sequence.to_le_bytes());
        let mut twin = id;
        twin[15] += 1;
        (MailboxId(id), MailboxId(twin))
    }

    fn blob(&mut self, group: GroupId) -> (Digest, Bytes) {
        let known = self.pushed.entry(group).or_default();
        if !known.is_empty() && self.draw.below(4) == 0 {
            return known[self.draw.below(u32::try_from(known.len()).unwrap()) as usize].clone();
        }
        let mut body = vec![0; [40, 600, 1024, 1025, 3000][self.draw.below(5) as usize]];
        self.draw.fill(&mut body[..16]);
        let body = Bytes::from(body);
        known.push((Digest::of(&body), body.clone()));
        (Digest::of(&body), body)
    }

    fn op(&mut self) -> RelayOp {
        let now = self.now;
        match self.draw.below(18) {
            0..7 => {
                let group = self.group();
                let blobs = (0..=self.draw.below(6)).map(|_| self.blob(group)).collect();
                let mut origin = [0; 8];
                origin.copy_from_slice(&self.sequence.to_le_bytes());
                RelayOp::Append(Append {
                    group,
                    access: AccessKey([1; 32]),
                    link: self.link(),
                    origin: Origin(origin),
                    lane: Lane::Data,
                    blobs,
                    now,
                    retention: Duration::from_secs(4 * 3600),
                    group_bytes: 20_000,
                    group_blobs: 1_000_000,
                    groups_per_day: 3,
                })
            }
            7 => RelayOp::Seen { group: self.group(), link: self.link(), acked: Cursor(0), now },
            8..11 => {
                let (id, twin) = self.mailbox();
                let (id, twin) = if self.draw.below(2) == 0 { (id, twin) } else { (twin, id) };
                RelayOp::OpenMailbox { id, twin, group: self.group(), expires: UnixMillis(now.0 + 600_000), limit: 1 }
            }
            11..15 => RelayOp::ClaimMailbox { id: self.mailbox().0, link: self.link(), now },
            15 | 16 => {
                let body = Bytes::copy_from_slice(&self.draw.bytes::<24>());
                RelayOp::SendMailbox { id: self.mailbox().0, side: Side::Creator, body, now }
            }
            _ => RelayOp::Sweep { now, clamp: Duration::from_secs(1 << 40) },
        }
    }

    fn query(&mut self) -> RelayQuery {
        match self.draw.below(8) {
            0 => RelayQuery::Heads(vec![self.group()]),
            1 | 2 => {
                let (id, twin) = self.mailbox();
                let id = if self.draw.below(2) == 0 { id } else { twin };
                let side = if self.draw.below(2) == 0 { Side::Creator } else { Side::Joiner };
                RelayQuery::Mailbox { id, side, after: self.draw.below(3) }
            }
            3..6 => RelayQuery::Page { group: self.group(), page: self.page() },
            _ => RelayQuery::Welcome { group: self.group(), link: self.link(), page: self.page() },
        }
    }

    fn page(&mut self) -> PageQuery {
        PageQuery {
            after: Cursor(self.draw.below(40).into()),
            tag: Tag::default(),
            max_bytes: self.draw.below(8000),
            at_least_one: self.draw.below(2) == 0,
        }
    }
}

struct Sqlite {
    db: RelayDb,
    answers: Receiver<StoreInput<RelayStore>>,
}

impl Sqlite {
    fn ask(&self, request: StoreOutput<RelayStore>) -> StoreInput<RelayStore> {
        self.db.submit(0, request);
        self.answers.recv_timeout(Duration::from_secs(60)).unwrap()
    }
}

/// An operation without its blobs' bytes.
fn brief(op: &RelayOp) -> String {
    match op {
        RelayOp::Append(run) => {
            let blobs: Vec<_> = run.blobs.iter().map(|(digest, body)| (digest, body.len())).collect();
            format!("Append {{ {}, {}, {blobs:?} }}", run.group, run.link)
        }
        op => format!("{op:?}"),
    }
}

#[test]
fn h4_sqlite_and_memory_answer_alike() {
    let temp = tempfile::tempdir().unwrap();
    let (send, answers) = mpsc::channel();
    let deliver: Deliver = Box::new(move |input| drop(send.send(input)));
    let db = RelayDb::open(temp.path(), Settings { max_bytes: None, reserve_bytes: 0 }, vec![deliver]).unwrap();
    let sqlite = Sqlite { db, answers };
    let mut memory = MemoryRelayStore::new(RelayId([0; 16]));
    let (mut batch, mut load) = (BatchId(0), LoadId(0));
    let mut world = World {
        draw: Seed::new([17; 32]).draw("against memory"),
        sequence: 0,
        now: UnixMillis(1_780_000_000_000 - 1_780_000_000_000 % HOUR),
        pushed: BTreeMap::new(),
    };
    let mut seen = BTreeMap::new();
    for sequence in 0..SEQUENCES {
        world.sequence = sequence;
        world.pushed.clear();
        for step in 0..STEPS {
            // Mostly still, so that invites live long enough to be fought over.
            world.now.0 += u64::from(world.draw.below(8).saturating_sub(5)) * HOUR;
            let ops: Vec<_> = (0..=world.draw.below(4)).map(|_| world.op()).collect();
            batch = batch.next();
            let request = || StoreOutput::Persist { batch, ops: ops.clone() };
            let (theirs, ours) = (memory.perform(request()), sqlite.ask(request()));
            let (theirs, ours) = (format!("{theirs:?}"), format!("{ours:?}"));
            assert_eq!(
                ours,
                theirs,
                "sequence {sequence}, step {step}, {:?}",
                ops.iter().map(brief).collect::<Vec<_>>()
            );
            for word in ["At(", "Duplicate(", "GroupFull", "TooManyGroups", "Swept([(", "InviteUsed", "MailboxFull"] {
                *seen.entry(word).or_insert(0) += theirs.matches(word).count();
            }
            for _ in 0..2 {
                let query = world.query();
                load = load.next();
                let request = || StoreOutput::Load { load, query: query.clone() };
                let (theirs, ours) = (memory.perform(request()), sqlite.ask(request()));
                if let StoreInput::Loaded { answer: Ok(RelayAnswer::Page(page)), .. } = &theirs {
                    *seen.entry("reset").or_insert(0) += usize::from(page.reset);
                    *seen.entry("floor").or_insert(0) += usize::from(page.floor > Cursor(0));
                }
                assert_eq!(format!("{ours:?}"), format!("{theirs:?}"), "sequence {sequence}, step {step}, {query:?}");
            }
        }
    }
    for (word, count) in seen {
        assert!(count >= 10, "{word} came up {count} times only: the test has lost its point");
    }
}
