//! The committed inputs of the fuzz targets, replayed on stable with every other test, and noise beside them.
//!
//! An input that once found a defect stays in its corpus as `found-…`. `cargo xtask fuzz --keep` chooses the others.

#![allow(clippy::panic, reason = "a test's helpers fail like the test itself")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use zerok_core::rng::Seed;
use zerok_testkit::fuzz::{Seen, TARGETS, Target};

/// Most files of one target, and most bytes of all.
const FILES: usize = 200;
const BYTES: usize = 1 << 20;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the repository").to_path_buf()
}

/// The inputs of a target, by name.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = root().join("fuzz/corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), fs::read(&path).expect("a readable file"))).collect()
}

/// Runs one input; a defect names the file.
fn run(target: Target, path: &Path, input: &[u8]) -> Seen {
    std::panic::catch_unwind(|| target(input)).unwrap_or_else(|_| panic!("{} fails", path.display()))
}

#[test]
fn every_target_has_a_small_corpus_and_a_program_and_no_other_has() {
    let names: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    for (folder, ending) in [("fuzz/corpus", ""), ("fuzz/fuzz_targets", ".rs")] {
        let entries = fs::read_dir(root().join(folder)).expect("a readable folder");
        let found = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        let found: BTreeSet<String> = found.map(|name| name.strip_suffix(ending).unwrap_or(&name).to_owned()).collect();
        assert_eq!(found, names, "{folder}");
    }
    let mut bytes = 0;
    for (name, _) in TARGETS {
        let inputs = corpus(name);
        assert!((1..=FILES).contains(&inputs.len()), "{name} has {} inputs", inputs.len());
        bytes += inputs.iter().map(|(_, input)| input.len()).sum::<usize>();
    }
    assert!(bytes <= BYTES, "{bytes} bytes");
}

#[test]
fn every_committed_input_runs_without_a_defect() {
    for (name, target) in TARGETS {
        let mut seen = Seen::default();
        corpus(name).iter().for_each(|(path, input)| seen.add(run(*target, path, input)));
        assert!(seen.names().next().is_some(), "{name} meets nothing that can go wrong");
    }
}

#[test]
fn every_target_survives_noise() {
    for (name, target) in TARGETS {
        let mut draw = Seed::new([5; 32]).draw(name);
        for number in 0..60 {
            let mut input = vec![0; 8 + draw.below(400) as usize];
            draw.fill(&mut input);
            run(*target, Path::new(&format!("{name}, noise {number}")), &input);
        }
    }
}
