//! How a command ended: a sentence for people, an object for programs, an exit status for scripts.
//!
//! Invariant: every code has a class of its own choosing; the test goes through all of them and through the table in docs/cli.md.

use std::{fmt, path::Path, process::ExitCode};

use serde::Serialize;
use zerok_core::error::Code;
use zerok_tokio::{SyncError, secrets::KeyFault};

/// A command that did what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    /// All is well.
    Well,
    /// The doctor has found something.
    Unwell,
}

/// A command that did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// For this reason.
    Told {
        /// The stable code.
        code: Code,
        /// What there is to say besides the code's own sentence.
        detail: Option<String>,
    },
    /// Nobody reads our output any more. No reason to complain.
    Unheard,
}

/// What every command answers.
pub(crate) type Outcome<T = Done> = Result<T, Failure>;

impl Failure {
    /// With something to say besides the code's own sentence.
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self::Told { code, detail: Some(detail.into()) }
    }

    /// Nothing went wrong but that the relay was not reached. No process stays behind to send it.
    pub(crate) fn pending(what: &str) -> Self {
        Self::new(Code::Pending, format!("{what} {SENT_BY}"))
    }

    /// The stable code, if there is anything to tell.
    pub(crate) fn code(&self) -> Option<Code> {
        match self {
            Self::Told { code, .. } => Some(*code),
            Self::Unheard => None,
        }
    }

    /// The exit status.
    pub(crate) fn status(&self) -> u8 {
        self.code().map_or(0, class)
    }

    /// The sentences for people.
    pub(crate) fn message(&self) -> String {
        match self {
            // What is wrong with the arguments says more than that something is.
            Self::Told { code: Code::InvalidArgs, detail: Some(detail) } => detail.clone(),
            Self::Told { code, detail: Some(detail) } => format!("{code} {detail}"),
            Self::Told { code, detail: None } => code.to_string(),
            Self::Unheard => String::new(),
        }
    }

    /// The object for programs.
    pub(crate) fn object(&self) -> Option<ErrorObject> {
        let code = self.code()?;
        Some(ErrorObject {
            error: ErrorBody { code: code.name(), message: self.message(), retryable: code.retryable() },
        })
    }
}

/// `error[code]: sentence`
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code() {
            Some(code) => write!(f, "error[{}]: {}", code.name(), self.message()),
            None => Ok(()),
        }
    }
}

impl From<Code> for Failure {
    fn from(code: Code) -> Self {
        Self::Told { code, detail: None }
    }
}

/// Who sends what a command leaves behind.
const SENT_BY: &str = "The next command that reaches the relay sends it, such as `zerok sync`.";

impl From<SyncError> for Failure {
    fn from(error: SyncError) -> Self {
        let code = error.code();
        let detail = match (&error, code) {
            (_, Code::AlreadyRunning) => {
                "It may be `zerok watch` or an application: stop it, or choose another directory with --data."
                    .to_owned()
            }
            (_, Code::CursorUnknown) => match error.last_cursor() {
                Some(last) => format!("The last one is {}.", last.0),
                None => return code.into(),
            },
            (_, Code::NotEnabled) => "Run `zerok init` or `zerok join`.".to_owned(),
            (SyncError::Rejected(_) | SyncError::Stopped(_), _) => return code.into(),
            (SyncError::Key(KeyFault::Missing), _) => {
                "There is none in this session. A new device can use --key-storage file.".to_owned()
            }
            (SyncError::SetAside(_), _) => format!("{} That is `zerok init --afresh`.", sentence(&error.to_string())),
            _ => sentence(&error.to_string()),
        };
        Self::new(code, detail)
    }
}

impl Failure {
    /// A device cannot be opened. Says which, since its directory need not have been named.
    pub(crate) fn of_opening(error: SyncError, data: &Path) -> Self {
        let place = matches!(error, SyncError::Directory(_) | SyncError::Key(_) | SyncError::Store(_));
        match Self::from(error) {
            Self::Told { code, detail } if place => {
                let detail = detail.map(|detail| format!("{detail} ")).unwrap_or_default();
                Self::new(code, format!("{detail}The data directory is {}.", data.display()))
            }
            other => other,
        }
    }

    /// A call that takes a name failed, after everything else in it was checked.
    pub(crate) fn of_naming(error: SyncError) -> Self {
        match error.code() {
            Code::InvalidArgs => Self::new(
                Code::InvalidArgs,
                "A name has something visible in it, no control characters, and at most 64 bytes.",
            ),
            _ => error.into(),
        }
    }

    /// Standard output does not take what we print.
    pub(crate) fn of_output(error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::Unheard,
            std::io::ErrorKind::StorageFull => Self::new(Code::StorageFull, "The output cannot be written."),
            _ => Self::new(Code::StorageFailed, format!("The output cannot be written: {error}.")),
        }
    }

    /// What is to be sent cannot be read.
    pub(crate) fn of_input(name: &str, error: &std::io::Error) -> Self {
        Self::new(Code::InvalidArgs, format!("{name} cannot be read: {error}."))
    }
}

/// `{"error":{"code","message","retryable"}}`
#[derive(Debug, Serialize)]
pub(crate) struct ErrorObject {
    error: ErrorBody,
}

#[derive(Debug, Serialize)]
struct ErrorBody {
    code: &'static str,
    message: String,
    retryable: bool,
}

/// Clauses of libraries as sentences of ours.
pub(crate) fn sentence(clause: &str) -> String {
    let mut chars = clause.trim().chars();
    let mut sentence: String = chars.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    sentence.push_str(chars.as_str());
    if !sentence.ends_with(['.', '!', '?']) {
        sentence.push('.');
    }
    sentence
}

/// The exit status of a code.
pub(crate) fn class(code: Code) -> u8 {
    use Code as C;
    match code {
        C::NotEnabled
        | C::BlobTooLarge
        | C::AlreadyConsuming
        | C::CursorUnknown
        | C::RelayMismatch
        | C::NoRelay
        | C::InvalidArgs
        | C::NotAllowed
        | C::LeavePending => 2,
        C::Offline | C::Pending | C::Busy | C::Cancelled => 3,
        C::RelayIncompatible | C::RelayUnverified | C::RelayFull | C::RateLimited | C::NotMember | C::UpdateNeeded => 4,
        C::AlreadyRunning
        | C::OutboxFull
        | C::InboxFull
        | C::StorageFull
        | C::StorageFailed
        | C::KeyLost
        | C::KeychainLocked => 5,
        C::AlreadyInGroup | C::InviteUnknown | C::InviteExpired | C::InviteUsed | C::PairingFailed => 6,
        C::Gap | C::Tampered | C::Fork | C::Equivocation | C::RelayReset | C::MissingEpoch => 7,
        C::UnknownDevice | C::RestoredTooOften => 7,
        // Codes may be added; the test sees to it that they get a class here.
        _ => UNCLASSED,
    }
}

/// What no code has.
const UNCLASSED: u8 = 70;

/// The exit status of a whole run.
pub(crate) fn exit_code(outcome: &Outcome) -> ExitCode {
    match outcome {
        Ok(Done::Well) => ExitCode::SUCCESS,
        Ok(Done::Unwell) => ExitCode::from(1),
        Err(failure) => ExitCode::from(failure.status()),
    }
}

#[cfg(test)]
mod tests;
