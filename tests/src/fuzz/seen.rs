//! What a run met: every code and fault by its name, so that the corpora can be asked whether they reach all of them.

use core::fmt::Debug;
use std::collections::BTreeSet;

use zerok_core::{
    error::{Code, Misbehaviour},
    wire::message::WireCode,
};

/// Names as `Code offline`, `SealFault Decrypt`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen(BTreeSet<String>);

impl Seen {
    /// An error an application meets.
    pub fn code(&mut self, code: Code) {
        self.note("Code", code.name());
    }

    /// A refusal on the wire.
    pub fn wire(&mut self, code: WireCode) {
        self.fault("WireCode", code);
    }

    /// A peer's fault.
    pub fn misbehaviour(&mut self, fault: Misbehaviour) {
        self.fault("Misbehaviour", fault);
    }

    /// A value of any other enum, by the name of its variant.
    pub fn fault(&mut self, family: &str, fault: impl Debug) {
        let text = format!("{fault:?}");
        let name = text.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        self.note(family, name);
    }

    /// What stands inside a value of one field: `PeerMisbehaved(BadFrame)` is also `PeerMisbehaved BadFrame`.
    pub fn inner(&mut self, outer: impl Debug) {
        let text = format!("{outer:?}");
        if let Some((family, inner)) = text.split_once('(') {
            self.note(family, inner.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default());
        }
    }

    /// Whether it was met.
    pub fn contains(&self, family: &str, name: &str) -> bool {
        self.0.contains(&format!("{family} {name}"))
    }

    /// Everything another run met.
    pub fn add(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    fn note(&mut self, family: &str, name: &str) {
        self.0.insert(format!("{family} {name}"));
    }
}
