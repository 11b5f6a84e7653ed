//! One link's bytes: a QUIC stream in both directions, possibly with early data.
//!
//! With a ticket from an earlier connection a dialled stream carries bytes before the handshake is done. The relay may refuse them;
//! then the same bytes go out again on a stream of the finished connection, and nobody above notices. That is sound because the first
//! flight is safe to repeat and nothing but the first flight is written before an answer.
//!
//! ```text
//!   Early(sent) ──accepted──► open
//!        └───────rejected──► new stream, `resend` first ──► open ──shutdown──► closing ──acknowledged──► closed
//! ```
//!
//! Limits: at most [`EARLY`] bytes are written early; a writer of more waits for the handshake.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Wake, Waker, ready},
};

use iroh::{
    Endpoint,
    endpoint::{OutgoingZeroRttConnection, RecvStream, SendStream, ZeroRttStatus},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{failure, silence::Silence};

/// Most bytes written before the handshake is done: a first flight and its frame fit several times.
pub(crate) const EARLY: usize = 16 * 1024;

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Streams = (SendStream, RecvStream);

/// The bytes of one link.
pub(crate) struct LinkStream {
    send: SendStream,
    recv: RecvStream,
    early: Option<Early>,
    /// Early bytes that were refused and go first on the new stream.
    resend: Vec<u8>,
    /// Waits for the peer to acknowledge everything, once the stream is shut down.
    closing: Option<BoxFuture<io::Result<()>>>,
    /// Notices that nobody is there. Only on a dialled link: a device that is gone for a moment keeps its link as long as QUIC does.
    silence: Option<Silence>,
    /// A link outlives whoever dialled or accepted it.
    _endpoint: Endpoint,
}

/// Early data whose fate is open.
struct Early {
    /// `None` when it was accepted, the streams to use instead when it was rejected.
    outcome: BoxFuture<io::Result<Option<Streams>>>,
    sent: Vec<u8>,
    waiting: Arc<Waiting>,
}

/// Reader and writer may both wait for the outcome, each with a waker of its own.
#[derive(Default)]
struct Waiting {
    wakers: Mutex<[Option<Waker>; 2]>,
}

#[derive(Clone, Copy)]
enum Half {
    Reading,
    Writing,
}

impl LinkStream {
    pub(crate) fn new((send, recv): Streams, endpoint: Endpoint) -> Self {
        Self { send, recv, early: None, resend: Vec::new(), closing: None, silence: None, _endpoint: endpoint }
    }

    /// The same, and a reader is told when what was written reaches nobody.
    #[must_use]
    pub(crate) fn watched(self, silence: Silence) -> Self {
        Self { silence: Some(silence), ..self }
    }

    /// A stream opened on `connection` before its handshake is done.
    pub(crate) fn early(streams: Streams, connection: OutgoingZeroRttConnection, endpoint: Endpoint) -> Self {
        let outcome = Box::pin(async move {
            match connection.handshake_completed().await {
                Ok(ZeroRttStatus::Accepted(_)) => Ok(None),
                Ok(ZeroRttStatus::Rejected(connection)) => {
                    tracing::debug!("early data rejected, sending it again");
                    let streams = connection.open_bi().await;
                    streams.map(Some).map_err(|lost| failure::of_io(io::Error::other(lost)))
                }
                Err(error) => Err(io::Error::new(io::ErrorKind::ConnectionReset, error)),
            }
        });
        let early = Early { outcome, sent: Vec::new(), waiting: Arc::default() };
        Self { early: Some(early), ..Self::new(streams, endpoint) }
    }

    /// Whether the fate of early data is open.
    #[cfg(test)]
    pub(crate) fn is_early(&self) -> bool {
        self.early.is_some()
    }

    /// Whether the stream in use was opened before the handshake was done.
    #[cfg(test)]
    pub(crate) fn was_early(&self) -> bool {
        self.recv.is_0rtt()
    }

    /// Waits until it is known what became of early data, and acts on it.
    fn poll_settled(&mut self, cx: &Context<'_>, half: Half) -> Poll<io::Result<()>> {
        let Some(early) = &mut self.early else { return Poll::Ready(Ok(())) };
        early.waiting.set(half, cx.waker());
        let waker = Waker::from(early.waiting.clone());
        let outcome = ready!(early.outcome.as_mut().poll(&mut Context::from_waker(&waker)));
        let sent = std::mem::take(&mut early.sent);
        early.waiting.wake_by_ref();
        self.early = None;
        if let Some(streams) = outcome? {
            (self.send, self.recv) = streams;
            self.resend = sent;
        }
        Poll::Ready(Ok(()))
    }

    /// Fails once nobody is there.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(silence) = &mut self.silence else { return Poll::Pending };
        ready!(silence.poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "nothing that was sent is acknowledged")))
    }

    /// Writes what must go first.
    fn poll_resent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.resend.is_empty() {
            let len =
                ready!(AsyncWrite::poll_write(Pin::new(&mut self.send), cx, &self.resend)).map_err(failure::of_io)?;
            self.resend.drain(..len);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for LinkStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let settled = this.poll_settled(cx, Half::Reading)?.is_ready();
        if settled {
            // Whoever comes first sends again. Blocking here only delays the answer that the reader waits for.
            ready!(this.poll_resent(cx))?;
        }
        match AsyncRead::poll_read(Pin::new(&mut this.recv), cx, buf) {
            Poll::Ready(read) if settled || read.is_ok() => Poll::Ready(read.map_err(failure::of_io)),
            // A rejected stream fails before the outcome says so, which then wakes this reader.
            _ => this.poll_silence(cx),
        }
    }
}

impl AsyncWrite for LinkStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Some(silence) = &mut this.silence {
            silence.writing();
        }
        if let Some(early) = &mut this.early
            && early.sent.len() < EARLY
        {
            let piece = &buf[..buf.len().min(EARLY - early.sent.len())];
            let len = match ready!(AsyncWrite::poll_write(Pin::new(&mut this.send), cx, piece)) {
                Ok(len) => len,
                // Rejected meanwhile: kept to be sent again. Anything worse is the outcome's to report.
                Err(_) => piece.len(),
            };
            early.sent.extend_from_slice(&piece[..len]);
            return Poll::Ready(Ok(len));
        }
        ready!(this.poll_settled(cx, Half::Writing))?;
        ready!(this.poll_resent(cx))?;
        AsyncWrite::poll_write(Pin::new(&mut this.send), cx, buf).map_err(failure::of_io)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // QUIC sends as soon as it may; only bytes to be sent again are still here.
        self.get_mut().poll_resent(cx)
    }

    /// Ends the stream and waits until the peer has everything: dropping a connection discards what is under way.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_settled(cx, Half::Writing))?;
        ready!(this.poll_resent(cx))?;
        let closing = match &mut this.closing {
            Some(closing) => closing,
            None => {
                // Fails only when it is finished already.
                let _finished = this.send.finish();
                let acknowledged = this.send.stopped();
                this.closing.insert(Box::pin(async move {
                    acknowledged.await.map(drop).map_err(|lost| failure::of_io(io::Error::other(lost)))
                }))
            }
        };
        closing.as_mut().poll(cx)
    }
}

impl Waiting {
    fn set(&self, half: Half, waker: &Waker) {
        self.lock()[half as usize] = Some(waker.clone());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, [Option<Waker>; 2]> {
        // Nothing panics while it is held.
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let wakers = std::mem::take(&mut *self.lock());
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}
