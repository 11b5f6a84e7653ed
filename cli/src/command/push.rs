//! `push`: data from a file or standard input into one blob, or one for each line.
//!
//! Everything is durable on this device before anything else; then the relay gets its time. What it does not hold by then is said,
//! and goes out with the next command that reaches the relay.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, BufRead, BufReader, IsTerminal as _, Read as _},
    path::Path,
};

use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::{Instant, timeout_at},
};
use zerok_core::{
    client::{command::ClientEvent, status::ConnectionState},
    error::Code,
    ids::BlobId,
    limits::MAX_PAYLOAD,
};
use zerok_tokio::SyncClient;

use crate::{
    device::{SET_RELAY, Setting, not_set_up, with},
    exit::{Done, Failure, Outcome},
    lines::{self, Line},
    output::Output,
    progress::Progress,
    queue::{Answer, Queue},
    shape::PushShape,
};

pub(crate) async fn run(setting: &Setting, output: &mut Output, by_line: bool, file: Option<&Path>) -> Outcome {
    let file = file.filter(|file| *file != Path::new("-"));
    let name = file.map_or("Standard input".to_owned(), |file| file.display().to_string());
    let input = open(file).map_err(|error| Failure::of_input(&name, &error))?;
    if file.is_none() && io::stdin().is_terminal() {
        output.note("What to push? Ctrl-D ends it.");
    }
    let client = setting.open().await?;
    with(client, async |client| {
        let deadline = Instant::now() + setting.patience;
        let mut events = client.events();
        let report = client.inspect().await?;
        if report.identity.is_none() {
            return Err(not_set_up());
        }
        client.connect_and_pull().await;
        let has_relay = report.relay.is_some();
        let mut pushing = Pushing { client, output, has_relay, pending: BTreeSet::new(), pushed: 0 };
        let told = if by_line { pushing.lines(input, &name).await } else { pushing.whole(input, &name).await };
        pushing.wait(&mut events, deadline).await?;
        told.and_then(|()| pushing.sum_up())
    })
    .await
}

fn open(file: Option<&Path>) -> io::Result<Box<dyn BufRead + Send>> {
    Ok(match file {
        Some(file) => Box::new(BufReader::new(File::open(file)?)),
        None => Box::new(BufReader::new(io::stdin())),
    })
}

struct Pushing<'a> {
    client: &'a SyncClient,
    output: &'a mut Output,
    /// Without one, waiting helps nobody.
    has_relay: bool,
    /// Durable here only.
    pending: BTreeSet<BlobId>,
    /// At the relay.
    pushed: u64,
}

impl Pushing<'_> {
    /// The whole input as one blob.
    async fn whole(&mut self, input: Box<dyn BufRead + Send>, name: &str) -> Outcome<()> {
        let mut data = Vec::new();
        // One byte too many says enough.
        let read = tokio::task::spawn_blocking(move || {
            input.take(MAX_PAYLOAD as u64 + 1).read_to_end(&mut data).map(|_length| data)
        });
        let data = read.await.unwrap_or_else(|panicked| Err(io::Error::other(panicked)));
        let data = data.map_err(|error| Failure::of_input(name, &error))?;
        if data.is_empty() {
            return Err(Failure::new(Code::InvalidArgs, format!("{name} is empty. Nothing was pushed.")));
        }
        if data.len() > MAX_PAYLOAD {
            return Err(Failure::new(Code::BlobTooLarge, "With --lines each line is a blob of its own."));
        }
        let _progress = Progress::waiting(self.output, "Pushing");
        let mut queue = Queue::default();
        queue.push(self.client, data);
        self.answer(&mut queue).await
    }

    /// Each line as a blob, in order.
    async fn lines(&mut self, input: Box<dyn BufRead + Send>, name: &str) -> Outcome<()> {
        let mut lines = lines::read(input);
        let progress = Progress::counting(self.output, "Pushing", None);
        let mut queue = Queue::default();
        let mut ended = None;
        while ended.is_none() || !queue.is_empty() {
            tokio::select! {
                line = lines.recv(), if ended.is_none() && queue.has_room() => match line {
                    Some(Line::Bytes(bytes)) => queue.push(self.client, bytes),
                    Some(Line::TooLong { number }) => {
                        ended = Some(Err(Failure::new(Code::BlobTooLarge, format!("It is line {number}."))));
                    }
                    Some(Line::Broken(error)) => ended = Some(Err(Failure::of_input(name, &error))),
                    None => ended = Some(Ok(())),
                },
                answer = queue.next() => {
                    self.note(answer?)?;
                    progress.step();
                }
            }
        }
        ended.unwrap_or(Ok(()))
    }

    async fn answer(&mut self, queue: &mut Queue) -> Outcome<()> {
        let answer = queue.next().await?;
        self.note(answer)
    }

    fn note(&mut self, answer: Answer) -> Outcome<()> {
        match answer {
            Answer::Pushed(pushed) => {
                self.pushed += 1;
                self.output.object(&PushShape::pushed(pushed.blob_id, Some(pushed.cursor)))
            }
            // Said at the end: it may reach the relay yet.
            Answer::Pending(id) => {
                self.pending.insert(id);
                Ok(())
            }
        }
    }

    /// A link that broke may come back in time. One that never was is not waited for: the first attempt has failed.
    async fn wait(&mut self, events: &mut Receiver<ClientEvent>, deadline: Instant) -> Outcome<()> {
        let _progress = Progress::waiting(self.output, "Waiting for the relay");
        let connected = self.pushed > 0 || self.client.status().state == ConnectionState::Connected;
        while !self.pending.is_empty() {
            let event = match timeout_at(if connected { deadline } else { Instant::now() }, events.recv()).await {
                Ok(event) => event,
                Err(_elapsed) => break,
            };
            match event {
                Ok(ClientEvent::BlobSynced { id, cursor }) if self.pending.remove(&id) => {
                    self.pushed += 1;
                    self.output.object(&PushShape::pushed(id, Some(cursor)))?;
                }
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => self.look().await?,
                Err(RecvError::Closed) => break,
            }
        }
        self.look().await?;
        for id in &self.pending {
            self.output.object(&PushShape::pending(*id))?;
        }
        Ok(())
    }

    /// What no event said.
    async fn look(&mut self) -> Outcome<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let unsent: BTreeSet<BlobId> = self.client.inspect().await?.pending.into_iter().collect();
        for id in self.pending.extract_if(.., |id| !unsent.contains(id)).collect::<Vec<_>>() {
            self.pushed += 1;
            self.output.object(&PushShape::pushed(id, None))?;
        }
        Ok(())
    }

    fn sum_up(&mut self) -> Outcome {
        let (pushed, pending) = (self.pushed, self.pending.len());
        let blobs = |count: u64| if count == 1 { "1 blob".to_owned() } else { format!("{count} blobs") };
        let pending = pending as u64;
        if pending > 0 && !self.has_relay {
            let kept = format!("{SET_RELAY} Kept on this device until then: {}; do not push again.", blobs(pending));
            return Err(Failure::new(Code::NoRelay, kept));
        }
        if pending > 0 {
            let refused = self.client.status().last_error.filter(|code| *code != Code::Offline);
            let why = refused.map(|code| format!(" {code}")).unwrap_or_default();
            return Err(Failure::pending(&format!("{} at the relay, {} pending.{why}", blobs(pushed), blobs(pending))));
        }
        self.output.note(format_args!("{} pushed", blobs(pushed)));
        Ok(Done::Well)
    }
}
