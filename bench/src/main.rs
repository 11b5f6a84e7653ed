//! `bench`: measures, prints one table, and keeps the result. Started by `cargo xtask bench`, which builds what is measured.

#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool talks on its standard streams")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use clap::{Args, Parser, Subcommand};
use zerok_bench::{
    chart,
    figure::{self, Figure, Outcome},
    load::{self, Load},
    naive, page,
    report::{Measured, Report},
    run::Run,
    table,
    trouble::Trouble,
};

/// Measures 0k-Sync against floors, a naive relay, and with --peers against other systems.
#[derive(Debug, Parser)]
#[command(name = "bench", args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(flatten)]
    wish: Wish,
    #[command(subcommand)]
    errand: Option<Errand>,
}

/// Anything but measuring.
#[derive(Debug, Subcommand)]
enum Errand {
    /// Load a relay: what this program starts itself for.
    #[command(subcommand, hide = true)]
    Load(Load),
    /// Draw push rate against backlog from a kept result.
    Chart {
        /// The kept result.
        from: PathBuf,
        /// The picture, SVG.
        to: PathBuf,
    },
    /// Write the table of a kept result between the two marks of a page.
    Page {
        /// The kept result.
        from: PathBuf,
        /// The page, Markdown.
        to: PathBuf,
    },
    /// The naive relay, on a log of so many blobs.
    #[command(hide = true)]
    Naive {
        /// An empty folder.
        folder: PathBuf,
        /// Blobs its log holds.
        backlog: usize,
    },
}

#[derive(Debug, Args)]
struct Wish {
    /// Name the figures and stop.
    #[arg(long)]
    list: bool,
    /// Measure this one alone; may be repeated.
    #[arg(long, value_name = "NAME")]
    figure: Vec<String>,
    /// Rounds of each comparison.
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
    /// Also against other systems, which `cargo xtask bench --peers` has set up in this folder.
    #[arg(long, value_name = "DIR")]
    peers: Option<PathBuf>,
    /// Keep the result here.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
    let Cli { wish, errand } = Cli::parse();
    let done = match errand {
        None => run(&wish),
        Some(Errand::Load(load)) => load::run(&load).map(|said| {
            println!("{said}");
            ExitCode::SUCCESS
        }),
        Some(Errand::Chart { from, to }) => {
            let drawn = Report::read(&from).and_then(|report| chart::draw(&report));
            drawn.and_then(|picture| fs::write(&to, picture).map_err(Trouble::at(&to))).map(|()| ExitCode::SUCCESS)
        }
        Some(Errand::Page { from, to }) => {
            Report::read(&from).and_then(|report| page::write(&report, &to)).map(|()| ExitCode::SUCCESS)
        }
        Some(Errand::Naive { folder, backlog }) => {
            naive::serve(&folder, backlog, |port| println!("{port}")).map(|()| ExitCode::SUCCESS)
        }
    };
    match done {
        Ok(code) => code,
        Err(trouble) => {
            eprintln!("error: {trouble}");
            ExitCode::from(2)
        }
    }
}

fn run(wish: &Wish) -> Result<ExitCode, Trouble> {
    let figures = chosen(&wish.figure)?;
    if wish.list {
        for figure in figures {
            println!("{:<16} {}", figure.name, figure.title);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let own = std::env::current_exe().map_err(Trouble::io("this program's own path"))?;
    let run = Run::new(own.parent().unwrap_or(Path::new(".")), wish.rounds.max(1), wish.peers.clone())?;
    let mut report = Report::begin(run.rounds);
    let mut failed = false;
    for figure in figures {
        eprint!("{:<16} ", figure.name);
        let began = Instant::now();
        let (outcome, left_out) = match (figure.measure)(&run) {
            Ok(outcome) => (outcome, None),
            Err(trouble) => {
                failed |= !matches!(trouble, Trouble::Missing(_));
                (Outcome::default(), Some(trouble.to_string()))
            }
        };
        let took = began.elapsed().as_secs_f64();
        eprintln!("{took:.1} s{}", left_out.as_deref().map(|why| format!("  {why}")).unwrap_or_default());
        report.figures.push(Measured { name: figure.name.to_owned(), outcome, left_out, took });
    }
    println!("\n{}", table::text(&report));
    if let Some(path) = &wish.json {
        report.write(path)?;
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn chosen(names: &[String]) -> Result<Vec<Figure>, Trouble> {
    let all = figure::all();
    if let Some(unknown) = names.iter().find(|name| all.iter().all(|figure| figure.name != name.as_str())) {
        return Err(Trouble::Missing(format!("no figure is called {unknown}; --list names them")));
    }
    Ok(all.into_iter().filter(|figure| names.is_empty() || names.iter().any(|name| name == figure.name)).collect())
}
