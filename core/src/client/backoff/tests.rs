use super::*;
use crate::rng::Seed;

/// When each of a thousand clients dials that lost its relay at the same moment, for so many attempts in vain.
fn dials(attempts: usize) -> Vec<Vec<Time>> {
    let client = |number: u16| {
        let mut seed = [1; 32];
        seed[..2].copy_from_slice(&number.to_le_bytes());
        let (mut draw, mut backoff, mut now) = (Seed::new(seed).draw("jitter"), Backoff::default(), Time(0));
        let attempt = |_| {
            backoff.failed(now, Duration::ZERO, &mut draw);
            now = backoff.until(now).expect("it waits");
            now
        };
        (0..attempts).map(attempt).collect()
    };
    (0..1000).map(client).collect()
}

#[test]
fn e9_a_thousand_clients_that_lose_their_relay_at_once_come_back_spread_over_the_jitter() {
    let dials = dials(8);
    for attempt in 0..8 {
        let mut tenths = std::collections::BTreeMap::new();
        for client in &dials {
            *tenths.entry(client[attempt].0 / 100_000).or_insert(0) += 1;
        }
        // Five seconds have fifty tenths: twenty clients in each, were they spread evenly.
        let most = tenths.values().max().copied().unwrap_or_default();
        assert!(most <= 45, "attempt {attempt}: {most} of a thousand within a tenth of a second");
        assert!(tenths.len() >= 50, "attempt {attempt}: all within {} tenths", tenths.len());
    }
}
