//! Bytes between one link and its machine.
//!
//! One future per link reads and writes, each side polled by itself, so a peer that does not read never stops us reading (D5).
//! Every link ends in exactly one [`LinkInput::OpenFailed`] or [`LinkInput::Closed`], its last word (D4). The reader waits when the
//! machine's input channel is full; the writer's queue is unbounded because the machine's credit window bounds it.
//!
//! ```text
//!   dial ──failed──► OpenFailed
//!    │ opened
//!    ▼
//!   pumping ──Close──► flushing ──done, failed or FLUSH passed──► Closed(Local), then linger unheard
//!    │ end of file, error
//!    ▼
//!   Closed(cause)
//! ```

use std::{
    collections::{HashMap, VecDeque},
    io::{self, IoSlice},
    pin::Pin,
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWrite as _, AsyncWriteExt, ReadHalf, WriteHalf},
    sync::{mpsc, oneshot, watch},
    time::timeout,
};
use zerok_core::{
    ids::LinkId,
    machine::{LinkFailure, LinkInput, LinkOutput},
};

use crate::{
    link::{BoxFuture, Io, Opened},
    tcp::failure_of,
};

/// How long a closing link may take to hand its last bytes to the operating system.
const FLUSH: Duration = Duration::from_secs(5);
/// How long a closed link is kept from being reset under its last bytes, and a link that cannot write may still be read: what the
/// peer said before it went says why.
const LINGER: Duration = Duration::from_secs(2);
/// Smallest and largest read, bytes. An idle link holds the smallest; one that fills its buffer doubles it.
const READ: (usize, usize) = (1024, 64 * 1024);
/// Most pieces handed over in one write.
const SLICES: usize = 32;

/// The links of one machine.
#[derive(Debug)]
pub struct Links {
    inputs: mpsc::Sender<LinkInput>,
    handles: HashMap<LinkId, Handle>,
}

#[derive(Debug)]
struct Handle {
    writes: mpsc::UnboundedSender<Bytes>,
    reading: watch::Sender<bool>,
    close: Option<oneshot::Sender<()>>,
}

struct Ends {
    writes: mpsc::UnboundedReceiver<Bytes>,
    reading: watch::Receiver<bool>,
    close: oneshot::Receiver<()>,
}

impl Links {
    /// No links yet. What happens on them goes to `inputs`, a bounded channel.
    pub fn new(inputs: mpsc::Sender<LinkInput>) -> Self {
        Self { inputs, handles: HashMap::new() }
    }

    /// Starts dialling. The machine will hear `Opened` or `OpenFailed`.
    pub fn dial(&mut self, link: LinkId, dialling: BoxFuture<'static, Result<Opened, LinkFailure>>) {
        let mut ends = self.register(link);
        let inputs = self.inputs.clone();
        tokio::spawn(async move {
            let dialled = tokio::select! {
                biased;
                _ = &mut ends.close => Err(LinkFailure::Local),
                dialled = dialling => dialled,
            };
            match dialled {
                Ok(opened) => {
                    if inputs.send(announce(link, &opened)).await.is_ok() {
                        pump(link, opened.io, ends, inputs).await;
                    }
                }
                // The driver is gone when nobody listens.
                Err(cause) => drop(inputs.send(LinkInput::OpenFailed { link, cause }).await),
            }
        });
    }

    /// Takes an accepted link. The caller hands the answer to the machine before anything else, so that link ids reach it in order.
    #[must_use = "the machine must hear of the link first"]
    pub fn accepted(&mut self, link: LinkId, opened: Opened) -> LinkInput {
        let ends = self.register(link);
        let announced = announce(link, &opened);
        tokio::spawn(pump(link, opened.io, ends, self.inputs.clone()));
        announced
    }

    /// Does what the machine asks of a link. Never blocks; a link that has ended is ignored, its `Closed` is on its way.
    pub fn perform(&mut self, output: LinkOutput) {
        match output {
            LinkOutput::Transmit { link, bytes } => {
                if let Some(handle) = self.handles.get(&link) {
                    // Fails only when the pump has ended.
                    let _ended = handle.writes.send(bytes);
                }
            }
            LinkOutput::SetReading { link, on } => {
                if let Some(handle) = self.handles.get(&link) {
                    handle.reading.send_replace(on);
                }
            }
            LinkOutput::Close { link, reason } => {
                tracing::debug!(link = link.0, %reason, "closing");
                if let Some(close) = self.handles.get_mut(&link).and_then(|handle| handle.close.take()) {
                    let _ended = close.send(());
                }
            }
        }
    }

    /// Forgets a link whose last word passes by. To be called with everything that comes out of the input channel.
    pub fn observe(&mut self, input: &LinkInput) {
        if let LinkInput::OpenFailed { link, .. } | LinkInput::Closed { link, .. } = input {
            self.handles.remove(link);
        }
    }

    /// How many links there are, those being dialled or closed included.
    pub fn len(&self) -> usize {
        self.handles.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.handles.is_empty()
    }

    fn register(&mut self, link: LinkId) -> Ends {
        let (writes, writes_end) = mpsc::unbounded_channel();
        let (reading, reading_end) = watch::channel(true);
        let (close, close_end) = oneshot::channel();
        self.handles.insert(link, Handle { writes, reading, close: Some(close) });
        Ends { writes: writes_end, reading: reading_end, close: close_end }
    }
}

fn announce(link: LinkId, opened: &Opened) -> LinkInput {
    LinkInput::Opened { link, transport: opened.transport, origin: opened.origin }
}

/// Carries bytes until the link ends, says so, and lets a link that was closed here linger.
async fn pump(link: LinkId, io: Box<dyn Io>, ends: Ends, inputs: mpsc::Sender<LinkInput>) {
    let (mut read_half, write_half) = tokio::io::split(io);
    let Ends { writes, reading, close } = ends;
    let cause = {
        let reader = read(link, &mut read_half, reading, &inputs);
        let writer =
            Writer { link, io: write_half, writes, inputs: &inputs, queue: VecDeque::new(), unreported: 0 }.run(close);
        tokio::pin!(reader, writer);
        tokio::select! {
            cause = &mut reader => cause,
            ended = &mut writer => match ended {
                Ok(()) => LinkFailure::Local,
                Err(cause) => timeout(LINGER, reader).await.map_or(cause, |_read_out| cause),
            },
        }
    };
    // Fails when the driver is gone.
    let _gone = inputs.send(LinkInput::Closed { link, cause }).await;
    drop(inputs);
    if cause == LinkFailure::Local {
        // Dropping a stream with unread bytes resets it, and the reset may overtake what was just flushed.
        let _waited = timeout(LINGER, discard(&mut read_half)).await;
    }
}

/// Reads until the end. Waits while reading is off and while the machine is busy.
async fn read(
    link: LinkId,
    io: &mut ReadHalf<Box<dyn Io>>,
    mut reading: watch::Receiver<bool>,
    inputs: &mpsc::Sender<LinkInput>,
) -> LinkFailure {
    let mut size = READ.0;
    loop {
        if reading.wait_for(|on| *on).await.is_err() {
            return driver_gone().await;
        }
        let mut buffer = BytesMut::with_capacity(size);
        let len = tokio::select! {
            read = io.read_buf(&mut buffer) => match read {
                Ok(0) => return LinkFailure::Eof,
                Ok(len) => len,
                Err(error) => return failure_of(&error),
            },
            // A read that is dropped while it waits has taken nothing.
            changed = reading.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return driver_gone().await,
            },
        };
        size = if len >= size {
            (size * 2).min(READ.1)
        } else if len < size / 4 {
            (size / 2).max(READ.0)
        } else {
            size
        };
        if inputs.send(LinkInput::Bytes { link, bytes: buffer.freeze() }).await.is_err() {
            return driver_gone().await;
        }
    }
}

/// Nobody listens any more. The writer sees that too and ends the link after its flush.
async fn driver_gone() -> LinkFailure {
    std::future::pending().await
}

/// The writing side of a link. All of its state is outside its futures, so that these can be dropped at any wait.
struct Writer<'a> {
    link: LinkId,
    io: WriteHalf<Box<dyn Io>>,
    writes: mpsc::UnboundedReceiver<Bytes>,
    inputs: &'a mpsc::Sender<LinkInput>,
    queue: VecDeque<Bytes>,
    unreported: usize,
}

impl Writer<'_> {
    /// Writes what is queued until told to close; then flushes and shuts down.
    async fn run(mut self, close: oneshot::Receiver<()>) -> Result<(), LinkFailure> {
        // A driver that is gone drops its end: the same as asking to close.
        tokio::select! {
            carried = self.carry() => carried?,
            _asked = close => {}
        }
        match timeout(FLUSH, self.flush()).await {
            Ok(flushed) => flushed,
            Err(_elapsed) => Ok(()),
        }
    }

    /// Ends well only when there will be nothing more to write.
    async fn carry(&mut self) -> Result<(), LinkFailure> {
        loop {
            if self.queue.is_empty() {
                let Some(bytes) = self.writes.recv().await else { return Ok(()) };
                self.queue.push_back(bytes);
            }
            self.write_once().await?;
        }
    }

    async fn flush(&mut self) -> Result<(), LinkFailure> {
        self.report().await;
        loop {
            self.take_queued();
            if self.queue.is_empty() {
                return self.io.shutdown().await.map_err(|error| failure_of(&error));
            }
            self.write_once().await?;
        }
    }

    async fn write_once(&mut self) -> Result<(), LinkFailure> {
        self.take_queued();
        let len = std::future::poll_fn(|context| {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let used = self.queue.iter().zip(&mut slices).map(|(bytes, slice)| *slice = IoSlice::new(bytes)).count();
            Pin::new(&mut self.io).poll_write_vectored(context, &slices[..used])
        })
        .await
        .map_err(|error| failure_of(&error))?;
        if len == 0 {
            return Err(LinkFailure::Reset);
        }
        self.unreported += len;
        self.advance(len);
        self.report().await;
        Ok(())
    }

    /// Tells the machine. No place in its channel is taken before: peers that do not read must not fill it.
    async fn report(&mut self) {
        if self.unreported > 0 {
            let written = LinkInput::Written { link: self.link, len: self.unreported };
            // Nobody listens when the driver is gone; the flush goes on.
            let _gone = self.inputs.send(written).await;
            self.unreported = 0;
        }
    }

    fn take_queued(&mut self) {
        while let Ok(bytes) = self.writes.try_recv() {
            self.queue.push_back(bytes);
        }
    }

    fn advance(&mut self, mut len: usize) {
        while let Some(front) = self.queue.front_mut() {
            let taken = len.min(front.len());
            front.advance(taken);
            len -= taken;
            if !front.is_empty() {
                break;
            }
            self.queue.pop_front();
        }
    }
}

async fn discard(io: &mut ReadHalf<Box<dyn Io>>) -> io::Result<()> {
    let mut waste = vec![0; READ.0];
    while io.read(&mut waste).await? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests;
