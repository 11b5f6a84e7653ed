//! `instructions`: what a blob costs the core, counted by callgrind.
//!
//! Runs the program of core/instructions once a figure, reads what callgrind collected, and writes it to the baseline; the step of
//! `verify` counts in the same way and compares. Hashing is counted by itself: without the instructions that most processors have
//! for it, it would outweigh the rest. Besides instructions the calls to the system's allocator are counted, so that allocations per
//! blob are guarded without an allocator of our own. What the figures are, and why they are the same on every machine that may
//! count at all, is in the head of that program.

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::{Value, json};

use crate::{
    json,
    shell::{self, Failure},
};

const HELP: &str = "\
Counts the instructions and allocations that one blob of 1 KiB costs the core, and writes them to core/instructions/baseline.json, which
`cargo xtask verify` compares with. Commit that file together with what changed the counts.

usage: cargo xtask instructions [--show]

  --show   print the counts and leave the file alone";

const PROGRAM: &str = "zerok-instructions";
const BASELINE: &str = "core/instructions/baseline.json";
/// As core/instructions/src/main.rs knows them.
const FIGURES: [&str; 6] = ["push", "append", "page", "open", "news", "hear"];
/// What compresses one block, in whichever of its variants.
const HASH: &str = "sha2::sha256";
/// How the C library calls what hands out memory.
const ALLOCATORS: [&str; 5] = ["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc"];

/// What one blob costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cost {
    /// All but those of SHA-256.
    pub(crate) instructions: f64,
    /// Those of SHA-256.
    pub(crate) hashing: f64,
    /// Calls that hand out memory.
    pub(crate) allocations: f64,
}

/// All figures, and which compiler built what was counted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Counts {
    pub(crate) compiler: String,
    pub(crate) costs: BTreeMap<String, Cost>,
}

/// `cargo xtask instructions`.
pub(crate) fn main(arguments: &[String]) -> Result<(), Failure> {
    let show = match arguments {
        [] => false,
        [argument] if argument == "--show" => true,
        [argument] if matches!(argument.as_str(), "--help" | "-h") => {
            println!("{HELP}");
            return Ok(());
        }
        [other, ..] => return Err(Failure::new(format!("instructions knows no `{other}`\n\n{HELP}"))),
    };
    comparable().map_err(Failure::new)?;
    let counts = count(&[])?;
    println!("{:<8}{:>14}{:>10}{:>13}   a blob", "", "instructions", "hashing", "allocations");
    for (figure, cost) in &counts.costs {
        println!("{figure:<8}{:>14.0}{:>10.0}{:>13.2}", cost.instructions, cost.hashing, cost.allocations);
    }
    if !show {
        let path = shell::root().join(BASELINE);
        std::fs::write(&path, counts.encode()).map_err(|e| Failure::io(BASELINE, &e))?;
        println!("{BASELINE} written.");
    }
    Ok(())
}

/// Whether counts of this machine are those of every other: callgrind shows programs one and the same processor where the real one
/// is an x86-64 with AVX2. Where it is another, the cryptography takes other paths.
pub(crate) fn comparable() -> Result<(), String> {
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    if std::arch::is_x86_feature_detected!("avx2") {
        return Ok(());
    }
    Err("instructions are counted on Linux on x86-64 with AVX2, and elsewhere would be others".to_owned())
}

/// Builds the program and counts every figure.
pub(crate) fn count(locked: &[&str]) -> Result<Counts, Failure> {
    let mut build = shell::cargo(["build", "--release", "--package", PROGRAM]);
    shell::run(build.args(locked))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    let folder = shell::root().join(target).join("release");
    let program = folder.join(PROGRAM);
    let mut costs = BTreeMap::new();
    for figure in FIGURES {
        let out = folder.join(format!("{PROGRAM}.{figure}"));
        let options =
            ["--quiet", "--tool=callgrind", "--toggle-collect=*counted_*", "--dump-instr=yes", "--compress-pos=no"];
        let mut command = shell::program("valgrind", options);
        command.arg(format!("--callgrind-out-file={}", out.display())).arg(&program).arg(figure);
        // The stack begins behind the environment, and where it begins decides how much of a copy is aligned.
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env_clear().env("PATH", path).env("LC_ALL", "C");
        let blobs = shell::capture(&mut command)?;
        let blobs: f64 = blobs.trim().parse().map_err(|_| Failure::new(format!("{figure} says `{blobs}`")))?;
        let profile = std::fs::read_to_string(&out).map_err(|e| Failure::io(out.display(), &e))?;
        let cost = read(&profile).filter(|cost| cost.instructions > 0.0);
        let cost = cost.ok_or_else(|| Failure::new(format!("callgrind collected nothing of `{figure}`")))?;
        costs.insert(figure.to_owned(), cost.shared_by(blobs));
    }
    let compiler = shell::capture(&mut shell::program("rustc", ["--version"]))?.trim().to_owned();
    Ok(Counts { compiler, costs })
}

/// The committed counts.
pub(crate) fn baseline() -> Result<Counts, Failure> {
    let text = std::fs::read_to_string(shell::root().join(BASELINE)).map_err(|e| Failure::io(BASELINE, &e))?;
    Counts::decode(&text)
}

impl Cost {
    fn shared_by(self, blobs: f64) -> Self {
        let Self { instructions, hashing, allocations } = self;
        Self { instructions: instructions / blobs, hashing: hashing / blobs, allocations: allocations / blobs }
    }
}

impl Counts {
    fn encode(&self) -> String {
        let cost = |cost: &Cost| {
            let allocations = (cost.allocations * 100.0).round() / 100.0;
            let (instructions, hashing) = (cost.instructions.round() as u64, cost.hashing.round() as u64);
            json!({ "instructions": instructions, "hashing": hashing, "allocations": allocations })
        };
        let costs: BTreeMap<&str, Value> = self.costs.iter().map(|(figure, c)| (figure.as_str(), cost(c))).collect();
        let value = json!({ "compiler": self.compiler, "a blob of 1 KiB": costs });
        format!("{value:#}\n")
    }

    fn decode(text: &str) -> Result<Self, Failure> {
        let value = json::parse(text)?;
        let of = |figure: &str| {
            let cost = &value["a blob of 1 KiB"][figure];
            let number = |name: &str| cost[name].as_f64();
            let (instructions, hashing) = (number("instructions")?, number("hashing")?);
            Some(Cost { instructions, hashing, allocations: number("allocations")? })
        };
        let missing =
            |figure| Failure::new(format!("{BASELINE} has no `{figure}`; `cargo xtask instructions` writes it"));
        let one = |figure: &str| Ok((figure.to_owned(), of(figure).ok_or_else(|| missing(figure.to_owned()))?));
        let costs = FIGURES.into_iter().map(one).collect::<Result<_, Failure>>()?;
        Ok(Self { compiler: json::text(&value, "compiler").to_owned(), costs })
    }
}

/// What callgrind's file says in all. `fn=` begins a function; its lines are an address, a place in the source and how often the
/// instruction there was executed. After `calls=` comes one line with what that call cost, which is not the function's own. A name is
/// written out where it first occurs and is a number afterwards. `summary:` is everything collected.
///
/// Calls are counted whether callgrind collects or not. So an allocator's calls are the executions of its first instruction.
fn read(profile: &str) -> Option<Cost> {
    let (mut allocators, mut hashers) = (BTreeMap::new(), Vec::new());
    let (mut total, mut hashing) = (None, 0.0);
    let (mut here, mut callee) = ("", false);
    for line in profile.lines() {
        if let Some((key @ ("fn" | "cfn"), name)) = line.split_once('=') {
            let (number, name) = name.split_once(' ').unwrap_or((name, ""));
            if ALLOCATORS.contains(&name) {
                allocators.insert(number, (u64::MAX, 0.0));
            } else if name.contains(HASH) {
                hashers.push(number);
            }
            if key == "fn" {
                here = number;
            }
        } else if line.starts_with("calls=") {
            callee = true;
        } else if let Some(summary) = line.strip_prefix("summary: ") {
            total = Some(summary.trim().parse::<f64>().ok()?);
        } else if let Some(line) = line.strip_prefix("0x")
            && !std::mem::take(&mut callee)
        {
            let mut fields = line.split(' ');
            let address = u64::from_str_radix(fields.next()?, 16).ok()?;
            let executed = fields.nth(1)?.parse::<f64>().ok()?;
            if hashers.contains(&here) {
                hashing += executed;
            }
            if let Some(first) = allocators.get_mut(here).filter(|first| address < first.0) {
                *first = (address, executed);
            }
        }
    }
    let allocations = allocators.into_values().map(|(_, calls)| calls).sum();
    Some(Cost { instructions: total? - hashing, hashing, allocations })
}

#[cfg(test)]
mod tests;
