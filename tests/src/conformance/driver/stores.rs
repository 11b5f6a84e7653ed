//! D6 and D9: how a driver runs a store, and what waits for what.

use std::{
    io::{Read, Write},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use zerok_core::{client::store::ClientQuery, machine::StoreFailure};

use super::{
    Driver, MOMENT,
    probe::{Gate, Heard, Trial},
};

/// D6.
pub fn d6_batches_and_loads_keep_their_order_and_are_answered_when_durable<D: Driver>() {
    let mut trial = Trial::<D>::new();
    trial.set(|state| state.gate = Gate::Held);
    let mut outputs = Vec::new();
    for number in 1..=100 {
        outputs.push(trial.persist());
        if number % 25 == 0 {
            outputs.push(trial.load(ClientQuery::Outbox(Vec::new())));
        }
    }
    trial.say(outputs);
    trial.wait("the store begins", |state| (!state.begun.is_empty()).then_some(()));
    thread::sleep(MOMENT);
    trial.settle();
    assert_eq!(trial.set(|state| state.answers()), [], "answered before it was durable");
    trial.set(|state| state.gate = Gate::Open);
    let answers = trial.wait("everything is answered", |state| {
        let answers = state.answers();
        (answers.contains(&Heard::Loaded(4, 100)) && answers.contains(&Heard::Persisted(100))).then_some(answers)
    });
    let loads: Vec<_> = answers.iter().filter(|heard| matches!(heard, Heard::Loaded(..))).collect();
    assert_eq!(
        loads,
        [&Heard::Loaded(1, 25), &Heard::Loaded(2, 50), &Heard::Loaded(3, 75), &Heard::Loaded(4, 100)],
        "a load sees what was said before it and nothing of what was said after"
    );
    let mut acknowledged = 0;
    for answer in answers {
        match answer {
            Heard::Persisted(batch) => {
                assert!(batch > acknowledged, "{batch} after {acknowledged}");
                acknowledged = batch;
            }
            // Cumulative answers may come late, not later than a load behind them.
            Heard::Loaded(_, newest) => assert_eq!(newest, acknowledged),
            other => panic!("{other:?}"),
        }
    }
    assert!(trial.set(|state| state.durable.iter().copied().eq(1..=100)));
    trial.end();
}

/// D9: no disk is so slow that links wait for it.
pub fn d6_a_stalled_store_holds_up_nothing_else<D: Driver>() {
    let mut trial = Trial::<D>::new();
    trial.set(|state| state.gate = Gate::Held);
    let batches: Vec<_> = (0..50).map(|_| trial.persist()).collect();
    trial.say(batches);
    let (link, mut peer) = trial.connect();
    trial.transmit(link, &b"meanwhile"[..]);
    let mut read = [0; 9];
    peer.read_exact(&mut read).unwrap();
    assert_eq!(&read, b"meanwhile");
    trial.set(|state| state.gate = Gate::Open);
    trial.wait("the store goes on", |state| state.answers().contains(&Heard::Persisted(50)).then_some(()));
    trial.end();
}

/// D6: a later, smaller batch would leave a hole.
pub fn d6_after_full_everything_is_refused_until_the_store_is_opened_again<D: Driver>() {
    let mut trial = Trial::<D>::new();
    let first = trial.persist();
    trial.say([first]);
    trial.wait("the first fits", |state| state.answers().contains(&Heard::Persisted(1)).then_some(()));
    trial.set(|state| state.gate = Gate::Fails(StoreFailure::Full));
    let second = trial.persist();
    trial.say([second]);
    let refused = |batch| Heard::PersistFailed(batch, StoreFailure::Full);
    trial.wait("the second does not", |state| state.answers().contains(&refused(2)).then_some(()));
    trial.set(|state| state.gate = Gate::Open);
    let outputs =
        [trial.persist(), trial.load(ClientQuery::Outbox(Vec::new())), trial.load(ClientQuery::Open), trial.persist()];
    trial.say(outputs);
    trial.wait("it goes on after having been opened", |state| {
        state.answers().contains(&Heard::Persisted(4)).then_some(())
    });
    let answers = trial.set(|state| state.answers());
    assert_eq!(answers, [Heard::Persisted(1), refused(2), refused(3), Heard::Loaded(1, 1), Heard::Persisted(4)]);
    assert_eq!(trial.set(|state| state.durable.clone()), [1, 4]);
    trial.end();
}

/// D6: what is on disk after a failed sync is unknown, so nothing may build on it.
pub fn d6_after_a_failed_write_nothing_succeeds_any_more<D: Driver>() {
    let mut trial = Trial::<D>::new();
    trial.set(|state| state.gate = Gate::Fails(StoreFailure::Io));
    let first = trial.persist();
    trial.say([first]);
    let failed = |batch| Heard::PersistFailed(batch, StoreFailure::Io);
    trial.wait("the first fails", |state| state.answers().contains(&failed(1)).then_some(()));
    trial.set(|state| state.gate = Gate::Open);
    let outputs = [trial.load(ClientQuery::Open), trial.persist()];
    trial.say(outputs);
    trial.wait("the second fails too", |state| state.answers().contains(&failed(2)).then_some(()));
    assert_eq!(trial.set(|state| state.durable.clone()), []);
    trial.end();
}

/// D9.
pub fn d9_the_stores_answers_pass_every_byte_that_waits<D: Driver>() {
    let mut trial = Trial::<D>::new();
    let links: Vec<_> = (0..8).map(|_| trial.connect()).collect();
    trial.set(|state| state.gate = Gate::Held);
    let first = trial.persist();
    trial.say([first]);
    trial.wait("the store begins", |state| (state.begun == [1]).then_some(()));
    let second = trial.persist();
    trial.say([second]);
    trial.settle();
    trial.set(|state| state.busy = true);
    let flood: Vec<_> = links
        .into_iter()
        .map(|(_, mut peer)| {
            thread::spawn(move || {
                // In pieces, so that there are many inputs and not one.
                for _ in 0..200 {
                    if peer.write_all(&[7; 4096]).and_then(|()| peer.flush()).is_err() {
                        break;
                    }
                }
                peer
            })
        })
        .collect();
    thread::sleep(MOMENT);
    let before = trial.set(|state| {
        state.gate = Gate::Open;
        state.heard.len()
    });
    // It begins with the second batch after it has answered for the first.
    trial.wait("the store has answered", |state| (state.begun == [1, 2]).then_some(()));
    trial.set(|state| state.busy = false);
    let passed_by = trial.wait("the answer is heard", |state| {
        state.heard[before..].iter().position(|(_, heard)| matches!(heard, Heard::Persisted(_)))
    });
    // One input was in the machine's hands, and one may have been taken out for it.
    assert!(passed_by <= 2, "{passed_by} inputs went before it");
    for flood in flood {
        drop(flood.join().unwrap());
    }
    trial.end();
}

/// D9: the channel of the links is bounded, and that is felt by whoever fills it.
pub fn d9_a_busy_machine_slows_its_peers_down<D: Driver>() {
    const LOTS: usize = 128 << 20;
    let mut trial = Trial::<D>::new();
    let (link, mut peer) = trial.connect();
    trial.settle();
    trial.set(|state| state.busy = true);
    let taken = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&taken);
    let writing = thread::spawn(move || {
        let piece = vec![7; 64 << 10];
        while counting.load(Ordering::Relaxed) < LOTS && peer.write_all(&piece).is_ok() {
            counting.fetch_add(piece.len(), Ordering::Relaxed);
        }
    });
    let mut before = usize::MAX;
    while before != taken.load(Ordering::Relaxed) {
        before = taken.load(Ordering::Relaxed);
        thread::sleep(MOMENT * 2);
    }
    assert!(before < LOTS, "{before} bytes were taken from a peer whom nobody hears");
    trial.set(|state| state.busy = false);
    // It goes on as soon as somebody listens.
    trial.received(link, before.min(1 << 20));
    trial.wait("the peer goes on", |_| (taken.load(Ordering::Relaxed) > before || before == 0).then_some(()));
    trial.close(link);
    trial.ended(link);
    writing.join().unwrap();
    trial.end();
}

/// After `Stopped` the driver leaves, whatever is under way, and what was said is written out.
pub fn d9_an_end_in_the_middle_of_writing_leaves_nobody_waiting<D: Driver>() {
    let mut trial = Trial::<D>::new();
    let (link, mut peer) = trial.connect();
    let (stuck, never_reads) = trial.connect();
    let nowhere = trial.driver.nowhere();
    trial.dial(&nowhere);
    trial.transmit(stuck, vec![1; 8 << 20]);
    let batches: Vec<_> = (0..10).map(|_| trial.persist()).collect();
    trial.say(batches);
    trial.transmit(link, vec![9; 100_000]);
    trial.settle();
    let reading = thread::spawn(move || {
        let mut read = Vec::new();
        let _end = peer.read_to_end(&mut read);
        read
    });
    trial.end();
    assert_eq!(trial.set(|state| state.durable.len()), 10, "what the machine gave to the store is kept");
    assert!(reading.join().unwrap() == vec![9; 100_000], "what it said is written out");
    drop(never_reads);
}
