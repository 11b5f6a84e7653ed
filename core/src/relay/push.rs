//! Pushes: a link's blobs on their way into the store, lane by lane.
//!
//! A lane has one append in flight; what arrives meanwhile becomes the next run. Were two in flight, the second could be stored
//! after the first was refused, and the lane's order would be broken for good. Other links, and the other lane, are not held up,
//! and the store commits them together.
//!
//! Invariants: nothing is acknowledged that the store has not reported durable; after a refusal the lane takes nothing more from
//! this link, and every later push hears the same code; the refusal is said after the acknowledgements of what came before it.
//!
//! ```text
//!          push                    durable, more waiting
//! Idle ───────────► Flying ◄──────────────┐
//!   ▲                 │ └─────────────────┘
//!   └──durable────────┤
//!                     └──refused──► Ended(code)        a new link starts afresh
//! ```
//!
//! Limits: `uncommitted_link`, `push_bytes`, [`MAX_BLOB`], [`MAX_ENTRIES`] a run.

use bytes::Bytes;

use crate::{
    ids::{Digest, GroupId, Lane, LinkId},
    limits::{MAX_BLOB, MAX_ENTRIES, MAX_INLINE},
    relay::{
        Relay,
        effects::{Consequence, Effects},
        group::Entry,
        io::Announce,
        link::Link,
        store::{Append, RelayOp, RelayOutcome, Stored},
    },
    time::{Duration, UnixMillis},
    wire::message::{Request, ToDevice, WireCode},
};

/// What a blob weighs beside its bytes while the store has it: a flood of one-byte blobs must meet a bound too (G5).
const BLOB_WEIGHT: usize = 96;

/// Both lanes of a member's link.
#[derive(Debug, Default)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) struct Lanes([LaneState; 2]);

#[derive(Debug, Default)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
struct LaneState {
    waiting: Vec<(Digest, Bytes)>,
    flying: bool,
    end: End,
}

/// Whether the lane still takes blobs.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash)]
enum End {
    /// It does.
    #[default]
    Open,
    /// Something was refused; said once what came before is answered.
    Due(WireCode, u32),
    /// Said.
    Told(WireCode, u32),
}

impl Lanes {
    fn lane(&mut self, lane: Lane) -> &mut LaneState {
        &mut self.0[lane as usize]
    }

    /// What the blobs that wait for their run weigh.
    pub(super) fn waiting_weight(&self) -> usize {
        self.0.iter().map(|lane| weight(&lane.waiting)).sum()
    }

    /// Whether blobs wait or fly.
    pub(super) fn is_busy(&self) -> bool {
        self.0.iter().any(|lane| lane.flying || !lane.waiting.is_empty() || matches!(lane.end, End::Due(..)))
    }
}

impl LaneState {
    /// A refusal by the store takes the place of the machine's own: it is of something that came earlier.
    fn refuse(&mut self, code: WireCode, wait: Duration) {
        if !matches!(self.end, End::Told(..)) {
            self.end = End::Due(code, u32::try_from(wait.as_millis()).unwrap_or(u32::MAX));
        }
    }
}

impl Relay {
    /// A push: what can be taken waits for its run, the rest ends the lane.
    pub(super) fn push(&mut self, id: LinkId, lane: Lane, blobs: Vec<Bytes>) {
        let blocked = self.refuses_pushes();
        let Self { fx, links, pushes, uncommitted, .. } = self;
        let Some(link) = links.get_mut(&id) else { return };
        let Some(member) = link.member() else { return };
        let key = member.key;
        let state = member.lanes.lane(lane);
        match state.end {
            End::Open => {}
            // The refusal to come speaks of this push too.
            End::Due(..) => return,
            End::Told(code, wait) => return link.refuse(fx, code, Request::Push(lane), wait),
        }
        let mut weight = 0;
        let mut take = |blob: &Bytes| match blocked {
            Some(refusal) => Err(refusal),
            None if blob.len() > MAX_BLOB => Err((WireCode::BlobTooLarge, Duration::ZERO)),
            None => pushes.take(fx.now, (key, lane), blob.len() as u64).map_err(|wait| (WireCode::RateLimited, wait)),
        };
        state.waiting.reserve(blobs.len());
        for blob in blobs {
            if let Err((code, wait)) = take(&blob) {
                state.refuse(code, wait);
                break;
            }
            weight += blob.len() + BLOB_WEIGHT;
            state.waiting.push((Digest::of(&blob), blob));
        }
        link.uncommitted += weight;
        *uncommitted += weight;
    }

    /// Sends every run that may go, or says the refusal that was due. Called when an input is through, so that pushes that arrived
    /// together become one append.
    pub(super) fn submit(&mut self, id: LinkId) {
        let now = self.wall();
        let Some(link) = self.links.get_mut(&id) else { return };
        for lane in [Lane::Data, Lane::Control] {
            submit_lane(&mut self.fx, link, lane, now);
        }
    }

    /// An append is durable.
    pub(super) fn appended(
        &mut self,
        id: LinkId,
        group: GroupId,
        lane: Lane,
        blobs: Vec<(Digest, Option<Bytes>)>,
        outcome: RelayOutcome,
    ) {
        let RelayOutcome::Appended { before, head, results } = outcome else { return };
        let mut stored = Vec::with_capacity(results.len());
        let mut entries = Vec::with_capacity(results.len());
        let mut refused = None;
        let mut prev = before;
        for ((digest, blob), result) in blobs.into_iter().zip(results) {
            match result {
                Stored::At(cursor) => {
                    self.fx.stats.blobs_stored += 1;
                    stored.push((digest, cursor));
                    entries.push(Entry { prev, cursor, digest, blob });
                    prev = cursor;
                }
                Stored::Duplicate(cursor) => {
                    self.fx.stats.blobs_duplicate += 1;
                    stored.push((digest, cursor));
                }
                Stored::Refused(code) => refused = Some(code),
            }
        }
        self.end_flight(id, lane, refused);
        if let Some(link) = self.links.get_mut(&id) {
            if let (Some(member), [first, .., last] | [first @ last]) = (link.member(), &entries[..]) {
                member.stored(first.cursor, last.cursor);
            }
            if !stored.is_empty() {
                link.send(&mut self.fx, &ToDevice::Pushed { stored });
            }
        }
        if !entries.is_empty() || self.is_news(group, head) {
            self.fx.announce(Announce::Group { group, head });
        }
        self.grown(group, before, head, &entries);
        self.submit(id);
    }

    /// An append did not happen: the disk is full. Nothing of it is acknowledged, and the lane ends so that its order holds (G9).
    pub(super) fn not_appended(&mut self, id: LinkId, lane: Lane) {
        self.end_flight(id, lane, Some(WireCode::DiskFull));
        self.submit(id);
    }

    /// A lane's append has come back. What waits behind a refusal came later on the lane and goes with it.
    fn end_flight(&mut self, id: LinkId, lane: Lane, refused: Option<WireCode>) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let Some(member) = link.member() else { return };
        let state = member.lanes.lane(lane);
        state.flying = false;
        if let (Some(code), true) = (refused, bug!(LaneGoesOn)) {
            return link.refuse(&mut self.fx, code, Request::Push(lane), 0);
        }
        if let Some(code) = refused {
            state.refuse(code, patience(code));
            let dropped = weight(&core::mem::take(&mut state.waiting));
            link.uncommitted -= dropped;
            self.uncommitted -= dropped;
        }
    }
}

fn weight(run: &[(Digest, Bytes)]) -> usize {
    run.iter().map(|(_, blob)| blob.len() + BLOB_WEIGHT).sum()
}

fn submit_lane(fx: &mut Effects, link: &mut Link, lane: Lane, now: UnixMillis) {
    let (id, origin) = (link.id, link.origin);
    let Some(member) = link.member() else { return };
    let (group, access, key) = (member.group, member.access, member.key);
    let state = member.lanes.lane(lane);
    if state.flying {
        return;
    }
    if state.waiting.is_empty() {
        if let End::Due(code, wait) = state.end {
            state.end = End::Told(code, wait);
            link.refuse(fx, code, Request::Push(lane), wait);
        }
        return;
    }
    state.flying = true;
    let rest = if state.waiting.len() > MAX_ENTRIES { state.waiting.split_off(MAX_ENTRIES) } else { Vec::new() };
    let run = core::mem::replace(&mut state.waiting, rest);
    let weight = weight(&run);
    if bug!(AckBeforeCommit) {
        let mut cursor = member.told;
        let mut at = |(digest, _): &(Digest, Bytes)| {
            cursor = cursor.next();
            (*digest, cursor)
        };
        let stored = run.iter().map(&mut at).collect();
        link.send(fx, &ToDevice::Pushed { stored });
    }
    // Blobs that no news will carry are the store's alone.
    let kept = run.iter().map(|(digest, blob)| (*digest, (blob.len() <= MAX_INLINE).then(|| blob.clone()))).collect();
    let append = Append {
        group,
        access,
        link: key,
        origin,
        lane,
        blobs: run,
        now,
        retention: fx.limits.retention,
        group_bytes: fx.limits.group_bytes,
        group_blobs: fx.limits.group_blobs,
        groups_per_day: fx.limits.groups_per_day,
    };
    fx.persist(vec![RelayOp::Append(append)], Consequence::Append { link: id, group, lane, blobs: kept, weight });
}

/// How long a client had better wait after a refusal by the store; zero where waiting does not help.
fn patience(code: WireCode) -> Duration {
    match code {
        WireCode::DiskFull | WireCode::Unavailable => super::ROOM_RETRY,
        WireCode::GroupFull => Duration::from_secs(60),
        WireCode::TooManyGroups => Duration::from_secs(3600),
        _ => Duration::ZERO,
    }
}
