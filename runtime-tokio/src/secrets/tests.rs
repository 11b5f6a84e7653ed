use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use tempfile::TempDir;

use super::{keychain::Vault, *};

/// A keychain in memory, with moods.
#[derive(Default)]
struct Fake {
    items: Mutex<HashMap<String, Vec<u8>>>,
    mood: Mutex<Mood>,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Mood {
    #[default]
    Open,
    Locked,
    /// No service.
    Absent,
    Hung,
    /// Takes everything and keeps nothing, as some headless ones do.
    Forgetful,
}

impl Fake {
    fn check(&self) -> Result<Mood, KeyFault> {
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Locked => Err(KeyFault::Locked),
            Mood::Absent => Err(KeyFault::Missing),
            Mood::Hung => loop {
                std::thread::park();
            },
            _ => Ok(mood),
        }
    }
}

impl Vault for Fake {
    fn get(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeyFault> {
        self.check()?;
        Ok(self.items.lock().unwrap().get(name).cloned().map(Zeroizing::new))
    }

    fn set(&self, name: &str, secret: &[u8]) -> Result<(), KeyFault> {
        if self.check()? != Mood::Forgetful {
            self.items.lock().unwrap().insert(name.to_owned(), secret.to_owned());
        }
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), KeyFault> {
        self.check()?;
        self.items.lock().unwrap().remove(name);
        Ok(())
    }
}

struct Machine {
    fake: Arc<Fake>,
    directory: TempDir,
}

fn machine(mood: Mood) -> Machine {
    let machine = Machine { fake: Arc::default(), directory: TempDir::new().unwrap() };
    machine.turns(mood);
    machine
}

impl Machine {
    fn turns(&self, mood: Mood) {
        *self.fake.mood.lock().unwrap() = mood;
    }

    fn find(&self, choice: KeyStorageChoice, data: bool) -> Result<Found, KeyFault> {
        let os = Os { vault: self.fake.clone(), patience: Duration::from_millis(200) };
        find_with(&os, self.directory.path(), choice, data)
    }

    fn auto(&self, data: bool) -> Result<(KeyStorageKind, [u8; 32]), KeyFault> {
        self.find(KeyStorageChoice::Auto, data).map(|found| (found.place.kind(), *found.kept.key))
    }
}

#[test]
fn a_working_keychain_holds_the_key_and_nothing_of_the_probe() {
    let machine = machine(Mood::Open);
    let (kind, key) = machine.auto(false).unwrap();
    assert_eq!(kind, KeyStorageKind::Keychain);
    assert_eq!(machine.fake.items.lock().unwrap().len(), 1);
    assert_eq!(machine.auto(true).unwrap(), (kind, key));
}

#[test]
fn d13_without_a_usable_keychain_the_key_lies_in_a_file_and_says_so() {
    for mood in [Mood::Locked, Mood::Absent, Mood::Hung, Mood::Forgetful] {
        let machine = machine(mood);
        let (kind, key) = machine.auto(false).unwrap();
        assert_eq!(kind, KeyStorageKind::File);
        machine.turns(Mood::Open);
        assert_eq!(machine.auto(true).unwrap(), (kind, key), "the place stays once chosen");
    }
}

#[test]
fn d13_a_demanded_keychain_never_becomes_a_file() {
    for (mood, fault) in [(Mood::Locked, KeyFault::Locked), (Mood::Absent, KeyFault::Missing)] {
        let machine = machine(mood);
        assert_eq!(machine.find(KeyStorageChoice::Keychain, false).unwrap_err(), fault);
        assert_eq!(std::fs::read_dir(machine.directory.path()).unwrap().count(), 0);
    }
}

#[test]
fn d13_a_keychain_locked_or_hung_later_is_said_and_works_again_once_open() {
    let machine = machine(Mood::Open);
    let key = machine.auto(false).unwrap();
    for mood in [Mood::Locked, Mood::Hung] {
        machine.turns(mood);
        assert_eq!(machine.auto(true), Err(KeyFault::Locked));
    }
    machine.turns(Mood::Open);
    assert_eq!(machine.auto(true), Ok(key));
}

#[test]
fn d13_an_emptied_keychain_is_a_lost_key_and_never_a_new_one() {
    let machine = machine(Mood::Open);
    machine.auto(false).unwrap();
    machine.fake.items.lock().unwrap().clear();
    assert_eq!(machine.auto(true), Err(KeyFault::Lost));
    assert!(machine.fake.items.lock().unwrap().is_empty());
}

#[test]
fn d13_data_without_any_trace_of_a_key_is_a_lost_key() {
    for choice in [KeyStorageChoice::Auto, KeyStorageChoice::Keychain, KeyStorageChoice::File] {
        assert_eq!(machine(Mood::Open).find(choice, true).unwrap_err(), KeyFault::Lost);
    }
}

#[test]
fn a_damaged_key_file_is_no_reason_for_a_new_key() {
    let machine = machine(Mood::Open);
    std::fs::write(machine.directory.path().join("store.key"), [1; 40]).unwrap();
    assert_eq!(machine.auto(false), Err(KeyFault::Damaged));
}

#[test]
fn the_counter_changes_beside_the_key_and_the_key_stays() {
    for choice in [KeyStorageChoice::Keychain, KeyStorageChoice::File] {
        let machine = machine(Mood::Open);
        let found = machine.find(choice, false).unwrap();
        found.place.reserve(4096).unwrap();
        let again = machine.find(choice, true).unwrap();
        assert_eq!((again.kept.reserved, *again.kept.key), (4096, *found.kept.key));
        found.place.delete().unwrap();
        assert_eq!(found.place.reserve(1), Err(KeyFault::Lost));
    }
}

#[test]
fn a_key_is_never_printed() {
    let kept = Kept { key: Zeroizing::new([0xab; 32]), reserved: 5 };
    assert_eq!(format!("{kept:?}"), "Kept { reserved: 5, .. }");
}

#[test]
fn d7_a_full_disk_and_a_spent_quota_are_told_from_a_place_that_cannot_be_used() {
    let told = |kind: std::io::ErrorKind| KeyFault::of_io(&kind.into());
    assert_eq!(told(std::io::ErrorKind::StorageFull), KeyFault::Full);
    assert_eq!(told(std::io::ErrorKind::QuotaExceeded), KeyFault::Full);
    assert_eq!(told(std::io::ErrorKind::PermissionDenied), KeyFault::Unavailable);
}
