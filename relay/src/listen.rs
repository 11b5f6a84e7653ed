//! Why an address cannot be listened on, and what to do about it.

use std::{fmt, io, net::SocketAddr};

use thiserror::Error;

/// What listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    /// Links over TCP.
    Tcp,
    /// Links over iroh.
    Iroh,
    /// `/health` and `/metrics`.
    Http,
}

/// An address cannot be listened on. Says which, why, and which flag or key chooses another.
#[derive(Debug, Error)]
#[error("cannot listen on {address} for {listener}: {cause}. {}", self.advice())]
pub struct ListenFault {
    /// What would have listened.
    pub listener: Listener,
    /// Where.
    pub address: SocketAddr,
    /// What the operating system said.
    #[source]
    pub cause: io::Error,
}

impl ListenFault {
    fn advice(&self) -> String {
        let Self { listener, address, cause } = self;
        let (flag, key) = (listener.flag(), listener.key());
        let choose = format!("choose another with {flag} or `{key}` in the configuration file");
        match cause.kind() {
            io::ErrorKind::AddrInUse => {
                let who = match listener {
                    Listener::Iroh => "Another program has this UDP port, perhaps another relay",
                    Listener::Tcp | Listener::Http => "Another program listens there, perhaps another relay",
                };
                format!("{who}: stop it, or {choose}")
            }
            io::ErrorKind::AddrNotAvailable => {
                format!("This machine has no address {}: {choose}", address.ip())
            }
            io::ErrorKind::PermissionDenied if address.port() < 1024 => {
                format!("Ports below 1024 are for privileged programs: {choose}")
            }
            _ => format!("To use another, {choose}"),
        }
    }
}

impl Listener {
    const fn flag(self) -> &'static str {
        match self {
            Self::Tcp => "--tcp",
            Self::Iroh => "--iroh-bind",
            Self::Http => "--http",
        }
    }

    const fn key(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Iroh => "iroh.bind",
            Self::Http => "http",
        }
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP links",
            Self::Iroh => "iroh links",
            Self::Http => "/health and /metrics",
        })
    }
}

/// Where something listens, or that it does not, for a log.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a>(pub &'a [SocketAddr]);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, rest)) = self.0.split_first() else { return f.write_str("off") };
        write!(f, "{first}")?;
        rest.iter().try_for_each(|place| write!(f, ",{place}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(listener: Listener, kind: io::ErrorKind, address: &str) -> String {
        ListenFault { listener, address: address.parse().unwrap(), cause: kind.into() }.to_string()
    }

    #[test]
    fn every_fault_names_the_address_the_cause_and_the_flag_that_chooses_another() {
        use io::ErrorKind as K;
        for (listener, flag) in [(Listener::Tcp, "--tcp"), (Listener::Iroh, "--iroh-bind"), (Listener::Http, "--http")]
        {
            for kind in [K::AddrInUse, K::AddrNotAvailable, K::PermissionDenied, K::Other] {
                let said = fault(listener, kind, "192.0.2.1:80");
                assert!(said.contains("192.0.2.1:80") && said.contains(flag), "{said}");
                assert!(said.contains(&io::Error::from(kind).to_string()), "{said}");
            }
        }
        assert!(fault(Listener::Iroh, K::AddrInUse, "0.0.0.0:7040").contains("another relay"));
        assert!(fault(Listener::Tcp, K::AddrNotAvailable, "192.0.2.1:80").contains("no address 192.0.2.1"));
    }

    #[test]
    fn a_place_reads_as_an_address_or_off() {
        let (one, two) = ("127.0.0.1:1".parse().unwrap(), "[::1]:2".parse().unwrap());
        assert_eq!(Place(&[]).to_string(), "off");
        assert_eq!(Place(&[one, two]).to_string(), "127.0.0.1:1,[::1]:2");
    }
}
