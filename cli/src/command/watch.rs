//! `watch`: what arrives is printed, what is typed is pushed, until the process is asked to end.
//!
//! One loop hears everything and is the only one that speaks, so lines never mix. The inbox is read in rounds: a pull after the last
//! printed position acknowledges what was printed and brings what came since. Events only say that a round is worth making, so a
//! missed one costs nothing. Nothing here waits for the relay.
//!
//! ```text
//!            pull answered, not empty
//!           ┌────────┐
//!           ▼        │         empty, and nothing was announced meanwhile
//!        Reading ────┴──────────────────────────────────────────────────► Resting
//!           ▲                        something was announced                  │
//!           └─────────────────────────────────────────────────────────────────┘
//! ```

use std::{
    collections::BTreeSet,
    future::{Future, pending},
    io::BufReader,
    pin::Pin,
};

use tokio::sync::{
    broadcast::{Receiver, error::RecvError},
    mpsc,
};
use zerok_core::{
    client::{
        command::{ClientEvent, Pulled},
        status::{ConnectionState, Status},
        verdict::Verdict,
    },
    error::Code,
    ids::{BlobId, Position},
};
use zerok_tokio::{SyncClient, SyncError};

use crate::{
    device::{Setting, not_set_up, with},
    exit::{Done, Failure, Outcome},
    lines::{self, Line},
    names::Names,
    output::{Output, harmless},
    queue::{Answer, Queue},
    shape::{BlobShape, EventShape, PushShape, VerdictShape, verdict_sentence},
    signals::Signals,
};

/// Payload bytes of one round.
const ROUND: u32 = 1 << 20;

pub(crate) async fn run(setting: &Setting, output: &mut Output, push_stdin: bool) -> Outcome {
    let mut signals = Signals::listen().map_err(|error| Failure::new(Code::NotAllowed, format!("{error}.")))?;
    let client = setting.open().await?;
    with(client, async |client| {
        let events = client.events();
        let report = client.inspect().await?;
        if report.identity.is_none() {
            return Err(not_set_up());
        }
        let mut watch = Watch {
            client,
            output,
            events,
            lines: push_stdin.then(|| lines::read(BufReader::new(std::io::stdin()))),
            queue: Queue::default(),
            unsynced: report.pending.into_iter().collect(),
            inbox: Inbox::default(),
            names: Names::default(),
            told: None,
            judged: 0,
        };
        watch.tell_verdicts(&report.verdicts)?;
        client.connect_and_pull().await;
        tokio::select! {
            failure = watch.run() => Err(failure),
            () = signals.stop() => Ok(Done::Well),
        }
    })
    .await
}

struct Watch<'a> {
    client: &'a SyncClient,
    output: &'a mut Output,
    events: Receiver<ClientEvent>,
    /// Until the end of the input.
    lines: Option<mpsc::Receiver<Line>>,
    queue: Queue,
    /// Blobs whose push was answered with "pending", here or in an earlier life.
    unsynced: BTreeSet<BlobId>,
    inbox: Inbox,
    names: Names,
    /// The state a person was last told of.
    told: Option<ConnectionState>,
    /// The newest finding that was told: their numbers grow.
    judged: u64,
}

type Reading = Pin<Box<dyn Future<Output = Result<Pulled, SyncError>> + Send>>;

/// Where the reading of the inbox stands.
#[derive(Default)]
struct Inbox {
    printed: Option<Position>,
    reading: Option<Reading>,
    announced: bool,
}

impl Watch<'_> {
    /// Goes on until something fails.
    async fn run(&mut self) -> Failure {
        self.read_on();
        loop {
            if let Err(failure) = self.turn().await {
                return failure;
            }
        }
    }

    async fn turn(&mut self) -> Outcome<()> {
        let hungry = self.queue.has_room();
        tokio::select! {
            event = self.events.recv() => self.hear(event).await,
            pulled = answer(&mut self.inbox.reading) => self.print(pulled?).await,
            pushed = self.queue.next() => {
                let pushed = pushed?;
                self.answer(pushed)
            }
            line = line(&mut self.lines), if hungry => self.push(line),
        }
    }

    async fn hear(&mut self, event: Result<ClientEvent, RecvError>) -> Outcome<()> {
        let event = match event {
            Ok(event) => event,
            Err(RecvError::Lagged(_)) => return self.look_again().await,
            // The client has stopped by itself; any call says why.
            Err(RecvError::Closed) => {
                let error = self.client.inspect().await.err();
                return Err(error.map_or(Code::StorageFailed.into(), Failure::from));
            }
        };
        match event {
            ClientEvent::BlobAvailable { .. } => {
                self.inbox.announced = true;
                self.read_on();
                Ok(())
            }
            ClientEvent::BlobSynced { id, cursor } if self.unsynced.remove(&id) => {
                self.output.object(&EventShape::Synced { id: id.to_string(), cursor: cursor.0 })
            }
            ClientEvent::BlobReissued { old, new } => {
                if self.unsynced.remove(&old) {
                    self.unsynced.insert(new);
                }
                Ok(())
            }
            ClientEvent::Status(status) => self.tell_status(status),
            ClientEvent::DeviceJoined { device, name, wants_full_push } => {
                self.output.note(format_args!("{} has joined", harmless(&name)));
                self.output.object(&EventShape::DeviceJoined { device: device.to_string(), name, wants_full_push })
            }
            ClientEvent::Verdict { id, verdict } => self.tell_verdicts(&[(id, verdict)]),
            ClientEvent::Problem(code) => {
                self.output.warn(code, code);
                self.output.object(&EventShape::problem(code))
            }
            _ => Ok(()),
        }
    }

    /// Events were missed: read what they would have said.
    async fn look_again(&mut self) -> Outcome<()> {
        self.inbox.announced = true;
        self.read_on();
        let report = self.client.inspect().await?;
        let unsent: BTreeSet<BlobId> = report.pending.into_iter().collect();
        self.unsynced.retain(|id| unsent.contains(id));
        self.tell_verdicts(&report.verdicts)
    }

    /// Tells each finding once, whether an event or a look at all of them brought it.
    fn tell_verdicts(&mut self, verdicts: &[(u64, Verdict)]) -> Outcome<()> {
        for (id, verdict) in verdicts.iter().filter(|(id, _)| *id > self.judged) {
            self.output.warn(verdict.code(), verdict_sentence(verdict));
            self.output.object(&EventShape::Verdict(VerdictShape::new(*id, verdict)))?;
        }
        self.judged = verdicts.iter().map(|(id, _)| *id).fold(self.judged, u64::max);
        Ok(())
    }

    /// A status is told when its state changed: the numbers in it change with every blob.
    fn tell_status(&mut self, status: Status) -> Outcome<()> {
        if self.told == Some(status.state) {
            return Ok(());
        }
        self.told = Some(status.state);
        match status.state {
            ConnectionState::Connected => self.output.note("Connected"),
            ConnectionState::Reconnecting => {
                let why = status.last_error.map(|code| format!(" {code}")).unwrap_or_default();
                self.output.note(format_args!("Not connected, trying again.{why}"));
            }
            ConnectionState::Disabled | ConnectionState::Offline | ConnectionState::Connecting => {}
        }
        self.output.object(&EventShape::Status(status.into()))
    }

    /// Starts a round unless one is under way.
    fn read_on(&mut self) {
        if self.inbox.reading.is_none() {
            let (client, after) = (self.client.clone(), self.inbox.printed);
            self.inbox.announced = false;
            self.inbox.reading = Some(Box::pin(async move { client.pull(after, ROUND, false).await }));
        }
    }

    async fn print(&mut self, pulled: Pulled) -> Outcome<()> {
        self.inbox.reading = None;
        self.names.learn(self.client, pulled.blobs.iter().map(|blob| blob.sender)).await?;
        for blob in &pulled.blobs {
            let name = self.names.of(blob.sender);
            self.output.object(&BlobShape::new(blob, name))?;
            self.output.payload(name.unwrap_or("?"), &blob.data)?;
        }
        self.inbox.printed = Some(pulled.max_cursor);
        if !pulled.blobs.is_empty() || self.inbox.announced {
            self.read_on();
        }
        Ok(())
    }

    fn push(&mut self, line: Option<Line>) -> Outcome<()> {
        match line {
            Some(Line::Bytes(bytes)) => self.queue.push(self.client, bytes),
            Some(Line::TooLong { number }) => {
                return Err(Failure::new(Code::BlobTooLarge, format!("It is line {number} of the input.")));
            }
            Some(Line::Broken(error)) => return Err(Failure::of_input("Standard input", &error)),
            // Watching goes on without it.
            None => self.lines = None,
        }
        Ok(())
    }

    fn answer(&mut self, answer: Answer) -> Outcome<()> {
        match answer {
            Answer::Pushed(pushed) => self.output.object(&PushShape::pushed(pushed.blob_id, Some(pushed.cursor))),
            Answer::Pending(id) => {
                self.unsynced.insert(id);
                self.output.object(&PushShape::pending(id))
            }
        }
    }
}

/// The round's answer; never, when there is no round. Dropping the future loses nothing.
async fn answer(reading: &mut Option<Reading>) -> Result<Pulled, SyncError> {
    match reading {
        Some(reading) => reading.await,
        None => pending().await,
    }
}

/// The next line; never, when there is no input. Dropping the future loses nothing.
async fn line(lines: &mut Option<mpsc::Receiver<Line>>) -> Option<Line> {
    match lines {
        Some(lines) => lines.recv().await,
        None => pending().await,
    }
}
