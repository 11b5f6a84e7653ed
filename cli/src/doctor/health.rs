//! The relay's clock, if its health page tells it.
//!
//! The page is plain HTTP, on loopback by default, and nobody vouches for it: what it says is shown, never used. It is a JSON object
//! whose `time` is in Unix milliseconds; without `time` the `Date` of the answer does, which is as good as its seconds.

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
        Ok(page) => compare(page.time(), now),
        Err(error) => Check::odd(
            "health",
            State::Problem,
            format!("The health page cannot be read: {error}."),
            "Give it as http://host:port/health, from where it can be reached.",
        ),
    });
}

/// An answer of status 200.
struct Page {
    head: String,
    body: String,
}

impl Page {
    /// The relay's clock in Unix milliseconds.
    fn time(&self) -> Option<u64> {
        // A chunked body has its sizes between; the object is what stands in the braces.
        let object = self.body.find('{').zip(self.body.rfind('}')).and_then(|(from, to)| self.body.get(from..=to));
        let object: serde_json::Value = serde_json::from_str(object.unwrap_or_default()).unwrap_or_default();
        object["time"].as_u64().or_else(|| {
            let header = |line: &&str| line.split_once(':').is_some_and(|(name, _)| name.eq_ignore_ascii_case("date"));
            date(self.head.lines().find(header)?.split_once(':')?.1)
        })
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` in Unix milliseconds.
fn date(text: &str) -> Option<u64> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let mut parts = text.trim().split([' ', ':']).skip(1);
    let mut next = || parts.next();
    let day: u64 = next()?.parse().ok()?;
    let month = MONTHS.find(next().filter(|month| month.len() == 3)?)? as u64 / 3 + 1;
    let year: u64 = next()?.parse().ok().filter(|year| (1970..10_000).contains(year))?;
    let mut clock = || next()?.parse::<u64>().ok();
    let (hours, minutes, seconds) = (clock()?, clock()?, clock()?);
    // Days since 1970, with years that begin in March, so that the leap day comes last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 719_469;
    Some((days * 86_400 + hours * 3600 + minutes * 60 + seconds) * 1000)
}

fn compare(time: Option<u64>, now: UnixMillis) -> Check {
    let Some(time) = time else {
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

/// A page. One request, one answer, no redirects.
async fn fetch(url: &str) -> io::Result<Page> {
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
    Ok(Page { head: head.to_owned(), body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn a_date_of_http_becomes_milliseconds() {
        assert_eq!(date(" Thu, 01 Jan 1970 00:00:01 GMT"), Some(1000));
        assert_eq!(date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777_000));
        assert_eq!(date("Thu, 29 Feb 2024 23:59:59 GMT"), Some(1_709_251_199_000));
        assert_eq!(date("Mon, 23 Nov 2026 23:24:25 GMT"), Some(1_795_476_265_000));
        for wrong in ["", "Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 06 Nov 1194 08:49:37 GMT", "Sun, x Nov 1994 08:49"] {
            assert_eq!(date(wrong), None, "{wrong}");
        }
    }
}
