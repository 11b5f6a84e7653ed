//! The command line as it is typed. Parses and nothing else.

use std::{path::PathBuf, time::Duration};

use clap::{Parser, Subcommand, ValueEnum};
use zerok_tokio::secrets::KeyStorageChoice;

/// Set apart, so that a command's own options come first in its help.
const EVERYWHERE: &str = "For every command";

/// Zero-knowledge sync: a device on the command line.
#[derive(Debug, Clone, PartialEq, Eq, Parser)]
#[command(
    name = "zerok",
    version,
    after_help = "Exit status: 0 done, 1 the doctor found something, 2 wrong request, \
    3 kept here and not yet at the relay, 4 refused by the relay, 5 disk, keys or another process, 6 pairing, 7 history."
)]
pub(crate) struct Args {
    /// Where this device keeps its data
    #[arg(long, global = true, env = "ZEROK_DATA", value_name = "DIR", help_heading = EVERYWHERE)]
    pub(crate) data: Option<PathBuf>,
    /// Print one JSON object a line
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub(crate) json: bool,
    /// How long to wait for the relay
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 10, help_heading = EVERYWHERE)]
    pub(crate) timeout: u32,
    /// Where a new device keeps its key: auto is the keychain if there is a usable one, else a file
    #[arg(
        long,
        global = true,
        env = "ZEROK_KEY_STORAGE",
        value_enum,
        value_name = "auto|keychain|file",
        default_value_t = KeyStorage::Auto,
        hide_possible_values = true,
        help_heading = EVERYWHERE
    )]
    pub(crate) key_storage: KeyStorage,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum Command {
    /// Set this device up, in a group of its own
    Init {
        /// The relay's address, as the relay prints it
        #[arg(long, value_name = "ADDR")]
        relay: Option<String>,
        /// A new device's name; the machine's if not given
        #[arg(long)]
        name: Option<String>,
        /// As a new device, although a damaged database was set aside here
        #[arg(long)]
        afresh: bool,
    },
    /// Invite another device and wait for it
    Invite,
    /// Join the group of a device that invites
    Join {
        /// The code, or the URL of the picture; read from standard input if - or nothing, where no other user of this computer sees it
        #[arg(value_name = "CODE|URL")]
        invite: Option<String>,
        /// The relay's address; needed with a code on a new device, a URL carries it
        #[arg(long, value_name = "ADDR")]
        relay: Option<String>,
        /// This device's name; the machine's if not given
        #[arg(long)]
        name: Option<String>,
    },
    /// Send data to the other devices
    Push {
        /// Make each line a blob of its own; empty lines are left out
        #[arg(long)]
        lines: bool,
        /// What to send; standard input if - or nothing
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Print what has arrived and not been printed yet
    Pull {
        /// Everything that is still on this device, printed before or not, its own included
        #[arg(long, conflicts_with = "after")]
        all: bool,
        /// Everything behind this cursor, printed before or not
        #[arg(long, value_name = "CURSOR")]
        after: Option<u64>,
        /// This device's own blobs as well
        #[arg(long)]
        own: bool,
        /// Do not ask the relay
        #[arg(long)]
        offline: bool,
    },
    /// Print what arrives, until stopped
    Watch {
        /// Push each line of standard input
        #[arg(long)]
        push_stdin: bool,
    },
    /// Say how things stand
    Status {
        /// Do not try to reach the relay
        #[arg(long)]
        offline: bool,
    },
    /// List the devices of the group
    Devices,
    /// Change this device's name
    Rename {
        /// The new name
        name: String,
    },
    /// Leave the group and erase its data on this device; the others are not told
    Leave {
        /// Even if something has not reached the relay
        #[arg(long)]
        force: bool,
    },
    /// Use another relay from now on
    SetRelay {
        /// Its address, as it prints it
        #[arg(value_name = "ADDR")]
        address: String,
    },
    /// Send and fetch everything now
    Sync,
    /// Look for what is wrong and say what to do
    Doctor {
        /// Check whether this relay can be reached, too
        #[arg(long, value_name = "ADDR")]
        relay: Option<String>,
        /// The relay's health page: its clock is compared with this one
        #[arg(long, value_name = "URL")]
        health: Option<String>,
        /// Show hosts, names and paths, which the report leaves out otherwise
        #[arg(long)]
        full: bool,
        /// Forget the findings about the history once they are reported
        #[arg(long)]
        settle: bool,
    },
}

/// Where a new device keeps its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyStorage {
    /// In the keychain if it works, else in a file
    Auto,
    /// In the keychain, or not at all
    Keychain,
    /// In a file that only its owner can read
    File,
}

impl From<KeyStorage> for KeyStorageChoice {
    fn from(choice: KeyStorage) -> Self {
        match choice {
            KeyStorage::Auto => Self::Auto,
            KeyStorage::Keychain => Self::Keychain,
            KeyStorage::File => Self::File,
        }
    }
}

impl Args {
    /// How long to wait for the relay.
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs(self.timeout.into())
    }
}

#[cfg(test)]
mod tests;
