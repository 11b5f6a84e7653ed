//! `setup`: installs the tools that `verify` wants and does not find.
//!
//! Never touches what is already there, whatever its version: a pinned version is what a new machine gets. Cargo tools are built
//! from the registry with their own lock file, npm packages are those of the lock files. System packages are installed on Debian and
//! Ubuntu, as root or by `sudo` where it asks for no password; anywhere else the command says what to install and goes on. Node comes
//! from nowhere: distributions have it too old, so the command asks for it.

use crate::{
    instructions,
    shell::{self, Failure},
    window,
};

/// A subcommand of Cargo.
struct CargoTool {
    /// `cargo NAME`.
    name: &'static str,
    package: &'static str,
    version: &'static str,
    /// Arguments that leave out what we do not use.
    features: &'static [&'static str],
    purpose: &'static str,
}

/// What comes with the system.
struct SystemTool {
    name: &'static str,
    /// Whether it is there.
    found: fn(&str) -> bool,
    /// Debian's name of the package.
    package: &'static str,
    purpose: &'static str,
}

// Both build on the workspace's toolchain; the times are of two cores, 2026-11-23. 6 min 19 s beside other work.
const NEXTEST: CargoTool = CargoTool {
    name: "nextest",
    package: "cargo-nextest",
    version: "0.9.143",
    features: &["--no-default-features", "--features", "default-no-update"],
    purpose: "runs the tests, each in its own process",
};

// 3 min 05 s. Wanted only where the advisory database can be reached; `verify::policy` says why.
const DENY: CargoTool = CargoTool {
    name: "deny",
    package: "cargo-deny",
    version: "0.20.2",
    features: &["--no-default-features"],
    purpose: "compares the dependencies with the advisory database",
};

// 25 s.
const DRIVER: (&str, &str) = ("tauri-driver", "2.1.0");

const SYSTEM: &[SystemTool] = &[
    SystemTool {
        name: "ip",
        found: shell::installed,
        package: "iproute2",
        purpose: "network namespaces, for tests that cross a network",
    },
    SystemTool {
        name: "valgrind",
        found: |name| instructions::comparable().is_err() || shell::installed(name),
        package: "valgrind",
        purpose: "counts the instructions that a blob costs",
    },
];

/// With what they need: 370 packages and 780 MB on a bare Debian 12, half a minute.
const WINDOW: &[SystemTool] = &[
    SystemTool {
        name: "pkg-config",
        found: shell::installed,
        package: "pkg-config",
        purpose: "finds the libraries of the window layer",
    },
    SystemTool {
        name: "webkit2gtk-4.1",
        found: |_| window::libraries(),
        package: "libwebkit2gtk-4.1-dev",
        purpose: "what the Tauri plugin and the notes app are built against",
    },
    SystemTool {
        name: "WebKitWebDriver",
        found: shell::installed,
        package: "webkit2gtk-driver",
        purpose: "lets tests use the notes app's window",
    },
    SystemTool { name: "Xvfb", found: shell::installed, package: "xvfb", purpose: "a screen for those tests" },
    SystemTool {
        name: "dbus-daemon",
        found: shell::installed,
        package: "dbus-daemon",
        purpose: "how a second start of the app finds the first, in those tests",
    },
];

const HELP: &str = "\
Installs the tools that `cargo xtask verify` wants and does not find. verify does this by itself.

usage: cargo xtask setup [--no-window] [--advisories]

  --no-window    leave out what the Tauri plugin and the notes app need: GTK, WebKit, npm packages, a driver
  --advisories   install cargo-deny too (minutes of compiling), for the advisory check";

/// `cargo xtask setup`.
pub(crate) fn main(arguments: &[String]) -> Result<(), Failure> {
    let (mut advisories, mut no_window) = (false, false);
    for argument in arguments {
        match argument.as_str() {
            "--advisories" => advisories = true,
            "--no-window" => no_window = true,
            "--help" | "-h" => {
                println!("{HELP}");
                return Ok(());
            }
            other => return Err(Failure::new(format!("setup knows no `{other}`\n\n{HELP}"))),
        }
    }
    let mut whole = usual()?;
    if !no_window {
        whole &= window()?;
    }
    if advisories {
        deny()?;
    }
    println!("{}", if whole { "Everything is here." } else { "The rest is here; what is named above is not." });
    Ok(())
}

/// Installs what every run of `verify` uses. Whether it is all there then.
pub(crate) fn usual() -> Result<bool, Failure> {
    cargo_tool(&NEXTEST)?;
    system_tools(SYSTEM)
}

/// Installs what the Tauri plugin and the notes app need. Whether it is all there then.
pub(crate) fn window() -> Result<bool, Failure> {
    if !cfg!(target_os = "linux") {
        println!(
            "The plugin and the app build here as on any system that Tauri knows; driving a window is only known on Linux."
        );
        return page_packages();
    }
    let system = system_tools(WINDOW)?;
    if window::tauri_driver().is_none() {
        let (package, version) = DRIVER;
        println!("{package} is missing (stands between the tests and the notes app's window).");
        shell::run(&mut shell::cargo(["install", "--locked", "--version", version, package]))?;
    }
    Ok(page_packages()? && system)
}

fn page_packages() -> Result<bool, Failure> {
    if let Some(why) = window::no_node() {
        println!(
            "{why} (nodejs.org has it for every system; the plugin's package and the notes app's page are made with it)."
        );
        return Ok(false);
    }
    window::npm_ci(window::PLUGIN)?;
    window::npm_ci(window::APP)?;
    Ok(true)
}

/// Installs cargo-deny.
pub(crate) fn deny() -> Result<(), Failure> {
    cargo_tool(&DENY)
}

fn cargo_tool(tool: &CargoTool) -> Result<(), Failure> {
    if shell::cargo_has(tool.name) {
        return Ok(());
    }
    println!("cargo {} is missing ({}); building it takes a few minutes, once.", tool.name, tool.purpose);
    let mut command = shell::cargo(["install", "--locked", "--version", tool.version, tool.package]);
    shell::run(command.args(tool.features))
}

/// Whether they are all there in the end.
fn system_tools(wanted: &[SystemTool]) -> Result<bool, Failure> {
    let missing: Vec<&SystemTool> = wanted.iter().filter(|tool| !(tool.found)(tool.name)).collect();
    if missing.is_empty() {
        return Ok(true);
    }
    for tool in &missing {
        println!("`{}` is missing ({}).", tool.name, tool.purpose);
    }
    let packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
    let Some(become_root) = apt() else {
        println!("Install with this system's package manager what Debian calls: {}", packages.join(" "));
        return Ok(false);
    };
    // Without an update a fresh system knows no packages, or versions that are gone.
    for arguments in [vec!["update", "-q"], [vec!["install", "-y", "-q", "--no-install-recommends"], packages].concat()]
    {
        let mut command = match become_root {
            Root::Already => shell::program("apt-get", arguments),
            Root::Sudo => shell::program("sudo", [vec!["-n", "apt-get"], arguments].concat()),
        };
        shell::run(command.env("DEBIAN_FRONTEND", "noninteractive"))?;
    }
    Ok(true)
}

enum Root {
    Already,
    Sudo,
}

/// How to run apt here, if at all.
fn apt() -> Option<Root> {
    if !shell::installed("apt-get") {
        return None;
    }
    if shell::capture(&mut shell::program("id", ["-u"])).is_ok_and(|id| id.trim() == "0") {
        return Some(Root::Already);
    }
    shell::capture(&mut shell::program("sudo", ["-n", "true"])).is_ok().then_some(Root::Sudo)
}
