//! A tape, played on a machine of the same beginning, with whatever a law changes about it.

use zerok_core::{
    ids::{CommandId, LinkId},
    machine::{LinkInput, LinkOutput, Misuse},
    time::Time,
};
use zerok_testkit::recorder::{Entry, Tape};

use crate::role::{Known, Number, Role};

/// Choices of a law. Not for secrets.
#[derive(Debug, Clone)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default() % bound.max(1)
    }

    /// Once in so many times.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// A machine that is told what a tape says.
#[derive(Debug, Clone)]
pub(crate) struct Player<M: Role> {
    pub(crate) machine: M,
    /// The latest time it was told.
    pub(crate) now: Time,
    pub(crate) known: Known,
    /// Outputs, in order.
    pub(crate) given: Vec<M::Output>,
    /// What the store was asked and has not answered.
    pub(crate) asked: Vec<M::Output>,
}

impl<M: Role> Player<M> {
    /// Before the first input; a machine begins by asking its store, and that is taken.
    pub(crate) fn new(tape: &Tape<M>) -> Self {
        let (machine, given, asked) = (tape.start().clone(), Vec::new(), Vec::new());
        let mut player = Self { machine, now: Time(0), known: Known::default(), given, asked };
        player.drain();
        player
    }

    /// One input, and nothing is taken.
    pub(crate) fn tell(&mut self, now: Time, input: M::Input) -> Result<(), Misuse> {
        self.now = self.now.max(now);
        let noted = input.clone();
        let answer = self.machine.handle(now, input);
        if answer.is_ok() {
            self.known.told::<M>(&noted);
            match M::answers(&noted) {
                Some(Number::Batch(batch)) => {
                    self.asked.retain(|asked| !matches!(M::numbered(asked), Some(Number::Batch(b)) if b <= batch));
                }
                Some(load) => self.asked.retain(|asked| M::numbered(asked) != Some(load)),
                None => {}
            }
        }
        answer
    }

    /// Takes an output, if there is one.
    pub(crate) fn take(&mut self) -> Option<M::Output> {
        let output = self.machine.poll()?;
        self.known.gave::<M>(&output);
        if matches!(M::numbered(&output), Some(Number::Batch(_) | Number::Load(_))) {
            self.asked.push(output.clone());
        }
        self.given.push(output.clone());
        Some(output)
    }

    /// Takes all there is, and says how much it was.
    pub(crate) fn drain(&mut self) -> usize {
        let before = self.given.len();
        while self.take().is_some() {}
        self.given.len() - before
    }

    /// What the tape says, with all outputs taken at once.
    pub(crate) fn play(&mut self, now: Time, input: &M::Input) {
        let told = self.tell(now, input.clone());
        assert_eq!(told, Ok(()), "the driver on the tape is a correct one; at {now:?}: {input:?}");
        self.drain();
    }
}

/// The inputs of a tape.
pub(crate) fn inputs<M: Role>(tape: &Tape<M>) -> impl Iterator<Item = (Time, &M::Input)> {
    tape.entries().iter().filter_map(|entry| match entry {
        Entry::Told { now, input, .. } => Some((*now, input)),
        Entry::Gave(_) | Entry::Drained => None,
    })
}

/// The tape as a driver would have it that takes every output at once: its last outputs, too, which one that looks late may not have
/// taken before it was killed.
pub(crate) fn taken_at_once<M: Role>(tape: &Tape<M>) -> Player<M> {
    let mut player = Player::new(tape);
    inputs(tape).for_each(|(now, input)| player.play(now, input));
    player
}

/// What was given is what the tape gives, to the byte and in order.
pub(crate) fn assert_unchanged<M: Role>(tape: &Tape<M>, given: &[M::Output], law: &str) {
    assert_alike::<M>(taken_at_once(tape).given.iter(), given.iter(), law);
}

/// Two runs gave the same.
pub(crate) fn assert_alike<'a, M: Role>(
    expected: impl Iterator<Item = &'a M::Output>,
    given: impl Iterator<Item = &'a M::Output>,
    law: &str,
) where
    M::Output: 'a,
{
    let (mut expected, mut given) = (expected, given);
    for place in 0.. {
        let pair = (expected.next(), given.next());
        if pair.0.is_none() && pair.1.is_none() {
            return;
        }
        // Most of what there is are bytes, and those need not be printed to be compared.
        let [one, two] = [pair.0, pair.1].map(|output| output.and_then(M::output_of));
        if one.is_none() || one != two {
            assert_eq!(format!("{:?}", pair.0), format!("{:?}", pair.1), "{law}: output {place}");
        }
    }
}

/// Bytes that a link carries, as an input.
pub(crate) fn bytes_of<M: Role>(input: &M::Input) -> Option<(LinkId, bytes::Bytes)> {
    match M::link_of(input)? {
        LinkInput::Bytes { link, bytes } => Some((*link, bytes.clone())),
        _ => None,
    }
}

/// Bytes that a link is given, as an output.
pub(crate) fn transmitted<M: Role>(output: &M::Output) -> Option<(LinkId, usize)> {
    match M::output_of(output)? {
        LinkOutput::Transmit { link, bytes } => Some((*link, bytes.len())),
        _ => None,
    }
}

/// The link that an output asks to close.
pub(crate) fn closes<M: Role>(output: &M::Output) -> Option<LinkId> {
    match M::output_of(output)? {
        LinkOutput::Close { link, .. } => Some(*link),
        _ => None,
    }
}

/// The commands of a tape, in order.
pub(crate) fn commands<M: Role>(tape: &Tape<M>) -> Vec<CommandId> {
    inputs(tape).filter_map(|(_, input)| M::command_of(input)).collect()
}
