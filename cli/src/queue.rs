//! Pushes on their way, answered in the order in which they were made.
//!
//! Calls are handed over when they are made, so many may be on their way without changing places. Bounded by number and bytes.

use std::{collections::VecDeque, future::Future, pin::Pin};

use bytes::Bytes;
use zerok_core::{error::Code, ids::BlobId};
use zerok_tokio::{Pushed, SyncClient, SyncError};

use crate::exit::{Failure, Outcome};

/// Most pushes on their way. Below the number of calls a client takes at once.
const PUSHES: usize = 1024;
/// Most bytes on their way; one push more may exceed it.
const BYTES: usize = 8 << 20;

/// How one push ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The relay holds it.
    Pushed(Pushed),
    /// It is durable here.
    Pending(BlobId),
}

type Waiting = Pin<Box<dyn Future<Output = Result<Pushed, SyncError>> + Send>>;

/// Pushes on their way.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: VecDeque<(usize, Waiting)>,
    bytes: usize,
}

impl Queue {
    /// Whether another push should be made now.
    pub(crate) fn has_room(&self) -> bool {
        self.waiting.len() < PUSHES && self.bytes < BYTES
    }

    /// Whether nothing is on its way.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Makes a push.
    pub(crate) fn push(&mut self, client: &SyncClient, data: Vec<u8>) {
        let size = data.len();
        self.bytes += size;
        self.waiting.push_back((size, Box::pin(client.push(Bytes::from(data), None))));
    }

    /// The answer to the oldest push; never, when there is none. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Outcome<Answer> {
        let Some((size, waiting)) = self.waiting.front_mut() else { return std::future::pending().await };
        let answer = waiting.await;
        self.bytes -= *size;
        self.waiting.pop_front();
        match answer {
            Ok(pushed) => Ok(Answer::Pushed(pushed)),
            Err(error) => match (error.code(), error.blob_id()) {
                (Code::Pending, Some(id)) => Ok(Answer::Pending(id)),
                _ => Err(Failure::from(error)),
            },
        }
    }
}
