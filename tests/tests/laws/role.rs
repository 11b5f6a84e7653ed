//! What a law needs to know of a machine: which inputs are about what, which outputs ask for what, and what a driver could do wrong.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
};

use bytes::Bytes;
use zerok_core::{
    client::{
        Client,
        command::{ClientCommand, Lifecycle},
        io::{ClientInput, ClientOutput},
        store::{ClientAnswer, ClientQuery},
    },
    ids::{BatchId, CommandId, LinkId, LoadId, RelayId, TransportId},
    machine::{LinkFailure, LinkInput, LinkOutput, Machine, Misuse, Origin, StoreFailure, StoreInput, StoreOutput},
    relay::{
        Relay,
        io::{RelayInput, RelayOutput},
        store::{RelayAnswer, RelayOutcome, RelayQuery},
    },
    time::UnixMillis,
};

/// Beyond every number that a machine has given, also before its tape began.
const FAR: u64 = 1000;

/// A number that a machine counts up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Number {
    Batch(BatchId),
    Load(LoadId),
    Link(LinkId),
}

/// What is known of a machine from its inputs and outputs alone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    /// Links that are not over, with the bytes handed out and not reported written.
    pub(crate) links: BTreeMap<LinkId, usize>,
    /// Links that the driver has said are over.
    pub(crate) over: BTreeSet<LinkId>,
    /// Links that the machine has asked to close.
    pub(crate) closing: BTreeSet<LinkId>,
    /// Newest of each.
    pub(crate) link: LinkId,
    pub(crate) batch: BatchId,
    pub(crate) load: LoadId,
    pub(crate) command: CommandId,
    /// Loads that were answered.
    pub(crate) answered: BTreeSet<LoadId>,
    /// The machine said that it has ended.
    pub(crate) stopped: bool,
}

/// A machine as laws see it.
pub(crate) trait Role: Machine<Input: Clone + Debug, Output: Clone + Debug> + Clone + Debug {
    fn tick() -> Self::Input;
    fn link(input: LinkInput) -> Self::Input;
    fn link_of(input: &Self::Input) -> Option<&LinkInput>;
    fn output_of(output: &Self::Output) -> Option<&LinkOutput>;
    /// The number that an output uses for the first time, if it does.
    fn numbered(output: &Self::Output) -> Option<Number>;
    /// The batch or load that an input answers.
    fn answers(input: &Self::Input) -> Option<Number>;
    fn command_of(input: &Self::Input) -> Option<CommandId>;
    fn done(output: &Self::Output) -> Option<CommandId>;
    fn is_stopped(output: &Self::Output) -> bool;
    /// Inputs that come too late: about links that are over, commands nobody waits for, answers that were given.
    fn stale(known: &Known) -> Vec<Self::Input>;
    /// What no driver may say, and what it is called; `asked` is what the store has not answered.
    fn mistakes(known: &Known, asked: &[Self::Output]) -> Vec<(Self::Input, Misuse)>;
    /// What may still be said to a machine that has ended.
    fn after_the_end(known: &Known) -> Vec<Self::Input>;
}

impl Known {
    /// Takes note of an input that was no mistake.
    pub(crate) fn told<M: Role>(&mut self, input: &M::Input) {
        match M::link_of(input) {
            Some(LinkInput::Opened { link, .. }) => {
                self.link = self.link.max(*link);
                self.links.entry(*link).or_default();
            }
            Some(LinkInput::Written { link, len }) => {
                if let Some(unwritten) = self.links.get_mut(link) {
                    // Whoever looks late reports bytes written before they are seen here.
                    *unwritten = unwritten.saturating_sub(*len);
                }
            }
            Some(LinkInput::Closed { link, .. } | LinkInput::OpenFailed { link, .. }) => {
                self.links.remove(link);
                self.over.insert(*link);
            }
            Some(LinkInput::Bytes { .. }) | None => {}
        }
        if let Some(Number::Load(load)) = M::answers(input) {
            self.answered.insert(load);
        }
        if let Some(command) = M::command_of(input) {
            self.command = command;
        }
    }

    /// Takes note of an output.
    pub(crate) fn gave<M: Role>(&mut self, output: &M::Output) {
        match M::numbered(output) {
            Some(Number::Batch(batch)) => self.batch = batch,
            Some(Number::Load(load)) => self.load = load,
            Some(Number::Link(link)) => self.link = link,
            None => {}
        }
        match M::output_of(output) {
            Some(LinkOutput::Transmit { link, bytes }) => {
                if let Some(unwritten) = self.links.get_mut(link) {
                    *unwritten += bytes.len();
                }
            }
            Some(LinkOutput::Close { link, .. }) => {
                self.closing.insert(*link);
            }
            Some(LinkOutput::SetReading { .. }) | None => {}
        }
        self.stopped |= M::is_stopped(output);
    }

    fn stale_links(&self) -> impl Iterator<Item = LinkInput> {
        self.over.iter().flat_map(|&link| {
            [
                LinkInput::Bytes { link, bytes: Bytes::from_static(b"late") },
                LinkInput::Written { link, len: 5 },
                LinkInput::Closed { link, cause: LinkFailure::Eof },
            ]
        })
    }

    /// A link that is up, and more bytes than it has out.
    fn written_too_much(&self) -> Option<LinkInput> {
        let (&link, unwritten) = self.links.iter().find(|(link, _)| !self.closing.contains(link))?;
        Some(LinkInput::Written { link, len: unwritten + 1 })
    }
}

impl Role for Client {
    fn tick() -> ClientInput {
        ClientInput::Tick
    }

    fn link(input: LinkInput) -> ClientInput {
        ClientInput::Link(input)
    }

    fn link_of(input: &ClientInput) -> Option<&LinkInput> {
        if let ClientInput::Link(input) = input { Some(input) } else { None }
    }

    fn output_of(output: &ClientOutput) -> Option<&LinkOutput> {
        if let ClientOutput::Link(output) = output { Some(output) } else { None }
    }

    fn numbered(output: &ClientOutput) -> Option<Number> {
        match output {
            ClientOutput::Open { link, .. } => Some(Number::Link(*link)),
            ClientOutput::Store(StoreOutput::Persist { batch, .. }) => Some(Number::Batch(*batch)),
            ClientOutput::Store(StoreOutput::Load { load, .. }) => Some(Number::Load(*load)),
            _ => None,
        }
    }

    fn answers(input: &ClientInput) -> Option<Number> {
        match input {
            ClientInput::Store(StoreInput::Persisted { batch, .. } | StoreInput::PersistFailed { batch, .. }) => {
                Some(Number::Batch(*batch))
            }
            ClientInput::Store(StoreInput::Loaded { load, .. }) => Some(Number::Load(*load)),
            _ => None,
        }
    }

    fn command_of(input: &ClientInput) -> Option<CommandId> {
        if let ClientInput::Command(command, _) = input { Some(*command) } else { None }
    }

    fn done(output: &ClientOutput) -> Option<CommandId> {
        if let ClientOutput::Done { command, .. } = output { Some(*command) } else { None }
    }

    fn is_stopped(output: &ClientOutput) -> bool {
        matches!(output, ClientOutput::Stopped)
    }

    fn stale(known: &Known) -> Vec<ClientInput> {
        let links = known.stale_links().map(ClientInput::Link);
        // An answer that was given once says nothing new, however it is worded.
        let loads = known.answered.iter().map(|&load| {
            let answer = Ok(ClientAnswer::Inbox(Vec::new()));
            ClientInput::Store(StoreInput::Loaded { load, answer })
        });
        let never = ClientInput::Cancel(CommandId(known.command.0 + 1));
        links.chain(loads).chain([never]).collect()
    }

    fn mistakes(known: &Known, asked: &[ClientOutput]) -> Vec<(ClientInput, Misuse)> {
        let batch = BatchId(known.batch.0 + FAR);
        let load = LoadId(known.load.0 + FAR);
        let link = LinkId(known.link.0 + FAR);
        let persisted = StoreInput::Persisted { batch, outcomes: Vec::new() };
        let loaded = StoreInput::Loaded { load, answer: Err(StoreFailure::Io) };
        let early = LinkInput::Bytes { link, bytes: Bytes::from_static(b"early") };
        let mut mistakes = vec![
            (ClientInput::Command(known.command, ClientCommand::Inspect), Misuse::IdReused),
            (ClientInput::Store(persisted), Misuse::UnknownAnswer),
            (ClientInput::Store(loaded), Misuse::UnknownAnswer),
            (ClientInput::Link(early), Misuse::UnknownAnswer),
        ];
        mistakes.extend(known.written_too_much().map(|input| (ClientInput::Link(input), Misuse::WrittenTooMuch)));
        mistakes.extend(asked.iter().filter_map(|output| match output {
            ClientOutput::Store(StoreOutput::Load { load, query: ClientQuery::Open }) => {
                let (load, answer) = (*load, Ok(ClientAnswer::Inbox(Vec::new())));
                Some((ClientInput::Store(StoreInput::Loaded { load, answer }), Misuse::WrongAnswer))
            }
            _ => None,
        }));
        mistakes
    }

    fn after_the_end(known: &Known) -> Vec<ClientInput> {
        let command = CommandId(known.command.0 + 1);
        vec![
            ClientInput::Tick,
            ClientInput::Lifecycle(Lifecycle::Started),
            ClientInput::Lifecycle(Lifecycle::Closing),
            ClientInput::WallClock(UnixMillis(1_800_000_000_000)),
            ClientInput::Cancel(known.command),
            ClientInput::Command(command, ClientCommand::Inspect),
            ClientInput::Store(StoreInput::Persisted { batch: known.batch, outcomes: Vec::new() }),
            ClientInput::Link(LinkInput::Closed { link: known.link, cause: LinkFailure::Eof }),
        ]
    }
}

impl Role for Relay {
    fn tick() -> RelayInput {
        RelayInput::Tick
    }

    fn link(input: LinkInput) -> RelayInput {
        RelayInput::Link(input)
    }

    fn link_of(input: &RelayInput) -> Option<&LinkInput> {
        if let RelayInput::Link(input) = input { Some(input) } else { None }
    }

    fn output_of(output: &RelayOutput) -> Option<&LinkOutput> {
        if let RelayOutput::Link(output) = output { Some(output) } else { None }
    }

    fn numbered(output: &RelayOutput) -> Option<Number> {
        match output {
            RelayOutput::Store(StoreOutput::Persist { batch, .. }) => Some(Number::Batch(*batch)),
            RelayOutput::Store(StoreOutput::Load { load, .. }) => Some(Number::Load(*load)),
            _ => None,
        }
    }

    fn answers(input: &RelayInput) -> Option<Number> {
        match input {
            RelayInput::Store(StoreInput::Persisted { batch, .. } | StoreInput::PersistFailed { batch, .. }) => {
                Some(Number::Batch(*batch))
            }
            RelayInput::Store(StoreInput::Loaded { load, .. }) => Some(Number::Load(*load)),
            _ => None,
        }
    }

    fn command_of(_: &RelayInput) -> Option<CommandId> {
        None
    }

    fn done(_: &RelayOutput) -> Option<CommandId> {
        None
    }

    fn is_stopped(output: &RelayOutput) -> bool {
        matches!(output, RelayOutput::Stopped)
    }

    fn stale(known: &Known) -> Vec<RelayInput> {
        known.stale_links().map(RelayInput::Link).collect()
    }

    fn mistakes(known: &Known, asked: &[RelayOutput]) -> Vec<(RelayInput, Misuse)> {
        let batch = BatchId(known.batch.0 + FAR);
        let load = LoadId(known.load.0 + FAR);
        let failed = StoreInput::PersistFailed { batch, failure: StoreFailure::Full };
        let loaded = StoreInput::Loaded { load, answer: Err(StoreFailure::Io) };
        let persisted = StoreInput::Persisted { batch, outcomes: Vec::new() };
        let mut mistakes = vec![
            (RelayInput::Store(persisted), Misuse::UnknownAnswer),
            (RelayInput::Store(failed), Misuse::UnknownAnswer),
            (RelayInput::Store(loaded), Misuse::UnknownAnswer),
        ];
        if known.link > LinkId(0) {
            let (transport, origin) = (TransportId::TCP, Origin::default());
            let opened = LinkInput::Opened { link: known.link, transport, origin };
            mistakes.push((RelayInput::Link(opened), Misuse::IdReused));
        }
        mistakes.extend(known.written_too_much().map(|input| (RelayInput::Link(input), Misuse::WrittenTooMuch)));
        mistakes.extend(asked.iter().filter_map(|output| match output {
            RelayOutput::Store(StoreOutput::Persist { batch, .. }) => {
                let outcomes = vec![RelayOutcome::Mailbox(Ok(())); 3];
                Some((RelayInput::Store(StoreInput::Persisted { batch: *batch, outcomes }), Misuse::WrongAnswer))
            }
            RelayOutput::Store(StoreOutput::Load { load, query }) => {
                let answer = match query {
                    RelayQuery::Open => RelayAnswer::Heads(Vec::new()),
                    _ => RelayAnswer::Opened { relay_id: RelayId([7; 16]) },
                };
                Some((RelayInput::Store(StoreInput::Loaded { load: *load, answer: Ok(answer) }), Misuse::WrongAnswer))
            }
            _ => None,
        }));
        mistakes
    }

    fn after_the_end(known: &Known) -> Vec<RelayInput> {
        let (link, transport, origin) = (LinkId(known.link.0 + 1), TransportId::TCP, Origin::default());
        vec![
            RelayInput::Tick,
            RelayInput::Drain,
            RelayInput::WallClock(UnixMillis(1_800_000_000_000)),
            RelayInput::AnnouncedUnknown,
            RelayInput::Link(LinkInput::Opened { link, transport, origin }),
            RelayInput::Link(LinkInput::Closed { link: known.link, cause: LinkFailure::Eof }),
        ]
    }
}
