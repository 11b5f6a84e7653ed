//! Who has acknowledged what, written down in batches.
//!
//! What a member acknowledged steers only which blobs go first when a group's quota runs out, and whether a device counts as seen
//! lately. Losing the last seconds of it in a crash costs nothing but a little room, so acknowledgements are gathered for
//! [`SEEN_EVERY`] and written together: one batch for all links, instead of a commit for each.
//!
//! Invariants: at most one operation per member and interval; what is gathered is written before the machine stops; nothing is
//! gathered for a link that has not proven itself.

use crate::{
    ids::{Cursor, GroupId, LinkId, LinkKey},
    relay::{
        Relay,
        effects::{Consequence, Timer},
        link::Link,
        store::RelayOp,
    },
    time::Duration,
};

/// How long acknowledgements are gathered.
pub(super) const SEEN_EVERY: Duration = Duration::from_secs(5);
/// Most operations of one batch, so that it does not hold up the appends behind it.
const SEEN_BATCH: usize = 512;

impl Relay {
    /// A link has processed the log up to here. Never beyond what it was told of: a page it cannot have seen is not acknowledged.
    pub(super) fn acknowledge(&mut self, id: LinkId, cursor: Cursor) {
        let Some(member) = self.links.get_mut(&id).and_then(Link::member) else { return };
        let cursor = cursor.min(member.told);
        if member.nudged.is_some_and(|nudged| nudged <= cursor) {
            member.nudged = None;
        }
        let (group, key) = (member.group, member.key);
        self.see(group, key, cursor);
        self.nudge(id);
    }

    /// A member was here.
    pub(super) fn see(&mut self, group: GroupId, key: LinkKey, cursor: Cursor) {
        let seen = self.seen.entry((group, key)).or_default();
        *seen = cursor.max(*seen);
        self.fx.timers.start(Timer::Seen, self.fx.now + SEEN_EVERY);
    }

    /// Writes down what was gathered.
    pub(super) fn write_seen(&mut self) {
        let now = self.wall();
        let seen: Vec<_> = core::mem::take(&mut self.seen).into_iter().map(|((g, l), c)| (g, l, c)).collect();
        for seen in seen.chunks(SEEN_BATCH) {
            let op = |&(group, link, acked): &(GroupId, LinkKey, Cursor)| RelayOp::Seen { group, link, acked, now };
            self.fx.persist(seen.iter().map(op).collect(), Consequence::Seen(seen.to_vec()));
        }
        self.fx.timers.cancel(Timer::Seen);
    }
}
