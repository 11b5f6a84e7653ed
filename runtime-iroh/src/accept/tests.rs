use iroh::SecretKey;

use super::*;

#[test]
fn a_relayed_link_is_charged_to_its_key_and_never_to_an_address() {
    let endpoint_id = SecretKey::from_bytes(&[4; 32]).public();
    let url = "https://relay.example".parse().unwrap();
    let Origin(relayed) = origin(&IncomingAddr::Relay { url, endpoint_id });
    assert_eq!((relayed[0], &relayed[1..]), (b'i', &endpoint_id.as_bytes()[..7]));
    let direct = IncomingAddr::Ip(([192, 0, 2, 7], 9).into());
    assert_eq!(origin(&direct), tcp::origin([192, 0, 2, 7].into()));
}

#[test]
fn the_route_leaves_out_addresses_that_only_mean_something_here() {
    for (text, expected) in [
        ("192.0.2.7:1", true),
        ("127.0.0.1:1", true),
        ("[2001:db8::7]:1", true),
        ("0.0.0.0:1", false),
        ("[::]:1", false),
        ("[fe80::7]:1", false),
        ("192.0.2.7:0", false),
    ] {
        assert_eq!(dialable(text.parse().unwrap()), expected, "{text}");
    }
}
