use proptest::prelude::*;

use super::*;

fn full() -> RelayAddress {
    RelayAddress {
        key: RelayKey([5; 32]),
        tcp: vec!["relay.example.org:7000".to_owned(), "192.0.2.1:7000".to_owned(), "[2001:db8::1]:7000".to_owned()],
        iroh: Some(IrohRoute {
            endpoint: [6; 32],
            direct: vec!["192.0.2.1:4433".to_owned(), "[2001:db8::1]:4433".to_owned()],
            relay: Some("https://relay.example.net./".to_owned()),
        }),
    }
}

fn bare() -> RelayAddress {
    RelayAddress { key: RelayKey([5; 32]), tcp: Vec::new(), iroh: None }
}

fn read(text: &str) -> Result<RelayAddress, AddressFault> {
    text.parse()
}

#[test]
fn an_address_survives_its_string() {
    for address in [full(), bare(), RelayAddress { iroh: None, ..full() }, RelayAddress { tcp: Vec::new(), ..full() }] {
        assert_eq!(read(&address.to_string()), Ok(address.clone()));
        assert_eq!(RelayAddress::from_bytes(&address.to_bytes()), Ok(address));
    }
}

#[test]
fn case_and_spaces_around_are_forgiven() {
    let text = full().to_string();
    assert_eq!(read(&format!("  {}\n", text.to_uppercase())), Ok(full()));
}

#[test]
fn what_is_not_an_address_is_named_so() {
    let text = full().to_string();
    assert_eq!(read(""), Err(AddressFault::Prefix));
    assert_eq!(read("relay.example.org:7000"), Err(AddressFault::Prefix));
    assert_eq!(read("0k"), Err(AddressFault::Prefix));
    assert_eq!(read("0k:"), Err(AddressFault::Malformed));
    assert_eq!(read("0k:ae"), Err(AddressFault::Malformed));
    assert_eq!(read("€€€€"), Err(AddressFault::Prefix));
    assert_eq!(read(&format!("{text}!")), Err(AddressFault::Alphabet));
    assert_eq!(read(&format!("0k:{}", "a".repeat(MAX_TEXT + 1))), Err(AddressFault::TooLong));
}

#[test]
fn a_mistyped_character_anywhere_is_noticed() {
    let text = full().to_string();
    for at in 3..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[at] = if bytes[at] == b'q' { b'p' } else { b'q' };
        let fault = read(&String::from_utf8(bytes).unwrap()).unwrap_err();
        let expected = matches!(fault, AddressFault::Checksum | AddressFault::Version(_) | AddressFault::Alphabet);
        assert!(expected, "character {at}: {fault:?}");
    }
}

#[test]
fn a_string_cut_anywhere_is_noticed() {
    let text = full().to_string();
    for len in 0..text.len() {
        assert!(read(&text[..len]).is_err(), "{len} characters");
    }
}

#[test]
fn a_later_version_is_named() {
    let mut bytes = full().to_bytes();
    bytes[0] = 2;
    assert_eq!(read(&format!("0k:{}", armour(b"0k/1/address", bytes.clone()))), Err(AddressFault::Version(2)));
    assert_eq!(RelayAddress::from_bytes(&bytes), Err(AddressFault::Version(2)));
}

#[test]
fn more_places_than_allowed_are_refused_at_the_edge() {
    let tcp = |n| RelayAddress { tcp: vec!["a.example:1".to_owned(); n], ..bare() };
    assert_eq!(read(&tcp(MAX_TCP).to_string()), Ok(tcp(MAX_TCP)));
    assert_eq!(read(&tcp(MAX_TCP + 1).to_string()), Err(AddressFault::TooMany));
    let direct = |n| RelayAddress {
        iroh: Some(IrohRoute { endpoint: [6; 32], direct: vec!["192.0.2.1:1".to_owned(); n], relay: None }),
        ..bare()
    };
    assert_eq!(read(&direct(MAX_DIRECT).to_string()), Ok(direct(MAX_DIRECT)));
    assert_eq!(read(&direct(MAX_DIRECT + 1).to_string()), Err(AddressFault::TooMany));
}

#[test]
fn only_host_and_port_pass_as_such() {
    let tcp = |entry: &str| RelayAddress { tcp: vec![entry.to_owned()], ..bare() }.check();
    for good in ["localhost:1", "a-b.example:65535", "10.0.0.1:80", "[::1]:443", &format!("{}:1", "a".repeat(253))] {
        assert_eq!(tcp(good), Ok(()), "{good}");
    }
    let long = format!("{}:1", "a".repeat(254));
    let bad =
        ["", "a", "a:", ":1", "a:0", "a:65536", "a:+1", "a b:1", "a/b:1", "::1:443", "[::1]", "[a]:1", "a\n:1", &long];
    for bad in bad {
        assert_eq!(tcp(bad), Err(AddressFault::HostPort), "{bad:?}");
    }
}

#[test]
fn only_numbers_pass_as_direct_addresses_and_only_urls_as_urls() {
    let iroh = |direct: &str, relay: &str| {
        let iroh = IrohRoute { endpoint: [6; 32], direct: vec![direct.to_owned()], relay: Some(relay.to_owned()) };
        RelayAddress { iroh: Some(iroh), ..bare() }.check()
    };
    assert_eq!(iroh("192.0.2.1:1", "http://a"), Ok(()));
    for bad in ["a.example:1", "192.0.2.1", "192.0.2.1:0", "::1:1"] {
        assert_eq!(iroh(bad, "http://a"), Err(AddressFault::Direct), "{bad}");
    }
    let long = format!("https://{}", "a".repeat(MAX_URL));
    for bad in ["", "a.example", "https://", "ftp://a", "https://a b", "javascript:alert(1)", &long] {
        assert_eq!(iroh("192.0.2.1:1", bad), Err(AddressFault::Url), "{bad}");
    }
}

#[test]
fn a_key_that_can_be_none_is_refused() {
    let address = RelayAddress { key: RelayKey([0; 32]), ..full() };
    assert_eq!(read(&address.to_string()), Err(AddressFault::WeakKey));
}

#[test]
fn an_address_has_one_form() {
    let bytes = bare().to_bytes();
    // version ‖ key ‖ no tcp ‖ no iroh; an overlong zero for the count, then a byte too many.
    assert_eq!(bytes[33..], [0, 0]);
    let overlong = [&bytes[..33], &[0x80, 0], &bytes[34..]].concat();
    assert_eq!(RelayAddress::from_bytes(&overlong), Err(AddressFault::Malformed));
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(RelayAddress::from_bytes(&longer), Err(AddressFault::Malformed));
}

#[test]
fn a_count_that_claims_millions_allocates_nothing_of_the_sort() {
    let bytes = [&bare().to_bytes()[..33], &[0xff, 0xff, 0xff, 0xff, 0x0f]].concat();
    assert_eq!(RelayAddress::from_bytes(&bytes), Err(AddressFault::Malformed));
}

proptest! {
    #[test]
    fn any_text_is_no_panic(text in ".{0,300}") {
        let _ = read(&text);
        let _ = read(&format!("0k:{text}"));
    }

    #[test]
    fn any_bytes_are_no_panic_and_have_one_form(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let bytes = [&[VERSION][..], &bytes].concat();
        if let Ok(address) = RelayAddress::from_bytes(&bytes) {
            prop_assert_eq!(address.to_bytes(), bytes);
        }
    }

    #[test]
    fn nearly_right_bytes_are_no_panic(at in 0_usize..200, byte in any::<u8>()) {
        let mut bytes = full().to_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(address) = RelayAddress::from_bytes(&bytes) {
            prop_assert_eq!(read(&address.to_string()), Ok(address));
        }
    }
}

#[test]
fn an_address_that_is_too_long_to_be_read_back_is_not_sound() {
    let host = format!("{}:4433", "a".repeat(253));
    let address = |count| RelayAddress { tcp: vec![host.clone(); count], ..bare() };
    assert_eq!(address(8).check(), Ok(()));
    assert_eq!(read(&address(8).to_string()), Ok(address(8)));
    let iroh = IrohRoute { endpoint: [7; 32], direct: Vec::new(), relay: Some(format!("https://{}", "r".repeat(500))) };
    let long = RelayAddress { iroh: Some(iroh), ..address(8) };
    assert_eq!(long.check(), Err(AddressFault::TooLong));
    assert!(read(&long.to_string()).is_err());
}
