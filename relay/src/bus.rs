//! Announcements between the machines of one process.
//!
//! Level-triggered: of a group only the highest head waits, of a mailbox that it changed, so a slow machine never makes a queue
//! grow. Should a machine fall behind on more topics than fit, it is told that it missed something and asks the store.
//!
//! Invariant: what was announced is delivered to every other machine, or [`RelayInput::AnnouncedUnknown`] is.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use tokio::sync::Notify;
use zerok_core::{
    ids::{Cursor, GroupId, MailboxId},
    relay::io::{Announce, RelayInput},
};

/// Topics that may wait for one machine.
const TOPICS: usize = 65_536;

/// What connects the machines of one process.
#[derive(Debug)]
pub(crate) struct Bus {
    inboxes: Vec<Inbox>,
}

#[derive(Debug, Default)]
struct Inbox {
    waiting: Mutex<Waiting>,
    bell: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    order: VecDeque<Topic>,
    heads: HashMap<Topic, Cursor>,
    lost: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Topic {
    Group(GroupId),
    Mailbox(MailboxId),
}

impl Bus {
    /// A bus for so many machines.
    pub(crate) fn new(machines: usize) -> Self {
        Self { inboxes: (0..machines).map(|_| Inbox::default()).collect() }
    }

    /// Tells every machine but the one that says so.
    pub(crate) fn announce(&self, from: usize, announce: Announce) {
        let (topic, head) = match announce {
            Announce::Group { group, head } => (Topic::Group(group), head),
            Announce::Mailbox(id) => (Topic::Mailbox(id), Cursor(0)),
        };
        for (machine, inbox) in self.inboxes.iter().enumerate() {
            if machine != from {
                inbox.put(topic, head);
            }
        }
    }

    /// The next announcement for a machine. Dropping the future loses nothing.
    pub(crate) async fn next(&self, machine: usize) -> RelayInput {
        let inbox = &self.inboxes[machine];
        loop {
            if let Some(input) = inbox.take() {
                return input;
            }
            // One reader per inbox: a permit given meanwhile is kept for it.
            inbox.bell.notified().await;
        }
    }
}

impl Inbox {
    fn put(&self, topic: Topic, head: Cursor) {
        let mut waiting = self.lock();
        if let Some(known) = waiting.heads.get_mut(&topic) {
            *known = head.max(*known);
            return;
        }
        if waiting.order.len() >= TOPICS {
            *waiting = Waiting { lost: true, ..Waiting::default() };
        } else if !waiting.lost {
            waiting.order.push_back(topic);
            waiting.heads.insert(topic, head);
        }
        drop(waiting);
        self.bell.notify_one();
    }

    fn take(&self) -> Option<RelayInput> {
        let mut waiting = self.lock();
        if waiting.lost {
            waiting.lost = false;
            return Some(RelayInput::AnnouncedUnknown);
        }
        let topic = waiting.order.pop_front()?;
        let head = waiting.heads.remove(&topic).unwrap_or_default();
        Some(RelayInput::Announced(match topic {
            Topic::Group(group) => Announce::Group { group, head },
            Topic::Mailbox(id) => Announce::Mailbox(id),
        }))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
