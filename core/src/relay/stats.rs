//! What a relay machine counts, for metrics and tests. Never ids, addresses or anything else that tells groups apart.

use std::collections::BTreeMap;

use crate::wire::message::WireCode;

/// Counters of one relay machine since it started, and three gauges. Reading them costs nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RelayStats {
    /// Gauge: links that are open.
    pub links: usize,
    /// Gauge: links that have not proven that their peer is live.
    pub half_open: usize,
    /// Gauge: groups with a link on this machine.
    pub groups: usize,
    /// Links whose peer proved that it is live.
    pub handshakes_ok: u64,
    /// Links that ended before that, for whatever reason.
    pub handshakes_failed: u64,
    /// Links that were closed at once for a cap or a rate.
    pub links_refused: u64,
    /// Links closed because the peer broke the protocol.
    pub misbehaved: u64,
    /// Blobs stored.
    pub blobs_stored: u64,
    /// Blobs that were known already.
    pub blobs_duplicate: u64,
    /// Pushes, pulls and mailbox requests refused, by code.
    pub refused: BTreeMap<WireCode, u64>,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes handed out to be sent.
    pub bytes_out: u64,
    /// Pages sent, those of second flights included.
    pub pages: u64,
    /// News sent.
    pub news: u64,
    /// Mailboxes opened or claimed.
    pub mailboxes: u64,
    /// Messages left in mailboxes.
    pub mailbox_messages: u64,
    /// Sweeps done.
    pub sweeps: u64,
    /// Times the store reported that it is full.
    pub store_full: u64,
    /// Inputs about links that had ended, or that came after the stop.
    pub stale_inputs: u64,
}

impl RelayStats {
    /// Counts one refusal.
    pub(super) fn refuse(&mut self, code: WireCode) {
        *self.refused.entry(code).or_default() += 1;
    }
}
