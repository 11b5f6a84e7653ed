//! The store's answers: whether they fit their questions, and who is waiting for them.
//!
//! Never decides what an answer means; each goes to the part that asked. A full store is an outcome, which refuses what was under
//! way and is asked again later; any other failure ends the machine, because what is on disk is then unknown.
//!
//! Invariant: a mistake of the driver is found before anything changes.

use crate::{
    error::{CloseReason, LocalReason},
    ids::{BatchId, LinkId, LoadId, RelayId},
    machine::{LinkInput, Misuse, StoreFailure, StoreInput},
    relay::{
        ROOM_RETRY, Relay,
        effects::{Consequence, Purpose, Timer},
        io::RelayInput,
        store::{RelayAnswer, RelayOutcome, RelayStore, Stored},
    },
};

impl Relay {
    pub(super) fn check(&self, input: &RelayInput) -> Result<(), Misuse> {
        match input {
            RelayInput::Link(LinkInput::Opened { link, .. }) if *link <= self.newest_link => Err(Misuse::IdReused),
            RelayInput::Link(LinkInput::Written { link, len })
                if self.links.get(link).is_some_and(|link| link.unwritten() < *len) =>
            {
                Err(Misuse::WrittenTooMuch)
            }
            RelayInput::Store(StoreInput::Persisted { batch, outcomes }) => self.check_persisted(*batch, outcomes),
            RelayInput::Store(StoreInput::PersistFailed { batch, .. }) if !self.fx.batches.contains_key(batch) => {
                Err(Misuse::UnknownAnswer)
            }
            RelayInput::Store(StoreInput::Loaded { load, answer }) => self.check_loaded(*load, answer.as_ref()),
            _ => Ok(()),
        }
    }

    fn check_persisted(&self, batch: BatchId, outcomes: &[RelayOutcome]) -> Result<(), Misuse> {
        let consequence = self.fx.batches.get(&batch).ok_or(Misuse::UnknownAnswer)?;
        // Batches that report something are reported one by one; the others may be passed over.
        if self.fx.batches.range(..batch).any(|(_, earlier)| earlier.outcomes() > 0) {
            return Err(Misuse::WrongAnswer);
        }
        let fits = match (consequence, outcomes) {
            (Consequence::Append { blobs, .. }, [RelayOutcome::Appended { results, .. }]) => {
                let refused = results.iter().position(|result| matches!(result, Stored::Refused(_)));
                match refused {
                    Some(at) => at + 1 == results.len() && results.len() <= blobs.len(),
                    None => results.len() == blobs.len(),
                }
            }
            (Consequence::OpenMailbox { .. }, [RelayOutcome::Mailbox(_), RelayOutcome::Mailbox(_)])
            | (Consequence::ClaimMailbox { .. } | Consequence::SendMailbox { .. }, [RelayOutcome::Mailbox(_)])
            | (Consequence::Sweep, [RelayOutcome::Swept(_)])
            | (Consequence::Seen(_) | Consequence::CloseMailbox { .. }, []) => true,
            _ => false,
        };
        if fits { Ok(()) } else { Err(Misuse::WrongAnswer) }
    }

    fn check_loaded(&self, load: LoadId, answer: Result<&RelayAnswer, &StoreFailure>) -> Result<(), Misuse> {
        let purpose = self.fx.loads.get(&load).ok_or(Misuse::UnknownAnswer)?;
        let Ok(answer) = answer else { return Ok(()) };
        match (purpose, answer) {
            (Purpose::Open, RelayAnswer::Opened { .. })
            | (Purpose::Welcome(_), RelayAnswer::Welcome { .. })
            | (Purpose::Page(..) | Purpose::News(_), RelayAnswer::Page(_))
            | (Purpose::Heads, RelayAnswer::Heads(_))
            | (Purpose::Mailbox(..), RelayAnswer::Mailbox { .. }) => Ok(()),
            _ => Err(Misuse::WrongAnswer),
        }
    }
}

impl Relay {
    pub(super) fn store_input(&mut self, input: StoreInput<RelayStore>) {
        match input {
            StoreInput::Persisted { batch, outcomes } => self.persisted(batch, outcomes),
            StoreInput::PersistFailed { batch, failure } if failure.may_pass() => self.store_full(batch),
            // What is on disk is not known any more; whoever starts again reads it.
            StoreInput::PersistFailed { .. } => self.fail(),
            StoreInput::Loaded { load, answer } => match answer {
                Err(failure) if !failure.may_pass() => self.fail(),
                answer => self.loaded(load, answer),
            },
        }
    }

    fn persisted(&mut self, batch: BatchId, mut outcomes: Vec<RelayOutcome>) {
        while let Some(first) = self.fx.batches.first_entry().filter(|first| *first.key() <= batch) {
            match first.remove() {
                Consequence::Append { link, group, lane, blobs, weight } => {
                    self.committed(link, weight);
                    if let Some(outcome) = outcomes.pop() {
                        self.appended(link, group, lane, blobs, outcome);
                    }
                    self.reading(link);
                }
                Consequence::OpenMailbox { link, code, qr } => self.mailbox_opened(link, [code, qr], &outcomes),
                Consequence::ClaimMailbox { link, id } => {
                    outcomes.iter().for_each(|outcome| self.mailbox_claimed(link, id, outcome));
                }
                Consequence::SendMailbox { link, id, weight } => {
                    self.committed(link, weight);
                    outcomes.iter().for_each(|outcome| self.mailbox_sent(link, id, outcome));
                    self.reading(link);
                }
                Consequence::CloseMailbox { id } => self.mailbox_changed(id),
                Consequence::Sweep => self.fx.stats.sweeps += 1,
                Consequence::Seen(_) => {}
            }
        }
    }

    /// A batch did not happen for lack of room, and none will until the store is opened again.
    fn store_full(&mut self, batch: BatchId) {
        self.fx.stats.store_full += 1;
        self.full = true;
        self.fx.timers.start(Timer::Reopen, self.fx.now + ROOM_RETRY);
        match self.fx.batches.remove(&batch) {
            Some(Consequence::Append { link, lane, weight, .. }) => {
                self.committed(link, weight);
                self.not_appended(link, lane);
                self.reading(link);
            }
            Some(Consequence::Seen(seen)) => {
                seen.into_iter().for_each(|(group, key, cursor)| self.see(group, key, cursor));
            }
            Some(Consequence::OpenMailbox { link, code, .. }) => self.mailbox_failed(link, code),
            Some(Consequence::ClaimMailbox { link, id }) => self.mailbox_failed(link, id),
            Some(Consequence::SendMailbox { link, id, weight }) => {
                self.committed(link, weight);
                self.mailbox_failed(link, id);
                self.reading(link);
            }
            // An end that could not be written comes with the mailbox's own time.
            Some(Consequence::CloseMailbox { .. } | Consequence::Sweep) | None => {}
        }
    }

    fn loaded(&mut self, load: LoadId, answer: Result<RelayAnswer, StoreFailure>) {
        let Some(purpose) = self.fx.loads.remove(&load) else { return };
        let page = |answer| match answer {
            Ok(RelayAnswer::Page(page)) => Ok(page),
            Ok(_) => Err(StoreFailure::Io),
            Err(failure) => Err(failure),
        };
        match (purpose, answer) {
            (Purpose::Open, Ok(RelayAnswer::Opened { relay_id })) => self.store_opened(relay_id),
            // Still no room, not even to purge.
            (Purpose::Open, Err(failure)) if failure.may_pass() && self.relay_id.is_some() => {
                self.fx.timers.set(Timer::Reopen, self.fx.now + ROOM_RETRY);
            }
            (Purpose::Open, _) => self.fail(),
            (Purpose::Welcome(link), Ok(RelayAnswer::Welcome { own, page })) => self.welcomed(link, own, page),
            (Purpose::Welcome(link), _) => self.close(link, CloseReason::Local(LocalReason::Storage)),
            (Purpose::Page(link, pull), answer) => {
                self.paged(link, pull, page(answer));
                self.reading(link);
            }
            (Purpose::News(group), answer) => self.caught_up(group, page(answer)),
            (Purpose::Heads, Ok(RelayAnswer::Heads(heads))) => self.heads(heads),
            (Purpose::Heads, _) => self.heads(Vec::new()),
            (Purpose::Mailbox(id, side), answer) => self.mailbox_read(id, side, answer),
        }
    }

    /// The store is open, or open again after it was full.
    fn store_opened(&mut self, relay_id: RelayId) {
        self.full = false;
        match self.relay_id {
            None => {
                self.relay_id = Some(relay_id);
                self.start();
            }
            // Another database under the same links: every cursor they were told of is void.
            Some(before) if before != relay_id => self.fail(),
            Some(_) => {}
        }
    }

    /// Bytes of a link have been committed, or refused.
    fn committed(&mut self, id: LinkId, weight: usize) {
        self.uncommitted -= weight;
        if let Some(link) = self.links.get_mut(&id) {
            link.uncommitted = link.uncommitted.saturating_sub(weight);
        }
        if self.uncommitted <= self.fx.limits.uncommitted / 2 {
            core::mem::take(&mut self.silenced).into_iter().for_each(|id| self.reading(id));
        }
    }
}
