//! The relay's clock, if its health page tells it.
//!
//! The page is plain HTTP, on loopback by default, and nobody vouches for it: what it says is shown, never used. It is a JSON object
//! whose `time` is in Unix milliseconds; without `time` there is nothing to compare.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use zerok_core::time::UnixMillis;

use super::{
    clock::span,
    report::{Check, State},
};

/// What the relay's clock may differ by.
const ALLOWANCE: u64 = 60_000;
/// Largest page that is read.
const PAGE: u64 = 64 * 1024;

/// Asks and compares.
pub(crate) async fn check(url: &str, now: UnixMillis, patience: Duration, checks: &mut Vec<Check>) {
    let page = timeout(patience, fetch(url)).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    checks.push(match page {
        Ok(page) => compare(&page, now),
        Err(error) => Check::odd(
            "health",
            State::Problem,
            format!("The health page cannot be read: {error}."),
            "Give it as http://host:port/health, from where it can be reached.",
        ),
    });
}

fn compare(page: &str, now: UnixMillis) -> Check {
    let page: serde_json::Value = serde_json::from_str(page).unwrap_or_default();
    let Some(time) = page["time"].as_u64() else {
        return Check::fine("health", "The health page answers; it tells no time.");
    };
    let by = time.abs_diff(now.0);
    if by <= ALLOWANCE {
        return Check::fine("health", "The relay's clock and this machine's agree.");
    }
    let side = if time > now.0 { "behind" } else { "ahead of" };
    Check::odd(
        "health",
        State::Problem,
        format!("This machine's clock is {} {side} the relay's.", span(by)),
        "Set the one that is wrong, best by the network.",
    )
}

/// The body of a page. One request, one answer, no redirects.
async fn fetch(url: &str) -> io::Result<String> {
    let invalid = || io::Error::new(io::ErrorKind::InvalidInput, "not an http:// address");
    let rest = url.strip_prefix("http://").ok_or_else(invalid)?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, "health"));
    if host.is_empty() || url.chars().any(|c| c.is_control() || c == ' ') {
        return Err(invalid());
    }
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let place = if has_port { host.to_owned() } else { format!("{host}:80") };
    let mut stream = TcpStream::connect(place).await?;
    let request =
        format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(PAGE).read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let status = head.split(' ').nth(1).unwrap_or("none");
    if status != "200" {
        return Err(io::Error::other(format!("status {status}")));
    }
    // A chunked body has its sizes between; the object is what stands in the braces.
    let object = body.find('{').zip(body.rfind('}')).and_then(|(from, to)| body.get(from..=to));
    Ok(object.unwrap_or(body).to_owned())
}
