//! `zerok-relay`: serve, and check.
//!
//! Standard output is for whoever starts it: one line `address: 0k:…`, or one JSON object with `--json`, and a QR code on a terminal.
//! Everything else is log, on standard error; its filter is `ZEROK_LOG` or `--log`.
//!
//! Exit codes: 0 stopped as asked, or all in order; 1 the store failed, or something is not in order; 2 it could not start.

#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool talks on its standard streams")]

use std::{
    io::{IsTerminal, Write},
    net::SocketAddr,
    num::NonZeroUsize,
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use tracing_subscriber::{filter::filter_fn, layer::SubscriberExt as _, util::SubscriberInitExt as _};
use zerok_relay::{
    Config, Ending, Server,
    check::Findings,
    config::{ConfigError, Nat},
    listen::Place,
};

/// Keeps sealed blobs for a while and hands them to a group's other devices. Reads nothing it keeps.
#[derive(Debug, Parser)]
#[command(name = "zerok-relay", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the relay until it is told to stop.
    Serve(Options),
    /// Look at configuration, keys and database without serving.
    Check(Options),
}

#[derive(Debug, Args)]
struct Options {
    /// Where keys and database are kept; made if missing.
    #[arg(long, value_name = "DIR", env = "ZEROK_RELAY_DATA", default_value = "relay-data")]
    data: PathBuf,
    /// A relay.toml; what is said here goes before it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Listen for TCP links here [default: 0.0.0.0:7040].
    #[arg(long, value_name = "ADDR")]
    tcp: Option<SocketAddr>,
    /// Do not listen for TCP links.
    #[arg(long, conflicts_with = "tcp")]
    no_tcp: bool,
    /// HOST:PORT under which clients reach it over TCP, to be printed; may be repeated.
    #[arg(long, value_name = "HOST:PORT")]
    advertise: Vec<String>,
    /// Listen for iroh links, where they are built in.
    #[arg(long, conflicts_with = "no_iroh")]
    iroh: bool,
    /// Do not listen for iroh links.
    #[arg(long)]
    no_iroh: bool,
    /// Listen for iroh links here, over UDP [default: as for TCP].
    #[arg(long, value_name = "ADDR", conflicts_with = "no_iroh")]
    iroh_bind: Option<SocketAddr>,
    /// How iroh reaches it behind address translation: direct, n0, or the URL of an iroh relay.
    #[arg(long, value_name = "NAT", conflicts_with = "no_iroh")]
    nat: Option<Nat>,
    /// Answer /health and /metrics here [default: 127.0.0.1:7041].
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,
    /// Do not answer /health and /metrics.
    #[arg(long, conflicts_with = "http")]
    no_http: bool,
    /// Relay machines [default: one per core].
    #[arg(long, value_name = "N")]
    machines: Option<NonZeroUsize>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
    /// What to log, such as debug or zerok_relay=debug. Libraries of others stay silent.
    #[arg(long, value_name = "FILTER", env = "ZEROK_LOG", default_value = "info")]
    log: String,
}

impl Options {
    fn config(&self) -> Result<Config, ConfigError> {
        let mut config = Config::new(&self.data);
        if let Some(file) = &self.config {
            config = config.read(file)?;
        }
        if self.tcp.is_some() || self.no_tcp {
            config.tcp = self.tcp;
        }
        if self.http.is_some() || self.no_http {
            config.http = self.http;
        }
        if !self.advertise.is_empty() {
            config.advertise.clone_from(&self.advertise);
        }
        if let Some(machines) = self.machines {
            config.machines = machines;
        }
        if self.no_iroh {
            config.iroh = None;
        } else if self.iroh || self.iroh_bind.is_some() || self.nat.is_some() {
            let iroh = config.iroh.get_or_insert_default();
            iroh.bind = self.iroh_bind.or(iroh.bind);
            if let Some(nat) = &self.nat {
                iroh.nat = nat.clone();
            }
        }
        Ok(config)
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let (Command::Serve(options) | Command::Check(options)) = &cli.command;
    if let Err(problem) = start_log(&options.log) {
        return complain(&problem);
    }
    let config = match options.config() {
        Ok(config) => config,
        Err(error) => return complain(&error),
    };
    match &cli.command {
        Command::Check(options) => check(&config, options.json),
        Command::Serve(options) => {
            allow_many_links();
            match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
                Ok(runtime) => {
                    let code = runtime.block_on(serve(config, options.json));
                    // Told twice: whatever still waits for a disk is not waited for.
                    runtime.shutdown_background();
                    code
                }
                Err(error) => complain(&error),
            }
        }
    }
}

async fn serve(config: Config, json: bool) -> ExitCode {
    let data = config.data.clone();
    // Before anything listens, so that a signal in between is not lost.
    let mut signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => return complain(&error),
    };
    let mut server = match zerok_relay::serve(config).await {
        Ok(server) => server,
        Err(error) => return complain(&error),
    };
    if let Err(error) = announce(&server, json) {
        // Whoever started it does not listen; it serves all the same.
        tracing::warn!(%error, "the address could not be printed");
    }
    tracing::info!(
        data = %data.display(),
        tcp = %Place(server.tcp_addr().as_slice()),
        iroh = %Place(server.iroh_addrs()),
        http = %Place(server.http_addr().as_slice()),
        "serving"
    );
    let ending = tokio::select! {
        ending = server.ended() => ending,
        () = signals.next() => {
            server.drain();
            tokio::select! {
                ending = server.ended() => ending,
                () = signals.next() => {
                    tracing::warn!("told twice: stopping at once");
                    return ExitCode::FAILURE;
                }
            }
        }
    };
    match ending {
        Ending::Drained => ExitCode::SUCCESS,
        Ending::StoreFailed => ExitCode::FAILURE,
    }
}

fn announce(server: &Server, json: bool) -> std::io::Result<()> {
    let address = server.address().to_string();
    let mut out = std::io::stdout().lock();
    if json {
        let said = serde_json::json!({
            "address": address,
            "tcp": server.tcp_addr(),
            "iroh": server.iroh_addrs(),
            "http": server.http_addr(),
            "setAside": server.set_aside(),
            "version": env!("CARGO_PKG_VERSION"),
        });
        writeln!(out, "{said}")?;
        return out.flush();
    }
    writeln!(out, "address: {address}")?;
    if out.is_terminal()
        && let Ok(code) = qrcode::QrCode::with_error_correction_level(&address, qrcode::EcLevel::L)
    {
        writeln!(out, "\n{}", code.render::<qrcode::render::unicode::Dense1x2>().build())?;
    }
    out.flush()
}

fn check(config: &Config, json: bool) -> ExitCode {
    let findings = zerok_relay::check::check(config);
    if json {
        let Findings { data, running, lines } = &findings;
        let said = serde_json::json!({
            "ok": findings.all_ok(),
            "running": running,
            "data": data,
            "findings": lines,
        });
        println!("{said}");
    } else {
        for line in &findings.lines {
            println!("{} {}: {}", if line.ok { "ok  " } else { "BAD " }, line.what, line.how);
        }
    }
    if findings.all_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Q11: only our own crates are heard, whatever the filter asks for. The transport's name peers by address and key, at some level all of
/// them, and nobody can promise what their next version writes at which.
fn start_log(filter: &str) -> Result<(), String> {
    let filter =
        tracing_subscriber::EnvFilter::try_new(filter).map_err(|error| format!("--log {filter:?}: {error}"))?;
    let ours = filter_fn(|about| about.target().starts_with("zerok"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    log.finish().with(ours).init();
    Ok(())
}

fn complain(error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(2)
}

/// Every link is an open file, and the usual soft limit is far below the relay's own.
fn allow_many_links() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let now = getrlimit(Resource::Nofile);
        if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum }) {
            tracing::debug!(%error, "the limit of open files stays as it is");
        }
    }
}

/// Being told to stop.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    #[cfg(not(unix))]
    fn new() -> std::io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(unix)]
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    #[cfg(not(unix))]
    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            // There is no way to be told: serve until killed.
            std::future::pending::<()>().await;
        }
    }
}
