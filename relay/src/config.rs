//! What a relay may be told: defaults, then `relay.toml`, then the command line.
//!
//! Nothing has to be told: the defaults serve. Every limit of [`RelayLimits`] has a key of the same name; an unknown key, a wrong type
//! and a value that makes no sense are errors that name the key. Never reads the environment.
//!
//! Durations are whole seconds or text such as `"30d"`, `"12h"`, `"10m"`, `"90s"`, `"500ms"`; sizes are bytes or text such as `"1GiB"`.

mod quantity;

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    thread,
};

use serde::Deserialize;
use thiserror::Error;
use zerok_core::{
    limits::{MAX_BLOB, RelayLimits},
    time::Duration,
};

use self::quantity::{Bytes, Time};
use crate::store;

/// The port of a relay that was told none.
pub const PORT: u16 = 7040;
/// The port of its health and metrics.
pub const HTTP_PORT: u16 = 7041;

/// Everything a server needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where it keeps its keys and its database.
    pub data: PathBuf,
    /// Where it listens for TCP links, if at all.
    pub tcp: Option<SocketAddr>,
    /// `host:port` as clients reach it, instead of what the interfaces say.
    pub advertise: Vec<String>,
    /// Its iroh endpoint, if it has one.
    pub iroh: Option<Iroh>,
    /// Where it answers `/health` and `/metrics`, if at all.
    pub http: Option<SocketAddr>,
    /// Relay machines: one per core unless told otherwise.
    pub machines: NonZeroUsize,
    /// The store's size.
    pub store: store::Settings,
    /// The machines' bounds, for the relay as a whole.
    pub limits: RelayLimits,
}

/// The iroh endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Iroh {
    /// Where it listens: as TCP does, but over UDP, unless told otherwise.
    pub bind: Option<SocketAddr>,
    /// How it is reached behind address translation.
    pub nat: Nat,
}

/// How an iroh endpoint is found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Nat {
    /// By its own addresses; nobody else is contacted.
    #[default]
    Direct,
    /// Through the public relays of n0.
    N0,
    /// Through one iroh relay.
    Relay(String),
}

impl std::str::FromStr for Nat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "direct" => Ok(Self::Direct),
            "n0" => Ok(Self::N0),
            url if url.starts_with("https://") || url.starts_with("http://") => Ok(Self::Relay(url.to_owned())),
            other => Err(format!("{other:?} is neither \"direct\", \"n0\" nor the URL of an iroh relay")),
        }
    }
}

/// What is wrong with a configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path}: {source}", path = .path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file does not parse, or a key is unknown or of the wrong type.
    #[error("{path}: {message}", path = .path.display())]
    Parse {
        /// Which file.
        path: PathBuf,
        /// Where and what, with the offending line.
        message: String,
    },
    /// A value makes no sense.
    #[error("{key}: {problem}")]
    Value {
        /// The key as written in the file.
        key: &'static str,
        /// Why it makes no sense.
        problem: String,
    },
}

impl Config {
    /// The defaults, for this data directory.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            tcp: Some(SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT))),
            advertise: Vec::new(),
            iroh: cfg!(feature = "iroh").then(Iroh::default),
            http: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, HTTP_PORT))),
            machines: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            store: store::Settings::default(),
            limits: RelayLimits::default(),
        }
    }

    /// Reads a file over these settings.
    ///
    /// # Errors
    /// [`ConfigError`], naming the key.
    pub fn read(self, path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        let file: File = toml::from_str(&text)
            .map_err(|error| ConfigError::Parse { path: path.to_owned(), message: error.to_string() })?;
        file.over(self)
    }

    /// Whether the settings make sense together.
    ///
    /// # Errors
    /// [`ConfigError::Value`], naming the key.
    pub fn check(&self) -> Result<(), ConfigError> {
        let value = |key, problem: &str| Err(ConfigError::Value { key, problem: problem.to_owned() });
        if self.tcp.is_none() && self.iroh.is_none() {
            return value("tcp", "the relay listens nowhere; give it a TCP address or iroh");
        }
        if self.iroh.is_some() && !cfg!(feature = "iroh") {
            return value("iroh.enabled", "this relay was built without iroh");
        }
        let limits = &self.limits;
        let least: [(&'static str, u64, u64); 21] = [
            ("limits.window", limits.window as u64, 16 * 1024),
            ("limits.page_bytes", limits.page_bytes.into(), 16 * 1024),
            ("limits.links", limits.links as u64, 1),
            ("limits.half_open", limits.half_open as u64, 1),
            ("limits.links_per_origin", limits.links_per_origin as u64, 1),
            ("limits.handshakes", limits.handshakes.0.min(limits.handshakes.1).into(), 1),
            ("limits.push_bytes", limits.push_bytes.0.min(limits.push_bytes.1), 1),
            ("limits.group_bytes", limits.group_bytes, 2 * MAX_BLOB as u64),
            ("limits.group_blobs", limits.group_blobs, 100),
            ("limits.retention", limits.retention.as_secs(), 60),
            ("limits.sweep", limits.sweep.as_secs(), 1),
            ("limits.sweep_clamp", limits.sweep_clamp.as_secs(), 1),
            ("limits.stall", limits.stall.as_secs(), 1),
            // An invite has two.
            ("limits.mailboxes_per_group", limits.mailboxes_per_group.into(), 2),
            ("limits.mailboxes_per_origin", limits.mailboxes_per_origin as u64, 2),
            ("limits.mailboxes", limits.mailboxes as u64, 2),
            // L20: a device that hears nothing asks after four minutes, and waits ten seconds.
            ("limits.idle", limits.idle.as_secs(), 250),
            ("limits.drain_retry", limits.drain_retry.as_secs(), 1),
            ("limits.uncommitted_link", limits.uncommitted_link as u64, MAX_BLOB as u64),
            ("limits.uncommitted", limits.uncommitted as u64, MAX_BLOB as u64),
            ("limits.rates", limits.rates as u64, 1),
        ];
        for (key, is, least) in least {
            if is < least {
                return value(key, &format!("{is} is below the least that works, {least}"));
            }
        }
        if limits.sweep_clamp < limits.sweep {
            return value("limits.sweep_clamp", "below `limits.sweep`, so that nothing would expire in time");
        }
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct File {
    tcp: Option<Place>,
    http: Option<Place>,
    advertise: Option<Vec<String>>,
    machines: Option<NonZeroUsize>,
    iroh: IrohTable,
    store: StoreTable,
    limits: LimitsTable,
}

/// An address, or `false` for none.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected an address such as \"0.0.0.0:7040\", or false")]
enum Place {
    At(SocketAddr),
    Off(bool),
}

impl Place {
    fn over(self, key: &'static str) -> Result<Option<SocketAddr>, ConfigError> {
        match self {
            Self::At(address) => Ok(Some(address)),
            Self::Off(false) => Ok(None),
            Self::Off(true) => Err(ConfigError::Value { key, problem: "true is no address".to_owned() }),
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct IrohTable {
    enabled: Option<bool>,
    bind: Option<SocketAddr>,
    nat: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct StoreTable {
    max_bytes: Option<Bytes>,
    reserve_bytes: Option<Bytes>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rate<T> {
    burst: T,
    per_second: T,
}

macro_rules! limits_table {
    ($($name:ident: $kind:ty;)*) => {
        /// Each key is the limit of the same name.
        #[derive(Deserialize, Default)]
        #[serde(deny_unknown_fields, default)]
        struct LimitsTable { $($name: Option<$kind>,)* }

        impl LimitsTable {
            fn over(self, limits: &mut RelayLimits) {
                // Taken apart by name, so that a limit without a key does not compile.
                let RelayLimits { $($name,)* } = limits;
                $(if let Some(told) = self.$name { told.put($name); })*
            }

            #[cfg(test)]
            const KEYS: &'static [&'static str] = &[$(stringify!($name)),*];
        }
    };
}

limits_table! {
    window: Bytes;
    page_bytes: Bytes;
    links: usize;
    half_open: usize;
    links_per_origin: usize;
    handshakes: Rate<u32>;
    push_bytes: Rate<Bytes>;
    group_bytes: Bytes;
    group_blobs: u64;
    groups_per_day: u32;
    mailboxes_per_group: u32;
    mailboxes_per_origin: usize;
    mailboxes: usize;
    retention: Time;
    sweep: Time;
    sweep_clamp: Time;
    stall: Time;
    idle: Time;
    drain_retry: Time;
    uncommitted_link: Bytes;
    uncommitted: Bytes;
    rates: usize;
}

/// A value as written, put where it belongs.
trait Put<T> {
    fn put(self, to: &mut T);
}

impl<T> Put<T> for T {
    fn put(self, to: &mut T) {
        *to = self;
    }
}

impl Put<u64> for Bytes {
    fn put(self, to: &mut u64) {
        *to = self.0;
    }
}

impl Put<usize> for Bytes {
    fn put(self, to: &mut usize) {
        *to = usize::try_from(self.0).unwrap_or(usize::MAX);
    }
}

impl Put<u32> for Bytes {
    fn put(self, to: &mut u32) {
        *to = u32::try_from(self.0).unwrap_or(u32::MAX);
    }
}

impl Put<Duration> for Time {
    fn put(self, to: &mut Duration) {
        *to = self.0;
    }
}

impl Put<(u32, u32)> for Rate<u32> {
    fn put(self, to: &mut (u32, u32)) {
        *to = (self.burst, self.per_second);
    }
}

impl Put<(u64, u64)> for Rate<Bytes> {
    fn put(self, to: &mut (u64, u64)) {
        *to = (self.burst.0, self.per_second.0);
    }
}

impl File {
    fn over(self, mut config: Config) -> Result<Config, ConfigError> {
        if let Some(place) = self.tcp {
            config.tcp = place.over("tcp")?;
        }
        if let Some(place) = self.http {
            config.http = place.over("http")?;
        }
        if let Some(advertise) = self.advertise {
            config.advertise = advertise;
        }
        if let Some(machines) = self.machines {
            config.machines = machines;
        }
        match self.iroh.enabled {
            Some(true) => drop(config.iroh.get_or_insert_default()),
            Some(false) => config.iroh = None,
            None => {}
        }
        if let Some(iroh) = &mut config.iroh {
            iroh.bind = self.iroh.bind.or(iroh.bind);
            if let Some(nat) = self.iroh.nat {
                iroh.nat = nat.parse().map_err(|problem| ConfigError::Value { key: "iroh.nat", problem })?;
            }
        }
        if let Some(bytes) = self.store.max_bytes {
            config.store.max_bytes = Some(bytes.0);
        }
        if let Some(bytes) = self.store.reserve_bytes {
            config.store.reserve_bytes = bytes.0;
        }
        self.limits.over(&mut config.limits);
        Ok(config)
    }
}

#[cfg(test)]
mod tests;
