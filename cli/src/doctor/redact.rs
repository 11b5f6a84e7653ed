//! What a report that is shown to others leaves out: hosts, names, paths, and what would tell groups and relays apart for good.

use std::path::Path;

use zerok_core::address::RelayAddress;

/// Characters of an identifier that remain.
const REMAINING: usize = 8;

/// Leaves out, or not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Redact {
    full: bool,
}

impl Redact {
    /// `full` leaves nothing out.
    pub(crate) fn new(full: bool) -> Self {
        Self { full }
    }

    /// The beginning of an identifier.
    pub(crate) fn id(self, id: &str) -> String {
        if self.full { id.to_owned() } else { format!("{}…", id.get(..REMAINING).unwrap_or_default()) }
    }

    /// A place on the network. The loopback interface is nobody's secret, nor is a port.
    pub(crate) fn host(self, entry: &str) -> String {
        let Some((host, port)) = entry.rsplit_once(':') else { return "host".to_owned() };
        let loopback = host == "localhost" || host == "[::1]" || host.starts_with("127.");
        if self.full || loopback { entry.to_owned() } else { format!("host:{port}") }
    }

    /// A relay: the beginning of its key, and where.
    pub(crate) fn relay(self, relay: &RelayAddress) -> String {
        if self.full {
            return relay.to_string();
        }
        let mut places: Vec<String> = relay.tcp.iter().map(|entry| format!("tcp {}", self.host(entry))).collect();
        if relay.iroh.is_some() {
            places.push("iroh".to_owned());
        }
        format!("key {}, {}", self.id(&relay.key.to_string()), places.join(", "))
    }

    /// A path: its last part is enough to know which.
    pub(crate) fn path(self, path: &Path) -> String {
        match path.file_name() {
            Some(name) if !self.full => format!("…/{}", name.to_string_lossy()),
            _ => path.display().to_string(),
        }
    }
}
