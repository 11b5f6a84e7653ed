//! What every driver shares: feed a machine, drain it, learn when to wake it.
//!
//! A driver for a new runtime supplies a [`Host`] and a byte pump. Its contract, D1 to D9, is in docs/writing-a-driver.md; the
//! two lines that matter most: drain after each input without awaiting in between, and sleep no longer than the deadline.

use crate::{
    machine::{Machine, Misuse},
    time::Time,
};

/// Where outputs go. Never blocks and never fails: queue the effect and report what becomes of it as a later input.
pub trait Host<O> {
    /// Starts one effect.
    fn perform(&mut self, output: O);
}

/// A machine and the loop around it.
#[derive(Debug)]
pub struct Shell<M> {
    machine: M,
}

impl<M: Machine> Shell<M> {
    /// Wraps a machine.
    pub fn new(machine: M) -> Self {
        Self { machine }
    }

    /// Handles one input, hands every output to the host, and answers when to call again at the latest.
    ///
    /// # Errors
    /// [`Misuse`] when the driver made a mistake; the input was ignored, the outputs were still drained.
    pub fn step(
        &mut self,
        now: Time,
        input: M::Input,
        host: &mut impl Host<M::Output>,
    ) -> Result<Option<Time>, Misuse> {
        let handled = self.machine.handle(now, input);
        while let Some(output) = self.machine.poll() {
            host.perform(output);
        }
        handled.map(|()| self.machine.deadline())
    }

    /// The machine, to look at.
    pub fn machine(&self) -> &M {
        &self.machine
    }
}
