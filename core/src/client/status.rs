//! The one place where a client's state becomes what a user sees.

use serde::{Deserialize, Serialize};

use crate::{error::Code, ids::Position, time::UnixMillis};

/// What a user needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Status {
    /// Where the link stands.
    pub state: ConnectionState,
    /// The four-state summary.
    pub indicator: Indicator,
    /// Blobs not yet at the relay.
    pub pending: u64,
    /// Highest position up to which every blob was returned by some pull.
    pub last_cursor: Position,
    /// When everything was last at the relay and everything there was here.
    pub last_synced_at: Option<UnixMillis>,
    /// Failed attempts since the last success.
    pub attempt: u32,
    /// What went wrong last, until something goes right.
    pub last_error: Option<Code>,
}

/// Where the link to the relay stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ConnectionState {
    /// Not syncing.
    Disabled,
    /// No network, or nothing to connect to.
    Offline,
    /// First attempt.
    Connecting,
    /// A proven link.
    Connected,
    /// Trying again.
    Reconnecting,
}

/// The four pictures of the seed: ☁️✓ ☁️⏳ ☁️✗ 📴.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Indicator {
    /// The relay holds everything this device has.
    Synced,
    /// Something is queued.
    Pending,
    /// The relay or the store refused something.
    Failed,
    /// No network, or the relay is out of reach.
    Offline,
}

impl Indicator {
    /// The glyph an application may show.
    pub const fn glyph(self) -> &'static str {
        match self {
            Self::Synced => "☁️✓",
            Self::Pending => "☁️⏳",
            Self::Failed => "☁️✗",
            Self::Offline => "📴",
        }
    }

    /// Judges. `refused` is a standing refusal of the relay or the store; `unreached` says that dial after dial has failed.
    ///
    /// A link that was lost a moment ago is no reason to look after one's connection: until the relay is out of reach, what counts is
    /// whether something waits.
    pub(crate) const fn judge(state: ConnectionState, refused: bool, unreached: bool, pending: u64) -> Self {
        let within_reach = match state {
            ConnectionState::Connected => true,
            ConnectionState::Connecting | ConnectionState::Reconnecting => !unreached,
            ConnectionState::Disabled | ConnectionState::Offline => false,
        };
        match (refused, within_reach, pending) {
            (true, ..) => Self::Failed,
            (_, false, _) => Self::Offline,
            (_, true, 0) => Self::Synced,
            (_, true, 1..) => Self::Pending,
        }
    }
}
