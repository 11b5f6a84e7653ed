//! Run verification: one signature vouches for the records that lead up to it.
//!
//! A record names its predecessor by hash, so a valid signature over the last record of a run is the sender's word for all linked
//! before it. Only what no verified record names costs a signature check of its own. Judges authenticity, never order or
//! completeness: gaps, forks and repeats are the client's to find.

use core::borrow::Borrow;

use super::{keys::verifying_key, record::Opened};
use crate::ids::GroupId;

/// Which records of one sender's run, in log order, are authentic.
///
/// Going backward, a record is authentic iff its hash is what its authentic successor names as `prev` (or is that successor once
/// more), or its own signature is valid. Where the records were cut into pages, epochs or padding makes no difference.
pub fn verify_run<O: Borrow<Opened>>(run: &[O], sign_pk: &[u8; 32], group: &GroupId) -> Vec<bool> {
    let mut verified = vec![false; run.len()];
    let Some(key) = verifying_key(sign_pk) else { return verified };
    let mut successor: Option<&Opened> = None;
    for (opened, verified) in run.iter().map(Borrow::borrow).zip(&mut verified).rev() {
        let named = successor.is_some_and(|next| next.record.prev == opened.hash || next.hash == opened.hash);
        if named || opened.verify_by(&key, group) {
            *verified = true;
            successor = Some(opened);
        }
    }
    verified
}

#[cfg(test)]
mod tests;
