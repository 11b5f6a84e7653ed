//! `/health` for whoever restarts or balances relays, `/metrics` for whoever watches them. On loopback unless told otherwise.
//!
//! Totals only: no figure, label or text names a group, a device or an address (G18). Answers `GET` and `HEAD`, keeps no connection,
//! and holds a bounded number of them for a bounded time.

mod metrics;

use std::{
    convert::Infallible,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, mpsc, oneshot, watch},
    task::JoinSet,
    time::timeout,
};
use zerok_core::relay::stats::RelayStats;

use crate::{
    machines,
    store::{self, RelayDb},
};

/// Most connections at a time.
const CONNECTIONS: usize = 32;
/// How long a connection may last.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a busy machine may take to say what it counted.
const ANSWER: Duration = Duration::from_secs(2);

/// What is looked at.
#[derive(Debug)]
pub(crate) struct Observed {
    pub(crate) db: Arc<RelayDb>,
    pub(crate) machines: Vec<mpsc::Sender<machines::Request>>,
    pub(crate) draining: watch::Receiver<bool>,
    /// A listener is gone.
    pub(crate) deaf: Arc<AtomicBool>,
    pub(crate) started: Instant,
    pub(crate) data: PathBuf,
}

/// Answers until it is dropped.
pub(crate) async fn serve(listener: TcpListener, observed: Arc<Observed>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        // Never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "accepting a health check failed");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        let observed = Arc::clone(&observed);
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let observed = Arc::clone(&observed);
                async move { Ok::<_, Infallible>(answer(&observed, &request).await) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(PATIENCE)
                .max_buf_size(16 * 1024)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service);
            match timeout(PATIENCE, connection).await {
                Ok(Ok(())) | Err(_) => {}
                Ok(Err(error)) => tracing::debug!(%error, "a health check broke off"),
            }
            drop(place);
        });
    }
}

async fn answer(observed: &Observed, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "only GET\n".to_owned());
    }
    match request.uri().path() {
        "/health" => {
            let health = Health::of(observed).await;
            let status = if health.serves() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            text(status, "application/json", health.to_json())
        }
        "/metrics" => {
            let stats = collect(observed).await;
            text(StatusCode::OK, "text/plain; version=0.0.4", metrics::render(observed, &stats))
        }
        _ => text(StatusCode::NOT_FOUND, "text/plain", "/health or /metrics\n".to_owned()),
    }
}

/// How it stands, and whether that is well.
#[cfg(test)]
pub(crate) async fn standing(observed: &Observed) -> (&'static str, bool) {
    let health = Health::of(observed).await;
    (health.status, health.serves())
}

fn text(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

struct Health {
    status: &'static str,
    /// This machine's clock, for a device that doubts its own.
    time: u64,
    relay_id: String,
    uptime: Duration,
    links: usize,
    answering: bool,
    full: bool,
    failed: bool,
    free: Option<u64>,
    used: u64,
}

impl Health {
    async fn of(observed: &Observed) -> Self {
        let figures = observed.db.figures();
        let (full, failed) = (figures.full.load(Ordering::Relaxed), figures.failed.load(Ordering::Relaxed));
        let stats = collect(observed).await;
        let answering = stats.len() == observed.machines.len();
        let status = match () {
            () if failed => "failed",
            () if *observed.draining.borrow() => "draining",
            () if !answering => "stuck",
            () if observed.deaf.load(Ordering::Relaxed) => "deaf",
            // Pulls still work, so this is no reason to restart.
            () if full => "full",
            () => "ok",
        };
        Self {
            status,
            time: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64),
            // Enough to see that a database was replaced.
            relay_id: observed.db.relay_id().to_string().chars().take(8).collect(),
            uptime: observed.started.elapsed(),
            links: stats.iter().map(|stats| stats.links).sum(),
            answering,
            full,
            failed,
            free: store::free_bytes(&observed.data),
            used: metrics::database_bytes(&observed.data),
        }
    }

    fn serves(&self) -> bool {
        matches!(self.status, "ok" | "full")
    }

    fn to_json(&self) -> String {
        let mut text = serde_json::json!({
            "status": self.status,
            "version": env!("CARGO_PKG_VERSION"),
            "time": self.time,
            "relayId": self.relay_id,
            "uptimeSeconds": self.uptime.as_secs(),
            "links": self.links,
            "machinesAnswer": self.answering,
            "store": { "ok": !self.failed, "full": self.full },
            "disk": { "freeBytes": self.free, "databaseBytes": self.used },
        })
        .to_string();
        text.push('\n');
        text
    }
}

/// What each machine counted, as far as they answer in time.
async fn collect(observed: &Observed) -> Vec<RelayStats> {
    let asked: Vec<_> = observed
        .machines
        .iter()
        .map(|machine| {
            let (by, answer) = oneshot::channel();
            // Fails for a machine that has stopped, or one so busy that its queue is full.
            let _missing = machine.try_send(machines::Request::Stats(by));
            answer
        })
        .collect();
    let mut stats = Vec::with_capacity(asked.len());
    for answer in asked {
        if let Ok(Ok(counted)) = timeout(ANSWER, answer).await {
            stats.push(counted);
        }
    }
    stats
}
