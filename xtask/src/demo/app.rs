//! `demo --app`: a relay and two windows of the notes app, for a person to use.
//!
//! Each window has a data folder of its own, so they are two devices that share a screen; both know the relay already, so a typed
//! code is all that pairing takes. What they wrote is thrown away in the end.

use std::{fs, path::Path, process::Command, time::Duration};

use super::{Transport, process::Process, relay::Relay};
use crate::{
    shell::{self, Failure},
    window,
};

const HELP: &str = "\
Starts a relay and opens two windows of the notes app, as two devices. Ends when both are closed.

usage: cargo xtask demo --app";

const WHAT_TO_DO: &str = "
Two windows are open, `Laptop` and `Phone`: two devices that do not know each other yet.

  1. Write something in the laptop's.
  2. Click the cloud at its lower left, then `Add a device`. It shows a code.
  3. In the phone's window click the cloud, then `Join with a code`, and type it.

From then on what is written in one appears in the other. Close both windows to end.
";

/// Longer than anybody looks at a demo.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// `cargo xtask demo --app`.
pub(crate) fn main(arguments: &[String]) -> Result<(), Failure> {
    if let Some(other) = arguments.iter().find(|argument| *argument != "--app") {
        return match other.as_str() {
            "--help" | "-h" => {
                println!("{HELP}");
                Ok(())
            }
            _ => Err(Failure::new(format!("demo --app knows no `{other}`\n\n{HELP}"))),
        };
    }
    possible()?;
    window::page()?;
    shell::run(&mut shell::cargo(["build", "--package", "zerok-relay", "--package", "zerok-notes"]))?;
    let folder = std::env::temp_dir().join(format!("zerok-demo-app-{}", std::process::id()));
    fs::create_dir(&folder).map_err(|e| Failure::io(folder.display(), &e))?;
    let outcome = open(&folder);
    let _ = fs::remove_dir_all(&folder);
    outcome
}

/// Whether there is something to show windows on, and to build them with.
fn possible() -> Result<(), Failure> {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if cfg!(target_os = "linux") && !set("DISPLAY") && !set("WAYLAND_DISPLAY") {
        return Err(Failure::new(
            "there is no display: neither DISPLAY nor WAYLAND_DISPLAY is set. `cargo xtask demo` does without",
        ));
    }
    if !window::libraries() {
        return Err(Failure::new(
            "WebKitGTK's development files are missing; `cargo xtask setup` says how to get them",
        ));
    }
    window::no_node().map_or(Ok(()), |why| Err(Failure::new(why)))
}

fn open(folder: &Path) -> Result<(), Failure> {
    let program = |name: &str| window::target().join("debug").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    let mut relay = Relay::new(&program("zerok-relay"), folder, Transport::Tcp)?;
    let address = relay.start()?;
    let mut windows = Vec::new();
    for (name, shown) in [("laptop", "Laptop"), ("phone", "Phone")] {
        let home = folder.join(name);
        fs::create_dir(&home).map_err(|e| Failure::io(home.display(), &e))?;
        let mut command = Command::new(program("zerok-notes"));
        // Where each system keeps an app's data, but for Windows, which asks no variable.
        command
            .env("XDG_DATA_HOME", &home)
            .env("XDG_CACHE_HOME", home.join("cache"))
            .env("ZEROK_NOTES_NAME", shown)
            .env("ZEROK_NOTES_RELAY", &address);
        if cfg!(target_os = "macos") {
            command.env("HOME", &home);
        }
        windows.push(Process::start(name, folder, &mut command, |_| true)?);
    }
    println!("{WHAT_TO_DO}");
    for mut window in windows {
        if !window.ended(DAY)? {
            return Err(Failure::new(format!("a window ended with an error{}", window.last_words())));
        }
    }
    relay.kill()
}
