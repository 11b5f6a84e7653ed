//! D1 to D9 as tests of a whole driver: its loop, its byte pump, its dialling, its way of running a store.
//!
//! The machine on trial is a [`Probe`]: it says what a test tells it to say, and notes what it hears. The other end of a link is a
//! [`Peer`] in the hands of the test. Time is real here, as in every driver, so nothing depends on how fast anything is; what must
//! *not* happen is given [`MOMENT`] to happen.
//!
//! # Layout
//! `probe`: the machine, its store and the test's hold on both. `loops`: D1, D2, D3, D7, D8. `links`: D4 and D5. `stores`: D6 and D9.

mod links;
mod loops;
mod probe;
mod stores;

use std::{
    any::Any,
    io::{Read, Write},
    time::Duration,
};

use zerok_core::address::RelayAddress;

pub use links::*;
pub use loops::*;
pub use probe::{Probe, ProbeStore};
pub use stores::*;

/// How long anything may take that must happen, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How long what must not happen is given.
pub const MOMENT: Duration = Duration::from_millis(150);

/// A driver of client machines, as the suite meets it.
pub trait Driver: Sized {
    /// The other end of its links.
    type Peer: Peer;
    /// How often the test of reconnects dials.
    const RECONNECTS: usize = 1000;

    /// A driver, and a place that it can dial.
    fn new() -> Self;

    /// The place.
    fn address(&self) -> RelayAddress;

    /// The next link that was dialled to the place. Waits for it, but not for ever.
    fn accept(&mut self) -> Self::Peer;

    /// An address where nobody answers.
    fn nowhere(&self) -> RelayAddress;

    /// Starts to drive this machine over this store.
    fn drive(&self, machine: Probe, store: ProbeStore) -> Box<dyn Driven>;

    /// Starts a device of its own, as for an application, with whatever seed the driver gives it. It dials this relay at once, and
    /// ends when what is answered is dropped.
    fn device(&self, relay: &RelayAddress) -> Box<dyn Any>;
}

/// A driver at work.
pub trait Driven: Send + Sync {
    /// Gives the machine any one signal of the platform, except that the application closes.
    fn poke(&self);

    /// Tells it that the application closes, and waits until the driver has ended. The probe answers with the end.
    fn end(self: Box<Self>);
}

/// The other end of a link. Reads and writes wait, but not for ever.
pub trait Peer: Read + Write + Send + 'static {
    /// Says that nothing more will be written.
    fn finish(&mut self);
}

/// Runs a suite's tests for one driver.
#[macro_export]
macro_rules! driver_suite {
    ($driver:ty) => {
        $crate::conformance_tests! { driver, $driver:
            d1_signals_from_many_threads_reach_one_machine_each_once
            d2_everything_is_drained_also_when_the_input_was_refused
            d3_the_machine_is_woken_at_its_deadline_and_is_not_spun
            d3_a_deadline_that_comes_nearer_or_goes_is_followed
            d4_bytes_keep_their_order_both_ways_and_written_sums_up
            d4_a_byte_at_a_time_arrives_like_any_other
            d4_a_close_writes_out_what_was_queued_and_ends_the_link_once
            d4_the_peers_end_comes_after_its_bytes_and_once
            d4_a_peer_that_vanishes_in_the_middle_ends_the_link_once
            d4_a_failed_dial_ends_in_one_open_failed
            d4_a_dial_that_is_closed_at_once_ends_once
            d4_many_reconnects_each_end_once
            d4_bytes_for_a_link_that_is_over_harm_no_other
            d5_a_peer_that_never_reads_is_still_read_from
            d5_floods_in_both_directions_pass_each_other
            d5_peers_that_never_read_keep_nobody_from_being_heard
            d5_a_close_towards_a_peer_that_never_reads_ends_all_the_same
            d5_reading_stops_and_goes_on_when_asked
            d6_batches_and_loads_keep_their_order_and_are_answered_when_durable
            d6_a_stalled_store_holds_up_nothing_else
            d6_after_full_everything_is_refused_until_the_store_is_opened_again
            d6_after_a_failed_write_nothing_succeeds_any_more
            d7_time_never_goes_back_and_passes_as_outside
            d8_no_two_machines_have_one_seed
            d9_the_stores_answers_pass_every_byte_that_waits
            d9_a_busy_machine_slows_its_peers_down
            d9_an_end_in_the_middle_of_writing_leaves_nobody_waiting
        }
    };
}
