//! Is anybody there? Noticed by a link that sends, long before QUIC's own timer.
//!
//! A relay that was killed says nothing, and over UDP nobody says it for the relay. QUIC's idle timer has to allow for a link that is
//! quiet, so this watches what was sent: bytes that a living peer would have acknowledged.
//!
//! Never sends anything and never wakes a quiet link: it begins with a write, looks once in [`LOOK`], and rests again when everything
//! is acknowledged. A process that stood still sees one late look, not several, and so mistakes nobody for dead.
//!
//! ```text
//!            write                     acknowledged: begin anew
//!   Resting ───────► Listening(looks) ◄────┐
//!      ▲                 │  └──────────────┘
//!      │ nothing sent    │ LOOKS without an acknowledgement
//!      └─────────────────┴──── something was sent ────► nobody is there
//! ```

use std::{
    pin::Pin,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use iroh::endpoint::ConnectionStats;
use tokio::time::{Instant, Sleep, sleep};

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// Looks without an acknowledgement after which nobody is there: three seconds. A first dial gets no longer.
const LOOKS: u32 = 6;

/// What a connection has counted so far. Only frames that were opened: a stranger's packets are no sign of life, nor are those with
/// which a restarted relay says that it does not know the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Traffic {
    /// What was sent and wants to be acknowledged: pieces of a stream, and what asks again for an acknowledgement that does not come.
    sent: u64,
    /// Acknowledgements received.
    acknowledged: u64,
}

impl From<&ConnectionStats> for Traffic {
    fn from(stats: &ConnectionStats) -> Self {
        let sent = stats.frame_tx.stream + stats.frame_tx.ping + stats.frame_tx.immediate_ack;
        Self { sent, acknowledged: stats.frame_rx.acks + stats.frame_rx.path_acks }
    }
}

/// Watches one connection.
pub(crate) struct Silence {
    traffic: Box<dyn Fn() -> Traffic + Send + Sync>,
    state: State,
    /// Who reads, to be told that there is something to listen for.
    reader: Option<Waker>,
}

enum State {
    Resting,
    Listening { since: Traffic, looks: u32, look: Pin<Box<Sleep>> },
}

impl Silence {
    /// Watches whatever counts this.
    pub(crate) fn new(traffic: impl Fn() -> Traffic + Send + Sync + 'static) -> Self {
        Self { traffic: Box::new(traffic), state: State::Resting, reader: None }
    }

    /// Something is about to be written.
    pub(crate) fn writing(&mut self) {
        if let State::Resting = self.state {
            self.state = State::Listening { since: (self.traffic)(), looks: 0, look: Box::pin(sleep(LOOK)) };
            if let Some(reader) = self.reader.take() {
                reader.wake();
            }
        }
    }

    /// Ready when nobody is there. To be asked by a reader that waits.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let State::Listening { since, looks, look } = &mut self.state else {
                self.reader = Some(cx.waker().clone());
                return Poll::Pending;
            };
            ready!(look.as_mut().poll(cx));
            look.as_mut().reset(Instant::now() + LOOK);
            let now = (self.traffic)();
            *looks += 1;
            if now.acknowledged != since.acknowledged {
                (*since, *looks) = (now, 0);
            } else if *looks >= LOOKS {
                if now.sent != since.sent {
                    return Poll::Ready(());
                }
                self.state = State::Resting;
            }
        }
    }
}

#[cfg(test)]
mod tests;
