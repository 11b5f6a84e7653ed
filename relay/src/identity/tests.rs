use std::fs;

use super::*;

fn dir() -> (tempfile::TempDir, DataDir) {
    let temp = tempfile::tempdir().unwrap();
    let dir = DataDir::lock(&temp.path().join("relay")).unwrap();
    (temp, dir)
}

#[test]
fn an_identity_is_made_once_and_survives_restarts() {
    let (_temp, dir) = dir();
    assert!(!Identity::exists(dir.path()));
    let first = Identity::load(&dir).unwrap();
    let again = Identity::load(&dir).unwrap();
    assert!(Identity::exists(dir.path()));
    assert!(first.link == again.link && first.iroh == again.iroh);
    assert_ne!(first.link.as_bytes(), &*first.iroh, "never one key for two roles");
}

#[test]
fn two_relays_have_two_identities() {
    let ((_a, a), (_b, b)) = (dir(), dir());
    assert!(Identity::load(&a).unwrap().link != Identity::load(&b).unwrap().link);
}

#[cfg(unix)]
#[test]
fn d14_keys_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let (_temp, dir) = dir();
    Identity::load(&dir).unwrap();
    for name in [LINK, IROH] {
        let mode = fs::metadata(dir.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_key_of_another_length_is_refused_and_not_replaced() {
    let (_temp, dir) = dir();
    fs::write(dir.path().join(LINK), b"short").unwrap();
    let error = Identity::load(&dir).unwrap_err();
    assert!(matches!(error, IdentityError::NoKey { len: 5, .. }), "{error}");
    assert_eq!(fs::read(dir.path().join(LINK)).unwrap(), b"short");
}

#[test]
fn a_relay_that_lost_its_key_is_not_silently_another_one() {
    let (_temp, dir) = dir();
    fs::write(dir.path().join(crate::store::FILE), []).unwrap();
    let error = Identity::load(&dir).unwrap_err();
    assert!(matches!(error, IdentityError::Lost { .. }), "{error}");
    assert!(!Identity::exists(dir.path()));
}

#[test]
fn c14_an_identity_prints_nothing_of_itself() {
    let (_temp, dir) = dir();
    assert_eq!(format!("{:?}", Identity::load(&dir).unwrap()), "Identity(..)");
}
