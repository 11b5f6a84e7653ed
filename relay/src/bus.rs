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
mod tests {
    use super::*;

    fn group(n: u32) -> GroupId {
        let mut id = [0; 32];
        id[..4].copy_from_slice(&n.to_le_bytes());
        GroupId(id)
    }

    fn grew(n: u32, head: u64) -> Announce {
        Announce::Group { group: group(n), head: Cursor(head) }
    }

    fn drain(bus: &Bus, machine: usize) -> Vec<String> {
        std::iter::from_fn(|| bus.inboxes[machine].take()).map(|input| format!("{input:?}")).collect()
    }

    #[test]
    fn only_the_highest_head_of_a_group_waits() {
        let bus = Bus::new(3);
        for head in [3, 9, 5] {
            bus.announce(0, grew(1, head));
        }
        bus.announce(0, grew(2, 1));
        let expected =
            [RelayInput::Announced(grew(1, 9)), RelayInput::Announced(grew(2, 1))].map(|input| format!("{input:?}"));
        assert_eq!(drain(&bus, 1), expected);
        assert_eq!(drain(&bus, 2), expected);
        assert_eq!(drain(&bus, 0).len(), 0, "who announces knows");
        assert_eq!(drain(&bus, 1).len(), 0);
    }

    #[test]
    fn a_machine_that_falls_too_far_behind_is_told_that_it_missed_something() {
        let bus = Bus::new(2);
        for n in 0..=TOPICS as u32 {
            bus.announce(0, grew(n, 1));
        }
        bus.announce(0, grew(7, 2));
        assert_eq!(drain(&bus, 1), [format!("{:?}", RelayInput::AnnouncedUnknown)]);
        bus.announce(0, grew(7, 3));
        assert_eq!(drain(&bus, 1).len(), 1, "and hears of what comes after");
    }

    #[tokio::test]
    async fn a_waiting_machine_is_woken() {
        let bus = std::sync::Arc::new(Bus::new(2));
        let waiting = {
            let bus = std::sync::Arc::clone(&bus);
            tokio::spawn(async move { format!("{:?}", bus.next(1).await) })
        };
        tokio::task::yield_now().await;
        bus.announce(0, Announce::Mailbox(MailboxId([4; 16])));
        assert!(waiting.await.unwrap().contains("Mailbox"));
    }
}
