use std::fs;

use super::*;

fn line(findings: &Findings, what: &str) -> (bool, String) {
    let line = findings.lines.iter().find(|line| line.what == what).expect("it was looked at");
    (line.ok, line.how.clone())
}

fn roomy(data: PathBuf) -> Config {
    let mut config = Config::new(data);
    config.store.reserve_bytes = 0;
    config
}

#[test]
fn a_directory_that_is_not_there_is_fine_and_stays_away() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("relay");
    assert!(check(&roomy(data.clone())).all_ok());
    assert!(!data.exists());
}

#[test]
fn a_fresh_directory_gets_no_identity_from_a_check() {
    let temp = tempfile::tempdir().unwrap();
    let findings = check(&roomy(temp.path().to_owned()));
    assert!(findings.all_ok(), "{findings:?}");
    assert!(!Identity::exists(temp.path()));
}

#[test]
fn a_damaged_database_is_reported_and_not_touched() {
    let temp = tempfile::tempdir().unwrap();
    Identity::load(&DataDir::lock(temp.path()).unwrap()).unwrap();
    fs::write(temp.path().join(FILE), [0x5a; 9000]).unwrap();
    let findings = check(&roomy(temp.path().to_owned()));
    let (ok, how) = line(&findings, "database");
    assert!(!ok && how.contains("damaged"), "{how}");
    assert!(!findings.all_ok());
    assert_eq!(fs::read(temp.path().join(FILE)).unwrap(), [0x5a; 9000]);
}

#[test]
fn a_running_relay_is_left_in_peace() {
    let temp = tempfile::tempdir().unwrap();
    let _running = DataDir::lock(temp.path()).unwrap();
    let findings = check(&roomy(temp.path().to_owned()));
    let (ok, how) = line(&findings, "data directory");
    assert!(ok && how.contains("running"), "{how}");
    assert!(findings.all_ok() && findings.running, "running is how a relay should be: {findings:?}");
    let looked: Vec<_> = findings.lines.iter().map(|line| line.what).collect();
    assert_eq!(looked, ["configuration", "data directory", "disk"]);
}

#[test]
fn a_disk_below_its_reserve_is_reported() {
    let temp = tempfile::tempdir().unwrap();
    let mut config = roomy(temp.path().to_owned());
    config.store.reserve_bytes = u64::MAX;
    let (ok, how) = line(&check(&config), "disk");
    assert!(!ok && how.contains("refused"), "{how}");
}
