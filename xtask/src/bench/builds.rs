//! What it costs to build the relay and the command line, and how large they are, with iroh and without.
//!
//! Each is built from nothing, in the release profile, in a folder of its own that is removed afterwards. Sources are fetched before the
//! clock starts. The times say as much about the machine as about us; their ratio says what iroh costs.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use serde_json::{Value, json};

use crate::{
    json,
    shell::{self, Failure},
};

/// What is built: a package and its program.
const PROGRAMS: [(&str, &str); 2] = [("zerok-relay", "relay"), ("zerok", "command line")];

/// Builds everything twice, prints what came of it, and adds it to a kept result.
pub(super) fn main(target: &Path, kept: Option<&Path>) -> Result<(), Failure> {
    shell::run(&mut shell::cargo(["fetch", "--locked"]))?;
    let began = Instant::now();
    let cold = target.join("cold");
    let mut rows = Vec::new();
    for (package, name) in PROGRAMS {
        let without = build(&cold, package, &["--no-default-features"])?;
        let with = build(&cold, package, &[])?;
        rows.push(row(&format!("{name}, size of the program, TCP only"), "MB", without.megabytes, with.megabytes));
        rows.push(row(&format!("{name}, release build from nothing, TCP only"), "s", without.seconds, with.seconds));
        println!(
            "{name}: TCP only {:.1} MB in {:.0} s, with iroh {:.1} MB in {:.0} s",
            without.megabytes, without.seconds, with.megabytes, with.seconds
        );
    }
    kept.map_or(Ok(()), |kept| keep(kept, &rows, began.elapsed().as_secs_f64()))
}

/// What one build came to.
#[derive(Debug, Clone, Copy)]
struct Built {
    seconds: f64,
    megabytes: f64,
}

fn build(cold: &Path, package: &str, features: &[&str]) -> Result<Built, Failure> {
    remove(cold)?;
    let began = Instant::now();
    let arguments = ["build", "--release", "--locked", "--package", package, "--bin", package];
    shell::run(shell::cargo(arguments).args(features).arg("--target-dir").arg(cold))?;
    let seconds = began.elapsed().as_secs_f64();
    let program: PathBuf = cold.join("release").join(format!("{package}{}", std::env::consts::EXE_SUFFIX));
    let size = fs::metadata(&program).map_err(|e| Failure::io(program.display(), &e))?.len();
    remove(cold)?;
    Ok(Built { seconds, megabytes: size as f64 / 1e6 })
}

fn remove(folder: &Path) -> Result<(), Failure> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Failure::io(folder.display(), &error)),
        _ => Ok(()),
    }
}

/// A line of the table, in the words of the program that measures.
fn row(title: &str, unit: &str, ours: f64, with_iroh: f64) -> Value {
    let one = |number: f64| json!({ "median": number, "min": number, "max": number });
    json!({
        "title": title,
        "unit": unit,
        "ours": one(ours),
        "base": { "name": "with iroh", "value": one(with_iroh) },
        "ratio": one(ours / with_iroh),
        "goal": "shown",
    })
}

/// Adds the lines to a result, in place of those of an earlier time.
fn keep(path: &Path, rows: &[Value], took: f64) -> Result<(), Failure> {
    let text = fs::read_to_string(path).map_err(|e| Failure::io(format!("{}; measure first", path.display()), &e))?;
    let mut report = json::parse(&text)?;
    let Some(figures) = report.get_mut("figures").and_then(Value::as_array_mut) else {
        return Err(Failure::new(format!("{} is no result of `cargo xtask bench`", path.display())));
    };
    figures.retain(|figure| figure["name"] != "builds");
    figures.push(json!({ "name": "builds", "rows": rows, "took": took }));
    let text = serde_json::to_string_pretty(&report).map_err(|e| Failure::new(e.to_string()))?;
    fs::write(path, text + "\n").map_err(|e| Failure::io(path.display(), &e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_are_added_to_a_result_once() {
        let path = std::env::temp_dir().join(format!("zerok-builds-{}.json", std::process::id()));
        fs::write(&path, r#"{"commit":"c","figures":[{"name":"push","rows":[]}]}"#).unwrap();
        for size in [1.0, 2.0] {
            keep(&path, &[row("relay", "MB", size, 4.0)], 3.0).unwrap();
        }
        let report = json::parse(&fs::read_to_string(&path).unwrap()).unwrap();
        fs::remove_file(&path).unwrap();
        let figures = report["figures"].as_array().unwrap();
        assert_eq!(figures.len(), 2);
        assert_eq!(figures[1]["rows"][0]["ratio"]["median"], 0.5);
        assert_eq!(report["commit"], "c");
    }
}
