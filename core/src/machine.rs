//! What every machine looks like from outside: inputs, outputs and a deadline.
//!
//! A driver calls [`Machine::handle`] for each thing that happened, drains [`Machine::poll`], and wakes the machine no later than
//! [`Machine::deadline`]. Outputs come in the order in which their effects must happen. A machine never blocks, never panics on
//! input, and returns `Err` only for a mistake of the driver.
//!
//! `handle` clamps time to be monotonic, applies the input, then fires every timer that is due.

use bytes::Bytes;
use thiserror::Error;

use crate::{
    error::Code,
    ids::{BatchId, LinkId, LoadId, TransportId},
    time::Time,
};

/// A protocol role without any IO.
pub trait Machine {
    /// What may happen to it.
    type Input;
    /// What it asks of its driver.
    type Output;

    /// Takes one input. On `Err` the machine is unchanged.
    ///
    /// # Errors
    /// [`Misuse`], which only a faulty driver can cause.
    fn handle(&mut self, now: Time, input: Self::Input) -> Result<(), Misuse>;

    /// The next output, or `None` when drained. May be called at any time.
    fn poll(&mut self) -> Option<Self::Output>;

    /// When the machine wants a tick, if at all. Early, late and repeated ticks are fine.
    fn deadline(&self) -> Option<Time>;
}

/// A mistake of the driver. The input was ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum Misuse {
    /// An id that must increase did not.
    #[error("an id went backwards or was used twice")]
    IdReused,
    /// More bytes were reported written than were handed out.
    #[error("more bytes reported written than transmitted")]
    WrittenTooMuch,
    /// The store acknowledged a batch or load that was never asked for.
    #[error("the store answered something never asked")]
    UnknownAnswer,
    /// The store's answer has another shape than the question.
    #[error("the store's answer does not fit its question")]
    WrongAnswer,
}

/// What happened on a link.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LinkInput {
    /// The transport is up. `transport` enters the handshake; `origin` is who to charge for abuse.
    Opened {
        /// Which link.
        link: LinkId,
        /// The relay's identity on this transport.
        transport: TransportId,
        /// Where it comes from; all zeros for a dialled link.
        origin: Origin,
    },
    /// Dialling failed. The link is over.
    OpenFailed {
        /// Which link.
        link: LinkId,
        /// Why.
        cause: LinkFailure,
    },
    /// Bytes arrived, split anywhere.
    Bytes {
        /// Which link.
        link: LinkId,
        /// At least one byte.
        bytes: Bytes,
    },
    /// So many more bytes were handed to the operating system.
    Written {
        /// Which link.
        link: LinkId,
        /// How many.
        len: usize,
    },
    /// The link ended, whoever asked for it. Last word on this link.
    Closed {
        /// Which link.
        link: LinkId,
        /// Why.
        cause: LinkFailure,
    },
}

/// What a machine asks of a link.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LinkOutput {
    /// Send these bytes, in order. They lie within the link's credit window, so a driver may queue without bound.
    Transmit {
        /// Which link.
        link: LinkId,
        /// What to send.
        bytes: Bytes,
    },
    /// Stop or resume reading: the machine is at one of its limits.
    SetReading {
        /// Which link.
        link: LinkId,
        /// Whether to read.
        on: bool,
    },
    /// Flush what was transmitted, then close. `Closed` must still follow.
    Close {
        /// Which link.
        link: LinkId,
        /// Why, for logs and transcripts.
        reason: crate::error::CloseReason,
    },
}

/// Whom a link is charged to when it misbehaves: an address prefix (IPv4 /24, IPv6 /48) or an endpoint id's first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Origin(pub [u8; 8]);

/// How a transport failed, as far as a machine cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LinkFailure {
    /// Nobody answers at any address.
    Unreachable,
    /// Somebody answered and said no.
    Refused,
    /// No answer in time.
    TimedOut,
    /// The peer finished in good order.
    Eof,
    /// The connection broke.
    Reset,
    /// We asked for it.
    Local,
    /// The address names no transport this driver can use.
    NoTransport,
}

/// The store vocabulary of one role.
pub trait StoreRole {
    /// One operation of a batch.
    type Op;
    /// What a durable batch reports besides being durable.
    type Outcome;
    /// One question.
    type Query;
    /// Its answer.
    type Answer;
}

/// What a machine asks of its store. One queue: a load sees every batch emitted before it.
#[derive(Debug)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub enum StoreOutput<R: StoreRole> {
    /// Apply all of it or nothing, after every earlier batch, and make it durable.
    Persist {
        /// Strictly increasing.
        batch: BatchId,
        /// In this order.
        ops: Vec<R::Op>,
    },
    /// Answer with [`StoreInput::Loaded`].
    Load {
        /// Strictly increasing.
        load: LoadId,
        /// What to read.
        query: R::Query,
    },
}

/// What the store answers.
#[derive(Debug)]
#[cfg_attr(feature = "model", derive(Clone, Hash))]
pub enum StoreInput<R: StoreRole> {
    /// This batch and all before it are durable. A batch whose role has outcomes is reported by itself.
    Persisted {
        /// The highest durable batch.
        batch: BatchId,
        /// What `batch` reports, one per operation that reports anything.
        outcomes: Vec<R::Outcome>,
    },
    /// This batch did not happen. After a failure that [may pass](StoreFailure::may_pass) the store refuses every later batch too, until
    /// it is asked to open again.
    PersistFailed {
        /// The batch.
        batch: BatchId,
        /// Why.
        failure: StoreFailure,
    },
    /// The answer to a load.
    Loaded {
        /// Which load.
        load: LoadId,
        /// What was read.
        answer: Result<R::Answer, StoreFailure>,
    },
}

/// How a store fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum StoreFailure {
    /// No room; rolled back cleanly. Nothing is lost and it may work later.
    #[error("the disk or the database's own limit is full")]
    Full,
    /// No key to write with while the keychain is locked; rolled back cleanly, like `Full`.
    #[error("the keychain is locked or missing")]
    Locked,
    /// Another process holds the database; rolled back cleanly, like `Full`.
    #[error("another process holds the database")]
    Busy,
    /// Reading, writing or syncing failed. What is on disk is unknown until it is read again.
    #[error("the store could not read, write or sync")]
    Io,
    /// The database is damaged.
    #[error("the database is damaged")]
    Corrupt,
    /// A newer version wrote it.
    #[error("the database was written by a newer version")]
    TooNew,
}

impl StoreFailure {
    /// Whether the batch was rolled back cleanly, so that nothing is lost and a later one may succeed.
    pub const fn may_pass(self) -> bool {
        matches!(self, Self::Full | Self::Locked | Self::Busy)
    }

    /// What an application is told.
    pub const fn code(self) -> Code {
        match self {
            Self::Full => Code::StorageFull,
            Self::Locked => Code::KeychainLocked,
            Self::Busy => Code::AlreadyRunning,
            Self::TooNew => Code::UpdateNeeded,
            Self::Io | Self::Corrupt => Code::StorageFailed,
        }
    }
}
