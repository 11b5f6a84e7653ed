//! One run of figures: what every figure has at hand.

use std::{
    ffi::OsStr,
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use serde::de::DeserializeOwned;

use crate::trouble::Trouble;

/// How folders for a run's data begin; then comes the process.
const DATA: &str = "bench-data-";
/// Between two looks at a load that runs.
const LOOK: Duration = Duration::from_millis(10);

/// Where the programs under test are, and how much is to be done.
#[derive(Debug)]
pub struct Run {
    /// Rounds of each comparison.
    pub rounds: usize,
    /// The relay as people run it.
    pub relay: PathBuf,
    /// The relay whose store can be told to wait at each commit, if it was built.
    pub delayed_relay: Option<PathBuf>,
    /// Where the peers were set up, if they are wanted.
    pub peers: Option<PathBuf>,
    /// This program, to be started again as the load.
    pub bench: PathBuf,
    folder: Folder,
    folders: AtomicU32,
}

impl Run {
    /// A run with the programs that lie in `programs`, and a folder of its own for its data there: on the same disk as everything
    /// else, which a folder for temporary files need not be.
    ///
    /// # Errors
    /// The relay is not built, or the folder cannot be made.
    pub fn new(programs: &Path, rounds: usize, peers: Option<PathBuf>) -> Result<Self, Trouble> {
        let program = |name: &str| programs.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
        let relay = program("zerok-relay");
        if !relay.exists() {
            return Err(Trouble::Process(format!("{} is not built; start `cargo xtask bench`", relay.display())));
        }
        sweep(programs);
        let folder = Folder(programs.join(format!("{DATA}{}", std::process::id())));
        fs::create_dir(&folder.0).map_err(Trouble::at(&folder.0))?;
        Ok(Self {
            rounds,
            relay,
            delayed_relay: Some(program("zerok-relay-sync-delay")).filter(|path| path.exists()),
            peers,
            bench: std::env::current_exe().map_err(Trouble::io("this program's own path"))?,
            folder,
            folders: AtomicU32::new(0),
        })
    }

    /// A new empty folder, removed with all others at the end of the run.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn folder(&self, purpose: &str) -> Result<PathBuf, Trouble> {
        let number = self.folders.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.0.join(format!("{number}-{purpose}"));
        fs::create_dir(&path).map_err(Trouble::at(&path))?;
        Ok(path)
    }

    /// Runs a load in a process of its own and answers what it reports.
    ///
    /// # Errors
    /// It fails or reports something else.
    pub fn load<T: DeserializeOwned>(
        &self,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Result<T, Trouble> {
        self.load_while(arguments, || Ok(()))
    }

    /// The same, doing something meanwhile again and again.
    ///
    /// # Errors
    /// Also those of what is done meanwhile, which end the load.
    pub fn load_while<T: DeserializeOwned>(
        &self,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
        meanwhile: impl FnMut() -> Result<(), Trouble>,
    ) -> Result<T, Trouble> {
        let mut command = Command::new(&self.bench);
        command.arg("load").args(arguments);
        Self::hear(command, meanwhile)
    }

    /// Runs any program as a load and answers what it reports, doing something meanwhile again and again.
    ///
    /// # Errors
    /// As those of a load of our own.
    pub fn hear<T: DeserializeOwned>(
        mut command: Command,
        mut meanwhile: impl FnMut() -> Result<(), Trouble>,
    ) -> Result<T, Trouble> {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut load = Child(command.spawn().map_err(Trouble::io("starting the load"))?);
        let mut out = load.0.stdout.take();
        // Beside it, as a long list of times does not fit a pipe.
        let reading = thread::spawn(move || {
            let mut said = String::new();
            out.as_mut().map_or(Ok(0), |out| out.read_to_string(&mut said)).map(|_| said)
        });
        let status = loop {
            match load.0.try_wait().map_err(Trouble::io("the load"))? {
                Some(status) => break status,
                None => meanwhile()?,
            }
            thread::sleep(LOOK);
        };
        let said = reading.join().map_err(|_| Trouble::Process("the load's reader panicked".to_owned()))?;
        let said = said.map_err(Trouble::io("the load"))?;
        if status.success() {
            return Ok(serde_json::from_str(&said)?);
        }
        Err(Trouble::Process(format!("the load failed ({status})")))
    }
}

/// Removes what runs left that were interrupted.
fn sweep(programs: &Path) {
    let left = fs::read_dir(programs).into_iter().flatten().flatten().filter(|entry| {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(DATA));
        process.is_some_and(|process| !Path::new("/proc").join(process).exists())
    });
    for folder in left {
        // The next run tries again.
        let _left = fs::remove_dir_all(folder.path());
    }
}

/// Ends with the value.
struct Child(std::process::Child);

impl Drop for Child {
    fn drop(&mut self) {
        // One that has ended already is what is wanted.
        let _ended = self.0.kill();
        let _ended = self.0.wait();
    }
}

/// Removed when dropped.
#[derive(Debug)]
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed now is seen by whoever looks there.
        let _left = fs::remove_dir_all(&self.0);
    }
}
