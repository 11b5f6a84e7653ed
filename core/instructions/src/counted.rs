//! The two functions that callgrind counts in, and their twins that it does not.
//!
//! Callgrind finds them by name, so they are never inlined and nothing else is called `counted_`.

use zerok_core::{
    client::{
        Client,
        io::{ClientInput, ClientOutput},
    },
    driver::{Host, Shell},
    machine::{Machine, Misuse},
    relay::{
        Relay,
        io::{RelayInput, RelayOutput},
    },
    time::Time,
};

/// Virtual time stands still: nothing here waits for anything.
const NOW: Time = Time(1_000_000);

/// When it all happens.
pub(crate) const fn now() -> Time {
    NOW
}

/// One input of a device, counted.
#[inline(never)]
fn counted_device(device: &mut Shell<Client>, input: ClientInput, out: &mut Outputs<ClientOutput>) {
    step(device, input, out);
}

/// One input of the relay, counted.
#[inline(never)]
fn counted_relay(relay: &mut Shell<Relay>, input: RelayInput, out: &mut Outputs<RelayOutput>) {
    step(relay, input, out);
}

/// Outputs of one step, in a buffer that is made once.
pub(crate) struct Outputs<O>(pub(crate) Vec<O>);

impl<O> Default for Outputs<O> {
    fn default() -> Self {
        Self(Vec::with_capacity(1024))
    }
}

impl<O> Host<O> for Outputs<O> {
    fn perform(&mut self, output: O) {
        self.0.push(output);
    }
}

/// One input of a device.
pub(crate) fn device(device: &mut Shell<Client>, input: ClientInput, out: &mut Outputs<ClientOutput>, counts: bool) {
    if counts { counted_device(device, input, out) } else { step(device, input, out) }
}

/// One input of the relay.
pub(crate) fn relay(relay: &mut Shell<Relay>, input: RelayInput, out: &mut Outputs<RelayOutput>, counts: bool) {
    if counts { counted_relay(relay, input, out) } else { step(relay, input, out) }
}

fn step<M: Machine>(shell: &mut Shell<M>, input: M::Input, out: &mut Outputs<M::Output>) {
    let misuse: Result<_, Misuse> = shell.step(NOW, input, out);
    // A mistake of this driver's shows in what is not delivered.
    debug_assert!(misuse.is_ok());
}
