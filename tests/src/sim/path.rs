//! What the network does to the links of one device.
//!
//! Bytes of one direction stay in order and arrive once: that is what a transport promises even on the worst network. Everything
//! else may happen: they come late, in other pieces, slowly, not at all, or changed, and a link may end between any two of them.
//!
//! Limit: what is sent at once arrives in [`MOST_PIECES`] pieces at most, so that a trickle does not turn into a million events.

use bytes::Bytes;
use zerok_core::time::{Duration, Time};

use super::Harm;

/// Most pieces of what was sent at once.
const MOST_PIECES: usize = 48;

/// How a device's bytes travel. The default does nothing to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Path {
    /// What bytes take more than usual to the relay.
    pub up: Duration,
    /// And back.
    pub down: Duration,
    /// Up to so many milliseconds more or less, anew for each piece.
    pub jitter: u32,
    /// Pieces of at most so many bytes; 0 leaves them as they are.
    pub piece: usize,
    /// Milliseconds between pieces.
    pub gap: u32,
    /// Bytes a second; 0 for no bound.
    pub rate: u64,
    /// Nothing moves, and nobody hears of it, until this is taken back.
    pub stalled: bool,
    /// Bytes vanish; links stay.
    pub hole: bool,
    /// The link breaks within the next bytes sent either way.
    pub tear: bool,
    /// One bit of the next bytes sent either way changes.
    pub damage: bool,
    /// Dialling takes so much longer.
    pub dial: Duration,
    /// Nobody listens at the relay's address.
    pub refused: bool,
}

impl Path {
    /// What it does to bytes that arrive in so many pieces.
    pub(super) fn harms(&self, up: bool, pieces: usize) -> impl Iterator<Item = Harm> + use<> {
        let late = (if up { self.up } else { self.down }) > Duration::ZERO;
        let (cut, pauses) = (pieces > 1, self.gap > 0);
        let done = [
            (late, Harm::Late),
            (self.jitter > 0, Harm::Jittered),
            (cut && !pauses, Harm::Cut),
            (cut && pauses, Harm::Trickled),
            (self.rate > 0, Harm::Narrowed),
        ];
        done.into_iter().filter(move |(done, _)| *done && pieces > 0).map(|(_, harm)| harm)
    }

    /// Bytes as they arrive, each piece so long after now.
    pub(super) fn pieces(
        &self,
        dice: &mut u64,
        up: bool,
        clear: &mut Time,
        now: Time,
        bytes: &Bytes,
    ) -> Vec<(Duration, Bytes)> {
        let size = match self.piece {
            0 => bytes.len(),
            piece => piece.max(bytes.len() / MOST_PIECES),
        };
        let mut pieces = Vec::new();
        let mut rest = bytes.clone();
        let mut sent = now;
        while !rest.is_empty() {
            let piece = rest.split_to(size.max(1).min(rest.len()));
            if let Some(micros) = (piece.len() as u64 * 1_000_000).checked_div(self.rate) {
                sent = sent.max(*clear) + Duration::from_micros(micros);
            }
            let jitter = if self.jitter > 0 { roll(dice) % u64::from(self.jitter) } else { 0 };
            let delay = (if up { self.up } else { self.down }) + Duration::from_millis(jitter);
            *clear = (*clear).max(sent + delay);
            pieces.push((clear.since(now), piece));
            *clear = *clear + Duration::from_millis(u64::from(self.gap));
        }
        pieces
    }
}

/// The next number of a world's dice. Not for secrets.
pub(super) fn roll(dice: &mut u64) -> u64 {
    *dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *dice >> 33
}
