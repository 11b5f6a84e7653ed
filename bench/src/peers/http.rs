//! The little of HTTP/1.1 that loads a server: one connection, JSON both ways, one request at a time.

use std::{
    io::{BufRead, BufReader, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use serde_json::Value;

use crate::trouble::Trouble;

/// How long a server may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection.
pub(super) struct Http {
    host: String,
    stream: BufReader<TcpStream>,
    headers: String,
}

impl Http {
    pub(super) fn connect(host: &str) -> Result<Self, Trouble> {
        let stream = TcpStream::connect(host).map_err(Trouble::io(host))?;
        stream.set_nodelay(true).map_err(Trouble::io(host))?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(Trouble::io(host))?;
        Ok(Self { host: host.to_owned(), stream: BufReader::new(stream), headers: String::new() })
    }

    /// From now on every request bears this header.
    pub(super) fn bear(&mut self, name: &str, value: &str) {
        self.headers.push_str(&format!("{name}: {value}\r\n"));
    }

    /// Posts a body made beforehand and waits for the answer.
    pub(super) fn post(&mut self, path: &str, body: &[u8]) -> Result<Value, Trouble> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\n{}content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            self.host,
            self.headers,
            body.len()
        );
        let stream = self.stream.get_mut();
        let sent = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        sent.map_err(Trouble::io(path))?;
        let status = self.line()?;
        let mut length = 0;
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().map_err(|_| Trouble::Process(format!("{path} answers {line:?}")))?;
            }
        }
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer).map_err(Trouble::io(path))?;
        if !status.contains(" 200 ") {
            return Err(Trouble::Process(format!("{path} answers {status}")));
        }
        // Some good answers have no body.
        Ok(if answer.is_empty() { Value::Null } else { serde_json::from_slice(&answer)? })
    }

    fn line(&mut self) -> Result<String, Trouble> {
        let mut line = String::new();
        match self.stream.read_line(&mut line).map_err(Trouble::io("an answer"))? {
            0 => Err(Trouble::Process("the server has closed the connection".to_owned())),
            _ => Ok(line.trim_end().to_owned()),
        }
    }
}
