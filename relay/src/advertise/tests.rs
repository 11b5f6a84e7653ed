use super::*;

fn ips(list: &[&str]) -> Vec<IpAddr> {
    list.iter().map(|ip| ip.parse().unwrap()).collect()
}

#[test]
fn a_bound_address_is_printed_as_it_is() {
    assert_eq!(addresses("127.0.0.1:5".parse().unwrap()), ["127.0.0.1:5"]);
    assert_eq!(addresses("[::1]:5".parse().unwrap()), ["[::1]:5"]);
}

#[test]
fn every_interface_stands_for_the_unspecified_address() {
    let found = addresses("0.0.0.0:7040".parse().unwrap());
    assert!(!found.is_empty() && found.len() <= MAX_TCP);
    assert!(found.iter().all(|address| address.ends_with(":7040") && !address.starts_with("0.0.0.0")), "{found:?}");
}

#[test]
fn the_way_out_comes_first_and_unusable_addresses_not_at_all() {
    let all = ips(&["127.0.0.1", "192.168.1.9", "10.0.0.7", "169.254.3.3", "fe80::1", "2001:db8::5", "10.0.0.7"]);
    assert_eq!(choose(all.clone(), Some(ips(&["192.168.1.9"])[0]), false), ips(&["192.168.1.9", "10.0.0.7"]));
    assert_eq!(choose(all, None, true), ips(&["10.0.0.7", "192.168.1.9", "2001:db8::5"]));
}

#[test]
fn a_host_without_a_network_still_serves_itself() {
    assert_eq!(choose(ips(&["127.0.0.1"]), None, false), ips(&["127.0.0.1"]));
}
