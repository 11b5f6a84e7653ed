//! Messages of either side, with fields that mostly mean something: ids, blobs and cursors from a pool, and sometimes anything.

use bytes::Bytes;
use zerok_core::{
    ids::{AccessKey, Cursor, Digest, GroupId, Kid, Lane, MailboxId, RelayId, Tag},
    limits::MAX_BLOB,
    wire::message::{Hello, News, Page, Pull, Refusal, Request, Signature, ToDevice, ToRelay, Welcome, WireCode},
};

use super::source::Source;

/// What messages speak of.
#[derive(Default)]
pub(super) struct Pool {
    /// Sealed blobs, good and bad.
    pub(super) blobs: Vec<Bytes>,
    pub(super) mailboxes: Vec<MailboxId>,
    /// The place the other side is known to be at.
    pub(super) cursor: u64,
}

impl Pool {
    pub(super) fn blob(&self, source: &mut Source<'_>) -> Bytes {
        match source.pick(&self.blobs) {
            Some(blob) if source.below(8) < 7 => blob,
            Some(blob) => source.edited(&blob).into(),
            None => source.bytes(2048).into(),
        }
    }

    fn digest(&self, source: &mut Source<'_>) -> Digest {
        source.pick(&self.blobs).map_or_else(|| Digest(source.array()), |blob| Digest::of(&blob))
    }

    fn mailbox(&self, source: &mut Source<'_>) -> MailboxId {
        source.pick(&self.mailboxes).unwrap_or_else(|| MailboxId([source.byte(); 16]))
    }

    /// Near where the other side is, or anywhere.
    fn cursor(&self, source: &mut Source<'_>) -> Cursor {
        match source.below(4) {
            0 => Cursor(self.cursor),
            1 => Cursor(self.cursor.saturating_add(u64::from(source.byte() & 15))),
            2 => Cursor(self.cursor.saturating_sub(u64::from(source.byte() & 15))),
            _ => Cursor(source.number()),
        }
    }
}

fn lane(source: &mut Source<'_>) -> Lane {
    if source.flag() { Lane::Control } else { Lane::Data }
}

/// Anything a device may say.
pub(super) fn to_relay(source: &mut Source<'_>, pool: &Pool) -> ToRelay {
    match source.below(14) {
        0 => ToRelay::Hello(Box::new(Hello {
            group: GroupId([source.byte(); 32]),
            kid: Kid(source.array()),
            access: AccessKey([source.byte(); 32]),
            genesis: [source.byte(); 32],
            chain: vec![(AccessKey([source.byte(); 32]), Signature([source.byte(); 64])); source.below(40)],
            proof: Signature([source.byte(); 64]),
        })),
        1 | 12 => ToRelay::Pull(any_pull(source, pool)),
        2 | 13 => {
            let count = source.below(6);
            ToRelay::Push { lane: lane(source), blobs: (0..count).map(|_| pool.blob(source)).collect() }
        }
        3 => ToRelay::Ack { cursor: pool.cursor(source) },
        4 => ToRelay::Ping,
        5 => ToRelay::Bye,
        6 => ToRelay::MailboxOpen { code: pool.mailbox(source), qr: pool.mailbox(source) },
        7 => ToRelay::MailboxClaim { id: pool.mailbox(source) },
        8 | 9 => ToRelay::MailboxSend { id: pool.mailbox(source), body: source.bytes(20_000).into() },
        10 => ToRelay::MailboxClose { id: pool.mailbox(source) },
        _ if source.flag() => ToRelay::Rotate,
        _ => ToRelay::Forget,
    }
}

/// Any pull.
pub(super) fn any_pull(source: &mut Source<'_>, pool: &Pool) -> Pull {
    let tag = if source.flag() { pool.digest(source).tag() } else { Tag::default() };
    Pull { after: pool.cursor(source), tag, max_bytes: source.number32() }
}

/// Anything a relay may say.
pub(super) fn to_device(source: &mut Source<'_>, pool: &Pool) -> ToDevice {
    match source.below(14) {
        0 => ToDevice::Welcome(any_welcome(source, pool)),
        1 | 10 | 11 => ToDevice::Page(any_page(source, pool)),
        2 => {
            let count = source.below(6);
            ToDevice::Pushed { stored: (0..count).map(|_| (pool.digest(source), pool.cursor(source))).collect() }
        }
        3 | 12 | 13 => {
            let blob = source.flag().then(|| pool.blob(source));
            let digest = match &blob {
                Some(blob) if source.below(8) < 7 => Digest::of(blob),
                _ => pool.digest(source),
            };
            ToDevice::News(News { prev: pool.cursor(source), cursor: pool.cursor(source), digest, blob })
        }
        4 => ToDevice::Pong,
        5 => ToDevice::Bye { retry_after: source.number32() },
        6 => ToDevice::MailboxOpened { id: pool.mailbox(source) },
        7 => ToDevice::MailboxMessage { id: pool.mailbox(source), body: source.bytes(20_000).into() },
        8 => ToDevice::MailboxClosed { id: pool.mailbox(source) },
        _ => ToDevice::Error(any_refusal(source, pool)),
    }
}

fn any_refusal(source: &mut Source<'_>, pool: &Pool) -> Refusal {
    let code = source.pick(WireCode::ALL).unwrap_or(WireCode::BadMessage);
    let request = match source.below(4) {
        0 => Request::Link,
        1 => Request::Push(lane(source)),
        2 => Request::Pull,
        _ => Request::Mailbox(pool.mailbox(source)),
    };
    Refusal { code, request, retry_after: source.number32() }
}

/// Any welcome.
pub(super) fn any_welcome(source: &mut Source<'_>, pool: &Pool) -> Welcome {
    Welcome {
        relay_id: RelayId([if source.below(8) == 7 { source.byte() } else { 7 }; 16]),
        head: pool.cursor(source),
        floor: if source.flag() { pool.cursor(source) } else { Cursor(0) },
        own: source.flag().then(|| (pool.cursor(source), pool.digest(source))),
        max_blob: if source.below(8) == 7 { source.number32() } else { MAX_BLOB as u32 },
    }
}

/// A page: mostly one that follows, sometimes one that cannot be.
pub(super) fn any_page(source: &mut Source<'_>, pool: &Pool) -> Page {
    let after = if source.below(8) == 7 { pool.cursor(source) } else { Cursor(pool.cursor) };
    let mut last = after;
    let count = source.below(6);
    let mut entries = Vec::new();
    for _ in 0..count {
        last = match source.below(8) {
            7 => pool.cursor(source),
            step => Cursor(last.0.saturating_add(1 + step as u64 / 4)),
        };
        entries.push((last, pool.blob(source)));
    }
    let head = if source.below(8) == 7 { pool.cursor(source) } else { last };
    let floor = if source.below(4) == 3 { pool.cursor(source) } else { Cursor(0) };
    Page { after, floor, reset: source.below(16) == 15, entries, head, more: source.below(8) == 7 }
}
