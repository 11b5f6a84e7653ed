//! Which TCP addresses a relay prints, so that a user can paste one string.
//!
//! A socket bound to every interface says `0.0.0.0`, which helps nobody; the addresses of the interfaces do. Asks the operating
//! system only; no packet leaves the machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use zerok_core::address::MAX_TCP;

/// Interfaces that lead to containers and virtual machines on this very host.
const INWARD: [&str; 5] = ["docker", "br-", "veth", "virbr", "podman"];

/// `host:port` entries for a listener bound to `bound`.
pub(crate) fn addresses(bound: SocketAddr) -> Vec<String> {
    if !bound.ip().is_unspecified() {
        return vec![bound.to_string()];
    }
    let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        tracing::warn!(%error, "the network interfaces could not be listed");
        Vec::new()
    });
    let found = interfaces.iter().filter(|interface| !inward(&interface.name)).map(if_addrs::Interface::ip);
    choose(found.collect(), first_hop(), bound.is_ipv6())
        .into_iter()
        .map(|ip| SocketAddr::new(ip, bound.port()).to_string())
        .collect()
}

/// Usable addresses, the one that leads out first. Loopback only if there is nothing else.
fn choose(mut found: Vec<IpAddr>, first: Option<IpAddr>, six: bool) -> Vec<IpAddr> {
    found.retain(|ip| usable(*ip) && (six || ip.is_ipv4()));
    found.sort_by_key(|ip| (Some(*ip) != first, ip.is_ipv6(), *ip));
    found.dedup();
    found.truncate(MAX_TCP);
    if found.is_empty() {
        found.push(Ipv4Addr::LOCALHOST.into());
    }
    found
}

fn usable(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_loopback() && !ip.is_link_local() && !ip.is_unspecified(),
        IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unicast_link_local() && !ip.is_unspecified(),
    }
}

fn inward(interface: &str) -> bool {
    INWARD.iter().any(|prefix| interface.starts_with(prefix))
}

/// The address this host would use towards the rest of the world. Connecting a UDP socket sends nothing.
fn first_hop() -> Option<IpAddr> {
    let via = |from: IpAddr, to: IpAddr| {
        let socket = UdpSocket::bind((from, 0)).ok()?;
        socket.connect((to, 9)).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    // Addresses reserved for documentation: routed like any other, and nobody's.
    via(Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into())
        .or_else(|| via(Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()))
}

#[cfg(test)]
mod tests;
