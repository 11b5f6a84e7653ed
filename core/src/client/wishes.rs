//! Who wants this device's full state: newcomers it admitted, and the group it joined with data of its own.
//!
//! Only the application can push that. It is told by an event, which may find nobody listening, and told again whenever it enables, until
//! it says that it has noted the wish where a crash does not reach. What else it pushes meanwhile settles nothing.
//!
//! ```text
//!   admitted ──► heard of: told ──┬──► told again at each enable ──► accepted
//!   joined with data: told ───────┘
//! ```

use crate::{
    client::{
        Client,
        command::{ClientEvent, Reply},
        ledger::Ledger,
    },
    error::Code,
    ids::{CommandId, Cursor, DeviceId},
};

impl Client {
    pub(super) fn wants_full_push(&self) -> bool {
        self.ledger.owes_full_push || self.wishes().next().is_some()
    }

    /// Tells again what was told before.
    pub(super) fn repeat_wishes(&mut self) {
        let joined: Vec<_> = self
            .wishes()
            .map(|(device, name)| ClientEvent::DeviceJoined { device, name: name.to_owned(), wants_full_push: true })
            .collect();
        joined.into_iter().for_each(|event| self.event(event));
        let group = self.group.as_ref().map(|group| group.id).filter(|_| self.ledger.owes_full_push);
        if let Some(group) = group {
            let history_complete = self.is_history_complete();
            self.event(ClientEvent::Joined { group, history_complete, needs_full_push: true });
        }
    }

    /// Whoever was told of is taken care of: a full push that begins now reaches every device that is in the group.
    pub(super) fn accept_full_push(&mut self, id: CommandId) {
        if self.group.is_none() {
            return self.reject(id, Code::NotEnabled);
        }
        let Ledger { greeted, wants_full_push, owes_full_push, .. } = &mut *self.ledger;
        wants_full_push.retain(|device| !greeted.contains(device));
        *owes_full_push = false;
        self.done(id, Ok(Reply::Done));
    }

    /// Whether the relay still has everything the group ever pushed.
    pub(super) fn is_history_complete(&self) -> bool {
        self.ledger.place.is_some_and(|place| place.floor == Cursor(0))
    }

    /// Those who were told of and are still there.
    fn wishes(&self) -> impl Iterator<Item = (DeviceId, &str)> {
        let told = self.ledger.wants_full_push.intersection(&self.ledger.greeted);
        told.filter_map(|device| {
            let member = self.group.as_ref()?.roster.get(*device)?;
            Some((*device, member.name.as_str()))
        })
    }
}
