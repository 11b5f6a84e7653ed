//! A relay that is honest until its script says otherwise: the real machine, whose words are changed before they leave.
//!
//! Give it to a world of the plain channel ([`World::set_hostile`](crate::sim::World::set_hostile)); everything said to any device
//! from then on is a *position*, counted from 0. At its position the script's [`Attack`](super::Attack) is committed in its
//! [`Manner`](super::Manner), once, or until [`World::relent`](crate::sim::World::relent) where it is a lasting one. Without a
//! script it only counts, which is how a sweep learns how many positions a conversation has.
//!
//! ```text
//!   Honest ── position reached ──► Due (the link was cut first) ── next words ──► Done
//!     │                                                                            ▲
//!     ├──────────────────────────── once ──────────────────────────────────────────┤
//!     └──────────────────────────── lasting ──► Lasting(device) ── relent ─────────┘
//! ```

use zerok_core::{
    ids::{Cursor, GroupId},
    wire::message::{ToDevice, ToRelay},
};

use super::{
    Insider,
    attack::{Attack, Manner, Script},
    lies::{Liar, TWIN, refused},
    speech::Speech,
};
use crate::store::relay::MemoryRelayStore;

/// What happens to a link, or to the relay.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// These words leave.
    Say(Speech),
    /// The first half of their bytes leaves.
    SayHalf(Speech),
    /// The link ends behind what was said.
    Cut,
    /// The relay starts anew over another database.
    Restart(Box<MemoryRelayStore>),
    /// The relay starts anew with another key.
    OtherKey,
    /// Everything up to here is gone from the log.
    Expire(GroupId, Cursor),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Honest,
    Due,
    Lasting(usize),
    Done,
}

/// The liar.
pub struct HostileRelay {
    script: Option<Script>,
    insider: Insider,
    state: State,
    said: Vec<&'static str>,
    heard: Vec<(usize, String)>,
}

impl HostileRelay {
    /// One that says only the truth, and counts it.
    pub fn honest(insider: Insider) -> Self {
        Self { script: None, insider, state: State::Honest, said: Vec::new(), heard: Vec::new() }
    }

    /// One with a script. The insider signs what needs a member's signature, and knows the group.
    pub fn new(insider: Insider, script: Script) -> Self {
        Self { script: Some(script), ..Self::honest(insider) }
    }

    /// The kind of what the honest relay said at each position so far.
    pub fn said(&self) -> &[&'static str] {
        &self.said
    }

    /// What devices have said since the attack, in few words: no blobs, for they may differ from run to run.
    pub fn heard(&self) -> &[(usize, String)] {
        &self.heard
    }

    /// Whether the script was carried out.
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done | State::Lasting(_))
    }

    /// What a second record for one place says. Its author signed it, so it may be delivered.
    pub const fn twin_text() -> &'static str {
        TWIN
    }

    pub(crate) fn relent(&mut self) {
        self.state = State::Done;
    }

    pub(crate) fn attack_next(&mut self, attack: Attack, manner: Manner) {
        self.script = Some(Script { attack, position: self.said.len(), manner });
        self.state = State::Honest;
    }

    /// A device was heard. What is answered, where the honest machine must not hear it.
    pub(crate) fn hears(&mut self, device: usize, message: &ToRelay) -> Option<Vec<Speech>> {
        if self.state != State::Honest {
            self.heard.push((device, in_few_words(message)));
        }
        let refuses = self.script.is_some_and(|script| script.attack == Attack::RefusePushes);
        match message {
            ToRelay::Push { lane, .. } if refuses && self.state == State::Lasting(device) => Some(vec![refused(*lane)]),
            _ => None,
        }
    }

    /// What becomes of honest words to a device.
    pub(crate) fn speak(&mut self, device: usize, honest: Speech, store: &MemoryRelayStore) -> Vec<Step> {
        let position = self.said.len();
        self.said.push(kind(&honest));
        let Some(script) = self.script else { return vec![Step::Say(honest)] };
        let (manner, again) = match self.state {
            State::Honest if position == script.position => (script.manner, false),
            State::Due => (Manner::Instead, false),
            State::Lasting(victim) if victim == device => (Manner::Instead, true),
            _ => return vec![Step::Say(honest)],
        };
        if manner == Manner::CutBefore {
            self.state = State::Due;
            return vec![Step::Cut];
        }
        self.state = if script.attack.is_lasting() { State::Lasting(device) } else { State::Done };
        let mut liar = Liar { insider: &mut self.insider, store, position: script.position, again };
        let mut lie = liar.lie(script.attack, &honest);
        match manner {
            Manner::Instead | Manner::CutBefore => lie,
            Manner::Before => [lie, vec![Step::Say(honest)]].concat(),
            Manner::After => [vec![Step::Say(honest)], lie].concat(),
            Manner::Twice => [lie.clone(), lie].concat(),
            Manner::CutWithin => {
                let torn = lie.iter_mut().rev().find_map(|step| match step {
                    Step::Say(speech) => Some((speech.clone(), step)),
                    _ => None,
                });
                match torn {
                    Some((speech, step)) => *step = Step::SayHalf(speech),
                    None => lie.insert(0, Step::SayHalf(honest)),
                }
                [lie, vec![Step::Cut]].concat()
            }
            Manner::CutAfter => [lie, vec![Step::Cut]].concat(),
        }
    }
}

fn kind(speech: &Speech) -> &'static str {
    match speech {
        Speech::Open => "open",
        Speech::Flight(_, page) if page.entries.is_empty() => "welcome",
        Speech::Flight(..) => "welcome with a page",
        Speech::Message(message) => match message {
            ToDevice::Welcome(_) => "second welcome",
            ToDevice::Page(_) => "page",
            ToDevice::Pushed { .. } => "pushed",
            ToDevice::News(news) if news.blob.is_some() => "news",
            ToDevice::News(_) => "news without its blob",
            ToDevice::Pong => "pong",
            ToDevice::Bye { .. } => "bye",
            ToDevice::MailboxOpened { .. } => "mailbox opened",
            ToDevice::MailboxMessage { .. } => "mailbox message",
            ToDevice::MailboxClosed { .. } => "mailbox closed",
            ToDevice::Error(_) => "error",
        },
    }
}

fn in_few_words(message: &ToRelay) -> String {
    match message {
        ToRelay::Hello(_) => "hello".into(),
        ToRelay::Pull(pull) => format!("pull after {}", pull.after.0),
        ToRelay::Push { lane, blobs } => format!("push {} on {lane:?}", blobs.len()),
        ToRelay::Ack { cursor } => format!("ack {}", cursor.0),
        ToRelay::Ping => "ping".into(),
        ToRelay::Bye => "bye".into(),
        _ => "mailbox".into(),
    }
}
