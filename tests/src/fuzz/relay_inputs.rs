//! Lists of inputs to a relay: everything a driver, a store, other machines and a network may do, in any order.
//!
//! A legal list is never misuse; an illegal input is, and changes nothing. Stores are late, full, broken or answer with made-up
//! rows; links carry noise; announcements speak of groups and mailboxes nobody knows; clocks jump.

use bytes::Bytes;
use zerok_core::{
    ids::{BatchId, Cursor, Digest, GroupId, LinkId, LoadId, RelayId, TransportId},
    machine::{LinkFailure, LinkInput, Machine, Misuse, Origin, StoreFailure, StoreInput, StoreOutput},
    relay::{
        io::{Announce, RelayInput},
        store::{LogPage, RelayAnswer, RelayOp, RelayOutcome, RelayQuery, Stored},
    },
    time::{Duration, UnixMillis},
    wire::message::WireCode,
};

use super::{fixture::Fixture, relay_rig::RelayRig, sayings, seen::Seen, source::Source};

/// Runs a list.
pub fn relay_inputs(data: &[u8]) -> Seen {
    let mut source = Source::new(data);
    let prompt = source.below(4) == 0;
    let mut rig = RelayRig::new(&mut source, prompt);
    if source.flag() {
        rig.start();
    }
    for _ in 0..150 {
        if source.is_empty() {
            break;
        }
        step(&mut source, &mut rig);
    }
    if rig.stopped { rig.seen } else { rig.finish() }
}

fn step(source: &mut Source<'_>, rig: &mut RelayRig) {
    let link = rig.any_link(source).unwrap_or(LinkId(1));
    match source.below(24) {
        0 | 1 if !rig.stopped => rig.dial(source),
        2..=5 => rig.store_answers(None),
        6 => {
            let failure = if source.below(16) == 15 { StoreFailure::Io } else { StoreFailure::Full };
            rig.store_answers(Some(failure));
        }
        7 => made_up(source, rig),
        8 => rig.run(Duration::from_millis(source.number())),
        9 => rig.run(Duration::from_secs(source.number())),
        10 => rig.written(link, source.place(8192)),
        11 => rig.written(link, usize::MAX),
        12 => rig.hang_up(link),
        13 => {
            let bytes = Bytes::from(source.bytes(4096));
            if let Some(peer) = rig.links.get_mut(&link) {
                peer.spoiled |= !bytes.is_empty();
            }
            rig.bytes(link, bytes);
        }
        14 => {
            let group = if source.flag() { Fixture::shared().group } else { GroupId([source.byte(); 32]) };
            rig.tell(RelayInput::Announced(Announce::Group { group, head: Cursor(source.number()) }));
        }
        15 => {
            let id = source.pick(&rig.pool.mailboxes).unwrap_or(zerok_core::ids::MailboxId([0; 16]));
            rig.tell(RelayInput::Announced(Announce::Mailbox(id)));
        }
        16 => rig.tell(RelayInput::AnnouncedUnknown),
        // A relay's clock may be wrong, but not by geological times.
        17 => rig.tell(RelayInput::WallClock(UnixMillis(source.number() % (1 << 53)))),
        18 if source.below(16) == 15 => rig.tell(RelayInput::Drain),
        19 => late(source, rig),
        20 => misuse(source, rig),
        _ => {
            let message = sayings::to_relay(source, &rig.pool);
            rig.say(link, &message);
        }
    }
}

/// The store answers with the right shape and any content.
fn made_up(source: &mut Source<'_>, rig: &mut RelayRig) {
    let Some(request) = rig.queue.pop_front() else { return };
    rig.lied = true;
    let answer = match request {
        StoreOutput::Persist { batch, ops } => {
            let outcomes = ops.iter().filter_map(|op| outcome(source, op)).collect();
            StoreInput::Persisted { batch, outcomes }
        }
        StoreOutput::Load { load, query } => StoreInput::Loaded { load, answer: Ok(any_answer(source, rig, &query)) },
    };
    rig.tell(RelayInput::Store(answer));
}

fn outcome(source: &mut Source<'_>, op: &RelayOp) -> Option<RelayOutcome> {
    match op {
        RelayOp::Append(append) => {
            let mut results = Vec::new();
            for _ in &append.blobs {
                results.push(match source.below(8) {
                    0 => Stored::Refused(source.pick(WireCode::ALL).unwrap_or(WireCode::GroupFull)),
                    1 | 2 => Stored::Duplicate(Cursor(source.number())),
                    _ => Stored::At(Cursor(source.number())),
                });
                if let Some(Stored::Refused(_)) = results.last() {
                    break;
                }
            }
            let (before, head) = (Cursor(source.number()), Cursor(source.number()));
            Some(RelayOutcome::Appended { before, head, results })
        }
        RelayOp::OpenMailbox { .. } | RelayOp::ClaimMailbox { .. } | RelayOp::SendMailbox { .. } => {
            let refused = source.pick(WireCode::ALL).unwrap_or(WireCode::InviteUnknown);
            Some(RelayOutcome::Mailbox(if source.flag() { Ok(()) } else { Err(refused) }))
        }
        RelayOp::Sweep { .. } => {
            let count = source.below(4);
            let floors = (0..count).map(|_| (GroupId([source.byte(); 32]), Cursor(source.number())));
            Some(RelayOutcome::Swept(floors.collect()))
        }
        RelayOp::Seen { .. } | RelayOp::CloseMailbox { .. } => None,
    }
}

fn any_answer(source: &mut Source<'_>, rig: &RelayRig, query: &RelayQuery) -> RelayAnswer {
    match query {
        RelayQuery::Open => RelayAnswer::Opened { relay_id: RelayId([if source.flag() { 7 } else { 8 }; 16]) },
        RelayQuery::Welcome { .. } => RelayAnswer::Welcome {
            own: source.flag().then(|| (Cursor(source.number()), Digest([source.byte(); 16]))),
            page: log_page(source, rig),
        },
        RelayQuery::Page { .. } => RelayAnswer::Page(log_page(source, rig)),
        RelayQuery::Heads(groups) => {
            RelayAnswer::Heads(groups.iter().map(|group| (*group, Cursor(source.number()))).collect())
        }
        RelayQuery::Mailbox { .. } => {
            let count = source.below(4);
            RelayAnswer::Mailbox {
                messages: (0..count).map(|_| source.bytes(16 << 10).into()).collect(),
                open: source.flag(),
                claimed: source.flag(),
            }
        }
    }
}

fn log_page(source: &mut Source<'_>, rig: &RelayRig) -> LogPage {
    let count = source.below(4);
    LogPage {
        after: Cursor(source.number()),
        floor: Cursor(source.number()),
        head: Cursor(source.number()),
        reset: source.below(4) == 3,
        entries: (0..count).map(|_| (Cursor(source.number()), rig.pool.blob(source))).collect(),
    }
}

/// Inputs for links that are over.
fn late(source: &mut Source<'_>, rig: &mut RelayRig) {
    let link = LinkId(source.number().min(rig.newest_link.0));
    if rig.links.contains_key(&link) {
        return;
    }
    let input = match source.below(3) {
        0 => LinkInput::Bytes { link, bytes: Bytes::from_static(b"late") },
        1 => LinkInput::Written { link, len: source.place(100) },
        _ => LinkInput::Closed { link, cause: LinkFailure::Eof },
    };
    rig.tell(RelayInput::Link(input));
}

/// Mistakes of a driver: each is named, and changes nothing.
fn misuse(source: &mut Source<'_>, rig: &mut RelayRig) {
    let (input, expected) = match source.below(5) {
        0 => {
            let opened =
                LinkInput::Opened { link: rig.newest_link, transport: TransportId::TCP, origin: Origin::default() };
            (RelayInput::Link(opened), Misuse::IdReused)
        }
        1 => match rig.links.iter().next() {
            Some((link, peer)) => {
                let len = peer.unwritten + 1 + source.place(100);
                (RelayInput::Link(LinkInput::Written { link: *link, len }), Misuse::WrittenTooMuch)
            }
            None => return,
        },
        2 => {
            let batch = BatchId(rig.newest_batch.0 + 1 + source.number() / 2);
            (RelayInput::Store(StoreInput::Persisted { batch, outcomes: Vec::new() }), Misuse::UnknownAnswer)
        }
        3 => {
            let load = LoadId(rig.newest_load.0 + 1 + source.number() / 2);
            let answer = Err(StoreFailure::Full);
            (RelayInput::Store(StoreInput::Loaded { load, answer }), Misuse::UnknownAnswer)
        }
        _ => match rig.queue.front() {
            Some(StoreOutput::Persist { batch, .. }) => {
                let outcomes = vec![RelayOutcome::Mailbox(Ok(())); 3];
                (RelayInput::Store(StoreInput::Persisted { batch: *batch, outcomes }), Misuse::WrongAnswer)
            }
            Some(StoreOutput::Load { load, query }) => {
                let answer = match query {
                    RelayQuery::Open => RelayAnswer::Heads(Vec::new()),
                    _ => RelayAnswer::Opened { relay_id: RelayId([7; 16]) },
                };
                (RelayInput::Store(StoreInput::Loaded { load: *load, answer: Ok(answer) }), Misuse::WrongAnswer)
            }
            None => return,
        },
    };
    if rig.stopped {
        return;
    }
    let before = format!("{:?}", rig.relay);
    let told = rig.relay.handle(rig.now, input);
    assert_eq!(told, Err(expected));
    rig.seen.fault("Misuse", expected);
    assert_eq!(format!("{:?}", rig.relay), before, "the machine is unchanged");
    assert!(rig.relay.poll().is_none());
}
