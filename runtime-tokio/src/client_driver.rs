//! What surrounds a client machine: its links, its store, the calls that wait for it.
//!
//! Knows no rule of the protocol. It hands calls to the machine in the order of their ids, answers each exactly once, and keeps the
//! last status where it can be read without asking.

use std::{collections::HashMap, sync::Arc};

use tokio::sync::{broadcast, oneshot, watch};
use zerok_core::{
    client::{
        command::{ClientCommand, ClientEvent, Lifecycle, Rejection, Reply},
        io::{ClientInput, ClientOutput},
        status::Status,
        store::ClientStore,
    },
    driver::Host,
    error::Code,
    ids::CommandId,
    machine::Machine,
};

use crate::{driver::Station, link::Dialer, pump::Links, store::worker::Worker};

/// How a call ended.
pub(crate) type Answer = Result<Reply, Rejection>;

/// What the application's side sends.
#[derive(Debug)]
pub(crate) enum Request {
    /// A call. Ids strictly increase.
    Call { id: CommandId, command: Box<ClientCommand>, answer: oneshot::Sender<Answer> },
    /// Nobody waits for this call any more.
    Cancel(CommandId),
    /// A platform signal.
    Lifecycle(Lifecycle),
}

/// Where the application reads what it need not ask for.
#[derive(Debug)]
pub(crate) struct Board {
    pub(crate) status: watch::Sender<Status>,
    pub(crate) events: broadcast::Sender<ClientEvent>,
    /// Why the machine stopped, once it has.
    pub(crate) stopped: watch::Sender<Option<Code>>,
}

/// The surroundings of one client machine.
pub(crate) struct ClientStation {
    links: Links,
    dialer: Arc<dyn Dialer>,
    store: Worker<ClientStore>,
    calls: HashMap<CommandId, oneshot::Sender<Answer>>,
    board: Board,
    /// A problem told by the output just before: when that is the last one, it is what stopped the machine.
    problem: Option<Code>,
}

impl ClientStation {
    pub(crate) fn new(links: Links, dialer: Arc<dyn Dialer>, store: Worker<ClientStore>, board: Board) -> Self {
        Self { links, dialer, store, calls: HashMap::new(), board, problem: None }
    }

    /// Closes the store, which blocks, and then tells that everything is over.
    pub(crate) fn finish(self) -> Board {
        self.store.finish();
        self.board
    }

    fn signal(&self, lifecycle: Lifecycle) -> ClientInput {
        if let Lifecycle::Resumed { .. } | Lifecycle::NetworkChanged { available: true } = lifecycle {
            tokio::spawn(self.dialer.network_changed());
        }
        ClientInput::Lifecycle(lifecycle)
    }

    fn publish(&mut self, event: ClientEvent) {
        match &event {
            ClientEvent::Status(status) => drop(self.board.status.send_replace(*status)),
            ClientEvent::Problem(code) => self.problem = Some(*code),
            _ => {}
        }
        // Nobody may be listening; reads are the truth.
        let _unheard = self.board.events.send(event);
    }
}

impl Host<ClientOutput> for ClientStation {
    fn perform(&mut self, output: ClientOutput) {
        let problem = self.problem.take();
        match output {
            ClientOutput::Open { link, target } => self.links.dial(link, self.dialer.dial(&target)),
            ClientOutput::Link(output) => self.links.perform(output),
            ClientOutput::Store(output) => self.store.perform(output),
            ClientOutput::Done { command, result } => {
                if let Some(answer) = self.calls.remove(&command) {
                    // The caller may have gone meanwhile.
                    let _gone = answer.send(result);
                }
            }
            ClientOutput::Event(event) => self.publish(event),
            ClientOutput::Stopped => {
                self.board.stopped.send_replace(Some(problem.unwrap_or(Code::Cancelled)));
            }
        }
    }
}

impl<M> Station<M> for ClientStation
where
    M: Machine<Input = ClientInput, Output = ClientOutput>,
{
    type Request = Request;

    fn links(&mut self) -> &mut Links {
        &mut self.links
    }

    fn admit(&mut self, request: Request) -> Option<ClientInput> {
        Some(match request {
            Request::Call { id, command, answer } => {
                self.calls.insert(id, answer);
                ClientInput::Command(id, *command)
            }
            Request::Cancel(id) => {
                self.calls.remove(&id)?;
                ClientInput::Cancel(id)
            }
            Request::Lifecycle(lifecycle) => self.signal(lifecycle),
        })
    }

    fn abandoned(&mut self) -> Option<ClientInput> {
        Some(ClientInput::Lifecycle(Lifecycle::Closing))
    }

    fn stopped(&self) -> bool {
        self.board.stopped.borrow().is_some()
    }
}
