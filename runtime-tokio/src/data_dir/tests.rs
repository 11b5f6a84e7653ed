use std::{
    process::{Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use super::*;

const CHILD: &str = "ZEROK_LOCK_TEST_DIRECTORY";

/// Holds the lock until it is killed.
#[test]
fn child_holds_the_lock() {
    let Some(directory) = std::env::var_os(CHILD) else { return };
    let _held = DataDir::lock(Path::new(&directory)).unwrap();
    std::fs::write(Path::new(&directory).join("held"), b"").unwrap();
    std::thread::sleep(Duration::from_secs(600));
}

#[test]
fn d10_a_second_process_is_told_at_once_and_a_kill_frees_the_lock() {
    let directory = TempDir::new().unwrap();
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "data_dir::tests::child_holds_the_lock"])
        .env(CHILD, directory.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while !directory.path().join("held").exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    // If it waited for the lock, this would not return: the holder lives until the next line.
    assert!(matches!(DataDir::lock(directory.path()), Err(DataDirFault::InUse)));
    holder.kill().unwrap();
    holder.wait().unwrap();
    DataDir::lock(directory.path()).unwrap();
}

#[test]
fn d10_a_second_client_in_this_process_is_told_too() {
    let directory = TempDir::new().unwrap();
    let first = DataDir::lock(directory.path()).unwrap();
    assert!(matches!(DataDir::lock(directory.path()), Err(DataDirFault::InUse)));
    drop(first);
    DataDir::lock(directory.path()).unwrap();
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[cfg(unix)]
#[test]
fn d14_lax_modes_from_before_are_tightened() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("data");
    fs::create_dir(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
    fs::write(path.join("client.db"), b"").unwrap();
    fs::set_permissions(path.join("client.db"), fs::Permissions::from_mode(0o666)).unwrap();
    let _held = DataDir::lock(&path).unwrap();
    assert_eq!((mode(&path), mode(&path.join("client.db")), mode(&path.join(LOCK))), (0o700, 0o600, 0o600));
}

/// Makes every file a client makes, under whatever umask it was started with.
#[test]
fn child_makes_every_file() {
    use zerok_core::{client::store::ClientOp, machine::StoreFailure};
    let Some(directory) = std::env::var_os(CHILD) else { return };
    let path = Path::new(&directory).join("deep/data");
    let dir = DataDir::lock(&path).unwrap();
    let found = crate::secrets::find(dir.path(), crate::secrets::KeyStorageChoice::File, false).unwrap();
    let mut disk = crate::store::ClientDisk::open(dir.path(), found.place, 0).unwrap();
    let ledger = ClientOp::Ledger(bytes::Bytes::from_static(b"x"));
    let committed: Result<_, StoreFailure> = crate::store::worker::Disk::commit(&mut disk, vec![vec![ledger]]);
    committed.unwrap();
    // Still open, so that the write-ahead log and its index are there to be looked at.
    std::process::exit(0);
}

#[cfg(unix)]
#[test]
fn d14_every_file_is_private_whatever_the_umask() {
    for umask in ["000", "022", "077"] {
        let directory = TempDir::new().unwrap();
        let done = Command::new("sh")
            .args(["-c", &format!("umask {umask}; exec \"$@\""), "sh"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "data_dir::tests::child_makes_every_file"])
            .env(CHILD, directory.path())
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(done.success(), "umask {umask}");
        let data = directory.path().join("deep/data");
        assert_eq!(mode(&data), 0o700);
        let mut names = Vec::new();
        for entry in fs::read_dir(&data).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(mode(&entry.path()), 0o600, "{entry:?} under umask {umask}");
            names.push(entry.file_name().into_string().unwrap());
        }
        names.sort();
        assert_eq!(names, ["client.db", "client.db-shm", "client.db-wal", "lock", "store.key"]);
    }
}
