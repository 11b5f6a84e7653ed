//! What the tests of a running relay share: blocking devices, and its health page.

#![allow(dead_code, unreachable_pub, reason = "every test binary uses its part")]

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

pub use zerok_testkit::blocking::{Group, blob, everything};

const PATIENCE: Duration = Duration::from_secs(30);

/// Status and body of a plain GET.
pub fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("the relay answers health checks");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status line");
    (status, answer.split_once("\r\n\r\n").expect("a body").1.to_owned())
}
