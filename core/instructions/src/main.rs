//! What one blob of 1 KiB costs the core, in instructions: the program that `cargo xtask verify` counts.
//!
//! Two devices and a relay, all three real machines with real cryptography, in one thread: no clock, no disk, no socket, no system
//! randomness, every seed fixed. So the same build executes the same instructions each time, and a regression of a few per cent
//! shows where no stopwatch on a shared machine would see it. The program measures nothing itself. Callgrind does, and only while
//! one of the two functions named `counted_` runs ([`counted`]): pairing, handshakes and the stand-in stores are left out, and of the
//! three machines only the one whose figure it is counts. `xtask/src/verify/instructions.rs` runs it and compares with
//! `core/instructions/baseline.json`; `cargo xtask instructions` writes that file anew, which belongs into the commit that changes what
//! a blob costs.
//!
//! | figure | whose | one of 256 |
//! |---|---|---|
//! | `push` | a device | payload → record → sealed → enqueued → sent, 16 at a time, and acknowledged |
//! | `append` | the relay | taken from the link, appended, acknowledged, 16 at a time |
//! | `page` | the relay | read into a page of some hundred and sent |
//! | `open` | a device | out of such a page, opened, verified in its run, delivered, acknowledged |
//! | `news` | the relay | appended alone, acknowledged, told to another device with its bytes |
//! | `hear` | a device | out of such news, opened, verified alone, delivered, acknowledged |
//!
//! Callgrind presents the same processor on every x86-64 machine that has AVX2, one with AVX2 and without SHA or AVX-512
//! instructions, so the cryptography below takes the same paths everywhere. Hashing weighs more than on a processor that has
//! instructions for it. Counts do depend on the compiler, and a little on the C library: a new compiler wants a new baseline.

#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool talks on its standard streams")]

mod counted;
mod rig;
mod stores;

use std::process::ExitCode;

use rig::{READER, RELAY, Rig, WRITER};

/// How many blobs a figure counts.
const BLOBS: usize = 256;
/// How many are pushed at a time, where not alone.
const BURST: usize = 16;

fn main() -> ExitCode {
    let figure = std::env::args().nth(1).unwrap_or_default();
    let mut rig = Rig::paired();
    match figure.as_str() {
        "push" => pushed_in_bursts(&mut rig, WRITER),
        "append" => pushed_in_bursts(&mut rig, RELAY),
        "page" => read_in_pages(&mut rig, RELAY),
        "open" => read_in_pages(&mut rig, READER),
        "news" => told_one_by_one(&mut rig, RELAY),
        "hear" => told_one_by_one(&mut rig, READER),
        other => {
            eprintln!("no figure `{other}`; there are: push append page open news hear");
            return ExitCode::FAILURE;
        }
    }
    rig.count(None);
    // A figure of something that did not happen would be a good one.
    let (stored, delivered) = (rig.stored(), rig.delivered());
    if (stored, delivered) != (BLOBS, BLOBS) {
        eprintln!("{stored} stored and {delivered} delivered of {BLOBS}");
        return ExitCode::FAILURE;
    }
    println!("{BLOBS}");
    ExitCode::SUCCESS
}

/// The reader hears nothing meanwhile; then, uncounted, it catches up.
fn pushed_in_bursts(rig: &mut Rig, whose: usize) {
    rig.hold(READER, true);
    rig.count(Some(whose));
    for _ in 0..BLOBS / BURST {
        rig.push(BURST);
    }
    rig.count(None);
    rig.hold(READER, false);
}

/// Everything is at the relay when the reader first hears of it.
fn read_in_pages(rig: &mut Rig, whose: usize) {
    rig.hold(READER, true);
    for _ in 0..BLOBS / BURST {
        rig.push(BURST);
    }
    rig.count(Some(whose));
    rig.hold(READER, false);
}

/// The reader hears of each blob before the next is pushed.
fn told_one_by_one(rig: &mut Rig, whose: usize) {
    rig.count(Some(whose));
    for _ in 0..BLOBS {
        rig.push(1);
    }
}
