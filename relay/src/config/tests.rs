use super::*;

fn read(text: &str) -> Result<Config, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("relay.toml");
    fs::write(&path, text).unwrap();
    let config = Config::new("data").read(&path)?;
    config.check()?;
    Ok(config)
}

fn complaint(text: &str) -> String {
    read(text).expect_err("it is wrong").to_string()
}

#[test]
fn an_empty_file_changes_nothing() {
    assert_eq!(read("").unwrap(), Config::new("data"));
    Config::new("data").check().unwrap();
}

#[test]
fn g18_health_and_metrics_are_on_loopback_unless_told_otherwise() {
    let http = read("").unwrap().http.expect("they are on");
    assert!(http.ip().is_loopback(), "{http}");
    assert!(read("http = \"0.0.0.0:7041\"").unwrap().http.is_some_and(|http| !http.ip().is_loopback()));
}

#[test]
fn a_file_sets_every_key_it_names() {
    let config = read(
        r#"
        tcp = "127.0.0.1:9000"
        http = false
        advertise = ["relay.example.org:9000"]
        machines = 3
        [store]
        max_bytes = "20GiB"
        reserve_bytes = 1000
        [limits]
        retention = "14d"
        sweep = 120
        handshakes = { burst = 10, per_second = 2 }
        push_bytes = { burst = "1MiB", per_second = "64KiB" }
        group_bytes = "512MiB"
        window = 65536
        "#,
    )
    .unwrap();
    assert_eq!(config.tcp, Some("127.0.0.1:9000".parse().unwrap()));
    assert_eq!((config.http, config.machines.get()), (None, 3));
    assert_eq!(config.advertise, ["relay.example.org:9000"]);
    assert_eq!(config.store, store::Settings { max_bytes: Some(20 << 30), reserve_bytes: 1000 });
    assert_eq!(
        config.limits,
        RelayLimits {
            retention: Duration::from_secs(14 * 24 * 3600),
            sweep: Duration::from_secs(120),
            handshakes: (10, 2),
            push_bytes: (1 << 20, 64 << 10),
            group_bytes: 512 << 20,
            window: 65536,
            ..RelayLimits::default()
        }
    );
}

#[test]
fn every_limit_has_a_key_of_its_name() {
    for key in LimitsTable::KEYS {
        let complaint = complaint(&format!("[limits]\n{key} = []"));
        assert!(!complaint.contains("unknown field"), "{complaint}");
        assert!(complaint.contains(key), "the message names the key: {complaint}");
    }
}

#[test]
fn an_unknown_key_is_named_with_its_place() {
    let complaint = complaint("[limits]\nretension = \"30d\"");
    assert!(complaint.contains("retension") && complaint.contains("line 2"), "{complaint}");
    assert!(complaint.contains("relay.toml"), "{complaint}");
}

#[test]
fn wrong_values_say_what_was_expected() {
    assert!(complaint("tcp = 7040").contains("0.0.0.0:7040"));
    assert!(complaint("tcp = true").contains("tcp: true is no address"));
    assert!(complaint("[limits]\nretention = \"a month\"").contains("\"30d\""));
    assert!(complaint("[limits]\nretention = -5").contains("retention"));
    assert!(complaint("[limits]\ngroup_bytes = \"5 bushels\"").contains("\"1GiB\""));
    assert!(complaint("machines = 0").contains("machines"));
}

#[test]
fn values_that_make_no_sense_together_are_refused_by_name() {
    assert!(complaint("tcp = false\n[iroh]\nenabled = false").starts_with("tcp: the relay listens nowhere"));
    assert!(complaint("[limits]\nretention = 1").starts_with("limits.retention: 1 is below"));
    assert!(complaint("[limits]\nsweep_clamp = \"1m\"").starts_with("limits.sweep_clamp: below `limits.sweep`"));
    assert!(complaint("[limits]\ngroup_bytes = 5").starts_with("limits.group_bytes"));
    assert!(complaint("[limits]\nidle = \"0s\"").starts_with("limits.idle: 0 is below the least that works, 250"));
    assert!(complaint("[limits]\ndrain_retry = \"0s\"").starts_with("limits.drain_retry"));
    for key in ["mailboxes_per_group", "mailboxes_per_origin", "mailboxes", "uncommitted_link", "uncommitted", "rates"]
    {
        assert!(complaint(&format!("[limits]\n{key} = 0")).starts_with(&format!("limits.{key}: 0 is below")), "{key}");
    }
    // No new groups: a relay for those that it knows.
    assert_eq!(read("[limits]\ngroups_per_day = 0").unwrap().limits.groups_per_day, 0);
}

#[test]
fn a_missing_file_is_named() {
    let error = Config::new("data").read(Path::new("/nowhere/relay.toml")).unwrap_err();
    assert!(error.to_string().starts_with("/nowhere/relay.toml: "), "{error}");
}

#[test]
fn nat_is_direct_n0_or_a_url() {
    assert_eq!("direct".parse(), Ok(Nat::Direct));
    assert_eq!("n0".parse(), Ok(Nat::N0));
    assert_eq!("https://relay.example.org".parse(), Ok(Nat::Relay("https://relay.example.org".to_owned())));
    assert!("relay.example.org".parse::<Nat>().unwrap_err().contains("\"n0\""));
}

#[cfg(not(feature = "iroh"))]
#[test]
fn iroh_is_refused_where_it_is_not_built_in() {
    assert!(complaint("[iroh]\nenabled = true").starts_with("iroh.enabled: this relay was built without iroh"));
}

#[cfg(feature = "iroh")]
#[test]
fn iroh_is_on_unless_it_is_turned_off() {
    assert_eq!(read("").unwrap().iroh, Some(Iroh::default()));
    assert_eq!(read("[iroh]\nenabled = false").unwrap().iroh, None);
    assert_eq!(read("[iroh]\nnat = \"n0\"").unwrap().iroh, Some(Iroh { bind: None, nat: Nat::N0 }));
}

#[test]
fn the_example_file_names_every_key_with_its_default() {
    let example = include_str!("../../relay.example.toml");
    let mut expected = Config::new("data");
    // Left out of the file, because it depends on the machine.
    expected.machines = NonZeroUsize::MIN;
    let config = read(example).unwrap();
    assert_eq!(Config { machines: NonZeroUsize::MIN, ..config }, expected);
    for key in LimitsTable::KEYS {
        assert!(example.contains(&format!("\n{key} = ")), "{key} is missing");
    }
    // What is commented out must be a key as well.
    let all = example.replace("# machines", "machines").replace("# bind", "bind").replace("# max_bytes", "max_bytes");
    assert!(read(&all).is_ok_and(|config| config.machines.get() == 4 && config.store.max_bytes == Some(100 << 30)));
}
