//! Lines of an input, read on a thread of its own.
//!
//! A read of standard input cannot be given up, so it must not be one that the runtime waits for at its end; this thread is simply
//! left behind. Limits: a line is at most a largest payload long; a few lines are read ahead.

use std::io::{self, BufRead};

use tokio::sync::mpsc;
use zerok_core::limits::MAX_PAYLOAD;

/// Lines read ahead.
const AHEAD: usize = 64;

/// One line.
#[derive(Debug)]
pub(crate) enum Line {
    /// Its bytes without the line's end. Never empty.
    Bytes(Vec<u8>),
    /// It does not fit into a blob. Nothing more is read.
    TooLong {
        /// Which, from 1.
        number: u64,
    },
    /// The input broke. Nothing more is read.
    Broken(io::Error),
}

/// Starts reading. The channel closes at the end of the input.
pub(crate) fn read(mut input: impl BufRead + Send + 'static) -> mpsc::Receiver<Line> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    std::thread::spawn(move || {
        let mut number = 0;
        while let Some(line) = next(&mut input, &mut number) {
            let last = !matches!(line, Line::Bytes(_));
            if sender.blocking_send(line).is_err() || last {
                break;
            }
        }
    });
    receiver
}

/// The next line that is not empty. `\r\n` ends a line as `\n` does, and so does the end of the input.
fn next(input: &mut impl BufRead, number: &mut u64) -> Option<Line> {
    let mut line = Vec::new();
    loop {
        let available = match input.fill_buf() {
            Ok(available) => available,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Some(Line::Broken(error)),
        };
        let ended = available.iter().position(|byte| *byte == b'\n');
        let (taken, eof) = (ended.unwrap_or(available.len()), available.is_empty());
        line.extend_from_slice(&available[..taken]);
        input.consume(taken + usize::from(ended.is_some()));
        // One byte more may be a carriage return.
        if line.len() > MAX_PAYLOAD + 1 {
            return Some(Line::TooLong { number: *number + 1 });
        }
        if ended.is_none() && !eof {
            continue;
        }
        *number += 1;
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        match (line.is_empty(), eof) {
            (true, true) => return None,
            (true, false) => {}
            (false, _) if line.len() > MAX_PAYLOAD => return Some(Line::TooLong { number: *number }),
            (false, _) => return Some(Line::Bytes(line)),
        }
    }
}

#[cfg(test)]
mod tests;
