//! The shortest plan that still fails.
//!
//! Acts carry their own numbers, so leaving some out changes nothing about the others. Larger halves are tried first, then smaller
//! ones, until no single act can be left out, or the patience is used up.

use zerok_core::channel::ChannelKind;

use super::{Outcome, plan::Plan, run_on};

/// Runs that may be spent on it.
const PATIENCE: usize = 400;

/// Cuts a failing plan down. Answers it with what still fails.
pub fn shrink(plan: &Plan, channel: ChannelKind) -> (Plan, Outcome) {
    let mut best = plan.clone();
    let mut outcome = run_on(&best, channel, false);
    let wanted = outcome.failure.clone();
    let wanted = wanted.as_deref().map(kind);
    let mut left = PATIENCE;
    let mut size = best.acts.len().div_ceil(2);
    while size > 0 && left > 0 && outcome.failure.is_some() {
        let mut at = 0;
        let mut shorter = false;
        while at < best.acts.len() && left > 0 {
            let mut acts = best.acts.clone();
            acts.drain(at..(at + size).min(acts.len()));
            let candidate = Plan { acts, ..best.clone() };
            let tried = run_on(&candidate, channel, false);
            left -= 1;
            if tried.failure.as_deref().map(kind) == wanted {
                (best, outcome) = (candidate, tried);
                shorter = true;
            } else {
                at += size;
            }
        }
        if !shorter || size > 1 {
            size /= 2;
        }
    }
    (best, outcome)
}

/// Whether two failures are about the same.
pub fn alike(one: &str, other: &str) -> bool {
    kind(one) == kind(other)
}

/// What a failure is about, without names and numbers.
fn kind(failure: &str) -> Vec<String> {
    let words = failure.split(|c: char| !c.is_ascii_lowercase() && c != ' ').flat_map(str::split_whitespace);
    words.filter(|word| word.len() > 1 && !super::NAMES.contains(word)).take(5).map(str::to_owned).collect()
}
