//! The relay: does anything answer, on which transport, and is it the relay whose key this device knows?

use std::time::{Duration, Instant};

use tokio::time::timeout;
use zerok_core::{address::RelayAddress, error::Code, machine::LinkFailure};

use super::{redact::Redact, report::Check};
use crate::{
    dialer::Way,
    exit::{Failure, Outcome},
};

/// What came of dialling every place of an address.
pub(crate) struct Transports {
    pub(crate) checks: Vec<Check>,
    /// Whether anything answered anywhere.
    pub(crate) answered: bool,
}

/// Dials each place of the address by itself, all at once: nobody waits for one dead place after the other.
pub(crate) async fn transports(ways: &[Way], relay: &RelayAddress, patience: Duration, redact: &Redact) -> Transports {
    let mut dials = Vec::new();
    for (place, target) in places(relay, redact) {
        for way in ways {
            let (name, place, dialling) = (way.name, place.clone(), way.dialer.dial(&target));
            dials.push(tokio::spawn(async move {
                let begun = Instant::now();
                let dialled = timeout(patience, dialling).await.unwrap_or(Err(LinkFailure::TimedOut));
                match dialled {
                    Ok(_opened) => {
                        let took = begun.elapsed().as_millis();
                        Some((true, Check::fine("transport", format!("{place} answers over {name} after {took} ms."))))
                    }
                    Err(LinkFailure::NoTransport) => None,
                    Err(failure) => {
                        let message = format!("{place}: {}", cause(failure));
                        Some((false, Check::problem("transport", Code::Offline, message)))
                    }
                }
            }));
        }
    }
    let mut found = Transports { checks: Vec::new(), answered: false };
    for dial in dials {
        // A dialer that panicked has answered nothing.
        if let Ok(Some((answered, check))) = dial.await {
            found.answered |= answered;
            found.checks.push(check);
        }
    }
    if found.checks.is_empty() {
        let message = "The relay's address names no transport that this build has.";
        found.checks.push(Check::problem("transport", Code::NoRelay, message));
    }
    // One way that works is enough.
    if found.answered {
        found.checks.iter_mut().for_each(Check::relax);
    }
    found
}

/// Marks what was found about a relay that is named and not this device's own.
pub(crate) fn of_named(check: Check) -> Check {
    Check { message: format!("--relay: {}", check.message), ..check }
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
