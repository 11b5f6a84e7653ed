//! What the store of a relay promises, whatever it is made of.
//!
//! # Layout
//! `log`: appending and reading. `expiry`: retention and clocks. `mailboxes`: pairing. `room`: quotas and a full disk. What is to be
//! told of a store in particular, such as what it does to a damaged file or to a killed process, is for its own tests.

#![allow(missing_docs, reason = "the names of these tests are sentences")]

mod expiry;
mod log;
mod mailboxes;
mod room;

use bytes::Bytes;
use zerok_core::{
    ids::{AccessKey, BatchId, Cursor, Digest, GroupId, Lane, LinkKey, LoadId, MailboxId, Tag},
    machine::{Origin, StoreFailure, StoreInput},
    relay::store::{
        Append, LogPage, PageQuery, RelayAnswer, RelayOp, RelayOutcome, RelayQuery, RelayStore, Side, Stored,
    },
    time::{Duration, UnixMillis},
    wire::message::WireCode,
};

pub use expiry::*;
pub use log::*;
pub use mailboxes::*;
pub use room::*;

/// Some day in 2026.
pub const NOON: u64 = 1_780_000_000_000;
pub const HOUR: u64 = 3_600_000;
pub const DAYS: u64 = 24 * HOUR;

/// A relay's store on trial, as its machine number 0 meets it; what else it offers is built from that.
pub trait RelayTrial: Sized {
    /// An empty one.
    fn new() -> Self;
    /// An empty one that is full after about so many bytes.
    fn with_room(bytes: u64) -> Self;
    /// Closes and opens again.
    fn reopen(self) -> Self;
    /// Queues a batch, with the next number of that machine.
    fn submit(&mut self, machine: usize, ops: Vec<RelayOp>) -> BatchId;
    /// Queues a load, with the next number of that machine.
    fn ask(&mut self, machine: usize, query: RelayQuery) -> LoadId;
    /// The next answer. Waits for it, but not for ever.
    fn answer(&mut self, machine: usize) -> StoreInput<RelayStore>;

    fn try_persist(&mut self, ops: Vec<RelayOp>) -> Result<Vec<RelayOutcome>, StoreFailure> {
        let sent = self.submit(0, ops);
        match self.answer(0) {
            StoreInput::Persisted { batch, outcomes } if batch == sent => Ok(outcomes),
            StoreInput::PersistFailed { batch, failure } if batch == sent => Err(failure),
            other => panic!("not an answer to {sent:?}: {other:?}"),
        }
    }

    fn persist(&mut self, ops: Vec<RelayOp>) -> Vec<RelayOutcome> {
        self.try_persist(ops).expect("the batch is committed")
    }

    fn load(&mut self, query: RelayQuery) -> RelayAnswer {
        let sent = self.ask(0, query);
        match self.answer(0) {
            StoreInput::Loaded { load, answer } if load == sent => answer.expect("the load is answered"),
            other => panic!("not an answer to {sent:?}: {other:?}"),
        }
    }

    fn append(&mut self, run: Append) -> Vec<Stored> {
        match &self.persist(vec![RelayOp::Append(run)])[..] {
            [RelayOutcome::Appended { results, .. }] => results.clone(),
            other => panic!("not an append's outcome: {other:?}"),
        }
    }

    fn page(&mut self, group: u8, page: PageQuery) -> LogPage {
        match self.load(RelayQuery::Page { group: group_id(group), page }) {
            RelayAnswer::Page(page) => page,
            other => panic!("not a page: {other:?}"),
        }
    }

    /// The cursors of everything after `after`.
    fn cursors(&mut self, group: u8, after: u64) -> Vec<u64> {
        self.page(group, all_after(after)).entries.iter().map(|(cursor, _)| cursor.0).collect()
    }

    fn sweep(&mut self, now: u64, clamp: Duration) -> Vec<(GroupId, Cursor)> {
        match &self.persist(vec![RelayOp::Sweep { now: UnixMillis(now), clamp }])[..] {
            [RelayOutcome::Swept(moved)] => moved.clone(),
            other => panic!("not a sweep's outcome: {other:?}"),
        }
    }

    fn mailbox(&mut self, op: RelayOp) -> Result<(), WireCode> {
        match self.persist(vec![op])[..] {
            [RelayOutcome::Mailbox(verdict)] => verdict,
            ref other => panic!("not a mailbox outcome: {other:?}"),
        }
    }
}

pub fn group_id(n: u8) -> GroupId {
    GroupId([n; 32])
}

pub fn link(n: u8) -> LinkKey {
    LinkKey([n; 32])
}

/// A blob that no other number has.
pub fn blob(n: u64, len: usize) -> Bytes {
    let mut body = vec![0xb1; len.max(8)];
    body[..8].copy_from_slice(&n.to_le_bytes());
    body.into()
}

pub fn run(group: u8, blobs: impl IntoIterator<Item = Bytes>) -> Append {
    Append {
        group: group_id(group),
        access: AccessKey([group; 32]),
        link: link(1),
        origin: Origin([4, 192, 0, 2, 0, 0, 0, 0]),
        lane: Lane::Data,
        blobs: blobs.into_iter().map(|body| (Digest::of(&body), body)).collect(),
        now: UnixMillis(NOON),
        retention: Duration::from_secs(30 * 24 * 3600),
        group_bytes: 1 << 30,
        group_blobs: 1_000_000,
        groups_per_day: 256,
    }
}

pub fn at(cursor: u64) -> Stored {
    Stored::At(Cursor(cursor))
}

pub fn duplicate(cursor: u64) -> Stored {
    Stored::Duplicate(Cursor(cursor))
}

pub fn all_after(after: u64) -> PageQuery {
    PageQuery { after: Cursor(after), tag: Tag::default(), max_bytes: u32::MAX, at_least_one: true }
}

pub fn mailbox_id(n: u8) -> MailboxId {
    MailboxId([n; 16])
}

pub fn seen(group: u8, by: u8, acked: u64, now: u64) -> RelayOp {
    RelayOp::Seen { group: group_id(group), link: link(by), acked: Cursor(acked), now: UnixMillis(now) }
}

pub fn send(id: u8, side: Side, body: &'static [u8], now: u64) -> RelayOp {
    RelayOp::SendMailbox { id: mailbox_id(id), side, body: Bytes::from_static(body), now: UnixMillis(now) }
}

/// Runs a suite's tests for one relay store.
#[macro_export]
macro_rules! relay_store_suite {
    ($trial:ty) => {
        $crate::conformance_tests! { relay_store, $trial:
            g12_cursors_count_up_without_holes_per_group
            g12_a_blob_pushed_again_has_its_first_cursor_and_takes_none
            an_append_reports_the_head_before_and_after_it_within_one_batch
            a_batch_reports_one_outcome_for_each_operation_that_reports_any
            two_runs_of_one_commit_see_each_other
            a_load_sees_every_batch_its_machine_submitted_before_it
            pages_are_cut_by_bytes_and_hold_one_blob_only_if_asked_to
            a_page_carries_the_bytes_as_pushed_and_says_head_and_floor
            an_unknown_group_is_an_empty_page_with_head_zero
            a12_a_wrong_tag_or_a_place_beyond_the_head_is_a_reset
            welcome_names_what_this_link_stored_last_and_nobody_elses
            a_duplicate_does_not_change_what_a_link_stored_last
            everything_survives_a_reopen
            blobs_expire_after_their_retention_and_the_floor_says_so
            the_tag_at_the_floor_outlives_its_blob_and_below_it_nothing_is_compared
            a_blob_is_known_until_it_expires_and_new_after_that
            expiry_gives_back_what_the_quota_counted
            g13_a_clock_that_jumps_ten_years_expires_an_hour_a_sweep
            g13_a_clock_set_back_shortens_no_retention_and_stops_no_expiry
            g13_blobs_stored_under_a_clock_ten_years_ahead_go_with_their_successors
            the_expiry_clock_survives_a_restart
            messages_reach_the_other_side_in_order_and_from_where_it_left_off
            b5_a_mailbox_is_claimed_once_and_the_same_joiner_may_come_back
            b5_a_claim_closes_the_other_half_of_the_invite_for_good
            b6_unknown_closed_and_expired_answer_alike
            a_last_word_before_the_end_can_still_be_read
            nobody_writes_as_a_joiner_before_a_claim
            b10_a_side_sends_a_bounded_number_of_bounded_messages
            g5_large_blobs_leave_the_last_twentieth_to_small_ones_and_to_the_control_lane
            g5_a_quota_of_blobs_holds_whatever_their_size
            a_run_stops_at_its_first_refusal_even_where_the_rest_would_fit
            g5_a_full_group_still_answers_duplicates_and_pulls_and_leaves_others_alone
            g9_a_full_store_acknowledges_nothing_and_still_serves_and_deletes
            what_a_failed_batch_pushed_is_not_remembered
        }
    };
}
