//! Where a relay is and which key it must prove: one string that a user can paste.
//!
//! ```text
//! address = "0k:" ‖ base32(version(1) = 1 ‖ body ‖ checksum(4))        RFC 4648 in lower case, without padding
//! body    = postcard: key(32) ‖ tcp: [host:port] ‖ iroh: option of (endpoint(32) ‖ direct: [ip:port] ‖ relay: option of url)
//! checksum = first 4 bytes of SHA-256("0k/1/address" ‖ version ‖ body)
//! ```
//! Reading takes either case and spaces around, and nothing else that was not written: an address has one form. The key pins the
//! relay; the transports are only hints, so an address without any is valid and cannot be dialled. Never resolves or dials.
//!
//! Limits: 4096 characters, [`MAX_TCP`] and [`MAX_DIRECT`] entries, [`MAX_HOST_PORT`] and [`MAX_URL`] bytes each.

use core::{fmt, net::SocketAddr, str::FromStr};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::{base32, ids::RelayKey, seal::keys::contributory};

/// Most `host:port` entries.
pub const MAX_TCP: usize = 8;
/// Most direct addresses of an iroh endpoint.
pub const MAX_DIRECT: usize = 16;
/// Longest `host:port`, bytes.
pub const MAX_HOST_PORT: usize = 259;
/// Longest URL, bytes.
pub const MAX_URL: usize = 512;
/// Longest string that is looked at.
pub const MAX_TEXT: usize = 4096;

const PREFIX: &str = "0k:";
const CHECKSUM: usize = 4;
const VERSION: u8 = 1;

/// A relay's pinned key and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RelayAddress {
    /// Its static key.
    pub key: RelayKey,
    /// `host:port`, in order of preference; an IPv6 host in brackets.
    pub tcp: Vec<String>,
    /// Its iroh endpoint.
    pub iroh: Option<IrohRoute>,
}

/// How to reach a relay over iroh.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct IrohRoute {
    /// Its endpoint id.
    pub endpoint: [u8; 32],
    /// `ip:port` where it may listen.
    pub direct: Vec<String>,
    /// The iroh relay it is homed at.
    pub relay: Option<String>,
}

/// Why a string is no address, or an address is not sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum AddressFault {
    /// It does not begin as one.
    #[error("a relay address begins with 0k:")]
    Prefix,
    /// Above [`MAX_TEXT`].
    #[error("the address is too long")]
    TooLong,
    /// A character that cannot occur, or a cut end.
    #[error("the address has a wrong character or is cut off")]
    Alphabet,
    /// A later version.
    #[error("the address has version {0}, which this program does not know")]
    Version(u8),
    /// Mistyped or cut off.
    #[error("the address has a typing mistake or is cut off")]
    Checksum,
    /// Its content does not decode.
    #[error("the address is malformed")]
    Malformed,
    /// The relay's key cannot be a key.
    #[error("the address holds an impossible key")]
    WeakKey,
    /// More than [`MAX_TCP`] or [`MAX_DIRECT`] entries.
    #[error("the address names too many places")]
    TooMany,
    /// Not `host:port`.
    #[error("the address holds something that is not host:port")]
    HostPort,
    /// Not `ip:port`.
    #[error("the address holds something that is not ip:port")]
    Direct,
    /// Not a URL of an iroh relay.
    #[error("the address holds something that is not a URL")]
    Url,
}

impl RelayAddress {
    /// Whether it keeps the limits and could be read back.
    ///
    /// # Errors
    /// The first fault found.
    pub fn check(&self) -> Result<(), AddressFault> {
        if !contributory(&self.key.0) {
            return Err(AddressFault::WeakKey);
        }
        if self.tcp.len() > MAX_TCP || self.iroh.as_ref().is_some_and(|iroh| iroh.direct.len() > MAX_DIRECT) {
            return Err(AddressFault::TooMany);
        }
        if !self.tcp.iter().all(|entry| is_host_port(entry)) {
            return Err(AddressFault::HostPort);
        }
        if let Some(iroh) = &self.iroh {
            if !iroh.direct.iter().all(|entry| is_ip_port(entry)) {
                return Err(AddressFault::Direct);
            }
            if iroh.relay.as_ref().is_some_and(|url| !is_url(url)) {
                return Err(AddressFault::Url);
            }
        }
        // Every entry may be within its limit and all together too long to be read.
        let text = (self.to_bytes().len() + CHECKSUM) * 8;
        if text.div_ceil(5) > MAX_TEXT { Err(AddressFault::TooLong) } else { Ok(()) }
    }

    /// version ‖ body, without checksum, for carrying inside something that has its own.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        // Plain structs into memory: postcard has no way to fail here.
        out.extend(postcard::to_allocvec(self).unwrap_or_default());
        out
    }

    /// Reads what [`Self::to_bytes`] gave.
    ///
    /// # Errors
    /// Version, malformed, and whatever [`Self::check`] finds.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, AddressFault> {
        let (&version, body) = bytes.split_first().ok_or(AddressFault::Malformed)?;
        if version != VERSION {
            return Err(AddressFault::Version(version));
        }
        if bytes.len() > MAX_TEXT {
            return Err(AddressFault::TooLong);
        }
        let address: Self = postcard::from_bytes(body).map_err(|_| AddressFault::Malformed)?;
        address.check()?;
        // postcard takes trailing bytes and overlong numbers, which would give one address many forms.
        if address.to_bytes() == bytes { Ok(address) } else { Err(AddressFault::Malformed) }
    }
}

impl fmt::Display for RelayAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", armour(b"0k/1/address", self.to_bytes()))
    }
}

impl FromStr for RelayAddress {
    type Err = AddressFault;

    fn from_str(text: &str) -> Result<Self, AddressFault> {
        let text = text.trim();
        let (prefix, armoured) = text.split_at_checked(PREFIX.len()).ok_or(AddressFault::Prefix)?;
        if !prefix.eq_ignore_ascii_case(PREFIX) {
            return Err(AddressFault::Prefix);
        }
        Self::from_bytes(&disarm(b"0k/1/address", armoured)?)
    }
}

/// `bytes` and a checksum under `label`, as text.
pub(crate) fn armour(label: &[u8], mut bytes: Vec<u8>) -> String {
    let sum = checksum(label, &bytes);
    bytes.extend_from_slice(&sum);
    let text = base32::encode(base32::RFC4648, &bytes);
    zeroize::Zeroize::zeroize(&mut bytes);
    text
}

/// The bytes that [`armour`] was given. A version this build does not know is named before the checksum is judged, because a later
/// version may sum differently.
pub(crate) fn disarm(label: &[u8], text: &str) -> Result<zeroize::Zeroizing<Vec<u8>>, AddressFault> {
    if text.len() > MAX_TEXT {
        return Err(AddressFault::TooLong);
    }
    let mut bytes = zeroize::Zeroizing::new(base32::decode(base32::RFC4648, text).ok_or(AddressFault::Alphabet)?);
    match bytes.first() {
        None => return Err(AddressFault::Malformed),
        Some(&VERSION) => {}
        Some(&version) => return Err(AddressFault::Version(version)),
    }
    let (body, sum) = bytes.split_last_chunk::<CHECKSUM>().ok_or(AddressFault::Malformed)?;
    if checksum(label, body) != *sum {
        return Err(AddressFault::Checksum);
    }
    let len = body.len();
    bytes.truncate(len);
    Ok(bytes)
}

fn checksum(label: &[u8], bytes: &[u8]) -> [u8; CHECKSUM] {
    let hash = Sha256::new().chain_update(label).chain_update(bytes).finalize();
    [hash[0], hash[1], hash[2], hash[3]]
}

/// A name, an IPv4 address or a bracketed IPv6 address, and a port that is not 0.
fn is_host_port(entry: &str) -> bool {
    let Some((host, port)) = entry.rsplit_once(':') else { return false };
    let name = |host: &str| {
        !host.is_empty()
            && host.len() <= 253
            && host.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_'))
    };
    entry.len() <= MAX_HOST_PORT && is_port(port) && (name(host) || host.starts_with('[') && is_ip_port(entry))
}

fn is_port(port: &str) -> bool {
    port.bytes().all(|c| c.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port != 0)
}

fn is_ip_port(entry: &str) -> bool {
    entry.len() <= MAX_HOST_PORT && entry.parse::<SocketAddr>().is_ok_and(|address| address.port() != 0)
}

fn is_url(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    url.len() <= MAX_URL && rest.is_some_and(|rest| !rest.is_empty()) && url.bytes().all(|c| c.is_ascii_graphic())
}

#[cfg(test)]
mod tests;
