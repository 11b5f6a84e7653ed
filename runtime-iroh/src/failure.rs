//! iroh's errors in the few words a machine knows.

use std::io;

use iroh::endpoint::{ConnectWithOptsError, ConnectingError, ConnectionError, ReadError, StoppedError, WriteError};
use zerok_core::machine::LinkFailure;

/// Why a dial did not start.
pub(crate) fn of_start(error: &ConnectWithOptsError) -> LinkFailure {
    match error {
        ConnectWithOptsError::EndpointClosed { .. } => LinkFailure::Local,
        ConnectWithOptsError::SelfConnect { .. } | ConnectWithOptsError::InvalidAlpn { .. } => LinkFailure::NoTransport,
        _ => LinkFailure::Unreachable,
    }
}

/// Why a dial did not come through.
pub(crate) fn of_connecting(error: &ConnectingError) -> LinkFailure {
    match error {
        ConnectingError::ConnectionError { source, .. } => of_connection(source),
        ConnectingError::HandshakeFailure { .. } => LinkFailure::Refused,
        _ => LinkFailure::Unreachable,
    }
}

/// Why a connection ended before it carried a stream.
pub(crate) fn of_connection(error: &ConnectionError) -> LinkFailure {
    match error {
        ConnectionError::TimedOut => LinkFailure::TimedOut,
        ConnectionError::LocallyClosed => LinkFailure::Local,
        ConnectionError::Reset => LinkFailure::Reset,
        _ => LinkFailure::Refused,
    }
}

/// An error of a stream, with a kind that says what became of the connection; iroh's own says "not connected" to everything.
pub(crate) fn of_io(error: io::Error) -> io::Error {
    let inner = error.get_ref();
    let lost = inner.and_then(|inner| match inner.downcast_ref::<ReadError>() {
        Some(ReadError::ConnectionLost(lost)) => Some(lost),
        Some(_) => None,
        None => match inner.downcast_ref::<WriteError>() {
            Some(WriteError::ConnectionLost(lost)) => Some(lost),
            Some(_) => None,
            None => match inner.downcast_ref::<StoppedError>() {
                Some(StoppedError::ConnectionLost(lost)) => Some(lost),
                _ => None,
            },
        },
    });
    match lost {
        Some(lost) => io::Error::new(kind(lost), lost.clone()),
        None => error,
    }
}

fn kind(lost: &ConnectionError) -> io::ErrorKind {
    match lost {
        ConnectionError::TimedOut => io::ErrorKind::TimedOut,
        // The peer let go of the link, as a TCP peer would that closes its socket.
        ConnectionError::ApplicationClosed(_) => io::ErrorKind::UnexpectedEof,
        ConnectionError::LocallyClosed => io::ErrorKind::ConnectionAborted,
        _ => io::ErrorKind::ConnectionReset,
    }
}
