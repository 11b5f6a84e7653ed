//! What loads the naive relay: a window of pushes over one link.

use std::{
    io::{BufRead, BufReader, BufWriter, Write},
    net::TcpStream,
    time::Instant,
};

use super::{Answer, Request};
use crate::{load::Done, push::SEALED, trouble::Trouble};

/// How much.
#[derive(Debug, Clone, clap::Args)]
pub struct Wish {
    /// The naive relay's port on loopback.
    #[arg(long)]
    port: u16,
    /// Blobs.
    #[arg(long)]
    count: usize,
    /// Blobs under way at once.
    #[arg(long, default_value_t = 64)]
    window: usize,
}

/// Says hello, then pushes so many, never more under way than the window.
///
/// # Errors
/// The naive relay goes away or says something else.
pub fn push(wish: &Wish) -> Result<Done, Trouble> {
    let failed = || Trouble::io("a link to the naive relay");
    let stream = TcpStream::connect(("127.0.0.1", wish.port)).map_err(failed())?;
    stream.set_nodelay(true).map_err(failed())?;
    let mut answers = BufReader::new(&stream).lines();
    let mut out = BufWriter::new(&stream);
    let mut say = |request: &Request| -> Result<(), Trouble> {
        serde_json::to_writer(&mut out, request)?;
        out.write_all(b"\n").and_then(|()| out.flush()).map_err(failed())
    };
    let mut hear = || -> Result<Answer, Trouble> {
        let line = answers.next().ok_or_else(|| Trouble::Process("the naive relay went away".to_owned()))?;
        Ok(serde_json::from_str(&line.map_err(failed())?)?)
    };
    say(&Request::Hello)?;
    hear()?;
    let began = Instant::now();
    let (mut sent, mut done) = (0, 0);
    while done < wish.count {
        while sent < wish.count.min(done + wish.window) {
            say(&Request::Push { blob: vec![0x5a; SEALED] })?;
            sent += 1;
        }
        match hear()? {
            Answer::Pushed { .. } => done += 1,
            other => return Err(Trouble::Process(format!("not an acknowledgement: {other:?}"))),
        }
    }
    Ok(Done { seconds: began.elapsed().as_secs_f64(), sent_bytes: 0, received_bytes: 0 })
}
