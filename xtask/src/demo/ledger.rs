//! What each device was seen to receive, and what it wrote.
//!
//! Delivery to an application is at least once across a crash and exactly once otherwise: a blob that comes twice to one life of a
//! process is a fault, one that comes again to the next life is not.

use std::collections::{BTreeMap, BTreeSet};

/// One device's side of the story.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Payload → the last life that received it.
    received: BTreeMap<String, usize>,
    /// Came again to a later life.
    pub(super) again: usize,
    /// Came twice to one life.
    pub(super) repeated: Vec<String>,
    /// Pushes that the device said it has stored, in this life.
    pub(super) confirmed: usize,
}

impl Ledger {
    /// Notes a payload that arrived in a life of the process.
    pub(super) fn receive(&mut self, payload: String, life: usize) {
        match self.received.get(&payload) {
            Some(before) if *before == life => self.repeated.push(payload.clone()),
            Some(_) => self.again += 1,
            None => {}
        }
        self.received.insert(payload, life);
    }

    pub(super) fn has(&self, payload: &str) -> bool {
        self.received.contains_key(payload)
    }

    /// How many different payloads arrived.
    pub(super) fn count(&self) -> usize {
        self.received.len()
    }
}

/// Which of `written`, in order, reached the other side: how many without a hole from the first on. `Err` names what arrived behind
/// a hole.
pub(super) fn unbroken<'a>(written: &'a [String], other: &Ledger) -> Result<usize, &'a str> {
    let length = written.iter().take_while(|payload| other.has(payload)).count();
    match written[length..].iter().find(|payload| other.has(payload)) {
        None => Ok(length),
        Some(stray) => Err(stray),
    }
}

/// How two complete lists differ; `None` when they do not.
pub(super) fn difference(ours: &[String], theirs: &[String]) -> Option<String> {
    if ours == theirs {
        return None;
    }
    let set = |list: &[String]| list.iter().cloned().collect::<BTreeSet<_>>();
    let (left, right) = (set(ours), set(theirs));
    let sample = |a: &BTreeSet<String>, b: &BTreeSet<String>| {
        let only: Vec<&String> = a.difference(b).collect();
        format!("{} such as {:?}", only.len(), only.iter().take(3).collect::<Vec<_>>())
    };
    Some(format!(
        "{} and {} records; only in the first: {}; only in the second: {}; repeated: {} and {}",
        ours.len(),
        theirs.len(),
        sample(&left, &right),
        sample(&right, &left),
        ours.len() - left.len(),
        theirs.len() - right.len(),
    ))
}
