use zerok_core::{
    ids::{RelayKey, TransportId},
    machine::Origin,
};

use super::*;

/// Answers after a delay, under a transport id of its own.
struct Way(u8, Duration, Result<(), LinkFailure>);

impl Dialer for Way {
    fn dial(&self, _: &RelayAddress) -> BoxFuture<'static, Result<Opened, LinkFailure>> {
        let Self(name, delay, outcome) = *self;
        Box::pin(async move {
            tokio::time::sleep(delay).await;
            let (io, _there) = tokio::io::duplex(1);
            outcome.map(|()| Opened { io: Box::new(io), transport: TransportId([name; 32]), origin: Origin::default() })
        })
    }
}

async fn dial(ways: Vec<Way>) -> (Result<u8, LinkFailure>, Duration) {
    let dialer = FirstOf(ways.into_iter().map(|way| Arc::new(way) as Arc<dyn Dialer>).collect());
    let start = tokio::time::Instant::now();
    let dialled = dialer.dial(&RelayAddress { key: RelayKey([9; 32]), tcp: Vec::new(), iroh: None }).await;
    (dialled.map(|opened| opened.transport.0[0]), start.elapsed())
}

const MS: fn(u64) -> Duration = Duration::from_millis;

#[tokio::test(start_paused = true)]
async fn the_preferred_way_wins_within_its_head_start() {
    assert_eq!(dial(vec![Way(1, MS(200), Ok(())), Way(2, MS(1), Ok(()))]).await, (Ok(1), MS(200)));
}

#[tokio::test(start_paused = true)]
async fn a_way_that_hangs_costs_one_head_start() {
    assert_eq!(dial(vec![Way(1, MS(60_000), Ok(())), Way(2, MS(5), Ok(()))]).await, (Ok(2), MS(255)));
}

#[tokio::test(start_paused = true)]
async fn a_way_that_fails_at_once_costs_nothing() {
    let ways = vec![Way(1, MS(0), Err(LinkFailure::NoTransport)), Way(2, MS(5), Ok(()))];
    let (won, took) = dial(ways).await;
    assert_eq!(won, Ok(2));
    assert!(took < MS(20), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn the_cause_named_is_one_of_a_way_that_was_tried() {
    let ways = vec![Way(1, MS(0), Err(LinkFailure::Refused)), Way(2, MS(5), Err(LinkFailure::NoTransport))];
    assert_eq!(dial(ways).await.0, Err(LinkFailure::Refused));
    assert_eq!(dial(Vec::new()).await.0, Err(LinkFailure::NoTransport));
}

/// What a dialer's dials take, one after the other.
async fn waits(dialer: &Patient, dials: usize) -> Vec<(Result<(), LinkFailure>, Duration)> {
    let mut waits = Vec::new();
    for _ in 0..dials {
        let start = tokio::time::Instant::now();
        let dialled = dialer.dial(&RelayAddress { key: RelayKey([9; 32]), tcp: Vec::new(), iroh: None }).await;
        waits.push((dialled.map(drop), start.elapsed()));
    }
    waits
}

#[tokio::test(start_paused = true)]
async fn a_first_dial_is_not_waited_for_long_and_later_ones_are_given_more() {
    let dialer = Patient::new(Arc::new(Way(1, MS(60_000), Ok(()))), FIRST_PATIENCE);
    let late = Err(LinkFailure::TimedOut);
    let expected = [(late, MS(3_000)), (late, MS(6_000)), (late, MS(10_000)), (late, MS(10_000))];
    assert_eq!(waits(&dialer, 4).await, expected);
    assert_eq!(waits(&dialer, 40).await.last(), Some(&(late, MS(10_000))), "however often");
}

#[tokio::test(start_paused = true)]
async fn a_slow_path_is_taken_in_the_end_and_a_refusal_is_told_at_once() {
    let slow = Patient::new(Arc::new(Way(1, MS(5_000), Ok(()))), FIRST_PATIENCE);
    let late = Err(LinkFailure::TimedOut);
    // What worked once is given the short time again: the path may be another by then.
    assert_eq!(waits(&slow, 3).await, [(late, MS(3_000)), (Ok(()), MS(5_000)), (late, MS(3_000))]);
    let refused = Err(LinkFailure::Refused);
    let closed = Patient::new(Arc::new(Way(1, MS(5), refused)), FIRST_PATIENCE);
    assert_eq!(waits(&closed, 2).await, [(refused, MS(5)); 2]);
}
