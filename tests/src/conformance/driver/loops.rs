//! D1, D2, D3, D7, D8: the loop around the machine, its clock, its seed.

use std::{io::Read, thread, time::Instant};

use zerok_core::time::Duration;

use super::{
    Driver, MOMENT,
    probe::{Heard, Trial},
};

/// Ticks without a reason that are no spinning.
const FEW: usize = 20;
/// A deadline is met within this even on a busy machine; less than the minute after which some drivers look anyway.
const SOON: Duration = Duration::from_secs(30);

/// D1: whoever calls, the machine hears it in one place.
pub fn d1_signals_from_many_threads_reach_one_machine_each_once<D: Driver>() {
    let mut trial = Trial::<D>::new();
    thread::scope(|scope| {
        for _ in 0..8 {
            let driven = trial.driven.as_deref().unwrap();
            scope.spawn(move || (0..50).for_each(|_| driven.poke()));
        }
    });
    trial.wait("every signal is heard", |state| (state.count(Heard::Signal) == 400).then_some(()));
    trial.end();
}

/// D2.
pub fn d2_everything_is_drained_also_when_the_input_was_refused<D: Driver>() {
    let mut trial = Trial::<D>::new();
    let batches: Vec<_> = (0..50).map(|_| trial.persist()).collect();
    trial.set(|state| state.refuse = true);
    trial.say(batches);
    trial.wait("all fifty are done", |state| (state.durable.len() == 50).then_some(()));
    trial.settle();
    trial.end();
}

/// D3.
pub fn d3_the_machine_is_woken_at_its_deadline_and_is_not_spun<D: Driver>() {
    let mut trial = Trial::<D>::new();
    trial.settle();
    let ticks = |trial: &Trial<D>| trial.set(|state| state.count(Heard::Tick) + state.count(Heard::Other));
    let before = ticks(&trial);
    let began = Instant::now();
    trial.wake(Some(Duration::from_millis(60)));
    let due = trial.wait("a deadline is set", |state| state.deadline);
    // The probe forgets a deadline only when it is told a time that has reached it.
    let woken = trial.wait("it is woken", |state| state.deadline.is_none().then(|| state.heard.last().copied()));
    // By a tick, or by the wall clock, which is as good.
    let right = |(at, heard)| at >= due && matches!(heard, Heard::Tick | Heard::Other);
    assert!(woken.is_some_and(right), "due at {due:?}, woken by {woken:?}");
    assert!(began.elapsed() < SOON, "it sleeps too long");
    assert!(ticks(&trial) - before <= FEW, "it spins before its deadline");
    let after = ticks(&trial);
    thread::sleep(MOMENT);
    assert!(ticks(&trial) - after <= FEW, "it spins without a deadline");
    trial.end();
}

/// D3: a sleep does not outlast a change of the deadline.
pub fn d3_a_deadline_that_comes_nearer_or_goes_is_followed<D: Driver>() {
    let mut trial = Trial::<D>::new();
    trial.wake(Some(Duration::from_secs(3600)));
    trial.settle();
    let began = Instant::now();
    trial.wake(Some(Duration::from_millis(10)));
    trial.settle();
    trial.wait("the nearer one is kept", |state| state.deadline.is_none().then_some(()));
    assert!(began.elapsed() < SOON, "it sleeps on");
    trial.wake(Some(Duration::from_millis(20)));
    trial.wake(None);
    trial.settle();
    let ticks = |trial: &Trial<D>| trial.set(|state| state.count(Heard::Tick) + state.count(Heard::Other));
    let before = ticks(&trial);
    thread::sleep(MOMENT);
    assert!(ticks(&trial) - before <= FEW, "it is woken for nothing");
    trial.end();
}

/// D7, as far as a machine that does not sleep can tell.
pub fn d7_time_never_goes_back_and_passes_as_outside<D: Driver>() {
    let mut trial = Trial::<D>::new();
    trial.settle();
    let first = trial.set(|state| state.heard.last().unwrap().0);
    let began = Instant::now();
    thread::sleep(MOMENT);
    let at_least = began.elapsed();
    trial.settle();
    let last = trial.set(|state| state.heard.last().unwrap().0);
    let passed = last.since(first);
    // The two moments are not quite the same inside and outside; ten milliseconds are far more than that.
    assert!(passed + Duration::from_millis(10) >= at_least, "{passed:?} of {at_least:?}");
    for _ in 0..200 {
        trial.settle();
    }
    trial.end();
}

/// D8: two devices of one driver on fresh stores say different things from their first random byte on.
pub fn d8_no_two_machines_have_one_seed<D: Driver>() {
    let mut first_flights = Vec::new();
    for _ in 0..3 {
        let mut driver = D::new();
        let device = driver.device(&driver.address());
        let mut flight = [0; 64];
        driver.accept().read_exact(&mut flight).expect("a first flight");
        drop(device);
        first_flights.push(flight);
    }
    for (index, flight) in first_flights.iter().enumerate() {
        // The first bytes name the protocol and are always the same; an ephemeral key follows.
        let others = first_flights.iter().skip(index + 1);
        assert!(others.into_iter().all(|other| other[32..] != flight[32..]), "the same randomness twice");
    }
}
