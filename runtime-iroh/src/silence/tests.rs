use std::{
    future::poll_fn,
    sync::{Arc, Mutex},
};

use tokio::time::timeout;

use super::*;

/// A connection's counters, moved by hand.
#[derive(Clone)]
struct Counters(Arc<Mutex<Traffic>>);

impl Counters {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Traffic { sent: 0, acknowledged: 0 })))
    }

    fn watched(&self) -> Silence {
        let counters = self.clone();
        Silence::new(move || *counters.0.lock().unwrap())
    }

    fn sends(&self) {
        self.0.lock().unwrap().sent += 1;
    }

    fn hears(&self) {
        self.0.lock().unwrap().acknowledged += 1;
    }
}

/// Whether nobody is there, found out within this time.
async fn is_silent(silence: &mut Silence, within: Duration) -> bool {
    timeout(within, poll_fn(|cx| silence.poll(cx))).await.is_ok()
}

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test(start_paused = true)]
async fn what_was_sent_and_is_not_acknowledged_for_three_seconds_was_sent_to_nobody() {
    let counters = Counters::new();
    let mut silence = counters.watched();
    let begun = Instant::now();
    silence.writing();
    counters.sends();
    assert!(is_silent(&mut silence, HOUR).await);
    assert_eq!(begun.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_link_that_sends_nothing_is_never_silent_and_is_not_looked_at() {
    let counters = Counters::new();
    let mut silence = counters.watched();
    assert!(!is_silent(&mut silence, HOUR).await);
    silence.writing();
    assert!(!is_silent(&mut silence, HOUR).await, "what was written never left");
    assert!(matches!(silence.state, State::Resting), "and nobody looks any more");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_acknowledges_is_there_however_slowly_it_answers() {
    let counters = Counters::new();
    let mut silence = counters.watched();
    for _ in 0..20 {
        silence.writing();
        counters.sends();
        assert!(!is_silent(&mut silence, Duration::from_millis(2_400)).await);
        counters.hears();
    }
    assert!(!is_silent(&mut silence, HOUR).await);
    assert!(matches!(silence.state, State::Resting));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_dies_in_the_middle_of_much_is_noticed_as_soon() {
    let counters = Counters::new();
    let mut silence = counters.watched();
    for _ in 0..10 {
        silence.writing();
        counters.sends();
        counters.hears();
        assert!(!is_silent(&mut silence, Duration::from_millis(400)).await);
    }
    let died = Instant::now();
    silence.writing();
    // The last piece before a look is sent again after it.
    assert!(!is_silent(&mut silence, LOOK).await);
    counters.sends();
    assert!(is_silent(&mut silence, HOUR).await);
    assert!((3..=4).contains(&died.elapsed().as_secs()), "{:?}", died.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_process_that_stood_still_takes_nobody_for_dead() {
    let counters = Counters::new();
    let mut silence = counters.watched();
    silence.writing();
    counters.sends();
    // Stopped for a minute, or suspended: the acknowledgement lies in the socket and is read a moment after the first look.
    tokio::time::advance(Duration::from_secs(60)).await;
    assert!(!is_silent(&mut silence, Duration::from_millis(100)).await);
    counters.hears();
    assert!(!is_silent(&mut silence, HOUR).await);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_waits_hears_of_a_write() {
    let counters = Counters::new();
    let silence = Arc::new(Mutex::new(counters.watched()));
    let reader = Arc::clone(&silence);
    let reading = tokio::spawn(poll_fn(move |cx| reader.lock().unwrap().poll(cx)));
    tokio::task::yield_now().await;
    silence.lock().unwrap().writing();
    counters.sends();
    assert!(timeout(HOUR, reading).await.is_ok());
}
