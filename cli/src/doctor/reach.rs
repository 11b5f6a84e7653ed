//! The relay: does anything answer, on which transport, and is it the relay whose key this device knows?

use std::time::{Duration, Instant};

use tokio::time::timeout;
use zerok_core::{address::RelayAddress, error::Code, machine::LinkFailure};

use super::{redact::Redact, report::Check};
use crate::{
    dialer::Way,
    exit::{Failure, Outcome},
};

/// Dials each place of the address by itself. Whether any answered.
pub(crate) async fn transports(
    ways: &[Way],
    relay: &RelayAddress,
    patience: Duration,
    redact: &Redact,
    checks: &mut Vec<Check>,
) -> bool {
    let mut answered = false;
    let mut tried = false;
    for (place, target) in places(relay, redact) {
        for way in ways {
            let begun = Instant::now();
            let dialled = timeout(patience, way.dialer.dial(&target)).await.unwrap_or(Err(LinkFailure::TimedOut));
            tried |= !matches!(dialled, Err(LinkFailure::NoTransport));
            answered |= dialled.is_ok();
            checks.push(match dialled {
                Ok(_opened) => {
                    let took = begun.elapsed().as_millis();
                    Check::fine("transport", format!("{place} answers over {} after {took} ms.", way.name))
                }
                Err(LinkFailure::NoTransport) => continue,
                Err(failure) => Check::problem("transport", Code::Offline, format!("{place}: {}", cause(failure))),
            });
        }
    }
    if !tried {
        checks.push(Check::problem(
            "transport",
            Code::NoRelay,
            "The relay's address names no transport that this build has.",
        ));
    }
    // One way that works is enough.
    if answered {
        for check in checks.iter_mut().filter(|check| check.check == "transport") {
            check.relax();
        }
    }
    answered
}

/// Each place of an address as an address of its own.
fn places(relay: &RelayAddress, redact: &Redact) -> Vec<(String, RelayAddress)> {
    let only = |tcp: Vec<String>, iroh| RelayAddress { key: relay.key, tcp, iroh };
    let mut places: Vec<_> =
        relay.tcp.iter().map(|entry| (redact.host(entry), only(vec![entry.clone()], None))).collect();
    if relay.iroh.is_some() {
        places.push(("its endpoint".to_owned(), only(Vec::new(), relay.iroh.clone())));
    }
    places
}

fn cause(failure: LinkFailure) -> &'static str {
    match failure {
        LinkFailure::Unreachable => "nobody is there, or the name is unknown.",
        LinkFailure::Refused => "the machine is there, but no relay listens, or a firewall refuses.",
        LinkFailure::TimedOut => "no answer in time. A firewall, or another network.",
        LinkFailure::Eof | LinkFailure::Reset | LinkFailure::Local => "the connection broke at once.",
        // Names no transport of this build, or is newer than this list.
        _ => "it cannot be dialled.",
    }
}

/// What came of the attempt to prove the relay and to be proven to it.
pub(crate) fn handshake(reached: &Outcome<()>, answered: bool) -> Check {
    let code = match reached {
        Ok(()) => return Check::fine("relay", "The relay proved its key and accepts this device."),
        Err(failure) => failure.code().unwrap_or(Code::Offline),
    };
    match (code, answered) {
        (Code::Offline, true) => Check::problem(
            "relay",
            Code::RelayUnverified,
            "Something answers, but it does not prove the relay's key: another program, or a relay that is just stopping.",
        ),
        (Code::Offline, false) => Check::problem("relay", code, "The relay cannot be reached on any transport."),
        (Code::RelayUnverified, _) => {
            Check::problem("relay", code, "What answers has another key than the relay of this device.")
        }
        _ => Check::problem("relay", code, Failure::from(code).message()),
    }
}
