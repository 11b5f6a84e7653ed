//! Batches and the gate: every handled input ends here.
//!
//! While an input is handled, operations and effects are collected. `settle` turns the operations into one batch and holds the
//! effects behind it; only what needs no durability (dialling, pulling, blobs whose own batch is durable) goes out at once.
//!
//! Invariant: an effect is never older than the batch of the input that caused it.

use std::collections::BTreeSet;

use crate::{
    client::{
        Client, Load, Phase, Timer,
        command::{ClientEvent, Rejection, Reply},
        io::ClientOutput,
        ledger::{Ledger, Sealed, encode},
        store::{ClientAnswer, ClientOp, ClientQuery, ClientStore},
    },
    error::{Code, LocalReason},
    ids::{BatchId, BlobId, CommandId, LinkId, LoadId, OutboxId, StreamId},
    machine::{Misuse, StoreFailure, StoreInput, StoreOutput},
    seal::{record::Kind, rest::seal_at_rest},
    time::Duration,
    wire::message::ToRelay,
};

/// What one input leads to.
#[derive(Debug, Default)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) struct Batch {
    pub(super) ops: Vec<ClientOp>,
    pub(super) effects: Vec<Effect>,
    /// Chains whose state changed.
    pub(super) touched: BTreeSet<StreamId>,
    /// The ledger as last written.
    pub(super) ledger: Vec<u8>,
}

/// A consequence that waits for its batch.
#[derive(Debug)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub(super) enum Effect {
    /// Answer a command.
    Done { command: CommandId, result: Result<Reply, Rejection> },
    /// Tell the application.
    Event(ClientEvent),
    /// Tell the relay.
    Say { link: LinkId, message: ToRelay },
    /// These rows may leave.
    Durable(Vec<OutboxId>),
    /// The keys of a new group are safe: tell the creator.
    JoinKept,
    /// Close the link after everything before.
    Hang { link: LinkId, reason: LocalReason },
    /// Nothing more comes.
    Stopped,
}

/// How long a full store is left alone before anything that writes by itself.
const ROOM_RETRY: Duration = Duration::from_secs(5);

/// What reading the store led to by itself.
#[derive(Debug, Clone, Copy, Default, Hash)]
pub(super) struct Reopening {
    /// What follows from the reading is being collected.
    pub(super) under_way: bool,
    /// The batch that follows from it.
    wrote: Option<BatchId>,
}

impl Client {
    /// Turns what was collected into a batch and lets go of what is durable, until nothing moves any more.
    pub(super) fn settle(&mut self) {
        loop {
            self.follow();
            let mut moved = self.commit();
            while let Some(effect) = self.gate.release() {
                moved |= self.perform(effect);
            }
            if !moved {
                break;
            }
            // Once for all that one sync of the disk made durable: one message, not one for each row. What is said to the relay behind
            // them waits for that; what the application is told does not.
            self.pump_outbox();
        }
        self.reopening.under_way = false;
    }

    /// Answers as [`perform`](Self::perform) does.
    fn commit(&mut self) -> bool {
        let mut ops = std::mem::take(&mut self.batch.ops);
        let effects = std::mem::take(&mut self.batch.effects);
        let touched: BTreeSet<_> = std::mem::take(&mut self.batch.touched);
        if let Some(group) = &self.group {
            for id in touched {
                if let Some(stream) = group.streams.get(&id) {
                    let state = stream.seal(&self.config.store_key, &mut self.draws.rest);
                    ops.push(ClientOp::Stream { stream: id, state });
                }
            }
        }
        if !matches!(self.phase, Phase::Loading | Phase::Stopped) && self.ledger.take_touched() {
            let ledger = encode(&*self.ledger);
            if ledger != self.batch.ledger {
                let sealed = seal_at_rest(&self.config.store_key, Ledger::LABEL, &ledger, &mut self.draws.rest);
                self.batch.ledger = ledger;
                ops.push(ClientOp::Ledger(sealed));
            }
        }
        if bug!(TornBatch) && ops.len() > 1 {
            let (batch, first) = (self.gate.batch(), vec![ops.remove(0)]);
            self.out.push_back(ClientOutput::Store(StoreOutput::Persist { batch, ops: first }));
        }
        if !ops.is_empty() {
            let batch = self.gate.batch();
            if self.reopening.under_way {
                self.reopening.wrote = Some(batch);
            }
            self.out.push_back(ClientOutput::Store(StoreOutput::Persist { batch, ops }));
        }
        let mut moved = false;
        for effect in effects {
            let ready = if bug!(VisibleBeforeDurable) { Some(effect) } else { self.gate.hold(effect) };
            if let Some(effect) = ready {
                moved |= self.perform(effect);
            }
        }
        moved
    }

    /// Answers whether the machine's state changed, so that more may follow.
    fn perform(&mut self, effect: Effect) -> bool {
        if self.phase == Phase::Stopped && !matches!(effect, Effect::Done { .. }) {
            // A link was lost while the last batch was on its way: of that nobody is told any more.
            return false;
        }
        match effect {
            Effect::Done { command, result } => self.out.push_back(ClientOutput::Done { command, result }),
            Effect::Event(event) => self.out.push_back(ClientOutput::Event(event)),
            Effect::Say { link, message } => {
                self.pump_outbox();
                self.transmit(link, &message);
            }
            Effect::Durable(ids) => {
                ids.into_iter().for_each(|id| self.outbox.durable(id));
                return true;
            }
            Effect::JoinKept => {
                self.join_kept();
                return true;
            }
            Effect::Hang { link, reason } => {
                self.pump_outbox();
                self.hang(link, reason.into_close());
                // What waits for a quiet link waits no more.
                return true;
            }
            Effect::Stopped => {
                self.phase = Phase::Stopped;
                self.timers = crate::timers::Timers::default();
                self.out.push_back(ClientOutput::Stopped);
            }
        }
        false
    }

    /// Says something once everything so far is durable.
    pub(super) fn say(&mut self, message: ToRelay) {
        if let Some(link) = self.link.as_ref().map(|link| link.id) {
            self.batch.effects.push(Effect::Say { link, message });
        }
    }

    pub(super) fn load(&mut self, query: ClientQuery, purpose: Load) {
        self.next_load = self.next_load.next();
        self.loads.insert(self.next_load, purpose);
        self.out.push_back(ClientOutput::Store(StoreOutput::Load { load: self.next_load, query }));
    }

    pub(super) fn check_store(&self, input: &StoreInput<ClientStore>) -> Result<(), Misuse> {
        match input {
            StoreInput::Persisted { batch, .. } | StoreInput::PersistFailed { batch, .. } => {
                if *batch > self.gate.newest() { Err(Misuse::UnknownAnswer) } else { Ok(()) }
            }
            StoreInput::Loaded { load, answer } => match (self.loads.get(load), answer) {
                (None, _) if *load > self.next_load => Err(Misuse::UnknownAnswer),
                (None, _) | (_, Err(_)) => Ok(()),
                (Some(purpose), Ok(answer)) if purpose.fits(answer) => Ok(()),
                _ => Err(Misuse::WrongAnswer),
            },
        }
    }

    pub(super) fn store_input(&mut self, input: StoreInput<ClientStore>) {
        match input {
            StoreInput::Persisted { batch, .. } => {
                self.gate.durable(batch);
                self.store_refuses = None;
            }
            StoreInput::PersistFailed { failure, batch } if failure.may_pass() => {
                self.store_refused(batch, failure.code());
            }
            StoreInput::PersistFailed { failure, .. } => self.store_failed(failure),
            StoreInput::Loaded { load, answer } => self.loaded(load, answer),
        }
    }

    fn loaded(&mut self, load: LoadId, answer: Result<ClientAnswer, StoreFailure>) {
        let answer = match answer {
            Ok(answer) => answer,
            // The command that waits for it stays where whoever ends everything looks for commands.
            Err(failure) if self.loads.contains_key(&load) => return self.store_failed(failure),
            Err(_) => return,
        };
        let Some(purpose) = self.loads.remove(&load) else { return };
        match (purpose, answer) {
            (Load::Open, ClientAnswer::Opened(image)) => self.opened(*image),
            (Load::Outbox(ids), ClientAnswer::Outbox(rows)) => self.outbox_loaded(&ids, rows),
            (Load::Moving(asked), ClientAnswer::Outbox(rows)) => self.moving(&asked, &rows),
            (Load::Reissue(ids), ClientAnswer::Outbox(rows)) => self.reissue(&ids, rows),
            (Load::Inbox(reading), ClientAnswer::Inbox(rows)) => self.read(reading, rows),
            // `check_store` let only fitting answers pass.
            _ => {}
        }
    }

    /// The store rolled a batch back cleanly. What memory assumed of it is wrong, so everything is read again: one way to recover.
    fn store_refused(&mut self, batch: BatchId, code: Code) {
        match self.phase {
            // Later batches are refused with the first.
            Phase::Loading | Phase::Stopped => return,
            // Whoever is about to end need not read it again.
            Phase::Closing | Phase::Stopping => return self.stop_with(code),
            Phase::Ready => {}
        }
        self.abandon(code);
        self.store_refuses = Some(code);
        // D7: every link leads to a write; without a pause a full disk or a locked keychain would be asked as fast as it can refuse.
        self.backoff.failed(self.now, ROOM_RETRY, &mut self.draws.jitter);
        self.gate.reopen();
        self.phase = Phase::Loading;
        if self.reopening.wrote == Some(batch) {
            // D7: reading again leads to the same write. Without a pause the two would chase each other.
            self.timers.set(Timer::Room, self.now + ROOM_RETRY);
        } else {
            self.open_store();
        }
    }

    pub(super) fn open_store(&mut self) {
        self.load(ClientQuery::Open, Load::Open);
    }

    /// The store failed: nothing that was not acknowledged may be believed, now or later.
    pub(super) fn store_failed(&mut self, failure: StoreFailure) {
        if self.phase == Phase::Stopped {
            return;
        }
        self.stop_with(failure.code());
    }

    /// Ends for good: the keys or the store cannot be used.
    pub(super) fn stop_with(&mut self, code: Code) {
        self.abandon(code);
        self.gate.reopen();
        self.event(ClientEvent::Problem(code));
        self.stopping();
    }

    /// Nothing follows any more but what is already on its way to the application.
    pub(super) fn stopping(&mut self) {
        self.phase = Phase::Stopping;
        self.timers = crate::timers::Timers::default();
        self.batch.effects.push(Effect::Stopped);
    }

    /// Drops everything that rests on batches not known to be durable, and answers every command.
    fn abandon(&mut self, code: Code) {
        let mut answers: Vec<(CommandId, Option<BlobId>)> = Vec::new();
        let mut lost = BTreeSet::new();
        let mut note = |effect: &Effect| match effect {
            Effect::Done { command, result } => answers.push((*command, blob_of(result))),
            Effect::Durable(rows) => lost.extend(rows.iter().copied()),
            _ => {}
        };
        self.gate.retain(|effect| {
            note(effect);
            false
        });
        std::mem::take(&mut self.batch.effects).iter().for_each(note);
        // Memory is not believed any more, so nothing of it is written.
        self.batch = Batch { ledger: encode(&*self.ledger), ..Batch::default() };
        let id_of = |row: &OutboxId| self.outbox.get(*row).map(|row| row.blob_id);
        // Heads take no number of their own and go by the name of the record before them, which may well be durable.
        let data = |row: &&OutboxId| self.outbox.get(**row).is_some_and(|row| row.kind == Kind::Data as u8);
        let lost: BTreeSet<BlobId> = lost.iter().filter(data).filter_map(id_of).collect();
        answers.extend(std::mem::take(&mut self.pushes).iter().map(|(row, command)| (*command, id_of(row))));
        let mut waiting = self.take_commands();
        waiting.extend(self.invite.take().and_then(|invite| invite.command()));
        waiting.extend(self.joining.take().and_then(|joining| joining.command()));
        answers.extend(waiting.into_iter().map(|command| (command, None)));
        for (command, blob) in answers {
            match blob.filter(|blob| !lost.contains(blob)) {
                // Its own batch is durable: it is queued whatever became of a later one.
                Some(blob) => {
                    let pending = Rejection { code: Code::Pending, blob_id: Some(blob), last_cursor: None };
                    self.out.push_back(ClientOutput::Done { command, result: Err(pending) });
                }
                None => self.answer_now(command, code),
            }
        }
        self.drop_link(LocalReason::Storage);
        self.timers = crate::timers::Timers::default();
    }
}

/// The blob that an answer speaks of.
fn blob_of(result: &Result<Reply, Rejection>) -> Option<BlobId> {
    match result {
        Ok(Reply::Pushed { blob_id, .. } | Reply::Queued { blob_id }) => Some(*blob_id),
        Ok(_) => None,
        Err(rejection) => rejection.blob_id,
    }
}

impl Load {
    fn fits(&self, answer: &ClientAnswer) -> bool {
        matches!(
            (self, answer),
            (Self::Open, ClientAnswer::Opened(_))
                | (Self::Outbox(_) | Self::Moving(_) | Self::Reissue(_), ClientAnswer::Outbox(_))
                | (Self::Inbox(_), ClientAnswer::Inbox(_))
        )
    }
}
