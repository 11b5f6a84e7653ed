//! What faults did, and to whom. A slow path is set up in a moment and harms nobody until bytes are late on it: here it is noted when
//! they were.
//!
//! Each harm is noted once between two calls of [`World::harms`], however often it was done.

use std::collections::BTreeSet;

use super::{World, world::Node};

/// Something that went wrong for somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Harm {
    /// Bytes came later than usual.
    Late,
    /// Bytes came after a time of their own.
    Jittered,
    /// Bytes came in pieces.
    Cut,
    /// Bytes came in pieces, with pauses between them.
    Trickled,
    /// Bytes waited for a narrow path.
    Narrowed,
    /// Bytes stood still.
    Stalled,
    /// Bytes vanished.
    Swallowed,
    /// A link broke within what was sent.
    Torn,
    /// A bit changed on the way.
    Damaged,
    /// Nobody listened where a device dialled.
    Refused,
    /// Connecting took long.
    DialledSlowly,
    /// A device lost its link or could not dial for want of a network.
    Offline,
    /// The same, and nobody had a network.
    Partitioned,
    /// A disk took long.
    DiskSlow,
    /// A disk did not answer.
    DiskStalled,
    /// A disk had no room for a batch.
    DiskFull,
    /// A disk failed to write a batch.
    DiskFailed,
    /// A machine was told of a wall clock that had jumped.
    ClockJumped,
    /// A machine was ticked without need.
    Ticked,
    /// What a machine put out was looked at late.
    DrainedLate,
    /// What one machine of a relay announced never reached another.
    Unannounced,
    /// A device was let in by its relay and sent away at once.
    SentAway,
}

impl World {
    /// What went wrong since the last call, and for whom.
    pub fn harms(&mut self) -> BTreeSet<(Node, Harm)> {
        std::mem::take(&mut self.harms)
    }

    pub(super) fn harm(&mut self, node: Node, harm: Harm) {
        if self.is_watched() {
            self.harms.insert((node, harm));
        }
    }

    pub(super) fn harm_device(&mut self, device: usize, harm: Harm) {
        self.harm(Node::Device(device), harm);
    }
}
