//! `setup`: installs the tools that `verify` wants and does not find.
//!
//! Never touches what is already there, whatever its version: a pinned version is what a new machine gets. Cargo tools are built
//! from the registry with their own lock file. System packages are installed on Debian and Ubuntu, as root or by `sudo` where it
//! asks for no password; anywhere else the command says what to install and goes on.

use crate::shell::{self, Failure};

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

/// A program that comes with the system.
struct SystemTool {
    name: &'static str,
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

const SYSTEM: &[SystemTool] =
    &[SystemTool { name: "ip", package: "iproute2", purpose: "network namespaces, for tests that cross a network" }];

const HELP: &str = "\
Installs the tools that `cargo xtask verify` wants and does not find. verify does this by itself.

usage: cargo xtask setup [--advisories]

  --advisories   install cargo-deny too (minutes of compiling), for the advisory check";

/// `cargo xtask setup`.
pub(crate) fn main(arguments: &[String]) -> Result<(), Failure> {
    let mut advisories = false;
    for argument in arguments {
        match argument.as_str() {
            "--advisories" => advisories = true,
            "--help" | "-h" => {
                println!("{HELP}");
                return Ok(());
            }
            other => return Err(Failure::new(format!("setup knows no `{other}`\n\n{HELP}"))),
        }
    }
    usual()?;
    if advisories {
        deny()?;
    }
    println!("Everything is here.");
    Ok(())
}

/// Installs what every run of `verify` uses.
pub(crate) fn usual() -> Result<(), Failure> {
    cargo_tool(&NEXTEST)?;
    system_tools()
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

fn system_tools() -> Result<(), Failure> {
    let missing: Vec<&SystemTool> = SYSTEM.iter().filter(|tool| !shell::installed(tool.name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for tool in &missing {
        println!("`{}` is missing ({}).", tool.name, tool.purpose);
    }
    let packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
    let Some(become_root) = apt() else {
        println!("Install with this system's package manager what Debian calls: {}", packages.join(" "));
        return Ok(());
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
    Ok(())
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
