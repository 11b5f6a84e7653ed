//! A client's inputs and outputs.

use crate::{
    address::RelayAddress,
    client::{
        command::{ClientCommand, ClientEvent, Lifecycle, Rejection, Reply},
        store::ClientStore,
    },
    ids::{CommandId, LinkId},
    machine::{LinkInput, LinkOutput, StoreInput, StoreOutput},
    time::UnixMillis,
};

/// What may happen to a client.
#[derive(Debug)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub enum ClientInput {
    /// Time passed.
    Tick,
    /// On a link.
    Link(LinkInput),
    /// In the store.
    Store(StoreInput<ClientStore>),
    /// The application asks. Ids strictly increase.
    Command(CommandId, ClientCommand),
    /// The application no longer waits for this command.
    Cancel(CommandId),
    /// The platform reports.
    Lifecycle(Lifecycle),
    /// The wall clock says. Once at start and when it jumps.
    WallClock(UnixMillis),
}

/// What a client asks of its driver.
#[derive(Debug)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub enum ClientOutput {
    /// Dial the relay by any of its transports.
    Open {
        /// The new link's id.
        link: LinkId,
        /// Whom to dial.
        target: RelayAddress,
    },
    /// On a link.
    Link(LinkOutput),
    /// To the store.
    Store(StoreOutput<ClientStore>),
    /// The answer to a command.
    Done {
        /// Which.
        command: CommandId,
        /// What.
        result: Result<Reply, Rejection>,
    },
    /// Something to know.
    Event(ClientEvent),
    /// After [`Lifecycle::Closing`] or a store failure: nothing more will come.
    Stopped,
}
